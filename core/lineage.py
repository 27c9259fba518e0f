"""Whether what an adapter is trained on may still be trained on.

    lost_rows(connection, "ds-...")                      rows of the erased, of who has opted out since, of documents that are gone
    require_kept(connection, "ds-...", documents=...)    refuses where there is one

A dataset's files stand still while people erase their questions. So a training asks before it begins, and the registry asks again
inside the transaction that registers what came out: an erasure comes wholly before it, and it is refused, or wholly after it, and
finds the adapter (core/person_data.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Final, Literal

import sqlalchemy as sa

from core.errors import Conflict
from core.tables import dataset_row, document_text, passage, person, training_consent, turn

Loss = Literal["erased", "opted_out", "document_gone"]
LOSSES: Final[Mapping[Loss, str]] = {
    "erased": "of questions that were erased",
    "opted_out": "of people who have opted out of training",
    "document_gone": "on documents whose words were erased",
}
"""What a row that is lost belongs to. Of several losses of one row the first counts."""
AGAIN: Final = "Build it anew: python -m training dataset build"


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
    connection: sa.Connection, dataset_id: str | None, *, documents: Collection[tuple[str, int]] = ()
) -> None:
    """Return where every row of a dataset, and every document version that was read whole, is still there to be trained on.

    Until the transaction ends nobody erases the dataset's questions.

    Raises:
        Conflict: with the dataset, how many of its rows are lost and why, or with the documents.
    """
    if dataset_id is not None:
        mine = sa.select(dataset_row.c.turn_id).where(dataset_row.c.dataset_id == dataset_id)
        held = sa.select(turn.c.turn_id).where(turn.c.turn_id.in_(mine)).with_for_update(read=True, key_share=True)
        connection.execute(held).all()  # SQLite has one writer at a time anyway
        if lost := lost_rows(connection, dataset_id):
            raise Conflict(f"{dataset_id} holds {told(lost)}. Nothing is trained on it. {AGAIN}")
    wordless = [f"{name} v{version}" for name, version in sorted(documents) if _erased(connection, name, version)]
    if wordless:
        more = f" and {len(wordless) - 5} more" if len(wordless) > 5 else ""
        raise Conflict(
            f"Documents that were read are erased by now ({', '.join(wordless[:5])}{more}): nothing of it is registered. Train it again."
        )


def told(lost: Mapping[Loss, int]) -> str:
    """`3 rows that may not be trained on any more (2 of questions that were erased, 1 of ...)`."""
    reasons = ", ".join(f"{count} {LOSSES[loss]}" for loss, count in lost.items())
    count = sum(lost.values())
    return f"{count} {'row' if count == 1 else 'rows'} that may not be trained on any more ({reasons})"


def _erased(connection: sa.Connection, document_id: str, version: int) -> bool:
    where = _wordless(sa.literal(document_id), sa.literal(version))
    return bool(connection.scalar(sa.select(sa.literal(1)).where(where)))


def _wordless(document_id: sa.ColumnElement[str], version: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """No words are kept of the version: it was erased. One that is retired or replaced keeps them."""
    tables = (passage, document_text)
    return sa.and_(*(~sa.exists().where(t.c.document_id == document_id, t.c.version == version) for t in tables))
