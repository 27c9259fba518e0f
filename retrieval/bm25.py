"""BM25 sparse vectors from Qdrant's own encoder: one configuration for every engine, for documents and questions.

The encoder gives term-frequency weights; the engine multiplies inverse document frequency at search time, over
the points that the person may read, so word statistics tell nobody about documents that they cannot see.
"""

from __future__ import annotations

import qdrant_edge

Terms = dict[int, float]
"""Stemmed word (hashed) to weight."""

AVERAGE_WORDS = 75.0
"""Expected passage length in words without stop words: what passages of 180 words come to on average."""


class Bm25:
    """English stop words and stemmer, accents folded; words of other languages match as they are written."""

    def __init__(self) -> None:
        self._encoder = qdrant_edge.Bm25(
            qdrant_edge.Bm25Config(k=1.2, b=0.75, avg_len=AVERAGE_WORDS, language="english", ascii_folding=True)
        )

    def document(self, text: str) -> Terms:
        """Term-frequency weights of a passage; empty where the text holds no word."""
        vector = self._encoder.embed_document(text)
        return dict(zip(vector.indices, vector.values, strict=True))

    def query(self, text: str) -> Terms:
        """Each content word of a question with weight 1."""
        vector = self._encoder.embed_query(text)
        return dict(zip(vector.indices, vector.values, strict=True))
