"""The assistant's use over time, read from the store without keeping anybody's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from core.store import Store
from core.tables import feedback, turn
from retrieval.embed import Embedder

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]

QUESTIONS_A_DAY = 200
"""Questions that are embedded of each day, drawn at random."""

AT_ONCE = 1000
"""Turns that are read from the database at once."""


@dataclass(frozen=True, slots=True)
class Use:
    """Both windows' turns, without anybody's words; arrays of shape (turns,) unless said otherwise.

    Attributes:
        day: number of the day since the reference began.
        current: which days are the current window, shape (days,).
        evidence, top_score, answer_chars, latency_ms: NaN where the turn has none.
        document: the document that the answer cites first, or "".
        embedded: the turns whose questions were embedded, shape (questions,).
        vectors: their unit vectors, shape (questions, dimension).
    """

    day: Integers
    current: Flags
    evidence: Floats
    top_score: Floats
    answer_chars: Floats
    latency_ms: Floats
    refused: Flags
    unanswered: Flags
    failed: Flags
    flagged: Flags
    document: Sequence[str]
    embedded: Integers
    vectors: NDArray[np.float32]

    @property
    def turns(self) -> tuple[int, int]:
        """How many the reference has, and the current window."""
        current = int(self.current[self.day].sum())
        return len(self.day) - current, current


def read_use(store: Store, begin: datetime, until: datetime, days: int, embedder: Embedder) -> Use:
    """The turns of [begin, until), whose last `days` days are the current window."""
    flag = sa.exists().where(feedback.c.turn_id == turn.c.turn_id, feedback.c.kind == "flag")
    query = (
        sa.select(
            turn.c.created_at,
            turn.c.standalone_question,
            sa.func.length(turn.c.answer).label("answer_chars"),
            *(turn.c[name] for name in ("status", "evidence", "passages", "citations", "timings_ms")),
            flag.label("flagged"),
        )
        .where(turn.c.created_at >= begin, turn.c.created_at < until)
        .order_by(turn.c.created_at, turn.c.turn_id)
    )
    with store.read() as connection:
        # A month's passages of everybody are too much to hold: each turn's are read and let go.
        found = connection.execution_options(yield_per=AT_ONCE).execute(query)
        turns = [_figures(row, (row.created_at - begin).days) for row in found]
    total = (until - begin).days
    day = np.array([one.day for one in turns], np.int64)
    status = np.array([one.status for one in turns], object)
    embedded = _drawn(day, np.array([bool(one.question.strip()) for one in turns], bool))
    return Use(
        day=day,
        current=np.arange(total) >= total - days,
        evidence=_floats([one.evidence if one.status != "refused" else None for one in turns]),
        top_score=_floats([one.top_score for one in turns]),
        answer_chars=_floats([one.answer_chars if one.status == "answered" else None for one in turns], above=0),
        latency_ms=_floats([one.latency_ms if one.status != "stopped" else None for one in turns]),
        refused=np.asarray(status == "refused"),
        unanswered=np.asarray(status == "no_answer"),
        failed=np.asarray(status == "failed"),
        flagged=np.array([one.flagged for one in turns], bool),
        document=[one.document for one in turns],
        embedded=embedded,
        vectors=_vectors(embedder, [turns[place].question for place in embedded]),
    )


class _Turn(NamedTuple):
    """What is needed of one turn."""

    day: int
    question: str
    status: str
    evidence: float
    top_score: float | None
    answer_chars: int
    latency_ms: float | None
    flagged: bool
    document: str


def _figures(row: Any, day: int) -> _Turn:
    return _Turn(
        day=day,
        question=row.standalone_question,
        status=row.status,
        evidence=row.evidence,
        top_score=max((float(one["score"]) for one in row.passages if "score" in one), default=None),
        answer_chars=row.answer_chars,
        latency_ms=row.timings_ms.get("total"),
        flagged=bool(row.flagged),
        document=row.citations[0]["document_id"] if row.citations else "",
    )


def _vectors(embedder: Embedder, questions: Sequence[str]) -> NDArray[np.float32]:
    """One row a question; what is asked twice is embedded once."""
    if not questions:
        return np.zeros((0, embedder.dimension), np.float32)
    texts, place = np.unique(np.array(questions, object), return_inverse=True)
    found: NDArray[np.float32] = embedder.encode(list(texts))[place]
    return found


def _drawn(day: Integers, has_text: Flags) -> Integers:
    """The turns whose questions are embedded: all of a quiet day, a random draw of a busy one."""
    random = np.random.default_rng(0)
    chosen = [random.permutation(np.flatnonzero((day == one) & has_text))[:QUESTIONS_A_DAY] for one in np.unique(day)]
    return np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, np.int64)


def _floats(values: Sequence[float | None], above: float | None = None) -> Floats:
    found = np.array([np.nan if value is None else value for value in values], np.float64)
    return found if above is None else np.where(found > above, found, np.nan)
