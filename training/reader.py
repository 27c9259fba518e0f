"""Train the embedded reader: python -m training reader --data DIR --out DIR

Four stages, one after the other: full fine-tuning of the encoder's linear layers on answerable and unanswerable questions;
its change cut to low rank by SVD; a short recovery run of the low-rank adapter; scores on held-out articles and sites.
A run that was stopped goes on from its last checkpoint when the same command is given again.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from retrieval.adapters import open_adapter
from retrieval.compile import Run
from retrieval.heads import ReaderNet, load_net, new_encoder
from retrieval.network import compile_once, run_of, torch_run
from retrieval.windows import (
    MAX_ANSWER_TOKENS,
    Window,
    collate,
    make_window,
    open_tokenizer,
    passage_tokens,
    question_tokens,
)
from training.cards import reader_card
from training.loop import Stage, begin, cut_to_rank, fit, input_moments, minutes_of, once, trainable_linear_layers
from training.publish import publish
from training.reading_data import Kind, ReadingExample, Span, load, split
from training.reading_scores import HALF, score
from training.unanswerable import judged, make_unanswerable
from training.written import written

log = logging.getLogger(__name__)

Scores = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the result; saved beside it."""

    data: str
    seed: int = 7
    examples: int = 90_000
    short_share: float = 0.7
    short_tokens: int = 128
    long_tokens: int = 256
    batch: int = 32
    learning_rate: float = 4e-4
    head_learning_rate: float = 1e-3
    warmup: float = 0.06
    unanswerable_share: float = 0.38
    answerable_weight: float = 0.5
    average_decay: float = 0.998
    rank: int = 64
    recovery_examples: int = 10_000
    recovery_learning_rate: float = 3e-4
    adapter: str = "reader-1"
    start: str = ""


SOURCE_WEIGHT = {
    "new_wiki": 2.0,
    "policyqa": 1.6,
    "nq": 1.6,
    "qed": 1.2,
    "conditionalqa": 1.0,
    "covidqa": 1.0,
    "reddit": 0.7,
    "amazon": 0.7,
    "written": 2.0,
}
"""How often an epoch meets a question of each set: Wikipedia and policy text are nearest to what the assistant reads."""

KIND_WEIGHT: dict[Kind, int] = {"written": 5, "neighbour": 2}
"""How often an unanswerable question is of a kind, where the others are once: the two that people meet."""

CHECKPOINT_EVERY = 250
MOMENT_BATCHES = 48
VARIANT_QUESTIONS = 500
"""Held-out questions of each set for the variants that are compared; what is published is scored on all."""


@dataclass(frozen=True)
class Data:
    """Training questions, what was made unanswerable from them, and the held-out questions of every kind."""

    training: list[ReadingExample]
    unanswerable: dict[Kind, list[ReadingExample]]
    held_out: list[ReadingExample]

    @classmethod
    def load(cls, folder: Path, seed: int) -> Data:
        training, held_out = split(load(folder))
        kept_back = {example.passage for example in held_out}
        theirs = written(example for example in training if example.passage not in kept_back)
        unanswerable = make_unanswerable(training, seed)
        if tempting := [example for example in theirs if not example.answers]:
            unanswerable["written"] = tempting
        training += [example for example in theirs if example.answers]
        return cls(training, unanswerable, judged(held_out, seed))


@dataclass(frozen=True, slots=True)
class Row:
    """One training input: a window and the token spans that answer it ((0, 0) is the null span)."""

    window: Window
    spans: tuple[Span, ...]


def sample_order(
    answerable: Sequence[ReadingExample], unanswerable: dict[Kind, list[ReadingExample]], recipe: Recipe
) -> Iterator[ReadingExample]:
    """An endless, seeded stream. An altered question comes right after the question that it was made from, when drawn."""
    rng = random.Random(recipe.seed)  # noqa: S311 - seeded sampling, no secret
    kinds = [kind for kind, found in unanswerable.items() if found for _ in range(KIND_WEIGHT.get(kind, 1))]
    variants = {e.example_id: e for found in unanswerable.values() for e in found}
    rate = recipe.unanswerable_share / (1 - recipe.unanswerable_share)
    while True:
        epoch = [e for e in answerable for _ in range(_times(SOURCE_WEIGHT[e.source], rng))]
        rng.shuffle(epoch)
        for example in epoch:
            yield example
            if rng.random() < rate:
                kind = rng.choice(kinds)
                twin = variants.get(f"{example.example_id}#{kind}")
                yield twin if twin is not None else rng.choice(unanswerable[kind])


