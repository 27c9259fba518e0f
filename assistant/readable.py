"""A passage as the reader reads it: plain sentences in one text, each traceable to the unit that it came from.

Markdown is no prose: a table row is read with its column names ("Grade: K5; Hotel: £120"), a list item after its intro,
and the document's title and section stand in front, since a passage seldom repeats what it is about.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from assistant.units import Unit, units
from core.records import Passage

_MARKS = re.compile(r"\*\*|__|`|\\(?=[|*_#])|\[(?=[^\]]*\]\()|(?<=\])\([^)\s]*\)")
_LINK_END = re.compile(r"\]")


@dataclass(frozen=True, slots=True)
class Readable:
    """`places[i]` is where `units[i]` stands in `text`, as characters `[start, end)`."""

    text: str
    units: tuple[Unit, ...]
    places: tuple[tuple[int, int], ...]


def readable(passage: Passage) -> Readable:
    return _readable(passage.title, passage.section, passage.text)


@lru_cache(maxsize=4096)
def _readable(title: str, section: str, text: str) -> Readable:
    heading = ". ".join(dict.fromkeys(filter(None, (title, section.rpartition(" > ")[2]))))
    written = f"{heading}. " if heading else ""
    places: list[tuple[int, int]] = []
    found = units(text)
    head = ""
    for unit in found:
        if unit.kind == "item" and unit.head != head:
            written += f"{plain(unit.head)} "
        head = unit.head if unit.kind == "item" else ""
        said = plain(unit.said if unit.kind == "row" else unit.text)
        places.append((len(written), len(written) + len(said)))
        written += said + (" " if said.endswith((".", "!", "?", ":", ";")) else ". ")
    return Readable(written.rstrip(), found, tuple(places))


def plain(text: str) -> str:
    """Without markdown's marks; a link keeps its words."""
    return (
        " ".join(_LINK_END.sub("", _MARKS.sub("", text)).split())
        if "](" in text
        else " ".join(_MARKS.sub("", text).split())
    )
