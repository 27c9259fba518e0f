"""Where the answer depends on something that the question does not say: which rows to show, and what to ask back.

A person who asks "How long is the notice period?" of a table with a row for each grade gets the whole table, and is asked
which grade it is. A question that names its case gets that row alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from assistant.quote_signals import quantities, range_fit
from assistant.units import Unit, cells, units
from assistant.words import Language, content_words, language_of
from core.records import Passage
from retrieval.glossary import Glossary

MOST_ROWS = 10
"""A table of more rows is not shown whole: the question alone is asked back."""
_ASK: Mapping[Language, str] = {
    "en": "Which {} do you mean?",
    "es": "¿A qué caso se refiere ({})?",
    "de": "Um welchen Fall geht es ({})?",
}
_WHICH: Mapping[Language, str] = {
    "en": "Do you mean “{}” or “{}”?",
    "es": "¿Se refiere a «{}» o a «{}»?",
    "de": "Meinen Sie „{}“ oder „{}“?",
}


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
    """The question that asks for the missing case, by the name of the table's first column."""
    column = cells(unit.head)[0].replace("*", "").strip() if unit.head else ""
    return _ASK[language_of(question)].format(column.lower() if column[1:].islower() else column) if column else ""


def ask_for_document(question: str, one: Passage, other: Passage) -> str:
    return _WHICH[language_of(question)].format(one.title, other.title)
