"""Retriever: a question becomes the passages that may answer it for this person, and how well they support an answer.

    retriever.retrieve("How much leave do I get?", person, limit=8, mode="hybrid", filters={"department": "HR"})

The person's rules run inside the index's filter and again against the catalogue; what only the index let through is
dropped and counted.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Literal, Protocol, get_args

from core.errors import BadInput, MissingExtra
from core.records import Passage, Principal
from retrieval.access import AccessFilter, access_filter
from retrieval.bm25 import Bm25, Terms
from retrieval.chunk import searched_text
from retrieval.embed import Embedder, Vectors
from retrieval.evidence import BEST, Found, Signals, evidence, signals
from retrieval.glossary import Glossary
from retrieval.index import Hit, SearchMode
from retrieval.rerank import RERANKED, rank_score

Mode = Literal["dense", "sparse", "hybrid", "rerank"]
MODES: tuple[Mode, ...] = get_args(Mode)
MAX_LIMIT = 100
SPARE = 8
"""Hits fetched beyond twice the limit: room for what the second check and the duplicate removal take away."""
SAME_WORDS = 0.9
"""Two passages are duplicates where this share of the smaller one's words stands in the other."""


class Answerable(Protocol):
    """The second access check, as `retrieval.catalogue.Catalogue` does it."""

    def answerable(self, passage_ids: Sequence[str], person: Principal, today: date) -> dict[str, Passage]: ...


class Searchable(Protocol):
    """The part of an Index that a question needs."""

    def search(
        self, *, dense: Vectors | None, text: str, access: AccessFilter, limit: int, mode: SearchMode
    ) -> list[Hit]: ...

    def term_weights(self, text: str, *, access: AccessFilter) -> Terms: ...


