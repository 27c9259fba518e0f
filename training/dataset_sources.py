"""From approved review items to rows: the question as it was searched, the passages as they stand today, the correction.

A row is made again from the store at every build, never copied from an earlier dataset: a person who was erased or who
opted out, a document that was erased, retired or replaced is gone from it by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

import sqlalchemy as sa

from core.audit import Audit
from core.consent import Consent
from core.notices import without_notice
from core.people import principal
from core.records import QUOTE_GAP, Correction, Document, Principal, Turn, clearance_rank
from core.review_records import Approved
from core.store import Store
from core.tables import feedback, passage, person, review, review_item, turn
from core.turns import ESCALATED
from retrieval.catalogue import ANSWERING_STATES, Catalogue, Key
from training.dataset_rows import DatasetRow, Example, Lineage, RowPassage, locate
from training.rows import Target

AT_ONCE: Final = 500


@dataclass(frozen=True)
class Shelf:
    """What the rows are made from: people, and the documents that may be trained on today.

    Attributes:
        flagged: turns that somebody flagged or gave a thumb down.
        opted_out: people whose turns are not trained on.
        withheld: approved items of theirs.
    """

    people: Mapping[str, Principal]
    documents: Mapping[Key, Document]
    passages: Mapping[str, RowPassage]
    flagged: Collection[str]
    opted_out: Collection[str]
    withheld: int

    @classmethod
    def read(cls, store: Store, audit: Audit, items: Sequence[Approved], *, today: date) -> Shelf:
        """All of it as it stands now; `today` decides which documents are in force."""
        every = Catalogue(store, audit).documents()
        newer = _newest(every, today)
        serving = {(d.document_id, d.version): d for d in every if _serves(d, newer, today)}
        wanted = {str(p["passage_id"]) for item in items for p in item.turn.passages}
        wanted |= {item.correction.passage_id for item in items if item.correction.passage_id}
        turn_ids = sorted({item.turn_id for item in items})
        with store.snapshot() as connection:
            people = {row.person_id: principal(row) for row in connection.execute(sa.select(person))}
            found = _chunked(connection, passage, passage.c.passage_id, sorted(wanted))
            bad = feedback.c.kind.in_(("flag", "down"))
            flagged = {row.turn_id for row in _chunked(connection, feedback, feedback.c.turn_id, turn_ids, bad)}
            opted_out = Consent.opted_out_in(connection)
            withheld = _withheld(connection, opted_out)
        texts = {
            row.passage_id: _passage(row, serving[row.document_id, row.version])
            for row in found
            if (row.document_id, row.version) in serving
        }
        return cls(people, serving, texts, flagged, opted_out, withheld)


def to_row(item: Approved, shelf: Shelf) -> DatasetRow | str:
    """The row of an item, or why there is none.

    Returns:
        `erased`, `opted_out`, `no_text` (a temporary chat), `nothing_to_confirm`, `handed_on` (the policy sends such a question to
        people before anything is searched, so no model is ever asked it), `document_gone` (what it rests on was
        erased, retired or replaced), `not_readable` (the person who asked may not read it), `moved` (the words are not where
        they were marked) or `no_passages` in place of a row.
    """
    asked = item.turn
    who = shelf.people.get(asked.person_id)
    if who is None:
        return "erased"
    if asked.person_id in shelf.opted_out:
        return "opted_out"
    if not asked.question.strip():
        return "no_text"
    if asked.counts.get(ESCALATED):
        return "handed_on"
    if item.correction.kind == "confirm" and asked.status not in ("answered", "no_answer"):
        return "nothing_to_confirm"
    passages = _readable(asked, item.correction, shelf, who)
    if isinstance(passages, str):
        return passages
    target = _target(item.correction, asked, passages)
    if isinstance(target, str):
        return target
    levels = [shelf.documents[p.document_id, p.version].classification for p in passages]
    row = DatasetRow(
        question=" ".join((asked.standalone_question or asked.question).split()),
        passages=passages,
        target=target,
        example=_example(target, asked.status),
        language=item.language,
        department=item.department,
        classification=max(levels, key=clearance_rank),
        asked_at=_moment(asked.created_at),
        lineage=Lineage(item.turn_id, item.feedback_id, item.item_id, item.review_id, item.reviewer, asked.person_id),
        rejected=_rejected(item, asked, shelf),
    )
    return locate(row)


def _readable(asked: Turn, correction: Correction, shelf: Shelf, who: Principal) -> tuple[RowPassage, ...] | str:
    """The passages that were found, as far as the person may read them today, with the one that the correction marks."""
    ids = [str(p["passage_id"]) for p in asked.passages]
    if correction.passage_id and correction.passage_id not in ids:
        ids.append(correction.passage_id)
    here = [shelf.passages[one] for one in ids if one in shelf.passages]
    kept = tuple(p for p in here if shelf.documents[p.document_id, p.version].readable_by(who))
    needed = correction.passage_id or _cited(asked, correction)
    if needed and needed not in {p.passage_id for p in kept}:
        return "not_readable" if needed in {p.passage_id for p in here} else "document_gone"
    if not kept:
        return ("not_readable" if here else "document_gone") if ids else "no_passages"
    return kept


def _cited(asked: Turn, correction: Correction) -> str:
    """The passage that a confirmed answer rests on: the first that it cites."""
    confirmed = correction.kind == "confirm" and asked.status == "answered" and asked.citations
    return str(asked.citations[0].passage_id) if confirmed else ""


def _target(correction: Correction, asked: Turn, passages: Sequence[RowPassage]) -> Target | str:
    ids = [p.passage_id for p in passages]
    match correction.kind:
        case "span":
            at = ids.index(correction.passage_id) if correction.passage_id in ids else -1
            said = passages[at].text[correction.start : correction.end] if at >= 0 else ""
            if not said.strip() or (
                correction.answer and " ".join(said.split()) != " ".join(correction.answer.split())
            ):
                return "moved"
            return Target("span", said, at, correction.start, correction.end)
        case "confirm" if asked.status == "no_answer":
            return Target("refuse")
        case "confirm":
            return _confirmed(asked, passages)
        case kind:
            return Target(kind, "" if kind == "refuse" else " ".join(correction.answer.split()))


def _confirmed(asked: Turn, passages: Sequence[RowPassage]) -> Target:
    """The answer as it stood, with the place of its first quotation where that stands in the passage word for word."""
    target = Target("confirm", without_notice(asked.answer).strip())
    for citation in asked.citations:
        first = citation.quote.split(QUOTE_GAP)[0]
        for at, one in enumerate(passages):
            start = one.text.find(first) if first else -1
            if one.passage_id == citation.passage_id and start >= 0:
                return replace(target, passage=at, start=start, end=start + len(first))
    return target


def _example(target: Target, status: str) -> Example:
    if target.kind == "clarify":
        return "clarification"
    if target.kind == "refuse":
        return "escalation" if status == "no_answer" else "negative"
    return "answer"


def _rejected(item: Approved, asked: Turn, shelf: Shelf) -> str:
    """The flagged answer: what a preference is learnt against."""
    flagged = item.turn_id in shelf.flagged and item.correction.kind != "confirm" and asked.status == "answered"
    return without_notice(asked.answer).strip() if flagged else ""


def _newest(documents: Iterable[Document], today: date) -> Mapping[str, int]:
    """The newest version of each document that has replaced the older ones by that day."""
    found: dict[str, int] = {}
    for one in documents:
        if one.status == "approved" and one.state in ANSWERING_STATES and one.effective <= today:
            found[one.document_id] = max(one.version, found.get(one.document_id, one.version))
    return found


def _serves(one: Document, newest: Mapping[str, int], today: date) -> bool:
    """Whether the version answers people on that day: not erased, retired, expired, or replaced by a newer one."""
    serving = one.state in ANSWERING_STATES and one.in_force(today)
    return serving and one.version >= newest.get(one.document_id, one.version)


def _withheld(connection: sa.Connection, opted_out: Collection[str]) -> int:
    approved = sa.select(review.c.item_id).where(
        review.c.item_id == review_item.c.item_id, review.c.decision == "train"
    )
    query = (
        sa.select(sa.func.count())
        .select_from(review_item.join(turn, turn.c.turn_id == review_item.c.turn_id))
        .where(review_item.c.status == "done", review_item.c.gold.is_(sa.null()), approved.exists())
        .where(turn.c.person_id.in_(sorted(opted_out)))
    )
    return int(connection.scalar(query) or 0)


def _passage(row: Any, of: Document) -> RowPassage:
    return RowPassage(row.passage_id, row.document_id, row.version, of.title, row.section, row.text)


def _chunked(
    connection: sa.Connection,
    table: sa.Table,
    column: sa.Column[Any],
    values: Sequence[str],
    *where: sa.ColumnElement[bool],
) -> list[Any]:
    return [
        row
        for start in range(0, len(values), AT_ONCE)
        for row in connection.execute(sa.select(table).where(column.in_(values[start : start + AT_ONCE]), *where))
    ]


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
