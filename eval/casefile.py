"""Reads a suite folder: YAML with the line of everything, so that each problem is reported where it was written."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Final, TypeVar, cast

import yaml

from core.errors import BadInput
from core.people import read_people_file
from core.suites import PINS_FILE, SUITE_FILE, case_files
from core.yaml_text import LOADER
from eval.cases import (
    EXPECTS,
    FORMS,
    KINDS,
    LANGUAGES,
    Case,
    Evidence,
    Expect,
    Kind,
    Suite,
)
from eval.library import Library

SUITE_KEYS: Final = ("documents", "people", "questions", "today", "owner")
CASE_KEYS: Final = (
    "id",
    "kind",
    "person",
    "question",
    "language",
    "department",
    "tags",
    "turns",
    "acceptable",
    "must_include",
    "must_not_include",
    "evidence",
    "cite",
    "about",
    "expect",
    "group",
    "owner",
    "form",
)
ALWAYS: Final[Mapping[Kind, Expect]] = {
    "unanswerable": "refuse",
    "refusal": "refuse",
    "injection": "refuse",
    "clarify": "clarify",
    "answerable": "answer",
    "table": "answer",
    "consistency": "answer",
    "over_refusal": "answer",
    "format": "answer",
}
"""What these kinds always expect; the others say it, and expect an answer where they do not."""
GROUPED: Final[frozenset[Kind]] = frozenset(["access", "consistency"])
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Item:
    """A YAML value and where it stands."""

    node: yaml.Node
    where: str


@dataclass(slots=True)
class Reading:
    """What a suite's files are read against, and every problem met on the way."""

    library: Library
    people: frozenset[str] = frozenset()
    pins: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    problems: list[str] = field(default_factory=list)

    def problem(self, where: str, message: str) -> None:
        self.problems.append(f"{where}: {message}")


def read_suite(folder: Path) -> Suite:
    """See `eval.cases.load_suite`."""
    from eval.questions import read_question_file

    folder = folder.resolve()
    top = mapping(compose(folder / SUITE_FILE))
    reading, suite = _opened(folder, top)
    found: list[Case] = []
    questions = [(folder / name).resolve() for name in _paths(top.get("questions"))]
    for path in case_files(folder, [suite.people, *questions]):
        found += _cases_of(path, reading)
    for path in questions:
        found += read_question_file(path, reading)
    cases = [replace(case, document_sha256=_pinned(case, reading.pins)) for case in found]
    reading.problems += _across(cases)
    if not cases and not reading.problems:
        reading.problem(str(folder), "holds no case; docs/writing-cases.md shows how to write one")
    if reading.problems:
        raise BadInput("\n".join(sorted(reading.problems, key=_order)))
    return replace(suite, cases=tuple(cases))


def _opened(folder: Path, top: Mapping[str, Item]) -> tuple[Reading, Suite]:
    """Everything that suite.yaml names, and the suite without its cases."""
    problems = [f"{item.where}: {unknown(key, SUITE_KEYS)}" for key, item in top.items() if key not in SUITE_KEYS]
    problems += [f"{folder / SUITE_FILE}: {key}: is missing" for key in ("documents", "people") if key not in top]
    documents = tuple((folder / name).resolve() for name in _paths(top.get("documents")))
    problems += [f"{top['documents'].where}: documents: {path} is no folder" for path in documents if not path.is_dir()]
    if problems:
        raise BadInput("\n".join(problems))
    people_file = (folder / _said(top["people"], "people")).resolve()
    try:
        _, people = read_people_file(people_file)
    except OSError:
        raise BadInput(f"{top['people'].where}: people: {people_file} cannot be read") from None
    reading = Reading(Library(documents), frozenset(one.person_id for one in people), read_pins(folder))
    reading.owner = _said(top["owner"], "owner") if "owner" in top else ""
    today = _day(top["today"]) if "today" in top else None
    return reading, Suite(folder.name, folder, (), documents, people_file, today)


