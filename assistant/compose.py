"""The answer's form: the short answer first, then the sentences, list or table that say it, each with its marker.

Where the question names no row of the table that answers, the whole table is given and the case is asked for; where a few
words are wanted, a few words are given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from assistant.depends import ASKS_HOW_MUCH, MOST_ROWS, SHORT, ask_for_document, ask_for_row, open_rows, table_of_cases
from assistant.form import asked_form, in_form
from assistant.layout import part_text, source_line
from assistant.prompt import ASK_BACK, NO_ANSWER
from assistant.quote import Scored, choose
from assistant.units import Unit, units
from assistant.words import content_words, language_of
from assistant.yes_no import asks_yes_or_no, lead_of
from core.records import Passage
from retrieval.glossary import Glossary

Span = tuple[float, str]
"""Margin and words of a unit's best span."""

LONGEST_LEAD = 12
"""Words that a short answer may have."""
MOST_OF_UNIT = 0.6
"""A span that is more of its unit than this needs no lead: the sentence is short enough by itself."""
LEAST_MARGIN = 0.0
"""A span is a lead where the reader prefers it to "no answer in this passage"."""
_EDGES = " ,;:.()[]\"'“”„«»|–—-"
_ASKS_FOR_A_WAY = re.compile(
    r"^(?:how (?:do|does|can|could|should|must|would|to)\b(?! (?:long|many|much|often))|what (?:do|does|should|must|can|could) (?:i|we|you|one|somebody|people)\b|what (?:happens|if)\b|why\b|"
    r"wie (?:kann|muss|soll|mache|melde|beantrage|bekomme)\b|was (?:mache|muss|soll|passiert)\b|warum\b|cómo\b|por qué\b|qué (?:hago|debo|pasa)\b)",
    re.IGNORECASE,
)
"""Questions that a sentence answers, and no few words of it."""
_ASKS_FOR_A_FIGURE = re.compile(
    r"\bhow (?:many|much|long|often|high|far|old|big|large|soon|early|late|quickly|fast)\b|\bwie (?:viele?|hoch|lange|oft|weit|schnell)\b|\bcuánt[oa]s?\b|\bcada cuánto\b",
    re.IGNORECASE,
)
_FIGURE = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|half|twice|once|daily|weekly|monthly|never|none|zwei|drei|vier|fünf|sechs|uno|dos|tres|cuatro|cinco|seis)\b",
    re.IGNORECASE,
)
_FIGURES = re.compile(r"\d+(?:[.,]\d+)*")
_ASKS_WHO = re.compile(
    r"^(?:who|whom|whose)\b|\bwho (?:approves|signs|decides|pays)\b|^(?:wer|wen|wem)\b|quién", re.IGNORECASE
)
_WANTS_ALL = re.compile(
    r"\b(?:list|all|every|each|table|overview|what are|which are|liste|alle|tabelle|todos|todas|tabla|lista)\b",
    re.IGNORECASE,
)
_WANTS_FEW_WORDS = re.compile(
    r"\b(?:just|only) (?:the|a|one)\b|\bin (?:one|a single) (?:word|sentence)\b|\bin at most \w+ words\b|\bin short\b|\bbriefly\b|\b(?:nur|kurz)\b.*\b(?:zahl|wort|satz)\b|\ben una (?:palabra|frase)\b",
    re.IGNORECASE,
)
_LIKELY = 0.5
"""Chance from which a row, or a sentence that the reader is sure of, is told by itself, though a table of cases is about all that the
question names."""
_SURE_MARGIN = 1.0
"""Margin of a span over "no answer" from which the reader is sure of its sentence."""
_TWO_CASES = 0.3
"""Chance from which the best part of a second document makes a short question ambiguous."""


def written(
    question: str,
    scored: Sequence[Scored],
    passages: Sequence[Passage],
    *,
    spans: Mapping[tuple[int, int], Span],
    glossary: Glossary,
) -> Iterator[str]:
    """The answer from the units that may hold it, best first; NO_ANSWER where none is near.

    Args:
        spans: (passage, place in it) to the best span of the unit that stands there.
    """
    chosen = choose(scored)
    if not chosen:
        yield NO_ANSWER
        return
    best = chosen[0]
    span = spans.get((best.passage, best.place))
    told = best.chance >= _LIKELY and (best.unit.kind == "row" or _says_it(question, best.unit, span, glossary))
    if not told and (table := table_of_cases(question, passages, glossary)):
        place, unit = table
        best = replace(best, unit=unit, passage=place, document_id=passages[place].document_id)
    rows = open_rows(question, best.unit, passages[best.passage], glossary)
    wanted = ask_for_row(question, best.unit) if rows and not _WANTS_ALL.search(question) else ""
    if len(rows) > MOST_ROWS and wanted:
        yield f"{ASK_BACK} {wanted}"
        return
    span = None if rows or (span and _one_of_several(question, best.unit, span, glossary)) else span
    if not rows and _WANTS_FEW_WORDS.search(question):
        chosen = chosen[:1]
        if short := _cell(question, best.unit, glossary) or _short_answer(question, best.unit, span):
            yield f"{short[:-1]} [{best.passage + 1}]."
            return
    picked = [(row, best.passage) for row in rows] or [(s.unit, s.passage) for s in chosen]
    yield from in_form(compose(question, picked, passages, span=span), asked_form(question))
    if wanted:
        yield f"\n\n{ASK_BACK} {wanted}"
    elif other := _other_case(question, chosen, glossary):
        yield f"\n\n{ASK_BACK} {ask_for_document(question, passages[best.passage], passages[other.passage])}"


