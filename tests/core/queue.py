"""Documents, turns and flags as the chat leaves them in the store, for the tests of review."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from core.records import Citation, Classification, Feedback, FeedbackKind, Turn
from core.store import Store
from core.tables import document, passage, review_item
from core.turns import Turns, new_id, now

LEAVE = "Every full-time employee receives 25 days of annual leave.\nUp to 5 days may be carried over until 31 March."
PAY = "The director's salary is 200 000 pounds a year."


def shelve(
    store: Store,
    document_id: str,
    text: str,
    classification: Classification = "internal",
    groups: tuple[str, ...] = ("everyone",),
    owner: str = "people@kestrelbay.example",
) -> None:
    """One approved document version with one passage, as ingestion leaves it."""
    values: dict[str, Any] = {
        "document_id": document_id,
        "version": 1,
        "title": document_id.title(),
        "owner": owner,
        "department": "HR",
        "classification": classification,
        "allowed_groups": list(groups),
        "denied_groups": [],
        "effective": date(2026, 1, 1),
        "legal_hold": False,
        "language": "en",
        "source": "",
        "status": "approved",
        "sha256": "0" * 64,
        "path": f"{document_id}.md",
        "state": "indexed",
        "reason": "",
        "duplicate_of": "",
        "near_duplicates": [],
        "personal_data": {},
        "chunks": 1,
        "created_at": now(),
        "updated_at": now(),
    }
    row = {"passage_id": f"{document_id}-1", "document_id": document_id, "version": 1, "ordinal": 0, "section": "Days"}
    with store.begin() as connection:
        connection.execute(document.insert().values(values))
        connection.execute(passage.insert().values(row | {"page": None, "text": text}))


def answered(turns: Turns, person: str = "emma.employee", document_id: str = "leave", **changes: Any) -> Turn:
    """A stored answer that cites one document."""
    citation = Citation(
        n=1,
        passage_id=f"{document_id}-1",
        document_id=document_id,
        version=1,
        title=document_id.title(),
        section="Days",
        page=None,
        quote="",
        score=0.9,
        owner="people@kestrelbay.example",
        classification="internal",
        effective=date(2026, 1, 1),
    )
    found = {"passage_id": f"{document_id}-1", "document_id": document_id, "version": 1, "score": 0.9}
    made = Turn(
        turn_id=new_id(),
        person_id=person,
        conversation_id=new_id(),
        created_at=datetime.now(UTC),
        question="How many days of leave do I get?",
        standalone_question="How many days of leave do I get?",
        answer="Up to 5 days may be carried over [1].",
        status="answered",
        reason="",
        evidence=0.8,
        adapter="base",
        model="quote",
        template_sha256="0" * 64,
        passages=(found,),
        verdicts=(),
        citations=(citation,),
        timings_ms={},
    )
    return turns.save(replace(made, **changes))


def flag(turns: Turns, on: Turn, kind: FeedbackKind = "flag", *reasons: str, at: datetime | None = None) -> Feedback:
    """The asker's own word on their answer."""
    given = Feedback(
        feedback_id=new_id(),
        turn_id=on.turn_id,
        person_id=on.person_id,
        kind=kind,
        created_at=at or now(),
        reasons=reasons or (("wrong",) if kind == "flag" else ()),
        comment="It asks for the days, not the carry-over.",
        expected="25 days",
    )
    turns.add_feedback(given)
    return given


def crowd(store: Store, items: int) -> None:
    """So many items of the queue in all: copies of the one that is there."""
    with store.begin() as connection:
        known = dict(connection.execute(sa.select(review_item)).one()._mapping)
        del known["gold"]  # or its copy would be JSON's null
        copies = [known | {"item_id": new_id(), "feedback_id": None} for _ in range(items - 1)]
        connection.execute(review_item.insert(), copies)