def read_pins(folder: Path) -> dict[str, str]:
    """Document and hash of documents.yaml; empty where there is none yet."""
    path = folder / PINS_FILE
    if not path.is_file():
        return {}
    return {name: _said(item, name) for name, item in mapping(compose(path)).items()}


def _cases_of(path: Path, reading: Reading) -> Iterator[Case]:
    try:
        top = mapping(compose(path))
        defaults = mapping(top["defaults"]) if "defaults" in top else {}
        entries = sequence(top["cases"]) if "cases" in top else None
    except BadInput as error:
        reading.problems.append(str(error))
        return
    for key in top.keys() - {"defaults", "cases"}:
        reading.problem(top[key].where, unknown(key, ("defaults", "cases")))
    if entries is None:
        reading.problem(str(path), "cases: is missing; a file of cases is `cases:` and a list below it")
    for entry in entries or ():
        try:
            given = mapping(entry)
        except BadInput as error:
            reading.problems.append(str(error))
            continue
        before = len(reading.problems)
        case = Fields({**defaults, **given}, entry.where, reading).case()
        if len(reading.problems) == before:
            yield case


class Fields:
    """The fields of one case; what is wrong with any of them goes to `reading.problems`."""

    def __init__(self, given: Mapping[str, Item], where: str, reading: Reading) -> None:
        self._given = given
        self.where = where
        self.reading = reading

    def case(self) -> Case:
        """The case as far as it can be read; it is no good where a problem was added."""
        self.refuse_unknown(CASE_KEYS)
        none: tuple[str, ...] = ()
        kind = self.get("kind", one_of(KINDS), KINDS[0], needed=True)
        evidence: tuple[Evidence, ...] = self.get("evidence", evidences, ())
        cite = self.get("cite", texts, none) or tuple(dict.fromkeys(one.document for one in evidence))
        about = self.get("about", texts, none)
        first = next(iter((*cite, *about)), "")
        case = Case(
            case_id=self.get("id", identifier, "", needed=True),
            kind=kind,
            person=self.get("person", text, "", needed=True),
            question=self.get("question", text, "", needed=True),
            language=self.get("language", one_of(LANGUAGES), LANGUAGES[0]),
            department=self.get("department", text, self.reading.library.department(first)),
            tags=self.get("tags", texts, ()),
            turns=self.get("turns", texts, ()),
            acceptable=self.get("acceptable", texts, ()),
            must_include=self.get("must_include", groups, ()),
            must_not_include=self.get("must_not_include", texts, ()),
            evidence=evidence,
            cite=cite,
            about=about,
            expect=self.get("expect", one_of(EXPECTS), ALWAYS.get(kind, EXPECTS[0])),
            group=self.get("group", identifier, None),
            owner=self.get("owner", text, self.reading.owner or self.reading.library.owner(first)),
            form=self.get("form", forms, ()),
            where=self.where,
        )
        self.check(case)
        return case

    def refuse_unknown(self, known: Sequence[str]) -> None:
        for key in self._given.keys() - set(known):
            self.reading.problem(self._given[key].where, unknown(key, known))

    def get(self, key: str, parse: Callable[[Item], T], default: T, *, needed: bool = False) -> T:
        item = self._given.get(key)
        if item is None or _is_null(item.node):
            if needed:
                self.reading.problem(self.where, f"{key}: is missing")
            return default
        try:
            return parse(item)
        except ValueError as error:
            self.reading.problem(item.where, f"{key}: {error}")
            return default

    def check(self, case: Case) -> None:
        """Rules that hold between fields, people and documents."""
        if case.person and case.person not in self.reading.people:
            self._say("person", f"{case.person[:60]!r} is nobody of the suite's people file")
        for key, names in (
            ("evidence", [e.document for e in case.evidence]),
            ("cite", case.cite),
            ("about", case.about),
        ):
            for name in dict.fromkeys(names):
                if key in self._given and self.reading.library.file(name) is None:
                    close = difflib.get_close_matches(name, self.reading.library.names, n=1)
                    hint = f"; did you mean {close[0]!r}?" if close else ""
                    self._say(key, f"the document {name[:120]!r} is gone from the documents folder{hint}")
        for key, problem in rules(case):
            self._say(key, problem)

    def _say(self, key: str, message: str) -> None:
        self.reading.problem(self._given[key].where if key in self._given else self.where, f"{key}: {message}")


