"""The embedded answer model: it quotes the passages' best supported sentences, list items and table rows, and makes up nothing.

A unit's score is a weighted sum of its embedding's similarity to the question, the share of the question's
informative words that it holds (its section and title count in part), and its passage's rank. No server, no download,
no generation: what it says stands in the documents word for word.
"""

from __future__ import annotations

import math
import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assistant.layout import lay_out
from assistant.prompt import NO_ANSWER, Prompt
from assistant.units import Unit, units
from assistant.words import content_words, language_of
from core.records import Passage
from retrieval.embed import Embedder

CLOSENESS, WORDS, RANK = 0.55, 0.35, 0.10
"""Weights of the three parts of a unit's score, each in [0, 1]; chosen on the demo's questions (docs/LOG.md)."""
CONTEXT_SHARE = 0.6
"""What a question's word counts where only the unit's title, section or list intro holds it."""
LEAST = 0.25
"""Below this score the best unit is no answer."""
NEAR_BEST = 0.85
"""Share of the best unit's score from which another unit is quoted beside it."""
MOST_UNITS = 3
SAME = 0.7
"""Share of common words from which two units say the same thing."""
KEPT = 4_000
"""Passages whose unit vectors are kept, about 15 kB each."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A unit with its score. `passage` is its passage's place in the prompt, `place` its own place in the passage."""

    unit: Unit
    passage: int
    place: int
    score: float


@dataclass(frozen=True, slots=True)
class _Read:
    """A passage's units and their vectors, shape (units, dimension)."""

    units: tuple[Unit, ...]
    vectors: NDArray[np.float32]


class QuotingModel:
    """Quotes. Safe to use from several threads."""

    def __init__(self, embedder: Embedder) -> None:
        self.name = embedder.name
        self.adapter = "quote-v1"
        self._embedder = embedder
        self._known: OrderedDict[tuple[str, int], _Read] = OrderedDict()
        self._lock = threading.Lock()

    def stream(self, prompt: Prompt) -> Iterator[str]:
        chosen = choose(self.scored(prompt.question, prompt.passages))
        if not chosen:
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
        """Every unit of the passages with its score, best first."""
        read = self._read(passages)
        asked = self._embedder.encode([question])[0]
        wanted = _informative(content_words(question), [set(content_words(u.said)) for r in read for u in r.units])
        found: list[Scored] = []
        for place, (passage, one) in enumerate(zip(passages, read, strict=True)):
            around = set(content_words(f"{passage.title} {passage.section}"))
            rank = 1.0 / (1.0 + 0.5 * place)
            for at, unit in enumerate(one.units):
                closeness = max(0.0, float(one.vectors[at] @ asked))
                score = CLOSENESS * closeness + WORDS * _covered(wanted, unit, around) + RANK * rank
                found.append(Scored(unit, place, at, score))
        return sorted(found, key=lambda s: (-s.score, s.passage, s.place))

    def _read(self, passages: Sequence[Passage]) -> list[_Read]:
        """The passages' units with vectors; what is not known yet is encoded in one call."""
        key = [(p.passage_id, hash(p.text)) for p in passages]
        with self._lock:
            known = {k: self._known[k] for k in key if k in self._known}
        fresh = [(k, p, units(p.text)) for k, p in zip(key, passages, strict=True) if k not in known]
        texts = [f"{_context(p)} {u.said}".strip() for _, p, parts in fresh for u in parts]
        vectors = self._embedder.encode(texts) if texts else np.zeros((0, self._embedder.dimension), np.float32)
        at = 0
        for k, _, parts in fresh:
            known[k] = _Read(parts, vectors[at : at + len(parts)])
            at += len(parts)
        with self._lock:
            for k in key:
                self._known[k] = known[k]
                self._known.move_to_end(k)
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return [known[k] for k in key]


def choose(scored: Sequence[Scored]) -> list[Scored]:
    """The units to quote, best first: the best one, and those nearly as good that say something else."""
    if not scored or scored[0].score < LEAST:
        return []
    chosen = [scored[0]]
    for candidate in scored[1:]:
        if len(chosen) == MOST_UNITS or candidate.score < NEAR_BEST * scored[0].score:
            break
        if not any(_alike(candidate.unit, other.unit) for other in chosen):
            chosen.append(candidate)
    return chosen


def _context(passage: Passage) -> str:
    """What a unit stands under: the last heading, else the title."""
    return re.split(r"\s*>\s*", passage.section)[-1] if passage.section else passage.title


def _informative(wanted: Sequence[str], held: Sequence[set[str]]) -> dict[str, float]:
    """The question's words with their weight: rare among the units counts more."""
    holding = Counter(word for unit in held for word in unit)
    return {word: math.log(1 + len(held) / (1 + holding[word])) for word in wanted}


def _covered(wanted: dict[str, float], unit: Unit, around: set[str]) -> float:
    """Weighted share of the question's words that the unit holds."""
    if not wanted:
        return 0.0
    own = set(content_words(unit.text if unit.kind != "row" else unit.said))
    near = around | set(content_words(unit.head))
    total = sum(wanted.values())
    got = sum(w if word in own else CONTEXT_SHARE * w if word in near else 0.0 for word, w in wanted.items())
    return got / total if total else 0.0


def _alike(one: Unit, other: Unit) -> bool:
    """Whether two units say the same, as two versions of a rule do."""
    a, b = set(content_words(one.said)), set(content_words(other.said))
    return len(a & b) >= SAME * max(1, min(len(a), len(b))) and one.head == other.head and one.kind == "sentence"
