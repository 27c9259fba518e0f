"""The embedded answer model: it quotes the passages' best supported sentences, list items and table rows, and makes up nothing.

Each part of the passages gets a chance to hold the answer from a few weighted signals (`assistant/quote_signals.py`):
nearness in meaning, shared words, names and codes, amounts in ranges. No server, no download, no generation: what it
says stands in the documents word for word.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assistant.confidence import sure_enough
from assistant.layout import lay_out
from assistant.prompt import NO_ANSWER, Prompt
from assistant.quote_signals import SIGNALS, WEIGHTS, Bag, read_question, signals
from assistant.units import Unit, units
from assistant.words import amounts, content_words, language_of
from core.records import Passage
from retrieval.embed import Embedder
from retrieval.glossary import Glossary, open_glossary

ENOUGH = 0.75
"""Chance, summed over the quoted units, at which no further one is added."""
NEAR_BEST, NEAR_BEST_ELSEWHERE = 0.3, 0.6
"""Share of the best unit's chance that another unit needs to be quoted beside it: of its document, and of another."""
MOST_UNITS = 3
SAME = 0.7
"""Share of common words from which two units say the same thing."""
ABOUT_THE_SAME = 0.6
"""As SAME, without the amounts, from which two sentences of two documents with other amounts disagree."""
CONTRADICTED = 20
"""The best so many units are looked at for one that disagrees with the first."""
KEPT = 4_000
"""Passages whose unit vectors are kept, about 15 kB each."""


Place = tuple[Unit, int, int]
"""A unit, its passage's place in the prompt, and its own place in the passage."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A unit with its chance to hold the answer; the chances of a question's units sum to 1.

    `passage` is its passage's place in the prompt, `place` its own place in the passage.
    """

    unit: Unit
    document_id: str
    passage: int
    place: int
    closeness: float
    chance: float
    other_case: bool = False
    """Whether the question's own case stands in another row or item of the same table or list."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A passage's units, their words, and their vectors, shape (units, dimension)."""

    units: tuple[Unit, ...]
    bags: tuple[Bag, ...]
    vectors: NDArray[np.float32]

    def of_block(self, block: int) -> list[Unit]:
        return [unit for unit in self.units if unit.block == block]


class QuotingModel:
    """Quotes. Safe to use from several threads."""

    def __init__(self, embedder: Embedder, glossary: Glossary | None = None) -> None:
        self.name = embedder.name
        self.adapter = "quote-v1"
        self._embedder = embedder
        self.glossary = glossary or open_glossary()
        self._known: OrderedDict[tuple[str, int], _Read] = OrderedDict()
        self._lock = threading.Lock()

    def stream(self, prompt: Prompt) -> Iterator[str]:
        scored = self.scored(prompt.question, prompt.passages)
        chosen = choose(scored)
        if not chosen or not sure_enough(prompt, scored, self.glossary):
            yield NO_ANSWER
            return
        yield from lay_out(
            [(s.unit, s.passage) for s in chosen],
            prompt.passages,
            read=[self._read(prompt.passages)[i].units for i in range(len(prompt.passages))],
            language=language_of(prompt.question),
        )

    def ready(self) -> None:
        """It lives in this process: it always is."""

    def scored(self, question: str, passages: Sequence[Passage]) -> list[Scored]:
        """Every unit of the passages with its chance, best first."""
        places, values = self.measured(question, passages)
        return rank(places, values, passages, WEIGHTS)

    def measured(self, question: str, passages: Sequence[Passage]) -> tuple[list[Place], NDArray[np.float64]]:
        """Every unit with its passage's place and its own, and their signals, shape (units, signals)."""
        read = self._read(passages)
        places = [(unit, i, at) for i, one in enumerate(read) for at, unit in enumerate(one.units)]
        asked = read_question(question, [bag for one in read for bag in one.bags], self.glossary)
        vector = self._embedder.encode([question])[0]
        tables: dict[tuple[str, str], list[Unit]] = defaultdict(list)
        for unit, i, _ in places:
            tables[passages[i].document_id, unit.head].append(unit)
        rows = [
            signals(
                asked,
                unit,
                read[i].bags[at],
                tables[passages[i].document_id, unit.head] if unit.kind == "row" else read[i].of_block(unit.block),
                passage=passages[i],
                place=i,
                closeness=float(read[i].vectors[at] @ vector),
            )
            for unit, i, at in places
        ]
        return places, np.array(rows, np.float64).reshape(len(rows), len(SIGNALS))

    def _read(self, passages: Sequence[Passage]) -> list[_Read]:
        """The passages' units with vectors; what is not known yet is encoded in one call."""
        key = [(p.passage_id, hash(p.text)) for p in passages]
        with self._lock:
            known = {k: self._known[k] for k in key if k in self._known}
        fresh = [(k, p, units(p.text)) for k, p in zip(key, passages, strict=True) if k not in known]
        texts = [unit.said for _, _, parts in fresh for unit in parts]
        vectors = self._embedder.encode(texts) if texts else np.zeros((0, self._embedder.dimension), np.float32)
        at = 0
        for k, p, parts in fresh:
            bags = tuple(Bag.of(unit, p, self.glossary) for unit in parts)
            known[k] = _Read(parts, bags, vectors[at : at + len(parts)])
            at += len(parts)
        with self._lock:
            for k in key:
                self._known[k] = known[k]
                self._known.move_to_end(k)
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return [known[k] for k in key]


