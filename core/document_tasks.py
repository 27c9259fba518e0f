"""What documents' owners are asked to put right: by a reviewer's decision `fix_document`, or by a guard that dropped a passage.

The owner closes it with a note. Where the owner is a shared mailbox, the members of its group do who may read the document: a
note may quote it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from core.audit import Audit
from core.errors import BadInput, Conflict, NotFound
from core.people import mailboxes_in, principal
from core.records import Correction, Passage, Principal, Triage, Turn
from core.review_queue import Source, sources_of
from core.review_records import DocumentTask
from core.store import Store
from core.tables import document, document_task, passage, person
from core.turns import new_id

LONGEST_NOTE = 4000
GUARD = "guard"
"""Who opened a task that no person did."""


@dataclass(frozen=True, slots=True)
class Recipients:
    """Who sees a task of a document: its owner, the group that answers for that mailbox ("" for none), and how many people.

    Administrators, who see every task, are not counted for that.
    """

    owner: str
    group: str
    people: int


class DocumentTasks:
    """Reads and closes tasks. A person sees their own documents' and their group's; an administrator, everybody's."""

    def __init__(self, store: Store, audit: Audit) -> None:
        self._store = store
        self._audit = audit

    def listed(self, who: Principal, *, closed: bool = False) -> list[DocumentTask]:
        """The tasks that this person may close, oldest first; with `closed`, those that are closed, newest first."""
        order = document_task.c.closed_at.desc() if closed else document_task.c.created_at
        query = sa.select(document_task).where(document_task.c.status == ("closed" if closed else "open"))
        with self._store.read() as connection:
            tasks = [_task(row) for row in connection.execute(query.order_by(order, document_task.c.task_id))]
            return _answered_by(connection, who, tasks)

    def close(self, task_id: str, who: Principal, note: str) -> DocumentTask:
        """Close a task with a note on what was done.

        Raises:
            BadInput: no note, or one that is too long.
            NotFound: no such task, or not this person's.
            Conflict: it is closed already.
        """
        note = note.strip()
        if not note or len(note) > LONGEST_NOTE:
            raise BadInput(f"Say in the note what was done, in at most {LONGEST_NOTE} characters.")
        with self._audit.recorded(who.person_id, "task.close", task_id) as connection:
            one = document_task.c.task_id == task_id
            row = connection.execute(sa.select(document_task).where(one).with_for_update()).first()
            if row is None or not _answered_by(connection, who, [_task(row)]):
                raise NotFound("There is no such task, or its document has another owner.")
            if row.status == "closed":
                raise Conflict("This task is closed already.")
            values = {"status": "closed", "closed_at": datetime.now(UTC), "closed_by": who.person_id}
            connection.execute(document_task.update().where(one).values(values | {"closing_note": note}))
            return _task(connection.execute(sa.select(document_task).where(one)).one())

    def recipients(self, asked: Turn, passages: Sequence[str]) -> dict[str, Recipients]:
        """Who would see a task about the document of each passage, and, under "", of an answer in which none is marked.

        What leads to no document is left out.
        """
        found: dict[str, Recipients] = {}
        with self._store.read() as connection:
            boxes = mailboxes_in(connection)
            everybody = [
                principal(row) for row in connection.execute(sa.select(person).where(person.c.active.is_(True)))
            ]
            for passage_id in ("", *passages):
                marked = Correction("span", passage_id=passage_id) if passage_id else None
                made = Triage("", "", "", "first", "fix_document", asked.created_at, marked)
                try:
                    key, owner = target(connection, made, asked)
                except BadInput:
                    continue
                group = boxes.get(owner.lower(), "")
                source = sources_of(connection, {key})[key]
                seeing = [p for p in everybody if _answers(p, owner, group, source)]
                found[passage_id] = Recipients(owner, group, len(seeing))
        return found

    def planted(self, found: Passage, rule: str) -> bool:
        """Ask a document's owner about a passage that reads like an order to the assistant; once for each passage.

        Returns:
            Whether a task was opened; False where one was opened before, closed or not.
        """
        where = f"Part {found.ordinal + 1}" + (f" ({found.section})" if found.section else "")
        note = (
            f"{where} of “{found.title}” reads like an order to the assistant (rule: {rule}) and is left out of every answer. "
            "Take the order out; if it is none, say so to the administrators."
        )
        same = sa.and_(
            document_task.c.document_id == found.document_id,
            document_task.c.version == found.version,
            document_task.c.opened_by == GUARD,
            document_task.c.note == note,
        )
        with self._store.read() as connection:
            if connection.execute(sa.select(document_task.c.task_id).where(same)).first():
                return False
        task_id = new_id()
        with self._audit.recorded(GUARD, "task.open", task_id, document=found.document_id, rule=rule) as connection:
            _insert(
                connection,
                task_id=task_id,
                document_id=found.document_id,
                version=found.version,
                item_id=None,
                owner=found.owner,
                opened_by=GUARD,
                note=note,
                created_at=datetime.now(UTC),
            )
        return True


