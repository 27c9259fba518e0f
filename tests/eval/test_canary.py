"""A canary goes on when nothing is worse, waits while it is early, and ends when its adapter does harm."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
import yaml

from core.audit import Audit
from core.canary import Judgements, steps_of
from core.errors import BadInput, Conflict
from core.people import People
from core.registry import Registry
from core.rollouts import CANARY, Rollouts
from core.store import Store
from core.tables import person, rollout
from core.turns import now
from eval.__main__ import main
from eval.canary import POLICY, CanaryPolicy, decide, look, read_policy
from tests.conftest import GROUPS
from tests.core.adapters import DEFAULTS, registered
from tests.eval.traffic import a_turn, put

pytestmark = pytest.mark.slow

Row = dict[str, Any]
MASKED = [{"guard": "personal_data_answer", "action": "mask", "rule": "", "score": 1.0, "entities": {}}]
PEOPLE = 1500


class Town:
    """People who ask while a canary runs. `live(step)` has them ask at that step, with what the trial's people meet."""

    def __init__(self, store: Store, audit: Audit, rollouts: Rollouts, adapter: str) -> None:
        self.store, self.audit, self.rollouts, self.adapter = store, audit, rollouts, adapter
        self.random = np.random.default_rng(7)
        self.people = People(store, audit)

    def at_step(self, step: int, began: timedelta = timedelta(days=2)) -> None:
        while self.rollouts.current().step < step:
            self.rollouts.advance(actor="ana", reason="on")
        with self.store.begin() as connection:
            connection.execute(rollout.update().values(at=now() - began))

    def live(self, *, people: int = PEOPLE, turns: int = 2, trial: Row | None = None, share: float = 1.0, hours: float = 46, **control: Any) -> None:  # fmt: skip
        """Everybody asks, at all times of the last `hours`; `share` of the trial's turns are as `trial` says."""
        row = self.rollouts.current()
        self.move_in(people)
        standing = self.rollouts.standing()
        rows = []
        for who in self.people.all():
            arm = standing.arm(who)
            for _ in range(turns):
                met = dict(trial or {}) if arm and self.random.random() < share else {}
                latency = float(self.random.lognormal(6, 0.3)) * met.pop("slower", 1.0)
                given = {"flag"} if self.random.random() < 0.04 else set()
                said = {
                    "adapter": arm.adapter if arm else row.production,
                    "arm": "trial" if arm else "production",
                    "rollout_id": row.rollout_id,
                    "timings_ms": {"total": latency},
                    "feedback": sorted(given | set(met.pop("feedback", ()))),
                }
                at = now() - timedelta(hours=hours * (len(rows) * 0.618 % 1))
                rows.append(a_turn(who.person_id, at, **(said | control | met)))
        put(self.store, rows)

    def move_in(self, people: int, group: str = "employees", name: str = "person") -> None:
        """People as rows: adding them one by one would take a minute."""
        with self.store.begin() as connection:
            known = set(connection.scalars(sa.select(person.c.person_id)))
            rows = [
                {
                    "person_id": f"{name}-{n}", "name": f"P {n}", "email": f"{name}{n}@x.example", "groups": [group],
                    "clearance": "internal", "roles": ["employee"], "password_hash": None, "issuer": "", "subject": "",
                    "active": True, "created_at": now(),
                }
                for n in range(people) if f"{name}-{n}" not in known
            ]  # fmt: skip
            if rows:
                connection.execute(person.insert(), rows)

    def judged(
        self, policy: CanaryPolicy | None = None, at: datetime | None = None, before: Sequence[datetime] = ()
    ) -> tuple[str, str]:
        standing, history = self.rollouts.standing(), self.rollouts.history(1000)
        policy = policy or read_policy()
        seen = look(self.store, self.people.all(), standing, history, policy, at=at or now(), judged=before)
        return decide(seen, policy, waits_for=self.rollouts.waits_for(standing.rollout))


