"""One row of a dataset as it is made: what was asked, the passages that were found, and what should have been said.

`training/rows.py` reads the same lines for the recipes. A row's id is the hash of everything else in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any, Literal, get_args

from core.errors import BadInput
from core.records import CLASSIFICATIONS, Classification, Passage
from training.rows import Target

Origin = Literal["review", "replay", "synthetic"]
Example = Literal["answer", "negative", "escalation", "clarification"]
Split = Literal["train", "validation"]
EXAMPLES: tuple[Example, ...] = get_args(Example)
WEIGHTS: Mapping[Origin, float] = {"review": 1.0, "replay": 1.0, "synthetic": 0.5}


@dataclass(frozen=True, slots=True)
class RowPassage:
    passage_id: str
    document_id: str
    version: int
    title: str
    section: str
    text: str

    def passage(self, classification: Classification, language: str) -> Passage:
        """As guards are given it."""
        return Passage(
            passage_id=self.passage_id,
            document_id=self.document_id,
            version=self.version,
            ordinal=0,
            title=self.title,
            section=self.section,
            page=None,
            text=self.text,
            classification=classification,
            owner="",
            language=language,
            effective=date.min,
        )


@dataclass(frozen=True, slots=True)
class Lineage:
    """Whose question, flag and review a row was made of."""

    turn_id: str
    feedback_id: str
    item_id: str
    review_id: str
    reviewer: str
    person_id: str


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """One row.

    Attributes:
        example: `answer`; `negative` (it should not have answered), `escalation` (it was right to send the person to
            somebody), `clarification` (it should have asked back).
        classification: the highest of the passages'.
        asked_at: ISO 8601, UTC.
        rejected: the flagged answer, "" where there was none.
        also: lineage of the duplicates that were merged into this row.
        parent: item of the real row that a synthetic one was made from.
    """

    question: str
    passages: tuple[RowPassage, ...]
    target: Target
    example: Example
    language: str
    department: str
    classification: Classification
    asked_at: str
    lineage: Lineage
    origin: Origin = "review"
    rejected: str = ""
    also: tuple[Lineage, ...] = ()
    parent: str = ""

    @property
    def weight(self) -> float:
        return WEIGHTS[self.origin]

    @property
    def item_id(self) -> str:
        return self.lineage.item_id

    @property
    def lineages(self) -> tuple[Lineage, ...]:
        return (self.lineage, *self.also)

    @property
    def documents(self) -> tuple[tuple[str, int], ...]:
        """Every document version whose text stands in the row."""
        return tuple(sorted({(p.document_id, p.version) for p in self.passages}))

    @property
    def aim(self) -> tuple[object, ...]:
        """What the row teaches: two rows with one question and different aims contradict each other."""
        answer = " ".join(self.target.answer.casefold().split())
        read = self.target.passage
        where = self.passages[read].passage_id if read is not None else ""
        return (self.example, answer, where)

    @property
    def row_id(self) -> str:
        body = json.dumps(self._body(), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(body.encode()).hexdigest()

    def line(self) -> str:
        """The row as one JSON line, in one spelling."""
        said = {"row_id": self.row_id, **self._body()}
        return json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n"

    def _body(self) -> dict[str, Any]:
        return asdict(self) | {"weight": self.weight}


def read_row(line: str) -> DatasetRow:
    """The row of a line.

    Raises:
        BadInput: it is no row, or its id is not the hash of the rest.
    """
    try:
        given = json.loads(line)
        row_id, weight = given.pop("row_id"), given.pop("weight")
        row = DatasetRow(
            **given
            | {
                "passages": tuple(RowPassage(**p) for p in given["passages"]),
                "target": Target(**given["target"]),
                "lineage": Lineage(**given["lineage"]),
                "also": tuple(Lineage(**one) for one in given["also"]),
            }
        )
        sound = row.row_id == row_id and row.weight == weight and row.classification in CLASSIFICATIONS
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadInput("is no row of a dataset") from None
    if not sound:
        raise BadInput("its id is not the hash of what it holds")
    return row


def place_of(text: str, answer: str) -> tuple[int, int] | None:
    """Where the answer stands in a text; None where it does not, or more than once."""
    start = text.find(answer) if answer.strip() else -1
    if start < 0 or text.find(answer, start + 1) >= 0:
        return None
    return start, start + len(answer)


def locate(row: DatasetRow) -> DatasetRow:
    """A written answer that stands in exactly one passage, once, gets its place there."""
    target = row.target
    if target.kind not in ("text", "confirm") or target.passage is not None:
        return row
    places = [(n, place) for n, p in enumerate(row.passages) if (place := place_of(p.text, target.answer))]
    if len(places) != 1:
        return row
    ((passage, (start, end)),) = places
    return replace(row, target=replace(target, passage=passage, start=start, end=end))
