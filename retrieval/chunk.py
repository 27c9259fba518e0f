"""Converted pages become passages: cut at headings, about 180 words each, tables by whole rows under their header.

A passage's id is a hash of its document, version, place and text: the same file gives the same ids on every machine.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from retrieval.convert import Page

MAX_WORDS: Final = 180
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
_ITEM = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)]|[a-z][.)])\s+")
_SEPARATOR = re.compile(r"^\s*\|?(?:\s*:?-{2,}:?\s*\|)+\s*(?::?-{2,}:?\s*)?\|?\s*$")
_SENTENCE = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]?[A-ZÄÖÜÁÉÍÓÚÑ0-9¿¡])")
Kind = Literal["paragraph", "item", "row", "code"]
_JOINT: Final[dict[Kind, str]] = {"paragraph": "\n\n", "item": "\n", "row": "\n", "code": "\n"}


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage before it belongs to a document version. `section` is the path of headings, `A > B`."""

    section: str
    page: int | None
    text: str


@dataclass(frozen=True, slots=True)
class _Unit:
    """The smallest piece that stays whole; a table row knows its header (two lines)."""

    kind: Kind
    text: str
    section: str
    page: int | None
    header: str = ""

    @property
    def words(self) -> int:
        return len(self.text.split())


def chunk(pages: Sequence[Page], title: str, *, max_words: int = MAX_WORDS) -> list[Chunk]:
    """Cut pages into chunks of at most `max_words` words; only a single longer table row exceeds that.

    A first heading that repeats the title is not part of the section path.
    """
    chunks: list[Chunk] = []
    held: list[_Unit] = []
    for unit in _units(pages, title, max_words):
        if held and (unit.section != held[0].section or _words([*held, unit]) > max_words):
            moved = [held.pop()] if _introduces(held, unit) else []
            chunks.append(_chunk(held))
            held = moved
        held.append(unit)
    return [*chunks, _chunk(held)] if held else chunks


def passage_id(document_id: str, version: int, ordinal: int, text: str) -> str:
    """32 hex digits, stable: the id of a passage in the catalogue and of its point in the index."""
    said = "\x1f".join([document_id, str(version), str(ordinal), text])
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def searched_text(title: str, section: str, text: str) -> str:
    """What is embedded and matched by words: a passage under the names of its document and section."""
    return "\n".join(filter(None, (title, section, text)))


def _introduces(held: list[_Unit], unit: _Unit) -> bool:
    """Whether the last paragraph ends in a colon and belongs with the list or table that would start the next chunk."""
    last = held[-1]
    return (
        len(held) > 1
        and unit.section == last.section
        and unit.kind in ("item", "row")
        and last.kind == "paragraph"
        and last.text.endswith(":")
        and last.words < 60
    )


def _words(units: Sequence[_Unit]) -> int:
    headers = {unit.header for unit in units if unit.header}
    return sum(unit.words for unit in units) + sum(len(header.split("\n")[0].split()) for header in headers)


def _chunk(units: Sequence[_Unit]) -> Chunk:
    text, before = "", None
    for unit in units:
        new_table = unit.kind == "row" and (before is None or before.header != unit.header)
        piece = f"{unit.header}\n{unit.text}" if new_table else unit.text
        joint = "\n\n" if new_table or before is None or before.kind != unit.kind else _JOINT[unit.kind]
        if before and unit.kind == "item" and before.kind == "paragraph":
            joint = "\n\n"
        text = f"{text}{joint}{piece}" if text else piece
        before = unit
    return Chunk(units[0].section, units[0].page, text)


def _units(pages: Sequence[Page], title: str, max_words: int) -> Iterator[_Unit]:
    path: list[tuple[int, str]] = []
    for page in pages:
        lines = page.text.split("\n")
        at = 0
        while at < len(lines):
            line = lines[at]
            if match := _HEADING.match(line):
                level = len(match[1])
                path = [(depth, name) for depth, name in path if depth < level]
                if not (same_words(match[2], title) and not path):
                    path.append((level, " ".join(match[2].split())))
                at += 1
                continue
            section = " > ".join(name for _, name in path if name)[:500]
            block, at = _block(lines, at)
            for kind, text, header in block:
                for piece in [text] if kind == "row" else _split(text, max_words):
                    yield _Unit(kind, piece, section, page.number, header)


def _block(lines: Sequence[str], at: int) -> tuple[list[tuple[Kind, str, str]], int]:
    """The table, code, list item or paragraph that starts at a line, as (kind, text, header), and the line after it."""
    line = lines[at]
    if not line.strip():
        return [], at + 1
    if at + 1 < len(lines) and "|" in line and _SEPARATOR.match(lines[at + 1]):
        end = at + 2
        while end < len(lines) and "|" in lines[end]:
            end += 1
        header = f"{line}\n{lines[at + 1]}"
        rows: list[tuple[Kind, str, str]] = [("row", row, header) for row in lines[at + 2 : end]]
        return rows or [("paragraph", line, "")], end
    if line.startswith(("```", "~~~")):
        end = at + 1
        while end < len(lines) and not lines[end].startswith(line[:3]):
            end += 1
        return [("code", text, "") for text in lines[at + 1 : end] if text.strip()], end + 1
    end = at + 1
    while end < len(lines) and lines[end].strip() and not _starts_block(lines, end):
        end += 1
    return [("item" if _ITEM.match(line) else "paragraph", "\n".join(lines[at:end]), "")], end


def _starts_block(lines: Sequence[str], at: int) -> bool:
    line = lines[at]
    table = "|" in line and at + 1 < len(lines) and _SEPARATOR.match(lines[at + 1])
    return bool(table or _HEADING.match(line) or _ITEM.match(line) or line.startswith(("```", "~~~")))


def _split(text: str, max_words: int) -> list[str]:
    """Text in pieces of at most `max_words` words, cut between sentences where there are any."""
    if len(text.split()) <= max_words:
        return [text]
    pieces: list[str] = []
    for sentence in _SENTENCE.split(text):
        words = sentence.split()
        if len(words) > max_words:
            pieces += [" ".join(words[i : i + max_words]) for i in range(0, len(words), max_words)]
        elif pieces and len(pieces[-1].split()) + len(words) <= max_words:
            pieces[-1] = f"{pieces[-1]} {sentence}"
        else:
            pieces.append(sentence)
    return pieces


def same_words(one: str, other: str) -> bool:
    return re.findall(r"\w+", one.casefold()) == re.findall(r"\w+", other.casefold())
