"""What serves whom is the newest row: trials, promotions and rollbacks, and what is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa

import core.rollouts
from core.adapter_events import set_blocked
from core.assignment import assign
from core.audit import Audit
from core.errors import AdapterRefused, BadInput, Conflict, NotFound
from core.gate import report_path, sign_report, write_report
from core.people import People
from core.records import TrialArm
from core.registry import Registry, Training
from core.rollouts import CANARY, Rollouts
from core.store import Store
from core.turns import now
from tests.conftest import make_person
from tests.core.adapters import DEFAULTS, approve, decision, gate_report, packaged_demand, registered

PEOPLE = [make_person(f"person.{n}") for n in range(400)]


@pytest.fixture
def registry(store: Store, audit: Audit, home: Path) -> Registry:
    return Registry(store, audit, home=home)


@pytest.fixture
def rollouts(store: Store, audit: Audit, registry: Registry) -> Rollouts:
    People(store, audit).add_groups({"employees": "", "finance": "", "product-support": ""}, actor="test")
    made = Rollouts(store, audit, registry)
    made.begin(DEFAULTS)
    return made


@pytest.fixture
def make(registry: Registry, audit: Audit, tmp_path: Path) -> Callable[..., str]:
    """An adapter at a stage; each call makes another one."""
    counter = iter(range(1, 100))
    return lambda stage="production", **options: registered(
        registry, audit, tmp_path / "out", value=float(next(counter)), stage=stage, **options
    )


def by(rollouts: Rollouts, adapter: str) -> set[str]:
    standing = rollouts.standing()
    found = ((person, standing.arm(person)) for person in PEOPLE)
    return {person.person_id for person, arm in found if arm and arm.adapter == adapter}


def test_nothing_is_in_force_before_the_first_start(store: Store, audit: Audit, registry: Registry) -> None:
    rollouts = Rollouts(store, audit, registry)
    with pytest.raises(Conflict, match="assistant serve"):
        rollouts.current()
    with pytest.raises(Conflict, match="assistant serve"):
        rollouts.kill(actor="ada.admin", reason="what?")


def test_first_start_serves_what_the_settings_name_and_the_next_one_changes_nothing(rollouts: Rollouts) -> None:
    first = rollouts.current()
    assert (first.production, first.base, first.action, first.mode) == ("quote-v1", "quote-v1", "start", "none")
    assert first.template == DEFAULTS.template
    assert rollouts.begin(DEFAULTS) == first
    assert rollouts.history() == [first]


def test_changed_settings_count_from_the_next_start_and_a_rollback_outlives_a_start(
    rollouts: Rollouts, make: Callable[..., str]
) -> None:
    adapter = make()
    rollouts.promote(adapter, actor="ana", reason="better")
    stricter = replace(DEFAULTS, evidence_threshold=0.45, template_sha256="u" * 64, template={"system": "Be brief."})
    row = rollouts.begin(stricter)
    assert (row.action, row.production, row.evidence_threshold, row.template) == (
        "settings",
        adapter,
        0.45,
        {"system": "Be brief."},
    )
    assert "evidence_threshold" in row.reason
    back = rollouts.rollback(actor="ana", reason="too strict")
    assert (back.production, back.evidence_threshold, back.template) == (adapter, 0.35, DEFAULTS.template)
    assert rollouts.begin(stricter) == back
    again = rollouts.begin(replace(stricter, base="reader-1"))
    assert (again.production, again.base, again.evidence_threshold) == ("reader-1", "reader-1", 0.35)


def test_promotion_takes_an_adapter_in_production_that_verifies(
    rollouts: Rollouts, registry: Registry, make: Callable[..., str]
) -> None:
    for stage in ("dev", "staging"):
        with pytest.raises(Conflict, match=f"in {stage}"):
            rollouts.promote(make(stage), actor="ana", reason="please")
    with pytest.raises(NotFound):
        rollouts.promote("reader-v9-12345678", actor="ana", reason="please")
    blocked, cut, good = make(), make(), make()
    registry.block(blocked, actor="ada.admin", reason="erasure of a person")
    with pytest.raises(Conflict, match="erasure of a person"):
        rollouts.promote(blocked, actor="ana", reason="please")
    weights = registry.home / "adapters" / cut / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(AdapterRefused, match="cut short"):
        rollouts.promote(cut, actor="ana", reason="please")
    with pytest.raises(BadInput, match="Say why"):
        rollouts.promote(good, actor="ana", reason="")
    assert rollouts.current().production == "quote-v1"
    row = rollouts.promote(good, actor="ana", reason="better")
    assert (row.production, row.actor, row.action, row.evidence_threshold) == (good, "ana", "promote", 0.35)
    with pytest.raises(Conflict, match="already"):
        rollouts.promote(good, actor="ana", reason="again")


@pytest.fixture
def pinned(store: Store, audit: Audit, home: Path, rollouts: Rollouts, tmp_path: Path) -> Pinned:
    return Pinned(store, audit, home, tmp_path)


class Pinned:
    """A registry that asks of reports what `demand` says, an adapter that was approved on one, and its report's file."""

    def __init__(self, store: Store, audit: Audit, home: Path, folder: Path) -> None:
        self.demand = replace(packaged_demand(), against="quote-v1", against_sha256="4" * 64, base="quote-v1")
        self.registry = Registry(store, audit, home=home, demand=lambda _name: self.demand)
        self.rollouts = Rollouts(store, audit, self.registry)
        self.name = registered(self.registry, audit, folder, value=50.0, stage="production")
        self.report = self.registry.report(self.name)
        assert self.report
        self.path = report_path(home, self.report)
        self.path.parent.mkdir(parents=True)
        write_report(self.report, self.path)
        self.audit = audit

    def refused(self, said: str) -> None:
        before = self.rollouts.current()
        with pytest.raises(Conflict, match=rf"adapters stage {self.name}, and a new approval\..*{said}"):
            self.rollouts.promote(self.name, actor="ana", reason="approved")
        assert self.rollouts.current() == before


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"policy_sha256": "9" * 64}, "other thresholds"),
        ({"guard_policy_sha256": "9" * 64}, "another guard policy"),
        ({"against": "reader-v8-99999999"}, "while reader-v8-99999999 serves now"),
        ({"base": "reader-5"}, "while the training started from reader-5"),
    ],
)
def test_what_an_approval_rested_on_is_asked_for_again_by_the_promotion(
    pinned: Pinned, changed: dict[str, str], said: str
) -> None:
    approved = pinned.demand
    pinned.demand = replace(approved, **changed)
    pinned.refused(said)
    again = gate_report(pinned.registry.get(pinned.name), pinned.audit, demand=pinned.demand)
    pinned.registry.stage(pinned.name, again, actor="ana", reason="gated again")
    with pytest.raises(Conflict, match="in staging"):
        pinned.rollouts.promote(pinned.name, actor="ana", reason="not approved again")
    pinned.registry.request(pinned.name, actor="ana", reason="again")
    pinned.registry.approve(pinned.name, actor="ada.admin", reason="read the new one")
    assert pinned.rollouts.promote(pinned.name, actor="ana", reason="approved").production == pinned.name


