"""The texts that a text hides: decoded from base64, base32, hex, URL and HTML escapes, rot13, reversal, signs that spell, tag characters.

Only for inspection: rules look at each view, the text itself goes on unchanged.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass

from guardrails.named import names_given, spelt
from guardrails.normalise import fold, tagged_text
from guardrails.signs import signs_read

MAX_CHARS = 20_000
"""Longest text decoded; a question is shorter, a passage too."""
DEPTH = 2
"""Encodings inside encodings that are followed."""

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_BASE32 = re.compile(r"\b[A-Z2-7]{24,}={0,6}")
_HEX = re.compile(r"(?:\b|\\x|0x)(?:[0-9a-fA-F]{2}(?:\s|\\x|,\s?0x|:)?){10,}")
_SPACED = re.compile(r"\b(?:\w[ ._*\-|]{1,2}){7,}\w\b")
_INTERLEAVED = re.compile(r".(?P<sign>[ ._*|+~-])(?:.(?P=sign)){9,}.", re.DOTALL)
_SIGN = r"[^\w\s.,;:!?'\"()\[\]{}<>|/@#&%+*=~^$\\-]"
_SIGNS = f"{_SIGN}+"
_APART = rf"(?:_*+[ ]?+{_SIGNS}+[ ]?+|_++|\n)[^\W_]++"
_SEPARATED = re.compile(rf"(?:(?<![^\W_])[^\W_]++|(?<!\w)_)(?:{_APART}){{3,}}+")
"""Words held apart by line ends, underscores or signs such as emoji. Nothing in it gives back what it took, so that a page of
letters or emoji is read once."""
_MAY_BE_SEPARATED = re.compile(rf"(?:(?<!_)_++|\n|(?<!{_SIGN}){_SIGNS}+[ ]?+)[^\W_]++(?:{_APART}){{2}}")
"""Every match of `_SEPARATED` holds one of these, which begins with a rare character and is looked for much faster."""
_WORD_A_LINE = re.compile(r"(?:^|\n)\S+\n\S+\n\S+\n\S")
_HELD_APART = re.compile(r"[_\s]+|[^\w\s.,;:!?'\"()/-]+")
_LEET = str.maketrans("01345789@$!|+€", "oieastbgasilte")
_MIXED = re.compile(r"\b(?=[A-Za-z]*[0-9@$!|+€])(?=[0-9@$!|+€]*[A-Za-z])[A-Za-z0-9@$!|+€]{3,}")
_ONE_WITHIN = re.compile(r"(?<=[A-Za-z034578@$])1")
_WITHIN = re.compile(r"(?<=[^\W\d_])[-.*'’^~/\\](?=[^\W\d_])")
"""Signs between two letters, which hold the parts of a word apart."""
_HINTS = ("instru", "prompt", "guideline", "restrict", "ignore", "disregard", "forget", "pretend", "convers", "you are", "anything now", "regeln", "anweis")  # fmt: skip
"""Words that any order to the assistant has: a text turned around or shifted is looked at only where one shows."""
_COMMENT = re.compile(r"<!--(.*?)(?:-->|\Z)", re.DOTALL)
_HIDDEN_STYLE = re.compile(
    r"<(\w+)[^>]*(?:display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0|opacity\s*:\s*0(?![.\d])|\bhidden\b|"
    r"color\s*:\s*(?:white|transparent|#fff(?:fff)?)\b)[^>]*>(.*?)(?:</\1>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_TITLE = re.compile(r"(?:\balt|\btitle|aria-label)\s*=\s*[\"']([^\"']{12,})[\"']", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class View:
    """One reading of a text: how it was found, and what it says, folded."""

    via: str
    text: str


def views(text: str) -> Iterator[View]:
    """The text itself (via `plain`), then what it hides, each once and folded for rules."""
    seen = set()
    for via, found in _readings(text[:MAX_CHARS], DEPTH):
        folded = fold(found)
        if folded and folded not in seen:
            seen.add(folded)
            yield View(via, folded)


def _readings(text: str, depth: int) -> Iterator[tuple[str, str]]:
    yield "plain", text
    if hidden := tagged_text(text):
        yield "tag_characters", hidden
    for via, found in _decoded(text):
        yield via, found
        if depth > 1:
            yield from ((via, inner) for _, inner in _decoded(found))
    yield from signs_read(text)
    others = [("rot13", codecs.decode(text, "rot13")), ("reversed", text[::-1])]
    others += [("leet", read) for read in _unleet(text)]
    if len(_WITHIN.findall(text)) > 2:
        others.append(("split_words", _WITHIN.sub("", text)))
    for via, read in others:
        if may_order(read):
            yield via, read


def may_order(text: str) -> bool:
    """Whether the text holds a word that any order to the assistant has."""
    lowered = text.lower()
    return any(hint in lowered for hint in _HINTS)


def _unleet(text: str) -> Iterator[str]:
    """The words that mix letters with digits or signs, read as letters, in the text around them; nothing where there are none.

    A 1 is an i or an l: within a word it is read as either, at its begin as an i, and two of them as two l.
    """
    if len(_MIXED.findall(text)) > 1:
        read = text.replace("11", "ll")
        yield read.translate(_LEET)
        if "1" in read:
            yield _ONE_WITHIN.sub("l", read).translate(_LEET)


def _decoded(text: str) -> Iterator[tuple[str, str]]:
    for pattern, via, decode in ((_BASE64, "base64", _base64), (_BASE32, "base32", _base32), (_HEX, "hex", _hex)):
        for match in pattern.finditer(text):
            if plain := decode(match.group()):
                yield via, plain
    if "%" in text and (unquoted := urllib.parse.unquote(text)) != text:
        yield "url_escapes", unquoted
    if "&" in text and (unescaped := html.unescape(text)) != text:
        yield "html_escapes", unescaped
    for match in _INTERLEAVED.finditer(text):
        yield "interleaved", match.group()[::2]
    if ("_" in text or "\n" in text or not text.isascii()) and _MAY_BE_SEPARATED.search(text):
        for match in _SEPARATED.finditer(text):
            yield "separated_words", _HELD_APART.sub(" ", match.group())
        if text.count("_") > 2:
            yield "separated_words", text.replace("_", " ")
        if _WORD_A_LINE.search(text):
            yield "separated_words", text.replace("\n", " ")
    if "=" in text and (spelt_out := spelt(text, names_given([text]))) != text:
        yield "named_parts", spelt_out
    for match in _SPACED.finditer(text):
        yield "spaced_letters", text.replace(match.group(), re.sub(r"[ ._*\-|]", "", match.group()))


def hidden_html(text: str) -> str:
    """What HTML in the text keeps from a reader's eyes: comments, hidden or invisible elements, alt and title texts."""
    parts = [m.group(1) for m in _COMMENT.finditer(text)]
    parts += [m.group(2) for m in _HIDDEN_STYLE.finditer(text)]
    if "=" in text:
        parts += [m.group(1) for m in _TITLE.finditer(text)]
    return "\n".join(parts)


def _base64(token: str) -> str:
    body = token.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return _readable(base64.b64decode(body + "=" * (-len(body) % 4), validate=True))
    except (binascii.Error, ValueError):
        return ""


def _base32(token: str) -> str:
    body = token.rstrip("=")
    try:
        return _readable(base64.b32decode(body + "=" * (-len(body) % 8)))
    except (binascii.Error, ValueError):
        return ""


def _hex(token: str) -> str:
    digits = re.sub(r"\\x|0x|[^0-9a-fA-F]", "", token)
    return _readable(bytes.fromhex(digits[: len(digits) // 2 * 2]))


def _readable(data: bytes) -> str:
    """The bytes as text where nearly all of it is printable, else nothing."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    printable = sum(c.isprintable() or c in "\n\t" for c in text)
    return text if text and printable >= 0.95 * len(text) else ""