def open_task(connection: sa.Connection, made: Triage, asked: Turn) -> str:
    """A task for the owner of the document that the reviewer marked, or else of the one that the answer cites first.

    Raises BadInput where the answer was made from no document.
    """
    key, owner = target(connection, made, asked)
    task_id = new_id()
    _insert(
        connection,
        task_id=task_id,
        document_id=key[0],
        version=key[1],
        item_id=made.item_id,
        owner=owner,
        opened_by=made.reviewer,
        note=made.note,
        created_at=made.created_at,
    )
    return task_id


def _insert(connection: sa.Connection, **values: object) -> None:
    """An open task, which nobody has closed."""
    connection.execute(document_task.insert().values(values | {"status": "open", "closed_by": "", "closing_note": ""}))


def target(connection: sa.Connection, made: Triage, asked: Turn) -> tuple[tuple[str, int], str]:
    """The document version that a task would be about, and its owner; raises as `open_task`."""
    key = _document(connection, made, asked)
    named = sa.and_(document.c.document_id == key[0], document.c.version == key[1]) if key else sa.false()
    owner = connection.scalar(sa.select(document.c.owner).where(named))
    if key is None or owner is None:
        raise BadInput("No document was found for this question: choose fix_retrieval, or reject it with a note.")
    return key, str(owner)


def _document(connection: sa.Connection, made: Triage, asked: Turn) -> tuple[str, int] | None:
    if made.correction is not None and made.correction.passage_id:
        columns = sa.select(passage.c.document_id, passage.c.version)
        row = connection.execute(columns.where(passage.c.passage_id == made.correction.passage_id)).first()
        if row is not None:
            return row.document_id, row.version
    if asked.citations:
        return asked.citations[0].document_id, asked.citations[0].version
    first = next((p for p in asked.passages if "document_id" in p), None)
    return None if first is None else (str(first["document_id"]), int(str(first["version"])))


def _answered_by(connection: sa.Connection, who: Principal, tasks: Sequence[DocumentTask]) -> list[DocumentTask]:
    """Those of the tasks that this person sees and closes."""
    if who.has_role("admin"):
        return list(tasks)
    boxes = mailboxes_in(connection)
    sources = sources_of(connection, {(one.document_id, one.version) for one in tasks})
    return [
        one
        for one in tasks
        if _answers(who, one.owner, boxes.get(one.owner.lower(), ""), sources[one.document_id, one.version])
    ]


def _answers(who: Principal, owner: str, group: str, source: Source) -> bool:
    """Whether a person is a document's owner, or of the group of its mailbox and allowed to read the document."""
    return who.email.lower() == owner.lower() or (group in who.groups and source.readable_by(who))


def _task(row: Any) -> DocumentTask:
    return DocumentTask(**row._mapping)