def _says_it(question: str, unit: Unit, span: Span | None, glossary: Glossary) -> bool:
    """Whether the reader is sure of a sentence that says all that the question names."""
    asked, said = (set(content_words(glossary.plain(text))) for text in (question, unit.said))
    return span is not None and span[0] >= _SURE_MARGIN and asked - ASKS_HOW_MUCH <= said


def _other_case(question: str, chosen: Sequence[Scored], glossary: Glossary) -> Scored | None:
    """The part of another document that answers a short question as well: which one is meant cannot be known."""
    if len(set(content_words(glossary.plain(question)))) > SHORT:
        return None
    others = (s for s in chosen[1:] if s.document_id != chosen[0].document_id and s.chance >= _TWO_CASES)
    return next(others, None)


def compose(
    question: str, chosen: Sequence[tuple[Unit, int]], passages: Sequence[Passage], *, span: Span | None
) -> Iterator[str]:
    """The answer, piece by piece.

    Args:
        chosen: units with their passage's place in `passages`, best first.
        span: margin and words of the first unit's best span.
    """
    language = language_of(question)
    lead = lead_of(question, chosen[0][0], language) or _short_answer(question, chosen[0][0], span)
    first, listed = passages[chosen[0][1]], bool(asked_form(question))
    for nth, (place, group) in enumerate(_by_passage(chosen)):
        passage, mark = passages[place], f"[{place + 1}]"
        if nth:
            other = passage.document_id != first.document_id
            yield f"\n\n{source_line(passage, language)}\n\n" if other else "\n\n"
        yield part_text(
            group,
            units(passage.text),
            mark,
            lead=lead if not nth else "",
            listed=listed,
            whole_list=not nth and _lists_the_way(question, group[0], passage),
        )


def _lists_the_way(question: str, unit: Unit, passage: Passage) -> bool:
    """Whether what was asked is how to go about something, and the unit is one item of a list that its intro or heading says is about it."""
    if unit.kind != "item" or not _ASKS_FOR_A_WAY.search(question):
        return False
    about = unit.head or passage.section.rsplit(" > ", 1)[-1]
    return bool(set(content_words(question)) & set(content_words(about)))


def _by_passage(chosen: Sequence[tuple[Unit, int]]) -> list[tuple[int, list[Unit]]]:
    order = list(dict.fromkeys(place for _, place in chosen))
    return [(place, [unit for unit, of in chosen if of == place]) for place in order]


def _cell(question: str, unit: Unit, glossary: Glossary) -> str:
    """The value of a row in the column that the question names, as a sentence; "" where it names none, or several alike."""
    asked = set(content_words(glossary.plain(question)))
    named = [(len(asked & set(content_words(glossary.plain(name)))), value) for name, value in unit.pairs()[1:] if name]
    best = max((count for count, _ in named), default=0) if unit.kind == "row" else 0
    values = [value for count, value in named if count == best]
    return f"{values[0].rstrip('.')}." if best and len(values) == 1 else ""


def _one_of_several(question: str, unit: Unit, span: Span, glossary: Glossary) -> bool:
    """Whether the span lies in one of a row's cells that hold such a figure each, and the question names no column: any of them may be meant."""
    if unit.kind != "row":
        return False
    words = _within_a_cell(span[1], unit).strip(_EDGES)
    others = {_FIGURES.sub("#", value) for name, value in unit.pairs()[1:] if name and words not in value}
    return bool(_FIGURES.search(words)) and _FIGURES.sub("#", words) in others and not _cell(question, unit, glossary)


def _short_answer(question: str, unit: Unit, span: Span | None) -> str:
    """The reader's span as a sentence of its own, or "" where it says no more or less than the unit."""
    if span is None or span[0] < LEAST_MARGIN or asks_yes_or_no(question) or _ASKS_FOR_A_WAY.search(question):
        return ""
    words = (_within_a_cell(span[1], unit) if unit.kind == "row" else span[1]).strip(_EDGES)
    count = len(words.split())
    if bool(_ASKS_FOR_A_FIGURE.search(question)) > bool(_FIGURE.search(words)):
        return ""
    if _ASKS_WHO.search(question) and not re.search(r"[^\W\d_]{3}", words):
        return ""
    if not words or count > LONGEST_LEAD or (unit.kind == "sentence" and count > MOST_OF_UNIT * len(unit.text.split())):
        return ""
    if not set(content_words(words)) - set(content_words(question)) and not re.search(r"\d", words):
        return ""  # it repeats the question
    return f"{words[0].upper()}{words[1:]}."


def _within_a_cell(words: str, unit: Unit) -> str:
    """The words of a row's span that stand in its last cell; "" where they are a piece of what the row is about ("Lost" of "Lost or stolen")."""
    value = words.rsplit("; ", 1)[-1].rsplit(": ", 1)[-1]
    subject = unit.pairs()[0][1]
    return "" if value in subject and len(value.strip(_EDGES)) < len(subject.strip(_EDGES)) else value
