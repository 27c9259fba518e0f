"""What speaks for quoting a part of a passage: the signals that `assistant/quote.py` weighs, and their weights.

The weights are fitted by `scripts/fit_quote.py` on the demo's questions, and checked by fitting on one half of the
questions and measuring on the other (docs/LOG.md).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assistant.units import Unit
from assistant.words import content_words, words
from core.records import Passage
from retrieval.glossary import Glossary

WEIGHTS: Mapping[str, float] = {
    "closeness": 8.2,
    "own_words": 3.5,
    "head_words": 1.7,
    "around_words": 2.0,
    "names": 0.3,
    "other_row_named": -2.2,
    "in_range": 2.3,
    "out_of_range": -1.2,
    "passage": 1.6,
    "rank": 2.5,
    "says_when": 1.9,
    "says_who": 1.1,
    "says_whether": 0.3,
    "about_itself": -1.1,
    "row": 1.2,
    "length": 0.8,
}
"""Signal to weight; the softmax of a question's weighted sums is the chance of each unit to hold the answer."""
SIGNALS = tuple(WEIGHTS)

_ASKED = {
    "says_when": re.compile(
        r"\bwhen\b|\bhow (?:long|early|soon|quickly|late|far in advance|often)\b|\bdeadline\b|\buntil\b|\bwann\b|\bwie (?:lange|oft|früh)\b|\bcuándo\b|\bcuánto tiempo\b",
        re.IGNORECASE,
    ),
    "says_who": re.compile(
        r"\bwho(?:m|se)?\b|\bwer\b|\bwem\b|\bwen\b|\bquién\b|\bsigns? off\b|\bapprov", re.IGNORECASE
    ),
    "says_whether": re.compile(
        r"^[¿\s]*(?:can|may|do|does|is|are|am|must|should|will|kann|darf|muss|ist|sind|gibt|puedo|puede|hay|es|tengo)\b|\b(?:can|may|am|do) (?:i|we)\b",
        re.IGNORECASE,
    ),
}
_SAYS = {
    "says_when": re.compile(
        r"\d|\b(?:before|after|until|within|every|monday|tuesday|wednesday|thursday|friday|january|february|march|april|june|july|august|september|october|november|december|bis|vor|innerhalb|antes|hasta)\b",
        re.IGNORECASE,
    ),
    "says_who": re.compile(
        r"@|\b(?:team|manager|head|director|officer|desk|owner|sponsor|committee|department|chief|cfo|ceo|leiter|leitung|abteilung|responsable|equipo|dirección)\b",
        re.IGNORECASE,
    ),
    "says_whether": re.compile(
        r"\b(?:may|can|must|not|only|allowed|never|needs?|cannot|no|yes|nicht|nur|kein\w*|darf|dürfen|puede\w*|solo|sólo|nunca)\b",
        re.IGNORECASE,
    ),
}
_ABOUT_ITSELF = re.compile(
    r"^(?:this|the|diese[rs]?|die|der|das|esta|este|el|la)\s+(?:[\w-]+\s+){0,3}?(?:policy|standard|document|guide|page|notice|procedure|schedule|manual|catalogue|rules?|list|regelung|richtlinie|norma|política|documento|guía)\s+(?:\w+\s+)?(?:describes?|covers?|applies|explains?|sets out|shows?|lists?|regulates?|is effective|replaces|gilt|regelt|beschreibt|regula|describe|explica|establece|se aplica)\b",
    re.IGNORECASE,
)
"""A document's sentence about itself: true, and hardly ever what was asked."""
_NUMBER_WORDS = {
    word: str(n)
    for n, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    )
}
_NUMBER_WORD = re.compile(rf"\b(?:{'|'.join(_NUMBER_WORDS)})\b", re.IGNORECASE)
_UNIT = r"(?P<{0}>years?|months?|weeks?|days?|hours?|jahren?|monaten?|wochen?|tagen?|stunden?|años|meses|semanas|días|horas|pounds?|euros?|dollars?)"
_AMOUNT = r"(?P<{0}>[£€$])?\s?(?P<{1}>\d[\d,]*(?:\.\d+)?)"
_QUANTITY = re.compile(
    _AMOUNT.format("sign", "value") + r"(?:\s*(?:working |calendar |full )?" + _UNIT.format("unit") + r"\b)?",
    re.IGNORECASE,
)
_BETWEEN = re.compile(
    _AMOUNT.format("sign", "low")
    + r"\s*(?:years?|months?|weeks?|days?)?\s*(?:to(?: less than)?|bis|hasta|a|–|-|up to)\s*"
    + _AMOUNT.format("sign2", "high")
    + r"\s*"
    + _UNIT.format("unit")
    + "?",
    re.IGNORECASE,
)
_AT_MOST = re.compile(
    r"\b(?:up to|at most|less than|under|below|bis zu|unter|hasta|menos de)\s*"
    + _AMOUNT.format("sign", "value")
    + r"\s*"
    + _UNIT.format("unit")
    + "?",
    re.IGNORECASE,
)
_AT_LEAST = re.compile(
    r"\b(?:more than|above|over|from|at least|mehr als|über|ab|más de|desde)\s*"
    + _AMOUNT.format("sign", "value")
    + r"\s*"
    + _UNIT.format("unit")
    + "?",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"\b(?P<letters>[A-Z]{1,4})-?(?P<number>\d{1,4})\b(?:\s*(?:to|bis|a|–|-)\s*(?P=letters)-?(?P<to>\d{1,4})\b)?"
)
_TOKEN = re.compile(r"[\wÀ-ÿ'’/-]+")


