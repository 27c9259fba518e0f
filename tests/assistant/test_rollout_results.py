"""Live results count what each arm's people met: by whom they were assigned to, and nobody who takes no part."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from assistant.rollout_results import results
from core.audit import Audit
from core.errors import Conflict
from core.people import People
from core.records import TrialArm
from core.registry import Registry
from core.rollouts import Rollouts
from core.store import Store
from core.tables import rollout, shadow_answer
from core.turns import new_id, now
from tests.conftest import make_person
from tests.core.adapters import DEFAULTS, registered
from tests.eval.traffic import a_turn, put

NAMES = [f"person.{n}" for n in range(60)]


@pytest.fixture
def rollouts(store: Store, audit: Audit, home: Path, people: People) -> Rollouts:
    for name in NAMES:
        people.add(make_person(name), actor="test")
    people.add(make_person("otto.outside", ("contractors",)), actor="test")
    made = Rollouts(store, audit, Registry(store, audit, home=home))
    made.begin(DEFAULTS)
    return made


def adapter(store: Store, audit: Audit, home: Path, tmp_path: Path) -> str:
    return registered(Registry(store, audit, home=home), audit, tmp_path / "out", value=1.0, stage="staging")


def test_nothing_served_is_told_and_no_turns_are_nothing(
    store: Store, audit: Audit, home: Path, people: People
) -> None:
    rollouts = Rollouts(store, audit, Registry(store, audit, home=home))
    with pytest.raises(Conflict, match="assistant serve"):
        results(store, people.all(), rollouts)
    rollouts.begin(DEFAULTS)
    (arm,) = results(store, people.all(), rollouts).arms
    assert (arm.adapter, arm.persons, arm.turns, arm.rates["flagged"].n, arm.p95_ms) == ("quote-v1", 0, 0, 0, 0.0)


def test_each_arm_counts_its_own_people_and_what_stood_in_counts_as_failed(
    store: Store, audit: Audit, home: Path, tmp_path: Path, people: People, rollouts: Rollouts
) -> None:
    name = adapter(store, audit, home, tmp_path)
    row = rollouts.trial([TrialArm(name, 0.5, groups=("employees",))], actor="ana", reason="try")
    standing = rollouts.standing()
    by = {who.person_id: standing.arm(who) for who in people.all() if who.person_id in NAMES}
    mine = {"rollout_id": row.rollout_id, "adapter": "quote-v1"}
    turns = [a_turn(who, now(), **mine, feedback=["flag"] if arm else ["up"]) for who, arm in by.items()]
    trial = next(who for who, arm in by.items() if arm)
    turns += [
        a_turn(trial, now(), **mine, arm="fallback", counts={"fell_back": 1}),
        a_turn("otto.outside", now(), **mine, status="failed"),
        a_turn(trial, now(), adapter=name, rollout_id=None, status="failed"),
    ]
    put(store, turns)
    production, tried = results(store, people.all(), rollouts).arms
    assert (production.adapter, production.is_trial, tried.adapter, tried.is_trial) == ("quote-v1", False, name, True)
    members = sum(arm is not None for arm in by.values())
    assert (tried.persons, tried.turns, tried.rates["flagged"].passed) == (members, members + 1, members)
    assert tried.rates["failed"].passed == 1
    assert (production.persons, production.rates["flagged"].passed, production.rates["failed"].passed) == (60 - members, 0, 0)  # fmt: skip
    assert sum(day.turns for day in tried.days) == members + 1
    assert production.p50_ms == 400.0


def test_production_counts_from_its_own_start_and_from_four_weeks_at_most(
    store: Store, people: People, rollouts: Rollouts
) -> None:
    row = rollouts.current()
    for age in (1, 40):
        put(store, [a_turn(NAMES[0], now() - timedelta(days=age), rollout_id=row.rollout_id)])
    later = now() + timedelta(days=1)
    (arm,) = results(store, people.all(), rollouts, at=later).arms
    assert arm.turns == 0  # both came before the first start
    with store.begin() as connection:
        connection.execute(rollout.update().values(at=now() - timedelta(days=60)))
    (arm,) = results(store, people.all(), rollouts, at=later).arms
    assert (arm.turns, len(arm.days)) == (1, 29)


def test_shadow_tells_how_often_it_agrees(
    store: Store, audit: Audit, home: Path, tmp_path: Path, people: People, rollouts: Rollouts
) -> None:
    name = adapter(store, audit, home, tmp_path)
    row = rollouts.shadow(name, actor="ana", reason="look")
    turns = [a_turn(NAMES[n], now(), rollout_id=row.rollout_id) for n in range(4)]
    put(store, turns)
    with store.begin() as connection:
        for number, one in enumerate(turns):
            said = {"status": "failed" if number == 3 else "answered", "answer": "", "agrees": number < 2, "ms": 10.0 * number}  # fmt: skip
            keys = {"shadow_id": new_id(), "turn_id": one["turn_id"], "adapter": name, "created_at": now()}
            connection.execute(shadow_answer.insert().values(keys | said))
    found = results(store, people.all(), rollouts)
    (beside,) = found.beside
    assert (beside.answers, beside.agreed.passed, beside.agreed.n, beside.failed.passed) == (4, 2, 3, 1)
    assert [arm.adapter for arm in found.arms] == ["quote-v1"]
