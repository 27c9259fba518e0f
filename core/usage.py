"""How the assistant is used, day by day, counted from the turns: questions, outcomes, feedback and latency; nobody's words or names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

import sqlalchemy as sa

from core.rates import Rate, wilson
from core.store import Store
from core.tables import feedback, turn


@dataclass(frozen=True, slots=True)
class UsageDay:
    """One day (UTC). `people` asked something; `ms_p50` and `ms_p95` are of whole answers, None on a day without any."""

    day: date
    questions: int
    people: int
    answered: int
    refused: int
    no_answer: int
    failed: int
    flagged: int
    up: int
    down: int
    ms_p50: float | None
    ms_p95: float | None


@dataclass(frozen=True, slots=True)
class Usage:
    """A span of days, every day of it listed, with the rates over all of them."""

    days: tuple[UsageDay, ...]
    people: int
    answered: Rate
    refused: Rate
    no_answer: Rate
    failed: Rate
    flagged: Rate
    ms_p50: float | None
    ms_p95: float | None

    @property
    def questions(self) -> int:
        return self.answered.n


@dataclass
class _Counted:
    people: set[str] = field(default_factory=set)
    statuses: list[str] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)


def usage(store: Store, days: int, *, adapter: str = "", today: date | None = None) -> Usage:
    """The last `days` days, today included.

    Args:
        adapter: only what this adapter answered.
        today: the last day; the present one (UTC) unless given.
    """
    last = today or datetime.now(UTC).date()
    span = [last - timedelta(days=n) for n in reversed(range(days))]
    counted = {day: _Counted() for day in span}
    wanted = [
        turn.c.created_at >= datetime.combine(span[0], time(), UTC),
        turn.c.created_at < datetime.combine(last + timedelta(days=1), time(), UTC),
        *([turn.c.adapter == adapter] if adapter else []),
    ]
    columns = (turn.c.turn_id, turn.c.created_at, turn.c.person_id, turn.c.status, turn.c.timings_ms)
    given = sa.select(turn.c.created_at, feedback.c.turn_id, feedback.c.kind).join(turn).where(*wanted).distinct()
    with store.snapshot() as connection:
        for row in connection.execute(sa.select(*columns).where(*wanted)):
            of = counted[row.created_at.date()]
            of.people.add(row.person_id)
            of.statuses.append(row.status)
            if row.status != "stopped" and "total" in row.timings_ms:
                of.ms.append(float(row.timings_ms["total"]))
        for at, _, kind in connection.execute(given):
            counted[at.date()].kinds.append(kind)
    return _summed([_day(day, counted[day]) for day in span], list(counted.values()))


def adapters(store: Store) -> list[str]:
    """The adapters that ever answered, by name."""
    with store.read() as connection:
        return sorted(name for name in connection.scalars(sa.select(turn.c.adapter).distinct()) if name)


def _day(day: date, of: _Counted) -> UsageDay:
    said = {name: of.statuses.count(name) for name in ("answered", "refused", "no_answer", "failed")}
    given = {name: of.kinds.count(kind) for name, kind in (("flagged", "flag"), ("up", "up"), ("down", "down"))}
    asked = len(of.statuses)
    return UsageDay(day, asked, len(of.people), **said, **given, ms_p50=_at(of.ms, 0.5), ms_p95=_at(of.ms, 0.95))


def _summed(days: Sequence[UsageDay], counted: Sequence[_Counted]) -> Usage:
    asked = sum(day.questions for day in days)
    names = ("answered", "refused", "no_answer", "failed", "flagged")
    rates = {name: wilson(sum(getattr(day, name) for day in days), asked) for name in names}
    ms = [value for one in counted for value in one.ms]
    people = len(set().union(*(one.people for one in counted)))
    return Usage(tuple(days), people, **rates, ms_p50=_at(ms, 0.5), ms_p95=_at(ms, 0.95))


def _at(values: Sequence[float], share: float) -> float | None:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None
