"""Datasets in the store: which there are, whose words and which documents each row was made of, and what is held back.

`training/dataset.py` makes them. What reaches further than training stands here: an erasure asks `affected` which
datasets and adapters it reaches, and the review page shows, releases and rejects what a bound holds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import sqlalchemy as sa

from core.audit import Audit
from core.errors import BadInput, Conflict, NotAllowed, NotFound
from core.lineage import Loss, lost_rows, require_kept, with_heirs
from core.records import Classification
from core.reviews import settle_anew
from core.store import Store
from core.tables import (
    adapter,
    adapter_document,
    dataset,
    dataset_hold,
    dataset_row,
    document,
    person,
    review,
    review_item,
    turn,
)

HoldReason = Literal[
    "burst", "person_share", "group_share", "outlier", "ungrounded", "injection", "contradiction", "personal_data"
]
UNRELEASABLE: tuple[HoldReason, ...] = ("personal_data",)
"""What no release lets in. Of two items that contradict each other a person releases the one that is right."""
Part = Literal["asker", "reviewer", "document", "whole"]
"""Through what an erasure reaches: who asked, who reviewed, a document in rows, or one that a training read whole."""


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """A dataset as the store knows it.

    Attributes:
        sha256: of its manifest, which names every other file's.
        folder: relative to the home folder.
        ceiling: the highest classification of its rows' passages.
    """

    dataset_id: str
    sha256: str
    folder: str
    rows: int
    ceiling: Classification
    counts: Mapping[str, Any]
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True, order=True)
class LineageRow:
    """One row's tie to one turn and one document; a row has one for each document and each turn that went into it."""

    row_sha256: str
    split: str
    turn_id: str
    feedback_id: str
    item_id: str
    review_id: str
    person_id: str
    reviewer: str
    document_id: str
    version: int


@dataclass(frozen=True, slots=True)
class Hold:
    """An approved item that is kept out, and who let it in again."""

    item_id: str
    reason: HoldReason
    detail: str
    held_at: datetime
    released_at: datetime | None = None
    released_by: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Affected:
    """A dataset that an erasure reaches: through whose part, in how many rows, and the adapters trained on it.

    A document that a training read whole is in no dataset: `dataset_id` is "" then, and `rows` are none.
    """

    dataset_id: str
    part: Part
    rows: int
    adapters: tuple[str, ...]


