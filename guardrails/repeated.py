"""Personal data that stand in a source, found again where an answer repeats them without the words that say what they are.

    data = [Datum("PASSWORD", "hunter2hunter2", 0.8)]
    repeats("**Hunter2hunter2.** Ask the desk.", data)      the lead, as an entity

A short answer in bold, a table's cell or a list's item seldom says "password" or "born": its sentence, its table's head and the
passage do. `readings` lets the recognisers see a cell under its name and a value beside its label; `repeats` compares letters and
digits alone, so that case, spaces and signs between them do not matter.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from core.markdown import cells
from core.records import Entity

_SEPARATOR = re.compile(r"\s*\|?(?:\s*:?-{1,}:?\s*\|)+(?:\s*:?-{1,}:?)?\s*")
_EMPHASIS = re.compile(r"\*\*|__|`")
_IN_BRACKETS = re.compile(r"\([^()\n]{0,80}\)")
_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s+")
_VALUE = re.compile(r"[\d@]")
_SORT_CODE = re.compile(r"\bsort\b|bankleitzahl|\bblz\b", re.IGNORECASE)
_LABEL = 80
"""Characters that a label or a value in a line of its own may have."""
_BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*")
_CELL = re.compile(r"[^|\n]{1,400}")
_MARKER = re.compile(r"\[\d{1,3}\]")
_NUMBER = re.compile(r"\d[\d .\-/]*\d")
_MAY_REPEAT = re.compile(r"\d|@|\w{16}")
LEAST = 4
"""Letters and digits of a datum, or of a part of one, that can be told again."""
_LEAST_PART = 6
"""Those of a part that is no word of the datum by itself, as the last two groups of a card's number."""


@dataclass(frozen=True, slots=True)
class Datum:
    """One datum of a source.

    Attributes:
        value: as it is written there.
        private: whether words near it say that it is a person's own (`guardrails.pii`).
    """

    type: str
    value: str
    score: float
    private: bool = False


@dataclass(frozen=True, slots=True)
class Repeat:
    """A place of the text that repeats a datum, or says a part of it by itself."""

    entity: Entity
    datum: Datum
    whole: bool


def may_repeat(text: str) -> bool:
    """Whether a text can repeat a number, an address or a secret at all: nearly all of them hold a digit."""
    return _MAY_REPEAT.search(_MARKER.sub("", text)) is not None


def readings(text: str, section: str = "") -> Iterator[str]:
    """The text without emphasis, then each value of its tables, lists and forms in a line with its label."""
    plain = _EMPHASIS.sub("", text)
    yield plain
    labelled = dict.fromkeys(_labelled(plain, section))
    if labelled:
        yield "\n".join(labelled)


def _labelled(text: str, section: str) -> Iterator[str]:
    lines = text.split("\n")
    head: list[str] = []
    intro = section.rpartition(" > ")[2]
    for n, line in enumerate(lines):
        if not line.strip():
            continue
        if "|" not in line:
            yield from _under(intro, line)
            intro, head = (line.strip() if line.rstrip().endswith(":") or line.startswith("#") else intro), []
            if not _ITEM.match(line) and intro != line.strip():
                intro = ""
        elif n + 1 < len(lines) and _SEPARATOR.fullmatch(lines[n + 1]):
            head = cells(line)
        elif not _SEPARATOR.fullmatch(line):
            yield from _row(head, cells(line))


def _under(intro: str, line: str) -> Iterator[str]:
    """A line below a heading or an intro line: what stands there alone, or after the line's own label."""
    value = _ITEM.sub("", line, count=1).rpartition(": ")[2].strip()
    if intro and len(value) <= _LABEL and _VALUE.search(value):
        yield f"{_label(intro)}: {value}"


def _row(head: Sequence[str], values: Sequence[str]) -> Iterator[str]:
    """Each cell under its column's name, and beside what its row is about."""
    names = [*head, *[""] * (len(values) - len(head))]
    for n, (name, value) in enumerate(zip(names, values, strict=False)):
        if _VALUE.search(value):
            for label in filter(None, dict.fromkeys((name, values[0] if n else ""))):
                yield f"{_label(label)}: {value}"
            if _SORT_CODE.search(name) and n + 1 < len(values):
                yield f"{value} account {values[n + 1]}"


