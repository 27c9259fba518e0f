"""The index seam: what a searchable point is, what a search returns, and the two engines that hold them.

`open_index(settings, dimension)` gives the embedded engine (`retrieval/edge.py`), or the server's
(`retrieval/server.py`) where QDRANT_URL is set. Both are held to `tests/retrieval/test_index_contract.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput
from core.settings import Settings
from retrieval.access import AccessFilter
from retrieval.bm25 import Bm25, Terms

SearchMode = Literal["dense", "sparse", "hybrid"]
Scored = list[tuple[str, float]]
"""Passage id and score, best first."""

DENSE = "dense"
SPARSE = "bm25"
"""Names of a point's two vectors, the same in every engine."""

KEYWORD_FIELDS = ("document_id", "department", "allowed_groups", "denied_groups", "language", "owner", "source")
INTEGER_FIELDS = ("version", "classification_rank", "answers_from", "answers_until")
BOOL_FIELDS = ("legal_hold",)
"""Governed fields of the payload; each gets a payload index. Status, review date and sha256: docs/design/payload.md."""


POOL = 100
"""Candidates that each side brings to the fusion, at least."""
DENSE_WEIGHT = 0.7
"""The dense side's part of a fused score; chosen on training queries, see docs/design/fusion.md."""


@dataclass(frozen=True, slots=True)
class Payload:
    """The governed fields of a document version, as every one of its points carries them.

    `answers_from` and `answers_until` are the first and the last day on which the version answers, as
    `date.toordinal()`; `retrieval.access.OPEN_END` stands for no last day.
    """

    document_id: str
    version: int
    department: str
    classification_rank: int
    allowed_groups: tuple[str, ...]
    denied_groups: tuple[str, ...]
    answers_from: int
    answers_until: int
    language: str
    owner: str
    legal_hold: bool = False
    source: str = ""

    def as_dict(self) -> dict[str, object]:
        fields = asdict(self)
        return fields | {
            "allowed_groups": list(self.allowed_groups),
            "denied_groups": list(self.denied_groups),
        }


@dataclass(frozen=True, slots=True)
class Point:
    """One passage to index: `passage_id` is 32 hex digits, `dense` is L2-normalised, shape (dimension,)."""

    passage_id: str
    dense: NDArray[np.float32]
    text: str
    payload: Payload


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found. `score` orders the list; `dense` is the cosine, `sparse` the BM25 score, None where not found so.

    A fused score is in [0, 1], 1 where both sides put the passage first; in one mode alone it is that side's own.
    """

    passage_id: str
    score: float
    dense: float | None
    sparse: float | None
    fused: bool = False


@dataclass(frozen=True, slots=True)
class StoredPoint:
    """A point as an engine holds it, so that one engine's points can be written into another."""

    passage_id: str
    dense: list[float]
    terms: Terms
    payload: dict[str, object]


class Index(Protocol):
    """A searchable set of points. Safe to use from several threads.

    Every method raises IndexUnavailable where the engine does not answer.
    """

    def upsert(self, points: Sequence[Point]) -> None:
        """Add or replace points; they survive a kill of this process once it returns."""

    def delete_document(self, document_id: str, version: int) -> None:
        """Remove the points of one version; none of them is found once it returns."""

    def set_payload(self, document_id: str, version: int, payload: Payload) -> None:
        """Replace the governed fields of every point of one version."""

    def search(
        self, *, dense: NDArray[np.float32] | None, text: str, access: AccessFilter, limit: int, mode: SearchMode
    ) -> list[Hit]:
        """The best points that the filter admits, best first. `dense` may be None in mode sparse."""

    def term_weights(self, text: str, *, access: AccessFilter) -> Terms:
        """Inverse document frequency of each content word of the text, among the points that the filter admits."""

    def passage_ids(self, document_id: str, version: int) -> set[str]:
        """The ids of one version's points, whoever may read them."""

    def count(self) -> int:
        """Points held."""

    def optimize(self) -> None:
        """Build the engine's search structures for what was added; a long call after a large ingest."""

    def snapshot(self, folder: Path) -> None:
        """Write a copy of this moment into an empty or new folder, to be opened later or elsewhere."""

    def close(self) -> None:
        """Flush and release the engine; a second call does nothing."""