def rank(
    places: Sequence[Place], values: NDArray[np.float64], passages: Sequence[Passage], weights: Mapping[str, float]
) -> list[Scored]:
    """Every unit with its chance, best first. `values` has shape (units, signals), in the order of `weights`."""
    if not places:
        return []
    names = list(weights)
    sums = values @ np.array(list(weights.values()))
    chances = np.exp(sums - sums.max())
    chances /= chances.sum()
    closeness = values[:, names.index("closeness")]
    other = values[:, names.index("other_row_named")] + values[:, names.index("out_of_range")]
    found = [
        Scored(unit, passages[place].document_id, place, at, float(closeness[i]), float(chances[i]), bool(other[i]))
        for i, (unit, place, at) in enumerate(places)
    ]
    return sorted(found, key=lambda s: (-s.chance, s.passage, s.place))


def choose(scored: Sequence[Scored]) -> list[Scored]:
    """The units to quote, best first: the best one, and others nearly as likely while the answer is not likely in yet."""
    if not scored:
        return []
    best = scored[0]
    chosen = [best]
    for candidate in scored[1:]:
        if len(chosen) == MOST_UNITS or sum(s.chance for s in chosen) >= ENOUGH:
            break
        needed = NEAR_BEST if candidate.document_id == best.document_id else NEAR_BEST_ELSEWHERE
        if candidate.chance < needed * best.chance or (candidate.other_case and _beside(candidate, chosen)):
            continue
        if not any(_alike(candidate.unit, other.unit) for other in chosen):
            chosen.append(candidate)
    other = next((s for s in scored[1:CONTRADICTED] if contradicts(best, s)), None)
    if other is not None and other not in chosen:
        chosen[1:] = [other, *chosen[1 : MOST_UNITS - 1]]
    return chosen


def contradicts(one: Scored, other: Scored) -> bool:
    """Whether a sentence of another document says nearly the same with other amounts: then both are to be told."""
    if one.document_id == other.document_id or {one.unit.kind, other.unit.kind} != {"sentence"}:
        return False
    mine, theirs = amounts(one.unit.text), amounts(other.unit.text)
    a, b = (set(content_words(s.unit.text)) - amounts(s.unit.text) for s in (one, other))
    return bool(mine and theirs) and not mine & theirs and len(a & b) >= ABOUT_THE_SAME * max(3, min(len(a), len(b)))


def _beside(candidate: Scored, chosen: Sequence[Scored]) -> bool:
    """Whether a row or item of the same table or list is quoted already."""
    unit = candidate.unit
    return any(
        (c.document_id, c.unit.kind, c.unit.head) == (candidate.document_id, unit.kind, unit.head) for c in chosen
    )


def _alike(one: Unit, other: Unit) -> bool:
    """Whether two sentences say the same, as two documents that repeat a rule do."""
    a, b = set(content_words(one.said)), set(content_words(other.said))
    return one.kind == other.kind == "sentence" and len(a & b) >= SAME * max(1, min(len(a), len(b)))
