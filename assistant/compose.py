"""The answer's form: the short answer first, then the sentences, list or table that say it, each with its marker.

Where the question names no row of the table that answers, the whole table is given and the case is asked for; where a few
words are wanted, a few words are given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from assistant.depends import (
    ASKS_HOW_MUCH,
    MOST_ROWS,
    SHORT,
    TABLES_OF,
    ask_for_document,
    ask_for_row,
    open_rows,
    table_of_cases,
)
from assistant.form import asked_form, in_form, matter
from assistant.layout import part_text, source_line
from assistant.prompt import ASK_BACK, NO_ANSWER
from assistant.quote import Scored, choose
from assistant.short_answer import Span, asks_for_a_way, cell, one_of_several, only_cell, short_answer
from assistant.units import Unit, units
from assistant.words import content_words, language_of
from assistant.yes_no import lead_of
from core.records import Passage
from retrieval.glossary import Glossary

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
_NAMES_A_LIST = 2
"""Words that carry meaning with which a question names a list by its intro or heading."""
_MOST_OF_INTRO = 0.6
"""Share of an intro's words that the question holds: "replaced early" is not what "replaced" asks for."""
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
    span = None if rows or (span and one_of_several(question, best.unit, span, glossary)) else span
    if not rows and _WANTS_FEW_WORDS.search(question):
        chosen = chosen[:1]
        if short := cell(question, best.unit, glossary) or short_answer(matter(question), best.unit, span):
            yield f"{short[:-1]} [{best.passage + 1}]."
            return
    listed = [] if told or rows else _list_asked_for(question, passages, glossary)
    span = None if listed else span
    picked = [(row, best.passage) for row in rows] or listed or [(s.unit, s.passage) for s in chosen]
    yield from in_form(compose(question, picked, passages, span=span), asked_form(question))
    if wanted:
        yield f"\n\n{ASK_BACK} {wanted}"
    elif other := None if listed else _other_case(question, chosen, glossary):
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
    first, listed, asked = passages[chosen[0][1]], bool(asked_form(question)), matter(question)
    language = language_of(question, chosen[0][0].said)
    lead = lead_of(asked, chosen[0][0], language, about=f"{first.title} {first.section}")
    lead = lead or _few_words(asked, chosen, span)
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
            whole_list=not nth and _lists_the_way(asked, group[0], passage),
        )


def _few_words(question: str, chosen: Sequence[tuple[Unit, int]], span: Span | None) -> str:
    """The short answer; "" where it is but one of several items or rows."""
    (best, of), *rest = chosen
    beside = [unit for unit, place in rest if unit.block == best.block and place == of]
    if beside and (best.kind == "item" or all(_names_row(question, row) for row in (best, *beside))):
        return ""
    return short_answer(question, best, span) or ("" if beside else only_cell(question, best))


def _names_row(question: str, unit: Unit) -> bool:
    """Whether the question says what a row is about: two cities asked for have two prices, and none of them alone is the answer."""
    return bool(set(content_words(question)) & set(content_words(unit.subject)))


def _list_asked_for(question: str, passages: Sequence[Passage], glossary: Glossary) -> list[tuple[Unit, int]]:
    """The items of a short list whose intro says all that the question names, or, where all are wanted, whose heading does."""
    asked = set(content_words(glossary.plain(_WANTS_ALL.sub(" ", question)))) - ASKS_HOW_MUCH
    if len(asked) < _NAMES_A_LIST:
        return []
    for place, passage in enumerate(passages[:TABLES_OF]):
        heading = passage.section.rsplit(" > ", 1)[-1]
        own = set(content_words(glossary.plain(heading)))
        titled = asked <= own | set(content_words(glossary.plain(passage.title))) and len(asked & own) > 1
        for _, block in groupby(units(passage.text), key=lambda unit: (unit.block, unit.kind)):
            items = list(block)
            intro = set(content_words(glossary.plain(items[0].head)))
            named = asked <= intro and len(asked) >= _MOST_OF_INTRO * len(intro)
            named = named or (titled and bool(_WANTS_ALL.search(question)))
            if named and items[0].kind == "item" and len(items) <= MOST_ROWS:
                return [(item, place) for item in items]
    return []


def _lists_the_way(question: str, unit: Unit, passage: Passage) -> bool:
    """Whether what was asked is how to go about something, and the unit is one item of a list that its intro or heading says is about it."""
    if unit.kind != "item" or not asks_for_a_way(question):
        return False
    about = unit.head or passage.section.rsplit(" > ", 1)[-1]
    return bool(set(content_words(question)) & set(content_words(about)))


def _by_passage(chosen: Sequence[tuple[Unit, int]]) -> list[tuple[int, list[Unit]]]:
    order = list(dict.fromkeys(place for _, place in chosen))
    return [(place, [unit for unit, of in chosen if of == place]) for place in order]
