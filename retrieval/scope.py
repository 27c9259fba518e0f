"""The scope of a retrained reader: the questions that it was taught, each with the passage that answers it.

An adapter that learnt from corrections is right about questions like those and was measured on few others, so it reads where a
question is near to one that it was taught, and the shipped reader goes on elsewhere (docs/design/scope.md). The questions
stand in the adapter as vectors, the passages as the hash of their text: a passage that was changed since, or that the
person who asks may not read, is no reason to answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from core.errors import AdapterRefused

SCOPE = "scope.safetensors"
DIMENSION = 384
"""Of the packaged embedder's vectors."""
STEEPNESS, EVEN = 12.7, 0.508
"""Of the chance, by cosine, that a passage which answers one question answers another: fitted on pairs of the demo organisation's
wordings and everyday questions (n = 458; 0.4-0.5: 29 % of 84, 0.6-0.7: 90 % of 39). `scripts/fit_scope.py`"""


@dataclass(frozen=True, slots=True)
class Scope:
    """Taught questions.

    Attributes:
        questions: unit vectors by the packaged embedder, shape (n, dimension).
        passages: the key of the passage that answers each; shape (n,).
    """

    questions: NDArray[np.float32]
    passages: NDArray[np.int64]

    @classmethod
    def of(cls, taught: Iterable[tuple[NDArray[np.float32], str]]) -> Self:
        """From question vectors, each with the text of its passage."""
        pairs = list(taught)
        return cls(
            np.array([vector for vector, _ in pairs], np.float32).reshape(len(pairs), -1 if pairs else DIMENSION),
            np.array([passage_key(text) for _, text in pairs], np.int64),
        )

    def and_earlier(self, earlier: Scope | None) -> Scope:
        """With what the adapter knew that this one went on from."""
        if earlier is None or not len(earlier.questions):
            return self
        if not len(self.questions):
            return earlier
        return Scope(
            np.concatenate([self.questions, earlier.questions]), np.concatenate([self.passages, earlier.passages])
        )

    def chances(self, question: NDArray[np.float32], texts: Sequence[str]) -> NDArray[np.float64]:
        """The chance of each passage to answer a question, by the nearest taught question that it answers; 0 where there is none."""
        if not len(self.questions):
            return np.zeros(len(texts))
        near = self.questions @ question
        keys = [passage_key(text) for text in texts]
        return np.array([chance(float(near[self.passages == key].max(initial=-1.0))) for key in keys])


def chance(cosine: float) -> float:
    """0 for a question that is taught nothing like it; see EVEN."""
    return float(1 / (1 + np.exp(-STEEPNESS * (cosine - EVEN)))) if cosine > -1 else 0.0


def passage_key(text: str) -> int:
    """A passage's text as a number, the same in every version of its document."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little", signed=True)


def save_scope(scope: Scope, folder: Path) -> None:
    save_file({"questions": scope.questions.astype(np.float16), "passages": scope.passages}, folder / SCOPE)


def read_scope(folder: Path, dimension: int = DIMENSION) -> Scope | None:
    """The scope of a verified adapter's folder; None where it has none and reads every question.

    Raises:
        AdapterRefused: the file holds something else.
    """
    if not (folder / SCOPE).exists():
        return None
    found = load_file(folder / SCOPE)
    questions, passages = found.get("questions"), found.get("passages")
    if questions is None or passages is None or questions.shape != (len(passages), dimension):
        raise AdapterRefused(f"{folder.name}: {SCOPE} does not hold questions with their passages.")
    return Scope(questions.astype(np.float32), passages.astype(np.int64))