class Reranker(Protocol):
    """Reads question and passage together; `score` gives one number in [0, 1] a passage, in their order.

    `fused_weight` says how much the first stage's score counts beside it, see `retrieval.rerank.rank_score`.
    """

    fused_weight: float

    def score(self, question: str, passages: Sequence[Passage]) -> list[float]: ...


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What was found: best first; `dropped` of the hits looked up failed the second check; `evidence` is in [0, 1]."""

    passages: tuple[Passage, ...]
    evidence: float
    dropped: int
    timings_ms: Mapping[str, float]


def today_utc() -> date:
    return datetime.now(UTC).date()


class Retriever:
    """Finds passages. Safe to use from several threads."""

    def __init__(
        self,
        index: Searchable,
        embedder: Embedder,
        catalogue: Answerable,
        reranker: Reranker | None = None,
        *,
        glossary: Glossary | None = None,
        today: Callable[[], date] = today_utc,
    ) -> None:
        self._index = index
        self._embedder = embedder
        self._catalogue = catalogue
        self._reranker = reranker
        self._glossary = glossary
        self._today = today
        self._bm25 = Bm25()

    def on(self, day: date) -> Retriever:
        """The same retriever, asked as on that day."""
        dated = copy.copy(self)
        dated._today = lambda: day
        return dated

    @property
    def best_mode(self) -> Mode:
        """What a question is answered with: rerank where there is a reranker."""
        return "rerank" if self._reranker else "hybrid"

    def retrieve(
        self,
        question: str,
        person: Principal,
        *,
        limit: int = 8,
        mode: Mode = "hybrid",
        filters: Mapping[str, str] | None = None,
    ) -> Retrieval:
        """The best passages for this person, today.

        Raises:
            BadInput: a limit, mode or filter that does not exist.
            MissingExtra: mode rerank where no reranker is installed.
            IndexUnavailable, StoreUnavailable: the index or the catalogue does not answer.
        """
        self._check(limit, mode)
        today = self._today()
        access = access_filter(person, today=today, filters=filters)
        clock = _Clock()
        with clock("embed"):
            vector = None if mode == "sparse" else self._embedder.encode([question])[0]
        with clock("search"):
            engine_mode: SearchMode = "hybrid" if mode == "rerank" else mode
            kept = max(RERANKED, limit) if mode == "rerank" else limit
            hits = self._index.search(
                dense=vector, text=self._searched(question), access=access, limit=2 * kept + SPARE, mode=engine_mode
            )
        with clock("check"):
            candidates, dropped = self._confirmed(hits, person, today, wanted=kept)
        if mode == "rerank":
            with clock("rerank"):
                candidates = self._reranked(question, candidates)
        passages = tuple(candidates[:limit])
        with clock("evidence"):
            support = round(evidence(self._signals(question, passages, access)), 4) if passages else 0.0
        return Retrieval(passages, support, dropped, clock.timings_ms)

    def signals(self, question: str, person: Principal, passages: Sequence[Passage]) -> Signals:
        """What the evidence score is made of, for calibration."""
        return self._signals(question, passages, access_filter(person, today=self._today()))

    def _searched(self, question: str) -> str:
        """The question with other words for what it says: word search finds only what is spelt alike."""
        return f"{question} {self._glossary.added(question)}" if self._glossary else question

    def _confirmed(
        self, hits: Sequence[Hit], person: Principal, today: date, *, wanted: int
    ) -> tuple[list[Passage], int]:
        """So many of the best hits that the catalogue lets this person read, none twice, and how many it did not.

        The spare hits are looked up only where the others are not enough, which is seldom.
        """
        confirmed: list[Passage] = []
        dropped = 0
        for portion in (hits[: wanted + SPARE // 2], hits[wanted + SPARE // 2 :]):
            answerable = self._catalogue.answerable([hit.passage_id for hit in portion], person, today)
            confirmed += [_scored(answerable[hit.passage_id], hit) for hit in portion if hit.passage_id in answerable]
            dropped += len(portion) - len(answerable)
            kept = _without_duplicates(confirmed, limit=wanted)
            if len(kept) == wanted:
                break
        return kept, dropped

    def _signals(self, question: str, passages: Sequence[Passage], access: AccessFilter) -> Signals:
        weights = self._index.term_weights(question, access=access)
        return signals(weights, [self._found(p) for p in passages[:BEST]], fused="fused" in passages[0].scores)

    def _found(self, passage: Passage) -> Found:
        terms = frozenset(self._bm25.document(searched_text(passage.title, passage.section, passage.text)))
        scores = passage.scores
        return Found(
            passage.document_id, terms, scores.get("dense"), scores.get("fused", passage.score), scores.get("rerank")
        )

    def _check(self, limit: int, mode: str) -> None:
        if not 1 <= limit <= MAX_LIMIT:
            raise BadInput(f"The limit must be between 1 and {MAX_LIMIT} passages.")
        if mode not in MODES:
            raise BadInput(f"Unknown retrieval mode: use one of {', '.join(MODES)}.")
        if mode == "rerank" and self._reranker is None:
            raise MissingExtra("Mode rerank needs a reranker, and none is installed yet: use --mode hybrid.")

    def _reranked(self, question: str, candidates: list[Passage]) -> list[Passage]:
        assert self._reranker is not None  # _check has seen to it
        weight = self._reranker.fused_weight
        rated = [
            replace(p, score=rank_score(answers, p.score, weight), scores={**p.scores, "rerank": answers})
            for p, answers in zip(candidates, self._reranker.score(question, candidates), strict=True)
        ]
        return sorted(rated, key=lambda p: -p.score)


class _Clock:
    """Milliseconds of each named step, for the Turn's timings."""

    def __init__(self) -> None:
        self.timings_ms: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.timings_ms[step] = round((time.perf_counter() - started) * 1000, 3)


def _scored(passage: Passage, hit: Hit) -> Passage:
    scores = {"dense": hit.dense, "bm25": hit.sparse, "fused": hit.score if hit.fused else None}
    return replace(passage, score=hit.score, scores={name: s for name, s in scores.items() if s is not None})


def _without_duplicates(passages: Sequence[Passage], *, limit: int) -> list[Passage]:
    """The first of each group of passages that say the same: copies in several documents, overlapping neighbours."""
    kept: list[Passage] = []
    bags: list[frozenset[str]] = []
    for passage in passages:
        words = frozenset(passage.text.lower().split())
        if any(_same(words, other) for other in bags):
            continue
        kept.append(passage)
        bags.append(words)
        if len(kept) == limit:
            break
    return kept


def _same(words: frozenset[str], other: frozenset[str]) -> bool:
    smaller = min(len(words), len(other))
    return len(words & other) >= SAME_WORDS * smaller if smaller else not words and not other
