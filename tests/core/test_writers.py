"""SQLite's writers of one process take turns: who came first writes first, and who waits too long is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

import core.store
from core.errors import StoreUnavailable
from core.store import Store
from core.tables import access_group


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    """On SQLite alone: a server takes its writers in turn itself."""
    with Store(f"sqlite:///{home / 'assistant.db'}") as opened:
        yield opened


def write(store: Store, name: str) -> None:
    with store.begin() as connection:
        connection.execute(access_group.insert().values(name=name, description=""))


def test_writers_write_in_the_order_in_which_they_came(store: Store) -> None:
    done: list[int] = []

    def queue(number: int) -> None:
        write(store, f"group-{number}")
        done.append(number)

    threads = [threading.Thread(target=queue, args=(number,)) for number in range(8)]
    with store.begin():
        for thread in threads:
            thread.start()
            time.sleep(0.02)
        assert done == []
    for thread in threads:
        thread.join()
    assert done == list(range(8))


def test_writer_among_many_who_write_all_the_time_waits_for_one_round_of_them(store: Store) -> None:
    stopped, writes = threading.Event(), [0] * 16

    def always(number: int) -> None:
        while not stopped.is_set():
            write(store, f"{number}-{writes[number]}")
            writes[number] += 1

    threads = [threading.Thread(target=always, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    waited = []
    for number in range(20):
        before = sum(writes)
        write(store, f"late-{number}")
        waited.append(sum(writes) - before)
    stopped.set()
    for thread in threads:
        thread.join()
    assert sorted(waited)[10] <= 20  # the median: while it is counted, others go on
    assert min(writes) > 0


def test_writer_that_waits_too_long_is_told_and_holds_up_nobody(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(core.store), "TURN_S", 0.05)
    failures: list[str] = []

    def impatient() -> None:
        try:
            write(store, "impatient")
        except StoreUnavailable as error:
            failures.append(str(error))

    with store.begin():
        thread = threading.Thread(target=impatient)
        thread.start()
        thread.join()
    assert "locked" in failures[0]
    write(store, "next")
    with store.read() as connection:
        assert connection.scalars(sa.select(access_group.c.name)).all() == ["next"]


def test_block_that_raises_gives_its_turn_on(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.begin():
        raise ZeroDivisionError
    write(store, "next")
