"""The table `drift_check`: what the scheduled checks for drift found, and which of it was told to whom alerts go.

    checks = DriftChecks(store)
    if checks.claim(due_at, "host-1a2b3c4d"):            one process gets it
        kept = checks.finish(done, "host-1a2b3c4d")      None where another has taken it over meanwhile
    checks.history(limit=30)

The time that the schedule names is the key, so serving processes that share a store make one check together. Only whoever finishes
it may alert, and what they told is kept: the next check tells what has changed since. It holds names of signals and figures, no words.
`eval/drift_watch.py` makes the checks; the page Usage, `/metrics` and `python -m eval drift --history` show them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import sqlalchemy as sa
from croniter import croniter
from sqlalchemy.exc import IntegrityError

from core.store import Store
from core.tables import drift_check
from core.turns import now

Verdict = Literal["drift", "none", "too_few"]
FEWEST_TURNS: Final = 30
"""Turns below which neither window is judged: a rate of so few is not known to 10 points."""
LEASE: Final = timedelta(minutes=45)
"""Whoever claimed a check and did not finish it in this time has died: another may make it."""


@dataclass(frozen=True, slots=True)
class DriftCheck:
    """A finished check.

    Attributes:
        due_at: when the schedule named it, which is the end of the current window, `days` long; the reference ends where that begins.
        verdict: `too_few` where there was too little use to judge.
        signals: a mapping for each signal: signal, test, reference, current, size, limit, p, drifted. None where nothing was judged.
        told: the drifting signals that those who get alerts know of.
    """

    due_at: datetime
    finished_at: datetime
    verdict: Verdict
    reference_days: int
    days: int
    reference_turns: int
    current_turns: int
    signals: Sequence[Mapping[str, Any]]
    told: Sequence[str] = ()

    @property
    def drifted(self) -> list[str]:
        return [str(one["signal"]) for one in self.signals if one["drifted"]]


class DriftChecks:
    """Reads and changes the table. Safe to use from several threads and processes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def history(self, *, limit: int = 100, since: datetime | None = None) -> list[DriftCheck]:
        """The finished checks, newest first."""
        query = sa.select(drift_check).where(drift_check.c.finished_at.is_not(None))
        if since:
            query = query.where(drift_check.c.due_at >= since)
        with self._store.read() as connection:
            rows = connection.execute(query.order_by(drift_check.c.due_at.desc()).limit(limit))
            return [_check(row) for row in rows]

    def last(self) -> DriftCheck | None:
        """The newest finished check."""
        return next(iter(self.history(limit=1)), None)

    def drifted_lately(self, check: DriftCheck) -> set[str]:
        """The signals that drifted at that check, or at one less than its window's `days` before."""
        recent = sa.select(drift_check.c.signals).where(
            drift_check.c.finished_at.is_not(None),
            drift_check.c.due_at > check.due_at - timedelta(days=check.days),
            drift_check.c.due_at <= check.due_at,
        )
        with self._store.read() as connection:
            return {one["signal"] for signals in connection.scalars(recent) for one in signals if one["drifted"]}

    def is_open(self, due_at: datetime) -> bool:
        """Whether nobody has made that check, or is making it now."""
        with self._store.read() as connection:
            row = connection.execute(sa.select(drift_check).where(drift_check.c.due_at == due_at)).first()
        return row is None or (row.finished_at is None and _left(row.claimed_at))

    def claim(self, due_at: datetime, owner: str) -> bool:
        """Take the check that is due then; False where it is made, or another process makes it now."""
        mine = {"claimed_by": owner, "claimed_at": now()}
        empty = {"verdict": "", "reference_days": 0, "days": 0, "reference_turns": 0, "current_turns": 0}
        try:
            with self._store.begin() as connection:
                new = {"due_at": due_at, **mine, **empty, "signals": [], "told": []}
                connection.execute(drift_check.insert().values(new))
            return True
        except IntegrityError:
            pass  # somebody was there before: alive, dead or done
        with self._store.begin() as connection:
            one = sa.select(drift_check).where(drift_check.c.due_at == due_at).with_for_update()
            row = connection.execute(one).first()
            if row is None or row.finished_at is not None or not _left(row.claimed_at):
                return False
            connection.execute(drift_check.update().where(drift_check.c.due_at == due_at).values(mine))
        return True

    def finish(self, done: DriftCheck, owner: str) -> DriftCheck | None:
        """Keep what was found, with what was told before; None where another process has taken the check over, and nothing is kept."""
        earlier = sa.select(drift_check.c.told).where(
            drift_check.c.finished_at.is_not(None), drift_check.c.due_at < done.due_at
        )
        with self._store.begin() as connection:
            told = connection.scalar(earlier.order_by(drift_check.c.due_at.desc()).limit(1)) or []
            values = {name: getattr(done, name) for name in DriftCheck.__slots__ if name != "due_at"}
            values |= {"signals": [dict(one) for one in done.signals], "told": told}
            made = drift_check.update().where(*_held(done.due_at, owner)).values(values)
            if not connection.execute(made).rowcount:
                return None
            return _check(connection.execute(sa.select(drift_check).where(drift_check.c.due_at == done.due_at)).one())

    def tell(self, due_at: datetime, told: Sequence[str]) -> None:
        """Those who get alerts know now that these signals drift, and no others."""
        with self._store.begin() as connection:
            connection.execute(drift_check.update().where(drift_check.c.due_at == due_at).values(told=list(told)))


def last_due(cron: str, at: datetime) -> datetime | None:
    """The schedule's newest time up to that one; None where there is no schedule."""
    found: datetime | None = croniter(cron, at + timedelta(seconds=1)).get_prev(datetime) if cron else None
    return found


def _left(claimed_at: datetime) -> bool:
    """Whether a claim has run out; one from the future was made before the clock jumped back."""
    return not now() - LEASE < claimed_at <= now() + LEASE


def _held(due_at: datetime, owner: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        drift_check.c.due_at == due_at,
        drift_check.c.claimed_by == owner,
        drift_check.c.finished_at.is_(None),
    )


def _check(row: sa.Row[Any]) -> DriftCheck:
    lists = {name: tuple(getattr(row, name)) for name in ("signals", "told")}
    return DriftCheck(**{name: getattr(row, name) for name in DriftCheck.__slots__} | lists)
