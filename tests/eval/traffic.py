"""Simulated use in a real store: turns and feedback as the assistant leaves them, put in by the thousand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from core.store import Store
from core.tables import conversation, feedback, person, turn
from core.turns import new_id

Row = dict[str, Any]
BEGIN = datetime(2026, 10, 1, 8, 0, tzinfo=UTC)


def a_turn(person_id: str, at: datetime, **changes: object) -> Row:
    """One stored turn in a conversation of its own; `changes` are columns, `feedback` the kinds it got."""
    row: Row = {
        "turn_id": new_id(),
        "person_id": person_id,
        "conversation_id": new_id(),
        "created_at": at,
        "question": "How many days of leave do I get?",
        "standalone_question": "How many days of leave do I get?",
        "answer": "You get 25 days [1].",
        "status": "answered",
        "reason": "",
        "evidence": 0.8,
        "adapter": "base",
        "model": "quote",
        "template_sha256": "0" * 64,
        "passages": [{"passage_id": "p1", "document_id": "hr-leave", "version": 1, "score": 0.8}],
        "verdicts": [{"guard": "personal_data_answer", "action": "allow", "rule": "", "score": 0.0, "entities": {}}],
        "citations": [],
        "timings_ms": {"retrieve": 20.0, "total": 400.0},
        "counts": {},
        "temporary": False,
        "replaces": None,
        "feedback": (),
    }
    return row | changes


def put(store: Store, rows: Iterable[Mapping[str, Any]]) -> None:
    """Store turns with their people, conversations and feedback in one transaction."""
    rows = list(rows)
    given = [
        {
            "feedback_id": new_id(),
            "turn_id": row["turn_id"],
            "person_id": row["person_id"],
            "kind": kind,
            "reasons": [],
            "comment": "",
            "expected": "",
            "created_at": row["created_at"],
        }
        for row in rows
        for kind in row["feedback"]
    ]
    owners = {
        row["conversation_id"]: {
            "conversation_id": row["conversation_id"],
            "person_id": row["person_id"],
            "title": "t",
            "created_at": row["created_at"],
            "updated_at": row["created_at"],
        }
        for row in rows
        if row["conversation_id"]
    }
    with store.begin() as connection:
        known = set(connection.scalars(sa.select(person.c.person_id)))
        if new := sorted({row["person_id"] for row in rows} - known):
            connection.execute(person.insert(), [_person(one, rows[0]["created_at"]) for one in new])
        if owners:
            connection.execute(conversation.insert(), list(owners.values()))
        connection.execute(turn.insert(), [{k: v for k, v in row.items() if k != "feedback"} for row in rows])
        if given:
            connection.execute(feedback.insert(), given)


def _person(person_id: str, at: datetime) -> Row:
    return {
        "person_id": person_id,
        "name": person_id,
        "email": f"{person_id}@kestrelbay.example",
        "groups": ["employees"],
        "clearance": "internal",
        "roles": ["employee"],
        "created_at": at,
    }
