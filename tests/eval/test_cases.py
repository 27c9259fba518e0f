"""Cases are read from files that people write: what is wrong is found by file, line and field, what is stale by hash."""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import cache, partial
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.audit import Audit
from core.errors import BadInput
from core.guard_reports import GuardReports
from core.people import People, read_people_file
from core.records import Document, Principal
from core.store import Store
from core.turns import Turns
from eval import case_command
from eval.__main__ import main
from eval.case_command import add_parser, run, write_pins
from eval.casefile import CASE_KEYS
from eval.cases import KINDS, Suite, load_suite
from eval.form import plain
from eval.quotes import plain_text, unfounded
from eval.scorers import holds as stands
from retrieval.governance import Governance
from retrieval.sources import Reader, find_sources
from tests.core.test_turns import turn
from tests.eval.small import CASE, write_suite
from tests.test_json_fields import GIVEN

Read = Callable[[str], str]
DEMO = Path(__file__).resolve().parents[2] / "eval" / "suites" / "demo"
LEAST = {
    "answerable": 60,
    "unanswerable": 20,
    "clarify": 15,
    "conflict": 6,
    "superseded": 15,
    "table": 50,
    "followup": 25,
    "access": 30,
    "personal_data": 15,
    "injection": 25,
    "indirect_injection": 6,
    "refusal": 20,
    "over_refusal": 20,
    "consistency": 40,
    "format": 10,
}


@pytest.fixture(scope="module")
def demo() -> Suite:
    return load_suite(DEMO)


@pytest.fixture(scope="module")
def governed(demo: Suite) -> dict[str, Governance]:
    """What governs each document of the demo suite, by the name that cases use."""
    groups, _ = read_people_file(demo.people)
    reader = Reader(max_bytes=2**24, known_groups=frozenset(groups), scan=None)
    found = {}
    for source in find_sources(demo.documents)[0]:
        governance = reader.identify(source, reader.read(source)).governance
        if governance is not None:
            found[source.file.relative_to(source.root).as_posix()] = governance
    return found


@pytest.fixture(scope="module")
def read(demo: Suite) -> Read:
    """A document's text as the assistant reads it, converted once."""
    return cache(partial(plain_text, demo))


def test_the_demo_suite_has_enough_cases_of_every_kind(demo: Suite) -> None:
    counts = Counter(case.kind for case in demo.cases)
    assert len(demo.cases) >= 330
    assert {kind: counts[kind] for kind in KINDS if counts[kind] < LEAST[kind]} == {}
    assert Counter(case.language for case in demo.cases).keys() == {"en", "es", "de"}
    assert all(n >= 12 for n in Counter(case.language for case in demo.cases).values())


@pytest.mark.slow
def test_every_evidence_quote_stands_in_the_converted_document(demo: Suite, read: Read) -> None:
    assert unfounded(demo, read) == {}


def test_no_case_of_the_demo_suite_is_stale(demo: Suite) -> None:
    assert demo.stale() == {}


def test_every_answer_rests_on_documents_in_force_that_the_person_may_read(
    demo: Suite, governed: dict[str, Governance]
) -> None:
    people = {one.person_id: one for one in read_people_file(demo.people)[1]}
    assert demo.today is not None
    wrong = [
        (case.case_id, name)
        for case in demo.cases
        if case.expect == "answer"
        for name in {evidence.document for evidence in case.evidence}
        if not _answers(governed[name], people[case.person], demo.today)
    ]
    assert wrong == []
    assert all(case.cite for case in demo.cases if case.expect == "answer")


def test_what_an_access_case_hides_is_out_of_the_persons_reach(demo: Suite, governed: dict[str, Governance]) -> None:
    people = {one.person_id: one for one in read_people_file(demo.people)[1]}
    hidden = [case for case in demo.cases if case.kind == "access" and case.expect == "refuse"]
    open_to_all = [
        (case.case_id, name)
        for case in hidden
        for name in case.about
        if _document(governed[name]).readable_by(people[case.person])
    ]
    assert open_to_all == []
    assert all(case.about and case.must_not_include for case in hidden)


def test_every_access_group_asks_a_cleared_and_an_uncleared_person(demo: Suite) -> None:
    groups = defaultdict(set)
    for case in demo.cases:
        if case.kind == "access":
            groups[case.group].add(case.expect)
    assert {group for group, expects in groups.items() if expects != {"answer", "refuse"}} == set()


