"""A worker's sign: seen while it runs, gone when it stops, silent when it has died, and never by a clock that jumped."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

import core.workers
from core.errors import StoreUnavailable
from core.store import Store
from core.tables import worker
from core.turns import now
from core.workers import FORGOTTEN, SILENT, last_seen, present, running


def test_a_worker_is_seen_while_it_runs_and_gone_when_it_stops(store: Store) -> None:
    assert (running(store), last_seen(store)) == ([], None)
    with present(store, "first"), present(store, "second"):
        assert {one.name for one in running(store)} == {"first", "second"}
    assert (running(store), last_seen(store)) == ([], None)


def test_a_worker_goes_on_giving_signs(store: Store) -> None:
    with present(store, "w", every=timedelta(milliseconds=20)):
        (begun,) = running(store)
        end = time.monotonic() + 20
        while running(store)[0].seen_at == begun.seen_at:
            assert time.monotonic() < end, "no second sign came"
            time.sleep(0.02)
        assert running(store)[0].started_at == begun.started_at


def test_a_worker_that_died_is_not_taken_for_one_that_runs(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    died = now()
    with store.begin() as connection:
        connection.execute(worker.insert().values(name="w", started_at=died, seen_at=died))
    assert [one.name for one in running(store)] == ["w"]
    for jump in (SILENT, -SILENT):  # later on, and where the clock has jumped back
        monkeypatch.setitem(vars(core.workers), "now", lambda jump=jump: died + 1.1 * jump)
        assert running(store) == []
    assert last_seen(store) == died


def test_signs_of_long_ago_are_forgotten_once_another_worker_comes(store: Store) -> None:
    long_ago = now() - 2 * FORGOTTEN
    with store.begin() as connection:
        connection.execute(worker.insert().values(name="old", started_at=long_ago, seen_at=long_ago))
    with present(store, "new"):
        pass
    assert last_seen(store) is None


def test_what_a_worker_does_ends_as_it_does_also_where_the_store_is_gone(store: Store) -> None:
    with pytest.raises(StoreUnavailable, match="told by the work"):
        with present(store, "w"):
            raise StoreUnavailable("told by the work")
    assert running(store) == []
