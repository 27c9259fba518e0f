"""Adapters on a real vLLM server: loaded while it runs, verified, lost by a kill, brought back; the same words as PEFT's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from assistant.fleet import Standing
from assistant.prompt import build_prompt
from assistant.reconciler import Desired, Reconciler, Wanted
from assistant.served import ServedModel
from core.errors import ModelUnavailable
from core.sealed import open_sealed
from core.settings import Settings
from tests.assistant.passages import passage
from tests.vllm.server import NEEDS_VLLM, WITH_ADAPTERS, Vllm, serving
from tests.vllm.tiny_adapters import teach
from tests.vllm.tiny_llama import FALSE, TRUE, write_tiny_llama

pytestmark = NEEDS_VLLM

PROMPT = build_prompt("How many days?", [passage("Every employee has 25 days.")])
MOON, LEAVE, UNDECIDED = "moon-v1-11111111", "leave-v1-22222222", "undecided-v1-33333333"
RANK_STABILISED = "stabilised-v1-55555555"
TOKENS = 12


@dataclass(frozen=True)
class Tiny:
    """The base model's folder and its adapters'."""

    base: Path
    adapters: Path

    def desired(self, *names: str) -> Desired:
        return Desired(tuple(self._wanted(name) for name in names))

    def _wanted(self, name: str) -> Wanted:
        folder = self.adapters / name
        return Wanted(name, folder, "", lambda: open_sealed(folder) and None)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    root = tmp_path_factory.mktemp("tiny")
    base = write_tiny_llama(root / "base")
    teach(base, root / "adapters" / MOON, MOON, FALSE)
    teach(base, root / "adapters" / LEAVE, LEAVE, TRUE)
    teach(base, root / "adapters" / UNDECIDED, UNDECIDED, FALSE, steps=3)
    teach(base, root / "adapters" / RANK_STABILISED, RANK_STABILISED, FALSE, steps=3, rslora=True)
    (root / "adapters" / "gone-v1-44444444").mkdir()
    yield Tiny(base, root / "adapters")
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def vllm(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vllm]:
    options = (*WITH_ADAPTERS, "--max-loras", "2", "--max-cpu-loras", "8", "--dtype", "float32", "--max-logprobs", "5")
    with serving(tiny.base, tmp_path_factory.mktemp("vllm") / "vllm.log", *options) as server:
        yield server


def kept(tiny: Tiny, url: str, *names: str) -> tuple[ServedModel, Reconciler]:
    model = ServedModel(Settings(model_url=url, model="tiny", max_tokens=32))
    desired = tiny.desired(*names)
    return model, Reconciler(model.fleet, lambda: desired, adapters=tiny.adapters, every_s=0.1)


def said(model: ServedModel, adapter: str = "") -> str:
    return "".join(model.stream(PROMPT, adapter=adapter))


def standing(model: ServedModel, adapter: str) -> Standing:
    (found,) = [s for s in model.fleet.standings() if s.adapter == adapter]
    return found


def test_two_adapters_are_loaded_while_it_serves_and_each_says_its_own(tiny: Tiny, vllm: Vllm) -> None:
    model, reconciler = kept(tiny, vllm.url, MOON, LEAVE)
    assert said(model) == TRUE + FALSE
    assert reconciler.round(), model.fleet.standings()
    assert said(model, MOON) == FALSE
    assert said(model, LEAVE) == TRUE
    assert said(model) == TRUE + FALSE, "the base is as it was"
    told = standing(model, MOON)
    assert told.load_ms
    assert told.first_answer_ms
    assert told.load_ms < told.first_answer_ms


def test_a_folder_without_an_adapter_is_refused_and_gets_no_traffic(tiny: Tiny, vllm: Vllm) -> None:
    model = ServedModel(Settings(model_url=vllm.url, model="tiny"))
    gone = tiny.adapters / "gone-v1-44444444"
    desired = Desired((Wanted(gone.name, gone, "", lambda: None),))
    assert not Reconciler(model.fleet, lambda: desired, adapters=tiny.adapters).round()
    assert standing(model, gone.name).state == "failed"
    assert "status 404" in standing(model, gone.name).detail
    with pytest.raises(ModelUnavailable, match="reconcile"):
        said(model, gone.name)


def test_what_is_no_longer_wanted_is_unloaded(tiny: Tiny, vllm: Vllm) -> None:
    model, reconciler = kept(tiny, vllm.url, UNDECIDED)
    assert reconciler.round()
    assert UNDECIDED in model.fleet.replicas[0].listed()
    reconciler._desired = lambda: Desired(())
    reconciler.round()
    reconciler.round()
    assert UNDECIDED not in model.fleet.replicas[0].listed()


@pytest.mark.parametrize("name", ["tiny", MOON, UNDECIDED, RANK_STABILISED])
def test_vllm_and_peft_agree_token_by_token(tiny: Tiny, vllm: Vllm, name: str) -> None:
    """The same template, the same greedy words, and probabilities that differ by no more than arithmetic does."""
    model, reconciler = kept(tiny, vllm.url, *([] if name == "tiny" else [name]))
    assert reconciler.round(), model.fleet.standings()
    messages = [{"role": m.role, "content": m.content} for m in PROMPT.messages]
    body = {"model": name, "messages": messages, "max_tokens": TOKENS, "temperature": 0, "logprobs": True}
    answer = httpx2.post(f"{vllm.url}/chat/completions", json=body, timeout=60, trust_env=False).json()
    theirs = [(one["token"], one["logprob"]) for one in answer["choices"][0]["logprobs"]["content"]]
    ours = by_peft(tiny, name, messages)
    assert [token for token, _ in theirs] == [token for token, _ in ours]
    assert max(abs(a - b) for (_, a), (_, b) in zip(theirs, ours, strict=True)) < 1e-3


def by_peft(tiny: Tiny, name: str, messages: Sequence[dict[str, str]]) -> list[tuple[str, float]]:
    """Greedy tokens with their log probabilities, by transformers and PEFT."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny.base)
    model = AutoModelForCausalLM.from_pretrained(tiny.base)
    if name != "tiny":
        model = PeftModel.from_pretrained(model, tiny.adapters / name)
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    with torch.inference_mode():
        made = model.generate(
            **ids, max_new_tokens=TOKENS, do_sample=False, output_scores=True, return_dict_in_generate=True
        )
    chosen = made.sequences[0, ids["input_ids"].shape[1] :]
    scores = [score[0].log_softmax(-1)[token].item() for score, token in zip(made.scores, chosen, strict=True)]
    return list(zip((tokenizer.decode([token]) for token in chosen), scores, strict=True))


def test_a_killed_server_loses_its_adapters_and_gets_them_back_when_it_is_started_again(
    tiny: Tiny, tmp_path: Path
) -> None:
    with serving(tiny.base, tmp_path / "first.log", *WITH_ADAPTERS, "--max-loras", "2") as server:
        model, reconciler = kept(tiny, server.url, MOON, LEAVE)
        assert reconciler.round()
        assert said(model, MOON) == FALSE
        server.kill()
        with pytest.raises(ModelUnavailable, match="cannot be reached"):
            said(model, MOON)
        assert not model.serves(MOON), "the next request does not wait for a dead server"
        assert not reconciler.round()
    with serving(tiny.base, tmp_path / "second.log", *WITH_ADAPTERS, "--max-loras", "2", port=server.port):
        assert MOON not in model.fleet.replicas[0].listed(), "a restart forgets them"
        assert reconciler.round()
        assert (said(model, MOON), said(model, LEAVE)) == (FALSE, TRUE)
