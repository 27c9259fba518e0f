"""From a person's feedback to an item of the review queue, in one transaction; what came before there was a queue, at start."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from core.records import Feedback, FeedbackKind, Turn
from core.review_records import URGENT_REASONS, Source
from core.store import Store, insert_into
from core.tables import document, feedback, review, review_item, turn

SOURCES: Mapping[FeedbackKind, Source] = {"flag": "flag", "up": "thumbs_up", "down": "thumbs_down"}
URGENT = 3
_NAMESPACE = uuid.UUID("6f1f7a0e-6f0e-4c52-9b0e-0d5b8a3f9c11")


def open_item(connection: sa.Connection, given: Feedback, passages: Sequence[Mapping[str, Any]]) -> str:
    """Put a piece of feedback into the queue; returns the item's id.

    Args:
        connection: the transaction that stores the feedback: both stand, or neither.
        passages: the turn's. The first one's document gives the item its department and language.
    """
    department, language = _place(connection, passages)
    values = _item(
        item_id_of(given.feedback_id), given.turn_id, SOURCES[given.kind], _priority(given), given.created_at
    )
    values |= {"feedback_id": given.feedback_id, "department": department, "language": language}
    connection.execute(insert_into(review_item, connection).values(values).on_conflict_do_nothing())
    return str(values["item_id"])


def open_escalated(connection: sa.Connection, asked: Turn) -> str:
    """Put a question that the policy hands on into the queue, as urgent; returns the item's id.

    Args:
        connection: the transaction that stores the turn: both stand, or neither.
    """
    values = _item(item_id_of(asked.turn_id), asked.turn_id, "escalated", URGENT, asked.created_at)
    connection.execute(insert_into(review_item, connection).values(values).on_conflict_do_nothing())
    return str(values["item_id"])


def _item(item_id: str, turn_id: str, source: Source, priority: int, at: datetime) -> dict[str, Any]:
    """The row of an item that nobody has taken yet, of no department."""
    return {
        "item_id": item_id,
        "turn_id": turn_id,
        "feedback_id": None,
        "source": source,
        "status": "open",
        "priority": priority,
        "department": "",
        "language": "",
        "assigned_to": "",
        "created_at": at,
        "updated_at": at,
    }


def item_id_of(feedback_id: str) -> str:
    """Made from the id of the feedback (or the turn that the policy hands on), so that two processes that take in the same flag make one item."""
    return str(uuid.uuid5(_NAMESPACE, feedback_id))


def withdraw_thumbs(connection: sa.Connection, turn_id: str, person_id: str) -> None:
    """Take back a person's thumb on a turn, with its item; an item that somebody has reviewed stays, without the thumb."""
    thumbs = sa.and_(feedback.c.turn_id == turn_id, feedback.c.person_id == person_id, feedback.c.kind != "flag")
    given = sa.select(feedback.c.feedback_id).where(thumbs)
    judged = sa.select(review.c.item_id).where(review.c.item_id == review_item.c.item_id).exists()
    kept = sa.and_(review_item.c.feedback_id.in_(given), sa.or_(judged, review_item.c.gold.is_not(None)))
    connection.execute(review_item.update().where(kept).values(feedback_id=None, updated_at=datetime.now(UTC)))
    connection.execute(feedback.delete().where(thumbs))


def adopt(store: Store) -> int:
    """Put into the queue whatever feedback has no item, such as flags given to an older version; returns how many."""
    waiting = (
        sa.select(feedback, turn.c.passages)
        .join(turn, turn.c.turn_id == feedback.c.turn_id)
        .outerjoin(review_item, review_item.c.feedback_id == feedback.c.feedback_id)
        .where(review_item.c.item_id.is_(None))
        .order_by(feedback.c.created_at)
    )
    with store.read() as connection:
        if connection.execute(waiting.limit(1)).first() is None:
            return 0
    with store.begin() as connection:
        rows = connection.execute(waiting).all()
        for row in rows:
            open_item(connection, feedback_of(row), row.passages)
    return len(rows)


def feedback_of(row: Any) -> Feedback:
    """The Feedback in a row that has the table's columns."""
    values = {name: getattr(row, name) for name in Feedback.__slots__}
    return Feedback(**(values | {"reasons": tuple(row.reasons)}))


def _place(connection: sa.Connection, passages: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    if not passages or "document_id" not in passages[0]:
        return "", ""
    key = (document.c.document_id == passages[0]["document_id"], document.c.version == passages[0].get("version"))
    row = connection.execute(sa.select(document.c.department, document.c.language).where(*key)).first()
    return ("", "") if row is None else (row.department, row.language)


def _priority(given: Feedback) -> int:
    if given.kind != "flag":
        return 1
    return URGENT if URGENT_REASONS & set(given.reasons) else 2