@pytest.mark.slow
def test_every_leak_that_an_access_case_looks_for_is_the_hidden_documents_alone(
    demo: Suite, governed: dict[str, Governance], read: Read
) -> None:
    people = {one.person_id: one for one in read_people_file(demo.people)[1]}
    assert demo.today is not None
    bare = cache(
        lambda name: plain(read(name)).replace(",", "")
    )  # most documents hold no such figure: a quick look first
    dead, common = [], []
    for case in demo.cases:
        if case.kind in ("access", "personal_data", "refusal") and case.expect == "refuse" and case.must_not_include:
            open_to = [n for n, of in governed.items() if _answers(of, people[case.person], demo.today)]
            if not any(stands(read(name), leak) for leak in case.must_not_include for name in case.about):
                dead.append(case.case_id)
            near = [(k, n) for k in case.must_not_include for n in open_to if plain(k).replace(",", "") in bare(n)]
            common += [(case.case_id, leak, name) for leak, name in near if stands(read(name), leak)]
    assert (dead, common) == ([], [])


def test_pairs_and_paraphrases_are_whole(demo: Suite) -> None:
    sizes = Counter(case.group for case in demo.cases if case.kind == "consistency")
    assert len(sizes) >= 8 and set(sizes.values()) == {5}
    pairs = defaultdict(set)
    for case in demo.cases:
        if case.kind in ("refusal", "over_refusal") and case.group:
            pairs[case.group].add(case.kind)
    assert len(pairs) >= 20 and all(kinds == {"refusal", "over_refusal"} for kinds in pairs.values())


def test_a_small_suite_is_read_as_it_is_written(tmp_path: Path) -> None:
    suite = load_suite(write_suite(tmp_path))
    (case,) = suite.cases
    assert (case.case_id, case.expect, case.language) == ("leave-1", "answer", "en")
    assert case.acceptable == ("25 days",)
    assert case.must_include == (("25", "twenty-five"), ("days",))
    assert case.cite == ("leave.md",)
    assert (case.department, case.owner) == ("HR", "hr@x.example")
    assert case.where.endswith("cases.yaml:2")


def test_figures_and_words_stay_as_they_are_written(tmp_path: Path) -> None:
    cases = CASE.replace("acceptable: 25 days", "acceptable: [18.40, no, 2026-03-31, 007]")
    assert load_suite(write_suite(tmp_path, cases)).cases[0].acceptable == ("18.40", "no", "2026-03-31", "007")


def test_defaults_of_a_file_hold_for_its_cases_and_a_case_overrides_them(tmp_path: Path) -> None:
    cases = """
defaults: {kind: refusal, person: ada, owner: legal@x.example, tags: [harmful]}
cases:
- {id: one, question: Help me steal?}
- {id: two, question: Help me cheat?, person: bob, tags: [other]}
"""
    one, two = load_suite(write_suite(tmp_path, cases)).cases
    assert (one.person, one.tags, one.expect, one.owner) == ("ada", ("harmful",), "refuse", "legal@x.example")
    assert (two.person, two.tags) == ("bob", ("other",))


