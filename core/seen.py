"""Stored turns with the feedback that they got, without anybody's words: what evaluations and live figures count.

read_seen(store, adapters=["reader-1"], since=..., until=...)
read_seen(store, rollouts=[12, 13])
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.errors import BadInput
from core.store import Store
from core.tables import feedback, turn
from core.turns import ESCALATED

COLUMNS = (
    "turn_id", "person_id", "conversation_id", "created_at", "adapter", "arm", "rollout_id", "status", "timings_ms",
    "verdicts", "counts",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """One stored turn with the feedback that it got.

    Attributes:
        escalated: the policy handed the matter on to somebody.
        fell_back: the adapter on trial failed, and another one answered in its place.
        personal_data: the guard on the answer masked or refused something; what stands in a question is the person's doing.
    """

    turn_id: str
    person_id: str
    conversation_id: str | None
    created_at: datetime
    adapter: str
    status: str
    latency_ms: float
    personal_data: bool
    flagged: bool
    up: bool
    down: bool
    arm: str = "production"
    rollout_id: int | None = None
    fell_back: bool = False
    escalated: bool = False


def read_seen(
    store: Store,
    *,
    adapters: Sequence[str] | None = None,
    rollouts: Sequence[int] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Seen]:
    """The turns that these adapters served, or that came under these rollouts, oldest first, with all their feedback so far.

    Args:
        since, until: the first moment, and the first one after the last.

    Raises:
        BadInput: neither adapters nor rollouts are named.
    """
    if adapters is None and rollouts is None:
        raise BadInput("Name adapters or rollouts whose turns are to be read.")
    clauses = [
        *([turn.c.adapter.in_(adapters)] if adapters is not None else []),
        *([turn.c.rollout_id.in_(rollouts)] if rollouts is not None else []),
        *([turn.c.created_at >= since] if since else []),
        *([turn.c.created_at < until] if until else []),
    ]
    wanted = sa.and_(*clauses)
    query = sa.select(*(turn.c[name] for name in COLUMNS)).where(wanted).order_by(turn.c.created_at, turn.c.turn_id)
    given = sa.select(feedback.c.turn_id, feedback.c.kind).join(turn).where(wanted)
    kinds: dict[str, set[str]] = defaultdict(set)
    with store.snapshot() as connection:
        for turn_id, kind in connection.execute(given):
            kinds[turn_id].add(kind)
        return [_seen(row, kinds[row.turn_id]) for row in connection.execute(query)]


def _seen(row: Any, kinds: set[str]) -> Seen:
    return Seen(
        turn_id=row.turn_id,
        person_id=row.person_id,
        conversation_id=row.conversation_id,
        created_at=row.created_at,
        adapter=row.adapter,
        status=row.status,
        latency_ms=float(row.timings_ms.get("total", math.nan)),
        personal_data=any(v["guard"] == "personal_data_answer" and v["action"] != "allow" for v in row.verdicts),
        flagged="flag" in kinds,
        up="up" in kinds,
        down="down" in kinds,
        arm=row.arm,
        rollout_id=row.rollout_id,
        fell_back=bool(row.counts.get("fell_back", 0)),
        escalated=bool(row.counts.get(ESCALATED, 0)),
    )
