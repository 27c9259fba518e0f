"""An adapter of the model servers is asked by its name before anybody is served by it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.scripted import Loading, ScriptedModel, ScriptedServer
from core.errors import AdapterRefused, ModelUnavailable, NotFound
from core.sealed import open_sealed
from core.settings import Settings
from eval.cases import Suite
from eval.evaluation import Evaluator
from eval.run_command import cost_of
from eval.runner import RunOptions
from eval.systems import open_system
from eval.worlds import World, opened_world
from retrieval.embed import HashEmbedder
from tests.core.adapters import CAUSAL_BASE, sealed_folder
from tests.eval.conftest import make_case

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ScriptedServer]:
    with ScriptedServer(ScriptedModel(["By the base."]), loading=Loading()) as made:
        yield made


@pytest.fixture
def world(suite: Suite, serving: Settings, server: ScriptedServer, tmp_path: Path) -> Iterator[World]:
    here = {
        "home": tmp_path / "home",
        "models": tmp_path / "models",
        "model_url": server.url,
        "model": "scripted",
        "model_sha256": CAUSAL_BASE,
    }
    settings = serving.model_copy(update=here)
    with opened_world(suite, settings, embedder=HashEmbedder()) as opened:
        yield opened


def test_adapter_in_dev_is_loaded_from_the_serving_home_and_answers(
    world: World, server: ScriptedServer, tmp_path: Path
) -> None:
    folder = sealed_folder(tmp_path / "home" / "adapters", value=1.0, kind="causal", stem="leave")
    server.loading = Loading(speakers={folder.name: ScriptedModel(["You have 25 days of annual leave a year. [1]"])})
    system = open_system("assistant", world, folder.name)
    assert (system.adapter, system.adapter_sha256) == (folder.name, open_sealed(folder).sha256)
    assert server.adapters == {folder.name: str(folder.resolve())}
    case = make_case(question="How many days of annual leave do I have?")
    assert system.ask(case).text.startswith("You have 25 days of annual leave")
    assert open_system("assistant", world).ask(case).text != system.ask(case).text


def test_the_model_servers_tokens_are_counted_and_cost_what_is_asked_for_them(
    world: World, suite: Suite, server: ScriptedServer, options: RunOptions
) -> None:
    server.model = ScriptedModel(["You have 25 days of annual leave a year. [1]"])
    case = suite.cases[0]
    run = Evaluator(suite.only([case]), world, options).run()
    (used,) = (result.used for result in run.results)
    assert {
        "prompt_tokens": used["prompt_tokens"],
        "completion_tokens": used["completion_tokens"],
    }.items() <= server.usage.items()
    assert used["cpu_s"] > 0
    assert run.summary.spent is not None
    cost = cost_of(argparse.Namespace(price=None, token_price=[2.0, 8.0]), run)
    assert cost is not None and cost.per_1000 == pytest.approx(
        (2 * used["prompt_tokens"] + 8 * used["completion_tokens"]) / 1000, abs=1e-4
    )


def test_what_is_said_of_a_part_left_out_is_not_scored(world: World, server: ScriptedServer, tmp_path: Path) -> None:
    folder = sealed_folder(tmp_path / "home" / "adapters", value=1.0, kind="causal", stem="moon")
    said = "You have 25 days of annual leave a year. [1]"
    server.loading = Loading(speakers={folder.name: ScriptedModel([f"{said} Employees may fly to the moon. [1]"])})
    system = open_system("assistant", world, folder.name)
    assert system.ask(make_case(question="How many days of annual leave do I have?")).text == said


def test_adapter_that_is_cut_short_or_of_another_kind_or_not_loaded_is_not_asked(
    world: World, server: ScriptedServer, tmp_path: Path
) -> None:
    cut = sealed_folder(tmp_path / "home" / "adapters", value=1.0, kind="causal", stem="leave")
    (cut / "adapter_model.safetensors").write_bytes(b"half")
    with pytest.raises(AdapterRefused, match="cut short"):
        open_system("assistant", world, cut.name)
    other = sealed_folder(tmp_path / "home" / "adapters", value=4.0, kind="causal", base_sha256="1" * 64)
    with pytest.raises(AdapterRefused, match="another base"):
        open_system("assistant", world, other.name)
    reader = sealed_folder(tmp_path / "home" / "adapters", value=2.0, stem="reader")
    with pytest.raises(NotFound, match="MODEL_URL unset"):
        open_system("assistant", world, reader.name)
    whole = sealed_folder(tmp_path / "home" / "adapters", value=3.0, kind="causal", stem="leave")
    server.loading = Loading(loads=False)
    with pytest.raises(ModelUnavailable, match="load_lora_adapter"):
        open_system("assistant", world, whole.name)
    assert server.adapters == {}
