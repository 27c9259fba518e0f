"""Whether one sentence of an answer is supported by the passages that it cites: words covered, numbers and negations exact.

A sentence is withheld (`drop`) with the rule

    uncited    it makes a statement and cites no passage
    overlap    less than THRESHOLD of its content words stand in the cited passages, their titles or section headings
    number     one of its numbers does not stand there with the same currency, percent sign or unit, beside a word of the sentence
    negation   it says yes where the best matching clause says no, or the other way round

The verdict's score is the share of content words covered. It costs well under a millisecond, needs no model and fails closed. A
sentence that stands in a passage word for word is supported. A paraphrase, of which fewer words are covered, is supported where a
cross-encoder that reads sentence and passage together says so; without one it is withheld. Numbers and negations hold in any case.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from core.records import Passage, Verdict

THRESHOLD = 0.7
"""Share of content words that must be covered. A quoted sentence has 1.0; tests/guardrails/test_grounding.py holds the cases."""

PARAPHRASE_WORDS, PARAPHRASE_SUPPORT = 0.4, 0.7
"""Least share of content words and least probability of the cross-encoder at which a paraphrase is supported: on 572 statements made of
ConditionalQA they let 40 % of the supported ones through instead of 32 %, and 10 % instead of 9 % of those with another passage of the
same page (`python -m training.grounding`)."""

_LIST_NUMBER = re.compile(
    r"^\s*\d{1,2}[.)]\s+(?!(?:Jan|Feb|Mär|Apr|Mai|Jun|Jul|Aug|Sep|Okt|Nov|Dez)\w*\b)(?=\S)", re.IGNORECASE
)
"""The number of a list's item says nothing; that of a German date does."""
_YES_NO = frozenset(["yes", "no", "si", "ja", "nein"])
_CONDITIONAL = frozenset(["under conditions", "con condiciones", "unter bedingungen"])
"""The lead of an answer that is neither yes nor no: the condition itself stands in the sentence after it."""
_LEAD = re.compile(r"\s*\*\*([^*\n]+?)[.!?]?\*\*\s+(\S.*)", re.DOTALL)
_MARKER = re.compile(r"\[\d{1,3}(?:, ?\d{1,3})*\]")
_MARKS = re.compile(r"[*_`#>]+")
_LINK = re.compile(r"!?\[([^\]]{0,500})\]\([^)]{0,500}\)|<?https?://\S+")
_NUMBER = re.compile(
    r"(?P<sign>[£$€]|\b(?:gbp|eur|usd) ?)?(?<!\d)(?P<value>\d{1,3}(?:[.,' ]\d{3})+(?:[.,]\d{1,2})?(?!\d)|\d+(?:[.,]\d+)?)(?P<after> ?(?:%|£|\$|€)|(?:st|nd|rd|th)\b)?"
)
_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_SENTENCE = re.compile(
    r"(?<=[.!?])(?!\s(?:januar|februar|marz|april|mai|juni|juli|august|september|oktober|november|dezember)\b)\s+|\n+"
)
"""Where a sentence ends; "1. Januar" is no end."""
_CLAUSE = re.compile(
    r"(?<=[.!?;:])\s+|\n+|\||, (?=but\b|and\b|or\b|aber\b|und\b|sondern\b|pero\b|sino\b|y\b|although\b|while\b|whereas\b|provided\b)| but | aber | pero | sondern "
)

_STOP_WORDS = """
a about above after again all also am an and any are as at be because been before being below between both by can could did do does doing
during each few for from further had has have having he her here hers him his how i if in into is it its itself just may me might more most must my
of off on once only or other our ours out over own same shall she should so some such than that the their theirs them then there these they
this those through to too under until up upon very was we were what when where which while who whom whose why will with would you your yours per via
der die das den dem des ein eine einen einem einer eines und oder aber auch auf aus bei bis da damit dann dass durch er es fur hat haben ich ihr
ihre im in ist kann man mit muss nach noch nur ob oder sich sie sind so uber um unter vom von vor war werden wird wenn wie wir zu zum zur sowie als am an
el la los las un una unos unas y o u de del al a en con por para que se su sus es son fue ser este esta estos estas eso esa como mas pero si cuando donde
lo le les ha han hay puede pueden debe deben muy tambien ya sobre entre hasta desde segun
according stated states says policy document documents source answer following follows please note see applies described per e.g i.e
"""
_STOP = frozenset(_STOP_WORDS.split())

