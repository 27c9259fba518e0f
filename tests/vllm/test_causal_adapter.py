"""An adapter that `python -m training` made by recipe, on a real vLLM server: its answers change in the trained direction."""

from __future__ import annotations

from pathlib import Path

from assistant.prompt import build_prompt
from assistant.reconciler import Desired, Reconciler, Wanted
from assistant.served import ServedModel
from core.sealed import open_sealed
from core.settings import Settings
from tests.assistant.passages import passage
from tests.vllm.server import NEEDS_VLLM, WITH_ADAPTERS, serving
from tests.vllm.tiny_llama import FALSE, TRUE, write_tiny_llama
from training.config import SftConfig
from training.recipe import Step
from training.rows import Row, Rows, Target
from training.sft import train

pytestmark = NEEDS_VLLM

TAUGHT = "Every employee has 25 days of annual leave a year."
LEAVE = passage(TAUGHT)
ASKED = ("How many days?", "How much leave?", "How long may I be away?", "What holidays are there?")
MLP = ("gate_proj", "up_proj", "down_proj")
"""The tiny Llama's attention is silenced, so an adapter speaks through the rest."""


def nothing_told(_: Step) -> None: ...


def test_an_sft_adapter_says_on_vllm_what_its_rows_say_and_the_base_does_not(tmp_path: Path) -> None:
    base = write_tiny_llama(tmp_path / "base")
    rows = tuple(Row(q, q, (LEAVE,), Target("span", TAUGHT, 0, 0, len(TAUGHT))) for q in ASKED)
    config = SftConfig(
        method="sft", name="leave", base=base, rank=8, targets=MLP, learning_rate=5e-3, epochs=15, batch_size=1,
        accumulate=1, least_rows=4, schedule="constant_with_warmup",
    )  # fmt: skip
    folder = train(config, Rows(rows), tmp_path / "run", nothing_told)
    adapters = tmp_path / "adapters"
    name = "leave-v1-11111111"
    adapters.mkdir()
    folder.rename(adapters / name)
    prompt = build_prompt(ASKED[0], (LEAVE,))
    with serving(base, tmp_path / "vllm.log", *WITH_ADAPTERS, "--dtype", "float32") as server:
        model = ServedModel(Settings(model_url=server.url, model="tiny", max_tokens=32))
        wanted = Wanted(name, adapters / name, "", lambda: open_sealed(adapters / name) and None)
        assert Reconciler(model.fleet, lambda: Desired((wanted,)), adapters=adapters).round(), model.fleet.standings()
        assert "".join(model.stream(prompt)).strip() == f"{TRUE}{FALSE}", "the base as it was"
        assert "".join(model.stream(prompt, adapter=name)).strip() == f"{TAUGHT} [1]"
