"""The embedded answer model: a trained reader finds the answer, and the documents' own sentences say it.

It chooses up to three units (sentences, list items, table rows) of up to three passages from the reader's spans and the
quoting model's signals, leads with the short answer, and says nothing that does not stand in a passage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from assistant.compose import written
from assistant.confidence import sure_enough
from assistant.depends import ask_what_is_meant, table_of_cases
from assistant.form import matter
from assistant.models import QUOTING
from assistant.prompt import ASK_BACK, NO_ANSWER, Prompt
from assistant.quote import Place, QuotingModel, Scored, rank
from assistant.quote_signals import WEIGHTS
from assistant.readable import Readable, plain, readable
from assistant.reader import DEFAULT, PassageReading, Readers
from assistant.short_answer import Span
from assistant.units import Unit
from assistant.words import language_of
from core.errors import AssistantError
from core.records import Passage
from retrieval.adapters import BASE_NAME
from retrieval.embed import Embedder
from retrieval.glossary import Glossary

READ = 5
"""Passages that are read."""
UNREAD = -10.0
IN_SCOPE = 0.5
"""Chance of a passage, by what an adapter was taught, from which it reads a question and the shipped reader does not. What it
finds in that passage is said, however unlike the question its words are."""
TAUGHT_WEIGHT = 2.0
"""Of that chance among the signals of a passage's parts."""
SPAN_WEIGHT = "span_weight"
"""The setting of an adapter that replaces both weights of its spans."""
READER_WEIGHTS: Mapping[str, float] = {
    "closeness": 4.25,
    "own_words": 2.14,
    "head_words": 1.35,
    "around_words": 1.05,
    "names": 0.32,
    "other_row_named": -1.72,
    "in_range": 1.68,
    "out_of_range": -1.12,
    "passage": 0.76,
    "rank": 1.83,
    "says_when": 0.39,
    "says_who": 0.42,
    "says_whether": 0.28,
    "about_itself": -0.79,
    "row": 0.19,
    "length": 0.7,
    "answers": 0.71,
    "span_row": 0.46,
    "span_prose": 0.67,
}
"""As `quote_signals.WEIGHTS`, with its passage's probability, and the log of the unit's share of all spans: what the reader thinks of a
table's row is worth less than what it thinks of a sentence or an item. Fitted by `scripts/fit_quote.py` on the demo's questions and, for
0.3 of the loss, on those of two real handbooks."""
SPAN_WEIGHTS = ("span_row", "span_prose")


@dataclass(frozen=True, slots=True)
class Found:
    """What was read for one question.

    Attributes:
        scored: units, best first.
        spans: of each unit that was read, by its passage and place.
        taught: the chance of the best unit's passage by what the adapter was taught.
        margin: how far all spans together lie above "no answer", for how sure an answer is; None where there is no unit.
    """

    scored: list[Scored]
    spans: Mapping[tuple[int, int], Span]
    taught: float = 0.0
    margin: float | None = None


