"""Whether what an adapter is trained on may still be trained on, and which adapters were trained on something.

    lost_rows(connection, "ds-...")                      rows of the erased, of who has opted out since, of documents that are gone
    require_kept(connection, "ds-...", documents=...)    refuses where there is one
    block_learnt_from(connection, "vpn", 1, actor="ada.admin")      for the transaction that erases a document's words

A dataset's files stand still while people erase their questions. So a training asks before it begins, and the registry asks again
inside the transaction that registers what came out: an erasure comes wholly before it, and it is refused, or wholly after it, and
finds the adapter (core/person_data.py, retrieval/catalogue.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, Final, Literal, NamedTuple

import sqlalchemy as sa

from core.adapter_events import set_blocked
from core.errors import Conflict
from core.tables import (
    adapter,
    adapter_document,
    dataset_row,
    document,
    document_text,
    passage,
    person,
    training_consent,
    turn,
)

Loss = Literal["erased", "opted_out", "document_gone"]
LOSSES: Final[Mapping[Loss, str]] = {
    "erased": "of questions that were erased",
    "opted_out": "of people who have opted out of training",
    "document_gone": "on documents whose words were erased",
}
"""What a row that is lost belongs to. Of several losses of one row the first counts."""
AGAIN: Final = "Build it anew: python -m training dataset build"


class DocumentRead(NamedTuple):
    """A document version that a training read whole, in no dataset; `sha256` is of its file, as the catalogue says it."""

    document_id: str
    version: int
    sha256: str


def lost_rows(connection: sa.Connection, dataset_id: str) -> dict[Loss, int]:
    """How many rows of the dataset may not be trained on any more, by reason; empty where all of them may."""
    gone = {
        "erased": sa.or_(
            ~sa.exists().where(turn.c.turn_id == dataset_row.c.turn_id),
            ~sa.exists().where(person.c.person_id == dataset_row.c.person_id),
        ),
        "opted_out": sa.exists().where(
            training_consent.c.person_id == dataset_row.c.person_id, training_consent.c.allowed.is_(False)
        ),
        "document_gone": _wordless(dataset_row.c.document_id, dataset_row.c.version),
    }
    first = sa.func.min(sa.case(*((gone[loss], place) for place, loss in enumerate(LOSSES))))
    of_it = sa.and_(dataset_row.c.dataset_id == dataset_id, sa.or_(*gone.values()))
    found = Counter(connection.scalars(sa.select(first).where(of_it).group_by(dataset_row.c.row_sha256)))
    return {loss: found[place] for place, loss in enumerate(LOSSES) if found[place]}


def require_kept(
    connection: sa.Connection, dataset_id: str | None, *, documents: Collection[DocumentRead] = ()
) -> None:
    """Return where every row of a dataset, and every document version that was read whole, is still there to be trained on.

    Until the transaction ends nobody erases the dataset's questions, or the words of these documents.

    Raises:
        Conflict: with the dataset, how many of its rows are lost and why, or with the documents.
    """
    if dataset_id is not None:
        of_it = dataset_row.c.dataset_id == dataset_id
        mine = sa.select(dataset_row.c.turn_id).where(of_it)
        held = sa.select(turn.c.turn_id).where(turn.c.turn_id.in_(mine)).with_for_update(read=True, key_share=True)
        connection.execute(held).all()  # SQLite has one writer at a time anyway
        _hold(connection, sa.select(dataset_row.c.document_id, dataset_row.c.version).where(of_it))
        if lost := lost_rows(connection, dataset_id):
            raise Conflict(f"{dataset_id} holds {told(lost)}. Nothing is trained on it. {AGAIN}")
    gone = [f"{one.document_id} v{one.version}" for one in sorted(documents) if not _still_there(connection, one)]
    if gone:
        more = f" and {len(gone) - 5} more" if len(gone) > 5 else ""
        raise Conflict(
            f"Documents that were read are erased by now ({', '.join(gone[:5])}{more}): nothing of it is registered. Train it again."
        )


def with_heirs(connection: sa.Connection, learnt: sa.Select[Any] | sa.CompoundSelect[Any]) -> tuple[str, ...]:
    """These adapters, and those that were trained on from one of them, in the order of their registration."""
    found = set(connection.scalars(learnt))
    columns = sa.select(adapter.c.adapter_id, adapter.c.parent)
    rows = connection.execute(columns.order_by(adapter.c.created_at, adapter.c.adapter_id)).all()
    while more := {row.adapter_id for row in rows if row.parent in found} - found:
        found |= more
    return tuple(row.adapter_id for row in rows if row.adapter_id in found)


def block_learnt_from(connection: sa.Connection, document_id: str, version: int, *, actor: str) -> tuple[str, ...]:
    """Block what was trained on a document version, in rows or whole, and what was trained on from it.

    For the transaction that has just erased the version's words: a registration that saw them has ended by then.

    Returns:
        The names of all that learnt from it, those that were blocked before included.
    """
    of = (dataset_row, adapter_document)
    here = {table: sa.and_(table.c.document_id == document_id, table.c.version == version) for table in of}
    rows = sa.select(adapter.c.adapter_id).join(dataset_row, dataset_row.c.dataset_id == adapter.c.dataset_id)
    whole = sa.select(adapter_document.c.adapter_id).where(here[adapter_document])
    names = with_heirs(connection, rows.where(here[dataset_row]).union(whole))
    serves = sa.select(adapter.c.adapter_id).where(adapter.c.adapter_id.in_(names), adapter.c.blocked == "")
    for name in connection.scalars(serves.order_by(adapter.c.adapter_id)).all():
        reason = f"The document {document_id} v{version} was erased, and this adapter was trained on it."
        set_blocked(connection, name, reason, actor=actor)
    return names


def told(lost: Mapping[Loss, int]) -> str:
    """`3 rows that may not be trained on any more (2 of questions that were erased, 1 of ...)`."""
    reasons = ", ".join(f"{count} {LOSSES[loss]}" for loss, count in lost.items())
    count = sum(lost.values())
    return f"{count} {'row' if count == 1 else 'rows'} that may not be trained on any more ({reasons})"


def _still_there(connection: sa.Connection, read: DocumentRead) -> bool:
    """Its words are kept, and are those of the file that was read: not of another one that took its place."""
    _hold(connection, sa.select(sa.literal(read.document_id), sa.literal(read.version)))
    mine = sa.and_(document.c.document_id == read.document_id, document.c.version == read.version)
    kept = sa.select(document.c.sha256).where(mine, ~_wordless(document.c.document_id, document.c.version))
    return bool(connection.scalar(kept) == read.sha256)


def _hold(connection: sa.Connection, versions: sa.Select[Any, Any]) -> None:
    """Nobody erases the words of these document versions until the transaction ends."""
    for words in (passage, document_text):
        held = sa.select(words.c.document_id).where(sa.tuple_(words.c.document_id, words.c.version).in_(versions))
        connection.execute(held.with_for_update(read=True, key_share=True)).all()


def _wordless(document_id: sa.ColumnElement[str], version: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """No words are kept of the version: it was erased. One that is retired or replaced keeps them."""
    tables = (passage, document_text)
    return sa.and_(*(~sa.exists().where(t.c.document_id == document_id, t.c.version == version) for t in tables))
