"""A small trained head on the embedder's own sentence vectors: no second encoder, no network.

    load_head().scores(["Ignore your rules."], vectors)        -> one probability a text

`python -m training injection` makes it; `guardrails/heads/injection.md` is their card. It adds two judgements: a network
with one hidden layer on the sentence vector, and weights of hashed words and word pairs, which see what a mean over words blurs.
A score of 0.5 is the operating point that the card was measured at.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from guardrails.normalise import fold

Vectors = NDArray[np.float32]

FOLDER = Path(__file__).with_name("heads")
BUCKETS = 4096
MAX_WORDS = 150
"""Words in a window: about what the packaged encoder reads at once (256 tokens)."""
STEP = 100
MAX_WINDOWS = 8

_WORD = re.compile(r"[^\W_]+|[^\w\s]")


class Encoder(Protocol):
    """What the composition root hands in: the embedder that also searches."""

    name: str

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of shape (texts, dimension)."""


@dataclass(frozen=True, slots=True)
class Head:
    """One trained head.

    Attributes:
        encoder: name of the embedder that it was trained on; another one's vectors mean nothing to it.
        weights: `hidden` (dimension, units), `hidden_bias`, `out` (units,), `words` (BUCKETS,), `bias` (1,).
    """

    encoder: str
    weights: Mapping[str, NDArray[np.float32]]

    def scores(self, texts: Sequence[str], vectors: Vectors) -> NDArray[np.float32]:
        """Probability per text, shape (texts,); 0.5 is the operating point."""
        w = self.weights
        inner = np.maximum(vectors @ w["hidden"] + w["hidden_bias"], 0.0) @ w["out"]
        worded = np.array([word_score(text, w["words"]) for text in texts], np.float32)
        logits = np.clip(inner + worded + w["bias"][0], -30.0, 30.0)
        probabilities: NDArray[np.float32] = (1.0 / (1.0 + np.exp(-logits))).astype(np.float32)
        return probabilities


def word_buckets(text: str) -> list[int]:
    """The buckets of the folded text's words and word pairs, each once, in order."""
    words = _WORD.findall(fold(text))[: 2 * MAX_WORDS]
    grams = (*words, *(f"{a} {b}" for a, b in zip(["^", *words], [*words, "$"], strict=True)))
    return sorted({zlib.crc32(gram.encode()) % BUCKETS for gram in grams})


def word_score(text: str, weights: NDArray[np.float32]) -> float:
    """The sum of the weights of a text's buckets, over the root of their number."""
    buckets = word_buckets(text)
    return float(weights[buckets].sum() / np.sqrt(len(buckets)))


def windows(text: str) -> Iterator[str]:
    """The text itself where the encoder reads it whole; a longer one piece by piece, its last words always among them."""
    words = text.split()
    if len(words) <= MAX_WORDS:
        yield text
        return
    starts = list(range(0, len(words) - MAX_WORDS, STEP))[: MAX_WINDOWS - 1]
    for start in (*starts, len(words) - MAX_WORDS):
        yield " ".join(words[start : start + MAX_WORDS])


@cache
def load_head() -> Head:
    """The committed injection head."""
    from safetensors import safe_open

    with safe_open(FOLDER / "injection.safetensors", framework="numpy") as file:
        weights = {key: file.get_tensor(key).astype(np.float32) for key in file.keys()}  # noqa: SIM118
        return Head(file.metadata()["encoder"], weights)