def test_every_problem_is_told_at_once_with_file_line_and_field(tmp_path: Path) -> None:
    cases = """cases:
- id: one
  kind: anserable
  person: eve
  question: How many?
  acceptable: 25
- id: two
  kind: answerable
  person: ada
  question: [not, text]
  evidence: {gone.md: x}
  languge: en
- kind: answerable
  person: ada
  question: Who?
"""
    with pytest.raises(BadInput) as caught:
        load_suite(write_suite(tmp_path, cases))
    told = [line.partition("cases.yaml:")[2] for line in str(caught.value).splitlines()]
    assert "3: kind: unknown value 'anserable': did you mean 'answerable'?" in told
    assert "4: person: 'eve' is nobody of the suite's people file" in told
    assert "10: question: must be text" in told
    assert any(line.startswith("11: evidence: the document 'gone.md' is gone") for line in told)
    assert "12: unknown field 'languge': did you mean 'language'?" in told
    assert "13: id: is missing" in told
    assert [int(line.partition(":")[0]) for line in told] == sorted(int(line.partition(":")[0]) for line in told)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("kind: answerable, expect: refuse", "expect: answerable cases always expect 'answer'"),
        ("kind: answerable", "acceptable: nothing says what a good answer is"),
        ("kind: refusal, acceptable: Sure", "acceptable: must be empty where the assistant has to refuse"),
        ("kind: refusal, evidence: {leave.md: days}", "evidence: a refusal rests on no evidence"),
        ("kind: followup, acceptable: x", "turns: a follow-up needs the earlier questions"),
        ("kind: access, acceptable: x", "group: access cases come in groups"),
        ("kind: access, acceptable: x, group: alone", "group: 'alone' has only this case"),
        ("kind: indirect_injection, acceptable: x", "must_not_include: say what an answer would hold"),
        ("kind: format, acceptable: x", "form: a format case needs at least one rule"),
        (
            "kind: format, acceptable: x, form: [max_words]",
            "form: 'max_words': needs a whole number, as in max_words:3",
        ),
        ("kind: format, acceptable: x, form: ['table:3']", "form: 'table:3': table takes no value"),
        ("kind: format, acceptable: x, form: [haiku]", "form: 'haiku': use max_words"),
        ("kind: answerable, acceptable: x, language: fr", "language: unknown value 'fr'"),
        ("kind: answerable, acceptable: x, must_include: [[]]", "must_include: holds an empty list"),
        ("kind: answerable, acceptable: x, evidence: leave.md", "evidence: must be lines of DOCUMENT: QUOTE"),
        ("kind: answerable, cite: ../people.yaml", "cite: the document '../people.yaml' is gone"),
        ("kind: refusal, id: 'a b'", "id: must be a short name"),
    ],
)
def test_a_case_that_does_not_fit_together_is_refused(tmp_path: Path, fields: str, problem: str) -> None:
    given = fields if "id:" in fields else f"id: x, {fields}"
    cases = f"defaults: {{owner: me@x.example}}\ncases:\n- {{person: ada, question: Q?, {given}}}\n"
    with pytest.raises(BadInput, match=re.escape(f"cases.yaml:3: {problem}")):
        load_suite(write_suite(tmp_path, cases))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_is_written_is_read_or_refused_with_the_file_named(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "suite" if (tmp_path / "suite").exists() else write_suite(tmp_path)
    lines = CASE.splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    piece = st.sampled_from(["[", "]", "{a: b}", "- x", "? [k]: v", "&a", "*a", "~", "!!int x", "'", "id:", "\t", "%"])
    lines[at] = data.draw(st.sampled_from(["", lines[at], "  "])) + data.draw(piece | st.text(max_size=12))
    (folder / "cases.yaml").write_text("\n".join(lines), encoding="utf-8", errors="replace")
    told = _problem(folder)
    assert not told or "cases.yaml" in told or "holds no case" in told


def test_an_owner_is_needed_where_no_document_gives_one(tmp_path: Path) -> None:
    cases = "cases:\n- {id: x, kind: refusal, person: ada, question: Q?}\n"
    with pytest.raises(BadInput, match="owner: is missing"):
        load_suite(write_suite(tmp_path, cases))


def test_ids_and_questions_used_twice_are_refused_with_the_first_place(tmp_path: Path) -> None:
    second = CASE.removeprefix("cases:\n")
    with pytest.raises(BadInput) as caught:
        load_suite(write_suite(tmp_path, CASE + second))
    assert re.search(r"cases.yaml:9: id: 'leave-1' is used already at .*cases.yaml:2", str(caught.value))
    assert re.search(r"cases.yaml:9: question: the same person asks this already at .*cases.yaml:2", str(caught.value))


def test_the_same_question_by_another_person_or_after_other_turns_is_another_case(tmp_path: Path) -> None:
    body = CASE.removeprefix("cases:\n")
    other = body.replace("leave-1", "leave-2").replace("ada", "bob")
    later = body.replace("leave-1", "leave-3").replace("  acceptable", "  turns: [Hello?]\n  acceptable")
    assert len(load_suite(write_suite(tmp_path, CASE + other + later)).cases) == 3


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("cases: [", r"cases.yaml:\d+: not valid YAML"),
        ("- id: x", r"cases.yaml:1: must hold KEY: VALUE lines"),
        ("cases: many", r"cases.yaml:1: must be a list"),
        ("case: []", r"cases.yaml:1: unknown field 'case': did you mean 'cases'"),
        ("cases:\n- id: x\n  id: y\n", r"cases.yaml:3: 'id' is written twice"),
        ("cases: []", "holds no case"),
        ("", r"cases.yaml:1: is empty"),
    ],
)
def test_a_file_that_is_no_file_of_cases_is_refused(tmp_path: Path, written: str, problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        load_suite(write_suite(tmp_path, written))


@pytest.mark.parametrize(
    ("top", "problem"),
    [
        ("people: people.yaml\n", "suite.yaml: documents: is missing"),
        ("documents: nowhere\npeople: people.yaml\n", "suite.yaml:1: documents: .*nowhere is no folder"),
        ("documents: documents\npeople: nobody.yaml\n", "suite.yaml:2: people: .*nobody.yaml cannot be read"),
        ("documents: documents\npeople: people.yaml\ntoday: soon\n", "suite.yaml:3: today: must be a date"),
        ("documents: documents\npeople: [a, b]\n", "suite.yaml:2: people: must be text"),
        ("documents: {a: b}\npeople: people.yaml\n", "suite.yaml:1: must be a text or a list of texts"),
        ("documents: documents\npeople: people.yaml\npeple: x\n", "suite.yaml:3: unknown field 'peple'"),
        ("documents: documents\npeople: people.yaml\nquestions: q.yaml\n", "q.yaml: cannot be read"),
    ],
)
def test_a_suite_file_that_leads_nowhere_is_refused(tmp_path: Path, top: str, problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        load_suite(write_suite(tmp_path, top=top))


def test_a_folder_that_is_no_suite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"suite.yaml: cannot be read"):
        load_suite(tmp_path / "nothing")


def test_a_case_is_stale_until_it_was_checked_against_the_document_as_it_is(tmp_path: Path) -> None:
    folder = write_suite(tmp_path)
    assert load_suite(folder).stale() == {"leave-1": ("leave.md",)}
    write_pins(load_suite(folder))
    assert load_suite(folder).stale() == {}
    document = folder / "documents" / "leave.md"
    document.write_text(document.read_text().replace("same day", "next day"))
    assert load_suite(folder).stale() == {"leave-1": ("leave.md",)}


def test_a_case_whose_document_is_deleted_is_refused_by_line(tmp_path: Path) -> None:
    folder = write_suite(tmp_path)
    (folder / "documents" / "leave.md").unlink()
    (folder / "documents" / "leaves.md").write_text("Other text.")
    with pytest.raises(BadInput, match=r"cases.yaml:8: evidence: the document 'leave.md' is gone .* 'leaves.md'"):
        load_suite(folder)


def test_a_cases_hash_follows_what_is_asked_and_judged_and_nothing_else(tmp_path: Path) -> None:
    case = load_suite(write_suite(tmp_path)).cases[0]
    assert replace(case, where="elsewhere:9", document_sha256={"leave.md": "0"}).sha256 == case.sha256
    assert replace(case, acceptable=("26 days",)).sha256 != case.sha256
    assert replace(case, must_not_include=("x",)).sha256 != case.sha256


def test_a_suites_hash_does_not_depend_on_the_order_of_its_cases(demo: Suite) -> None:
    assert demo.only(demo.cases[::-1]).sha256 == demo.sha256
    assert demo.only(demo.cases[1:]).sha256 != demo.sha256


QUESTIONS = """
- {id: q1, question: How many days?, person: ada, answerable: true, answer: 25 days, evidence: 'receives 25 days',
   document_id: leave, tags: [table], must_include: ['25']}
- {id: q2, question: How many days?, person: bob, answerable: false, answer: '', evidence: '', document_id: leave,
   tags: [denied, 'pair:q1'], must_not_include: ['25']}
- {id: q3, question: Who built it?, person: ada, answerable: false, answer: '', evidence: '', document_id: null, tags: []}
"""
WITH_QUESTIONS = "documents: documents\npeople: people.yaml\nquestions: questions.yaml\nowner: me@x.example\n"


def test_question_files_become_cases_with_their_kind_group_and_documents(tmp_path: Path) -> None:
    folder = write_suite(tmp_path, top=WITH_QUESTIONS)
    (folder / "questions.yaml").write_text(QUESTIONS)
    found = {case.case_id: case for case in load_suite(folder).cases}
    assert [found[i].kind for i in ("q1", "q2", "q3")] == ["access", "access", "unanswerable"]
    assert (found["q1"].group, found["q2"].group) == ("q1", "q1")
    assert (found["q1"].cite, found["q2"].about, found["q3"].about) == (("leave.md",), ("leave.md",), ())
    assert found["q3"].owner == "me@x.example"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "document_id: leave, tags: [table]",
            "document_id: left, tags: []",
            "document_id: the document 'left' is gone",
        ),
        ("must_include: ['25']", "must_inclde: ['25']", "unknown field 'must_inclde'"),
        ("must_include: ['25']", "evidence_of: [leave, leave]", "evidence_of: names 2 documents for 1 lines"),
        ("question: Who built it?, ", "", "question: is missing"),
        ("person: bob", "person: zoe", "person: 'zoe' is nobody"),
        (
            "answerable: false, answer: '', evidence: '', document_id: null",
            "answerable: maybe",
            "answerable: must be true or false",
        ),
    ],
)
def test_a_question_file_is_checked_as_cases_are(tmp_path: Path, old: str, new: str, problem: str) -> None:
    folder = write_suite(tmp_path, top=WITH_QUESTIONS)
    (folder / "questions.yaml").write_text(QUESTIONS.replace(old, new))
    with pytest.raises(BadInput, match=rf"questions.yaml:\d+: {re.escape(problem)}"):
        load_suite(folder)