def _label(text: str) -> str:
    return _IN_BRACKETS.sub("", text).strip(" \t#:.-–*")[-_LABEL:]


@dataclass(frozen=True, slots=True)
class _Letters:
    """The letters and digits of a text in one form, each with its place."""

    text: str
    places: Sequence[int]


def _letters(text: str) -> _Letters:
    if text.isascii():
        places = [n for n, c in enumerate(text) if c.isalnum()]
        return _Letters("".join(text[n] for n in places).lower(), places)
    kept = [(f, n) for n, c in enumerate(text) for f in unicodedata.normalize("NFKC", c).casefold() if f.isalnum()]
    return _Letters("".join(f for f, _ in kept), [n for _, n in kept])


@dataclass(frozen=True, slots=True)
class _Forms:
    """What is looked for of a datum: its letters and digits, those of its longer numbers, and its words."""

    whole: str
    numbers: tuple[str, ...]
    words: frozenset[str]


@lru_cache(maxsize=4096)
def _forms(value: str) -> _Forms:
    numbers = (_letters(match[0]).text for match in _NUMBER.finditer(value))
    words = frozenset(_letters(word).text for word in re.split(r"\W+", value))
    whole = _letters(value).text
    return _Forms(whole, tuple(n for n in dict.fromkeys(numbers) if len(n) >= _LEAST_PART and n != whole), words)


def repeats(text: str, data: Sequence[Datum]) -> list[Repeat]:
    """Every place of the text that says one of the data again; they may overlap."""
    if not data:
        return []
    said = _letters(text)
    parts = [part for part in _parts(text) if any(c.isdigit() for c in part[2])]
    found = []
    for datum in data:
        forms = _forms(datum.value)
        if len(forms.whole) < LEAST:
            continue
        for start, end in _places(text, said, forms.whole):
            found.append(_repeat(datum, *_with_signs(text, start, end, datum.value), True))
        for number in forms.numbers:
            found += [_repeat(datum, start, end, False) for start, end in _places(text, said, number)]
        for start, end, part in parts:
            if part != forms.whole and (part in forms.words or (len(part) >= _LEAST_PART and part in forms.whole)):
                found.append(_repeat(datum, start, end, False))
    return found


def _repeat(datum: Datum, start: int, end: int, whole: bool) -> Repeat:
    return Repeat(Entity(datum.type, start, end, datum.score), datum, whole)


def _places(text: str, said: _Letters, form: str) -> Iterator[tuple[int, int]]:
    """Where the form stands by itself, not inside a longer word or number."""
    at = said.text.find(form)
    while at >= 0:
        start, end = said.places[at], said.places[at + len(form) - 1] + 1
        if not (start and text[start - 1].isalnum()) and not text[end : end + 1].isalnum():
            yield start, end
        at = said.text.find(form, at + 1)


def _with_signs(text: str, start: int, end: int, value: str) -> tuple[int, int]:
    """The place with the signs that the datum begins and ends with, as a password may."""
    before = value[: next(n for n, c in enumerate(value) if c.isalnum())]
    after = value[len(value) - next(n for n, c in enumerate(reversed(value)) if c.isalnum()) :].rstrip(".,:;!?")
    start -= len(before) if text.endswith(before, 0, start) else 0
    return start, end + (len(after) if text.startswith(after, end) else 0)


def _parts(text: str) -> Iterator[tuple[int, int, str]]:
    """What says something by itself: words in bold, a table's cells, and the whole text; with their letters and digits."""
    spans = [match.span(1) for match in _BOLD.finditer(text)]
    if "|" in text:
        spans += [match.span() for match in _CELL.finditer(text)]
    for start, end in (*spans, (0, len(text))):
        bare = _MARKER.sub(lambda m: " " * len(m[0]), text[start:end])
        letters = _letters(bare)
        if len(letters.text) >= LEAST:
            yield start + letters.places[0], start + letters.places[-1] + 1, letters.text
