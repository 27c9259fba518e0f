"""`python -m eval run --judge`, as somebody types it: a judge that answers, one that is down, one that says nothing of use."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from assistant.scripted import ScriptedModel, ScriptedServer
from core.errors import ModelUnavailable
from eval.__main__ import main
from eval.judge import INSTRUCTIONS
from eval.runner import RESULTS
from tests.eval.conftest import CASES

pytestmark = pytest.mark.slow
JUDGED = 3
"""Cases of the small suite that are answered and have a reference answer."""


class Typed:
    """Types the run of the small suite on the quoting model, by what the test sets as the judge."""

    def __init__(self, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.words = [*words, "--adapter", "quote-v1", "--workers", "1"]
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, url: str = "", *more: str, code: int = 0) -> tuple[list[dict[str, Any]], str]:
        """The JSON lines, and what stands on the error output."""
        self._capsys.readouterr()
        for name, value in {"MODEL_URL": url, "MODEL": "scripted" if url else ""}.items():
            self._monkeypatch.setenv(name, value)
        assert main(["run", *self.words, *(["--judge"] if url else []), *more, "--json"]) == code
        said = self._capsys.readouterr()
        assert "Traceback" not in said.err
        return [json.loads(line) for line in said.out.splitlines()], said.err


@pytest.fixture
def run(command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(command, monkeypatch, capsys)


def opinions(lines: list[dict[str, Any]]) -> tuple[int, float] | None:
    """On how many cases the judge has an opinion, and how much of them it holds right; None where on none."""
    return next(((line["n"], line["mean"]) for line in lines if line.get("score") == "judge"), None)


def kept(lines: list[dict[str, Any]]) -> Path:
    return Path(lines[-1]["report"]).parent / RESULTS


def test_a_judge_that_answers_stands_beside_the_scores_and_decides_nothing(run: Typed) -> None:
    alone, _ = run()
    assert opinions(alone) is None
    for word, mean in (("Yes.", 1.0), ("NO", 0.0)):
        with ScriptedServer(ScriptedModel([word])) as server:
            lines, _ = run(server.url, "--fresh")
        assert opinions(lines) == (JUDGED, mean)
        assert (lines[-1]["passed"], lines[-1]["n"]) == (alone[-1]["passed"], len(CASES))
        assert server.asked("scripted") == len(server.requests) == JUDGED  # the answers are the quoting model's
        assert all(INSTRUCTIONS in json.dumps(r["messages"], ensure_ascii=False).replace("\\n", "\n") for r in server.requests)  # fmt: skip
        lineage = json.loads((kept(lines).parent / "lineage.json").read_text())
        assert (lineage["judge"], lineage["adapter"]) == ("scripted", "quote-v1")
    assert lines[-1]["run_id"] != alone[-1]["run_id"]


def test_a_judge_that_is_down_ends_the_command_with_what_to_do_and_the_run_goes_on_once_it_is_back(run: Typed) -> None:
    with ScriptedServer(ScriptedModel(["yes"])) as server:
        first, _ = run(server.url)
    whole = kept(first).read_bytes()
    begun = b"".join(whole.splitlines(keepends=True)[:2])
    kept(first).write_bytes(begun)  # the run was killed after two cases
    (refused,), _ = run(server.url, code=4)
    assert refused["error"] == "model_unavailable"
    assert f"127.0.0.1:{server.port} cannot be reached" in refused["message"]
    assert "start it, or correct MODEL_URL" in refused["message"]
    assert kept(first).read_bytes() == begun
    with ScriptedServer(ScriptedModel(["yes"]), port=server.port) as back:
        again, _ = run(back.url)
    assert kept(again).read_bytes().startswith(begun)
    assert again[-1]["run_id"] == first[-1]["run_id"]
    assert opinions(again) == opinions(first) == (JUDGED, 1.0)
    judged_before = sum('"judge"' in line for line in begun.decode().splitlines())
    assert server.asked("scripted") == JUDGED and back.asked("scripted") == JUDGED - judged_before


def test_a_judge_that_breaks_off_leaves_its_cases_without_an_opinion_and_no_case_is_lost(run: Typed) -> None:
    with ScriptedServer(ScriptedModel(["yes", ModelUnavailable("The judge stops here, as it was told.")])) as server:
        lines, _ = run(server.url)
        assert opinions(lines) == (1, 1.0)
        assert lines[-1]["n"] == len(CASES) == len(kept(lines).read_text().splitlines())
        server.model = ScriptedModel(["no"])
        again, _ = run(server.url)
        assert opinions(again) == (1, 1.0)  # what is finished is not asked again
        fresh, _ = run(server.url, "--fresh")
    assert opinions(fresh) == (JUDGED, 0.0)


@pytest.mark.parametrize("nonsense", ["Perhaps.", "", "yesterday", "<html>yes</html>", "25 days, " * 5000])
def test_a_judge_that_says_neither_word_has_no_opinion(run: Typed, nonsense: str) -> None:
    with ScriptedServer(ScriptedModel([nonsense])) as server:
        lines, _ = run(server.url)
    assert server.asked("scripted") == JUDGED
    assert opinions(lines) is None
    assert lines[-1]["n"] == len(CASES)


class _Page(BaseHTTPRequestHandler):
    """A web server that knows nothing of OpenAI's API, and answers everything with a page."""

    def do_GET(self) -> None:
        page = b"<html><body>It works!</body></html>"
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def a_page() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


def test_an_address_that_is_no_model_server_is_told_before_anything_is_asked(run: Typed) -> None:
    with a_page() as url:
        (refused,), _ = run(url, code=4)
    assert refused["error"] == "model_unavailable"
    assert "lists no models: MODEL_URL usually ends in /v1" in refused["message"]


def test_a_judge_without_a_server_is_wrong_input(run: Typed) -> None:
    (refused,), _ = run("", "--judge", code=2)
    assert refused["error"] == "bad_input"
    assert "set MODEL_URL and MODEL" in refused["message"]
