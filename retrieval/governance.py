"""Governance metadata: who owns a document, who may read it, and when it answers.

It comes from, each over the one before: the caller's defaults (`ingest --govern`, `--defaults`), the `defaults:` and
the file's entry of the `governance.yaml` beside the file, and the file's own front matter. A file with none of them
has no governance and is never answered from. Errors name the file and the line.

Which front matter counts, and what is made of one that nearly says who may read the file: `retrieval/front_matter.py`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from core.errors import BadInput, GovernanceError
from core.records import CLASSIFICATIONS, EVERYONE, Classification, DocumentStatus
from core.yaml_text import compose, load, value_of
from retrieval.near_keys import meant, meant_in_lines

FILE_NAME = "governance.yaml"
KEYS: Final = (
    "document_id",
    "title",
    "version",
    "owner",
    "department",
    "classification",
    "allowed_groups",
    "denied_groups",
    "effective",
    "expires",
    "review",
    "legal_hold",
    "language",
    "source",
    "status",
)
STATUSES: Final[tuple[DocumentStatus, ...]] = ("draft", "approved", "retired")
REQUIRED: Final = ("owner", "classification", "allowed_groups")
"""What the caller's defaults must say at least; a file that speaks for itself says all of `SELF_GOVERNED`."""
SELF_GOVERNED: Final = (
    "document_id",
    "version",
    "owner",
    "department",
    "classification",
    "allowed_groups",
    "effective",
    "status",
)
MAKE_GROUP: Final = "to make a group: python -m assistant users add-group NAME; all of a file: python -m assistant users import people.yaml"

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,199}")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_CLOSED = r"\n(.*?)^(?:---|\.\.\.)[ \t]*(?:#[^\n]*)?(?:\n|\Z)"
_FRONT = re.compile(r"\A\ufeff?---[ \t]*" + _CLOSED, re.DOTALL | re.MULTILINE)
_LOOSE = re.compile(r"\A[\s\ufeff\u200b]*---[ \t]*(?:#[^\n]*)?" + _CLOSED, re.DOTALL | re.MULTILINE)
"""Front matter as only we read it, and only where it is ours: after blank lines, with a comment beside its dashes."""
T = TypeVar("T")


class NotYaml(GovernanceError):
    """The text is not YAML at all."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One metadata value and where it was written (`file:line`)."""

    value: Any
    where: str


Entries = Mapping[str, Entry]


@dataclass(frozen=True, slots=True)
class Governance:
    """Checked metadata. None for an id, version, title, date or language means that ingestion decides."""

    owner: str
    department: str
    classification: Classification
    allowed_groups: frozenset[str]
    denied_groups: frozenset[str] = frozenset()
    document_id: str | None = None
    version: int | None = None
    title: str | None = None
    effective: date | None = None
    expires: date | None = None
    review: date | None = None
    legal_hold: bool = False
    language: str | None = None
    source: str = ""
    status: DocumentStatus = "approved"

    @property
    def sha256(self) -> str:
        """Changes when anything that was written changes; the same on every day."""
        said = {key: _plain(getattr(self, key)) for key in KEYS}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class GovernanceFile:
    """A parsed governance.yaml: the entry of each file name, defaults merged in, and what is wrong with the file."""

    path: Path
    documents: Mapping[str, Entries] = field(default_factory=dict)
    problem: str = ""


def split_front_matter(text: str, name: str) -> tuple[dict[str, Entry] | None, str]:
    """The front matter's entries (None where there is none) and the text after it.

    Raises:
        GovernanceError: the front matter is not a YAML mapping.
    """
    match = front_of(text := unix(text))
    if match is None:
        return None, text
    offset = text.count("\n", 0, match.start(1))
    return _entries(_compose(match[1], name, offset), name, offset), text[match.end() :]


def without_front_matter(text: str) -> str:
    match = front_of(text := unix(text))
    return text[match.end() :] if match else text


def front_of(text: str) -> re.Match[str] | None:
    """The front matter of a text with `unix` line ends, `[1]` between its dashes.

    In an unusual form it is front matter only where it speaks of our keys: else it is text.
    """
    match = _FRONT.match(text)
    if match is None and (match := _LOOSE.match(text)) and not any(meant_in_lines(match[1])):
        return None
    return match


def unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def is_ours(front: Entries) -> bool:
    """Whether it says, or nearly says, what governs a file: another tool's has none of these keys."""
    return any(map(meant, front))


def problems_of(entries: Entries, *, known_groups: Collection[str]) -> list[str]:
    """What is wrong with the values of these entries alone, each with its file and line."""
    reader = _Reader(entries, known_groups)
    _governance(reader)
    return reader.problems


def describes(key: str, entry: Entry) -> bool:
    """Whether it is a key that opens and closes nothing, with a value that we can read."""
    try:
        return key in _DESCRIBING and _DESCRIBING[key](entry.value) is not None
    except ValueError:
        return False


def read_governance_file(path: Path) -> GovernanceFile:
    """Parse a governance.yaml. What is wrong with the file as a whole becomes `problem`, for each file beside it."""
    try:
        top = _entries(_compose(path.read_text(encoding="utf-8"), str(path)), str(path))
        _refuse_unknown(top, ("defaults", "documents"))
        defaults = _section(top, "defaults", path)
        _refuse_unknown(defaults, KEYS)
        documents = {}
        for name, entry in _section(top, "documents", path).items():
            if "/" in name or "\\" in name or name in ("", ".", ".."):
                raise GovernanceError(
                    f"{entry.where}: {name!r} is not a plain file name; list files of this folder only"
                )
            documents[name] = {**defaults, **_of_node(entry, path)}
    except (OSError, UnicodeDecodeError) as error:
        return GovernanceFile(path, problem=f"{path}: cannot be read ({type(error).__name__}); save it as UTF-8 text")
    except GovernanceError as error:
        return GovernanceFile(path, problem=str(error))
    return GovernanceFile(path, documents)


def entries_of(values: Mapping[str, object], where: str) -> dict[str, Entry]:
    """Metadata given in code or on the command line, as entries that errors can name."""
    return {key: Entry(value, where) for key, value in values.items()}


def parse_govern(text: str) -> dict[str, object]:
    """`owner=me@x,classification=internal,allowed_groups=hr+finance` as metadata.

    Raises:
        BadInput: a part is not KEY=VALUE.
    """
    values: dict[str, object] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        key, sign, value = (piece.strip() for piece in part.partition("="))
        if not sign or not value:
            raise BadInput(
                f"--govern: {part!r} is not KEY=VALUE. Write it as "
                "owner=you@example.com,classification=internal,allowed_groups=everyone (several groups: hr+finance)."
            )
        values[key] = value.split("+") if key.endswith("_groups") else _scalar(value)
    return values


def read_defaults(path: Path) -> dict[str, object]:
    """The metadata mapping in a --defaults file.

    Raises:
        GovernanceError: not a YAML mapping, or a key that is none of ours.
    """
    try:
        entries = _entries(_compose(path.read_text(encoding="utf-8"), str(path)), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise GovernanceError(f"{path}: cannot be read ({type(error).__name__}).") from None
    _refuse_unknown(entries, KEYS)
    return {key: entry.value for key, entry in entries.items()}


def check(entries: Entries, *, known_groups: Collection[str], required: Collection[str], place: str) -> Governance:
    """The entries as checked metadata.

    Args:
        place: where a missing key should have been written, for the message.

    Raises:
        GovernanceError: every problem found, one a line, each with its file and line.
    """
    reader = _Reader(entries, known_groups)
    problems = [f"{entries[key].where}: {unknown(key, KEYS)}" for key in entries if key not in KEYS]
    if missing := [key for key in required if key not in entries]:
        problems.append(f"{place}: needs {', '.join(missing)}")
    governance = _governance(reader)
    problems += reader.problems
    if governance.effective and governance.expires and governance.expires < governance.effective:
        problems.append(f"{entries['expires'].where}: expires before it is effective")
    if problems:
        raise GovernanceError("; ".join(problems))
    return governance


def _governance(reader: _Reader) -> Governance:
    """What the reader's entries say; what is wrong with them is in its `problems`."""
    return Governance(
        owner=reader.get("owner", _text(320), ""),
        department=reader.get("department", _DESCRIBING["department"], "General"),
        classification=reader.get("classification", _one_of(CLASSIFICATIONS), "restricted"),
        allowed_groups=reader.groups("allowed_groups"),
        denied_groups=reader.groups("denied_groups"),
        document_id=reader.get("document_id", _document_id, None),
        version=reader.get("version", _version, None),
        title=reader.get("title", _DESCRIBING["title"], None),
        effective=reader.get("effective", _date, None),
        expires=reader.get("expires", _date, None),
        review=reader.get("review", _DESCRIBING["review"], None),
        legal_hold=reader.get("legal_hold", _flag, False),
        language=reader.get("language", _DESCRIBING["language"], None),
        source=reader.get("source", _DESCRIBING["source"], ""),
        status=reader.get("status", _one_of(STATUSES), "approved"),
    )


class _Reader:
    """Reads values one by one and collects what is wrong, so that one run shows every error of a file."""

    def __init__(self, entries: Entries, known_groups: Collection[str]) -> None:
        self._entries = entries
        self._known = {*known_groups, EVERYONE}
        self.problems: list[str] = []

    def get(self, key: str, parse: Callable[[Any], T], default: T) -> T:
        entry = self._entries.get(key)
        if entry is None or (entry.value is None and key not in REQUIRED):
            return default
        try:
            return parse(entry.value)
        except ValueError as error:
            self.problems.append(f"{entry.where}: {key} {error}")
            return default

    def groups(self, key: str) -> frozenset[str]:
        groups: frozenset[str] = self.get(key, _group_names, frozenset())
        if key == "allowed_groups" and key in self._entries and not groups:
            self.problems.append(f"{self._entries[key].where}: {key} names no group; 'everyone' means every person")
        for name in sorted(groups - self._known):
            said = unknown(name, sorted(self._known), "group")
            self.problems.append(f"{self._entries[key].where}: {key}: {said} ({MAKE_GROUP})")
        return groups


def _text(longest: int) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if not isinstance(value, (str, int, float)) or not str(value).strip():
            raise ValueError("must be text")
        if len(str(value)) > longest or not str(value).strip().isprintable():
            raise ValueError(f"must be one line of at most {longest} characters")
        return str(value).strip()

    return parse


def _one_of(choices: tuple[T, ...]) -> Callable[[Any], T]:
    def parse(value: Any) -> T:
        if value not in choices:
            said = repr(value[:40]) if isinstance(value, str) else "no text"
            raise ValueError(f"is {said}: use one of {', '.join(map(str, choices))}")
        return choices[choices.index(value)]

    return parse


def _group_names(value: Any) -> frozenset[str]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("must be a list of group names")
    return frozenset(name.strip() for name in names)


def _document_id(value: Any) -> str | None:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError("must be a slug such as hr-annual-leave (a-z, 0-9, '-', '_', '.')")
    return value


def _version(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
        raise ValueError("must be a whole number from 1")
    return value


def _date(value: Any) -> date | None:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        if isinstance(value, (str, int)):  # 20260131 is a date, too
            return date.fromisoformat(str(value))
    except ValueError:
        pass
    raise ValueError("must be a date written 2026-01-31")


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _language(value: Any) -> str | None:
    if not isinstance(value, str) or not _LANGUAGE.fullmatch(value):
        raise ValueError("must be a two-letter code such as en (quote 'no')")
    return value


def _scalar(value: str) -> object:
    if not re.fullmatch(r"\d+|true|false|\d{4}-\d\d-\d\d", value):
        return value
    try:
        return load(value)
    except yaml.YAMLError:  # 2026-13-45: its key says what it must be
        return value


def _plain(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(value)
    return value.isoformat() if isinstance(value, date) else value


_DESCRIBING: Final[Mapping[str, Callable[[Any], Any]]] = {
    "title": _text(500),
    "department": _text(100),
    "review": _date,
    "language": _language,
    "source": _text(1000),
}
"""Keys that open and close nothing, and how they are read."""


def _compose(text: str, name: str, offset: int = 0) -> yaml.Node | None:
    try:
        return compose(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1 + offset}" if mark else ""
        what = getattr(error, "problem", None) or "the text"
        raise NotYaml(f"{name}{line}: not valid YAML ({what}); quote values that hold a colon") from None


def _entries(node: yaml.Node | None, name: str, offset: int = 0) -> dict[str, Entry]:
    """The mapping's keys and values with their lines; nested mappings stay nodes."""
    if node is None:
        return {}
    if not isinstance(node, yaml.MappingNode):
        raise GovernanceError(f"{name}:{node.start_mark.line + 1 + offset}: must be KEY: VALUE lines")
    found: dict[str, Entry] = {}
    for key, value in node.value:
        where = f"{name}:{key.start_mark.line + 1 + offset}"
        if not isinstance(key, yaml.ScalarNode):
            raise GovernanceError(f"{where}: a key must be a word")
        if key.value in found:
            raise GovernanceError(f"{where}: {str(key.value)[:60]!r} is written twice")
        try:
            found[str(key.value)] = Entry(value if isinstance(value, yaml.MappingNode) else value_of(value), where)
        except yaml.YAMLError:
            raise GovernanceError(f"{where}: the value of {str(key.value)[:60]!r} cannot be read") from None
    return found


def _section(top: Entries, key: str, path: Path) -> dict[str, Entry]:
    return _of_node(top[key], path) if key in top else {}


def _of_node(entry: Entry, path: Path) -> dict[str, Entry]:
    if entry.value is None:
        return {}
    if not isinstance(entry.value, yaml.Node):
        raise GovernanceError(f"{entry.where}: must hold KEY: VALUE lines")
    return _entries(entry.value, str(path))


def _refuse_unknown(entries: Entries, known: Collection[str]) -> None:
    for key, entry in entries.items():
        if key not in known:
            raise GovernanceError(f"{entry.where}: {unknown(key, known)}")


def unknown(key: str, known: Collection[str], kind: str = "key", *, meaning: str = "") -> str:
    """`unknown key 'ownr': did you mean 'owner'?`"""
    import difflib

    close = [meaning] if meaning else difflib.get_close_matches(key, list(known), n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
    return f"unknown {kind} {key[:60]!r}: {hint}"
