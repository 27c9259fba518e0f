"""An A/B test is judged by the arms that routing put its people in, whatever their groups and whoever stood in."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from core.audit import Audit
from core.errors import BadInput, NotFound
from core.people import People
from core.records import TrialArm
from core.registry import Registry
from core.rollouts import Rollouts
from core.store import Store
from core.tables import person, rollout
from core.turns import now
from eval.__main__ import main
from eval.trials import Assigned, assigned
from tests.conftest import GROUPS
from tests.core.adapters import DEFAULTS, registered
from tests.eval.traffic import a_turn, put

GROUP = ("employees", "contractors")


class Town:
    """Six hundred people, half of each group, who ask under the trial in force as routing has it."""

    def __init__(self, store: Store, audit: Audit, home: Path, out: Path) -> None:
        self.store, self.people = store, People(store, audit)
        self.registry = Registry(store, audit, home=home)
        self.people.add_groups(dict.fromkeys(GROUPS, ""), actor="test")
        self.rollouts = Rollouts(store, audit, self.registry)
        self.rollouts.begin(DEFAULTS)
        self.tried = [registered(self.registry, audit, out, value=value, stage="staging") for value in (1.0, 2.0)]
        with store.begin() as connection:
            common = {"clearance": "internal", "roles": ["employee"], "issuer": "", "subject": "", "active": True, "created_at": now()}  # fmt: skip
            rows = [{"person_id": f"p-{n}", "name": "P", "email": f"p{n}@x.example", "groups": [GROUP[n % 2]]} for n in range(600)]  # fmt: skip
            connection.execute(person.insert(), [row | common for row in rows])

    def trial(self, *arms: TrialArm) -> None:
        self.rollouts.trial(arms, actor="ana", reason="try")
        with self.store.begin() as connection:  # the same people in each arm at every run
            newest = sa.select(sa.func.max(rollout.c.rollout_id)).scalar_subquery()
            values = {"experiment_id": "ab-1", "at": now() - timedelta(days=1)}
            connection.execute(rollout.update().where(rollout.c.rollout_id == newest).values(values))
        self.rollouts = Rollouts(self.store, Audit(self.store, self.registry.home), self.registry)

    def live(self, flagged: str, **changes: Any) -> None:
        """Everybody asks twice; those whom the adapter `flagged` answers flag it."""
        standing, rows = self.rollouts.standing(), []
        for who in self.people.all():
            arm = standing.arm(who)
            name = arm.adapter if arm else standing.rollout.production
            said = {"adapter": name, "rollout_id": standing.rollout.rollout_id, "feedback": ("flag",) if name == flagged else ()}  # fmt: skip
            rows += [a_turn(who.person_id, now() - timedelta(hours=n), **(said | changes)) for n in (1, 2)]
        put(self.store, rows)

    def assigned(self, **named: str) -> Assigned:
        return assigned(self.rollouts, self.registry.all(), self.people.all(), **named)


@pytest.fixture
def town(store: Store, audit: Audit, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    monkeypatch.setenv("ASSISTANT_HOME", str(home))
    return Town(store, audit, home, tmp_path / "out")


def judged(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    """The row of the flag rate, and the last line."""
    capsys.readouterr()
    assert main(["experiment", "analyse", "--json", *words]) == code
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return next((row for row in rows if row.get("measure") == "flag_rate"), {}), rows[-1]


def test_the_test_in_force_is_judged_without_naming_anything(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    (tried, _) = town.tried
    town.trial(TrialArm(tried, 0.3, ("employees",)))
    town.live(flagged=tried)
    flags, last = judged(capsys, code=1)
    assert (last["experiment"], last["control"], last["treatment"]) == ("ab-1", "quote-v1", tried)
    assert (last["share"], last["crossed"], last["sample_ratio_alarm"]) == (0.3, 0, False)
    assert last["control_persons"] + last["treatment_persons"] == 300, "contractors take no part"
    assert (flags["control"], flags["treatment"], last["decision"]) == (0, 1, "stop")


def test_the_second_of_several_arms_is_compared_by_its_own_people(
    town: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = town.tried
    town.trial(TrialArm(first, 0.2), TrialArm(second, 0.3))
    town.live(flagged=second)
    with pytest.raises(BadInput, match="--treatment"):
        town.assigned()
    flags, last = judged(capsys, "--treatment", second, code=1)
    assert (flags["control"], flags["treatment"], last["crossed"]) == (0, 1, 0)
    assert last["share"] == pytest.approx(0.375) and not last["sample_ratio_alarm"]
    flags, last = judged(capsys, "--control", first, "--treatment", second, code=1)
    assert (flags["control"], last["share"]) == (0, pytest.approx(0.6))


def test_who_was_answered_by_a_stand_in_stays_in_their_arm(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    town.trial(TrialArm(town.tried[0], 0.5))
    town.live(flagged="", adapter="quote-v1")
    _, last = judged(capsys)
    assert last["crossed"] == last["treatment_persons"] > 200


def test_an_earlier_test_is_judged_by_its_name_and_what_is_none_is_refused(
    town: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = town.tried[0]
    town.trial(TrialArm(tried, 0.5))
    town.live(flagged="")
    town.rollouts.stop(actor="ana", reason="enough")
    town.registry.block(tried, actor="ana", reason="old")
    assert judged(capsys, "--experiment", "ab-1")[1]["treatment_persons"] > 200
    with pytest.raises(NotFound, match="No trial is in force"):
        town.assigned()
    with pytest.raises(NotFound, match="'reader-2'"):
        town.assigned(name="reader-2")
    with pytest.raises(BadInput, match="in no arm"):
        town.assigned(name="ab-1", treatment="somebody")
    town.rollouts.canary(town.tried[1], actor="ana", reason="next")
    with pytest.raises(BadInput, match="eval canary"):
        town.assigned()
