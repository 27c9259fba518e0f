"""What is near what: rows that repeat or contradict each other, rows near an evaluation case, and rows that belong together.

Questions are compared by the hash of their words, by MinHash and by the embedder's cosine.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from retrieval.dedup import SIMILAR, Fingerprint, fingerprint, similarities
from retrieval.embed import Embedder, Vectors
from training.dataset_rows import DatasetRow

NEAR_EVALUATION: Final = 0.8
"""Cosine to an evaluation question from which a row is left out. Of the demo suite's forty wordings of eight questions a third
are that near to another wording, and none to another question: tests/training/test_dataset_near.py."""
SAME_WORDS: Final = 0.7
"""Estimated Jaccard similarity of three-word shingles from which a question repeats an evaluation case's wording."""
TOGETHER: Final = 0.85
"""Cosine from which two questions stand in the same split."""

_FIGURE = re.compile(r"\d+(?:[.,]\d+)*")


class Encoder:
    """Encodes each text once."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[str, NDArray[np.float32]] = {}
        self.name = embedder.name

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """Shape (texts, dimension), each row of length 1."""
        if new := [text for text in dict.fromkeys(texts) if text not in self._known]:
            self._known |= dict(zip(new, self._embedder.encode(new), strict=True))
        return np.stack([self._known[text] for text in texts]) if texts else np.zeros((0, 1), np.float32)


@dataclass(frozen=True)
class EvaluationQuestions:
    """The questions to keep away from, as they are compared."""

    hashes: frozenset[str]
    sketches: tuple[NDArray[np.uint32], ...]
    vectors: Vectors

    @classmethod
    def of(cls, questions: Sequence[str], encode: Encoder) -> EvaluationQuestions:
        prints = [fingerprint(text) for text in questions]
        sketches = tuple(one.minhash for one in prints)
        return cls(frozenset(one.text_sha256 for one in prints), sketches, encode(questions))

    def nearness(self, row: DatasetRow, encode: Encoder) -> str:
        """`same_question`, `same_words` or `similar`, or "" for a row that is far from all of them."""
        return self.why(row.question, encode)

    def why(self, question: str, encode: Encoder) -> str:
        """As `nearness`, of a question."""
        own = fingerprint(question)
        if own.text_sha256 in self.hashes:
            return "same_question"
        if self.sketches and float(similarities(own.minhash, self.sketches).max()) >= SAME_WORDS:
            return "same_words"
        near = self.vectors @ encode([question])[0] if len(self.vectors) else np.zeros(1)
        return "similar" if float(near.max()) >= NEAR_EVALUATION else ""


def merged(rows: Sequence[DatasetRow]) -> tuple[list[DatasetRow], int, int]:
    """The rows without repeats, and how many were merged as exact and as near duplicates.

    Rows repeat each other where they teach the same and their questions have the same words, or nearly. The oldest stays,
    and carries the lineage of the others.
    """
    kept: list[DatasetRow] = []
    prints: list[Fingerprint] = []
    by_aim: dict[tuple[object, ...], list[int]] = defaultdict(list)
    exact = near = 0
    for row in sorted(rows, key=lambda r: (r.asked_at, r.item_id)):
        own = fingerprint(row.question)
        peers = by_aim[_merging(row)]
        same = next((n for n in peers if prints[n].text_sha256 == own.text_sha256), None)
        alike = next((n for n in peers if similarities(own.minhash, [prints[n].minhash])[0] >= SIMILAR), None)
        found = alike if same is None else same
        if found is None:
            peers.append(len(kept))
            kept.append(row)
            prints.append(own)
            continue
        exact, near = exact + (same is not None), near + (same is None)
        kept[found] = replace(kept[found], also=(*kept[found].also, *row.lineages))
    return kept, exact, near


def _merging(row: DatasetRow) -> tuple[object, ...]:
    """What two duplicates share: the aim, and for a row without a place in a passage the passages, too."""
    read = row.target.passage is not None
    return (*row.aim, () if read else tuple(sorted(p.passage_id for p in row.passages)))


def contradictions(rows: Sequence[DatasetRow]) -> set[str]:
    """Items whose question another row answers differently from passages that both saw."""
    by_words: dict[str, list[DatasetRow]] = defaultdict(list)
    for row in rows:
        by_words[fingerprint(row.question).text_sha256].append(row)
    return {
        one.item_id
        for peers in by_words.values()
        for one in peers
        for other in peers
        if _disagree(one, other) and _saw(one, other)
    }


def _disagree(one: DatasetRow, other: DatasetRow) -> bool:
    """One answers where the other does not, or their answers have no figure in common."""
    kinds = ["stop" if row.example in ("negative", "escalation") else row.example for row in (one, other)]
    figures = [set(_FIGURE.findall(row.target.answer)) for row in (one, other)]
    return kinds[0] != kinds[1] or (all(figures) and not figures[0] & figures[1])


def _saw(one: DatasetRow, other: DatasetRow) -> bool:
    """Whether each row had the passage that the other one's answer rests on; a refusal rests on all of its own."""
    ours, theirs = ({p.passage_id for p in row.passages} for row in (one, other))
    return _rests_on(one) <= theirs and _rests_on(other) <= ours


def _rests_on(row: DatasetRow) -> set[str]:
    at = row.target.passage
    return {row.passages[at].passage_id} if at is not None else {p.passage_id for p in row.passages[:1]}


def together(rows: Sequence[DatasetRow], encode: Encoder) -> list[int]:
    """A number for each row; rows of one number ask nearly the same, or are answered by the same words of a passage."""
    vectors = encode([row.question for row in rows])
    near = np.argwhere(np.triu(vectors @ vectors.T >= TOGETHER, 1))
    parent = list(range(len(rows)))

    def top(n: int) -> int:
        while parent[n] != n:
            parent[n] = parent[parent[n]]
            n = parent[n]
        return n

    pairs = [(int(a), int(b)) for a, b in near]
    first: dict[tuple[object, ...], int] = {}
    for n, row in enumerate(rows):
        if row.target.passage is not None:
            pairs.append((first.setdefault(row.aim, n), n))
    for a, b in pairs:
        low, high = sorted((top(a), top(b)))
        parent[high] = low
    return [top(n) for n in range(len(rows))]