def test_a_report_that_was_changed_or_followed_by_one_that_says_no_promotes_nothing(pinned: Pinned) -> None:
    record, text = pinned.registry.get(pinned.name), pinned.path.read_text()
    pinned.path.write_text(text.replace('"n": 220', '"n": 500'))
    pinned.refused("changed since")
    pinned.path.write_text(text)
    later = replace(
        decision(record, passed=False, demand=pinned.demand), created_at="2026-11-27T06:00:00+00:00", run_id="run-2"
    )
    write_report(sign_report(later, pinned.audit), report_path(pinned.registry.home, later))
    pinned.refused("The gate is closed")
    report_path(pinned.registry.home, later).unlink()
    pinned.path.unlink()  # a worker's disk may be another one: what the approval rested on is kept with it
    row = pinned.rollouts.promote(pinned.name, actor="ana", reason="approved")
    pinned.demand = replace(pinned.demand, against="reader-v8-99999999")
    pinned.rollouts.kill(actor="ana", reason="a look")
    back = pinned.rollouts.promote(pinned.name, actor="ana", reason="it has served everybody before")
    assert back.production == row.production == pinned.name
    with pytest.raises(Conflict, match="serves people now"):
        pinned.registry.stage(
            pinned.name, gate_report(record, pinned.audit, demand=pinned.demand), actor="ana", reason="?"
        )


