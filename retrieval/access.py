"""Who may be answered from what: one access filter, built here and rendered for each index.

`access_filter` says it once as plain conditions on a point's payload; `retrieval/edge.py` and
`retrieval/server.py` only translate a condition, and `admits` is the same rule in Python, which the
contract tests hold both engines to. Retrieval enforces it inside the engine and `Catalogue.answerable`
again on what comes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal, get_args

from core.errors import BadInput
from core.records import CLASSIFICATIONS, Principal, clearance_rank

Filterable = Literal["department", "language", "classification", "owner", "document_id"]
"""Metadata that a person may narrow a search by."""

FILTERABLE: tuple[Filterable, ...] = get_args(Filterable)
MAX_FILTER_CHARS = 320

OPEN_END = date.max.toordinal()
"""`answers_until` of a passage with no last day."""


@dataclass(frozen=True, slots=True)
class AtMost:
    """The integer field is `value` or lower."""

    field: str
    value: int


@dataclass(frozen=True, slots=True)
class AtLeast:
    """The integer field is `value` or higher."""

    field: str
    value: int


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The field, a word or a list of words, holds at least one of `values`."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Equals:
    """The field is `value`."""

    field: str
    value: str | int


Condition = AtMost | AtLeast | AnyOf | Equals


@dataclass(frozen=True, slots=True)
class AccessFilter:
    """A point answers where every `must` condition holds and no `must_not` condition does."""

    must: tuple[Condition, ...]
    must_not: tuple[Condition, ...]


EVERYTHING = AccessFilter(must=(), must_not=())
"""Admits every point: for snapshots and for evaluations on public test collections, never for a person."""


def parse_filters(pairs: Iterable[str]) -> dict[str, str]:
    """Filters as people type them, each `KEY=VALUE`; raises BadInput for a word of another form."""
    filters = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator:
            raise BadInput(f"Filter {pair.strip()[:60]!r}: write it as KEY=VALUE, for example department=HR.")
        filters[key.strip()] = value.strip()
    return filters


def access_filter(person: Principal, *, today: date, filters: Mapping[str, str] | None = None) -> AccessFilter:
    """The person's filter on that day: clearance, allowed and denied groups, in force, chosen metadata.

    Raises:
        BadInput: an unknown filter key, an unknown classification, or a value that no document can have.
    """
    groups = tuple(sorted(person.access_groups))
    day = today.toordinal()
    return AccessFilter(
        must=(
            AtMost("classification_rank", clearance_rank(person.clearance)),
            AnyOf("allowed_groups", groups),
            AtMost("answers_from", day),
            AtLeast("answers_until", day),
            *(_metadata(key, value) for key, value in sorted((filters or {}).items())),
        ),
        must_not=(AnyOf("denied_groups", groups),),
    )


def document_filter(document_id: str, version: int) -> AccessFilter:
    """Every point of one document version, whoever asks: for the catalogue's upkeep, never for an answer."""
    return AccessFilter(must=(Equals("document_id", document_id), Equals("version", version)), must_not=())


def admits(access: AccessFilter, payload: Mapping[str, object]) -> bool:
    """The rule in plain Python, on a point's payload."""
    return all(_holds(c, payload) for c in access.must) and not any(_holds(c, payload) for c in access.must_not)


def _metadata(key: str, value: str) -> Condition:
    if key not in FILTERABLE:
        raise BadInput(f"Unknown filter {key[:40]!r}: use one of {', '.join(FILTERABLE)}.")
    if not value or len(value) > MAX_FILTER_CHARS or not value.isprintable():
        raise BadInput(f"The filter {key} needs a value of 1 to {MAX_FILTER_CHARS} printable characters.")
    if key != "classification":
        return Equals(key, value)
    if value not in CLASSIFICATIONS:
        raise BadInput(f"The filter classification must be one of {', '.join(CLASSIFICATIONS)}.")
    return Equals("classification_rank", CLASSIFICATIONS.index(value))


def _holds(condition: Condition, payload: Mapping[str, object]) -> bool:
    held = payload.get(condition.field)
    match condition:
        case AtMost(_, value):
            return isinstance(held, int) and held <= value
        case AtLeast(_, value):
            return isinstance(held, int) and held >= value
        case AnyOf(_, values):
            words = held if isinstance(held, (list, tuple)) else (held,)
            return any(word in values for word in words)
        case Equals(_, value):
            return held == value
