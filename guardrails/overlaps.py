"""From all that the recognisers find to entities that lie apart: which of two that overlap holds, and what is one address.

resolved(text, found)               in order, none overlapping
joined_addresses(text, entities)    an address in running text as one
plainly_spelt(text)                 the text as the patterns read it, sign for sign
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from core.records import Entity
from guardrails.entities import NAMES, SECRETS


def plainly_spelt(text: str) -> str:
    """The text, sign for sign, with digits of any script as 0 to 9, spaces that do not break as spaces, and dashes between digits as hyphens."""
    if text.isascii():
        return text
    digits = _FOREIGN_DIGIT.sub(lambda match: str(unicodedata.decimal(match[0])), _WIDE_SPACE.sub(" ", text))
    return _DASH.sub("-", digits)


_FOREIGN_DIGIT = re.compile(r"(?![0-9])\d")
_WIDE_SPACE = re.compile("[\u00a0\u2007\u2009\u202f\u3000]")
_DASH = re.compile("(?<=[0-9])[\u2010-\u2015\u2212\uff0d](?=[0-9])")


def resolved(text: str, found: Sequence[Entity]) -> tuple[Entity, ...]:
    """The entities without overlaps, in order; every character that one of them covered stays covered.

    A run of overlapping ones with a secret in it is one secret. Elsewhere numbers with a form of their own keep their place,
    then names and addresses, the surest first, then places; of what overlaps them, what sticks out stays an entity of its own.
    """
    runs: list[list[Entity]] = []
    end = -1
    for entity in sorted(found, key=lambda e: (e.start, -e.end)):
        if entity.start < end:
            runs[-1].append(entity)
        else:
            runs.append([entity])
        end = max(end, entity.end)
    return tuple(entity for run in runs for entity in _apart(text, run))


def _apart(text: str, run: Sequence[Entity]) -> list[Entity]:
    order = sorted(_merged(run), key=lambda e: (_rank(e.type), e.score, e.end - e.start), reverse=True)
    if order[0].type in SECRETS:
        return [replace(order[0], start=min(e.start for e in run), end=max(e.end for e in run))]
    kept: list[Entity] = []
    for entity in order:
        kept += _outside(text, entity, kept)
    return sorted(kept, key=lambda e: e.start)


def _merged(run: Sequence[Entity]) -> list[Entity]:
    """The run, ordered by start, with overlapping entities of one type as one: a pattern and the network mean the same datum."""
    merged: list[Entity] = []
    for entity in run:
        same = next((n for n, e in enumerate(merged) if e.type == entity.type and entity.start < e.end), None)
        if same is None:
            merged.append(entity)
        else:
            of = merged[same]
            merged[same] = replace(of, end=max(of.end, entity.end), score=max(of.score, entity.score))
    return merged


_ACCOUNTS = frozenset({"CREDIT_CARD", "IBAN_CODE", "UK_BANK_ACCOUNT"})


def _rank(kind: str) -> int:
    if kind in SECRETS:
        return 4
    if kind in _ACCOUNTS:  # a sort code looks like a date, a card like an address of a network
        return 3
    if kind in ("PERSON", "ORGANIZATION", "STREET_ADDRESS", "POSTCODE"):
        return 1
    return 0 if kind in NAMES else 2


def _outside(text: str, entity: Entity, kept: Sequence[Entity]) -> list[Entity]:
    """The parts of an entity that none of the kept ones covers, as far as they hold a letter or a digit."""
    edges = [entity.start]
    for other in sorted(kept, key=lambda e: e.start):
        if other.start < entity.end and entity.start < other.end:
            edges += [max(entity.start, other.start), min(entity.end, other.end)]
    edges.append(entity.end)
    parts = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        words = list(_ALNUM.finditer(text, start, end))
        if words:
            first = start if start == entity.start else words[0].start()
            parts.append(replace(entity, start=first, end=end if end == entity.end else words[-1].end()))
    return parts


_ALNUM = re.compile(r"\w+")
_ADDRESS = frozenset({"STREET_ADDRESS", "POSTCODE", "LOCATION"})
_BETWEEN = re.compile(r"[ ,.]{0,3}\n?[ ,]{0,3}")


def joined_addresses(text: str, found: Sequence[Entity]) -> tuple[Entity, ...]:
    """The entities, with an address in running text as one: "12 High Street, Leeds LS1 4AP" says one thing.

    In a block of lines, as on an envelope or in a form, street, town and postcode stay apart.
    """
    kept: list[Entity] = []
    for entity in found:
        last = kept[-1] if kept else None
        one = (
            last is not None
            and last.type == "STREET_ADDRESS"
            and entity.type in _ADDRESS
            and _BETWEEN.fullmatch(text, last.end, entity.start)
            and _in_sentence(text, kept)
        )
        if one and last is not None:
            kept[-1] = replace(last, end=entity.end, score=max(last.score, entity.score))
        else:
            kept.append(entity)
    return tuple(kept)


def _in_sentence(text: str, kept: Sequence[Entity]) -> bool:
    """Whether words other than a name and a title stand before the last entity on its line."""
    line = text.rfind("\n", 0, kept[-1].start) + 1
    before = text[line : kept[-1].start]
    for entity in reversed(kept[:-1]):
        if entity.start >= line and entity.type in ("PERSON", "TITLE", "ORGANIZATION"):
            before = before[: entity.start - line] + before[entity.end - line :]
    return any(c.isalpha() for c in before) and not before.rstrip().endswith(":")
