"""Text becomes vectors: the Embedder seam, and the deterministic one that tests use.

`open_embedder(settings)` gives all-MiniLM-L6-v2 from its package, through the fastest backend that this
processor has (measured once, remembered in the models folder). See `retrieval/backends.py`.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.settings import Settings

Vectors = NDArray[np.float32]
"""Shape (texts, dimension), float32, each row of length 1."""

REMEMBERED = 2048
"""Questions whose vectors are kept: 3 MB at 384 numbers."""

_WORD = re.compile(r"\w+", re.UNICODE)


class Embedder(Protocol):
    """Turns texts into vectors whose dot product is their cosine."""

    dimension: int
    name: str

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode a whole list at once, in its order. Safe to call from several threads."""


class HashEmbedder:
    """Bag of hashed words: deterministic, instant, no model. Texts that share words are near each other."""

    def __init__(self, dimension: int = 384) -> None:
        self.dimension = dimension
        self.name = f"hash-{dimension}"

    def encode(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in _WORD.findall(text.lower()) or [""]:
                digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
                place, sign = int.from_bytes(digest[:4], "big") % self.dimension, 1.0 if digest[4] & 1 else -1.0
                vectors[row, place] += sign
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors[norms[:, 0] == 0, 0] = 1.0
        unit: Vectors = (vectors / np.where(norms == 0, 1.0, norms)).astype(np.float32)
        return unit


class RememberingEmbedder:
    """Remembers the vectors of the latest questions (single texts); lists of passages pass through."""

    def __init__(self, embedder: Embedder, remembered: int = REMEMBERED) -> None:
        self._embedder = embedder
        self._remembered = remembered
        self._vectors: OrderedDict[str, Vectors] = OrderedDict()
        self._lock = threading.Lock()
        self.dimension = embedder.dimension
        self.name = embedder.name

    def encode(self, texts: Sequence[str]) -> Vectors:
        if len(texts) != 1:
            return self._embedder.encode(texts)
        with self._lock:
            known = self._vectors.get(texts[0])
            if known is not None:
                self._vectors.move_to_end(texts[0])
                return known
        found = self._embedder.encode(texts)
        found.flags.writeable = False
        with self._lock:
            self._vectors[texts[0]] = found
            if len(self._vectors) > self._remembered:
                self._vectors.popitem(last=False)
        return found


def open_embedder(settings: Settings, *, remember: bool = True) -> Embedder:
    """The embedder that the settings name; with `remember`, the latest questions are not encoded again.

    Raises:
        SettingsError: the named model cannot be loaded, or its backend is not available here.
    """
    from retrieval.backends import open_backend

    embedder = open_backend(settings)
    return RememberingEmbedder(embedder) if remember else embedder
