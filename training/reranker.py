"""Train the reranker: python -m training reranker --data DIR --out DIR [--nfcorpus DIR] [--start full.pt]

Negatives are mined once (`training/hard_negatives.py`); then full fine-tuning of the encoder's linear layers on groups of one
right passage and what looks like it; its change cut to low rank by SVD; a short recovery run of the low-rank adapter; calibration
and figures, measured on the adapter as it is served. A run that was stopped goes on when the same command is given again.

`--start` names the reader's fully fine-tuned weights (`full.pt` of `python -m training reader`), whose encoder is gone on from.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from core.settings import load_settings
from retrieval.compile import Run
from retrieval.embed import Embedder, open_embedder
from retrieval.heads import RankerNet, new_encoder
from retrieval.network import torch_run
from retrieval.rerank import heading_tokens, pair_window
from retrieval.windows import Window, collate, open_tokenizer, passage_tokens, question_tokens
from training.hard_negatives import (
    Candidates,
    Mined,
    Text,
    load_mined,
    mine_medquad,
    mine_nfcorpus,
    mine_reading,
    save,
)
from training.loop import Stage, begin, cut_to_rank, fit, minutes_of, once, trainable_linear_layers
from training.reading_data import ReadingExample, Span, load, split
from training.reranker_scores import publish_reranker, variant_scores
from training.unanswerable import make_unanswerable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the result; saved beside it."""

    data: str
    nfcorpus: str = ""
    start: str = ""
    seed: int = 7
    groups: int = 4_500
    recovery_groups: int = 600
    short_share: float = 0.75
    short_tokens: int = 112
    long_tokens: int = 240
    batch: int = 8
    learning_rate: float = 2e-4
    head_learning_rate: float = 1e-3
    recovery_learning_rate: float = 2e-4
    answerability_weight: float = 0.7
    average_decay: float = 0.995
    rank: int = 64
    reading_questions: int = 5_000
    medquad_pages: int = 320
    held_pages: int = 40
    held_queries: int = 150
    adapter: str = "reranker-1"


GROUP = 4
"""Pairs of a group: the right passage, an altered question or passage where there is one, and mined negatives."""


@dataclass(frozen=True, slots=True)
class Group:
    """Inputs of one question, the right one first. `judged`: whether it is known to answer, and is not only relevant."""

    windows: list[Window]
    judged: bool


def group_of(tokenizer: Tokenizer, mined: Mined, max_tokens: int, rng: random.Random) -> Group | None:
    """A group drawn from a question's negatives and variants; None where there is nothing to tell apart."""
    variants = rng.sample(mined.variants, min(1, len(mined.variants)))
    negatives = rng.sample(mined.negatives, min(GROUP - 1 - len(variants), len(mined.negatives)))
    if not variants and not negatives:
        return None
    keep = mined.keep or (0, 1)
    windows = [cut_window(tokenizer, mined.question, mined.positive, keep, max_tokens, rng)]
    for question, heading, text in variants:
        held = keep if text == mined.positive[1] else None
        windows.append(cut_window(tokenizer, question, (heading, text), held, max_tokens, rng))
    windows += [cut_window(tokenizer, mined.question, text, None, max_tokens, rng) for text in negatives]
    return Group(windows, mined.judged)


def cut_window(
    tokenizer: Tokenizer, question: str, passage: Text, keep: Span | None, max_tokens: int, rng: random.Random
) -> Window:
    """The pair as one input; where the text is too long, a random piece of it that holds the characters `keep`."""
    asked, lead = question_tokens(tokenizer, question), heading_tokens(tokenizer, passage[0])
    ids, offsets = passage_tokens(tokenizer, passage[1])
    room = max_tokens - len(asked) - len(lead) - 3
    last = max(0, len(ids) - room)
    low = rng.randint(0, last)
    if keep is not None:
        inside = [n for n, (start, end) in enumerate(offsets) if start < keep[1] and keep[0] < end] or [0]
        low = min(last, inside[0], rng.randint(max(0, inside[-1] + 1 - room), max(inside[0], inside[-1] + 1 - room)))
    return pair_window(asked, lead + ids[low : low + room])


