"""What is kept of a person, to take along, and its erasure, which reaches as far as the adapters trained on it.

    data = PersonData(store, audit, registry)
    data.exported("ben.okafor")          everything, as plain values
    data.erase("ben.okafor", actor="ben.okafor")

An erasure takes the person's questions, the answers, their conversations, feedback, and what hangs on them (review items and
ratings of these answers). It stands in the audit log, and so do the adapters: each that was trained on the person's questions
is blocked before anything is deleted, so that a crash in between leaves one blocked and never one that serves. One that is being
trained meanwhile is not registered any more (core/lineage.py). The account, the person's choice about training, which batches
of other people's answers they are asked to rate, and decisions that they made about those answers stay.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from core.audit import Audit
from core.datasets import Affected, Datasets
from core.errors import NotFound
from core.registry import Registry
from core.store import Store
from core.tables import (
    api_key,
    conversation,
    document_task,
    feedback,
    guard_report,
    person,
    rating,
    rating_rater,
    review,
    training_consent,
    turn,
)
from core.turns import Turns

HIDDEN = frozenset({"password_hash", "key_hash"})
ERASED = "A person erased their questions, and this adapter was trained on them."


@dataclass(frozen=True, slots=True)
class Held:
    """How much is kept of a person, and what was trained on their questions."""

    questions: int
    conversations: int
    reports: int
    trained: tuple[Affected, ...]

    @property
    def adapters(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for one in self.trained for name in one.adapters))


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure did: turns deleted, adapters blocked now or before, datasets that still hold redacted rows."""

    person_id: str
    turns: int
    adapters: tuple[str, ...]
    datasets: tuple[str, ...]


class PersonData:
    """Reads, exports and erases one person's data."""

    def __init__(self, store: Store, audit: Audit, registry: Registry) -> None:
        self._store = store
        self._audit = audit
        self._registry = registry

    def held(self, person_id: str) -> Held:
        """Raises NotFound for an id that neither an account nor a question has."""

        def count(table: sa.Table) -> sa.Select[Any]:
            return sa.select(sa.func.count()).select_from(table).where(table.c.person_id == person_id)

        with self._store.read() as connection:
            known = sa.select(person.c.person_id).where(person.c.person_id == person_id)
            questions, chats, given = (
                int(connection.scalar(count(one)) or 0) for one in (turn, conversation, feedback)
            )
            if connection.execute(known).first() is None and not questions:
                raise NotFound(f"Nobody has the id {person_id[:80]!r}. List them with: python -m assistant users list")
        return Held(questions, chats, given, self._trained(person_id))

    def exported(self, person_id: str) -> dict[str, Any]:
        """Everything that the store holds of a person, table by table, as JSON values; no hash of a secret. Audited.

        Raises NotFound as `held` does.
        """
        self.held(person_id)
        mine: dict[str, tuple[sa.Table, sa.Column[Any]]] = {
            "person": (person, person.c.person_id),
            "conversations": (conversation, conversation.c.person_id),
            "turns": (turn, turn.c.person_id),
            "feedback": (feedback, feedback.c.person_id),
            "reviews": (review, review.c.reviewer),
            "ratings": (rating, rating.c.rater),
            "named_rater": (rating_rater, rating_rater.c.person_id),
            "guard_reports": (guard_report, guard_report.c.reported_by),
            "document_tasks": (document_task, document_task.c.opened_by),
            "training_consent": (training_consent, training_consent.c.person_id),
            "api_keys": (api_key, api_key.c.person_id),
        }
        found: dict[str, Any] = {"person_id": person_id, "exported_at": datetime.now().astimezone().isoformat()}
        with self._store.snapshot() as connection:
            for name, (table, column) in mine.items():
                rows = connection.execute(sa.select(table).where(column == person_id)).all()
                found[name] = [
                    {key: _plain(value) for key, value in row._mapping.items() if key not in HIDDEN} for row in rows
                ]
        found["trained_on"] = [asdict(one) for one in self._trained(person_id)]
        self._audit.append(person_id, "person.export", person_id, turns=len(found["turns"]))
        return found

    def erase(self, person_id: str, *, actor: str) -> Erased:
        """Block what was trained on a person's questions, then delete them; again, it finds nothing more to do.

        Raises NotFound as `held` does.
        """
        self.held(person_id)
        self._block(person_id, actor)
        gone = Turns(self._store).erase(person_id)
        trained = self._block(person_id, actor)  # what was registered while the questions were still there
        names = tuple(dict.fromkeys(name for one in trained for name in one.adapters))
        self._audit.append(actor, "person.erase_chats", person_id, turns=gone, adapters=list(names))
        return Erased(person_id, gone, names, tuple(one.dataset_id for one in trained))

    def _block(self, person_id: str, actor: str) -> tuple[Affected, ...]:
        """Block what was trained on the person's questions; all of it, that which was blocked before included."""
        trained = self._trained(person_id)
        for name in dict.fromkeys(name for one in trained for name in one.adapters):
            self._registry.block(name, actor=actor, reason=ERASED)
        return trained

    def _trained(self, person_id: str) -> tuple[Affected, ...]:
        """The datasets that hold the person's questions: those that they only reviewed hold other people's."""
        found = Datasets(self._store, self._audit).affected(person_id=person_id)
        return tuple(one for one in found if one.part == "asker")


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value
