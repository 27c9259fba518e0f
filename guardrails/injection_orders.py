"""Orders to the assistant in German, Spanish and French, by the grammar of an order: an imperative, what it is about, and whose.

Only forms that turn to the assistant count: du, tú and tu with their imperatives, Sie, usted and vous behind or within one. What
people ask about themselves ("Darf ich alle Regeln ignorieren?", "¿Puedo ignorar las normas?") has another subject. The patterns
look at folded text: no accents, small letters, ß as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from guardrails.injection_tongues import OTHERS_ORDERS


@dataclass(frozen=True, slots=True)
class Tongue:
    """The words of one language.

    Attributes:
        marks: frequent words that English has not; a text with one of them may be in this language.
        needs: the beginning of a verb to what must stand behind it for an order.
        parts: of an order, by name; injection_orders.yaml says what each of them is.
    """

    marks: frozenset[str]
    needs: Mapping[str, re.Pattern[str]]
    parts: Mapping[str, re.Pattern[str]]


WORDS = Path(__file__).with_suffix(".yaml")
_AS_WORDS = r"(?<!\w)(?:{})(?!\w)"
_FRAMES = {"asks": r"^\W*(?:{})\b"}
"""How the lines of a part make one expression, where it is not _AS_WORDS."""
_SENTENCE = re.compile(r"[^.!?\n]+")
_WORD = re.compile(r"[a-z]+")
NEAR, FAR = 120, 320
"""Characters after a verb in which its object stands, and after a role or an address in which the rest of the order does."""


def drops(folded: str) -> bool:
    """Whether a sentence orders that what the assistant was told be dropped, or says that it holds no more."""
    return any(_imperatives(folded, "void")) or any(
        _has(tongue, "told", sentence[at:]) and _has(tongue, "whose", sentence[at:]) and _complete(tongue, sentence, at)
        for tongue, sentence, at in _imperatives(folded, "drop")
        if not OTHERS_ORDERS.search(sentence)
    )


def shows(folded: str) -> bool:
    """Whether a sentence orders that what only the assistant has be shown."""
    return any(_has(tongue, "hidden", sentence[at:]) for tongue, sentence, at in _imperatives(folded, "show"))


def frees(folded: str) -> bool:
    """Whether the assistant is given a part to play that no rules hold for, or a mode without them."""
    return any(
        tongue.parts["mode"].search(folded)
        or any(_has(tongue, "free", folded[m.start() : m.start() + FAR]) for m in tongue.parts["role"].finditer(folded))
        for tongue in _spoken(folded)
    )


def presses(folded: str) -> bool:
    """Whether answers without a no are ordered, or rights claimed that the asker has not."""
    return any(any(_imperatives(folded, part)) for part in ("obey", "access"))


def addresses(folded: str) -> bool:
    """Whether a text turns to a machine that reads it and orders something."""
    return any(
        _has(tongue, "do", folded[max(0, m.start() - 40) : m.end() + FAR])
        for tongue in _spoken(folded)
        for m in tongue.parts["machine"].finditer(folded)
    )


def tampers(folded: str) -> bool:
    """Whether a text says how the assistant's answer is to be worded."""
    return any(
        _has(tongue, "do", folded[max(0, m.start() - NEAR) : m.end() + NEAR])
        for tongue in _spoken(folded)
        for m in tongue.parts["answer"].finditer(folded)
    )


def sends(folded: str) -> bool:
    """Whether the conversation or data are to be sent to an address."""
    return any(tongue.parts["send"].search(folded) for tongue in _spoken(folded))


def _spoken(folded: str) -> list[Tongue]:
    """The languages that the text may be in, which for an English one are none."""
    words = set(_WORD.findall(folded))
    return [tongue for tongue in _tongues() if words & tongue.marks]


def _imperatives(folded: str, verb: str) -> Iterator[tuple[Tongue, str, int]]:
    """Each verb with its language, its sentence up to where its object may stand, and its place there; not where people ask about themselves."""
    for tongue in _spoken(folded):
        for sentence in _SENTENCE.findall(folded):
            if not tongue.parts["asks"].search(sentence):
                for match in tongue.parts[verb].finditer(sentence):
                    yield tongue, sentence[: match.end() + NEAR], match.start()


def _complete(tongue: Tongue, sentence: str, at: int) -> bool:
    """Whether a verb of two parts has the other beside it."""
    rest = sentence[at:]
    return all(other.search(rest) for begin, other in tongue.needs.items() if rest.startswith(begin))


def _has(tongue: Tongue, part: str, text: str) -> bool:
    return tongue.parts[part].search(text) is not None


@cache
def _tongues() -> tuple[Tongue, ...]:
    return tuple(map(_tongue, yaml.safe_load(WORDS.read_text(encoding="utf-8")).values()))


def _tongue(words: dict[str, Any]) -> Tongue:
    """Of a language's entry in injection_orders.yaml."""
    marks = frozenset(words.pop("marks").split())
    needs = {begin: re.compile(other) for begin, other in words.pop("needs", {}).items()}
    parts = {part: re.compile(_FRAMES.get(part, _AS_WORDS).format("|".join(lines))) for part, lines in words.items()}
    return Tongue(marks, needs, parts)
