"""The answer's form: the short answer first, then the sentences, list or table that say it, each with its marker."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from assistant.layout import part_text, source_line
from assistant.units import Unit, units
from assistant.words import content_words, language_of
from assistant.yes_no import lead_of
from core.records import Passage

LONGEST_LEAD = 12
"""Words that a short answer may have."""
MOST_OF_UNIT = 0.6
"""A span that is more of its unit than this needs no lead: the sentence is short enough by itself."""
LEAST_MARGIN = 0.0
"""A span is a lead where the reader prefers it to "no answer in this passage"."""
_EDGES = " ,;:.()[]\"'“”„«»|–—-"


def compose(
    question: str, chosen: Sequence[tuple[Unit, int]], passages: Sequence[Passage], *, span: tuple[float, str] | None
) -> Iterator[str]:
    """The answer, piece by piece.

    Args:
        chosen: units with their passage's place in `passages`, best first.
        span: margin and words of the first unit's best span.
    """
    language = language_of(question)
    lead = lead_of(question, chosen[0][0], language) or _short_answer(question, chosen[0][0], span)
    first = passages[chosen[0][1]]
    for nth, (place, group) in enumerate(_by_passage(chosen)):
        passage, mark = passages[place], f"[{place + 1}]"
        if nth:
            other = passage.document_id != first.document_id
            yield f"\n\n{source_line(passage, language)}\n\n" if other else "\n\n"
        yield part_text(group, units(passage.text), mark, lead=lead if not nth else "")


def _by_passage(chosen: Sequence[tuple[Unit, int]]) -> list[tuple[int, list[Unit]]]:
    order = list(dict.fromkeys(place for _, place in chosen))
    return [(place, [unit for unit, of in chosen if of == place]) for place in order]


def _short_answer(question: str, unit: Unit, span: tuple[float, str] | None) -> str:
    """The reader's span as a sentence of its own, or "" where it says no more or less than the unit."""
    if span is None or span[0] < LEAST_MARGIN:
        return ""
    words = span[1].strip(_EDGES)
    count = len(words.split())
    if not words or count > LONGEST_LEAD or (unit.kind == "sentence" and count > MOST_OF_UNIT * len(unit.text.split())):
        return ""
    if not set(content_words(words)) - set(content_words(question)) and not re.search(r"\d", words):
        return ""  # it repeats the question
    return f"{words[0].upper()}{words[1:]}."
