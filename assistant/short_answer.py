"""The few words that answer, as they may stand first and in bold: whole phrases, with what limits them and their unit.

A reader's span can begin after "up to" and end in the middle of a name; a table's cell can be a bare number. What is said
here stands in the passage word for word, or is a cell with its column's unit.
"""

from __future__ import annotations

import re

from assistant.readable import plain
from assistant.units import Unit
from assistant.words import content_words, language_of
from assistant.yes_no import asks_yes_or_no
from retrieval.glossary import Glossary

Span = tuple[float, str]
"""Margin and words of a unit's best span."""

LONGEST_LEAD = 12
"""Words that a short answer may have."""
MOST_OF_UNIT = 0.6
"""A span that is more of its unit than this needs no lead: the sentence is short enough by itself."""
LEAST_MARGIN = 0.0
"""A span is a lead where the reader prefers it to "no answer in this passage"."""
EDGES = " ,;:.()[]\"'“”„«»|–—-"
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
_LIMITS = re.compile(
    r"(?:\b(?:up to|at (?:least|most)|(?:no |not )?(?:more|less|fewer|later|earlier|longer) than|a (?:minimum|maximum) of|within|above|below|over|under|only|about|around|never|not|"
    r"bis zu|mindestens|höchstens|maximal|innerhalb von|mehr als|weniger als|nicht|nur|hasta|al menos|como (?:máximo|mínimo)|más de|menos de|no|solo)"
    r"(?: (?:the|a|an|eine?[nmrs]?|una?))?\s+)+$",
    re.IGNORECASE,
)
"""What stands before a figure and changes what it says."""
_UNIT = re.compile(
    r"\s?(?:%|€|£|\$|°C\b)|\s(?:(?:working|calendar|business|full|half|additional|consecutive|kilo|natürliche|días)\s)?"
    r"(?:days?|weeks?|months?|years?|hours?|minutes?|seconds?|times|per ?cent|pounds?|euros?|dollars?|miles|kilometres|kilograms|characters|GB|MB|kg|km|"
    r"Tage?n?|Wochen?|Monate?n?|Jahre?n?|Stunden?|Minuten?|Euro|días?|semanas?|meses|mes|años?|horas?|minutos?)\b"
)
"""What a figure counts, right after it."""
_COUNTED = re.compile(
    r"\b(?:(?:working|calendar|business) )?(?:days|weeks|months|years|hours|minutes)\b", re.IGNORECASE
)
_CAPITAL_AFTER = re.compile(r"(?:[ -][A-Z][\w-]*)+")
_CAPITAL_BEFORE = re.compile(r"(?:\b[A-Z][\w-]*[ -])+$")
_ALTERNATIVE = re.compile(r"[,;] | (?:or|and|but|oder|und|aber|o|y|e|pero) ")
_ENDS_IN_A_FIGURE = re.compile(r"\d[.\s]*$")
_BARE = re.compile(r"\d[\d.,]*")


def short_answer(question: str, unit: Unit, span: Span | None) -> str:
    """The reader's span as a sentence of its own, or "" where it says no more or less than the unit."""
    if span is None or span[0] < LEAST_MARGIN or asks_yes_or_no(question) or _ASKS_FOR_A_WAY.search(question):
        return ""
    if unit.kind == "row":
        words = _within_a_cell(span[1], unit).strip(EDGES)
    elif _figure_of_another_case(question, unit, span[1]):
        return ""
    else:
        words = _whole(span[1].strip(EDGES), plain(unit.text)).strip(EDGES)
    count = len(words.split())
    if bool(_ASKS_FOR_A_FIGURE.search(question)) > bool(_FIGURE.search(words)):
        return ""
    if _ASKS_WHO.search(question) and not re.search(r"[^\W\d_]{3}", words):
        return ""
    if not words or count > LONGEST_LEAD or (unit.kind == "sentence" and count > MOST_OF_UNIT * len(unit.text.split())):
        return ""
    if not set(content_words(words)) - set(content_words(question)) and not re.search(r"\d", words):
        return ""  # it repeats the question
    return _said(_with_its_unit(words, unit))


def cell(question: str, unit: Unit, glossary: Glossary) -> str:
    """The value of a row in the column that the question names, as a sentence; "" where it names none, or several alike."""
    asked = set(content_words(glossary.plain(question)))
    named = [(len(asked & set(content_words(glossary.plain(name)))), value) for name, value in unit.pairs()[1:] if name]
    best = max((count for count, _ in named), default=0) if unit.kind == "row" else 0
    values = [value for count, value in named if count == best]
    return f"{values[0].rstrip('.')}." if best and len(values) == 1 else ""


