"""Which workers run: each leaves a sign in the table `worker` every few seconds, whether it has something to do or not.

    with present(store, "host-1a2b3c4d"):       for as long as the block runs
        ...
    running(store)                              those whose last sign is fresh

A lease (core/jobs.py) says who works on what; without a sign nobody sees that nothing will ever be worked on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from core.errors import Unavailable
from core.store import Store
from core.tables import worker
from core.turns import now

log = logging.getLogger(__name__)

START: Final = "python -m training worker"
START_COMPOSE: Final = "docker compose -f deploy/compose.yaml --profile train up -d"
EVERY: Final = timedelta(seconds=10)
SILENT: Final = timedelta(seconds=45)
"""A worker that gave no sign for so long has died: four signs are missing."""
FORGOTTEN: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Seen:
    """A worker and its last sign."""

    name: str
    started_at: datetime
    seen_at: datetime


@contextmanager
def present(store: Store, name: str, *, every: timedelta = EVERY) -> Iterator[None]:
    """A worker of that name is seen to run for as long as the block does, and gone at its end.

    Raises:
        StoreUnavailable: the first sign cannot be written; later ones are tried again.
    """
    _sign(store, name, first=True)
    stopped = threading.Event()

    def keep() -> None:
        while not stopped.wait(every.total_seconds()):
            try:
                _sign(store, name)
            except Unavailable as error:
                log.warning("the worker's sign is not written: %s", error)

    thread = threading.Thread(target=keep, name="present", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        with suppress(Unavailable):  # it is silent from now on, which says the same a little later
            with store.begin() as connection:
                connection.execute(worker.delete().where(worker.c.name == name))


def running(store: Store) -> list[Seen]:
    """The workers whose last sign is fresh, those that started first before the others.

    A sign from the future was given before the clock jumped back: its worker gives another one in a moment, where it still runs.
    """
    at = now()
    fresh = worker.c.seen_at.between(at - SILENT, at + SILENT)
    with store.read() as connection:
        rows = connection.execute(sa.select(worker).where(fresh).order_by(worker.c.started_at, worker.c.name))
        return [Seen(**row._mapping) for row in rows]


def last_seen(store: Store) -> datetime | None:
    """When a worker that died was last seen; None where none has died lately."""
    with store.read() as connection:
        found: datetime | None = connection.scalar(sa.select(worker.c.seen_at).order_by(worker.c.seen_at.desc()))
        return found


def _sign(store: Store, name: str, *, first: bool = False) -> None:
    at = now()
    with store.begin() as connection:
        mine = worker.c.name == name
        if not connection.execute(worker.update().where(mine).values(seen_at=at)).rowcount:
            connection.execute(worker.insert().values(name=name, started_at=at, seen_at=at))
        if first:
            connection.execute(worker.delete().where(worker.c.seen_at < at - FORGOTTEN))
