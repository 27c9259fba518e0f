"""The search command as it is typed, and the synthetic index that the benchmark uses."""

from __future__ import annotations

import argparse
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.audit import Audit
from core.errors import BadInput
from core.people import People
from core.store import Store
from retrieval import search_command
from retrieval.__main__ import main
from retrieval.access import parse_filters
from retrieval.catalogue import Catalogue
from retrieval.edge import EdgeIndex
from retrieval.embed import HashEmbedder
from retrieval.retriever import Retriever
from retrieval.synthetic import build_home
from tests.conftest import make_person

pytestmark = pytest.mark.slow

FIELDS = ["rank", "document_id", "version", "title", "section", "page", "score", "classification", "owner", "text"]
GOVERN = "owner=people@kestrelbay.example,classification=internal,allowed_groups=everyone,effective=2025-01-01"


@pytest.fixture
def demo_home(home: Path, store: Store, audit: Audit, people: People, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder that the commands use, with people; torch, since it needs no preparation."""
    monkeypatch.setenv("ASSISTANT_HOME", str(home))
    monkeypatch.setenv("ASSISTANT_EMBEDDER_BACKEND", "torch")
    return home


def test_search_prints_what_that_person_would_be_answered_from(
    demo_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "leave.md"
    document.write_text("# Annual leave\n\nEmployees get 28 days of annual leave a year.\n", encoding="utf-8")
    assert main(["ingest", str(document), "--govern", GOVERN]) == 0
    capsys.readouterr()

    assert main(["search", "How much holiday do I have?", "--as", "emma.employee", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [list(line) for line in lines] == [FIELDS]
    assert "28 days" in lines[0]["text"]
    assert 0 < lines[0]["score"] <= 1

    assert main(["search", "How much holiday do I have?", "--as", "emma.employee"]) == 0
    assert "Annual leave" in capsys.readouterr().out
    assert main(["search", "leave", "--as", "emma.employee", "--filter", "department=Space"]) == 0
    assert "Nothing found" in capsys.readouterr().out


def test_search_takes_what_the_index_lacks_from_the_catalogue(
    demo_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after `assistant restore`, whose backup holds no vectors."""
    document = tmp_path / "leave.md"
    document.write_text("# Annual leave\n\nEmployees get 28 days of annual leave a year.\n", encoding="utf-8")
    assert main(["ingest", str(document), "--govern", GOVERN]) == 0
    shutil.rmtree(demo_home / "index")
    capsys.readouterr()
    assert main(["search", "annual leave", "--as", "emma.employee"]) == 0
    assert "28 days" in capsys.readouterr().out


def test_search_waits_for_another_short_command(
    demo_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = EdgeIndex(demo_home / "index", 384, model="all-MiniLM-L6-v2")
    threading.Timer(0.3, index.close).start()
    assert main(["search", "leave", "--as", "emma.employee"]) == 0
    index = EdgeIndex(demo_home / "index", 384, model="all-MiniLM-L6-v2")
    monkeypatch.setattr(search_command, "WAIT_S", 0.2)
    assert main(["search", "leave", "--as", "emma.employee"]) == 4
    index.close()
    assert "only one process can open it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["leave", "--as", "nobody"], {"error": "not_found"}),
        (["leave", "--as", "emma.employee", "--limit", "0"], {"error": "bad_input"}),
        (["leave", "--as", "emma.employee", "--filter", "colour=red"], {"error": "bad_input"}),
    ],
)
def test_error_is_a_json_object_where_passages_are(
    demo_home: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: dict[str, str]
) -> None:
    assert main(["search", *words, "--json"]) == 2
    printed = capsys.readouterr()
    (line,) = map(json.loads, printed.out.splitlines())
    assert (line["error"], printed.err) == (said["error"], "")
    assert line["message"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["search", " ", "--as", "emma.employee"], 2, "Type what to search for"),
        (["search", "leave", "--as", "emma.employee", "--filter", "department"], 2, "KEY=VALUE"),
        (["search", "leave", "--as", "nobody"], 2, "nobody"),
    ],
)
def test_wrong_input_is_one_line_and_an_exit_code(
    demo_home: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    assert main(words) == code
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_readable_row_names_document_place_and_owner() -> None:
    row = dict.fromkeys(FIELDS, "") | {"rank": 1, "title": "Leave", "document_id": "hr-leave", "version": 2}
    shown = search_command._readable(row | {"page": 3, "score": 0.5, "text": "28 days " * 200, "owner": "hr@x.example"})
    assert "Leave (hr-leave v2, , page 3)  score 0.500, owner hr@x.example" in shown
    assert shown.count("\n") <= 6


def test_filters_are_key_and_value() -> None:
    assert parse_filters(["department=HR", "owner=a=b"]) == {"department": "HR", "owner": "a=b"}


def test_parser_knows_every_mode() -> None:
    parser = argparse.ArgumentParser()
    search_command.add_parser(parser.add_subparsers())
    assert parser.parse_args(["search", "q", "--as", "p", "--mode", "rerank"]).mode == "rerank"


@pytest.fixture
def real_documents(tmp_path: Path) -> Path:
    folder = tmp_path / "real"
    folder.mkdir()
    for name in ("leave", "travel", "parking"):
        facts = "\n\n".join(
            f"## Part {n}\n\nThe {name} rule number {n} says that {n} days are needed." for n in range(8)
        )
        (folder / f"{name}.md").write_text(f"# {name.title()}\n\n{facts}\n", encoding="utf-8")
    return folder


def test_synthetic_home_is_the_same_each_time_and_answers_by_the_rules(tmp_path: Path, real_documents: Path) -> None:
    def searched(home: Path) -> Iterator[tuple[str, str, float]]:
        build_home(home, 250, [real_documents], HashEmbedder())
        with Store(f"sqlite:///{home / 'assistant.db'}") as store:
            index = EdgeIndex(home / "index", 384)
            assert index.count() == 250
            retriever = Retriever(index, HashEmbedder(), Catalogue(store, Audit(store, home)))
            found = retriever.retrieve("travel rule number three", make_person("emma"))
            index.close()
        assert found.dropped == 0
        assert {p.classification for p in found.passages} <= {"public", "internal"}
        yield from ((p.passage_id, p.text, round(p.score, 4)) for p in found.passages)

    first, second = list(searched(tmp_path / "a")), list(searched(tmp_path / "b"))
    assert first
    assert first == second
    assert list(searched(tmp_path / "a")) == first


def test_synthetic_home_is_not_made_among_other_files(home: Path, real_documents: Path) -> None:
    (home / "mine.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(BadInput, match="holds something else"):
        build_home(home, 10, [real_documents], HashEmbedder())