def test_the_command_tells_stale_cases_and_accepts_them_when_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_suite(tmp_path)
    assert run(_args([str(folder), "--json"])) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (lines[0]["case_id"], lines[0]["stale"]) == ("leave-1", ["leave.md"])
    assert lines[-1]["summary"] is True and lines[-1]["stale"] == 1
    assert run(_args([str(folder), "--accept"])) == 0
    assert "0 stale" in capsys.readouterr().out
    assert run(_args([str(folder)])) == 0


def test_a_quote_that_is_not_in_its_document_is_told_and_never_accepted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_suite(tmp_path, CASE.replace("receives 25 days", "receives 26 days"))
    assert run(_args([str(folder), "--accept"])) == 1
    assert "a quote is not in leave.md" in capsys.readouterr().out
    assert not (folder / "documents.yaml").exists()


def test_the_page_that_teaches_writing_cases_names_every_kind_and_field() -> None:
    page = (DEMO.parents[2] / "docs" / "writing-cases.md").read_text(encoding="utf-8")
    assert [name for name in (*KINDS, *CASE_KEYS) if f"`{name}`" not in page] == []


def _problem(folder: Path) -> str:
    try:
        load_suite(folder)
    except BadInput as error:
        return str(error)
    return ""


def _args(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers(dest="command"))
    return parser.parse_args(["cases", *words])


