"""kill -9 at every point of flag, triage, register, gate, stage, approve, promote and roll back: what was acknowledged is there."""

from __future__ import annotations

import json
import random
import signal
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.audit import Audit
from core.gate import FOLDER as GATE
from core.gate import read_report, verify_report
from core.people import People
from core.records import STAGES
from core.registry import Registry
from core.rollouts import Rollouts
from core.sealed import MANIFEST
from core.store import Store
from core.tables import adapter, adapter_event, feedback, review, review_item, rollout
from tests.conftest import GROUPS, make_person
from tests.core.killed_loop import ACKNOWLEDGED, KILLED, work
from tests.core.queue import LEAVE, shelve
from tests.forks import forking

KILLS, SEED = 120, 20261127
FURTHEST = 90
"""Points from the start of a process on, of which each kill draws one: an act passes some six of them."""
ACTS = {"flag", "triage", "register", "gate", "stage", "request", "approve", "promote", "rollback"}
NAMED = [
    *((act, "commit") for act in sorted(ACTS)),
    ("register", "shutil.copyfile adapters"), ("register", "os.rename adapters"),
    ("gate", "open evaluation"), ("gate", "os.rename evaluation"),
]  # fmt: skip
"""Points at which a kill comes for certain; the others are drawn."""
Acts = list[dict[str, str]]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kills_lose_nothing_acknowledged_and_the_serving_adapter_verifies(tmp_path: Path) -> None:
    home = tmp_path / "killed" / "home"
    home.mkdir(parents=True)
    furnish(home)
    drawn = random.Random(SEED)
    with forking("tests.core.killed_loop") as context:
        for number in range(KILLS):
            at = (1, NAMED[number]) if number < len(NAMED) else (drawn.randint(1, FURTHEST),)
            process = context.Process(target=work, args=(home, SEED + number, *at))
            process.start()
            process.join(60)
            assert process.exitcode == -signal.SIGKILL, f"kill {number}"
            check(home, lines(home, ACKNOWLEDGED), f"kill {number}")
    counts = Counter(one["act"] for one in lines(home, ACKNOWLEDGED))
    assert set(counts) == ACTS
    assert min(counts.values()) >= 10, counts
    hit = Counter((one["act"], one["point"]) for one in lines(home, KILLED))
    assert set(hit) >= set(NAMED), hit
    assert len(hit) >= 25, "each act at several points"


def furnish(home: Path) -> None:
    with Store(f"sqlite:///{home / 'assistant.db'}") as store:
        people = People(store, Audit(store, home))
        people.add_groups(dict.fromkeys(GROUPS, ""), actor="test")
        for name, role in (("emma.employee", "employee"), ("sam.support", "support"), ("ada.admin", "admin")):
            people.add(make_person(name, clearance="restricted", roles=("employee", role)), actor="test")  # type: ignore[arg-type]
        shelve(store, "leave", LEAVE)


def lines(home: Path, file: str) -> Acts:
    """What was written down; a line that the kill cut off was not."""
    found = []
    for line in (home.parent / file).read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            found.append(json.loads(line))
    return found


def check(home: Path, acts: Acts, when: str) -> None:
    with Store(f"sqlite:///{home / 'assistant.db'}") as store:
        audit = Audit(store, home)
        assert audit.verify() == [], when
        with store.read() as connection:
            flags = set(connection.scalars(sa.select(feedback.c.feedback_id)))
            queued = set(connection.scalars(sa.select(review_item.c.feedback_id)))
            decided = {(row.item_id, row.reviewer) for row in connection.execute(sa.select(review))}
            events, changes = (
                connection.scalar(sa.select(sa.func.count()).select_from(one)) for one in (adapter_event, rollout)
            )
            newest = sa.select(sa.func.max(adapter_event.c.event_id)).group_by(adapter_event.c.adapter_id)
            stages = sa.select(adapter_event.c.adapter_id, adapter_event.c.to_stage)
            last = {
                row.adapter_id: row.to_stage
                for row in connection.execute(stages.where(adapter_event.c.event_id.in_(newest)))
            }
            rows = {row.adapter_id: row.stage for row in connection.execute(sa.select(adapter))}
        assert {one["feedback"] for one in acts if one["act"] == "flag"} <= flags, when
        assert flags == queued, when
        assert {(one["item"], one["reviewer"]) for one in acts if one["act"] == "triage"} <= decided, when
        assert rows == last, when
        audited = Counter(row.action.partition(".")[0] for row in audit.rows())
        assert (audited["adapter"], audited["rollout"]) == (events, changes), when
        registry = Registry(store, audit, home=home)
        for one in acts:
            if "adapter" in one:
                assert STAGES.index(rows[one["adapter"]]) >= STAGES.index(one["stage"]), when  # type: ignore[arg-type]
        for name in rows:
            registry.verified(name)
        for folder in (home / "adapters").glob("[!.]*"):
            assert (folder / MANIFEST).is_file(), when
        gated(home, audit, acts, when)
        rolled_out(Rollouts(store, audit, registry), registry, acts, when)


def gated(home: Path, audit: Audit, acts: Acts, when: str) -> None:
    """Every report that was acknowledged is there; each that is there is whole, signed, and known to the audit log."""
    known = Counter(json.loads(row.details)["sha256"] for row in audit.rows() if row.action == "gate.decide")
    there = {str(path): read_report(path) for path in (home / GATE).glob("*.json")}
    for report in there.values():
        verify_report(report, audit, adapter_sha256=report.adapter_sha256)
        assert known[report.adapter_sha256], when
    assert {one["report"] for one in acts if one["act"] == "gate"} <= set(there), when


def rolled_out(rollouts: Rollouts, registry: Registry, acts: Acts, when: str) -> None:
    history = {row.rollout_id: row for row in rollouts.history(10_000)}
    for one in acts:
        if "rollout" in one:
            assert history[int(one["rollout"])].production == one["production"], when
    serving = rollouts.current()
    if serving.production != serving.base:
        registry.verified(serving.production)
