"""A database or a Qdrant server that is down, at the start of a command and in the midst of it: exit code 4, what to do, no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.retrieval.qdrant_stand_in import QdrantStandIn
from tests.retrieval.shelf import governed

ROOT = Path(__file__).parents[1]
CLOSED = "127.0.0.1:9"
"""A port at which nothing listens."""
DOWN = {
    "QDRANT_URL": (f"http://{CLOSED}", "The Qdrant server does not answer", "start it, or correct QDRANT_URL"),
    "DATABASE_URL": (
        f"postgresql+psycopg://u:secret@{CLOSED}/x",
        "does not answer",
        "start it, or correct DATABASE_URL",
    ),
}
COMMANDS = {
    "ingest": ("retrieval", "ingest", "."),
    "search": ("retrieval", "search", "leave", "--as", "emma.employee"),
    "ask": ("assistant", "ask", "How much leave?", "--as", "emma.employee"),
    "serve": ("assistant", "serve"),
}


def command(home: Path, *words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {"ASSISTANT_HOME": str(home), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", *words],
        capture_output=True, text=True, cwd=cwd, env=os.environ | given | environment, timeout=280, check=False,
    )  # fmt: skip


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("down", DOWN)
@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_down_at_the_start_ends_the_command_with_4(
    home: Path, docs: Path, people: object, name: str, down: str
) -> None:
    url, said, do = DOWN[down]
    done = command(home, *COMMANDS[name], cwd=docs, **{down: url})
    assert done.returncode == 4, done.stderr
    assert said in done.stderr
    assert do in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stdout + done.stderr


@pytest.mark.parametrize("words", [("retrieval",), ("retrieval", "ingest"), ("retrieval", "search"), ("assistant",), ("assistant", "ask"), ("assistant", "serve")])  # fmt: skip
def test_help_says_what_4_means(home: Path, words: tuple[str, ...]) -> None:
    said = " ".join(command(home, *words, "--help", cwd=ROOT).stdout.split())
    assert "Exit codes: 0 " in said
    assert ", 4 the database, the Qdrant server" in said
    assert "is down" in said


@pytest.mark.slow
def test_a_qdrant_server_that_goes_away_during_an_ingest_loses_nothing_that_was_reported(
    home: Path, docs: Path
) -> None:
    for number in range(70):
        text = governed(
            document_id=f"d-{number}", body=f"# Rule {number}\n\nThe limit for topic {number} is {number * 100} pounds."
        )
        (docs / f"{number:02}.md").write_text(text)
    with QdrantStandIn() as server:
        server.upserts_left = 40
        first = command(home, "retrieval", "ingest", str(docs), "--json", cwd=docs, QDRANT_URL=server.url)
        assert first.returncode == 4, first.stderr
        assert "Traceback" not in first.stderr
        *reported, error = [json.loads(line) for line in first.stdout.splitlines()]
        assert error["error"] == "index_unavailable"
        assert "start it, or correct QDRANT_URL" in error["message"]
        assert 0 < len(reported) < 70
        server.upserts_left = None
        server.start()
        again = command(home, "retrieval", "ingest", str(docs), "--json", cwd=docs, QDRANT_URL=server.url)
        assert again.returncode == 0, again.stderr
        *lines, summary = [json.loads(line) for line in again.stdout.splitlines()]
        assert (summary["files"], summary["failed"]) == (70, 0)
        done = {line["path"] for line in lines if line["status"] == "unchanged"}
        assert {line["path"] for line in reported} <= done
        assert server.held.count("passages").count == 70
