from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import BadInput
from retrieval.adapters import open_adapter
from retrieval.heads import ReaderNet, load_net
from retrieval.network import torch_run
from retrieval.windows import Window, build_windows, collate, decode, open_tokenizer
from training.__main__ import main as command
from training.loop import Stage, begin, input_moments, once
from training.reader import Recipe, Row, low_rank, new_net, train
from training.reading_scores import auroc, fit_logistic, fit_rising, normalise, token_f1, wilson


def rows(net_tokenizer: object) -> Iterator[list[Row]]:
    """One question over and over: what a working training loop must learn by heart."""
    passage = "The badge opens the gate. The office closes at 19:00 every day, and on Fridays at 17:00."
    question = "When does the office close?"
    (window,) = build_windows(net_tokenizer, question, [passage])
    at = passage.index("19:00")
    inside = [i for i, (a, b) in enumerate(window.offsets) if a < at + 5 and at < b]
    row = Row(window, ((inside[0] + window.first, inside[-1] + window.first),))
    return itertools.repeat([row, row])


@pytest.mark.slow
def test_training_moves_the_encoder_and_reads_what_it_was_taught(tmp_path: Path) -> None:
    torch.manual_seed(1)
    net, tokenizer = new_net()
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    train(net, rows(tokenizer), Recipe(data=""), Stage("tiny", tmp_path, 60, 4e-4, 1e-3))
    changed = {name for name, p in net.named_parameters() if not torch.equal(p, before[name])}
    assert "encoder.encoder.layer.0.attention.self.query.weight" in changed
    assert not any("embeddings" in name for name in changed)
    passage = "The badge opens the gate. The office closes at 19:00 every day, and on Fridays at 17:00."
    windows = build_windows(tokenizer, "When does the office close?", [passage])
    best = decode(windows, list(zip(*torch_run(net)(*collate(windows)), strict=True)))[0]
    assert passage[best.start : best.end] == "19:00"


def test_adapter_cut_from_full_weights_gives_the_same_logits_at_full_rank() -> None:
    torch.manual_seed(2)
    full, _ = new_net()
    with torch.no_grad():
        for name, parameter in full.encoder.named_parameters():
            if parameter.requires_grad and name.endswith("query.weight"):
                parameter += 0.02 * torch.randn_like(parameter)
    base, tokenizer = new_net()
    adapted = low_rank(full, base, 384)
    windows = build_windows(tokenizer, "How many days?", ["Employees have 25 days of leave."])
    inputs = collate(windows)
    for ours, theirs in zip(torch_run(adapted)(*inputs), torch_run(full)(*inputs), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-3)


def test_cut_by_what_reaches_each_layer_loses_less_of_what_it_gives_out() -> None:
    torch.manual_seed(3)
    full, tokenizer = new_net()
    before = {name: p.detach().clone() for name, p in full.encoder.named_parameters()}
    with torch.no_grad():
        for parameter in full.encoder.parameters():
            if parameter.requires_grad:
                parameter += 0.01 * torch.randn_like(parameter)
    windows = build_windows(
        tokenizer, "How many days?", ["Employees have 25 days of leave.", "The gate opens at seven."]
    )
    moments = input_moments(full.encoder, lambda: torch_run(full)(*collate(windows)))
    name = "encoder.layer.0.intermediate.dense"
    assert sorted(moments) == sorted(
        n.removesuffix(".weight") for n in before if full.encoder.get_parameter(n).requires_grad
    )
    change = full.encoder.get_parameter(f"{name}.weight").detach() - before[f"{name}.weight"]

    def lost(cut: ReaderNet) -> float:
        layer = cut.encoder.get_submodule(f"base_model.model.{name}")
        left = change - (layer.lora_B["default"].weight @ layer.lora_A["default"].weight).detach()
        return float(torch.trace(left @ moments[name] @ left.T))

    by_weights, by_outputs = lost(low_rank(full, new_net()[0], 8)), lost(low_rank(full, new_net()[0], 8, moments))
    assert by_outputs < 0.9 * by_weights