def open_index(settings: Settings, dimension: int, *, model: str = "", wait_s: float = 0.0) -> Index:
    """The index that the settings name: the server of QDRANT_URL, else the embedded one in the home folder.

    `model` names what made the vectors; an index remembers it and refuses vectors of another. `wait_s`: how long
    to wait for another process that has the embedded one open.

    Raises:
        IndexUnavailable: the server does not answer, the embedded index is open in another process, or the
            index was built with another embedder.
    """
    if settings.qdrant_url:
        from retrieval.server import open_server

        return open_server(settings, dimension, model=model)
    from retrieval.edge import EdgeIndex

    return EdgeIndex(settings.index_folder, dimension, model=model, wait_s=wait_s)


def stored(points: Sequence[Point], encoder: Bm25) -> list[StoredPoint]:
    """The points with their BM25 terms, ready for an engine."""
    return [StoredPoint(p.passage_id, p.dense.tolist(), encoder.document(p.text), p.payload.as_dict()) for p in points]


class Nearest(Protocol):
    """An engine's own part of a search: the best `limit` points by vector (where given) and by terms (where any)."""

    def __call__(
        self, dense: list[float] | None, terms: Terms, access: AccessFilter, limit: int
    ) -> tuple[Scored, Scored]: ...


@dataclass(frozen=True, slots=True)
class Query:
    """What a search looks for, in both spellings."""

    dense: NDArray[np.float32] | None
    terms: Terms
    mode: SearchMode


def run_search(nearest: Nearest, query: Query, *, access: AccessFilter, limit: int) -> list[Hit]:
    """One search of either engine: candidates from its two sides, then our fusion.

    Raises:
        BadInput: the mode needs the question's vector and there is none.
    """
    if query.mode != "sparse" and query.dense is None:
        raise BadInput(f"A {query.mode} search needs the question's vector.")
    vector = None if query.mode == "sparse" or query.dense is None else query.dense.tolist()
    terms = {} if query.mode == "dense" else query.terms
    dense, sparse = nearest(vector, terms, access, max(POOL, limit) if query.mode == "hybrid" else limit)
    if query.mode == "hybrid":
        return fuse(dense, sparse, limit=limit)
    if query.mode == "dense":
        return [Hit(found, score, score, None) for found, score in sorted(dense, key=_order)]
    return [Hit(found, score, None, score) for found, score in sorted(sparse, key=_order)]


def inverse_document_frequency(holding: int, points: int) -> float:
    """The engines' own formula: of a term that `holding` of `points` points hold."""
    return math.log((points - holding + 0.5) / (holding + 0.5) + 1.0)


def fuse(dense: Scored, sparse: Scored, *, limit: int) -> list[Hit]:
    """Weighted sum of each side's score as a share of its best one; at most 1, where both put the passage first.

    A passage that only the words found counts on the dense side like the last one there, since its cosine is no higher.
    """
    cosines, bm25 = dict(dense), dict(sparse)
    meaning, words = _shares(dense), _shares(sparse)
    floor = min(meaning.values(), default=0.0)
    scores = {
        found: DENSE_WEIGHT * meaning.get(found, floor) + (1.0 - DENSE_WEIGHT) * words.get(found, 0.0)
        for found in meaning.keys() | words.keys()
    }
    best = sorted(scores.items(), key=_order)[:limit]
    return [Hit(found, score, cosines.get(found), bm25.get(found), fused=True) for found, score in best]


def _shares(side: Scored) -> dict[str, float]:
    best = max((score for _, score in side), default=0.0)
    return {found: max(score, 0.0) / best if best > 0 else 0.0 for found, score in side}


def _order(found: tuple[str, float]) -> tuple[float, str]:
    """Best first; equal scores by id, so that neither engine nor restart changes an answer."""
    return -round(found[1], 5), found[0]


def point_uuid(passage_id: str) -> str:
    """The engine's point id: the passage id as a UUID.

    Raises:
        BadInput: the id is not 32 hex digits.
    """
    try:
        return str(UUID(hex=passage_id))
    except ValueError:
        raise BadInput("A passage id must be 32 hex digits.") from None


def passage_id(point_id: object) -> str:
    """The passage id of an engine's point id."""
    return UUID(str(point_id)).hex
