"""Retrainings in the store: one is under way, one worker has it, and a worker that lost it writes nothing any more."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

import core.jobs
from core.audit import Audit
from core.errors import Conflict, NotFound
from core.jobs import Job, Jobs, Lease, StaleLease
from core.registry import Registry
from core.store import Store
from core.turns import now
from tests.core.adapters import gate_report, sealed_folder

MINUTE = timedelta(minutes=1)
OVER = timedelta(seconds=-1)
"""A lease that has run out as soon as it is taken."""


@pytest.fixture
def jobs(store: Store, audit: Audit) -> Jobs:
    return Jobs(store, audit)


@pytest.fixture
def job(jobs: Jobs) -> Job:
    return jobs.request("hand", {"approved": 12}, actor="cli:ana")


def taken(jobs: Jobs, owner: str, length: timedelta = MINUTE) -> Lease:
    found = jobs.claim(owner, length)
    assert found is not None
    return found[1]


def test_a_second_retraining_is_refused_while_one_is_under_way(jobs: Jobs, job: Job) -> None:
    with pytest.raises(Conflict, match=f"queued already: {job.job_id}"):
        jobs.request("count", {}, actor="worker:count")
    lease = taken(jobs, "a")
    with pytest.raises(Conflict, match="running already"):
        jobs.request("schedule", {}, actor="worker:schedule")
    jobs.end(lease, "waiting")
    assert jobs.request("schedule", {}, actor="worker:schedule").job_id != job.job_id


def test_of_two_who_ask_at_once_one_is_refused(jobs: Jobs) -> None:
    def ask(_: int) -> bool:
        try:
            jobs.request("hand", {}, actor="cli:ana")
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(8))) == 1


def test_of_many_workers_one_gets_the_job(jobs: Jobs, job: Job) -> None:
    with ThreadPoolExecutor(8) as pool:
        got = [one for one in pool.map(lambda n: jobs.claim(f"worker-{n}", MINUTE), range(8)) if one]
    assert len(got) == 1
    held = jobs.get(job.job_id)
    assert (held.status, held.lease_owner, held.fence) == ("running", got[0][1].owner, 1)


def test_a_job_is_taken_over_once_its_lease_is_over_and_not_before(jobs: Jobs, job: Job) -> None:
    first = taken(jobs, "a", OVER)
    second = taken(jobs, "b")
    assert (first.fence, second.fence) == (1, 2)
    assert jobs.claim("c", MINUTE) is None
    assert jobs.renew(second)
    assert not jobs.renew(first)
    assert jobs.get(job.job_id).lease_owner == "b"


@pytest.mark.parametrize("jump", [timedelta(days=-1), timedelta(days=1)])
def test_a_clock_that_jumps_leaves_no_job_with_a_dead_worker_and_a_live_one_writes_once(
    jobs: Jobs, job: Job, jump: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker of the lease is dead, or still there: another takes over, and of the two only that one's work counts."""
    first = taken(jobs, "a")
    monkeypatch.setitem(vars(core.jobs), "now", lambda: now() + jump)
    second = taken(jobs, "b")
    assert jobs.claim("c", MINUTE) is None
    assert (jobs.renew(first), jobs.renew(second)) == (False, True)
    with pytest.raises(StaleLease):
        jobs.record(first, "train", {"adapter": "mine"})
    jobs.record(second, "train", {"adapter": "ours"})
    assert jobs.get(job.job_id).results == {"train": {"adapter": "ours"}}


