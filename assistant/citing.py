"""Citations: the markers of a model's answer resolve to the passages that were given, or go.

The model says `[3]` and means the third passage of its prompt; the person sees `[1]`, `[2]` ... in order of first use.
Everything in a Citation comes from retrieval metadata; its quote is the passage's own words that fit the answer best.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from assistant.units import units
from assistant.words import content_words, numbers
from core.records import QUOTE_GAP, Citation, Passage

_MARKER = re.compile(r"\s*(?:\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]|【(\d{1,3})[^】\n]{0,20}】)(?!\()")
_KNOWN = re.compile(r"\[(\d{1,3})\]")
LEAST_SUPPORT = 0.5
"""Share of a sentence's content words that a passage must hold to be attached where the model named none."""


def resolve_markers(text: str, count: int) -> tuple[str, tuple[int, ...], int]:
    """The text with `[n]` markers of passages 1 to `count` only, the numbers it cites, and how many markers were removed."""
    cited: list[int] = []
    removed = 0

    def known(match: re.Match[str]) -> str:
        nonlocal removed
        wanted = [int(n) for n in (match[1] or match[2]).split(",")]
        kept = [n for n in wanted if 1 <= n <= count]
        removed += len(wanted) - len(kept)
        cited.extend(n for n in kept if n not in cited)
        space = " " if kept and match[0][0].isspace() else ""
        return space + "".join(f"[{n}]" for n in kept)

    return _MARKER.sub(known, text), tuple(cited), removed


def attach_marker(text: str, n: int) -> str:
    """The text with a marker at its end; inside the last cell of a table row."""
    if text.startswith("|") and text.rstrip().endswith("|"):
        return f"{text.rstrip().rstrip('|').rstrip()} [{n}] |"
    return f"{text} [{n}]"


def best_passage(sentence: str, passages: Sequence[Passage], *, but: Collection[int] = ()) -> int | None:
    """The number of the passage that holds most of the sentence's words and all of its numbers, if any does well enough.

    Args:
        sentence: without markers, whose numbers would count as its own.
        but: numbers of passages that are not asked.
    """
    said, figures = set(content_words(sentence)), numbers(sentence)
    if not said:
        return None
    best, best_support = None, 0.0
    for n, passage in enumerate(passages, 1):
        if n in but:
            continue
        source = f"{passage.title}\n{passage.section}\n{passage.text}"
        if figures <= numbers(source):
            support = len(said & set(content_words(source))) / len(said)
            if support >= LEAST_SUPPORT and support > best_support:
                best, best_support = n, support
    return best


LONGEST_QUOTE = 600
"""Characters of a quote of several parts of a passage."""
_WORD = re.compile(r"\w")


class Cited:
    """The passages that an answer cites, numbered as the person sees them."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = passages
        self._numbers: dict[int, int] = {}
        self._citations: list[Citation] = []

    def renumber(self, text: str) -> str:
        """The text with the numbers of the prompt replaced by those that the person sees."""
        for n in map(int, _KNOWN.findall(text)):
            passage = self._passages[n - 1]
            quote = supporting_quote(_KNOWN.sub("", text), passage)
            if n not in self._numbers:
                self._numbers[n] = len(self._numbers) + 1
                self._citations.append(_citation(self._numbers[n], passage, quote))
                continue
            at = self._numbers[n] - 1
            known = self._citations[at]
            self._citations[at] = replace(known, quote=joined_quote(known.quote, quote, passage.text))
        return _KNOWN.sub(lambda match: f"[{self._numbers[int(match[1])]}]", text)

    def citations(self) -> tuple[Citation, ...]:
        return tuple(self._citations)


def supporting_quote(sentence: str, passage: Passage) -> str:
    """The part of the passage, word for word, that shares most with the sentence; the passage's text where none does."""
    said, figures = set(content_words(sentence)), numbers(sentence)
    best, best_score = passage.text, 0.0
    for unit in units(passage.text):
        own = set(content_words(unit.text))
        shared = len(said & own) + 2 * len(figures & numbers(unit.text))
        score = shared / (len(said | own) + 1) if own else 0.0
        if score > best_score:
            best, best_score = unit.text, score
    return best


def joined_quote(quote: str, further: str, text: str) -> str:
    """The parts of two quotes in the passage's order, word for word, with QUOTE_GAP between those that do not stand side by side.

    The first alone where a part does not stand in the text, or both are too long together.
    """
    quoted = [*quote.split(QUOTE_GAP), further]
    places = sorted((text.find(part), len(part)) for part in quoted)
    if places[0][0] < 0:
        return quote
    joined = [(places[0][0], sum(places[0]))]
    for start, length in places[1:]:
        first, end = joined[-1]
        if _WORD.search(text[end:start]):
            joined.append((start, start + length))
        else:
            joined[-1] = (first, max(end, start + length))
    said = QUOTE_GAP.join(text[start:end] for start, end in joined)
    return said if len(said) <= LONGEST_QUOTE else quote


def _citation(n: int, passage: Passage, quote: str) -> Citation:
    return Citation(
        n=n,
        passage_id=passage.passage_id,
        document_id=passage.document_id,
        version=passage.version,
        title=passage.title,
        section=passage.section,
        page=passage.page,
        quote=quote,
        score=round(passage.score, 4),
        owner=passage.owner,
        classification=passage.classification,
        effective=passage.effective,
        expires=passage.expires,
    )