def _times(weight: float, rng: random.Random) -> int:
    return int(weight) + (rng.random() < weight - int(weight))


def to_row(tokenizer: Tokenizer, example: ReadingExample, max_tokens: int, rng: random.Random) -> Row | None:
    """One window of the example, drawn so that it holds an answer where there is one; None where its answers are too long."""
    asked = question_tokens(tokenizer, example.question)
    ids, offsets = passage_tokens(tokenizer, example.passage)
    room = max_tokens - len(asked) - 3
    found = (_token_span(offsets, span) for span in example.answers)
    spans = [s for s in found if s is not None and s[1] - s[0] < min(MAX_ANSWER_TOKENS, room)]
    if example.answers and not spans:
        return None
    low = 0
    if len(ids) > room:
        if spans:
            first, last = rng.choice(spans)
            low = rng.randint(max(0, last + 1 - room), min(first, len(ids) - room))
        else:
            low = rng.randint(0, len(ids) - room)
    window = make_window(asked, ids[low : low + room], offsets[low : low + room])
    shift = window.first - low
    inside = tuple((a + shift, b + shift) for a, b in spans if low <= a and b < low + room)
    return Row(window, inside or ((0, 0),))


def _token_span(offsets: Sequence[Span], span: Span) -> Span | None:
    inside = [i for i, (a, b) in enumerate(offsets) if a < span[1] and span[0] < b]
    return (inside[0], inside[-1]) if inside else None


def batches(rows: Iterator[Row], size: int, *, pool: int = 24) -> Iterator[list[Row]]:
    """Batches of rows of like length, drawn from a pool of `pool` batches, so that little is padding."""
    rng = random.Random(0)  # noqa: S311
    while True:
        held = sorted((next(rows) for _ in range(size * pool)), key=lambda r: len(r.window.ids))
        cut = [held[i : i + size] for i in range(0, len(held), size)]
        rng.shuffle(cut)
        yield from cut


def loss_of(net: ReaderNet, rows: Sequence[Row], precision: torch.dtype, answerable_weight: float) -> Tensor:
    """Marginal likelihood of all annotated spans, plus the answerability loss."""
    device = net.span.weight.device
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision is torch.bfloat16):
        start, end, answerable = net(
            *(torch.from_numpy(array).to(device) for array in collate([r.window for r in rows]))
        )
    start, end = functional.log_softmax(start, -1), functional.log_softmax(end, -1)
    marginal = [
        torch.logsumexp(torch.stack([start[i, a] + end[i, b] for a, b in row.spans]), 0) for i, row in enumerate(rows)
    ]
    labels = torch.tensor([float(row.spans != ((0, 0),)) for row in rows], device=device)
    judged = functional.binary_cross_entropy_with_logits(answerable, labels)
    return -torch.stack(marginal).mean() / 2 + answerable_weight * judged


def stream_of(
    tokenizer: Tokenizer, examples: Iterator[ReadingExample], recipe: Recipe, total: int
) -> Iterator[list[Row]]:
    """Batches with short windows first, then longer ones: reading is learnt faster on short text."""
    rng = random.Random(recipe.seed + 1)  # noqa: S311
    drawn = 0

    def rows() -> Iterator[Row]:
        nonlocal drawn
        for example in examples:
            size = recipe.short_tokens if drawn < recipe.short_share * total else recipe.long_tokens
            drawn += 1
            row = to_row(tokenizer, example, size, rng)
            if row is not None:
                yield row

    yield from batches(rows(), recipe.batch)


