"""The index seam: what a searchable point is, what a search returns, and the two engines that hold them.

`open_index(settings, dimension)` gives the embedded engine (`retrieval/edge.py`), or the server's
(`retrieval/server.py`) where QDRANT_URL is set. Both are held to `tests/retrieval/test_index_contract.py`.
"""

from __future__ import annotations

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

SearchMode = Literal["dense", "sparse", "hybrid"]

DENSE = "dense"
SPARSE = "bm25"
"""Names of a point's two vectors, the same in every engine."""

KEYWORD_FIELDS = ("document_id", "department", "allowed_groups", "denied_groups", "language", "owner", "source")
INTEGER_FIELDS = ("version", "classification_rank", "answers_from", "answers_until")
BOOL_FIELDS = ("legal_hold",)
"""Governed fields of the payload; each gets a payload index."""


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
    """A passage found. `score` orders the list; `dense` is the cosine, `sparse` the BM25 score, None where not found so."""

    passage_id: str
    score: float
    dense: float | None
    sparse: float | None


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


def open_index(settings: Settings, dimension: int) -> Index:
    """The index that the settings name: the server of QDRANT_URL, else the embedded one in the home folder.

    Raises:
        IndexUnavailable: the server does not answer, or the embedded index is open in another process.
    """
    if settings.qdrant_url:
        from retrieval.server import open_server

        return open_server(settings, dimension)
    from retrieval.edge import EdgeIndex

    return EdgeIndex(settings.index_folder, dimension)


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