@pytest.fixture
def town(store: Store, audit: Audit, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    monkeypatch.setenv("ASSISTANT_HOME", str(home))
    registry = Registry(store, audit, home=home)
    People(store, audit).add_groups(dict.fromkeys(GROUPS, ""), actor="test")
    rollouts = Rollouts(store, audit, registry)
    rollouts.begin(DEFAULTS)
    name = registered(registry, audit, tmp_path / "out", value=1.0, stage="staging")
    rollouts.canary(name, actor="ana", reason="try it", groups=["employees"])
    with store.begin() as connection:  # the same people in each arm at every run
        connection.execute(rollout.update().where(rollout.c.action == "canary").values(experiment_id="canary-1"))
    return Town(store, audit, Rollouts(store, audit, registry), name)


def test_equal_adapter_advances_at_every_step_and_waits_for_a_person_at_the_last(town: Town) -> None:
    for step in range(len(CANARY)):
        town.at_step(step)
        town.live(turns=4 if step == 0 else 2)
        decision, reason = town.judged()
        assert decision == ("advance" if step + 1 < len(CANARY) else "hold"), (step, reason)
    assert "rollout promote" in reason


@pytest.mark.parametrize(
    ("trial", "share", "measure"),
    [
        ({"feedback": ["flag"]}, 0.15, "flag_rate"),
        ({"status": "refused"}, 0.15, "refusals"),
        ({"status": "failed"}, 0.12, "errors"),
        ({"adapter": "quote-v1", "arm": "fallback", "counts": {"fell_back": 1}}, 0.12, "errors"),
        ({"verdicts": MASKED}, 0.12, "personal_data"),
        ({"slower": 1.5}, 1.0, "latency"),
    ],
)
def test_worse_adapter_is_stopped(town: Town, trial: Row, share: float, measure: str) -> None:
    town.at_step(4)
    town.live(trial=trial, share=share)
    decision, reason = town.judged()
    assert decision == "stop"
    assert measure in reason


def test_worse_adapter_that_serves_everybody_is_stopped_by_what_production_did_before(town: Town) -> None:
    town.at_step(3)
    town.live()
    town.at_step(5)
    town.live(trial={"status": "failed"}, share=0.12)
    assert town.judged()[0] == "stop"


def test_gross_harm_to_few_people_stops_the_first_step(town: Town) -> None:
    town.live(people=300, turns=30, trial={"adapter": "quote-v1", "arm": "fallback", "counts": {"fell_back": 1}})
    decision, reason = town.judged(at=now() + timedelta(hours=1))
    assert (decision, "gross harm: errors (100.0% against 0.0%)" in reason) == ("stop", True), reason


def test_what_is_early_or_may_be_chance_holds(town: Town) -> None:
    town.at_step(4)
    assert "too early" in town.judged()[1]
    town.live()
    assert town.judged(at=now() - timedelta(days=1.5))[0] == "hold"
    assert town.judged()[0] == "advance"
    few = CanaryPolicy(least_turns=10, margins={"errors": 0.0001})
    town.live(people=PEOPLE, turns=1, trial={"status": "failed"}, share=0.004)
    decision, reason = town.judged(few)
    assert decision == "hold"
    assert "errors" in reason


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(days=-1), timedelta(0), timedelta(days=1), timedelta(days=400)])  # fmt: skip
def test_clock_that_jumps_ahead_or_back_makes_no_step_old_enough(town: Town, jump: timedelta) -> None:
    town.at_step(4, began=timedelta(hours=2))
    town.live(hours=2)
    decision, reason = town.judged(at=now() + jump)
    assert (decision, "too early" in reason) == ("hold", True), reason
    hours = float(reason.split(" people, ")[1].split(" of ")[0])
    assert 0 <= hours <= 3.1