def new_net(start: str = "") -> tuple[ReaderNet, Tokenizer]:
    """The network to train; word embeddings, biases and norms stay as they are.

    Args:
        start: the folder of an adapter to go on from; empty for the packaged encoder with fresh heads.
    """
    net = cast(ReaderNet, load_net(open_adapter(Path(start), "reader"))).train() if start else bare_net()
    trainable_linear_layers(net.encoder)
    return net.to("cuda" if torch.cuda.is_available() else "cpu"), open_tokenizer()


def bare_net() -> ReaderNet:
    """The packaged encoder with fresh heads."""
    encoder = new_encoder()
    return ReaderNet(encoder, encoder.config.hidden_size)


def low_rank(net: ReaderNet, base: ReaderNet, rank: int, moments: Mapping[str, Tensor] | None = None) -> ReaderNet:
    """Stage 2: the base encoder with the best rank-`rank` adapter for what was learnt, and the heads as they are."""
    base.encoder = cut_to_rank(net.encoder, base.encoder, rank, moments)
    base.span.load_state_dict(net.span.state_dict())
    base.answerable.load_state_dict(net.answerable.state_dict())
    return base


def moments_on(net: ReaderNet, data: Data, recipe: Recipe) -> dict[str, Tensor]:
    """What reaches each linear layer on some training questions: what a cut to low rank must keep."""
    total = MOMENT_BATCHES * recipe.batch
    order = sample_order(data.training, data.unanswerable, recipe)
    rows = islice(stream_of(open_tokenizer(), order, recipe, total), MOMENT_BATCHES)
    run = torch_run(net)
    return input_moments(net.encoder, lambda: [run(*collate([row.window for row in batch])) for batch in rows])


def train(net: ReaderNet, stream: Iterator[list[Row]], recipe: Recipe, stage: Stage) -> None:
    """One stage on the reader's loss."""

    def loss(net: ReaderNet, rows: Sequence[Row], precision: torch.dtype) -> Tensor:
        return loss_of(net, rows, precision, recipe.answerable_weight)

    fit(net, stream, loss, stage)


def stage_of(recipe: Recipe, folder: Path, name: str) -> Stage:
    """The stage `full` or `recovery` of a recipe, as it runs in a folder."""
    if name == "full":
        total, rates = recipe.examples, (recipe.learning_rate, recipe.head_learning_rate)
    else:
        total, rates = recipe.recovery_examples, (recipe.recovery_learning_rate, recipe.recovery_learning_rate)
    kept = {"warmup": recipe.warmup, "average_decay": recipe.average_decay}
    return Stage(name, folder, total, *rates, **kept, checkpoint_every=CHECKPOINT_EVERY)


def fine_tune(recipe: Recipe, folder: Path, data: Data) -> ReaderNet:
    """Stage 1: every linear layer of the encoder and the heads. Kept in full.pt, so that a later stage can be repeated."""
    net, tokenizer = new_net(recipe.start)

    def learn() -> None:
        order = sample_order(data.training, data.unanswerable, recipe)
        train(net, stream_of(tokenizer, order, recipe, recipe.examples), recipe, stage_of(recipe, folder, "full"))

    once(net, folder / "full.pt", learn)
    return net


def recover(net: ReaderNet, tokenizer: Tokenizer, recipe: Recipe, folder: Path, data: Data) -> None:
    """Stage 3: a short run of the low-rank matrices and the heads alone, on questions in another order. Kept in recovered.pt."""
    again = replace(recipe, seed=recipe.seed + 100, short_share=0.3)

    def learn() -> None:
        order = sample_order(data.training, data.unanswerable, again)
        stream = stream_of(tokenizer, order, again, recipe.recovery_examples)
        train(net, stream, again, stage_of(again, folder, "recovery"))

    once(net, folder / "recovered.pt", learn)


