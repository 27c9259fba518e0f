"""Whether a retraining is near, who may ask for one, and what is asked for with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.audit import Audit
from core.errors import BadInput, Conflict
from core.jobs import Jobs
from core.retraining import ask, ask_where_it_may, due_by_count, next_time, outlook
from core.settings import Settings
from core.store import Store
from tests.training.queue_home import approve, people, store_of

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


@dataclass
class Desk:
    settings: Settings
    store: Store
    audit: Audit

    @property
    def jobs(self) -> Jobs:
        return Jobs(self.store, self.audit)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Five approved items; the next retraining is due at ten new ones."""
    home = tmp_path / "desk"
    home.mkdir()
    people(home)
    approve(home, range(5))
    with store_of(home) as store:
        yield Desk(Settings(home=home, retrain_after=10, review_twice="none"), store, Audit(store, home))


def ended(jobs: Jobs) -> None:
    found = jobs.claim("w", timedelta(minutes=1))
    assert found
    jobs.end(found[1], "failed", "the disk is full")


def test_items_gather_until_a_retraining_is_asked_for(desk: Desk) -> None:
    found = outlook(desk, desk.jobs)
    assert (found.approved, found.gathered, found.wanted, found.job) == (5, 5, 10, None)
    approve(desk.settings.home, range(5, 11))
    assert outlook(desk, desk.jobs).gathered == due_by_count(desk, desk.jobs) == 11
    made = ask(desk, desk.jobs, "hand", actor="ana")
    found = outlook(desk, desk.jobs)
    assert (found.approved, found.gathered, found.job) == (11, 0, made)
    ended(desk.jobs)
    assert (outlook(desk, desk.jobs).gathered, outlook(desk, desk.jobs).job) == (0, None)


def test_too_few_items_and_one_under_way_are_refused_and_nothing_is_asked_for(desk: Desk) -> None:
    with pytest.raises(Conflict, match="approved 5 items so far, and a dataset takes 8 at least: decide more"):
        ask_where_it_may(desk, desk.jobs, actor="ana")
    assert desk.jobs.all() == []
    approve(desk.settings.home, range(5, 8))
    made = ask_where_it_may(desk, desk.jobs, actor="ana")
    with pytest.raises(Conflict, match=f"queued already: {made.job_id}"):
        ask_where_it_may(desk, desk.jobs, actor="ben")
    assert [one.job_id for one in desk.jobs.all()] == [made.job_id]


def test_the_page_asks_for_what_the_command_asks_for(desk: Desk) -> None:
    approve(desk.settings.home, range(5, 8))
    made = ask_where_it_may(desk, desk.jobs, actor="ana")
    assert (made.trigger, made.requested_by, made.status) == ("hand", "ana", "queued")
    desk.jobs.cancel(made.job_id, actor="ana")
    other = ask(desk, desk.jobs, "hand", actor="cli:ana", config=None, allow_dirty=False, least=8)
    assert made.details == other.details
    assert [(row.actor, row.action) for row in desk.audit.rows(limit=3)] == [
        ("cli:ana", "retrain.request"),
        ("ana", "retrain.cancel"),
        ("ana", "retrain.request"),
    ]


def test_a_wrong_file_of_the_run_is_told_when_it_is_asked_for(desk: Desk, tmp_path: Path) -> None:
    approve(desk.settings.home, range(5, 8))
    file = tmp_path / "run.yaml"
    file.write_text("method: reader\nname: desk\nranks: 8\n")
    wrong = Desk(desk.settings.model_copy(update={"retrain_config": file}), desk.store, desk.audit)
    with pytest.raises(BadInput, match=r"run\.yaml:3: ranks: unknown key; did you mean rank"):
        ask_where_it_may(wrong, wrong.jobs, actor="ana")
    assert desk.jobs.all() == []


def test_what_was_asked_for_by_hand_and_taken_back_has_used_no_item(desk: Desk) -> None:
    approve(desk.settings.home, range(5, 12))
    made = ask_where_it_may(desk, desk.jobs, actor="ana")
    desk.jobs.cancel(made.job_id, actor="ana")
    assert due_by_count(desk, desk.jobs) == 12


def test_what_started_by_itself_and_was_taken_back_does_not_start_again_at_once(desk: Desk) -> None:
    approve(desk.settings.home, range(5, 12))
    made = ask(desk, desk.jobs, "count", actor="worker:count")
    desk.jobs.cancel(made.job_id, actor="ana")
    assert due_by_count(desk, desk.jobs) == 0
    approve(desk.settings.home, range(12, 22))
    assert due_by_count(desk, desk.jobs) == 10


def test_the_schedule_says_when_the_next_one_is_due(desk: Desk) -> None:
    assert next_time("0 3 1 1,4,7,10 *", AT) == datetime(2027, 1, 1, 3, tzinfo=UTC)
    assert next_time("*/20 * * * *", AT) == datetime(2026, 11, 20, 9, 40, tzinfo=UTC)
    assert (next_time("", AT), next_time("0 25 1 1 *", AT)) == (None, None)

    def of(cron: str) -> tuple[bool, str]:
        settings = desk.settings.model_copy(update={"retrain_schedule": cron})
        found = outlook(Desk(settings, desk.store, desk.audit), desk.jobs)
        return found.scheduled is not None, found.unread

    assert [of(cron) for cron in ("0 3 1 * *", "", "0 25 1 1 *")] == [(True, ""), (False, ""), (False, "0 25 1 1 *")]
