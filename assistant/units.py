"""A passage in the smallest parts that can be quoted: sentences, list items with their intro, table rows with their heads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from assistant.sentences import pieces
from core.markdown import cells

UnitKind = Literal["sentence", "item", "row"]

_ITEM = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)]|[a-z][.)])\s+")
_NUMBERED = re.compile(r"^\s*1[.)]\s")
_SEPARATOR = re.compile(r"^\s*\|?(?:\s*:?-{2,}:?\s*\|)+\s*(?::?-{2,}:?\s*)?\|?\s*$")
_HEADING = re.compile(r"^#{1,6}\s")
_FIELD = re.compile(r"^\s*[^\W\d_][^:|.]{1,40}: \S")
"""A line of a form: "Date of birth: 14 March 1991"."""
_BOLD = re.compile(r"\*\*|__")
NO_WORDS = re.compile(r"[\W_]*")


@dataclass(frozen=True, slots=True)
class Unit:
    """One quotable part.

    Attributes:
        text: as the passage has it: a sentence, a list item without its bullet, a table row with its bars.
        head: what it needs to be understood: a list's intro line, a table's head row with its bars; may be empty.
        block: number of the paragraph, list or table that it stands in.
        ordered: an item of a list whose items are numbered.
    """

    kind: UnitKind
    text: str
    head: str
    block: int
    ordered: bool = False

    @property
    def said(self) -> str:
        """The unit's own words in one line, a row's cells under their names: what is compared with a question."""
        if self.kind != "row":
            return _BOLD.sub("", " ".join(filter(None, (self.head, self.text))))
        return "; ".join(": ".join(filter(None, pair)) for pair in self.pairs())

    @property
    def subject(self) -> str:
        """What a row is about, which its first cell says; "" of what is no row."""
        pairs = self.pairs() if self.kind == "row" else []
        return pairs[0][1] if pairs else ""

    def pairs(self) -> list[tuple[str, str]]:
        """A row's cells, each with its column's name."""
        names, values = cells(self.head), cells(self.text)
        names += [""] * (len(values) - len(names))
        return [(name, value) for name, value in zip(names, values, strict=False) if value]


@lru_cache(maxsize=4096)
def units(text: str) -> tuple[Unit, ...]:
    """The quotable parts of a passage's text, in order; headings and rules are none. The newest texts are kept read."""
    found: list[Unit] = []
    intro = ""
    for block, lines in enumerate(_blocks(text)):
        if len(lines) > 1 and "|" in lines[0] and _SEPARATOR.match(lines[1]):
            found += [Unit("row", line.strip(), lines[0].strip(), block) for line in lines[2:] if _says(line)]
            intro = ""
        elif _ITEM.match(lines[0]):
            ordered = bool(_NUMBERED.match(lines[0]))
            found += [Unit("item", item, intro, block, ordered) for item in _items(lines)]
        elif len(lines) > 1 and all(_FIELD.match(line) for line in lines):
            found += [Unit("item", line.strip(), intro, block) for line in lines]
            intro = ""
        elif not _HEADING.match(lines[0]):
            said = [piece.text for piece in pieces([" ".join(line.strip() for line in lines)])]
            intro = said[-1] if said and said[-1].rstrip("*").endswith(":") else ""
            found += [Unit("sentence", s, "", block) for s in said if s != intro and _says(s)]
        else:
            intro = ""
    return tuple(found)


def places(text: str) -> list[tuple[int, int] | None]:
    """Where each unit of a text stands in it, as characters `[start, end)`, its line breaks included; None where it cannot be found."""
    found: list[tuple[int, int] | None] = []
    at = 0
    for unit in units(text):
        words = r"\s+".join(map(re.escape, unit.text.split()))
        stands = re.compile(words).search(text, at)
        found.append(stands.span() if stands else None)
        at = stands.start() if stands else at
    return found


def sentence_around(text: str, place: int) -> str:
    """The sentence, list item or table row of a passage that holds the character at `place`; its line where none does."""
    for stands in places(text):
        if stands and stands[0] <= place < stands[1]:
            return text[stands[0] : stands[1]]
    low = text.rfind("\n", 0, place) + 1
    high = text.find("\n", place)
    return text[low : high if high >= 0 else len(text)].strip()


def _says(text: str) -> bool:
    return not NO_WORDS.fullmatch(text)


def _blocks(text: str) -> Iterator[list[str]]:
    """Runs of lines that belong together: a table, a list, a paragraph."""
    held: list[str] = []
    for line in [*text.split("\n"), ""]:
        starts = held and (
            not line.strip()
            or _HEADING.match(line)
            or (("|" in line) != ("|" in held[0]) and line.lstrip().startswith("|") != held[0].lstrip().startswith("|"))
            or (_ITEM.match(line) and not _ITEM.match(held[0]))
            or _HEADING.match(held[0])
        )
        if starts:
            yield held
            held = []
        if line.strip():
            held.append(line)


def _items(lines: list[str]) -> Iterator[str]:
    """List items without their bullets; a line without one goes on with the item before it."""
    held = ""
    for line in lines:
        match = _ITEM.match(line)
        if match and held:
            yield held
            held = ""
        held = f"{held} {line[match.end() if match else 0 :].strip()}".strip()
    if held:
        yield held