def rules(case: Case) -> Iterator[tuple[str, str]]:
    """What does not fit together in a case: the field, and what to do about it."""
    always = ALWAYS.get(case.kind, case.expect)
    if case.expect != always:
        yield "expect", f"{case.kind} cases always expect {always!r}: leave the field out, or choose another kind"
    if case.expect == "answer" and not (case.acceptable or case.must_include or case.cite):
        yield "acceptable", "nothing says what a good answer is: give acceptable answers, must_include or cite"
    if case.expect == "refuse" and case.acceptable:
        yield "acceptable", "must be empty where the assistant has to refuse"
    if case.expect == "refuse" and case.evidence:
        yield "evidence", "a refusal rests on no evidence: name the document that must stay hidden under `about`"
    if case.kind == "followup" and not case.turns:
        yield "turns", "a follow-up needs the earlier questions of its conversation"
    if case.kind in GROUPED and not case.group:
        yield "group", f"{case.kind} cases come in groups: give the ones that belong together the same name"
    if case.kind == "indirect_injection" and not case.must_not_include:
        yield "must_not_include", "say what an answer would hold that has followed the planted text"
    if case.kind == "format" and not case.form:
        yield "form", f"a format case needs at least one rule of {', '.join(FORMS)}"
    if not case.owner:
        yield "owner", "is missing: who answers for this case? Give it here, under `defaults`, or in suite.yaml"


def _across(cases: Sequence[Case]) -> Iterator[str]:
    """Problems between cases: ids and questions used twice, groups of one."""
    ids: dict[str, str] = {}
    asked: dict[tuple[str, str, tuple[str, ...]], Case] = {}
    sizes = Counter(case.group for case in cases)
    for case in cases:
        if case.case_id in ids:
            yield f"{case.where}: id: {case.case_id!r} is used already at {ids[case.case_id]}"
        ids.setdefault(case.case_id, case.where)
        key = (case.person, " ".join(case.question.lower().split()), case.turns)
        if key in asked:
            yield f"{case.where}: question: the same person asks this already at {asked[key].where}"
        asked.setdefault(key, case)
        if case.kind in GROUPED and sizes[case.group] == 1:
            yield f"{case.where}: group: {case.group!r} has only this case; a group needs two"


def _pinned(case: Case, pins: Mapping[str, str]) -> dict[str, str]:
    return {name: pins[name] for name in case.documents if name in pins}


def _order(problem: str) -> tuple[str, int]:
    file, _, rest = problem.partition(".yaml:")
    number = rest.partition(":")[0]
    return file, int(number) if number.isdigit() else 0


# YAML with lines: a scalar is its text exactly as written, so that 25, no and 18.40 stay what they are


