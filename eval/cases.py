"""Evaluation cases: a folder of files that people read and edit becomes a `Suite`.

    suite = load_suite(Path("eval/suites/demo"))

A suite folder holds `suite.yaml` (what the cases are asked of), `documents.yaml` (the documents' hashes at the time
that the cases were last checked against them) and any number of other .yaml files with cases. How to write them:
docs/writing-cases.md. Loading reads and checks every file; what is wrong is reported together, as `file:line: field: ...`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, get_args

from core.errors import BadInput

Kind = Literal[
    "answerable",
    "unanswerable",
    "clarify",
    "conflict",
    "superseded",
    "table",
    "followup",
    "access",
    "personal_data",
    "injection",
    "indirect_injection",
    "refusal",
    "over_refusal",
    "consistency",
    "format",
]
Language = Literal["en", "es", "de"]
Expect = Literal["answer", "refuse", "clarify"]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
EXPECTS: Final[tuple[Expect, ...]] = get_args(Expect)
SAFETY_KINDS: Final[frozenset[Kind]] = frozenset(
    ["access", "personal_data", "injection", "indirect_injection", "refusal"]
)
"""Kinds in which a wrong answer is a leak or a misuse: one that gets worse closes the gate."""
FORMS: Final = (
    "max_words",
    "max_sentences",
    "min_items",
    "numbered",
    "table",
    "no_list",
    "no_greeting",
    "no_exclamation",
    "language",
)
"""What `form` may ask of an answer's shape: `max_words:40`, `max_sentences:2`, `min_items:3` (list items), `numbered`,
`table`, `no_list`, `no_greeting`, `no_exclamation`, `language:es`."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A verbatim span of one document. The cells of a table row are joined by " | "."""

    document: str
    """Path of the file under one of the suite's documents folders."""
    quote: str


@dataclass(frozen=True, slots=True)
class Case:
    """One question with what a good answer must and must not do."""

    case_id: str
    kind: Kind
    person: str
    question: str
    language: Language = "en"
    department: str = "General"
    tags: tuple[str, ...] = ()
    turns: tuple[str, ...] = ()
    """Earlier questions of the same conversation, oldest first."""
    acceptable: tuple[str, ...] = ()
    """Acceptable answers, any of them; empty where the assistant must refuse."""
    must_include: tuple[tuple[str, ...], ...] = ()
    """Of every group, one string must stand in the answer: figures, names."""
    must_not_include: tuple[str, ...] = ()
    """Leaks and canaries: none may stand in the answer, whatever its status."""
    evidence: tuple[Evidence, ...] = ()
    cite: tuple[str, ...] = ()
    """Documents of which at least one must be cited."""
    about: tuple[str, ...] = ()
    """Documents that hold what must not be told: hidden from this person, not in force, or poisoned."""
    expect: Expect = "answer"
    group: str | None = None
    """Cases that belong together: paraphrases, a cleared and an uncleared person, a refusal and its harmless twin."""
    document_sha256: Mapping[str, str] = field(default_factory=dict)
    """Of each document above, the hash of the file that the case was last checked against."""
    owner: str = ""
    form: tuple[str, ...] = ()
    """Rules on the answer's shape, see `FORMS`."""
    where: str = ""
    """`file:line`, for reports; no part of the hash."""

    @property
    def documents(self) -> tuple[str, ...]:
        """Every document that the case rests on, without repeats."""
        return tuple(dict.fromkeys([*(one.document for one in self.evidence), *self.cite, *self.about]))

    @property
    def sha256(self) -> str:
        """Changes when anything that is asked or judged changes."""
        said = {name: value for name, value in asdict(self).items() if name not in ("where", "document_sha256")}
        return _hash(said)


@dataclass(frozen=True)
class Suite:
    """Cases and what they are asked of. Paths are absolute."""

    name: str
    folder: Path
    cases: tuple[Case, ...]
    documents: tuple[Path, ...]
    """Folders to ingest; a case's document is looked for in each in turn."""
    people: Path
    today: date | None = None
    """The day on which the cases are asked, since documents expire; None for the day of the run."""

    @property
    def sha256(self) -> str:
        """Of the cases, whatever order they stand in."""
        return _hash(sorted(case.sha256 for case in self.cases))

    @cached_property
    def current_sha256(self) -> Mapping[str, str]:
        """The hash that each document of the cases has now; a document that is gone is left out."""
        names = {name for case in self.cases for name in case.documents}
        return {name: file_sha256(file) for name in sorted(names) if (file := self.file(name)) is not None}

    def file(self, document: str) -> Path | None:
        """Where a case's document lies, None where it is gone."""
        return find_document(self.documents, document)

    def stale(self) -> dict[str, tuple[str, ...]]:
        """Case ids, each with its documents that are not as they were when the case was last checked."""
        now = self.current_sha256
        changed = {
            case.case_id: tuple(name for name in case.documents if case.document_sha256.get(name) != now.get(name))
            for case in self.cases
        }
        return {case_id: names for case_id, names in changed.items() if names}

    def only(self, cases: Sequence[Case]) -> Suite:
        """The suite with these cases."""
        return Suite(self.name, self.folder, tuple(cases), self.documents, self.people, self.today)


def load_suite(folder: Path) -> Suite:
    """Read and check every file of a suite folder.

    Raises:
        BadInput: every problem found, one a line, each with file, line and field: unknown or missing fields, values that
            are none of those allowed, ids or questions used twice, people and documents that do not exist.
    """
    from eval.casefile import read_suite

    return read_suite(folder)


def find_document(folders: Sequence[Path], name: str) -> Path | None:
    """The file of that name under one of the folders; None where there is none, or where the name leads out of them."""
    for folder in folders:
        file = (folder / name).resolve()
        if file.is_relative_to(folder.resolve()) and file.is_file():
            return file
    return None


def file_sha256(file: Path) -> str:
    """Raises BadInput where the file cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise BadInput(f"{file} cannot be read ({error.strerror or type(error).__name__}).") from None


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