def stream_of(tokenizer: Tokenizer, mined: Sequence[Mined], recipe: Recipe, total: int) -> Iterator[list[Group]]:
    """Endless, seeded batches of groups of like length, short ones first."""
    rng = random.Random(recipe.seed)  # noqa: S311 - a seeded shuffle, no secret

    def groups() -> Iterator[Group]:
        drawn = 0
        while True:
            for one in rng.sample(mined, len(mined)):
                size = recipe.short_tokens if drawn < recipe.short_share * total else recipe.long_tokens
                group = group_of(tokenizer, one, size, rng)
                if group is not None:
                    drawn += 1
                    yield group

    ready = groups()
    while True:
        held = sorted((next(ready) for _ in range(recipe.batch * 16)), key=lambda g: max(len(w.ids) for w in g.windows))
        cut = [held[low : low + recipe.batch] for low in range(0, len(held), recipe.batch)]
        yield from rng.sample(cut, len(cut))


def loss_of(net: RankerNet, groups: Sequence[Group], precision: torch.dtype, answerability_weight: float) -> Tensor:
    """Softmax over each group, and answerability of each pair where it is known."""
    device = next(net.parameters()).device
    windows = [window for group in groups for window in group.windows]
    inputs = (torch.from_numpy(array).to(device) for array in collate(windows))
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision is torch.bfloat16):
        (logits,) = net(*inputs)
    parts = logits.split([len(group.windows) for group in groups])
    listwise = torch.stack([-functional.log_softmax(part, 0)[0] for part in parts]).mean()
    known = [part for part, group in zip(parts, groups, strict=True) if group.judged]
    if not known:
        return listwise
    labels = torch.cat([functional.one_hot(torch.tensor(0), len(part)) for part in known]).to(device, torch.float32)
    judged = functional.binary_cross_entropy_with_logits(torch.cat(known), labels)
    return listwise + answerability_weight * judged


def mine(recipe: Recipe, folder: Path, training: Sequence[ReadingExample], embedder: Embedder) -> list[Mined]:
    """Every training question with its negatives, and the questions that the first stage's weight is chosen on; kept."""
    kept, apart = folder / "mined.jsonl", folder / "candidates.jsonl"
    if kept.exists() and apart.exists():
        return load_mined(kept)
    unanswerable = make_unanswerable(training, recipe.seed)
    mined = mine_reading(training, unanswerable, embedder, count=recipe.reading_questions, seed=recipe.seed)
    candidates: list[Candidates] = []
    medquad = Path(recipe.data) / "medquad" / "medquad.jsonl.gz"
    if medquad.exists():
        found, held = mine_medquad(
            medquad, embedder, documents=recipe.medquad_pages, held=recipe.held_pages, seed=recipe.seed
        )
        mined, candidates = mined + found, candidates + held
    else:
        log.warning("medquad is not in the data folder: skipped")
    if recipe.nfcorpus:
        found, held = mine_nfcorpus(Path(recipe.nfcorpus), embedder, held=recipe.held_queries, seed=recipe.seed)
        mined, candidates = mined + found, candidates + held
    else:
        log.warning("no NFCorpus was named: skipped")
    save(apart, candidates)
    save(kept, mined)
    log.info("mined: %d questions for training, %d kept apart", len(mined), len(candidates))
    return mined


def new_net(start: Path | None = None) -> RankerNet:
    """The encoder with a fresh head. `start` holds a network whose encoder's weights are gone on from."""
    encoder = new_encoder()
    trainable_linear_layers(encoder)
    net = RankerNet(encoder, encoder.config.hidden_size)
    if start is not None:
        state = torch.load(start, weights_only=True, map_location="cpu")
        encoder.load_state_dict(
            {k.removeprefix("encoder."): v for k, v in state.items() if k.startswith("encoder.")}, strict=True
        )
    return net.to("cuda" if torch.cuda.is_available() else "cpu")


def fine_tune(recipe: Recipe, folder: Path, mined: Sequence[Mined]) -> RankerNet:
    """Stage 1. Kept in full.pt, so that a later stage can be repeated."""
    net = new_net(Path(recipe.start) if recipe.start else None)
    stage = _stage(recipe, folder, "full")
    once(net, folder / "full.pt", lambda: _fit(net, mined, recipe, stage, recipe.seed))
    return net


