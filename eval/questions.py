"""The demo's question files as cases, so that one text serves the evaluation, `retrieval calibrate` and the benches.

An entry has id, question, person, answerable, answer, evidence, document_id and tags; `acceptable`, `must_include` and
`must_not_include` are the case's; `evidence_of` names the document id of each line of evidence where they are of several. Tags tell the kind: `denied` access, `draft`, `retired` and `expired` superseded, and so
on; `pair:ID` names the question that the same group begins with, `also:ID` a second document.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from core.errors import BadInput
from eval.casefile import Fields, Item, Reading, compose, groups, identifier, mapping, sequence, text, texts
from eval.cases import Case, Evidence, Kind, Language

KEYS: Final = ("id", "question", "person", "answerable", "answer", "evidence", "document_id", "tags")
EXTRA: Final = ("acceptable", "must_include", "must_not_include", "evidence_of")
ANSWERED: Final[Sequence[tuple[str, Kind]]] = (
    ("conflict", "conflict"),
    ("superseded", "superseded"),
    ("superseded-version", "superseded"),
    ("expired", "superseded"),
    ("injection", "indirect_injection"),
    ("personal-data", "personal_data"),
    ("paired", "access"),
    ("table", "table"),
)
REFUSED: Final[Sequence[tuple[str, Kind]]] = (
    ("personal-data", "personal_data"),
    ("denied", "access"),
    ("draft", "superseded"),
    ("retired", "superseded"),
    ("expired", "superseded"),
)
SPOKEN: Final[Mapping[str, Language]] = {"german": "de", "spanish": "es"}


def read_question_file(path: Path, reading: Reading) -> list[Case]:
    """The cases of one file; what is wrong with it goes to `reading.problems`."""
    try:
        entries = [(entry.where, mapping(entry)) for entry in sequence(compose(path))]
    except BadInput as error:
        reading.problems.append(str(error))
        return []
    rows = [Row.read(Fields(given, where, reading)) for where, given in entries]
    named = frozenset(row.pair for row in rows if row.pair)
    cases = []
    for row in rows:
        before = len(reading.problems)
        case = row.case(named)
        row.fields.check(case)
        if not row.spoilt and len(reading.problems) == before:
            cases.append(case)
    return cases


@dataclass(frozen=True, slots=True)
class Row:
    """One entry as it is written."""

    fields: Fields
    case_id: str
    person: str
    question: str
    answerable: bool
    answer: str
    evidence: str
    document: str
    tags: tuple[str, ...]
    spoilt: bool

    @classmethod
    def read(cls, fields: Fields) -> Row:
        reading = fields.reading
        before = len(reading.problems)
        fields.refuse_unknown((*KEYS, *EXTRA))
        row = cls(
            fields,
            case_id=fields.get("id", identifier, "", needed=True),
            person=fields.get("person", text, "", needed=True),
            question=fields.get("question", text, "", needed=True),
            answerable=fields.get("answerable", _flag, False, needed=True),
            answer=fields.get("answer", _maybe, ""),
            evidence=fields.get("evidence", _maybe, ""),
            document=fields.get("document_id", text, ""),
            tags=fields.get("tags", texts, ()),
            spoilt=False,
        )
        for document_id in [*row.named("also", [row.document] if row.document else []), *row.sources]:
            if reading.library.by_id(document_id) is None:
                reading.problem(fields.where, f"document_id: the document {document_id[:120]!r} is gone")
        if row.sources and len(row.sources) != len(row.lines):
            reading.problem(fields.where, f"evidence_of: names {len(row.sources)} documents for {len(row.lines)} lines")
        return replace(row, spoilt=len(reading.problems) > before)

    def named(self, word: str, first: Sequence[str] = ()) -> list[str]:
        """What follows `word:` in the tags, after what is given."""
        return [*first, *(tag.partition(":")[2] for tag in self.tags if tag.startswith(f"{word}:"))]

    @property
    def lines(self) -> list[str]:
        return [line.strip() for line in self.evidence.splitlines() if line.strip()]

    @property
    def sources(self) -> tuple[str, ...]:
        """The document ids of the lines; none where all are of `document`."""
        return self.fields.get("evidence_of", texts, ())

    def quotes(self, first: str) -> tuple[Evidence, ...]:
        """Each line with the file that it is from."""
        files = [self.fields.reading.library.by_id(one) or "" for one in self.sources] or [first] * len(self.lines)
        return tuple(Evidence(file, line) for file, line in zip(files, self.lines, strict=False))

    @property
    def pair(self) -> str | None:
        return next(iter(self.named("pair")), None)

    def case(self, named: Collection[str]) -> Case:
        """The case; `named` are the ids that others are paired with."""
        library = self.fields.reading.library
        ids = self.named("also", [self.document] if self.document else [])
        documents = tuple(name for name in map(library.by_id, ids) if name)
        first = documents[0] if documents else ""
        tags = tuple(tag for tag in self.tags if ":" not in tag)
        paired = self.pair is not None or self.case_id in named
        kind = _kind([*tags, *(["paired"] if paired else [])], self.answerable)
        get = self.fields.get
        none: tuple[str, ...] = ()
        return Case(
            case_id=self.case_id,
            kind=kind,
            person=self.person,
            question=self.question,
            language=next((SPOKEN[tag] for tag in tags if tag in SPOKEN), "en"),
            department=library.department(first),
            tags=tags,
            acceptable=(self.answer, *get("acceptable", texts, none)) if self.answerable and self.answer else (),
            must_include=get("must_include", groups, ()),
            must_not_include=get("must_not_include", texts, ()),
            evidence=self.quotes(first) if self.answerable else (),
            cite=documents if self.answerable else (),
            about=() if self.answerable else documents,
            expect="answer" if self.answerable else "refuse",
            group=self.pair or (self.case_id if paired or kind == "access" else None),
            owner=library.owner(first) or self.fields.reading.owner,
            where=self.fields.where,
        )


def _flag(item: Item) -> bool:
    if text(item) not in ("true", "false"):
        raise ValueError("must be true or false")
    return text(item) == "true"


def _maybe(item: Item) -> str:
    return text(item) if getattr(item.node, "value", "") else ""


def _kind(tags: Sequence[str], answerable: bool) -> Kind:
    for tag, kind in ANSWERED if answerable else REFUSED:
        if tag in tags:
            return kind
    return "answerable" if answerable else "unanswerable"