@pytest.mark.parametrize("act", ["promote", "canary", "shadow", "rollback"])
def test_an_adapter_that_is_blocked_at_the_last_moment_is_seen_by_the_transaction_that_names_it(
    act: str, rollouts: Rollouts, registry: Registry, make: Callable[..., str], store: Store, audit: Audit
) -> None:
    name = make()
    if act == "rollback":
        rollouts.promote(name, actor="ana", reason="better")
        rollouts.promote(make(), actor="ana", reason="better still")

    class Late(Rollouts):
        """Something happens between the first look at the adapter's files and the transaction."""

        @contextmanager
        def _changing(self, *given: str) -> Iterator[sa.Connection]:
            registry.block(name, actor="ada.admin", reason="erased at the last moment")
            with super()._changing(*given) as connection:
                yield connection

    before, late = rollouts.current(), Late(store, audit, registry)
    given = () if act == "rollback" else (name,)
    with pytest.raises(Conflict, match="erased at the last moment"):
        getattr(late, act)(*given, actor="ana", reason="now")
    assert rollouts.current() == before


def test_another_process_sees_a_rollback_at_its_next_look(
    rollouts: Rollouts, registry: Registry, audit: Audit, url: str, make: Callable[..., str]
) -> None:
    with Store(url) as other:
        there = Rollouts(other, Audit(other, registry.home), Registry(other, audit, home=registry.home))
        assert there.current().production == "quote-v1"
        adapter = make()
        rollouts.promote(adapter, actor="ana", reason="better")
        assert there.current().production == adapter
        rollouts.rollback(actor="ana", reason="worse")
        assert there.current() == rollouts.current()
        registry.block(adapter, actor="ada.admin", reason="poisoned")
        assert not there.standing().may_serve(adapter, PEOPLE[0])


