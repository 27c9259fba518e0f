"""The model servers as operators see them, and as users never reach them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import assistant.__main__
from assistant.scripted import Loading, ScriptedModel, ScriptedServer
from assistant.served import ServedModel
from core.serving import Serving, announced
from core.settings import Settings
from tests.assistant.test_holding import register, roll_out
from tests.web.conftest import TOKEN, Site, running_site

pytestmark = pytest.mark.slow


@contextmanager
def served_site(home: Path, *, loads: bool = True) -> Iterator[tuple[Site, ScriptedServer]]:
    """A site whose answers come from a scripted server with one adapter in production."""
    with ScriptedServer(ScriptedModel(["By the base. [1]"]), loading=Loading(loads=loads)) as model_server:
        model = ServedModel(Settings(model_url=model_server.url, model="scripted"))
        with running_site(home, model) as site:  # type: ignore[arg-type]
            register(site.assistant.store, home, "leave-v1")
            roll_out(site.assistant.store, "scripted", ["leave-v1"])
            yield site, model_server


@pytest.mark.parametrize("path", ["/v1/load_lora_adapter", "/v1/unload_lora_adapter", "/load_lora_adapter"])
def test_nobody_reaches_the_load_endpoints_through_us(home: Path, path: str) -> None:
    body = {"lora_name": "mine", "lora_path": str(home)}
    with served_site(home) as (site, model_server):
        for person in ("emma.employee", "ada.admin"):
            with site.keyed(person, "chat", "documents", "metrics") as client:
                assert client.post(path, json=body).status_code in (401, 403, 404, 405)
            with site.signed_in(person) as client:
                assert client.post(path, json=body).status_code in (401, 403, 404, 405)
        with site.client(headers={"authorization": f"Bearer local_{TOKEN}"}) as client:
            assert client.post(path, json=body).status_code in (404, 405)
        assert model_server.adapters == {}


def test_administrators_see_what_each_server_holds_and_others_do_not(home: Path) -> None:
    with served_site(home) as (site, _):
        assert site.assistant.reconciler
        assert site.assistant.reconciler.round()
        with site.signed_in("ada.admin") as client:
            rows = client.get("/model-servers").json()
        assert [(row["adapter"], row["state"]) for row in rows] == [("leave-v1", "verified"), ("scripted", "verified")]
        with site.signed_in("sam.support") as client:
            assert client.get("/model-servers").status_code == 403
            assert client.post("/model-servers/reconcile").status_code == 403
        with site.client() as client:
            assert client.get("/model-servers").status_code == 401


def test_the_metrics_name_each_server_and_adapter(home: Path) -> None:
    with served_site(home) as (site, model_server):
        assert site.assistant.reconciler
        site.assistant.reconciler.round()
        with site.keyed("ada.admin", "metrics") as client:
            text = client.get("/metrics").text
            name = f"127.0.0.1:{model_server.port}"
            assert f'assistant_model_replica_up{{replica="{name}"}} 1.0' in text
            assert f'assistant_model_adapter_ready{{adapter="leave-v1",replica="{name}"}} 1.0' in text
            assert "assistant_model_adapter_first_answer_seconds" in text
            model_server.forget()
            site.assistant.reconciler.fleet.missed(site.assistant.reconciler.fleet.replicas[0], "leave-v1")
            assert (
                f'assistant_model_adapter_ready{{adapter="leave-v1",replica="{name}"}} 0.0'
                in client.get("/metrics").text
            )


def test_the_command_asks_the_assistant_that_serves(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import os

    with served_site(home) as (site, model_server):
        monkeypatch.setenv("ASSISTANT_HOME", str(home))
        monkeypatch.setenv("MODEL_URL", model_server.url)
        monkeypatch.setenv("MODEL", "scripted")
        with announced(home, Serving(site.url, TOKEN, os.getpid())):
            assert assistant.__main__.main(["reconcile", "--once", "--json"]) == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [(row["adapter"], row["state"]) for row in rows] == [("leave-v1", "verified"), ("scripted", "verified")]
        assert site.assistant.reconciler
        assert site.assistant.reconciler.fleet.serves("leave-v1"), "it was the serving process that looked"


def test_the_command_looks_itself_where_nobody_serves(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with served_site(home, loads=False) as (_, model_server):
        monkeypatch.setenv("ASSISTANT_HOME", str(home))
        monkeypatch.setenv("MODEL_URL", f"{model_server.url},http://127.0.0.1:9/v1")
        monkeypatch.setenv("MODEL", "scripted")
        assert assistant.__main__.main(["reconcile", "--once"]) == 1
        told = capsys.readouterr().out
        assert "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1" in told
        assert "127.0.0.1:9  scripted  down" in told


def test_the_command_without_a_server_says_what_to_set(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASSISTANT_HOME", str(home))
    assert assistant.__main__.main(["reconcile", "--once"]) == 2
    assert "set MODEL_URL and MODEL" in capsys.readouterr().err
