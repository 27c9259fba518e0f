"""Turns, conversations and feedback in the store. Every read names the person: nobody sees another's text by mistake."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from core.errors import NotFound
from core.records import Citation, Conversation, Feedback, Message, Turn
from core.review_items import feedback_of, open_escalated, open_item, withdraw_thumbs
from core.store import Store
from core.tables import conversation, feedback, rating_item, turn

RAIL = "rail:"
"""How the entries of `timings_ms` begin that are the time of one guard's checks, which are parts of the steps."""
CHECKS = "rail_checks:"
"""How the entries of `counts` begin that say how often a guard checked; those of RAIL_FAILED, how often it gave no verdict."""
RAIL_FAILED = ("rail_error:", "rail_timeout:")


ESCALATED, TO_REVIEW = "escalated", "escalated_to_review"
"""The entries of `counts` that say that the policy hands the matter on to its contact, and to the review queue too."""


class Turns:
    """Stores turns and lets a person read, search, rename, export and delete their own conversations."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._watchers: list[Callable[[Turn], None]] = []

    def watch(self, watcher: Callable[[Turn], None]) -> None:
        """Call `watcher` with every turn after it has been stored; the metrics count this way."""
        self._watchers.append(watcher)

    def save(self, record: Turn, *, continues: bool = False) -> Turn:
        """Store one turn, and make its conversation (titled by the question) when it is new.

        `continues` says that the conversation existed when the question was put: where the person has deleted it
        since, the turn is kept without text and outside any conversation, so that the deletion stands.

        Returns:
            The turn as stored.
        """
        with self._store.begin() as connection:
            if record.conversation_id is not None and not self._touch(connection, record, make=not continues):
                record = without_text(record)
            values = asdict(record) | {"citations": [_plain(c) for c in record.citations]}
            connection.execute(turn.insert().values(values))
            if record.counts.get(TO_REVIEW) and record.question:
                open_escalated(connection, record)
        for watcher in self._watchers:
            watcher(record)
        return record

    def _touch(self, connection: sa.Connection, record: Turn, *, make: bool) -> bool:
        """Mark the conversation as changed, or make it; False where it is gone and must not come back."""
        owned = conversation.c.conversation_id == record.conversation_id
        # Held until the turn is stored: a deletion that is under way is waited for, and another one waits.
        row = connection.execute(sa.select(conversation.c.person_id).where(owned).with_for_update()).first()
        if row is None and not make:
            return False
        if row is None:
            connection.execute(
                conversation.insert().values(
                    conversation_id=record.conversation_id,
                    person_id=record.person_id,
                    title=_title(record.question),
                    created_at=record.created_at,
                    updated_at=record.created_at,
                )
            )
        elif row.person_id != record.person_id:
            raise NotFound("There is no such conversation.")
        else:
            connection.execute(conversation.update().where(owned).values(updated_at=record.created_at))
        return True

    def get(self, turn_id: str, person_id: str) -> Turn:
        """Raises NotFound for an unknown turn and for another person's."""
        with self._store.read() as connection:
            row = connection.execute(
                sa.select(turn).where(turn.c.turn_id == turn_id, turn.c.person_id == person_id)
            ).first()
        if row is None:
            raise NotFound("There is no such answer.")
        return turn_of(row)

    def of_conversation(self, conversation_id: str, person_id: str) -> list[Turn]:
        """The conversation's turns in order, as the person sees it now.

        A turn that replaces another (regenerate, edit) takes its place, and what followed the replaced one is gone.
        """
        self.conversation(conversation_id, person_id)
        query = sa.select(turn).where(turn.c.conversation_id == conversation_id).order_by(turn.c.created_at)
        with self._store.read() as connection:
            turns = [turn_of(row) for row in connection.execute(query)]
        place: dict[str, int] = {}
        seen: list[Turn] = []
        for one in turns:
            place[one.turn_id] = place.get(one.replaces or "", len(seen))
            seen = [*seen[: place[one.turn_id]], one]
        return seen

    def history(
        self, conversation_id: str, person_id: str, limit: int = 6, *, before: str | None = None
    ) -> list[Message]:
        """The last exchanges as messages, oldest first, for follow-up questions.

        Refused and failed exchanges are left out: what a guard refused never reaches a model by way of the history.
        With `before`, the exchanges before that turn, for the one that replaces it.
        """
        seen = self.of_conversation(conversation_id, person_id)
        ids = [t.turn_id for t in seen]
        seen = seen[: ids.index(before)] if before in ids else seen
        messages: list[Message] = []
        for one in [t for t in seen if t.status not in ("refused", "failed")][-limit:]:
            messages += [Message("user", one.question), Message("assistant", one.answer)]
        return messages

    def conversation(self, conversation_id: str, person_id: str) -> Conversation:
        """Raises NotFound for an unknown conversation and for another person's."""
        query = sa.select(conversation).where(
            conversation.c.conversation_id == conversation_id, conversation.c.person_id == person_id
        )
        with self._store.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotFound("There is no such conversation.")
        return Conversation(*row)

    def conversations(self, person_id: str, search: str = "", limit: int = 200) -> list[Conversation]:
        """The person's conversations, newest first; `search` looks in titles, questions and answers."""
        query = sa.select(conversation).where(conversation.c.person_id == person_id)
        if search.strip():
            words = f"%{_like(search.strip())}%"
            said = sa.select(turn.c.conversation_id).where(
                turn.c.person_id == person_id,
                sa.or_(turn.c.question.ilike(words, escape="\\"), turn.c.answer.ilike(words, escape="\\")),
            )
            query = query.where(
                sa.or_(conversation.c.title.ilike(words, escape="\\"), conversation.c.conversation_id.in_(said))
            )
        with self._store.read() as connection:
            rows = connection.execute(query.order_by(conversation.c.updated_at.desc()).limit(limit))
            return [Conversation(*row) for row in rows]

    def rename(self, conversation_id: str, person_id: str, title: str) -> None:
        self.conversation(conversation_id, person_id)
        with self._store.begin() as connection:
            connection.execute(
                conversation.update()
                .where(conversation.c.conversation_id == conversation_id)
                .values(title=_title(title))
            )

    def delete(self, conversation_id: str, person_id: str) -> None:
        """Delete the conversation with its turns and their feedback."""
        self.conversation(conversation_id, person_id)
        with self._store.begin() as connection:
            _withdraw_rated(connection, turn.c.conversation_id == conversation_id)
            connection.execute(conversation.delete().where(conversation.c.conversation_id == conversation_id))

    def erase(self, person_id: str) -> int:
        """Delete every turn, conversation and feedback of a person, the temporary ones too; returns how many turns."""
        with self._store.begin() as connection:
            connection.execute(feedback.delete().where(feedback.c.person_id == person_id))
            _withdraw_rated(connection, turn.c.person_id == person_id)
            gone = connection.execute(turn.delete().where(turn.c.person_id == person_id)).rowcount
            connection.execute(conversation.delete().where(conversation.c.person_id == person_id))
        return gone

    def add_feedback(self, given: Feedback) -> Turn:
        """Keep a thumb or a flag and its item of the review queue, both or neither; a newer thumb of the same person on
        the same turn replaces the older one. Returns the turn.

        Raises NotFound for an unknown turn and for another person's.
        """
        of = self.get(given.turn_id, given.person_id)
        with self._store.begin() as connection:
            if given.kind != "flag":
                withdraw_thumbs(connection, given.turn_id, given.person_id)
            connection.execute(feedback.insert().values(asdict(given)))
            open_item(connection, given, of.passages)
        return of

    def feedback_on(self, turn_ids: Sequence[str]) -> list[Feedback]:
        query = sa.select(feedback).where(feedback.c.turn_id.in_(turn_ids)).order_by(feedback.c.created_at)
        with self._store.read() as connection:
            return [feedback_of(row) for row in connection.execute(query)]


