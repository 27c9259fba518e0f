"""The shape of an answer: the rules that a case's `form` names, and the language that it is written in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence

from assistant.sentences import pieces
from assistant.words import language_of, words

TELLING_WORDS = 6
"""Words from which an answer's language can be told."""

_MARKS = re.compile(r"\s*\[\d{1,3}\]|[*_`#]+")
_ITEM = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)])\s", re.M)
_NUMBERED = re.compile(r"^\s*\d{1,3}[.)]\s", re.M)
_TABLE = re.compile(r"^\s*\|.*\|.*\|\s*$", re.M)
_GREETING = re.compile(r"^\W*(?:hi|hello|hey|dear|good (?:morning|afternoon|day)|hola|buen[oa]s|hallo|guten (?:tag|morgen)|liebe[rs]?)\b", re.I)  # fmt: skip


def plain(text: str) -> str:
    """Lower case, without markdown marks, accents kept, every kind of space and dash one kind."""
    shown = unicodedata.normalize("NFKC", re.sub(r"[*_`#]+", "", text))
    return re.sub(r"[‐‑–—−]", "-", re.sub(r"[’‘]", "'", shown)).casefold()


def form_problems(rules: Sequence[str], text: str) -> list[str]:
    """The rules of `eval.cases.FORMS` that the text breaks, in words."""
    return [problem for rule in rules if (problem := _problem(rule, text))]


def language_problem(wanted: str, text: str) -> list[str]:
    """Why the text is not in that language, if so."""
    bare = _MARKS.sub("", text)
    told = language_of(bare) if len(words(bare)) >= TELLING_WORDS else wanted
    return [] if told == wanted else [f"is in {told}, the question in {wanted}"]


def _problem(rule: str, text: str) -> str:
    name, _, value = rule.partition(":")
    if name == "language":
        return "; ".join(language_problem(value, text))
    return "" if _HELD[name](_MARKS.sub("", text) if name.startswith("max") else text, int(value or 0)) else rule


def _sentences(text: str) -> int:
    return sum(piece.kind in ("sentence", "item", "row") for piece in pieces([text]))


_HELD: Mapping[str, Callable[[str, int], bool]] = {
    "max_words": lambda text, most: len(words(text)) <= most,
    "max_sentences": lambda text, most: _sentences(text) <= most,
    "min_items": lambda text, least: len(_ITEM.findall(text)) >= least,
    "numbered": lambda text, _: bool(_NUMBERED.search(text)),
    "table": lambda text, _: bool(_TABLE.search(text)),
    "no_list": lambda text, _: not _ITEM.search(text) and not _TABLE.search(text),
    "no_greeting": lambda text, _: not _GREETING.search(text),
    "no_exclamation": lambda text, _: "!" not in text,
}
