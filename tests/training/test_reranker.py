"""The reranker's recipe: what counts as a hard negative, what a group holds, and that training, stopping and cutting work."""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from retrieval.adapters import open_adapter
from retrieval.embed import HashEmbedder
from retrieval.windows import collate, open_tokenizer
from training.__main__ import main as command
from training.hard_negatives import Candidates, Mined, load_candidates, load_mined, mine_reading, save
from training.loop import Stage, fastest_precision, fit
from training.reading_data import ReadingExample, load, split
from training.reranker import Group, cut, cut_window, group_of, loss_of, new_net, stream_of
from training.reranker_scores import _area_interval, _orders, half_set
from training.unanswerable import make_unanswerable

OFFICE = "The badge opens the gate. The office closes at 19:00 every day, and on Fridays at 17:00."
QUESTION = "When does the office close?"


RULES = {
    "Who approves travel to Norway?": ("Ines Correa", "Travel to Norway is approved by Ines Correa, who also books the flights."),
    "How long may visitors park in bay 7?": ("four hours", "Visitors may park in bay 7 for four hours, and longer with a permit."),
    "When was the laboratory opened?": ("1894", "The laboratory was opened in 1894 and holds the oldest probes of the firm."),
    "Who opened the laboratory?": ("Karl Faber", "Karl Faber opened the laboratory. His portrait hangs beside its northern door."),
    "How many days of leave are there?": ("25 days", "There are 25 days of leave a year. Ines Correa counts them every winter."),
    "What does a permit cost?": ("12 euros", "A permit for bay 7 costs 12 euros a month and is paid with the salary."),
}  # fmt: skip


def example(question: str, passage: str, answer: str) -> ReadingExample:
    at = passage.index(answer)
    return ReadingExample(question, question, passage, ((at, at + len(answer)),), "new_wiki", "Site_rules")


@pytest.fixture
def training() -> list[ReadingExample]:
    return [example(question, passage, answer) for question, (answer, passage) in RULES.items()]


def mined_from(training: Sequence[ReadingExample]) -> list[Mined]:
    return mine_reading(training, make_unanswerable(training, 1), HashEmbedder(), count=50, seed=1)


def test_negatives_are_other_passages_that_do_not_hold_the_answer(training: list[ReadingExample]) -> None:
    mined = {one.question: one for one in mined_from(training)}
    assert mined.keys() == RULES.keys()
    for question, (answer, passage) in RULES.items():
        texts = [text for _, text in mined[question].negatives]
        assert passage not in texts
        assert not any(answer in text for text in texts)
    assert sum(len(one.negatives) for one in mined.values()) > len(RULES)
    assert RULES["Who opened the laboratory?"][1] in [t for _, t in mined["When was the laboratory opened?"].negatives]


def test_copy_of_the_right_passage_is_no_negative(training: list[ReadingExample]) -> None:
    copy = RULES["What does a permit cost?"][1].replace("12 euros", "a little")
    mined = mined_from([*training, example("What is paid with the salary?", copy, "A permit")])
    negatives = next(one.negatives for one in mined if one.question == "What does a permit cost?")
    assert copy not in [text for _, text in negatives]


def test_variants_are_of_the_question_itself_and_differ_from_the_right_pair(training: list[ReadingExample]) -> None:
    mined = mined_from(training)
    assert sum(len(one.variants) for one in mined) > len(mined)
    for one in mined:
        assert all((question, text) != (one.question, one.positive[1]) for question, _, text in one.variants)


def test_mined_questions_and_candidates_come_back_as_they_were_kept(
    training: list[ReadingExample], tmp_path: Path
) -> None:
    mined = mined_from(training)
    save(tmp_path / "mined.jsonl", mined)
    assert load_mined(tmp_path / "mined.jsonl") == mined
    kept = [Candidates("s", "q?", (("h", "t"),), (0.5,), ("d",), {"d": 1})]
    save(tmp_path / "candidates.jsonl", kept)
    assert [c.texts for c in load_candidates(tmp_path / "candidates.jsonl")] == [(("h", "t"),)]


@pytest.mark.parametrize("seed", range(20))
def test_cut_of_a_long_passage_holds_the_answer_and_its_heading(seed: int) -> None:
    tokenizer = open_tokenizer()
    words = [f"word{n}" for n in range(300)]
    words[150] = "nineteen"
    text = " ".join(words)
    at = text.index("nineteen")
    window = cut_window(tokenizer, QUESTION, ("Opening hours", text), (at, at + 8), 96, random.Random(seed))
    said = tokenizer.decode(window.ids)
    assert len(window.ids) <= 96
    assert "nineteen" in said
    assert "opening hours" in said