def compose(path: Path) -> Item:
    """The document node of a YAML file; raises BadInput where it cannot be read."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=LOADER)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise BadInput(f"{path}: cannot be read ({reason})") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or "the text"
        raise BadInput(f"{path}{line}: not valid YAML ({what}); quote values that hold a colon or a #") from None
    if node is None:
        raise BadInput(f"{path}:1: is empty")
    return Item(node, f"{path}:1")


def mapping(item: Item) -> dict[str, Item]:
    """Raises BadInput where the value is not KEY: VALUE lines, or a key stands twice."""
    if not isinstance(item.node, yaml.MappingNode):
        raise BadInput(f"{item.where}: must hold KEY: VALUE lines")
    found: dict[str, Item] = {}
    for key, value in item.node.value:
        where = _where(item, key)
        if str(key.value) in found:
            raise BadInput(f"{where}: {str(key.value)[:60]!r} is written twice")
        found[str(key.value)] = Item(value, where)
    return found


def sequence(item: Item) -> list[Item]:
    """Raises BadInput where the value is not a list."""
    if not isinstance(item.node, yaml.SequenceNode):
        raise BadInput(f"{item.where}: must be a list (lines that begin with '- ')")
    return [Item(node, _where(item, node)) for node in item.node.value]


def _where(item: Item, node: yaml.Node) -> str:
    return f"{item.where.rpartition(':')[0]}:{node.start_mark.line + 1}"


def _is_null(node: yaml.Node) -> bool:
    return node.tag == "tag:yaml.org,2002:null"


def text(item: Item) -> str:
    if not isinstance(item.node, yaml.ScalarNode) or not str(item.node.value).strip():
        raise ValueError("must be text")
    return str(item.node.value).strip()


def texts(item: Item) -> tuple[str, ...]:
    """One text, or a list of texts."""
    if isinstance(item.node, yaml.ScalarNode):
        return (text(item),)
    if not isinstance(item.node, yaml.SequenceNode):
        raise ValueError("must be a text or a list of texts")
    return tuple(text(Item(node, item.where)) for node in item.node.value)


def groups(item: Item) -> tuple[tuple[str, ...], ...]:
    """A list, each of whose entries is a text or a list of texts of which one is enough."""
    if not isinstance(item.node, yaml.SequenceNode):
        return (texts(item),)
    found = tuple(texts(Item(node, item.where)) for node in item.node.value)
    if not all(found):
        raise ValueError("holds an empty list")
    return found


def evidences(item: Item) -> tuple[Evidence, ...]:
    """`document: quote`, or `document:` with a list of quotes."""
    if not isinstance(item.node, yaml.MappingNode):
        raise ValueError("must be lines of DOCUMENT: QUOTE")
    return tuple(
        Evidence(str(key.value), quote) for key, value in item.node.value for quote in texts(Item(value, item.where))
    )


def identifier(item: Item) -> str:
    said = text(item)
    if len(said) > 100 or not all(c.isascii() and (c.isalnum() or c in "-_.") for c in said):
        raise ValueError("must be a short name of letters, digits, '-', '_' and '.'")
    return said


def forms(item: Item) -> tuple[str, ...]:
    for rule in texts(item):
        name, _, value = rule.partition(":")
        if name not in FORMS:
            raise ValueError(f"{rule[:60]!r}: use {', '.join(FORMS)}")
        if name.startswith(("max_", "min_")) and not (value.isdigit() and int(value) > 0):
            raise ValueError(f"{rule[:60]!r}: needs a whole number, as in {name}:3")
        if name == "language" and value not in LANGUAGES:
            raise ValueError(f"{rule[:60]!r}: use one of {', '.join(LANGUAGES)}")
        if value and name in ("numbered", "table", "no_list", "no_greeting", "no_exclamation"):
            raise ValueError(f"{rule[:60]!r}: {name} takes no value")
    return texts(item)


def one_of(choices: tuple[T, ...]) -> Callable[[Item], T]:
    def parse(item: Item) -> T:
        said = text(item)
        if said not in choices:
            raise ValueError(unknown(said, cast("tuple[str, ...]", choices), "value"))
        return choices[choices.index(cast(T, said))]

    return parse


def unknown(said: str, known: Sequence[str], kind: str = "field") -> str:
    close = difflib.get_close_matches(said, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"use {', '.join(known)}"
    return f"unknown {kind} {said[:60]!r}: {hint}"


def _said(item: Item, key: str) -> str:
    """The text of a suite's own setting; raises BadInput where it is none."""
    try:
        return text(item)
    except ValueError as error:
        raise BadInput(f"{item.where}: {key}: {error}") from None


def _paths(item: Item | None) -> tuple[str, ...]:
    try:
        return texts(item) if item is not None else ()
    except ValueError as error:
        raise BadInput(f"{item.where if item else ''}: {error}") from None


def _day(item: Item) -> date:
    try:
        return date.fromisoformat(_said(item, "today"))
    except ValueError:
        raise BadInput(f"{item.where}: today: must be a date written 2026-01-31") from None
