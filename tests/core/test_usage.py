"""The figures of use are counted from the turns, day by day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from core.people import People
from core.store import Store
from core.turns import Turns
from core.usage import adapters, usage
from tests.core.queue import answered, flag

TODAY = date(2026, 11, 27)


def at(days_ago: int, hour: int = 9) -> datetime:
    return datetime(2026, 11, 27, hour, tzinfo=UTC) - timedelta(days=days_ago)


@pytest.fixture
def turns(store: Store, people: People) -> Turns:
    return Turns(store)


def test_days_count_outcomes_people_feedback_and_latency(store: Store, turns: Turns) -> None:
    for ms in (100.0, 200.0, 900.0):
        flagged = answered(turns, created_at=at(1), timings_ms={"total": ms})
    flag(turns, flagged)
    flag(turns, flagged)  # twice on one answer is one flagged answer
    answered(turns, "carl.contractor", created_at=at(0), status="refused", timings_ms={"total": 5.0}, adapter="other")
    answered(turns, created_at=at(0, 23), status="stopped", timings_ms={"total": 9999.0})
    answered(turns, created_at=at(3))
    found = usage(store, 3, today=TODAY)
    assert [day.day for day in found.days] == [TODAY - timedelta(days=n) for n in (2, 1, 0)]
    empty, yesterday, today = found.days
    assert (empty.questions, empty.ms_p50) == (0, None)
    assert (yesterday.questions, yesterday.people, yesterday.answered, yesterday.flagged) == (3, 1, 3, 1)
    assert (yesterday.ms_p50, yesterday.ms_p95) == (200.0, 900.0)
    assert (today.questions, today.people, today.refused, today.ms_p50) == (2, 2, 1, 5.0)
    assert (found.questions, found.people, found.answered.passed, found.flagged.n) == (5, 2, 3, 5)
    assert adapters(store) == ["base", "other"]
    assert usage(store, 3, today=TODAY, adapter="other").questions == 1


def test_nothing_asked_has_no_rates(store: Store) -> None:
    found = usage(store, 7, today=TODAY)
    assert (found.questions, found.people, found.ms_p50, len(found.days)) == (0, 0, None, 7)
