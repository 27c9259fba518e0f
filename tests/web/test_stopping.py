"""`serve` is stopped, killed and started again, over a real connection to a process of its own."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from assistant.scripted import ScriptedModel, ScriptedServer
from assistant.web.api_keys import ApiKeys
from core.audit import Audit
from core.people import People
from core.store import Store
from core.tables import turn as turn_table
from tests.web.conftest import FAST, LEAVE, PASSWORD, add_everybody
from tests.web.process import ServeProcess, serve_process
from tests.web.test_api import ASK

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

ANSWER = (
    "Every employee has 25 days of annual leave a year. [1] Up to 5 days of annual leave carry over until 31 March. [1]"
)
PLAIN = {"MODEL": "scripted", "ASSISTANT_EVIDENCE_THRESHOLD": "0", "ASSISTANT_LOW_EVIDENCE": "0"}


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "leave.md").write_text(LEAVE)
    return folder


@pytest.fixture
def key(home: Path) -> str:
    """An API key of emma.employee, in a home folder that knows everybody."""
    with Store(f"sqlite:///{home / 'assistant.db'}") as store:
        audit = Audit(store, home)
        add_everybody(People(store, audit), FAST.hash(PASSWORD))
        return ApiKeys(store, audit).add("emma.employee", ["chat"], name="", actor="test")[0]


def ask(running: ServeProcess, key: str) -> dict[str, object]:
    with running.client(key) as client:
        done = client.post("/v1/chat/completions", json=ASK)
        assert done.status_code == 200, done.text
        given: dict[str, object] = done.json()["choices"][0]["assistant"]
        return given


def streamed(running: ServeProcess, key: str) -> Iterator[dict[str, Any]]:
    """The chunks of a streamed answer, until it ends or breaks off."""
    with (
        running.client(key) as client,
        client.stream("POST", "/v1/chat/completions", json=ASK | {"stream": True}) as body,
    ):
        for line in body.iter_lines():
            if line.startswith("data: {"):
                yield json.loads(line.removeprefix("data: "))


def stored(home: Path) -> dict[str, str]:
    """Every turn in the store, with its status."""
    with Store(f"sqlite:///{home / 'assistant.db'}") as store, store.read() as connection:
        return {row.turn_id: row.status for row in connection.execute(sa.select(turn_table))}


def sound(running: ServeProcess, code: int) -> None:
    """It ended by itself, with 0 and its last word, and nothing crashed."""
    said = running.said
    assert code == 0, said
    assert "\nStopped.\n" in said
    for word in ("Traceback", "Fatal Python error", "ValueError", "Task was destroyed"):
        assert word not in said, said


def test_a_stop_while_the_model_hangs_is_prompt_and_crashes_nothing(home: Path, documents: Path, key: str) -> None:
    with ScriptedServer(ScriptedModel([ANSWER], chunk=60, pace_s=60)) as model:
        with serve_process(home, "--docs", str(documents), MODEL_URL=model.url, **PLAIN) as running:
            chunks = streamed(running, key)
            next(chunks)
            began = time.monotonic()
            running.signal(signal.SIGTERM)
            sound(running, running.ended(40))
            assert time.monotonic() - began < 30
            assert "answers did not end when they were cut off" in running.said
    assert not (home / "serve.json").exists()


def test_an_answer_that_a_stop_cuts_off_is_stored_as_stopped(home: Path, documents: Path, key: str) -> None:
    with ScriptedServer(ScriptedModel([ANSWER * 9], chunk=20, pace_s=0.5)) as model:
        with serve_process(home, "--docs", str(documents), MODEL_URL=model.url, **PLAIN) as running:
            chunks = streamed(running, key)
            begun = next(chunk for chunk in chunks if "content" in chunk["choices"][0]["delta"])
            running.signal(signal.SIGINT)
            sound(running, running.ended(40))
    assert stored(home) == {str(begun["id"]).removeprefix("chatcmpl-"): "stopped"}


def test_kill_9_while_an_answer_streams_loses_no_acknowledged_turn_and_the_chat_goes_on(
    home: Path, documents: Path, key: str
) -> None:
    """The killed process leaves its lock, its serve.json, its WAL and its index as they are; the next one starts on them."""
    acknowledged: list[str] = []
    with ScriptedServer(ScriptedModel([ANSWER, ANSWER, ANSWER * 9], chunk=20, pace_s=0.05)) as model:
        with serve_process(home, "--docs", str(documents), MODEL_URL=model.url, **PLAIN) as running:
            acknowledged.append(str(ask(running, key)["turn_id"]))
            *_, last = streamed(running, key)
            acknowledged.append(str(last["choices"][0]["assistant"]["turn_id"]))
            chunks = streamed(running, key)
            next(chunk for chunk in chunks if chunk["choices"][0]["delta"].get("content"))
            running.signal(signal.SIGKILL)
            assert running.ended() == -signal.SIGKILL
            with pytest.raises(httpx2.HTTPError):  # the person sees that it broke off
                list(chunks)
        assert (home / "serve.json").exists()
        with serve_process(home, MODEL_URL=model.url, **PLAIN) as running:
            with running.client() as client:
                ready = client.get("/ready")
                assert (ready.status_code, ready.json()["status"]) == (200, "ready"), ready.text
            acknowledged.append(str(ask(running, key)["turn_id"]))
            running.signal(signal.SIGTERM)
            sound(running, running.ended(40))
    kept = stored(home)
    assert {turn: kept.get(turn) for turn in acknowledged} == dict.fromkeys(acknowledged, "answered")
    assert len(kept) == len(acknowledged), "the answer that nobody was told to be finished is not there half"
    with Store(f"sqlite:///{home / 'assistant.db'}") as store:
        assert Audit(store, home).verify() == []