def only_cell(question: str, unit: Unit) -> str:
    """What a row of two columns says of its case, short enough to lead."""
    pairs = unit.pairs() if unit.kind == "row" else []
    if len(pairs) != 2 or asks_yes_or_no(question) or _ASKS_FOR_A_WAY.search(question):
        return ""
    words = plain(pairs[1][1]).strip(EDGES)
    fits = bool(_FIGURE.search(words)) if _ASKS_FOR_A_FIGURE.search(question) else bool(_ASKS_WHO.search(question))
    return _said(_with_its_unit(words, unit)) if fits and 0 < len(words.split()) <= LONGEST_LEAD else ""


def asks_for_a_way(question: str) -> bool:
    return bool(_ASKS_FOR_A_WAY.search(question))


def one_of_several(question: str, unit: Unit, span: Span, glossary: Glossary) -> bool:
    """Whether the span lies in one of a row's cells that hold such a figure each, and the question names no column: any of them may be meant."""
    if unit.kind != "row":
        return False
    words = _within_a_cell(span[1], unit).strip(EDGES)
    others = {_FIGURES.sub("#", value) for name, value in unit.pairs()[1:] if name and words not in value}
    return bool(_FIGURES.search(words)) and _FIGURES.sub("#", words) in others and not cell(question, unit, glossary)


def _whole(words: str, text: str) -> str:
    """The words with what limits them before, and with their unit or the rest of a name after."""
    start = text.find(words)
    if not words or start < 0:
        return words
    before, after = text[:start], text[start + len(words) :]
    if words[0].isdigit() or words[0] in "£€$":
        limits = _LIMITS.search(before)
        words = f"{limits[0] if limits else ''}{words}"
    if words[-1].isdigit() and (counted := _UNIT.match(after)):
        return words + counted[0]
    if language_of(text) == "de":  # its nouns are all in capitals
        return words
    if words.split()[-1][:1].isupper() and (name := _CAPITAL_AFTER.match(after)):
        words += name[0]
    if words[0].isupper() and (name := _CAPITAL_BEFORE.search(before)) and content_words(name[0]):
        words = name[0] + words
    return words


def _figure_of_another_case(question: str, unit: Unit, words: str) -> bool:
    """Whether another part of the sentence gives a figure of the same kind, and says more of what was asked: "buy up to 5 days or sell 3 days"."""
    text, found = plain(unit.text), _FIGURES.search(words)
    start = text.find(words)
    if start < 0 or found is None:
        return False
    after = [word for word in content_words(text[start + found.start() :]) if not word[0].isdigit()]
    counts = after[0] if after else ""
    asked = set(content_words(question)) - {counts}
    ends = [*(match.start() for match in _ALTERNATIVE.finditer(text)), len(text)]
    parts = [text[low:end] for low, end in zip([0, *ends], ends, strict=False)]
    at = next(n for n, end in enumerate(ends) if start < end)
    own = asked & set(content_words(parts[at]))
    for n, part in enumerate(parts):
        shared = asked & set(content_words(part))
        named = len(shared) > len(own) or any(word[0].isdigit() for word in shared - own)
        if named and counts in content_words(part) and _FIGURES.search(part):
            return True
        if n > at and _ENDS_IN_A_FIGURE.search(part) and shared - own:  # "Bristol has 14 first aiders, Hamburg has 22"
            return True
    return False


def _within_a_cell(words: str, unit: Unit) -> str:
    """The words of a row's span that stand in its last cell; "" where they are a piece of what the row is about ("Lost" of "Lost or stolen")."""
    value = words.rsplit("; ", 1)[-1].rsplit(": ", 1)[-1]
    return "" if value in unit.subject and len(value.strip(EDGES)) < len(unit.subject.strip(EDGES)) else value


def _with_its_unit(words: str, unit: Unit) -> str:
    """A bare number of a table has its unit in its column's name: "3" under "Paid days" is "3 days"."""
    if unit.kind != "row" or not _BARE.fullmatch(words):
        return words
    names = [plain(name) for name, value in unit.pairs()[1:] if name and plain(value).strip(EDGES) == words]
    counted = _COUNTED.search(names[0]) if len(names) == 1 else None
    if counted is None:
        return words
    said = counted[0].lower()
    return f"{words} {said.removesuffix('s') if words == '1' else said}"


def _said(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}." if words else ""