def test_clock_that_was_a_day_ahead_for_a_while_adds_no_day_when_it_is_right_again(town: Town) -> None:
    town.at_step(4, began=timedelta(hours=-22))  # the step began under the wrong clock
    town.live(hours=2)
    assert "too early" in town.judged()[1]
    assert "too early" in town.judged(at=now() + timedelta(hours=30))[1]


def test_quiet_hours_count_where_the_canary_was_judged_meanwhile(town: Town) -> None:
    town.at_step(4, began=timedelta(hours=30))
    town.live(hours=2)
    assert town.judged()[0] == "hold"
    looks = [now() - timedelta(minutes=10 * n) for n in range(6 * 30)]
    assert town.judged(before=looks)[0] == "advance"


def test_people_who_take_no_part_and_turns_of_other_rollouts_do_not_count(town: Town) -> None:
    town.at_step(4)
    town.live()
    before = town.judged()
    town.move_in(300, "contractors", "stranger")
    put(town.store, [a_turn(f"stranger-{n}", now(), status="failed", adapter=town.adapter, rollout_id=town.rollouts.current().rollout_id) for n in range(300)])  # fmt: skip
    put(town.store, [a_turn(f"person-{n}", now(), status="failed", adapter=town.adapter) for n in range(300)])
    assert town.judged() == before


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Row:
    capsys.readouterr()
    assert main(["canary", *words, "--json"]) == code
    last: Row = json.loads(capsys.readouterr().out.splitlines()[-1])
    return last


def test_command_keeps_its_judgement_and_acts_when_it_is_told_to(
    town: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    town.at_step(3)
    town.live()
    row = town.rollouts.current()
    told = run(capsys)
    assert (told["decision"], told["acted"], told["became"]) == ("advance", False, None)
    assert town.rollouts.current() == row
    told = run(capsys, "--act")
    here = town.rollouts.current()
    assert (here.step, here.actor[:9], told["became"]) == (4, "eval:cli:", here.rollout_id)
    assert here.reason == told["reason"]
    town.at_step(4)
    town.live(trial={"status": "failed"}, share=0.2)
    assert run(capsys, "--act", code=1)["decision"] == "stop"
    assert town.rollouts.current().mode == "none"
    kept = Judgements(town.store, town.audit).all([row.rollout_id, here.rollout_id])
    assert [(one.rollout_id, one.decision, one.became is not None) for one in kept] == [
        (here.rollout_id, "stop", True),
        (row.rollout_id, "advance", True),
        (row.rollout_id, "advance", False),
    ]
    assert {m["measure"] for m in kept[0].figures["measures"]} == {
        "flag_rate", "refusals", "personal_data", "errors", "latency",
    }  # fmt: skip
    assert [r.action for r in town.audit.rows() if r.action == "rollout.judge"] == ["rollout.judge"] * 3
    assert run(capsys, code=2)["error"] == "conflict"
    assert town.audit.verify() == []


def test_judgement_of_a_rollout_that_is_over_changes_nothing(town: Town) -> None:
    judgements = Judgements(town.store, town.audit)
    row = town.rollouts.current()
    late = judgements.keep(row.rollout_id, "advance", "fine", {}, actor="eval")
    town.rollouts.stop(actor="ana", reason="enough")
    with pytest.raises(Conflict, match="in force"):
        judgements.act(late, town.rollouts)
    assert town.rollouts.current().mode == "none"
    assert judgements.last([row.rollout_id]) == late
    assert steps_of(town.rollouts.history()) == []


@pytest.mark.parametrize(
    "change",
    [{"alpha": 2}, {"least_turns": 0}, {"unknown": 1}, {"margins": {"thumbs_up": 0.1}}, {"margins": {"errors": 0}}, {"gross_harm": "much"}, None],
)  # fmt: skip
def test_policy_that_cannot_be_meant_is_refused(tmp_path: Path, change: Row | None) -> None:
    path = tmp_path / "canary.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(POLICY.read_text()) | change) if change else "[")
    with pytest.raises(BadInput, match="canary"):
        read_policy(path)
    assert read_policy() == CanaryPolicy()