def _withdraw_rated(connection: sa.Connection, of: sa.ColumnElement[bool]) -> None:
    """Take answers that are to be deleted out of the batches of ratings, with what raters wrote on them."""
    connection.execute(rating_item.delete().where(rating_item.c.case_id.in_(sa.select(turn.c.turn_id).where(of))))


def without_text(record: Turn) -> Turn:
    """The turn as a temporary chat leaves it: ids, scores, counts and timings, and none of anybody's words."""
    return replace(
        record,
        conversation_id=None,
        question="",
        standalone_question="",
        answer="",
        citations=tuple(replace(c, quote="") for c in record.citations),
    )


def new_id() -> str:
    return str(uuid.uuid4())


def now() -> datetime:
    return datetime.now(UTC)


def _plain(citation: Citation) -> dict[str, object]:
    return {k: v.isoformat() if isinstance(v, date) else v for k, v in asdict(citation).items()}


def _citation(data: dict[str, Any]) -> Citation:
    dates = {k: date.fromisoformat(data[k]) if data[k] else None for k in ("effective", "expires")}
    return Citation(**(data | dates))


def turn_of(row: Any) -> Turn:
    """The Turn in a row of the turn table."""
    data = dict(row._mapping)
    for name in ("passages", "verdicts"):
        data[name] = tuple(data[name])
    return Turn(**(data | {"citations": tuple(_citation(c) for c in data["citations"])}))


def _title(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 80 else words[:79].rstrip() + "…"


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