def cut(full: RankerNet, rank: int) -> RankerNet:
    """Stage 2: the bare encoder with the best rank-`rank` adapter for what was learnt, and the head as it is."""
    base = new_net()
    base.encoder = cut_to_rank(full.encoder, base.encoder, rank)
    base.score.load_state_dict(full.score.state_dict())
    return base


def recover(net: RankerNet, recipe: Recipe, folder: Path, mined: Sequence[Mined]) -> None:
    """Stage 3: the low-rank matrices and the head alone, on questions in another order. Kept in recovered.pt."""
    stage = _stage(recipe, folder, "recovery")
    once(net, folder / "recovered.pt", lambda: _fit(net, mined, recipe, stage, recipe.seed + 100))


def _stage(recipe: Recipe, folder: Path, name: str) -> Stage:
    if name == "full":
        rates = (recipe.learning_rate, recipe.head_learning_rate)
        return Stage(name, folder, recipe.groups, *rates, average_decay=recipe.average_decay)
    rate = recipe.recovery_learning_rate
    return Stage(name, folder, recipe.recovery_groups, rate, rate, average_decay=recipe.average_decay)


def _fit(net: RankerNet, mined: Sequence[Mined], recipe: Recipe, stage: Stage, seed: int) -> None:
    again = Recipe(**asdict(recipe) | {"seed": seed})

    def loss(net: RankerNet, groups: Sequence[Group], precision: torch.dtype) -> Tensor:
        return loss_of(net, groups, precision, recipe.answerability_weight)

    fit(net, stream_of(open_tokenizer(), mined, again, stage.total), loss, stage)


def run(arguments: argparse.Namespace) -> int:
    given = {name: value for name, value in vars(arguments).items() if name in Recipe.__dataclass_fields__}
    recipe = Recipe(**given | {name: str(given[name] or "") for name in ("data", "nfcorpus", "start")})
    folder: Path = arguments.out
    begin(folder, asdict(recipe))
    torch.manual_seed(recipe.seed)
    embedder = open_embedder(load_settings(), remember=False)
    everything = load(arguments.data)
    training, held = split(everything)
    mined = mine(recipe, folder, training, embedder)
    if arguments.mine_only:
        return 0
    full = fine_tune(recipe, folder, mined)
    net = cut(full, recipe.rank)
    before = {"full": torch_run(full), f"cut to rank {recipe.rank}": torch_run(net)}
    scores = _variants(before, folder, held)
    net.train()
    recover(net, recipe, folder, mined)
    scores |= _variants({f"rank {recipe.rank}, recovered": torch_run(net.eval())}, folder, held)
    minutes = sum(minutes_of(_stage(recipe, folder, name)) for name in ("full", "recovery"))
    done = {"minutes": minutes, "variants": scores}
    publish_reranker(net, asdict(recipe), folder, (everything, held), embedder, done)
    return 0


def _variants(runs: dict[str, Run], folder: Path, held: Sequence[ReadingExample]) -> dict[str, dict[str, Any]]:
    """The scores of each variant, measured once and kept in variants.json."""
    path = folder / "variants.json"
    known: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name, run in runs.items():
        if name not in known:
            known[name] = variant_scores(run, held, folder / "candidates.jsonl")
            path.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
            log.info("%s: %s", name, known[name])
    return {name: known[name] for name in runs}


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "reranker",
        help="train the reranker",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with the reading sets")
    parser.add_argument("--nfcorpus", type=Path, help="folder of that collection: its train queries are learnt from")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints, loss curves and the adapter")
    parser.add_argument("--start", type=Path, metavar="FILE", help="the reader's full.pt; empty: the bare encoder")
    parser.add_argument("--groups", type=int, default=Recipe.groups, help=f"of {GROUP} pairs each")
    parser.add_argument("--recovery-groups", type=int, default=Recipe.recovery_groups, metavar="N")
    parser.add_argument("--reading-questions", type=int, default=Recipe.reading_questions, metavar="N")
    parser.add_argument("--rank", type=int, default=Recipe.rank)
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--adapter", default=Recipe.adapter, help="id of the adapter that is written")
    parser.add_argument("--mine-only", action="store_true", help="stop once the negatives are mined")
