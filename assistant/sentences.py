"""A model's stream becomes pieces that can be checked and released one by one: sentences, list items, table rows.

Markdown stays whole: a list item, a table row or a code block is one piece, and what says nothing by itself (a
heading, an intro line, a table's head) is its own kind, to be shown only once something under it has passed. A private key is
one piece to its end, and a long number that a line end breaks stays whole: in parts nothing would know them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

PieceKind = Literal["sentence", "item", "row", "code", "heading", "intro", "table_head"]

_LINE_BLOCK = re.compile(r"(?:\||#{1,6}\s|>\s|(?:[-*+•]|\d{1,3}[.)])\s)")
_MAYBE_BLOCK = re.compile(r"(?:#{1,6}|[-*+•>`]{1,3}|\d{1,3}[.)]?)\s?")
_SEPARATOR = re.compile(r"\|?(?:\s*:?-{2,}:?\s*\|)+(?:\s*:?-{2,}:?)?\s*")
_END = re.compile(r"""[.!?…]+["'”’»)\]*_]*(?:[ \t]*\[\d{1,3}(?:\s*,\s*\d{1,3})*\])*""")
_MAYBE_MARKER = re.compile(r"\[(?:\d{1,3}(?:\s*,\s*\d{0,3})*)?")
_BOLD_LINE = re.compile(r"\*\*[^*\n]+\*\*:?")
_BOLD_LEAD = re.compile(r"\*\*[^*\n]+[.!?]\*\*")
_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}KEY(?: BLOCK)?-----|PuTTY-User-Key-File-\d:")
_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,40}KEY(?: BLOCK)?-----|Private-MAC: ?[0-9a-f]+(?![0-9a-f])")
_HALF_NUMBER = re.compile(
    r"(?:\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{1,4}){0,8}|(?<![\d.,])\d(?:[ -]?\d){3,20})[ \t-]*$", re.IGNORECASE
)
_OTHER_HALF = re.compile(r"[ \t]*(?:[A-Z]{0,4}\d[A-Z\d]+|[A-Z]{4} \d)", re.IGNORECASE)
_LINE_TAIL = 60
"""Characters at a line's end that may be the first half of a number."""
_SHORT_FORMS = frozenset(
    [
        "e.g",
        "i.e",
        "etc",
        "approx",
        "no",
        "nos",
        "dr",
        "mr",
        "mrs",
        "ms",
        "prof",
        "st",
        "vs",
        "art",
        "sec",
        "fig",
        "ext",
        "tel",
        "max",
        "min",
        "incl",
        "p.ej",
        "ej",
        "sr",
        "sra",
        "núm",
        "art.",
        "z.b",
        "d.h",
        "bzw",
        "ca",
        "nr",
        "abs",
        "usw",
        "u.a",
        "ggf",
        "inkl",
        "evtl",
        "str",
    ]
)
_ORDINAL = re.compile(r"(?:^|\s)\d{1,2}\.$")
_MONTHS = re.compile(
    r"(?:januar|februar|märz|april|mai|juni|juli|august|september|oktober|november|dezember|quartal|jahrhundert)", re.I
)


@dataclass(frozen=True, slots=True)
class Piece:
    """One checkable part. `lead` is the white space between it and what came before."""

    kind: PieceKind
    lead: str
    text: str


def pieces(tokens: Iterable[str]) -> Iterator[Piece]:
    """The pieces of a stream, each as soon as its end is known."""
    splitter = _Splitter()
    for token in tokens:
        splitter.buffer += token
        while piece := splitter.take(final=False):
            yield piece
    while piece := splitter.take(final=True):
        yield piece


