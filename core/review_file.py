"""Reviews as files: what a reviewer may see of the queue as CSV or JSON lines, and decisions that were made elsewhere.

A line of decisions names its item by `item_id`, `turn_id` or `feedback_id`, or by the `question`'s words, which mean every
waiting item that asked just that:

    {"question": "How many days of leave do I get?", "reviewer": "farid.nasser", "decision": "train",
     "correction": {"kind": "span", "answer": "25 days of annual leave"}}
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.errors import AssistantError, BadInput, NotFound
from core.people import People
from core.records import Feedback, Principal
from core.review_queue import Queue
from core.review_records import Case, Item, Judgement, QueueFilter
from core.review_rules import correction_from, decision_from
from core.reviews import Reviews
from core.store import Store
from core.tables import review_item, turn

KEYS = ("item_id", "turn_id", "feedback_id", "question")
OTHERS = ("reviewer", "decision", "correction", "note", "seconds")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
COLUMNS = (
    "item_id",
    "turn_id",
    "feedback_id",
    "source",
    "status",
    "priority",
    "department",
    "language",
    "adapter",
    "reasons",
    "created_at",
    "due",
    "closed_at",
    "question",
    "answer",
    "comment",
    "expected",
    "reviews",
)


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one line of decisions; `error` is empty where it is kept."""

    line: int
    item_id: str
    reviewer: str
    decision: str
    status: str
    error: str


def exported(queue: Queue, reviewer: Principal, wanted: QueueFilter) -> Iterator[dict[str, object]]:
    """One record an item, with as much as this reviewer may see: COLUMNS are its fields."""
    for item in queue.items(reviewer, wanted):
        try:
            yield record(queue.case(item.item_id, reviewer))
        except NotFound:
            continue  # deleted by the person who asked, a moment ago


def record(case: Case) -> dict[str, object]:
    """A case as plain values, in the order of COLUMNS."""
    item, given = case.item, case.feedback
    texts = {
        "question": case.turn.question,
        "answer": case.turn.answer,
        "comment": given.comment if given else "",
        "expected": given.expected if given else "",
        "reviews": [_plain(asdict(one)) for one in case.reviews],
    }
    return {name: texts[name] if name in texts else _value(getattr(item, name)) for name in COLUMNS}


def plain_item(item: Item) -> dict[str, object]:
    """An item of the queue as plain values; nobody's words are in it."""
    return _plain(asdict(item))


def plain_case(case: Case) -> dict[str, object]:
    """A case as plain values, with as much as its reviewer may see."""
    return {
        "item": plain_item(case.item),
        "question": case.turn.question,
        "answer": case.turn.answer,
        "status": case.turn.status,
        "evidence": case.turn.evidence,
        "adapter": case.turn.adapter,
        "feedback": _said(case.feedback) if case.feedback else None,
        "passages": [asdict(one) for one in case.passages],
        "verdicts": list(case.turn.verdicts),
        "reviews": [_plain(asdict(one)) for one in case.reviews],
        "may_decide": case.may_decide,
        "adjudicates": case.adjudicates,
        "why_not": case.why_not,
        "readers": list(case.readers),
        "may_train": case.may_train,
    }


def as_csv(records: Iterable[Mapping[str, object]]) -> Iterator[str]:
    """CSV lines, the header first. What a spreadsheet would run as a formula gets an apostrophe before it."""
    yield _line(COLUMNS)
    for one in records:
        yield _line([_cell(one[name]) for name in COLUMNS])


def read_decisions(text: str) -> Iterator[tuple[int, Mapping[str, Any] | BadInput]]:
    """Line number and decision of each line that is not empty; a line that is none is its error."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            given = json.loads(line)
        except json.JSONDecodeError:
            given = None
        if not isinstance(given, dict):
            yield number, BadInput(f"Line {number} is no JSON object.")
        elif unknown := sorted(set(given) - set(KEYS) - set(OTHERS)):
            yield (
                number,
                BadInput(f"Line {number}: there is no {unknown[0][:40]!r}; there are {', '.join(KEYS + OTHERS)}."),
            )
        else:
            yield number, given


def import_decisions(text: str, reviews: Reviews, store: Store, people: People) -> Iterator[Imported]:
    """Keep each line's decision under its reviewer's name, by the very rules of the page; a bad line stops no other."""
    for number, given in read_decisions(text):
        if isinstance(given, BadInput):
            yield Imported(number, "", "", "", "", str(given))
            continue
        reviewer, decision = str(given.get("reviewer", "")), str(given.get("decision", ""))
        try:
            who, judgement = people.get(reviewer), judgement_from(given)
            items = _meant(given, store, reviews.queue, who)
        except AssistantError as error:
            yield Imported(number, "", reviewer, decision, "", str(error))
            continue
        for item_id in items:
            try:
                done = reviews.decide(item_id, who, judgement)
                yield Imported(number, item_id, reviewer, decision, done.status, "")
            except AssistantError as error:
                yield Imported(number, item_id, reviewer, decision, "", str(error))


def judgement_from(given: Mapping[str, Any]) -> Judgement:
    """A judgement from JSON; BadInput for values of another type. `Reviews.decide` checks the rest."""
    correction, note, seconds = given.get("correction"), given.get("note", ""), given.get("seconds", 0.0)
    if not isinstance(note, str) or not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise BadInput("The note is a text, and seconds is a number.")
    if correction is not None and not isinstance(correction, dict):
        raise BadInput('A correction is an object, such as {"kind": "span", "answer": "..."}.')
    return Judgement(
        decision_from(given.get("decision")), correction_from(correction) if correction else None, note, float(seconds)
    )


def _meant(given: Mapping[str, Any], store: Store, queue: Queue, who: Principal) -> list[str]:
    """The items that a line is about."""
    named = [name for name in KEYS if isinstance(given.get(name), str) and given[name].strip()]
    if len(named) != 1:
        raise BadInput(f"Name the item by one of: {', '.join(KEYS)}.")
    (name,) = named
    query = sa.select(review_item.c.item_id, turn.c.question).join(turn, turn.c.turn_id == review_item.c.turn_id)
    query = query.where(review_item.c.gold.is_(sa.null())).order_by(review_item.c.created_at, review_item.c.item_id)
    if name != "question":
        query = query.where(review_item.c[name] == given[name])
    with store.read() as connection:
        rows = connection.execute(query).all()
    if name != "question":
        found = [row.item_id for row in rows]
    else:
        asked = " ".join(given[name].split()).casefold()
        same = [row.item_id for row in rows if " ".join(row.question.split()).casefold() == asked]
        found = [item.item_id for item in queue.named(same, who) if item.status != "done" and not item.mine]
    if not found:
        raise NotFound("No item that waits for this reviewer is meant by this line.")
    return found


def _said(given: Feedback) -> dict[str, object]:
    """Without who said it: a reviewer judges the answer, not the person."""
    return {name: value for name, value in _plain(asdict(given)).items() if name != "person_id"}


def _line(cells: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()


def _cell(value: object) -> str:
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(FORMULA) else text


def _plain(values: Mapping[str, object]) -> dict[str, object]:
    return {name: _value(value) for name, value in values.items()}


def _value(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return list(value) if isinstance(value, tuple) else value