@pytest.mark.parametrize("url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True)
def test_a_block_that_is_committed_after_a_later_event_is_seen(
    rollouts: Rollouts, make: Callable[..., str], store: Store
) -> None:
    """An erasure writes its event, an adapter is registered with the next number, then the erasure ends. SQLite has one writer."""
    served = make()
    rollouts.promote(served, actor="ana", reason="better")
    with store.begin() as erasure:
        set_blocked(erasure, served, "what it learnt from was erased", actor="ada.admin")
        make("dev")
        assert rollouts.standing().serving == served
    assert rollouts.standing().serving == "quote-v1"


def test_rollback_restores_adapter_template_and_thresholds_in_one_row(
    rollouts: Rollouts, make: Callable[..., str]
) -> None:
    first, second = make(), make()
    one = rollouts.promote(first, actor="ana", reason="better")
    rollouts.promote(
        second,
        actor="ana",
        reason="better still",
        defaults=replace(DEFAULTS, low_evidence=0.7, template_sha256="v" * 64),
    )
    back = rollouts.rollback(actor="ben", reason="flags went up")
    assert back.restores == one.rollout_id
    assert (back.production, back.low_evidence, back.template_sha256) == (first, 0.5, "t" * 64)
    further = rollouts.rollback(actor="ben", reason="still bad")
    assert further.production == "quote-v1"
    with pytest.raises(Conflict, match="rollout kill"):
        rollouts.rollback(actor="ben", reason="still bad")
    chosen = rollouts.rollback(actor="ben", reason="it was not the adapter", to=one.rollout_id)
    assert (chosen.production, chosen.restores) == (first, one.rollout_id)
    with pytest.raises(NotFound):
        rollouts.rollback(actor="ben", reason="far back", to=999)


def test_rollback_passes_over_what_may_not_serve_any_longer(
    rollouts: Rollouts, registry: Registry, make: Callable[..., str]
) -> None:
    first, blocked, cut, last = make(), make(), make(), make()
    for name in (first, blocked, cut, last):
        rollouts.promote(name, actor="ana", reason="better")
    registry.block(blocked, actor="ada.admin", reason="poisoned")
    weights = registry.home / "adapters" / cut / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(Conflict, match="poisoned"):
        rollouts.rollback(actor="ben", reason="bad", to=rollouts.history()[2].rollout_id)
    assert rollouts.rollback(actor="ben", reason="bad").production == first


def test_rollback_during_a_trial_leaves_production_alone(rollouts: Rollouts, make: Callable[..., str]) -> None:
    production, trial = make(), make("staging")
    rollouts.promote(production, actor="ana", reason="better")
    rollouts.canary(trial, actor="ana", reason="try it")
    rollouts.advance(actor="ana", reason="so far so good")
    back = rollouts.rollback(actor="ben", reason="errors")
    assert (back.production, back.mode, back.arms) == (production, "none", ())


def test_canary_climbs_its_ladder_and_nobody_leaves_it(
    rollouts: Rollouts, registry: Registry, make: Callable[..., str]
) -> None:
    trial = make("staging")
    started = rollouts.canary(trial, actor="ana", reason="try it")
    reached = [by(rollouts, trial)]
    for step in range(1, len(CANARY)):
        if step == len(CANARY) - 1:
            approve(registry, trial)
        row = rollouts.advance(actor="ana", reason="no guardrail worse")
        assert (row.step, row.arms[0].weight, row.experiment_id) == (step, CANARY[step], started.experiment_id)
        reached.append(by(rollouts, trial))
    assert all(smaller <= larger for smaller, larger in pairwise(reached))
    assert len(reached[-1]) == len(PEOPLE)
    assert 0.4 < len(reached[4]) / len(PEOPLE) < 0.6
    shares = {"treatment": CANARY[3], "control": 1 - CANARY[3]}
    assert reached[3] == {
        p.person_id for p in PEOPLE if assign(started.experiment_id, p.person_id, shares) == "treatment"
    }
    with pytest.raises(Conflict, match="rollout promote"):
        rollouts.advance(actor="ana", reason="more")
    assert rollouts.stop(actor="ana", reason="done").mode == "none"
    assert by(rollouts, trial) == set()
    for late in (rollouts.stop, rollouts.advance):
        with pytest.raises(Conflict):
            late(actor="ana", reason="late")


def test_adapter_that_no_second_person_approved_answers_half_of_everybody_at_most(
    rollouts: Rollouts, registry: Registry, make: Callable[..., str]
) -> None:
    trial, other = make("staging"), make("staging")
    for arms in ([TrialArm(trial, 0.6)], [TrialArm(trial, 0.3), TrialArm(other, 0.3)]):
        with pytest.raises(Conflict, match="second person"):
            rollouts.trial(arms, actor="ana", reason="most of them")
    rollouts.trial([TrialArm(trial, 0.5), TrialArm(other, 0.5, groups=("finance",))], actor="ana", reason="a half")
    rollouts.stop(actor="ana", reason="seen")
    rollouts.trial([TrialArm(trial, 1.0, groups=("finance",))], actor="ana", reason="one group")
    rollouts.stop(actor="ana", reason="seen")
    row = rollouts.canary(trial, actor="ana", reason="try it")
    while row.arms[0].weight < 0.5:
        assert not rollouts.waits_for(row)
        row = rollouts.advance(actor="ana", reason="on")
    assert f"adapters request {trial}" in rollouts.waits_for(row)
    with pytest.raises(Conflict, match="second person"):
        rollouts.advance(actor="ana", reason="on")
    assert rollouts.current() == row
    approve(registry, trial)
    assert not rollouts.waits_for(row)
    assert rollouts.advance(actor="ana", reason="on").arms[0].weight == 1.0


def test_canary_judged_on_an_older_row_is_not_advanced(
    rollouts: Rollouts, registry: Registry, make: Callable[..., str]
) -> None:
    trial = make("staging")
    judged = rollouts.canary(trial, actor="ana", reason="try it").rollout_id
    rollouts.advance(actor="ana", reason="by hand")
    for act in (rollouts.advance, rollouts.stop):
        with pytest.raises(Conflict, match="in force"):
            act(actor="canary", reason="by figures", seen=judged)
    registry.block(trial, actor="ada.admin", reason="poisoned")
    with pytest.raises(Conflict, match="poisoned"):
        rollouts.advance(actor="ana", reason="more")
    assert by(rollouts, trial) == set()


def test_arms_reach_the_groups_and_departments_that_they_name(rollouts: Rollouts, make: Callable[..., str]) -> None:
    left, right = make("staging"), make("staging")
    arms = [
        TrialArm(left, 1.0, groups=("finance",)),
        TrialArm(right, 1.0, departments=("Product Support",)),
    ]
    rollouts.trial(arms, actor="ana", reason="one for each")
    standing = rollouts.standing()
    clerk, engineer, other = (
        make_person("f.clerk", ("employees", "finance")),
        make_person("p.engineer", ("employees", "product-support")),
        make_person("o.other"),
    )
    found = [standing.arm(person) for person in (clerk, engineer, other)]
    assert [arm and arm.adapter for arm in found] == [left, right, None]
    assert standing.eligible(other) == ()


def test_shares_of_an_ab_test_are_kept(rollouts: Rollouts, make: Callable[..., str]) -> None:
    left, right = make("staging"), make("staging")
    rollouts.trial([TrialArm(left, 0.25), TrialArm(right, 0.25)], actor="ana", reason="two at once")
    shares = [len(by(rollouts, name)) / len(PEOPLE) for name in (left, right)]
    assert all(0.17 < share < 0.33 for share in shares)
    assert not by(rollouts, left) & by(rollouts, right)


def test_person_without_the_clearance_never_meets_the_adapter(
    rollouts: Rollouts, registry: Registry, audit: Audit, make: Callable[..., str]
) -> None:
    secret = make("production", training=Training(ceiling="restricted"))
    rollouts.canary(secret, actor="ana", reason="try it")
    for _ in CANARY[1:]:
        rollouts.advance(actor="ana", reason="on")
    standing, director = rollouts.standing(), make_person("d.director", clearance="restricted")
    assert by(rollouts, secret) == set()
    assert standing.arm(director) is not None
    rollouts.promote(secret, actor="ana", reason="better")
    standing = rollouts.standing()
    assert not standing.may_serve(secret, PEOPLE[0])
    assert standing.may_serve(secret, director)
    assert standing.may_serve("quote-v1", PEOPLE[0])


@pytest.mark.parametrize(
    ("arms", "said"),
    [
        ([], "at least one"),
        ([("A", 0.0, ())], "share of the people"),
        ([("A", 1.5, ())], "share of the people"),
        ([("A", float("nan"), ())], "share of the people"),
        ([("A", 0.6, ()), ("B", 0.6, ())], "more than 100 % together."),
        ([("A", 0.6, ("finance",)), ("B", 0.6, ("finance", "sales"))], "more than 100 % together for finance"),
        ([("A", 0.6, ()), ("B", 0.6, ("finance",))], "more than 100 % together for finance"),
        ([("A", 0.6, ("everyone",)), ("B", 0.6, ("finance",))], "more than 100 % together for finance"),
        ([("A", 0.1, ()), ("A", 0.1, ())], "named twice"),
        ([("A", 0.1, ("no-such-group",))], "Unknown groups: no-such-group"),
    ],
)
def test_arms_that_make_no_sense_are_refused(
    rollouts: Rollouts, make: Callable[..., str], arms: list[tuple[str, float, tuple[str, ...]]], said: str
) -> None:
    names = {"A": make("staging"), "B": make("staging")}
    with pytest.raises(BadInput, match=said):
        rollouts.trial([TrialArm(names[a], w, g) for a, w, g in arms], actor="ana", reason="try")
    assert rollouts.current().mode == "none"


def test_a_department_without_a_group_of_its_name_is_refused_with_the_groups_that_there_are(
    rollouts: Rollouts, make: Callable[..., str]
) -> None:
    arm = TrialArm(make("staging"), 0.2, departments=("Customer care", "Finance"))
    with pytest.raises(BadInput) as refused:
        rollouts.trial([arm], actor="ana", reason="try")
    said = str(refused.value)
    assert said.startswith("Unknown groups: customer-care. A department's people are those in the group of its name")
    assert "which Customer care has not: name the group" in said
    assert "There are: " in said and "finance" in said.partition("There are: ")[2]
    assert rollouts.current().mode == "none"


def test_one_trial_at_a_time_and_none_of_what_serves_or_may_not(
    rollouts: Rollouts, registry: Registry, make: Callable[..., str]
) -> None:
    serving, trial, dev, blocked = make(), make("staging"), make("dev"), make("staging")
    rollouts.promote(serving, actor="ana", reason="better")
    registry.block(blocked, actor="ada.admin", reason="poisoned")
    for name, said in ((serving, "in production"), (dev, "adapters stage"), (blocked, "poisoned")):
        with pytest.raises(Conflict, match=said):
            rollouts.shadow(name, actor="ana", reason="try")
    rollouts.shadow(trial, actor="ana", reason="look first")
    assert by(rollouts, trial) == set()
    with pytest.raises(Conflict, match="rollout stop"):
        rollouts.canary(trial, actor="ana", reason="try")
    with pytest.raises(Conflict, match="serves people now"):
        registry.archive(trial, actor="ada.admin", reason="old")


def test_kill_leaves_only_what_the_settings_name(rollouts: Rollouts, make: Callable[..., str]) -> None:
    serving, trial = make(), make("staging")
    rollouts.promote(serving, actor="ana", reason="better")
    rollouts.canary(trial, actor="ana", reason="try")
    killed = rollouts.kill(actor="ada.admin", reason="something is very wrong")
    assert (killed.production, killed.mode, killed.arms) == ("quote-v1", "none", ())
    assert rollouts.rollback(actor="ada.admin", reason="false alarm").production == serving
    assert rollouts.standing().earlier[0] == "quote-v1"


def test_clock_that_jumps_back_does_not_bring_an_old_rollout_back(
    rollouts: Rollouts, make: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = make(), make()
    rollouts.promote(first, actor="ana", reason="better")
    monkeypatch.setitem(vars(core.rollouts), "now", lambda: now() - timedelta(days=4000))
    rollouts.promote(second, actor="ana", reason="better still")
    assert rollouts.current().production == second
    assert rollouts.rollback(actor="ana", reason="worse").production == first


def test_every_change_is_audited_and_two_at_once_both_count(
    rollouts: Rollouts, audit: Audit, make: Callable[..., str]
) -> None:
    trial = make()
    rollouts.canary(trial, actor="ana", reason="try it")
    failures: list[Exception] = []

    def advance() -> None:
        try:
            rollouts.advance(actor="ana", reason="on")
        except Conflict as error:
            failures.append(error)

    threads = [threading.Thread(target=advance) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rollouts.current().step == len(CANARY) - 1
    assert len(failures) == 8 - (len(CANARY) - 1)
    assert [row.action for row in audit.rows() if row.action.startswith("rollout.")] == [
        "rollout.start",
        "rollout.canary",
        *["rollout.advance"] * (len(CANARY) - 1),
    ]
    assert audit.verify() == []
