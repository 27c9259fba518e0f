"""A company's own questions become a suite the same day; what cannot be read is told by place."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadInput
from core.people import read_people_file
from eval.cases import load_suite
from eval.importing import add_parser, run
from eval.quotes import unfounded
from retrieval.sources import Reader, find_sources
from tests.eval.small import write_suite

CONTEXT = "Herons nest in tall trees. They lay three to five eggs each spring. The young fly after 50 days."
SQUAD: dict[str, Any] = {
    "version": "v2.0",
    "data": [
        {
            "title": "Grey_heron",
            "paragraphs": [
                {
                    "context": CONTEXT,
                    "qas": [
                        {"id": "a1", "question": "How many eggs do herons lay?", "answers": [{"text": "three to five", "answer_start": 37}]},
                        {"id": "a2", "question": "How many eggs do herons lay?", "answers": [{"text": "three", "answer_start": 37}]},
                        {"id": "a3", "question": "How heavy is an egg?", "is_impossible": True, "answers": []},
                        {"id": "a4", "question": "Where do they nest?", "answers": [{"text": "on cliffs", "answer_start": 0}]},
                    ],
                }
            ],
        }
    ],
}  # fmt: skip
CSV = "question,person,acceptable,document,quote,must_include\n"
Call = Callable[..., int]


@pytest.fixture
def call() -> Call:
    def imports(*words: object) -> int:
        parser = argparse.ArgumentParser()
        add_parser(parser.add_subparsers(dest="command"))
        return run(parser.parse_args(["import", *map(str, words), "--owner", "me@x.example"]))

    return imports


def test_squad_becomes_a_suite_whose_quotes_stand_in_its_documents(
    call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "squad.json"
    source.write_text(json.dumps(SQUAD))
    assert call("squad", source, "--into", tmp_path / "suite", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["skipped"] == {"asked already": 1, "its answer is not in its paragraph": 1}
    suite = load_suite(tmp_path / "suite")
    answerable, impossible = suite.cases
    assert answerable.evidence[0].quote == "They lay three to five eggs each spring."
    assert (answerable.kind, answerable.acceptable) == ("answerable", ("three to five",))
    assert (impossible.kind, impossible.expect, impossible.about) == ("unanswerable", "refuse", ("grey-heron.txt",))
    assert unfounded(suite) == {} and suite.stale() == {}


def test_an_imported_document_is_governed_so_that_the_imported_person_may_read_it(call: Call, tmp_path: Path) -> None:
    source = tmp_path / "squad.json"
    source.write_text(json.dumps(SQUAD))
    call("squad", source, "--into", tmp_path / "suite")
    suite = load_suite(tmp_path / "suite")
    groups, (person,) = read_people_file(suite.people)
    reader = Reader(max_bytes=10**6, known_groups=frozenset(groups), scan=None)
    (document,) = find_sources(suite.documents)[0]
    governance = reader.identify(document, reader.read(document)).governance
    assert governance is not None and governance.status == "approved"
    assert governance.allowed_groups & person.access_groups


@pytest.mark.parametrize(
    ("broken", "place"),
    [
        ({"version": "1"}, "squad.json.data: must be a list"),
        ({"data": [{"paragraphs": 3}]}, "data[0].paragraphs: must be a list"),
        ({"data": [{"paragraphs": [{"qas": []}]}]}, "data[0].paragraphs[0].context: must be text"),
        (
            {"data": [{"paragraphs": [{"context": "x", "qas": [{"question": "q?", "answers": [{"start": 1}]}]}]}]},
            "paragraphs[0].qas[0].answers[0].text: must be text",
        ),
        ({"data": [{"paragraphs": [{"context": "x", "qas": []}]}]}, "No question was left to import"),
    ],
)
def test_a_file_that_is_not_squad_is_told_by_place(call: Call, tmp_path: Path, broken: object, place: str) -> None:
    source = tmp_path / "squad.json"
    source.write_text(json.dumps(broken))
    with pytest.raises(BadInput, match=re.escape(place)):
        call("squad", source, "--into", tmp_path / "suite")
    assert not (tmp_path / "suite").exists()


def test_a_limit_keeps_the_first_questions_and_only_their_documents(call: Call, tmp_path: Path) -> None:
    two = {"data": [SQUAD["data"][0], {**SQUAD["data"][0], "title": "Second"}]}
    source = tmp_path / "squad.json"
    source.write_text(json.dumps(two))
    call("squad", source, "--into", tmp_path / "suite", "--limit", 1)
    assert len(load_suite(tmp_path / "suite").cases) == 1
    assert [p.name for p in (tmp_path / "suite" / "documents").glob("*.txt")] == ["grey-heron.txt"]


def test_beir_judges_which_document_is_cited(call: Call, tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(
        json.dumps({"_id": "d1", "title": "Herons", "text": CONTEXT})
        + "\n"
        + json.dumps({"_id": "d2", "text": "Gulls."})
    )
    (tmp_path / "queries.jsonl").write_text(json.dumps({"_id": "q/1", "text": "heron eggs"}) + "\n")
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq/1\td1\t2\nq/1\td2\t0\n")
    files = [f"--{name}={tmp_path / file}" for name, file in (("corpus", "corpus.jsonl"), ("queries", "queries.jsonl"), ("qrels", "qrels.tsv"))]  # fmt: skip
    assert call("beir", *files, "--into", tmp_path / "suite") == 0
    (case,) = load_suite(tmp_path / "suite").cases
    assert (case.case_id, case.cite, case.tags) == ("q-1-1", ("herons.txt",), ("citation-only",))


def test_a_broken_beir_line_is_told_by_file_and_line(call: Call, tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d1", "text": "x"}\n{oops\n')
    files = [f"--corpus={tmp_path / 'corpus.jsonl'}", f"--queries={tmp_path / 'q'}", f"--qrels={tmp_path / 'r'}"]
    with pytest.raises(BadInput, match=r"corpus.jsonl, line 2: not a JSON object"):
        call("beir", *files, "--into", tmp_path / "suite")


def test_csv_takes_the_companys_own_documents_and_people(call: Call, tmp_path: Path) -> None:
    home = write_suite(tmp_path)
    source = tmp_path / "ours.csv"
    source.write_text(
        CSV
        + "How much leave?,ada,25 days; twenty-five days,leave.md,receives 25 days,25/twenty-five; days\n"
        + '"Who, if anybody, pays?",ada,the company,,,\n'
    )
    given = ["--documents", home / "documents", "--people", home / "people.yaml", "--into", tmp_path / "ours"]
    assert call("csv", source, *given) == 0
    first, second = load_suite(tmp_path / "ours").cases
    assert first.acceptable == ("25 days", "twenty-five days")
    assert first.must_include == (("25", "twenty-five"), ("days",))
    assert (second.question, second.evidence) == ("Who, if anybody, pays?", ())


def test_every_bad_line_of_a_csv_is_told_at_once(call: Call, tmp_path: Path) -> None:
    home = write_suite(tmp_path)
    source = tmp_path / "ours.csv"
    source.write_text(
        CSV
        + "How much?,eve,25,leave.md,receives 25 days,\n"
        + "Which?,ada,25,gone.md,x,\n"
        + "Why?,ada,25,leave.md,receives 99 days,\n"
        + "Why?,ada,25,,a quote,\n"
        + "Short,ada\n"
    )
    given = ["--documents", home / "documents", "--people", home / "people.yaml", "--into", tmp_path / "ours"]
    with pytest.raises(BadInput) as caught:
        call("csv", source, *given)
    told = str(caught.value)
    assert "ours.csv:2: person: 'eve' is nobody" in told
    assert "ours.csv:3: evidence: the document 'gone.md' is gone" in told
    assert "ours.csv:4: quote: does not stand in leave.md word for word" in told
    assert "ours.csv:5: quote: the column document must say" in told
    assert "ours.csv:5: question: the same person asks this already in line 4" in told
    assert "ours.csv:6: has not the 6 cells of the header" in told
    assert not (tmp_path / "ours").exists()


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("frage\nWas?\n", "ours.csv:1: unknown column 'frage'"),
        ("person\nada\n", "ours.csv:1: no column question"),
        ('question\n"open\n', "not CSV"),
    ],
)
def test_a_csv_with_another_header_is_refused(call: Call, tmp_path: Path, written: str, problem: str) -> None:
    home = write_suite(tmp_path)
    source = tmp_path / "ours.csv"
    source.write_text(written)
    given = ["--documents", home / "documents", "--people", home / "people.yaml", "--into", tmp_path / "ours"]
    with pytest.raises(BadInput, match=problem):
        call("csv", source, *given)


def test_a_folder_that_is_there_is_never_written_into(call: Call, tmp_path: Path) -> None:
    home = write_suite(tmp_path)
    with pytest.raises(BadInput, match="is there already"):
        call("squad", tmp_path / "any.json", "--into", home)


def test_files_that_are_not_there_are_named(call: Call, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"any.json cannot be read"):
        call("squad", tmp_path / "any.json", "--into", tmp_path / "suite")
    with pytest.raises(BadInput, match=r"--documents: .* is no folder"):
        call(
            "csv",
            tmp_path / "a.csv",
            "--documents",
            tmp_path / "no",
            "--people",
            tmp_path / "p",
            "--into",
            tmp_path / "s",
        )