@dataclass(frozen=True, slots=True)
class Range:
    low: float
    high: float
    measure: str


@dataclass(frozen=True, slots=True)
class Bag:
    """The words of a unit, words of one meaning as one: its own, its head's, and those of title and section around it."""

    own: frozenset[str]
    head: frozenset[str]
    around: frozenset[str]

    @classmethod
    def of(cls, unit: Unit, passage: Passage, glossary: Glossary) -> Bag:
        own, head, around = (
            frozenset(content_words(glossary.plain(text)))
            for text in (unit.text, unit.head, f"{passage.title} {passage.section}")
        )
        return cls(own, head - own, around - head - own)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as the signals look at it: its words' weights, its names and codes, its quantities, what it asks for."""

    weights: Mapping[str, float]
    names: frozenset[str]
    quantities: tuple[tuple[float, str], ...]
    wants: frozenset[str]

    @property
    def total(self) -> float:
        return sum(self.weights.values()) or 1.0


def read_question(question: str, bags: Sequence[Bag], glossary: Glossary) -> Asked:
    """The question among the units that may answer it: a word that few of them hold weighs more."""
    holding = Counter(word for bag in bags for word in bag.own | bag.head)
    said = content_words(glossary.plain(question))
    weights = {word: math.log(1 + len(bags) / (1 + holding[word])) for word in said}
    wants = frozenset(name for name, pattern in _ASKED.items() if pattern.search(question))
    return Asked(weights, _names(question), quantities(question), wants)


def signals(
    asked: Asked, unit: Unit, bag: Bag, siblings: Sequence[Unit], *, passage: Passage, place: int, closeness: float
) -> tuple[float, ...]:
    """The values of SIGNALS for one unit.

    Args:
        siblings: the units of the same list, or of the same table, which may go on in another passage.
        place: the passage's place among those found, from 0.
        closeness: cosine of the unit's and the question's embeddings.
    """
    key = ": ".join(unit.pairs()[0]) if unit.kind == "row" and unit.pairs() else unit.said
    fit = range_fit(asked.quantities, key)
    return (
        closeness,
        _share(asked, bag.own),
        _share(asked, bag.head),
        _share(asked, bag.around),
        sum(_named(name, unit) for name in asked.names) / len(asked.names) if asked.names else 0.0,
        float(_other_named(asked, unit, siblings)),
        float(fit > 0),
        float(fit < 0),
        passage.scores.get("dense", 0.0),
        1 / (1 + 0.5 * place),
        *(float(name in asked.wants and bool(_SAYS[name].search(unit.text))) for name in _SAYS),
        float(bool(_ABOUT_ITSELF.match(unit.text))),
        float(unit.kind == "row"),
        min(len(unit.said.split()), 40) / 40,
    )


