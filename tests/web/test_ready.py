"""`/ready` over a real connection, with each part really taken away and brought back."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from assistant.scripted import ScriptedModel, ScriptedServer
from assistant.served import ServedModel
from core.settings import Settings
from tests.guardrails.test_faults import Raises
from tests.retrieval.qdrant_stand_in import QdrantStandIn
from tests.web.conftest import SiteMaker
from tests.web.serving import free_port
from tests.web.test_api import ask

pytestmark = pytest.mark.slow

READY = {"status": "ready", "store": "ok", "index": "ok", "model": "ok", "guards": "ok"}


def look(client: httpx2.Client, status: int, within: float = 20) -> dict[str, object]:
    """What it says, once it says so with that status: a look is shared for a moment."""
    until = time.monotonic() + within
    while (got := client.get("/ready")).status_code != status:
        assert time.monotonic() < until, got.text
        time.sleep(0.1)
    body: dict[str, object] = got.json()
    return body


def down(body: dict[str, object], part: str, code: str) -> str:
    """That this part alone is down; what it says of it."""
    assert {key: body[key] for key in READY} == READY | {"status": "not_ready", part: code}
    problems = body["problems"]
    assert isinstance(problems, dict)
    assert list(problems) == [part]
    return str(problems[part])


def test_a_qdrant_server_that_stops_is_named_and_back_when_it_is_back(
    own_site: SiteMaker, caplog: pytest.LogCaptureFixture
) -> None:
    with QdrantStandIn() as server, own_site(qdrant_url=server.url) as site, site.client() as client:
        assert look(client, 200) == READY
        assert ask(site, "emma.employee")["status"] == "answered"
        server.stop()
        told = down(look(client, 503), "index", "index_unavailable")
        assert "Qdrant server must run" in told
        assert str(server.port) not in told, "an address that anybody may ask names no host"
        assert "start it, or correct QDRANT_URL" in caplog.text
        said = ask(site, "emma.employee")
        assert (said["status"], said["reason"]) == ("failed", "retriever_error")
        server.start()
        assert look(client, 200) == READY
        assert ask(site, "emma.employee")["status"] == "answered"


def test_a_database_that_is_locked_or_deleted_is_named(own_site: SiteMaker) -> None:
    with own_site() as site, site.client() as client:
        database = site.assistant.settings.home / "assistant.db"
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("begin exclusive")
            assert "unlocked" in down(look(client, 503), "store", "store_unavailable")
            other.execute("rollback")
        assert look(client, 200) == READY
        away = Path(f"{database}.away")
        database.rename(away)
        try:
            assert "in its place" in down(look(client, 503), "store", "store_unavailable")
        finally:
            away.rename(database)
        assert look(client, 200) == READY


def test_a_model_server_that_stops_is_named(own_site: SiteMaker, tmp_path: Path) -> None:
    port = free_port()
    model = ServedModel(Settings(home=tmp_path, model_url=f"http://127.0.0.1:{port}/v1", model="scripted"))
    with own_site(model=model) as site, site.client() as client:
        with ScriptedServer(ScriptedModel(), port=port):
            assert look(client, 200) == READY
        assert "model server must run" in down(look(client, 503), "model", "model_unavailable")
        with ScriptedServer(ScriptedModel(), port=port):
            assert look(client, 200) == READY


def test_a_guard_that_fails_is_named_because_it_refuses_every_question(own_site: SiteMaker) -> None:
    with own_site() as site, site.client() as client:
        sound = site.assistant.guards
        site.assistant.answerer.use(replace(sound, output=(*sound.output, Raises())))
        assert "Every question is refused" in down(look(client, 503), "guards", "guard_unavailable")
        site.assistant.answerer.use(sound)
        assert look(client, 200) == READY


def test_many_who_ask_at_once_share_one_look(own_site: SiteMaker) -> None:
    with own_site() as site, site.client() as client:
        look(client, 200)
        began = time.monotonic()
        for _ in range(50):
            assert client.get("/ready").status_code == 200
        assert time.monotonic() - began < 20
