"""A company's own regular expressions: tried before they hold, and never run unbounded.

    check_phrase(r"\\bstrike (vote|ballot)\\b")      the phrase, or ValueError with what is wrong
    Phrase(r"\\bstrike\\b").search(text)            at most SECONDS, then TimeoutError

Python's own `re` cannot be stopped and holds the interpreter while it searches: one phrase such as `(a+)+$` would stand still the
whole process, and no rail's budget would help. `regex`, which Presidio brings, lets go of the interpreter and takes a time limit.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from functools import lru_cache

import regex

SECONDS = 0.25
"""Processor time that one phrase may take over one text. A sound one takes some microseconds."""
LONGEST = 1000
"""Characters of a phrase."""
_TRIAL_CHARS = 4000
"""As long as a question that the assistant reads by default."""
_TRIALS_S = 2.0
"""After so long a trial ends, and a phrase that was slow and never too slow holds: SECONDS bounds it while it serves."""
_LITERALS = re.compile(r"(?:[^\W_]| |-|')+")
_ESCAPES = re.compile(r"\\[a-zA-Z]|\(\?[a-zA-Z<=!:]{1,3}|\[\^")


class Phrase:
    """One compiled phrase. Its search raises TimeoutError where it takes longer than SECONDS."""

    def __init__(self, pattern: str) -> None:
        self._compiled = regex.compile(pattern)

    def search(self, text: str) -> object:
        return self._compiled.search(text, timeout=SECONDS, concurrent=True)


def check_phrase(pattern: str) -> str:
    """The pattern as it is.

    Raises:
        ValueError: it is no regular expression, is too long, or takes too long over a text made to slow it down.
    """
    if said := _mistake(pattern):
        raise ValueError(said)
    return pattern


@lru_cache(maxsize=512)
def _mistake(pattern: str) -> str:
    if len(pattern) > LONGEST:
        return f"a phrase has at most {LONGEST:,} characters; make several of it"
    try:
        phrase = Phrase(pattern)
    except regex.error as error:
        return f"{pattern!r} is no regular expression: {error}"
    until = time.monotonic() + _TRIALS_S
    try:
        for text in _hostile(pattern):
            phrase.search(text)
            if time.monotonic() > until:
                break
    except TimeoutError:
        return (
            f"{pattern!r} takes too long over some texts: a repeat within a repeat, or several beside each other that match the same, "
            "as in (a+)+; let one of them be a plain word or bounded, as in a{1,20}"
        )
    return ""


def _hostile(pattern: str) -> Iterator[str]:
    """Texts on which a phrase that backtracks without end does so: its own words and signs over and over, then one that does not fit."""
    literals = _LITERALS.findall(_ESCAPES.sub("\0", pattern))
    signs = dict.fromkeys(c for literal in literals for c in literal)
    seeds = list(dict.fromkeys([*list(signs)[:12], *literals[:8], "a", " ", "1", "a ", "1 ", "a1", "_", "a-", "ab"]))
    begins = list(
        dict.fromkeys(
            ["", *("".join(literals[:n]) for n in range(1, 5)), *(f"{said.strip()} " for said in literals[:4])]
        )
    )
    ends = ["\0", "\0" + "".join(literals)]  # the second: what a search may know to be needed, after what does not fit
    for length in (64, _TRIAL_CHARS):
        for begin in begins:
            for seed in seeds:
                for end in ends:
                    yield begin + seed * (length if length < _TRIAL_CHARS else length // len(seed)) + end