def quantities(text: str) -> tuple[tuple[float, str], ...]:
    """The amounts of a text with what they measure: `(3.0, "ye")` for years, `(40.0, "£")`, `(7.0, "k")` for the grade K7."""
    digits = _NUMBER_WORD.sub(lambda match: _NUMBER_WORDS[match[0].lower()], text)
    amounts = [(_value(m["value"]), _measure(m["sign"], m["unit"])) for m in _QUANTITY.finditer(digits)]
    return (*amounts, *((float(m["number"]), m["letters"].lower()) for m in _CODE.finditer(text)))


def range_fit(asked: Sequence[tuple[float, str]], text: str) -> int:
    """1 where an amount lies in a range that the text names, -1 where it names ranges and none holds it, 0 without any."""
    pairs = [
        (value, r)
        for value, measure in asked
        for r in ranges(text)
        if measure and (not r.measure or r.measure == measure)
    ]
    if not pairs:
        return 0
    return 1 if any(r.low <= value <= r.high for value, r in pairs) else -1


def ranges(text: str) -> list[Range]:
    """The ranges that a text names, as in "£501 to £2,500", "up to 5 days", "more than 10 years", "K5 to K7" or plain "K5"."""
    found = [
        Range(float(m["number"]), float(m["to"] or m["number"]), m["letters"].lower()) for m in _CODE.finditer(text)
    ]
    found += [
        Range(_value(m["low"]), _value(m["high"]), _measure(m["sign"] or m["sign2"], m["unit"]))
        for m in _BETWEEN.finditer(text)
    ]
    rest = _BETWEEN.sub(" ", text)
    found += [Range(0.0, _value(m["value"]), _measure(m["sign"], m["unit"])) for m in _AT_MOST.finditer(rest)]
    found += [Range(_value(m["value"]), math.inf, _measure(m["sign"], m["unit"])) for m in _AT_LEAST.finditer(rest)]
    return found


def _value(written: str) -> float:
    return float(written.replace(",", ""))


def _measure(sign: str | None, unit: str | None) -> str:
    """£, € or $, or the first letters of the unit of time, the same in its plural and in three languages where they agree."""
    if sign or not unit:
        return sign or ""
    short = unit.lower()[:2]
    return {
        "ja": "ye",
        "añ": "ye",
        "me": "mo",
        "se": "we",
        "wo": "we",
        "ta": "da",
        "dí": "da",
        "st": "ho",
        "po": "£",
        "eu": "€",
        "do": "$",
    }.get(short, short)


def _names(question: str) -> frozenset[str]:
    """Words with a capital inside the question, and codes with a digit: places, products, error numbers, grades."""
    tokens = _TOKEN.findall(question)
    return frozenset(
        word.lower()
        for at, word in enumerate(tokens)
        if any(c.isdigit() for c in word) or (at > 0 and word[0].isupper() and word.split("'")[0] not in ("I", "I’m"))
    )


def _named(name: str, unit: Unit) -> bool:
    return name in words(unit.said) or (len(name) > 3 and name in unit.said.lower())


def _other_named(asked: Asked, unit: Unit, siblings: Sequence[Unit]) -> bool:
    """Whether another row or item of the same table or list carries a name of the question, and this one carries none."""
    if unit.kind == "sentence" or any(name in unit.text.lower() for name in asked.names):
        return False
    return any(name in other.text.lower() for other in siblings for name in asked.names)


def _share(asked: Asked, held: frozenset[str]) -> float:
    return sum(weight for word, weight in asked.weights.items() if word in held) / asked.total
