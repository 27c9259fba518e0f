"""Where the answer depends on something that the question does not say: which rows to show, and what to ask back.

A person who asks "How long is the notice period?" of a table with a row for each grade gets the whole table, and is asked
which grade it is. A question that names its case gets that row alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from assistant.quote_signals import quantities, range_fit
from assistant.units import Unit, units
from assistant.words import Language, content_words, language_of, numbers, stem
from core.markdown import cells
from core.records import Passage
from retrieval.glossary import Glossary

MOST_ROWS = 10
"""A table of more rows is not shown whole: the question alone is asked back."""
_ASK: Mapping[Language, str] = {
    "en": "Which {} do you mean?",
    "es": "¿A qué caso se refiere ({})?",
    "de": "Um welchen Fall geht es ({})?",
}
_ASK_ANY: Mapping[Language, str] = {
    "en": "Which of these cases do you mean?",
    "es": "¿A cuál de estos casos se refiere?",
    "de": "Um welchen dieser Fälle geht es?",
}
_DATED = re.compile(r"\s+(?:on|in|at|as of|from|until|by|am|im|zum|ab|bis|el|en|a)\s+\d[^,;()]*$", re.IGNORECASE)
"""The end of a column's name that says of when it is: "Years of service on 1 January"."""
_WHICH: Mapping[Language, str] = {
    "en": "Do you mean “{}” or “{}”?",
    "es": "¿Se refiere a «{}» o a «{}»?",
    "de": "Meinen Sie „{}“ oder „{}“?",
}
_MEANT: Mapping[Language, str] = {
    "en": "What do you mean by “{}”: which product, document or case?",
    "es": "¿A qué se refiere con «{}»: a qué producto, documento o caso?",
    "de": "Was meinen Sie mit „{}“: welches Produkt, welche Unterlagen oder welchen Fall?",
}
_REFERS = re.compile(
    r"\b(?P<en>it|(?:this|that|these|those)(?= *(?:[?,.]|$|takes?\b|costs?\b|lasts?\b|works?\b|appl(?:y|ies)\b|mean\b|happens?\b|be\b)))\b"
    r"|\b(?P<de>das(?! +(?:\w+ )?[A-ZÄÖÜ])|es)\b|\b(?P<es>eso|esto|lo(?! (?:que|más|mas)\b))\b"
)
"""A word that stands for what was said before: `das` not before a noun, `lo` not before `que`."""
_STANDS_FOR_NOTHING = re.compile(
    r"\bit(?:'s| is| was)?(?: \w+){0,3} (?:to|that|if|when|for)\b|\b(?:is|was|will|would) it (?:\w+ )?(?:ok|okay|allowed|possible|true|late|cold|hot|dark)\b|"
    r"\b(?:gibt|ist|geht|war|wird) es\b|\bes (?:gibt|ist|geht)\b|\b(?:a|por) lo\b",
    re.IGNORECASE,
)
_NAMED_BEFORE = re.compile(
    r"[.!?,;:] |\b(?:a|an|the|my|our|your|der|die|den|dem|eine?[mnrs]?|meine?[mnrs]?|unsere?[mnrs]?|el|la|los|las|una?|mis?|nuestr[oa]s?) +\w+",
    re.IGNORECASE,
)
_OBLIGES = re.compile(r"\b(?:ha[sv]e?|need)s? to\b", re.IGNORECASE)
MOST_BESIDES = 3
"""Words that carry meaning beside one that stands for something: with more, the question says enough to be looked up."""
SHORT = 3
"""Words that carry meaning of a question that names no case."""
_HOW_MUCH = "long often time mean means high far old soon fast quickly lang lange oft hoch dauert dura duran"
"""Words that ask for a value and name nothing."""
ASKS_HOW_MUCH = frozenset(map(stem, _HOW_MUCH.split()))
TABLES_OF = 5
"""The best so many passages are looked at for a table of cases."""


def ask_what_is_meant(question: str) -> str:
    """The question that asks what "it" is, where a first question says no more; "" where it says enough."""
    found = _REFERS.search(question)
    if found is None or len(set(content_words(question))) > MOST_BESIDES:
        return ""
    language = language_of(question)
    if _NAMED_BEFORE.search(question[: found.start()]):
        return ""
    if found.lastgroup != language or _STANDS_FOR_NOTHING.search(_OBLIGES.sub("must", question)):
        return ""
    return _MEANT[language].format(found.group())


def table_of_cases(question: str, passages: Sequence[Passage], glossary: Glossary) -> tuple[int, Unit] | None:
    """The first row, with its passage's place, of a table that is about all that a short question names, and none of whose rows it names.

    Its cases are what the question left open: a sentence beside the table, on an exception, is no answer.
    """
    asked = set(content_words(glossary.plain(question))) - ASKS_HOW_MUCH
    if not 0 < len(asked) <= SHORT:
        return None
    for place, passage in enumerate(passages[:TABLES_OF]):
        about = f"{passage.title} {passage.section}"
        for unit in units(passage.text):
            if unit.kind != "row" or not asked <= set(content_words(glossary.plain(f"{about} {unit.head}"))):
                continue
            if open_rows(question, unit, passage, glossary):
                return place, unit
    return None


def open_rows(question: str, unit: Unit, passage: Passage, glossary: Glossary) -> tuple[Unit, ...]:
    """All rows of the unit's table where the question names none of them; empty where it names one, and outside tables."""
    if unit.kind != "row":
        return ()
    rows = tuple(other for other in units(passage.text) if other.kind == "row" and other.block == unit.block)
    if len(rows) < 2 or range_fit(quantities(question), unit.text) > 0:
        return ()
    said = [set(content_words(glossary.plain(row.text))) for row in rows]
    in_rows = Counter(word for words in said for word in words)
    telling = {word for word, count in in_rows.items() if 2 * count <= len(rows)}
    return () if telling & set(content_words(glossary.plain(question))) else rows


def ask_for_row(question: str, unit: Unit) -> str:
    """The question that asks for the missing case, by the name of the table's first column, less a date in it.

    A question that is asked back cites nothing, so it may hold no figure.
    """
    language = language_of(question)
    column = _DATED.sub("", cells(unit.head)[0].replace("*", "").strip() if unit.head else "")
    if not column:
        return ""
    if numbers(column):
        return _ASK_ANY[language]
    return _ASK[language].format(column.lower() if column[1:].islower() else column)


def ask_for_document(question: str, one: Passage, other: Passage) -> str:
    return _WHICH[language_of(question)].format(one.title, other.title)