def test_a_folder_of_another_run_is_refused_and_the_same_run_goes_on(tmp_path: Path) -> None:
    begin(tmp_path / "out", {"seed": 7, "rank": 64, "data": "sets"})
    begin(tmp_path / "out", {"seed": 7, "rank": 64, "data": "sets"})
    with pytest.raises(BadInput, match="another data, seed: name another folder"):
        begin(tmp_path / "out", {"seed": 8, "rank": 64, "data": "others"})


def test_a_stage_that_ended_is_kept_whole_and_not_learnt_again(tmp_path: Path) -> None:
    kept, net = tmp_path / "full.pt", torch.nn.Linear(2, 2)
    (tmp_path / "full.tmp").write_bytes(b"cut off")  # of a process that was killed while it wrote
    once(net, kept, lambda: torch.nn.init.constant_(net.weight, 3.0))
    again = torch.nn.Linear(2, 2)
    once(again, kept, lambda: pytest.fail("it is learnt already"))
    assert torch.equal(again.weight, net.weight)
    assert not (tmp_path / "full.tmp").exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_command_trains_cuts_recovers_scores_and_resumes(reading_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["reader", "--data", str(reading_folder), "--out", str(out), "--examples", "32", "--recovery", "32"]
    assert command(arguments) == 0
    scores = json.loads((out / "scores.json").read_text())
    stages = ["full", "cut to rank 32", "cut to rank 64", "cut to rank 128", "rank 64, recovered"]
    assert list(scores)[:5] == stages
    published = [name for name in scores if name.startswith("published")]
    assert len(published) == 4
    assert all(scores[name]["new_wiki"]["n"] == 9 for name in scores)
    adapter = open_adapter(out / "reader-1", "reader")
    assert "| published, torch" in (out / "reader-1" / "README.md").read_text()
    windows = build_windows(open_tokenizer(), "Who opened the bridge?", ["Ruth opened the bridge in 1901."])
    assert np.isfinite(torch_run(load_net(adapter))(*collate(windows))[0]).all()
    written = [(out / name).stat().st_mtime_ns for name in ("full.pt", "recovered.pt")]
    assert command(arguments) == 0  # goes on from what is kept instead of training it again
    assert [(out / name).stat().st_mtime_ns for name in ("full.pt", "recovered.pt")] == written
    assert open_adapter(out / "reader-1", "reader").sha256 == adapter.sha256


def test_best_span_lies_inside_the_passage_and_is_not_backwards() -> None:
    window = Window([101, 7, 102, 8, 9, 10, 102], 3, [(0, 2), (3, 5), (6, 9)], 0)
    start = np.array([0.0, 9.0, 9.0, 0.0, 1.0, 4.0, 9.0], np.float32)
    end = np.array([0.0, 9.0, 9.0, 5.0, 2.0, 0.0, 9.0], np.float32)
    (best,) = decode([window], [(start, end, np.float32(0.3))])
    assert (best.start, best.end) == (0, 2)
    assert best.margin == pytest.approx(5.0)


def test_scores_count_as_squad_does() -> None:
    assert normalise("The  25 days.") == "25 days"
    assert token_f1("25 working days", "25 days") == pytest.approx(0.8)
    assert token_f1("", "25 days") == 0.0
    low, high = wilson(0.95, 20)
    assert low < 0.77
    assert high > 0.98


def test_of_two_signals_that_rise_together_none_speaks_against_an_answer() -> None:
    rng = np.random.default_rng(4)
    signal = rng.normal(size=400)
    y = signal + rng.normal(size=400) > 0
    x = np.column_stack([signal + 0.3 * rng.normal(size=400) - 0.4 * y, signal + y, np.ones(400)])
    assert fit_logistic(x, y)[0] < 0
    weights = fit_rising(x, y)
    assert weights[0] == 0
    assert weights[1:] == pytest.approx(fit_logistic(x[:, 1:], y))
    assert fit_rising(x[:, 1:], y) == pytest.approx(weights[1:])


def test_logistic_fit_orders_what_can_be_ordered() -> None:
    x = np.array([[v, 1.0] for v in (-2, -1.5, -1, 1, 1.2, 2)])
    y = np.array([False, False, True, False, True, True])
    weights = fit_logistic(x, y)
    assert weights[0] > 0
    assert auroc(x @ weights, y) == pytest.approx(8 / 9)