def test_group_has_the_right_pair_first_and_no_more_than_four() -> None:
    tokenizer = open_tokenizer()
    mined = Mined(
        "s", QUESTION, ("", OFFICE), (43, 48), (("", "Cars park in the yard."),) * 6, ((QUESTION, "", "Shut."),)
    )
    group = group_of(tokenizer, mined, 128, random.Random(1))
    assert group is not None
    assert len(group.windows) == 4
    assert "19 : 00" in tokenizer.decode(group.windows[0].ids)
    assert group_of(tokenizer, Mined("s", QUESTION, ("", OFFICE), None, ()), 128, random.Random(1)) is None


@pytest.mark.slow
def test_training_puts_the_answering_passage_first(tmp_path: Path) -> None:
    torch.manual_seed(1)
    net = new_net()
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    negatives = tuple(
        ("", t) for t in ("The office has a blue gate.", "The office is closed to visitors.", "Ask for a badge.")
    )
    mined = Mined("s", QUESTION, ("", OFFICE), None, negatives)
    tokenizer = open_tokenizer()
    group = group_of(tokenizer, mined, 64, random.Random(1))
    assert group is not None

    def loss(net: nn.Module, groups: Sequence[Group], precision: torch.dtype) -> Tensor:
        return loss_of(net, groups, precision, 0.7)  # type: ignore[arg-type]

    fit(net, itertools.repeat([group]), loss, Stage("tiny", tmp_path, 12, 5e-4, 1e-3))
    with torch.inference_mode():
        (logits,) = net(*(torch.from_numpy(x) for x in collate(group.windows)))
    assert int(logits.argmax()) == 0
    assert float(logits[0]) > 0 > float(logits[1:].max())
    changed = {name for name, p in net.named_parameters() if not torch.equal(p, before[name])}
    assert "encoder.encoder.layer.5.output.dense.weight" in changed
    assert not any("embeddings" in name for name in changed)
    assert (tmp_path / "tiny.loss.jsonl").exists()


def test_unjudged_groups_teach_order_and_not_answerability() -> None:
    net = new_net()
    mined = Mined("nfcorpus", QUESTION, ("", OFFICE), None, (("", "Cars."),), judged=False)
    group = group_of(open_tokenizer(), mined, 64, random.Random(1))
    assert group is not None
    known = Group(group.windows, judged=True)
    unjudged = [float(loss_of(net, [group], torch.float32, weight).detach()) for weight in (0.0, 5.0)]
    judged = [float(loss_of(net, [known], torch.float32, weight).detach()) for weight in (0.0, 5.0)]
    assert unjudged[0] == pytest.approx(unjudged[1])
    assert judged[1] > judged[0] + 0.1


@pytest.mark.slow
def test_adapter_cut_at_full_rank_gives_the_fine_tuned_logits() -> None:
    torch.manual_seed(2)
    full = new_net()
    with torch.no_grad():
        for name, parameter in full.encoder.named_parameters():
            if name.endswith("query.weight"):
                parameter += 0.02 * torch.randn_like(parameter)
    window = cut_window(open_tokenizer(), QUESTION, ("", OFFICE), None, 64, random.Random(1))
    inputs = [torch.from_numpy(x) for x in collate([window])]
    with torch.inference_mode():
        expected, found, bare = full(*inputs)[0], cut(full, 384)(*inputs)[0], cut(new_net(), 8)(*inputs)[0]
    assert torch.allclose(found, expected, atol=1e-3)
    assert not torch.allclose(bare, expected, atol=1e-3)


