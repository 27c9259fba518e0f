"""Quoted units become readable markdown: which document says it, then the sentence, the list with its intro, the table row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from assistant.units import Unit
from assistant.words import Language
from core.markdown import cells
from core.records import Passage

_SOURCE: Mapping[Language, str] = {
    "en": "According to **{title}**{section}:",
    "es": "Según **{title}**{section}:",
    "de": "Aus **{title}**{section}:",
}
_SECTION: Mapping[Language, str] = {"en": ", “{}”", "es": ", «{}»", "de": ", „{}“"}
_LEANS = re.compile(
    r"^(?!(?-i:IT\b))(?:it|they|this|these|those|that|such|he|she|both|otherwise|however|in (?:that|this|these|those|such) cases?|the same|"
    r"es|er|sie|dies\w*|diese\w*|das|dabei|dafür|ansonsten|beide|ello|ellos|ellas|esto|eso|estos|estas|este|esta|en (?:ese|este|tal) caso|ambos)\b",
    re.IGNORECASE,
)
_WHOLE_LIST = 8
"""A list of at most this many items is quoted whole where two of its items were chosen."""
_LEAST_OF_LIST = 2
_NARROW = 5
"""A table of at most this many columns is readable on a phone; one row of a wider one is written as a line."""


def lay_out(
    chosen: Sequence[tuple[Unit, int]],
    passages: Sequence[Passage],
    *,
    read: Sequence[Sequence[Unit]],
    language: Language,
) -> Iterator[str]:
    """The answer, piece by piece.

    Args:
        chosen: units with their passage's place in `passages`, best first.
        read: all units of each passage.
    """
    order = list(dict.fromkeys(passage for _, passage in chosen))
    before = ""
    for nth, place in enumerate(order):
        passage, mark = passages[place], f"[{place + 1}]"
        picked = [unit for unit, of in chosen if of == place]
        source = source_line(passage, language)
        if source != before:  # the next passage of the same section needs no second introduction
            yield f"{source}\n\n" if not nth else f"\n\n{source}\n\n"
        else:
            yield "\n\n"
        before = source
        yield part_text(picked, read[place], mark)


def part_text(
    picked: Sequence[Unit],
    known: Sequence[Unit],
    mark: str,
    *,
    lead: str = "",
    listed: bool = False,
    whole_list: bool = False,
) -> str:
    """The chosen units of one passage with what they lean on, and above them the short answer where there is one.

    Args:
        listed: each unit is an item of a list, table rows too.
        whole_list: an item calls for the others of its list, if that is short.
    """
    whole = _with_neighbours(picked, known, least_of_list=1 if whole_list else _LEAST_OF_LIST)
    if lead:
        whole = _from(whole, picked[0])
    blocks = [list(group) for _, group in groupby(whole, key=lambda u: (u.block, u.kind))]
    bullets = listed or (len(blocks) > 1 and all(block[0].kind == "sentence" for block in blocks))
    counts = Counter(unit.block for unit in known)
    body = ("\n" if bullets else "\n\n").join(
        _block_text(b, mark, bullet=bullets, listed=listed, whole=len(b) == counts[b[0].block]) for b in blocks
    )
    if not lead:
        return body
    return f"**{lead}** {body}" if blocks[0][0].kind == "sentence" and not bullets else f"**{lead}**\n\n{body}"


def source_line(passage: Passage, language: Language) -> str:
    last = re.split(r"\s*>\s*", passage.section)[-1] if passage.section else ""
    section = _SECTION[language].format(_plain(last)) if last and last.lower() != passage.title.lower() else ""
    return _SOURCE[language].format(title=_plain(passage.title), section=section)


def _with_neighbours(picked: Sequence[Unit], known: Sequence[Unit], *, least_of_list: int) -> list[Unit]:
    """The chosen units in the passage's order, with what they lean on: the sentence before, the rest of a short list."""
    wanted = set(picked)
    for unit in picked:
        at = known.index(unit)
        if unit.kind == "sentence" and _LEANS.match(unit.text) and at and known[at - 1].block == unit.block:
            wanted.add(known[at - 1])
        siblings = [u for u in known if u.block == unit.block]
        chosen = sum(u.block == unit.block for u in picked)
        if unit.kind == "item" and chosen >= least_of_list and len(siblings) <= _WHOLE_LIST:
            wanted.update(siblings)
    return [unit for unit in dict.fromkeys(known) if unit in wanted]


def _from(whole: Sequence[Unit], first: Unit) -> list[Unit]:
    """The units from the sentence that the lead is taken from on, then those before it: beside a lead stands what says it."""
    at = 0 if first.kind != "sentence" or _LEANS.match(first.text) else whole.index(first)
    return [*whole[at:], *whole[:at]]


def _block_text(block: Sequence[Unit], mark: str, *, bullet: bool, listed: bool, whole: bool) -> str:
    """Units of one paragraph, list or table; `whole` where it is all of that. Steps keep their numbers."""
    first = block[0]
    if first.kind == "item":
        intro = f"{first.head}\n\n" if first.head else ""
        signs = [f"{n}." if first.ordered and whole and not listed else "-" for n in range(1, len(block) + 1)]
        return intro + "\n".join(f"{sign} {unit.text} {mark}" for sign, unit in zip(signs, block, strict=True))
    if first.kind == "row":
        if not listed and (len(cells(first.head)) <= _NARROW or len(block) > 1):
            return _table(block, mark)
        return "\n".join(f"- {_row(unit)} {mark}" for unit in block)
    lines = [f"{unit.text} {mark}" for unit in block]
    return "\n".join(f"- {line}" for line in lines) if bullet else " ".join(lines)


def _row(unit: Unit) -> str:
    """A table row in one line: its first cell, then the others under their names."""
    pairs = unit.pairs()
    if not pairs:
        return unit.text
    (_, subject), *rest = pairs
    said = "; ".join(f"{name}: {value}" if name else value for name, value in rest)
    return f"**{_bare(subject)}** — {said}" if said else f"**{_bare(subject)}**"


def _table(block: Sequence[Unit], mark: str) -> str:
    """Several rows of one table, as a table; the marker stands in each row's last cell."""
    head = block[0].head
    columns = len(cells(head))
    rows = [f"{unit.text.rstrip().rstrip('|').rstrip()} {mark} |" for unit in block]
    return "\n".join([head, "|" + "---|" * columns, *rows])


def _bare(text: str) -> str:
    return text.replace("**", "").strip()


def _plain(text: str) -> str:
    return "".join(c for c in " ".join(text.split()) if c not in "*[]<>`")