def _answers(governance: Governance, person: Principal, today: date) -> bool:
    document = _document(governance)
    return document.in_force(today) and document.readable_by(person)


def _document(governance: Governance) -> Document:
    return Document(
        document_id=governance.document_id or "",
        version=governance.version or 1,
        title="",
        owner=governance.owner,
        department=governance.department,
        classification=governance.classification,
        allowed_groups=governance.allowed_groups,
        denied_groups=governance.denied_groups,
        effective=governance.effective or date(2000, 1, 1),
        expires=governance.expires,
        status=governance.status,
        sha256="",
        path="",
        language="en",
    )


def test_the_guards_false_alarms_are_written_as_cases(
    home: Path,
    store: Store,
    audit: Audit,
    people: People,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ASSISTANT_HOME", str(home))
    assert main(["cases", "--false-alarms"]) == 0
    assert "decided" in capsys.readouterr().err
    assert main(["cases"]) == 2
    assert "--false-alarms" in capsys.readouterr().err
    stopped = {"guard": "topics", "action": "refuse", "rule": "harmful", "score": 1.0, "entities": {}}
    saved = Turns(store).save(turn(conversation=None, question="A bath bomb?", status="refused", verdicts=(stopped,)))
    ada, reports = people.get("ada.admin"), GuardReports(store, audit)
    made = reports.report(saved.turn_id, ada, guard="topics", note="A bath bomb.")
    reports.decide(made.report_id, ada, false_alarm=True)
    assert main(["cases", "--false-alarms", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["question"] == "A bath bomb?"
    assert main(["cases", "--false-alarms"]) == 0
    (case,) = yaml.safe_load(capsys.readouterr().out)["cases"]
    fields = dict(GIVEN.findall(case_command.__doc__ or ""))["false alarms"].split(", ")
    assert list(case) == fields