class Tiny(nn.Module):
    """An encoder and a head of one layer each: the loop needs no more."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.encoder, self.head = nn.Linear(4, 4), nn.Linear(4, 1)


def tiny_loss(net: Tiny, batch: Sequence[float], precision: torch.dtype) -> Tensor:
    loss: Tensor = net.head(net.encoder(torch.full((1, 4), batch[0]))).pow(2).mean()
    return loss


def numbers(stop_after: int | None = None) -> Iterator[list[float]]:
    for n in range(100):
        if n == stop_after:
            raise KeyboardInterrupt
        yield [n / 100, n / 50]


def test_stopped_run_goes_on_from_its_checkpoint_and_ends_the_same(tmp_path: Path) -> None:
    def stage(name: str) -> Stage:
        return Stage(name, tmp_path, 60, 1e-2, 1e-2, checkpoint_every=5)

    whole, stopped, resumed = Tiny(), Tiny(), Tiny()
    fit(whole, numbers(), tiny_loss, stage("whole"))
    with pytest.raises(KeyboardInterrupt):
        fit(stopped, numbers(stop_after=17), tiny_loss, stage("halves"))
    assert stage("halves").checkpoint.exists()
    fit(resumed, numbers(), tiny_loss, stage("halves"))
    assert not stage("halves").checkpoint.exists()
    for ours, theirs in zip(resumed.parameters(), whole.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


class Paced:
    """The tiny loss, with seconds that every step in a precision takes, or only the first of them."""

    def __init__(self, *, bfloat16: float = 0.0, float32: float = 0.0, first: float = 0.0) -> None:
        self.seconds, self.first = {torch.bfloat16: bfloat16, torch.float32: float32}, first
        self.asked: list[torch.dtype] = []

    def __call__(self, net: Tiny, batch: Sequence[float], precision: torch.dtype) -> Tensor:
        self.asked.append(precision)
        time.sleep(self.seconds[precision] + (self.first if len(self.asked) <= 2 else 0.0))
        return tiny_loss(net, batch, precision)


def test_a_busy_moment_does_not_choose_the_slower_precision() -> None:
    assert fastest_precision(Tiny(), [0.1, 0.2], Paced(float32=0.01, first=0.05)) is torch.bfloat16
    assert fastest_precision(Tiny(), [0.1, 0.2], Paced(bfloat16=0.01, first=0.05)) is torch.float32


def test_a_resumed_run_keeps_its_precision_though_the_other_is_faster_by_now(tmp_path: Path) -> None:
    def stage(total: int) -> Stage:
        return Stage("run", tmp_path, total, 1e-2, 1e-2, checkpoint_every=5)

    with pytest.raises(KeyboardInterrupt):
        fit(Tiny(), numbers(stop_after=17), Paced(bfloat16=0.01), stage(60))
    later = Paced(float32=0.01)
    fit(Tiny(), numbers(), later, stage(60))
    assert set(later.asked) == {torch.float32}


def test_same_seed_draws_the_same_batches(training: list[ReadingExample]) -> None:
    from training.reranker import Recipe

    mined, recipe = mined_from(training), Recipe(data="", batch=2)
    one, other = (
        [[w.ids for g in batch for w in g.windows] for batch in itertools.islice(stream_of(open_tokenizer(), mined, recipe, 40), 4)]
        for _ in range(2)
    )  # fmt: skip
    assert one == other


def test_first_stage_weight_moves_the_order_between_the_two() -> None:
    candidates = [Candidates("s", "q", (("", "a"), ("", "b")), (1.0, 0.9), ("a", "b"), {"b": 1})]
    odds = [torch.tensor([0.0, 0.5]).numpy().astype(float)]
    assert _orders(candidates, odds, 0.0) == [1.0]
    assert _orders(candidates, odds, 100.0)[0] < 1


def test_half_set_has_every_kind_in_equal_parts_and_as_many_answerable(reading_folder: Path) -> None:
    held = split(load(reading_folder))[1]
    kinds = [e.kind for e in half_set(held, most=1)]
    assert sorted(kinds) == sorted(
        ["answerable"] * 6 + ["neighbour", "removed", "entity", "number", "negation", "antonym"]
    )


def test_area_interval_narrows_with_more_questions() -> None:
    few, many = (_area_interval(0.8, torch.tensor([True, False] * n).numpy()) for n in (20, 2000))
    assert few[0] < many[0] < 0.8 < many[1] < few[1] <= 1


@pytest.mark.slow
def test_command_trains_publishes_and_measures_a_reranker(
    reading_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSISTANT_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("ASSISTANT_EMBEDDER_BACKEND", "torch")
    out = tmp_path / "out"
    counts = ["--groups", "16", "--recovery-groups", "8", "--reading-questions", "30"]
    assert command(["reranker", "--data", str(reading_folder), "--out", str(out), *counts]) == 0
    adapter = open_adapter(out / "reranker-1", "reranker")
    assert set(adapter.settings) == {"scale", "offset", "fused_weight"}
    figures = json.loads((out / "figures.json").read_text(encoding="utf-8"))
    assert figures["paragraphs"]["new_wiki"]["rerank"]["mrr@10"] > 0
    assert "AUROC" in (out / "reranker-1" / "README.md").read_text(encoding="utf-8")