@pytest.mark.parametrize("jump", [timedelta(days=-1), timedelta(minutes=-5)])
def test_a_worker_that_renews_keeps_its_job_when_the_clock_jumps_back(
    jobs: Jobs, job: Job, jump: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = taken(jobs, "a")
    monkeypatch.setitem(vars(core.jobs), "now", lambda: now() + jump)
    assert jobs.renew(lease)
    assert jobs.claim("b", MINUTE) is None
    until = jobs.get(job.job_id).lease_until
    assert until is not None
    assert until <= now() + jump + MINUTE


@pytest.mark.parametrize(
    "act",
    [
        lambda jobs, lease: jobs.begin_step(lease, "train"),
        lambda jobs, lease: jobs.record(lease, "train", {"adapter": "mine"}),
        lambda jobs, lease: jobs.end(lease, "waiting"),
        lambda jobs, lease: jobs.give_back(lease),
    ],
)
def test_a_worker_that_lost_its_job_writes_nothing(act: Callable[[Jobs, Lease], object], jobs: Jobs, job: Job) -> None:
    stale, held = taken(jobs, "a", OVER), taken(jobs, "b")
    jobs.record(held, "dataset", {"dataset_id": "ds-1"})
    before = jobs.get(job.job_id)
    with pytest.raises(StaleLease):
        act(jobs, stale)
    assert jobs.get(job.job_id) == before


def test_a_worker_that_lost_its_job_registers_no_adapter_and_moves_none(
    jobs: Jobs, job: Job, store: Store, audit: Audit, home: Path, tmp_path: Path
) -> None:
    stale, held = taken(jobs, "a", OVER), taken(jobs, "b")
    place = sealed_folder(tmp_path, value=1.0)
    with pytest.raises(StaleLease):
        Registry(store, audit, home=home, check=stale.check).register(place, actor="retrain:ana")
    registry = Registry(store, audit, home=home, check=held.check)
    assert registry.all() == []
    record = registry.register(place, actor="retrain:ana")
    with pytest.raises(StaleLease):
        Registry(store, audit, home=home, check=stale.check).stage(
            record.adapter_id, gate_report(record, audit), actor="retrain:ana", reason="the gate is open"
        )
    assert registry.get(record.adapter_id).stage == "dev"
    assert audit.verify() == []


def test_what_a_step_brought_is_met_by_whoever_takes_over(jobs: Jobs, job: Job) -> None:
    first = taken(jobs, "a", OVER)
    assert jobs.begin_step(first, "dataset") is None
    jobs.record(first, "dataset", {"dataset_id": "ds-1"})
    second = taken(jobs, "b")
    assert jobs.begin_step(second, "dataset") == {"dataset_id": "ds-1"}
    assert jobs.begin_step(second, "train") is None
    assert jobs.get(job.job_id).step == "train"
    assert jobs.get(job.job_id).details["approved"] == 12


def test_a_job_that_is_given_back_is_free_at_once(jobs: Jobs, job: Job) -> None:
    lease = taken(jobs, "a", timedelta(hours=1))
    assert jobs.claim("b", MINUTE) is None
    jobs.give_back(lease)
    assert taken(jobs, "b").fence == 2


def test_a_job_that_was_given_back_says_where_it_goes_on_and_taken_back_it_keeps_what_it_brought(
    jobs: Jobs, job: Job
) -> None:
    assert job.to_go_on == ""
    lease = taken(jobs, "a")
    jobs.begin_step(lease, "dataset")
    jobs.record(lease, "dataset", {"dataset_id": "ds-1"})
    jobs.begin_step(lease, "train")
    assert jobs.get(job.job_id).to_go_on == "", "a worker is at it"
    jobs.give_back(lease)
    assert (jobs.get(job.job_id).status, jobs.get(job.job_id).to_go_on) == ("queued", "train")
    jobs.cancel(job.job_id, actor="ana")
    ended = jobs.get(job.job_id)
    assert (ended.status, ended.to_go_on, ended.results) == ("cancelled", "", {"dataset": {"dataset_id": "ds-1"}})
    with pytest.raises(StaleLease):
        jobs.record(lease, "train", {})


def test_a_job_whose_worker_died_can_be_taken_back_and_one_that_slept_writes_nothing_more(jobs: Jobs, job: Job) -> None:
    lease = taken(jobs, "a", OVER)
    jobs.cancel(job.job_id, actor="ana")
    assert (jobs.get(job.job_id).status, jobs.get(job.job_id).lease_owner) == ("cancelled", "")
    assert not jobs.renew(lease)
    with pytest.raises(StaleLease):
        jobs.record(lease, "train", {})
    assert jobs.claim("b", MINUTE) is None


def test_an_ended_job_is_nobodys_and_says_why(jobs: Jobs, job: Job) -> None:
    lease = taken(jobs, "a")
    jobs.end(lease, "failed", "Too few rows")
    ended = jobs.get(job.job_id)
    assert (ended.status, ended.error, ended.lease_owner) == ("failed", "Too few rows", "")
    assert ended.finished_at is not None
    assert jobs.claim("b", MINUTE) is None
    with pytest.raises(StaleLease):
        jobs.end(lease, "waiting")


def test_an_unknown_job_is_said_with_the_command_that_lists_them(jobs: Jobs) -> None:
    with pytest.raises(NotFound, match="python -m training retrain --list"):
        jobs.get("retrain-0")
    assert jobs.all() == []


def test_what_waits_for_a_worker_can_be_taken_back_and_nothing_else(jobs: Jobs, job: Job, audit: Audit) -> None:
    jobs.cancel(job.job_id, actor="ana")
    held = jobs.get(job.job_id)
    assert (held.status, held.finished_at is not None) == ("cancelled", True)
    assert jobs.claim("w", MINUTE) is None
    assert [(row.actor, row.action, row.subject) for row in audit.rows(limit=1)] == [
        ("ana", "retrain.cancel", job.job_id)
    ]
    with pytest.raises(Conflict, match="is cancelled: only what waits for a worker"):
        jobs.cancel(job.job_id, actor="ana")
    again = jobs.request("hand", {}, actor="cli:ana")
    taken(jobs, "w")
    with pytest.raises(Conflict, match="is running: only what waits for a worker"):
        jobs.cancel(again.job_id, actor="ana")
    with pytest.raises(NotFound):
        jobs.cancel("retrain-0", actor="ana")
    assert audit.count() == 3, "what is refused is not recorded"
