"""Supervised adapters on a tiny causal model: the loss is the answer's, falls, and the same inputs give the same bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import BadInput
from core.sealed import open_sealed
from tests.training.tiny_causal import GIVEN, ROWS, config, losses, nothing_told, written
from training import causal
from training.causal_rows import lengths
from training.recipe import Step, read_scores
from training.rows import Rows
from training.sft import example_of, train


class _Stopped(Exception):
    """What a kill does, at a step of the test's choice."""


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.slow
def test_the_loss_falls_and_the_sealed_adapter_says_what_it_goes_on(base: Path, tmp_path: Path) -> None:
    steps: list[Step] = []
    folder = train(config("sft", base, epochs=8), GIVEN, tmp_path, steps.append)
    assert [step.done for step in steps] == list(range(1, 17))
    assert steps[-1].seconds_left == 0
    assert steps[3].seconds_left
    found = losses(steps)
    assert sum(found[-2:]) < 0.8 * sum(found[:2])
    scores = read_scores(tmp_path)
    assert scores["validation_loss"] < scores["validation_loss_before"]
    assert (scores["rows"], scores["validation_rows"], scores["too_long"]) == (4, 1, 0)
    sealed = open_sealed(folder)
    assert (sealed.kind, sealed.base) == ("causal", "base")
    assert not (tmp_path / causal.CHECKPOINTS).exists()


def test_only_the_answer_is_learnt(base: Path, tmp_path: Path) -> None:
    """The labels that the trainer learns from, read back: the answer and the end of the turn, nothing of the prompt."""
    from trl import SFTConfig, SFTTrainer

    wanted = config("sft", base)
    opened = causal.open_base(wanted)
    told = SFTConfig(**causal.arguments(wanted, tmp_path, 4), completion_only_loss=True)
    table = causal.table([dict(example_of(row) or {}) for row in ROWS])
    model = causal.load_model(wanted)
    trainer = SFTTrainer(model=model, args=told, train_dataset=table, processing_class=opened.tokenizer)
    batch = next(iter(trainer.get_train_dataloader()))
    learnt = [opened.tokenizer.decode(line[line != -100]) for line in batch["labels"]]
    assert [one.strip() for one in learnt] == [
        "Every employee has 25 days of annual leave a year. [1]<|end|>",
        "Leave is asked for in Daybook. [1]<|end|>",
    ]


@pytest.mark.slow
def test_a_run_that_was_cut_off_gives_the_same_bytes_as_one_that_was_not(base: Path, tmp_path: Path) -> None:
    wanted = config("sft", base, checkpoint_every=2, dropout=0.1)
    whole = train(wanted, GIVEN, tmp_path / "whole", nothing_told)

    def stop(step: Step) -> None:
        if step.done == 3:
            raise _Stopped

    with pytest.raises(_Stopped):
        train(wanted, GIVEN, tmp_path / "cut", stop)
    (tmp_path / "cut" / causal.CHECKPOINTS / "checkpoint-3").mkdir()
    seen: list[Step] = []
    resumed = train(wanted, GIVEN, tmp_path / "cut", seen.append)
    assert [step.done for step in seen] == [3, 4], "it goes on from the last whole checkpoint"
    assert written(resumed) == written(whole)
    assert read_scores(tmp_path / "cut") == read_scores(tmp_path / "whole")


@pytest.mark.slow
def test_another_process_in_another_place_writes_the_same_bytes(base: Path, tmp_path: Path) -> None:
    here = train(config("sft", base), GIVEN, tmp_path / "here", nothing_told)
    code = (
        "import sys, torch; torch.set_num_threads(1); from pathlib import Path; from tests.training.tiny_causal import *;"
        "from training.sft import train; place = Path(sys.argv[1]);"
        "train(config('sft', write_tiny_causal(place / 'base')), GIVEN, place / 'run', nothing_told)"
    )
    there = tmp_path / "there"
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root), "PYTHONHASHSEED": "5"}
    subprocess.run([sys.executable, "-c", code, str(there)], check=True, env=environment, cwd=tmp_path)
    assert written(there / "run" / "adapter") == written(here)


@pytest.mark.parametrize(
    ("kind", "said"),
    [("rslora", ("use_rslora", True)), ("dora", ("use_dora", True)), ("prompt", ("num_virtual_tokens", 20))],
)
def test_the_kind_of_adapter_is_the_configurations(
    kind: str, said: tuple[str, object], base: Path, tmp_path: Path
) -> None:
    folder = train(config("sft", base, adapter=kind, steps=1), Rows(ROWS), tmp_path, nothing_told)
    written_config = json.loads((folder / "adapter_config.json").read_text())
    assert written_config[said[0]] == said[1]
    if kind != "prompt":
        learning = {name.rpartition(".")[2] for name in written_config["target_modules"]}
        assert learning == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def test_what_is_too_long_is_left_out_and_counted_and_too_few_are_refused(base: Path, tmp_path: Path) -> None:
    tokenizer = causal.open_base(config("sft", base)).tokenizer
    sizes = sorted(max(lengths(tokenizer, example_of(row) or {})) for row in ROWS)
    train(config("sft", base, max_length=sizes[2], steps=1), Rows(ROWS), tmp_path, nothing_told)
    assert (read_scores(tmp_path)["rows"], read_scores(tmp_path)["too_long"]) == (3, 1)
    with pytest.raises(BadInput, match=r"0 rows with an answer \(4 more are longer than max_length\), and at least 2"):
        train(config("sft", base, max_length=16), Rows(ROWS), tmp_path, nothing_told)


def test_a_base_that_cannot_be_read_and_a_layer_that_it_lacks_are_named(base: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no model"):
        train(config("sft", tmp_path), GIVEN, tmp_path, nothing_told)
    with pytest.raises(BadInput, match=r"no layer query; it has down_proj"):
        train(config("sft", base, targets=("query",)), GIVEN, tmp_path, nothing_told)
