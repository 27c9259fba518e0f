"""The frozen records of human rating: a batch of answers, one item as a rater sees it, what a rater says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

RatingKind = Literal["pair", "single"]
Preferred = Literal["a", "b", "both", "neither"]
PREFERRED: tuple[Preferred, ...] = get_args(Preferred)
PREFERENCE_SCALE: tuple[Preferred, ...] = ("a", "both", "neither", "b")
"""How the four are ordered where a distance is asked for: the two runs are farthest apart."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One line of the rubric; `levels` are its values' names from worst to best, and a score is a place in them."""

    key: str
    name: str
    asks: str
    levels: tuple[str, ...]


RUBRIC: tuple[Criterion, ...] = (
    Criterion("correct", "Correct", "Is what it says right?", ("wrong", "partly", "right")),
    Criterion("complete", "Complete", "Does it say all that was asked for?", ("no", "partly", "all")),
    Criterion("grounded", "Grounded", "Do its sources say what it says?", ("no", "partly", "every sentence")),
    Criterion("clear", "Clear", "Would a colleague understand it at once?", ("no", "with effort", "at once")),
)


@dataclass(frozen=True, slots=True)
class RatedRun:
    """What a batch's answers are of: `key` is a or b, `run_id` the evaluation's, "" for turns of the chat."""

    key: str
    name: str
    run_id: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Gold:
    """What an answer was agreed to be worth, and why; raters meet it first, and are told afterwards."""

    preferred: str = ""
    scores: Mapping[str, int] | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item to be rated. `answers` is the run's key to the answer: its text and citations, or the turn that holds them."""

    case_id: str
    question: str
    answers: Mapping[str, Mapping[str, object]]
    gold: Gold | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch, with how many of its items there are and how many this person has rated.

    Attributes:
        ratings: everybody's.
        named: who is asked to rate it, whatever their roles.
        rated_nothing: those of `named` who have rated none of it yet.
    """

    batch_id: str
    name: str
    kind: RatingKind
    rubric: tuple[Criterion, ...]
    runs: tuple[RatedRun, ...]
    created_by: str
    created_at: datetime
    items: int
    rated: int
    ratings: int
    named: tuple[str, ...]
    rated_nothing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """One answer, without whose it is. `sources` are title, section and quote of what it cites."""

    text: str
    sources: Sequence[tuple[int, str, str, str]]


@dataclass(frozen=True, slots=True)
class RatingItem:
    """An item as a rater sees it: the answers stand in the order that was drawn when the batch was made."""

    item_id: str
    batch_id: str
    kind: RatingKind
    place: int
    of: int
    question: str
    answers: tuple[ShownAnswer, ...]
    rubric: tuple[Criterion, ...]
    calibration: bool


@dataclass(frozen=True, slots=True)
class Given:
    """What a rater says: for a pair which answer is better by its place (`first`, `second`, `both`, `neither`), for a
    single answer a score for every criterion."""

    preferred: str = ""
    scores: Mapping[str, int] | None = None
    comment: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Kept:
    """A kept rating; `gold` is what was agreed, for an item that calibrates, `same` whether it was met, and `agreed` the
    agreed preference by its place (`first`, `second`, `both`, `neither`)."""

    gold: Gold | None = None
    same: bool = True
    agreed: str = ""
