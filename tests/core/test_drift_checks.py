"""Scheduled checks for drift: one process makes each, a dead one is replaced, and what was told is known to the next check."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.drift_checks import LEASE, DriftCheck, DriftChecks, last_due
from core.store import Store
from core.tables import drift_check
from core.turns import now

DUE = datetime(2026, 11, 27, 6, 15, tzinfo=UTC)
DAY = timedelta(days=1)
SIGNAL = {"signal": "latency_ms", "reference": 400.0, "current": 900.0, "size": 0.4, "limit": 0.1, "p": 0.001}
DRIFTED = DriftCheck(DUE, DUE, "drift", 30, 7, 900, 210, (SIGNAL | {"drifted": True},))
TOO_FEW = DriftCheck(DUE, DUE, "too_few", 30, 7, 900, 3, ())


def done(checks: DriftChecks, check: DriftCheck) -> DriftCheck:
    assert checks.claim(check.due_at, "w")
    kept = checks.finish(check, "w")
    assert kept is not None
    return kept


def test_one_of_many_processes_makes_a_check(store: Store) -> None:
    checks = DriftChecks(store)
    assert checks.is_open(DUE)
    with ThreadPoolExecutor(8) as pool:
        won = [name for name in pool.map(lambda name: name if checks.claim(DUE, name) else "", "abcdefgh") if name]
    assert len(won) == 1 and not checks.is_open(DUE)
    assert checks.history() == [] and checks.last() is None
    assert checks.finish(DRIFTED, "another") is None
    assert checks.finish(DRIFTED, won[0]) == checks.last() == DRIFTED
    assert not checks.claim(DUE, "another") and not checks.is_open(DUE)
    assert checks.finish(TOO_FEW, won[0]) is None, "finished twice"


@pytest.mark.parametrize("died", [-1.1 * LEASE, 1.1 * LEASE])
def test_a_check_whose_maker_died_is_made_by_another_and_kept_once(store: Store, died: timedelta) -> None:
    checks = DriftChecks(store)
    assert checks.claim(DUE, "dead")
    with store.begin() as connection:
        connection.execute(drift_check.update().values(claimed_at=now() + died))
    assert checks.is_open(DUE)
    assert checks.claim(DUE, "alive") and not checks.claim(DUE, "third")
    assert checks.finish(DRIFTED, "dead") is None
    assert checks.finish(DRIFTED, "alive") == DRIFTED


def test_what_was_told_is_known_to_the_next_check_also_where_that_could_not_judge(store: Store) -> None:
    checks = DriftChecks(store)
    first = done(checks, DRIFTED)
    assert (first.drifted, first.told) == (["latency_ms"], ())
    checks.tell(DUE, first.drifted)
    second = done(checks, replace(TOO_FEW, due_at=DUE + DAY))
    assert (second.drifted, second.told) == ([], ("latency_ms",))
    quiet = (SIGNAL | {"drifted": False},)
    third = done(checks, replace(DRIFTED, due_at=DUE + 2 * DAY, verdict="none", signals=quiet))
    assert (third.told, third.drifted) == (("latency_ms",), [])
    assert [one.due_at for one in checks.history(since=DUE + DAY)] == [DUE + 2 * DAY, DUE + DAY]
    assert checks.history(limit=1) == [third]


def test_a_signal_that_drifted_within_the_days_of_a_window_did_so_lately(store: Store) -> None:
    checks = DriftChecks(store)
    done(checks, DRIFTED)
    quiet = replace(DRIFTED, verdict="none", signals=(SIGNAL | {"drifted": False},))
    sixth, seventh = (done(checks, replace(quiet, due_at=DUE + n * DAY)) for n in (6, 7))
    assert checks.claim(DUE + 5 * DAY, "a check that is not finished")
    assert (checks.drifted_lately(sixth), checks.drifted_lately(seventh)) == ({"latency_ms"}, set())
    assert checks.drifted_lately(replace(sixth, due_at=DUE - DAY)) == set(), "what comes later is not known yet"


def test_the_newest_time_of_the_schedule_is_due(store: Store) -> None:
    assert last_due("15 6 * * *", DUE) == DUE
    assert last_due("15 6 * * *", DUE - timedelta(seconds=1)) == DUE - DAY
    assert last_due("15 6 * * *", DUE + 0.9 * DAY) == DUE
    assert last_due("", DUE) is None