class _Splitter:
    """Holds what has arrived and is not yet a piece."""

    def __init__(self) -> None:
        self.buffer = ""
        self._lead = "\n"
        self._last: PieceKind | None = None

    def take(self, *, final: bool) -> Piece | None:
        """The next piece, or None where its end has not arrived."""
        body = self.buffer.lstrip()
        self._lead += self.buffer[: len(self.buffer) - len(body)]
        self.buffer = body
        if not body:
            return None
        found = self._block(final) if "\n" in self._lead else self._sentence(final)
        found = self._with_key(found, final)
        found = self._with_number(found, final) if found else None
        if found is None:
            return None
        kind, end = found
        piece = Piece(kind, self._lead if self._last else "", body[:end].rstrip())
        self.buffer, self._lead, self._last = body[end:], "", kind
        return piece

    def _block(self, final: bool) -> tuple[PieceKind, int] | None:
        """What starts at a line's start: a whole line of a list, table or heading, a code block, or a sentence."""
        body = self.buffer
        line_end = body.find("\n")
        whole = len(body) if line_end < 0 else line_end
        complete = final or line_end >= 0
        if not complete and _MAYBE_BLOCK.fullmatch(body):
            return None
        if body.startswith("```"):
            return self._code(final)
        if _LINE_BLOCK.match(body):
            return (self._line_kind(body[:whole]), whole) if complete else None
        if body.startswith("**"):
            if not complete and not re.match(r"\*\*[^*]+\*\*:?[^:\n]", body):
                return None
            if complete and _BOLD_LINE.fullmatch(body[:whole].rstrip()):
                return "heading", whole
        return self._sentence(final)

    def _with_key(self, found: tuple[PieceKind, int] | None, final: bool) -> tuple[PieceKind, int] | None:
        """The piece, to the end of a private key that begins in it; None while that end has not arrived."""
        begin = _KEY.search(self.buffer, 0, found[1] + 1) if found else None
        if not found or begin is None:
            return found
        kind: PieceKind = found[0] if found[0] in ("code", "item", "row") else "sentence"
        end = _KEY_END.search(self.buffer, begin.end())
        if end is None:
            return (kind, len(self.buffer)) if final else None
        if not final and end.end() == len(self.buffer):
            return None  # a key's last line may go on
        return kind, max(found[1], end.end())

    def _with_number(self, found: tuple[PieceKind, int], final: bool) -> tuple[PieceKind, int] | None:
        """The piece, with the line after it where a long number goes on there; None while that line has not arrived."""
        kind, end = found
        line = self.buffer[max(0, end - _LINE_TAIL) : end]
        while kind in ("sentence", "item") and self.buffer[end : end + 1] == "\n" and _HALF_NUMBER.search(line):
            next_end = self.buffer.find("\n", end + 1)
            if next_end < 0 and not final:
                return None
            line = self.buffer[end + 1 : next_end if next_end >= 0 else len(self.buffer)]
            if _LINE_BLOCK.match(line) or not _OTHER_HALF.match(line):
                break
            end += 1 + len(line)
            line = line[-_LINE_TAIL:]
        return kind, end

    def _code(self, final: bool) -> tuple[PieceKind, int] | None:
        close = re.search(r"\n```[^\n]*(?=\n)", self.buffer)
        if close:
            return "code", close.end()
        return ("code", len(self.buffer)) if final else None

    def _line_kind(self, line: str) -> PieceKind:
        if line.startswith("|"):
            in_table = self._last in ("table_head", "row")
            return "table_head" if not in_table or _SEPARATOR.fullmatch(line.strip()) else "row"
        if line.startswith("#"):
            return "heading"
        return "intro" if line.startswith(">") and line.rstrip().endswith(":") else "item"

    def _sentence(self, final: bool) -> tuple[PieceKind, int] | None:
        body = self.buffer
        line_end = body.find("\n")
        for match in _END.finditer(body, 0, line_end if line_end >= 0 else len(body)):
            rest = body[match.end() :]
            following = rest.lstrip(" \t")
            if rest and rest == following and not rest.startswith("\n"):
                continue  # inside a number, an address, a short form
            if not final and (not following or _MAYBE_MARKER.fullmatch(following)):
                return None  # a citation marker may still follow
            if not final and following.isalpha() and _ORDINAL.search(body[: match.end()]):
                return None  # it may become the name of a month
            if following and _goes_on(body[: match.end()], following):
                continue
            return "sentence", match.end()
        if line_end < 0 and not final:
            return None
        end = line_end if line_end >= 0 else len(body)
        return ("intro" if body[:end].rstrip().rstrip("*").endswith(":") else "sentence"), end


def _goes_on(said: str, following: str) -> bool:
    """Whether the full stop ends a short form or an ordinal number and not the sentence."""
    if _BOLD_LEAD.fullmatch(said):
        return True  # "**25 days.** After five years ...": the short answer belongs to the sentence that supports it
    if not said.endswith("."):
        return following[0].islower()
    last = said[:-1].rsplit(maxsplit=1)[-1].lower().lstrip("(") if said[:-1].split() else ""
    if last in _SHORT_FORMS or (len(last) == 1 and last.isalpha()):
        return True
    if _ORDINAL.search(said) and _MONTHS.match(following):
        return True
    return following[0].islower()
