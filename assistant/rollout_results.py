"""Live results: what each arm's people met since the trial began, or since production last changed.

found = results(store, people.all(), rollouts)
found.arms[0].rates["flagged"]          a Rate: share, n and Wilson interval

Counts only. Whether a difference is more than chance is for `python -m eval canary` and `python -m eval experiment analyse`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import takewhile

import sqlalchemy as sa

from core.canary import steps_of
from core.rates import Rate, wilson
from core.records import Principal, Rollout
from core.rollouts import Rollouts
from core.seen import Seen, read_seen
from core.standing import Standing
from core.store import Store
from core.tables import shadow_answer
from core.turns import now

WINDOW = timedelta(days=28)
"""Older turns do not count where nothing has changed for longer."""
LOOK_BACK = 1000
RATES: Mapping[str, Callable[[Seen], bool]] = {
    "answered": lambda one: one.status == "answered" and not one.fell_back,
    "flagged": lambda one: one.flagged,
    "unanswered": lambda one: one.status == "no_answer",
    "refused": lambda one: one.status == "refused",
    "failed": lambda one: one.status == "failed" or one.fell_back,
    "personal data": lambda one: one.personal_data,
}
"""What is counted of an arm's turns. A turn in which another adapter stood in for the arm's own counts as failed."""


@dataclass(frozen=True, slots=True)
class Day:
    """One day of one arm."""

    day: date
    turns: int
    flagged: int


@dataclass(frozen=True, slots=True)
class ArmResult:
    """What one arm's people met. `adapter` is whom they were assigned to."""

    adapter: str
    is_trial: bool
    persons: int
    turns: int
    rates: Mapping[str, Rate]
    p50_ms: float
    p95_ms: float
    days: tuple[Day, ...]


@dataclass(frozen=True, slots=True)
class Beside:
    """What an adapter in the shadow answered, and how often it said what production said."""

    adapter: str
    answers: int
    agreed: Rate
    failed: Rate
    p50_ms: float


@dataclass(frozen=True, slots=True)
class Results:
    since: datetime
    arms: tuple[ArmResult, ...]
    beside: tuple[Beside, ...] = ()


def results(store: Store, people: Sequence[Principal], rollouts: Rollouts, *, at: datetime | None = None) -> Results:
    """What is stored now; production first, then each arm of the trial. Raises Conflict where nothing has served yet."""
    at = at or now()
    standing, history = rollouts.standing(), rollouts.history(LOOK_BACK)
    rows = steps_of(history) or _unchanged(history)
    since = max(min(row.at for row in rows), at - WINDOW)
    seen = read_seen(store, rollouts=[row.rollout_id for row in rows], since=since)
    known = {who.person_id: who for who in people}
    standings = {row.rollout_id: Standing(row, standing.adapters) for row in rows}
    arms: dict[str, list[Seen]] = {standing.rollout.production: []}
    trial = [arm.adapter for arm in standing.rollout.arms] if standing.rollout.mode in ("ab", "canary") else []
    arms |= {name: [] for name in trial}
    for one in seen:
        of = standings[one.rollout_id or 0]
        who = known.get(one.person_id)
        if trial and (who is None or not of.eligible(who)):
            continue  # takes no part
        arm = of.arm(who) if who else None
        arms.setdefault(arm.adapter if arm else standing.rollout.production, []).append(one)
    return Results(
        since=since,
        arms=tuple(_arm(name, name in trial, turns, (since, at)) for name, turns in arms.items()),
        beside=_beside(store, standing.rollout, since),
    )


def _unchanged(history: Sequence[Rollout]) -> list[Rollout]:
    """The rows since production, its template and its thresholds last changed, trials' rows among them."""

    def same(row: Rollout) -> bool:
        return (row.production, row.template_sha256) == (history[0].production, history[0].template_sha256)

    return list(takewhile(same, history))


def _arm(adapter: str, is_trial: bool, turns: Sequence[Seen], window: tuple[datetime, datetime]) -> ArmResult:
    times = sorted(one.latency_ms for one in turns if one.latency_ms >= 0 and one.status != "stopped")
    return ArmResult(
        adapter=adapter,
        is_trial=is_trial,
        persons=len({one.person_id for one in turns}),
        turns=len(turns),
        rates={name: wilson(sum(map(counts, turns)), len(turns)) for name, counts in RATES.items()},
        p50_ms=_quantile(times, 0.5),
        p95_ms=_quantile(times, 0.95),
        days=_days(turns, *window),
    )


def _days(turns: Sequence[Seen], since: datetime, until: datetime) -> tuple[Day, ...]:
    counts: dict[date, list[int]] = defaultdict(lambda: [0, 0])
    for one in turns:
        counts[one.created_at.date()][0] += 1
        counts[one.created_at.date()][1] += one.flagged
    number = (until.date() - since.date()).days + 1
    every = [since.date() + timedelta(days=n) for n in range(number)]
    return tuple(Day(day, *counts[day]) for day in every)


def _beside(store: Store, row: Rollout, since: datetime) -> tuple[Beside, ...]:
    if row.mode != "shadow":
        return ()
    name = row.arms[0].adapter
    query = sa.select(shadow_answer).where(shadow_answer.c.adapter == name, shadow_answer.c.created_at >= since)
    with store.read() as connection:
        found = connection.execute(query).all()
    answered = [one for one in found if one.status != "failed"]
    return (
        Beside(
            adapter=name,
            answers=len(found),
            agreed=wilson(sum(bool(one.agrees) for one in answered), len(answered)),
            failed=wilson(len(found) - len(answered), len(found)),
            p50_ms=_quantile(sorted(one.ms for one in found), 0.5),
        ),
    )


def _quantile(ordered: Sequence[float], share: float) -> float:
    """By the nearest rank; 0 for none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