def run(arguments: argparse.Namespace) -> int:
    recipe = Recipe(
        data=str(arguments.data),
        seed=arguments.seed,
        examples=arguments.examples,
        recovery_examples=arguments.recovery,
        rank=arguments.rank,
        adapter=arguments.adapter,
        learning_rate=arguments.learning_rate,
        start=arguments.start,
    )
    folder: Path = arguments.out
    begin(folder, asdict(recipe))
    torch.manual_seed(recipe.seed)
    data = Data.load(arguments.data, recipe.seed)
    scores: Scores = {}
    full = fine_tune(recipe, folder, data)
    keep(scores, "full", torch_run(full), data, folder)
    moments = moments_on(full, data, recipe)
    for rank in sorted({32, 128, recipe.rank}):
        run = torch_run(low_rank(full, new_net()[0], rank, moments))
        keep(scores, f"cut to rank {rank}", run, data, folder, limit=VARIANT_QUESTIONS)
    net, tokenizer = low_rank(full, new_net()[0], recipe.rank, moments), open_tokenizer()
    recover(net, tokenizer, recipe, folder, data)
    keep(scores, f"rank {recipe.rank}, recovered", torch_run(net), data, folder)
    publish_reader(net, recipe.adapter, folder, data, scores, lambda: _card(recipe, folder, scores))
    return 0


def publish_reader(
    net: ReaderNet, adapter_id: str, folder: Path, data: Data, scores: Scores, card: Callable[[], str]
) -> None:
    """The adapter as it is served, in float16, scored in every precision; then its card.

    Args:
        scores: of the variants so far, and of the published one once this returns; "answerable" is calibrated as the last one was.
    """
    target = folder / adapter_id
    settings = list(scores.values())[-1].get(HALF, {}).get("settings", {})
    publish(net, target, adapter_id=adapter_id, kind="reader", settings=settings, card="")
    adapter = open_adapter(target, "reader")
    compiled, networks = compile_once(adapter, folder)
    assert compiled, f"the adapter could not be compiled: see {networks / 'prepare.log'}"
    for precision, measured in compiled.measured.items():
        name = f"published, {precision}, {measured.windows_per_second} windows/s"
        limit = None if precision == compiled.fastest() else VARIANT_QUESTIONS
        keep(scores, name, run_of(adapter, networks, precision), data, folder, limit=limit)
    sha256 = publish(net, target, adapter_id=adapter_id, kind="reader", settings=settings, card=card())
    log.info("%s written, sha256 %s", target, sha256)


def command_of(recipe: Recipe) -> str:
    """What was typed, but for the folders."""
    return (
        f"python -m training reader --data DIR --out DIR --examples {recipe.examples} "
        f"--recovery {recipe.recovery_examples} --rank {recipe.rank} --seed {recipe.seed}"
        + (f" --learning-rate {recipe.learning_rate} --start {Path(recipe.start).name}" if recipe.start else "")
    )


def _card(recipe: Recipe, folder: Path, scores: Scores) -> str:
    minutes = sum(minutes_of(stage_of(recipe, folder, name)) for name in ("full", "recovery"))
    made = f"Seed {recipe.seed}; {minutes:.0f} minutes of training on two cores"
    return reader_card(recipe.adapter, command_of(recipe), made, scores)


def keep(scores: Scores, name: str, run: Run, data: Data, folder: Path, *, limit: int | None = None) -> None:
    """Score a variant on all held-out questions, or on `limit` answerable ones of each set."""
    held = data.held_out if limit is None else [e for e in data.held_out if e.kind == "answerable"]
    scores[name] = score(run, open_tokenizer(), held, limit or 10_000)
    (folder / "scores.json").write_text(json.dumps(scores, indent=2) + "\n")
    log.info("scored: %s: %s", name, scores[name].get("new_wiki"))


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("reader", help="train the embedded reader", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the reading sets")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints, loss curves and the adapter")
    parser.add_argument("--examples", type=int, default=Recipe.examples)
    parser.add_argument("--recovery", type=int, default=Recipe.recovery_examples)
    parser.add_argument("--rank", type=int, default=Recipe.rank)
    parser.add_argument(
        "--learning-rate", type=float, default=Recipe.learning_rate, help="of the encoder, at its highest"
    )
    parser.add_argument("--start", default="", help="folder of a reader adapter to go on from; empty: the bare encoder")
    parser.add_argument("--adapter", default=Recipe.adapter, help="id of the adapter that is written")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