_NEGATION_WORDS = """
not no never none nobody nothing neither nor cannot without unless except excluding excluded
nicht kein keine keinen keinem keiner keines nie niemals ohne weder ausser ausgenommen
nunca jamas sin ningun ninguna ninguno tampoco ni salvo excepto
"""
_NEGATION = frozenset(_NEGATION_WORDS.split())
_CONTRACTED = re.compile(
    r"\b(?:do|does|did|is|are|was|were|has|have|had|ca|could|may|must|need|should|wo|would|might)n['’]?t\b|\bcan['’]t\b"
)
_FORBIDS = re.compile(r"\b(?:prohibited|forbidden|banned|verboten|untersagt|prohibid[oa]s?)\b")
_ALLOWED_PHRASES = re.compile(
    r"\b(?:no later than|not later than|no more than|not more than|no less than|not less than|no fewer than|not only|nicht nur|no solo|spatestens)\b"
)

_WORDS = {
    word: str(value)
    for language in (
        "zero one two three four five six seven eight nine ten eleven twelve",
        "null eins zwei drei vier funf sechs sieben acht neun zehn elf zwolf",
        "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce",
    )
    for value, word in enumerate(language.split())
} | {"twenty": "20", "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "ninety": "90", "hundred": "100"}  # fmt: skip
_UNITS = {
    **dict.fromkeys(("day", "days", "tag", "tage", "tagen", "dia", "dias"), "day"),
    **dict.fromkeys(("week", "weeks", "woche", "wochen", "semana", "semanas"), "week"),
    **dict.fromkeys(("month", "months", "monat", "monate", "monaten", "mes", "meses"), "month"),
    **dict.fromkeys(("year", "years", "jahr", "jahre", "jahren", "ano", "anos"), "year"),
    **dict.fromkeys(("hour", "hours", "stunde", "stunden", "hora", "horas"), "hour"),
    **dict.fromkeys(("minute", "minutes", "minuten", "minuto", "minutos"), "minute"),
    **dict.fromkeys(("percent", "prozent"), "%"),
    **dict.fromkeys(("mile", "miles"), "mile"),
    **dict.fromkeys(("km", "kilometre", "kilometres", "kilometer", "kilometers"), "km"),
    **dict.fromkeys(("gb", "gigabyte", "gigabytes"), "gb"),
    **dict.fromkeys(("pound", "pounds", "gbp"), "£"),
    **dict.fromkeys(("euro", "euros", "eur"), "€"),
    **dict.fromkeys(("dollar", "dollars", "usd"), "$"),
}  # fmt: skip
_UNIT_REACH = 2
"""Words between a number and its unit, as in "27 paid working days"."""


class Support(Protocol):
    """What the composition root hands in: `retrieval.rerank.CrossEncoder.score`."""

    def __call__(self, question: str, passages: Sequence[Passage], /) -> Sequence[float]:
        """How likely each passage is to answer, in (0, 1)."""
        ...


@dataclass(frozen=True, slots=True)
class _Number:
    """A value in plain digits, its unit ("" where none is said) and the unit of text that it stands in."""

    value: str
    unit: str


class Grounding:
    """The guard of one answer sentence and the passages that it cites.

    Args:
        threshold: least share of content words that the passages must hold.
        support: reads a sentence and a passage together, where a cross-encoder is loaded.
    """

    name = "grounding"

    def __init__(self, threshold: float = THRESHOLD, support: Support | None = None) -> None:
        self._threshold = threshold
        self._support = support

    def check(self, text: str, passages: Sequence[Passage] = ()) -> Verdict:
        sentence = _plain(_LIST_NUMBER.sub("", text))
        words, numbers = _content(sentence), _numbers(sentence)
        if not words and not numbers:
            return Verdict(self.name, "allow", text, score=1.0)
        if not passages:
            return Verdict(self.name, "drop", text, rule="uncited")
        if any(_quoted(text, sentence, _spaced(_plain(p.text))) for p in passages):
            return Verdict(self.name, "allow", text, score=1.0)
        source = _source(passages)
        covered = min(_covered(words, source), _lead_covered(text, source))
        rule = (
            "overlap" if covered < min(self._threshold, PARAPHRASE_WORDS if self._support else 1.0)
            else "number" if not all(_number_holds(n, words, source) for n in numbers)
            else "negation" if not _polarity_holds(sentence, source)
            else "overlap" if covered < self._threshold and not self._is_paraphrase(sentence, passages)
            else ""
        )  # fmt: skip
        return Verdict(self.name, "drop" if rule else "allow", text, rule=rule, score=round(covered, 3))

    def _is_paraphrase(self, sentence: str, passages: Sequence[Passage]) -> bool:
        scores = self._support(" ".join(sentence.split()), passages) if self._support else ()
        return max(scores, default=0.0) >= PARAPHRASE_SUPPORT


def coverage(sentence: str, passages: Sequence[Passage]) -> float:
    """The share of the sentence's content words that stand in the passages, their titles or section headings."""
    return _covered(_content(_plain(sentence)), _source(passages))


def _source(passages: Sequence[Passage]) -> str:
    return "\n".join(_plain(f"{p.title}\n{p.section}\n{p.text}") for p in passages)


def _covered(words: frozenset[str], source: str) -> float:
    known = _content(source)
    return sum(w in known for w in words) / len(words) if words else 1.0


def _plain(text: str) -> str:
    """Lower case, accents off, citation markers, links and markdown marks removed; lines kept."""
    shown = _LINK.sub(lambda m: m.group(1) or "", _MARKER.sub("", text))
    return _MARKS.sub("", shown if shown.isascii() else _without_accents(shown)).lower()


def _without_accents(text: str) -> str:
    bare = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return "".join(c for c in bare if not unicodedata.combining(c))


def _lead_covered(text: str, source: str) -> float:
    """The same for a short answer in bold by itself: among a long sentence's words its own would not count. 1 for a yes or no."""
    lead = _LEAD.match(text)
    words = _content(_plain(lead[1])) - _YES_NO if lead else frozenset()
    return _covered(words, source) if words else 1.0


def _quoted(text: str, sentence: str, source: str) -> bool:
    """Whether a sentence stands in a passage word for word; with a short answer in bold before it, whether both do."""
    if _spaced(sentence) in source:
        return True
    lead = _LEAD.match(text)
    if lead is None:
        return False
    short, rest = (_spaced(_plain(part)).strip(" .") for part in lead.groups())
    return rest in source and (short in source or short in _CONDITIONAL)


def _spaced(text: str) -> str:
    """One space between words, so that a quote is found across line ends."""
    return f" {' '.join(text.split()).strip(' .!?')} "


def _content(text: str) -> frozenset[str]:
    """Stems of the words that carry meaning: no stop words, no negations, no numbers, no units."""
    return frozenset(
        _stem(w)
        for w in _TOKEN.findall(text)
        if len(w) > 1
        and w not in _STOP
        and w not in _NEGATION
        and w not in _WORDS
        and not w[0].isdigit()
        and w not in _UNITS
    )


@lru_cache(maxsize=20_000)
def _stem(word: str) -> str:
    """The word without a common ending, so that inflected forms meet; the same for English, German and Spanish."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word


_ENDINGS = ("'s", "’s", "ments", "ment", "ations", "ation", "ungen", "ung", "iones", "ion", "ings", "ing", "ies", "ied", "ers", "er", "ed", "es", "en", "em", "os", "as", "al", "s", "e", "y", "n", "o", "a")  # fmt: skip


def _numbers(text: str) -> list[_Number]:
    found = []
    for match in _NUMBER.finditer(text):
        sign = (match["sign"] or match["after"] or "").strip()
        unit = {"gbp": "£", "eur": "€", "usd": "$"}.get(sign, sign if sign in ("£", "$", "€", "%") else "")
        found.append(_Number(_value(match["value"]), unit or _unit_after(text[match.end() :])))
    spelt = (match for match in _TOKEN.finditer(text) if match.group() in _WORDS)
    return found + [_Number(_WORDS[m.group()], _unit_after(text[m.end() :])) for m in spelt]


def _value(written: str) -> str:
    """Plain digits with a decimal point: 1,250.50 and 1.250,50 and 1 250.50 are one number."""
    body = written.replace(" ", "").replace("'", "")
    whole, mark, decimals = body.rpartition("." if body.rfind(".") > body.rfind(",") else ",")
    if mark and (len(decimals) != 3 or (whole.count(".") + whole.count(",") == 0 and whole == "0")):
        return f"{re.sub(r'[.,]', '', whole)}.{decimals}".rstrip("0").rstrip(".")
    return re.sub(r"[.,]", "", body).lstrip("0") or "0"


def _unit_after(rest: str) -> str:
    """The unit within the next few words of the same clause."""
    clause = re.split(r"[.;:!?()|\n]|, ", rest[:60], maxsplit=1)[0]
    for word in _TOKEN.findall(clause)[: _UNIT_REACH + 1]:
        if word[0].isdigit():
            break
        if word in _UNITS:
            return _UNITS[word]
    return ""


def _number_holds(number: _Number, words: frozenset[str], source: str) -> bool:
    """Whether a line or sentence about what the sentence says has the number, with no other unit.

    About what it says: it shares half as many words with the sentence as the closest line does, where the line before it
    counts too; a table row needs one shared word, because its columns are named elsewhere.
    """
    lines = [line.strip() for line in _SENTENCE.split(source) if line.strip()]
    near = [len(_content(f"{before} {line}") & words) for before, line in zip(["", *lines], lines, strict=False)]
    most = max(near, default=0)
    for line, shared in zip(lines, near, strict=True):
        row = line.count("|") > 1
        close = bool(_content(line) & words) if row else shared >= 0.5 * most
        if (close or not words) and any(_same(number, other, source) for other in _numbers(line)):
            return True
    return False


def _same(number: _Number, other: _Number, source: str) -> bool:
    """Equal values whose units agree; a table cell has its unit in the heading, so none there is any that the source names."""
    if number.value != other.value:
        return False
    if not number.unit or number.unit == other.unit:
        return True
    return not other.unit and any(_UNITS.get(w) == number.unit for w in _TOKEN.findall(source)) | (
        number.unit in source
    )


def _polarity_holds(sentence: str, source: str) -> bool:
    """Whether each clause of the sentence is negated just as a clause of the source that says the same.

    A source clause about as close as the closest may answer for it; a negation elsewhere in the passage may not. Two
    negations in a clause make none.
    """
    told = [(_content(clause), _negated(clause)) for clause in _clauses(source)]
    for clause in _clauses(sentence):
        words = _content(clause)
        overlaps = [(len(words & known), negated) for known, negated in told]
        best = max((n for n, _ in overlaps), default=0)
        if best >= 2 and not any(n >= 0.7 * best and negated == _negated(clause) for n, negated in overlaps):
            return False
    return True


def _clauses(text: str) -> Iterator[str]:
    return (clause for clause in _CLAUSE.split(text) if clause.strip())


def _negated(clause: str) -> bool:
    meant = _ALLOWED_PHRASES.sub(" ", clause)
    count = len(_CONTRACTED.findall(meant)) + len(_FORBIDS.findall(meant))
    return (count + sum(word in _NEGATION for word in _TOKEN.findall(meant))) % 2 == 1