class Datasets:
    """Reads and writes the dataset tables; every change is audited under the actor's id."""

    def __init__(self, store: Store, audit: Audit) -> None:
        self._store = store
        self._audit = audit

    def add(self, record: DatasetRecord, lineage: Iterable[LineageRow]) -> DatasetRecord:
        """Register a dataset with its lineage in one transaction; one that is there already is returned as it is.

        Raises:
            Conflict: the id is taken by another content.
        """
        rows = [{"dataset_id": record.dataset_id, **asdict(one)} for one in lineage]
        details = {"sha256": record.sha256, "rows": record.rows, "ceiling": record.ceiling}
        if (known := self.find(record.dataset_id)) is not None:
            return _same(known, record)
        try:
            with self._audit.recorded(record.created_by, "dataset.build", record.dataset_id, **details) as connection:
                connection.execute(dataset.insert().values(asdict(record)))
                if rows:
                    connection.execute(dataset_row.insert(), rows)
        except sa.exc.IntegrityError:  # another process registered it meanwhile
            return _same(self.get(record.dataset_id), record)
        return record

    def find(self, dataset_id: str) -> DatasetRecord | None:
        with self._store.read() as connection:
            row = connection.execute(sa.select(dataset).where(dataset.c.dataset_id == dataset_id)).first()
        return None if row is None else DatasetRecord(**row._mapping)

    def get(self, dataset_id: str) -> DatasetRecord:
        """Raises NotFound."""
        found = self.find(dataset_id)
        if found is None:
            raise NotFound(f"There is no dataset {dataset_id[:80]!r}. List them with: python -m training dataset show")
        return found

    def all(self) -> list[DatasetRecord]:
        """Newest first."""
        query = sa.select(dataset).order_by(dataset.c.created_at.desc(), dataset.c.dataset_id)
        with self._store.read() as connection:
            return [DatasetRecord(**row._mapping) for row in connection.execute(query)]

    def lineage(self, dataset_id: str) -> list[LineageRow]:
        """Every tie of the dataset's rows, in order."""
        columns = [dataset_row.c[name] for name in LineageRow.__slots__]
        with self._store.read() as connection:
            rows = connection.execute(sa.select(*columns).where(dataset_row.c.dataset_id == dataset_id)).all()
        return sorted(LineageRow(*row) for row in rows)

    def affected(self, *, person_id: str = "", document_id: str = "") -> list[Affected]:
        """The datasets made of a person's turns or reviews, or of any version of a document, with their adapters.

        Raises:
            BadInput: neither or both are named.
        """
        if bool(person_id) == bool(document_id):
            raise BadInput("Name either a person or a document.")
        parts: list[tuple[Part, sa.ColumnElement[bool]]] = (
            [("asker", dataset_row.c.person_id == person_id), ("reviewer", dataset_row.c.reviewer == person_id)]
            if person_id
            else [("document", dataset_row.c.document_id == document_id)]
        )
        found: list[Affected] = []
        with self._store.snapshot() as connection:
            for part, where in parts:
                count = sa.func.count(sa.distinct(dataset_row.c.row_sha256))
                query = sa.select(dataset_row.c.dataset_id, count).where(where).group_by(dataset_row.c.dataset_id)
                for dataset_id, rows in connection.execute(query.order_by(dataset_row.c.dataset_id)).all():
                    mine = sa.select(adapter.c.adapter_id).where(adapter.c.dataset_id == dataset_id)
                    found.append(Affected(dataset_id, part, rows, with_heirs(connection, mine)))
            read = sa.select(adapter_document.c.adapter_id).where(adapter_document.c.document_id == document_id)
            if document_id and (readers := with_heirs(connection, read)):
                found.append(Affected("", "whole", 0, readers))
        return found

    def require_known(self, *, person_id: str = "", document_id: str = "") -> None:
        """Return where there is, or was, such a person or document: "nothing was made of it" is no answer to a name misspelt.

        Raises:
            NotFound: neither the store's people, questions and documents nor a dataset's lineage knows the name.
        """
        people = (person.c.person_id, turn.c.person_id, dataset_row.c.person_id, dataset_row.c.reviewer)
        documents = (document.c.document_id, dataset_row.c.document_id, adapter_document.c.document_id)
        named, columns = (person_id, people) if person_id else (document_id, documents)
        with self._store.read() as connection:
            for column in columns:
                if connection.execute(sa.select(column).where(column == named).limit(1)).first():
                    return
        what = "person" if person_id else "document"
        raise NotFound(f"No {what} of the id {named[:80]!r} is known here, nor was one trained on: check its spelling.")

    def lost(self, dataset_id: str) -> Mapping[Loss, int]:
        """Rows that may not be trained on any more, by reason: their files stand still while people erase and opt out."""
        with self._store.snapshot() as connection:
            return lost_rows(connection, dataset_id)

    def require_kept(self, dataset_id: str) -> None:
        """Return where every row may still be trained on. Raises Conflict with how many may not, and why."""
        with self._store.read() as connection:
            require_kept(connection, dataset_id)

    # --- what is held --------------------------------------------------------------------------------------------

    def hold(self, found: Mapping[str, Mapping[HoldReason, str]], *, actor: str) -> int:
        """Keep items out, each with its reasons and their details; returns how many holds are new.

        A hold that a person released stays released, and one stands until a person releases it. What no release lets in is
        looked for anew by every build: such a hold goes once it is not found any more.
        """
        never = dataset_hold.c.reason.in_(UNRELEASABLE)
        with self._store.read() as connection:
            query = sa.select(dataset_hold.c.item_id, dataset_hold.c.reason, never)
            known = {(item_id, reason): gone for item_id, reason, gone in connection.execute(query)}
        new = [
            asdict(Hold(item_id, reason, detail[:300], datetime.now(UTC)))
            for item_id, reasons in found.items()
            for reason, detail in reasons.items()
            if (item_id, reason) not in known
        ]
        over = [key for key, unreleasable in known.items() if unreleasable and key[1] not in found.get(key[0], {})]
        if not new and not over:
            return 0
        items, subject = sorted({one["item_id"] for one in new}), f"{len(new)} holds"
        with self._audit.recorded(
            actor, "dataset.hold", subject, items=items, over=sorted(map(list, over))
        ) as connection:
            for item_id, reason in over:
                mine = sa.and_(dataset_hold.c.item_id == item_id, dataset_hold.c.reason == reason)
                connection.execute(dataset_hold.delete().where(mine))
            if new:
                connection.execute(dataset_hold.insert(), new)
        return len(new)

    def holds(self, *, released: bool | None = False) -> list[Hold]:
        """What is held, oldest first; with `released` None, what was released too."""
        query = sa.select(dataset_hold).order_by(dataset_hold.c.held_at, dataset_hold.c.item_id, dataset_hold.c.reason)
        if released is not None:
            given = dataset_hold.c.released_at.is_not(None)
            query = query.where(given if released else ~given)
        with self._store.read() as connection:
            return [Hold(**row._mapping) for row in connection.execute(query)]

    def release(self, item_ids: Collection[str], *, actor: str, note: str) -> list[Hold]:
        """Let held items into the next dataset.

        Args:
            actor: a person's id: with another name, as a command's, nobody could tell whether it is a second person's word.

        Raises:
            BadInput: no note.
            NotFound: nothing of an item is held.
            Conflict: no release lets one of them in; says why.
            NotAllowed: the actor asked one of the questions or reviewed one of the items.
        """
        if not note.strip():
            raise BadInput("Say in a note why these items may be trained on: it is kept with the release.")
        held = self._held(item_ids)
        for one in held:
            if one.reason in UNRELEASABLE:
                raise Conflict(
                    f"Item {one.item_id} holds personal data that masking does not take out: it is not trained on."
                )
        self._require_another(sorted(item_ids), actor)
        now = datetime.now(UTC)
        change = {"released_at": now, "released_by": actor, "note": note.strip()}
        subject = ",".join(sorted(item_ids))
        with self._audit.recorded(actor, "dataset.release", subject, items=sorted(item_ids)) as connection:
            where = dataset_hold.c.item_id.in_(item_ids) & dataset_hold.c.released_at.is_(None)
            connection.execute(dataset_hold.update().where(where).values(**change))
        return [Hold(one.item_id, one.reason, one.detail, one.held_at, now, actor, note.strip()) for one in held]

    def reject(self, item_ids: Collection[str], *, actor: str, note: str) -> list[Hold]:
        """Keep held items out for good: each is settled anew to `reject`, beside the decisions that approved it.

        Raises:
            BadInput: no note.
            NotFound: nothing of an item is held.
            NotAllowed: the actor asked one of the questions or reviewed one of the items.
            Conflict: somebody released or rejected one of them meanwhile.
        """
        if not note.strip():
            raise BadInput("Say in a note why these items are not to be trained on: it is kept with the decision.")
        held = self._held(item_ids)
        self._require_another(sorted(item_ids), actor)
        reasons = {item_id: sorted(one.reason for one in held if one.item_id == item_id) for item_id in item_ids}
        subject = ",".join(sorted(item_ids))
        with self._audit.recorded(actor, "dataset.reject", subject, items=sorted(item_ids), held=reasons) as connection:
            still = dataset_hold.c.item_id.in_(item_ids) & dataset_hold.c.released_at.is_(None)
            if connection.execute(dataset_hold.delete().where(still)).rowcount < len(held):
                raise Conflict("Somebody else has decided on one of these items meanwhile: look again at what is held.")
            for item_id in sorted(item_ids):
                settle_anew(connection, item_id, actor, note.strip())
        return held

    def involved(self, item_ids: Collection[str]) -> frozenset[str]:
        """Ids of the people who asked or reviewed one of the items: of what is held, they neither release nor reject it."""
        asked = sa.select(turn.c.person_id).join(review_item, review_item.c.turn_id == turn.c.turn_id)
        judged = sa.select(review.c.reviewer).where(review.c.item_id.in_(item_ids))
        with self._store.read() as connection:
            askers = set(connection.scalars(asked.where(review_item.c.item_id.in_(item_ids))))
            return frozenset(askers | set(connection.scalars(judged)))

    def _held(self, item_ids: Collection[str]) -> list[Hold]:
        held = [one for one in self.holds() if one.item_id in item_ids]
        if missing := sorted(set(item_ids) - {one.item_id for one in held}):
            raise NotFound(f"Nothing of item {missing[0][:40]} is held. List with: python -m training dataset held")
        return held

    def _require_another(self, item_ids: Sequence[str], actor: str) -> None:
        """Letting in what is held, or throwing it out, is a second person's word; an id is the same person's in either case of letters."""
        if actor.casefold() in {one.casefold() for one in self.involved(item_ids)}:
            raise NotAllowed("You flagged or reviewed one of these items: another person has to release or reject it.")


def _same(known: DatasetRecord, record: DatasetRecord) -> DatasetRecord:
    if known.sha256 != record.sha256:
        raise Conflict(f"The id {record.dataset_id} is taken by a dataset of another content.")
    return known