class EmbeddedReader:
    """Reads by the adapter that a request names, or quotes without one. Safe to use from several threads.

    Args:
        adapter: who answers where none is named: a reader's id, or QUOTING; the readers' own when "".
    """

    def __init__(
        self, readers: Readers, embedder: Embedder, glossary: Glossary | None = None, *, adapter: str = ""
    ) -> None:
        self._readers = readers
        self._embedder = embedder
        self._known_vectors = embedder.name == BASE_NAME
        self._quoting = QuotingModel(embedder, glossary)
        self.glossary = self._quoting.glossary
        self.adapter = adapter or readers.production
        self.name = embedder.name if self.adapter == QUOTING else BASE_NAME
        self.plain = QUOTING

    def ready(self) -> None:
        """It lives in this process: it always is."""

    def load(self, adapter: str) -> None:
        """Have that adapter resident before anybody asks; raises AdapterRefused and NotFound."""
        if adapter != QUOTING:
            self._readers.network(adapter)

    def serves(self, adapter: str) -> bool:
        return adapter == QUOTING or self._readers.wanted(adapter)

    def taught(self, question: str, passages: Sequence[Passage], *, adapter: str = "") -> float:
        """An adapter that cannot be loaded was taught nothing: what is wrong with it is said when it is to answer."""
        try:
            return float(self._chances(question, passages, adapter or self.adapter).max(initial=0.0))
        except AssistantError:
            return 0.0

    def stream(self, prompt: Prompt, *, adapter: str = "") -> Iterator[str]:
        wanted = adapter or self.adapter
        if wanted == QUOTING:
            yield from self._quoting.stream(prompt)
            return
        if not prompt.history and (meant := ask_what_is_meant(prompt.question)):
            yield f"{ASK_BACK} {meant}"
            return
        asked = replace(prompt, question=matter(prompt.question))
        found = self.find(asked.question, prompt.passages, adapter=wanted)
        if not self._says(asked, found):
            yield NO_ANSWER
            return
        yield from written(prompt.question, found.scored, prompt.passages, spans=found.spans, glossary=self.glossary)

    def _says(self, prompt: Prompt, found: Found) -> bool:
        return (
            found.taught > 0
            or sure_enough(prompt, found.scored, self.glossary, _margin_in(prompt.question, found))
            or table_of_cases(prompt.question, prompt.passages, self.glossary) is not None
        )

    def find(self, question: str, passages: Sequence[Passage], *, adapter: str = "") -> Found:
        """Every unit of the passages with its chance to hold the answer, best first.

        Where the question is not like any that the adapter was taught, the shipped reader reads.
        """
        chances = self._chances(question, passages, adapter)
        own = self._readers.network(adapter).adapter
        if own.scope is not None and self._known_vectors and not chances.any():
            own = self._readers.network(DEFAULT).adapter
        places, values, spans = self.measured(question, passages, adapter=own.adapter_id, taught=chances)
        values = np.hstack([values, np.array([[chances[passage]] for _, passage, _ in places]).reshape(-1, 1)])
        scored = rank(places, values, passages, {**weights_of(own.settings), "taught": TAUGHT_WEIGHT})
        if not scored:
            return Found([], spans)
        margin = _margin_of([margin for margin, _ in spans.values()])
        return Found(scored, spans, float(chances[scored[0].passage]), margin)

    def _chances(self, question: str, passages: Sequence[Passage], adapter: str) -> NDArray[np.float64]:
        """Of each passage, to answer the question by what the adapter was taught, 0 below IN_SCOPE; shape (passages,)."""
        scope = None if adapter == QUOTING else self._readers.network(adapter).adapter.scope
        if scope is None or not self._known_vectors:
            return np.zeros(len(passages))
        chances = scope.chances(self._embedder.encode([question])[0], [p.text for p in passages])
        return np.where(chances >= IN_SCOPE, chances, 0.0)

    def measured(
        self,
        question: str,
        passages: Sequence[Passage],
        *,
        adapter: str = "",
        taught: NDArray[np.float64] | None = None,
    ) -> tuple[list[Place], NDArray[np.float64], dict[tuple[int, int], Span]]:
        """Every unit with its signals, shape (units, READER_WEIGHTS), and the spans of the READ passages that are read.

        Those are the passages that were taught, then those whose best unit the quoting model finds likeliest.
        """
        places, values = self._quoting.measured(question, passages)
        read = _worth_reading(places, values @ np.array(list(WEIGHTS.values())), len(passages), taught)
        texts = [readable(passages[n]) for n in read]
        ranges = [t.places for t in texts]
        readings = self._readers.read(question, [t.text for t in texts], adapter_id=adapter, ranges=ranges)
        spans = {(read[passage], place): span for (passage, place), span in _spans(readings, texts).items()}
        answers = {read[r.passage]: r.probability for r in readings}
        chances = _log_shares({at: margin for at, (margin, _) in spans.items()})
        extra = [
            (answers.get(passage, 0.0), *_by_kind(unit, chances.get((passage, place), UNREAD)))
            for unit, passage, place in places
        ]
        return places, np.hstack([values, np.array(extra, np.float64).reshape(len(places), 3)]), spans


def _worth_reading(
    places: Sequence[Place], sums: NDArray[np.float64], count: int, taught: NDArray[np.float64] | None
) -> list[int]:
    best = np.full(count, -np.inf)
    for (_, passage, _), found in zip(places, sums, strict=True):
        best[passage] = max(best[passage], found)
    known = np.zeros(count) if taught is None else taught
    return sorted(range(count), key=lambda n: (-known[n], -best[n]))[:READ]


def weights_of(settings: Mapping[str, float]) -> dict[str, float]:
    """READER_WEIGHTS, with the weight that an adapter's sealed settings give to what it reads.

    A reader that was trained on the organisation's own corrections knows their documents: its view is worth more than the shipped one's.
    """
    return {
        name: settings.get(SPAN_WEIGHT, weight) if name in SPAN_WEIGHTS else weight
        for name, weight in READER_WEIGHTS.items()
    }


def _by_kind(unit: Unit, chance: float) -> tuple[float, float]:
    """A unit's log share of all spans under the weight that is its own, of SPAN_WEIGHTS."""
    return (chance, 0.0) if unit.kind == "row" else (0.0, chance)


def _spans(readings: Sequence[PassageReading], texts: Sequence[Readable]) -> dict[tuple[int, int], Span]:
    """Passage and unit to the margin and the words of the unit's best span."""
    return {
        (reading.passage, place): (span[0], plain(texts[reading.passage].text[span[1] : span[2]]))
        for reading in readings
        for place, span in enumerate(reading.best_within)
        if span is not None
    }


def _margin_of(margins: Sequence[float]) -> float:
    """Of all spans against "no answer", a fifth of its logit, from -1 to 1."""
    return float(np.clip(np.logaddexp.reduce(margins) / 5, -1, 1)) if margins else -1.0


def _margin_in(question: str, found: Found) -> float | None:
    """What the reader thinks of the passages counts where it can read the question: it was taught in English."""
    return found.margin if language_of(question) == "en" else None


def _log_shares(margins: Mapping[tuple[int, int], float]) -> dict[tuple[int, int], float]:
    """Log of each unit's share of the likelihood of all spans, at least UNREAD."""
    if not margins:
        return {}
    logits = np.array(list(margins.values()))
    top = float(logits.max())
    logs = logits - top - np.log(np.exp(logits - top).sum())
    return {at: max(UNREAD, float(log)) for at, log in zip(margins, logs, strict=True)}
