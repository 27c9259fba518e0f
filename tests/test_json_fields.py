"""What `--help` documents of --json is what the commands print: each is run on one small home folder."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import assistant.__main__
import retrieval.__main__
from tests.retrieval.shelf import governed
from tests.retrieval.test_search_evaluate import write_collection

Row = dict[str, Any]
Run = Callable[..., list[Row]]
GIVEN = re.compile(r"^JSON fields(?: of ([^:]+))?: (.+)\.$", re.MULTILINE)
PERSON = "emma.employee"


def main(program: str, *words: object) -> int:
    mains = {"assistant": assistant.__main__.main, "retrieval": retrieval.__main__.main}
    return mains[program]([str(word) for word in words])


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Types a command with --json; gives its lines."""
    monkeypatch.setenv("ASSISTANT_HOME", str(home))
    monkeypatch.setenv("ASSISTANT_EMBEDDER_BACKEND", "torch")
    monkeypatch.setenv("ASSISTANT_EVIDENCE_THRESHOLD", "0.01")
    monkeypatch.setenv("ASSISTANT_LOW_EVIDENCE", "0.01")

    def typed(program: str, *words: object) -> list[Row]:
        capsys.readouterr()
        assert main(program, *words, "--json") == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return typed


@pytest.fixture
def documented(capsys: pytest.CaptureFixture[str]) -> Callable[[str, str], dict[str, list[str]]]:
    """The fields that a command's help names, by what they are of ("" for its lines)."""

    def read(program: str, command: str) -> dict[str, list[str]]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(program, command, "--help")
        assert ended.value.code == 0
        found = {}
        for what, fields in GIVEN.findall(capsys.readouterr().out):
            names = re.sub(r" \([^)]*\)", "", fields).split(", ")
            found |= dict.fromkeys(what.split(", "), names)
        return found

    return read


Documented = Callable[[str, str], dict[str, list[str]]]


@pytest.mark.slow
def test_documents_and_answers_print_the_fields_that_help_documents(
    run: Run, documented: Documented, people: object, tmp_path: Path
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text(governed(allowed="everyone"))
    (docs / "b.md").write_text("# Bikes")
    *files, summary = run("retrieval", "ingest", docs)
    said = documented("retrieval", "ingest")
    assert [list(line) for line in files] == [said[""]] * 2
    assert list(summary) == said["the last line"]

    found = run("retrieval", "search", "limit", "--as", PERSON)
    assert [list(line) for line in found] == [documented("retrieval", "search")[""]]

    question = f"What does it say about {found[0]['title']}?"
    (answer,) = run("assistant", "ask", question, "--as", PERSON)
    said = documented("assistant", "ask")
    assert list(answer) == said[""]
    assert answer["citations"], answer
    assert all(list(citation) == said["citations"] for citation in answer["citations"])


@pytest.mark.slow
def test_evaluation_prints_the_fields_that_help_documents(run: Run, documented: Documented, tmp_path: Path) -> None:
    corpus, queries, qrels = write_collection(tmp_path)
    words = ("evaluate", "--corpus", corpus, "--queries", queries, "--qrels", qrels)
    fields = documented("retrieval", "evaluate")[""]
    (one,) = run("retrieval", *words, "--mode", "hybrid")
    assert list(one) == fields
    several = run("retrieval", *words, "--mode", "dense,sparse")
    assert [list(line) for line in several] == [["mode", *fields]] * 2


def test_commands_on_people_and_keys_print_the_fields_that_help_documents(
    run: Run, documented: Documented, people: object
) -> None:
    users, keys = documented("assistant", "users"), documented("assistant", "keys")
    ana = ("ana.silva", "--name", "Ana", "--email", "ana@x.example")
    for act, *words in (
        ("add", *ana),
        ("list",),
        ("update", "ana.silva", "--name", "Ana S"),
        ("mailbox", "hr@x.example", "--group", "hr"),
        ("mailboxes",),
        ("mailbox", "hr@x.example", "--remove"),
        ("password", "ana.silva"),
        ("deactivate", "ana.silva"),
        ("activate", "ana.silva"),
        ("add-group", "fleet"),
        ("groups",),
    ):
        printed = run("assistant", "users", act, *words)
        assert {tuple(line) for line in printed} == {tuple(users[act])}, act
    (made,) = run("assistant", "keys", "add", "ana.silva", "--scope", "chat")
    assert list(made) == keys["add"]
    assert [list(line) for line in run("assistant", "keys", "list")] == [keys["list"]]
    assert [list(line) for line in run("assistant", "keys", "revoke", made["key_id"])] == [keys["revoke"]]


def test_commands_of_operation_print_the_fields_that_help_documents(
    run: Run, documented: Documented, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {tuple(line) for line in run("assistant", "demo")} == {tuple(documented("assistant", "demo")[""])}
    audit = documented("assistant", "audit")
    assert {tuple(line) for line in run("assistant", "audit", "list")} == {tuple(audit["list"])}
    assert [list(line) for line in run("assistant", "audit", "verify")] == [audit["verify's last line"]]
    settings = {tuple(line) for line in run("assistant", "settings")}
    assert settings == {tuple(documented("assistant", "settings")[""])}
    (backup,) = run("assistant", "backup", tmp_path / "all.tar.gz")
    assert list(backup) == documented("assistant", "backup")[""]
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path / "new"))
    (restored,) = run("assistant", "restore", tmp_path / "all.tar.gz")
    assert list(restored) == documented("assistant", "restore")[""]


def test_what_is_kept_of_a_person_prints_the_fields_that_help_documents(
    run: Run, documented: Documented, people: object, capsys: pytest.CaptureFixture[str]
) -> None:
    said = documented("assistant", "person")
    (shown,) = run("assistant", "person", "show", PERSON)
    assert list(shown) == said["show"]
    assert main("assistant", "person", "erase", PERSON) == 2
    assert "--yes" in capsys.readouterr().err
    (erased,) = run("assistant", "person", "erase", PERSON, "--yes")
    assert list(erased) == said["erase"]
    capsys.readouterr()
    assert main("assistant", "person", "export", PERSON) == 0
    assert json.loads(capsys.readouterr().out)["person_id"] == PERSON
    assert main("assistant", "person", "show", "nobody.here") != 0
