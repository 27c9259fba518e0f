"""Presidio's language side: words for its context words, and the entities of the trained recogniser of names.

Imported only when the engine is built, because it imports Presidio.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from presidio_analyzer import EntityRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

from guardrails.ner import KINDS, Found, Names


class Words(NlpEngine):
    """Presidio's language side without a model: words in lower case, which is all that context words need.

    A blank spaCy pipeline gives the same findings, but takes four times as long over a document, a minute over a page of
    emoji, and keeps every word it saw in its vocabulary.

    Args:
        names: finds the entities that `Tagged` hands on; without it there are none.
    """

    def __init__(self, names: Names | None = None) -> None:
        self._names = names

    def load(self) -> None:
        """Nothing to load."""

    def is_loaded(self) -> bool:
        return True

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        tokens = [(m.start(), m.group()) for m in _TOKEN.finditer(text)]
        lowered = [word.lower() for _, word in tokens]
        words, starts = [word for _, word in tokens], [start for start, _ in tokens]
        found = self._names.find(text) if self._names else []
        scores = [entity.score for entity in found]
        artifacts = NlpArtifacts(found, words, starts, lowered, None, language, scores)  # type: ignore[arg-type]
        artifacts.keywords = set(lowered)  # type: ignore[assignment]
        return artifacts

    def process_batch(
        self, texts: Iterable[str], language: str, batch_size: int = 1, n_process: int = 1, **_: object
    ) -> Iterator[tuple[str, NlpArtifacts]]:
        del batch_size, n_process
        for text in texts:
            yield text, self.process_text(text, language)

    def is_stopword(self, word: str, language: str) -> bool:  # noqa: ARG002
        return False

    def is_punct(self, word: str, language: str) -> bool:  # noqa: ARG002
        return not any(c.isalnum() for c in word)

    def get_supported_entities(self) -> list[str]:
        return list(KINDS) if self._names else []

    def get_supported_languages(self) -> list[str]:
        return ["en"]


_TOKEN = re.compile(r"\w+(?:[-/.]\w+)*|[^\w\s]+")


class Tagged(EntityRecognizer):
    """Hands on the entities that the trained recogniser found, each with its own score."""

    def __init__(self) -> None:
        super().__init__(supported_entities=list(KINDS), name="trained_names", supported_language="en")

    def load(self) -> None:
        """Nothing to load."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[RecognizerResult]:  # noqa: ARG002
        found: Sequence[Found] = nlp_artifacts.entities if nlp_artifacts else ()
        return [RecognizerResult(e.kind, e.start, e.end, e.score) for e in found if e.kind in entities]
