"""What was done to each adapter: the table `adapter_event`, which also tells every process that something has changed.

    events_of(connection, "reader-v2-1a2b3c4d")         oldest first
    add_event(connection, "reader-v2-1a2b3c4d", "stage", ("dev", "staging"), actor="ana", reason="the gate is open")

Each is written in the transaction that changes the adapter, with its audit row: by core/registry.py, and by an erasure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.gate import GateCheck, GateReport
from core.tables import adapter, adapter_event
from core.turns import now


@dataclass(frozen=True, slots=True)
class AdapterEvent:
    """One act on an adapter. `action`: register, stage, request, decline, approve, archive, block or unblock.

    `report` is the gate's, where the act rested on one.
    """

    event_id: int
    adapter_id: str
    at: datetime
    actor: str
    action: str
    from_stage: str
    to_stage: str
    reason: str
    report: GateReport | None = None


def events_of(connection: sa.Connection, adapter_id: str) -> list[AdapterEvent]:
    """Every act on the adapter, oldest first."""
    query = sa.select(adapter_event).where(adapter_event.c.adapter_id == adapter_id).order_by(adapter_event.c.event_id)
    return [
        AdapterEvent(**(dict(row) | {"report": _report(row["report"])})) for row in connection.execute(query).mappings()
    ]


def add_event(
    connection: sa.Connection,
    adapter_id: str,
    action: str,
    stages: tuple[str, str],
    *,
    actor: str,
    reason: str,
    report: GateReport | None = None,
) -> None:
    """Keep an act. `stages`: the one that the adapter was in, "" before its registration, and the one that it is in now."""
    connection.execute(
        adapter_event.insert().values(
            adapter_id=adapter_id,
            at=now(),
            actor=actor[:80],
            action=action,
            from_stage=stages[0],
            to_stage=stages[1],
            reason=reason[:1000],
            report=asdict(report) if report else None,
        )
    )


def set_blocked(connection: sa.Connection, adapter_id: str, blocked: str, *, actor: str, reason: str = "") -> None:
    """Block an adapter with that reason, or let it serve again with "" and the reason given; the act is kept."""
    mine = adapter.c.adapter_id == adapter_id
    stage = connection.scalar(sa.select(adapter.c.stage).where(mine).with_for_update())
    connection.execute(adapter.update().where(mine).values(blocked=blocked[:500]))
    action = "block" if blocked else "unblock"
    add_event(connection, adapter_id, action, (str(stage), str(stage)), actor=actor, reason=reason or blocked)


def _report(fields: Mapping[str, Any] | None) -> GateReport | None:
    if not fields:
        return None
    checks = tuple(GateCheck(**check) for check in fields["checks"])
    return GateReport(**(dict(fields) | {"checks": checks}))
