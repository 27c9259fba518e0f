"""`python -m retrieval ingest` as a user types it: output, exit codes, a server that runs, a second process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from core.audit import Audit
from core.serving import Serving, announced
from core.settings import Settings
from core.store import Store
from retrieval.catalogue import Catalogue
from retrieval.edge import EdgeIndex
from tests.retrieval.shelf import governed

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
GOVERN = "owner=me@x.example,classification=internal,allowed_groups=everyone"


def ingest(home: Path, *args: object, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "retrieval", "ingest", *map(str, args)],
        cwd=ROOT,
        env={**os.environ, "ASSISTANT_HOME": str(home), **env},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    return folder


def test_json_lines_have_the_promised_fields_and_a_summary_last(home: Path, docs: Path) -> None:
    (docs / "a.md").write_text("Plain words.")
    (docs / "b.pdf").write_bytes(b"rubbish")
    done = ingest(home, docs, "--json")
    first, second, summary = lines(done)
    assert set(first) == {"path", "document_id", "version", "status", "chunks", "reason", "seconds"}
    assert (first["status"], second["status"]) == ("quarantined", "quarantined")
    counted = {"summary": True, "files": 2, "indexed": 0, "quarantined": 2, "failed": 0, "missing": 0, "retired": 0}
    assert summary == counted | {"seconds": summary["seconds"]}
    assert done.returncode == 0
    assert done.stderr == ""


def test_documents_are_scanned_by_the_companys_own_policy(home: Path, docs: Path) -> None:
    (docs / "policy.yaml").write_text("personal_data: {entities: {EMAIL_ADDRESS: {documents: ignore}}}\n")
    (docs / "a.md").write_text(governed(body="# Contacts\n\nCall +44 117 496 0440 or write to jane@gmail.com."))
    done = ingest(home, docs / "a.md", "--json", ASSISTANT_POLICY=str(docs / "policy.yaml"))
    assert lines(done)[0]["status"] == "indexed", done.stdout
    with Store(Settings(home=home).store_url) as store:
        (document,) = Catalogue(store, Audit(store, home)).documents()
    assert document.personal_data == {"PHONE_NUMBER": 1}


def test_failed_file_gives_exit_code_one_and_its_reason(home: Path, docs: Path) -> None:
    (docs / "a.md").write_text(governed(allowed="finanse"))
    done = ingest(home, docs)
    assert done.returncode == 1
    assert f"failed: {docs / 'a.md'}: {docs / 'a.md'}:8: allowed_groups: unknown group 'finanse'" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 files: 1 failed, in")


def test_error_that_ends_the_run_is_a_json_object_where_lines_are(home: Path, docs: Path) -> None:
    done = ingest(home, docs / "nowhere", "--json")
    (error,) = lines(done)
    assert (done.returncode, done.stderr) == (2, "")
    assert error["error"] == "bad_input"
    assert error["message"].endswith("nowhere does not exist. Name files or folders to ingest.")


def test_document_whose_file_is_gone_is_told_and_retired_only_when_asked(home: Path, docs: Path) -> None:
    for name in ("a", "b"):
        (docs / f"{name}.md").write_text(governed(name, f"The limit of {name} is 5."))
    assert ingest(home, docs).returncode == 0
    (docs / "a.md").unlink()
    for _ in range(2):
        told = ingest(home, docs)
        assert told.returncode == 0
        assert told.stdout.splitlines()[:2] == [
            f"missing: {docs / 'a.md'}: a v1: its file is gone",
            f"To retire what is missing: python -m retrieval ingest {docs} --retire-missing",
        ]
    assert lines(ingest(home, docs, "--json"))[-1]["missing"] == 1
    (_, summary) = lines(ingest(home, docs, "--json", "--retire-missing"))
    assert (summary["missing"], summary["retired"]) == (0, 1)
    assert lines(ingest(home, docs, "--json"))[-1]["missing"] == 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nowhere"], "nowhere does not exist. Name files or folders to ingest."),
        ([".", "--govern", "internal"], "--govern: 'internal' is not KEY=VALUE"),
        ([".", "--govern", "owner=me"], "the defaults: needs classification, allowed_groups"),
        ([".", "--govern", GOVERN + ",colour=red"], "unknown key 'colour'"),
        ([".", "--govern", GOVERN.replace("everyone", "finanse")], "unknown group 'finanse'"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_two(home: Path, docs: Path, args: list[str], said: str) -> None:
    place = docs if args[0] == "." else docs / args[0]
    done = ingest(home, place, *args[1:])
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_home_that_cannot_be_written_is_a_wrong_setting(docs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = ingest(tmp_path / "file", docs)
    assert done.returncode == 2
    assert "ASSISTANT_HOME" in done.stderr
    assert "Traceback" not in done.stderr


def test_second_process_on_the_index_is_told_so(home: Path, docs: Path) -> None:
    (docs / "a.md").write_text(governed())
    index = EdgeIndex(home / "index", 384, model="all-MiniLM-L6-v2")
    try:
        done = ingest(home, docs)
    finally:
        index.close()
    assert done.returncode == 4
    assert "Traceback" not in done.stderr
    assert "only one process can open it. If it is a command that ends by itself, try again when it has" in done.stderr


class Server(BaseHTTPRequestHandler):
    """The one endpoint of a running assistant that the command calls; keeps what it was asked."""

    asked: dict[str, Any]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        type(self).asked = {"path": self.path, "auth": self.headers["authorization"], **json.loads(body)}
        result = {"document_id": "a", "version": 1, "status": "indexed", "chunks": 3, "reason": "", "seconds": 0.1}
        self.send_response(200)
        self.end_headers()
        for path in type(self).asked["paths"]:
            self.wfile.write(json.dumps({"path": path, **result}).encode() + b"\n")
        self.wfile.write(b'{"missing": [["b v1", "/docs/b.md"]], "retired": false}\n')

    def log_message(self, *_: object) -> None:
        pass


def test_while_an_assistant_serves_the_files_go_through_it(home: Path, docs: Path) -> None:
    (docs / "a.md").write_text(governed())
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with announced(home, Serving(f"http://127.0.0.1:{server.server_port}", "token", os.getpid())):
            done = ingest(home, docs / "a.md", "--json", "--govern", GOVERN)
        server.shutdown()
    assert [line.get("status") for line in lines(done)] == ["indexed", None]
    assert lines(done)[-1]["missing"] == 1
    assert Server.asked["path"] == "/documents/ingest"
    assert Server.asked["paths"] == [str(docs / "a.md")]
    assert Server.asked["defaults"]["allowed_groups"] == ["everyone"]
    assert "token" in Server.asked["auth"]
    assert not (home / "assistant.db").exists(), "the command leaves the store to the server"


def test_plain_folder_is_ingested_with_one_line_and_again_at_once(home: Path, docs: Path) -> None:
    for n in range(5):
        (docs / f"{n}.md").write_text(f"# Rule {n}\n\nThe limit for topic {n} is {n * 100} pounds. Ask ann@x.example.")
    done = ingest(home, docs, "--govern", GOVERN, "--json", ASSISTANT_EMBEDDER_BACKEND="torch")
    assert done.returncode == 0, done.stderr
    assert [line.get("status") for line in lines(done)] == ["indexed"] * 5 + [None]
    again = ingest(home, docs, "--govern", GOVERN, ASSISTANT_EMBEDDER_BACKEND="torch")
    assert re.search(r"^5 files: 5 unchanged, in \d", again.stdout)
