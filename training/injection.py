"""Train the heads that judge questions: python -m training injection --data DIR --out DIR

Two heads on the packaged embedder's sentence vectors: `injection` (does the text try to steer the assistant?) and `harm` (does
it ask for help with harm?). Scores come from models that never saw the family or source that they are scored on; the heads
that are kept learn from all of it. Vectors are cached in --out, so that a second run takes a minute.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from core.settings import load_settings
from guardrails.heads import BUCKETS, HeadName, word_buckets
from guardrails.injection import Injection
from guardrails.measures import Rate, keywords_found, rate
from guardrails.policy import load_policy
from guardrails.topics import Topics
from retrieval.embed import Embedder, open_embedder
from training.harmless import ALARMING, HELD_OUT_TRIGGERS
from training.injection_data import Example, own_attacks, own_benign, public_attacks, public_benign, public_harmful

log = logging.getLogger(__name__)

Judged = NDArray[np.bool_]
Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the result; stands in the card."""

    seed: int = 7
    each: int = 90
    each_benign: int = 120
    units: int = 48
    epochs: int = 20
    batch: int = 128
    learning_rate: float = 4e-3
    weight_decay: float = 0.02
    word_dropout: float = 0.3
    folds: int = 7
    target_fpr: float = 0.01


class Net(nn.Module):
    """The head while it learns; `guardrails.heads.Head` computes the same in numpy."""

    def __init__(self, dimension: int, recipe: Recipe) -> None:
        super().__init__()
        self.hidden = nn.Linear(dimension, recipe.units)
        self.out = nn.Linear(recipe.units, 1, bias=False)
        self.words = nn.EmbeddingBag(BUCKETS, 1, mode="sum")
        self.bias = nn.Parameter(torch.zeros(1))
        nn.init.zeros_(self.words.weight)
        self.drop = nn.Dropout(recipe.word_dropout)

    def forward(self, vectors: Tensor, words: Sequence[Tensor]) -> Tensor:
        """Shapes: vectors (batch, dimension), the buckets of each text -> logits (batch,)."""
        inner = self.out(functional.relu(self.hidden(vectors)))
        sizes = torch.tensor([len(w) for w in words])
        shares = self.drop(torch.repeat_interleave(sizes.float().rsqrt(), sizes))
        worded = self.words(torch.cat(list(words)), sizes.cumsum(0) - sizes, per_sample_weights=shares)
        return (inner + worded).squeeze(-1) + self.bias  # type: ignore[no-any-return]

    def weights(self, shift: float) -> dict[str, Tensor]:
        """As `guardrails.heads` reads them, with the operating point moved to a logit of 0."""
        return {
            "hidden": self.hidden.weight.detach().T.half().contiguous(),
            "hidden_bias": self.hidden.bias.detach().half(),
            "out": self.out.weight.detach()[0].half(),
            "words": self.words.weight.detach()[:, 0].half().contiguous(),
            "bias": (self.bias.detach() - shift).float(),
        }


@dataclass(frozen=True)
class Table:
    """Examples with their features and labels for one head."""

    examples: Sequence[Example]
    vectors: Tensor
    words: Sequence[Tensor]
    labels: Tensor

    def where(self, chosen: Sequence[int]) -> Table:
        at = torch.tensor(chosen, dtype=torch.long)
        return Table(
            [self.examples[i] for i in chosen], self.vectors[at], [self.words[i] for i in chosen], self.labels[at]
        )


def train(table: Table, recipe: Recipe) -> Net:
    """AdamW on all rows; both classes weigh the same, whatever their numbers."""
    torch.manual_seed(recipe.seed)
    net = Net(table.vectors.shape[1], recipe)
    balance = torch.tensor(float((table.labels == 0).sum()) / max(1.0, float((table.labels == 1).sum())))
    total = recipe.epochs * (len(table.examples) // recipe.batch + 1)
    optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.02, total)
    for _ in range(recipe.epochs):
        for rows in torch.split(torch.randperm(len(table.examples)), recipe.batch):
            logits = net(table.vectors[rows], [table.words[i] for i in rows.tolist()])
            loss = functional.binary_cross_entropy_with_logits(logits, table.labels[rows], pos_weight=balance)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return net.eval()


@torch.no_grad()
def logits_of(net: Net, table: Table) -> Scores:
    found: Scores = net(table.vectors, table.words).numpy()
    return found


def groups_of(examples: Sequence[Example], folds: int) -> list[list[int]]:
    """Indices by fold; a family of templates and a public source are never cut. All of garak is one fold."""
    named = [e.source.split("_")[0] if e.source.startswith("garak") else f"{e.source}/{e.family}" for e in examples]
    order = sorted(set(named), key=lambda g: hashlib.sha256(g.encode()).hexdigest())
    fold_of = {"garak": 0} | {g: 1 + i % (folds - 1) for i, g in enumerate(g for g in order if g != "garak")}
    return [[i for i, g in enumerate(named) if fold_of[g] == fold] for fold in range(folds)]


def held_out_logits(table: Table, recipe: Recipe) -> Scores:
    """Each example's logit by a model that saw neither its family nor its source."""
    scores = np.zeros(len(table.examples), np.float32)
    for held in groups_of(table.examples, recipe.folds):
        kept = sorted(set(range(len(table.examples))) - set(held))
        log.info("%d texts held out, %d kept", len(held), len(kept))
        scores[held] = logits_of(train(table.where(kept), recipe), table.where(held))
    return scores


def operating_point(scores: Scores, table: Table, target: float) -> float:
    """The logit that `target` of the harmless texts exceed, on the half of them that is not scored on."""
    harmless = [s for s, e, y in zip(scores, table.examples, table.labels, strict=True) if not y and not is_scored(e)]
    return float(np.quantile(harmless, 1 - target))


def is_scored(example: Example) -> bool:
    """Which half of the texts a text belongs to, by its hash."""
    return hashlib.sha256(example.text.encode()).digest()[0] % 2 == 0


def features(embedder: Embedder, texts: Sequence[str], cache: Path) -> tuple[Tensor, list[Tensor]]:
    """Sentence vectors (cached by the texts' hash) and the buckets of each text's words."""
    key = hashlib.sha256("\0".join([embedder.name, *texts]).encode()).hexdigest()[:16]
    kept = cache / f"vectors-{key}.npy"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        np.save(kept, np.concatenate([embedder.encode(texts[i : i + 512]) for i in range(0, len(texts), 512)]))
    return torch.from_numpy(np.load(kept)), [torch.tensor(word_buckets(text)) for text in texts]


def by_source(table: Table, flagged: Sequence[bool]) -> dict[str, Rate]:
    """The share flagged of each source's (and each template family's) scored texts."""
    found: dict[str, list[bool]] = {}
    for example, label, hit in zip(table.examples, table.labels, flagged, strict=True):
        if label or is_scored(example):
            name = f"{example.source}/{example.family}" if example.source == "templates" else example.source
            found.setdefault(name, []).append(bool(hit))
    return {name: rate(hits) for name, hits in sorted(found.items())}


def judged(table: Table, flagged: Sequence[bool]) -> tuple[Rate, Rate]:
    """Recall over the attacks, false-positive rate over the scored half of the harmless texts."""
    rows = list(zip(table.examples, table.labels, flagged, strict=True))
    return rate([bool(f) for _, y, f in rows if y]), rate([bool(f) for e, y, f in rows if not y and is_scored(e)])


def score(
    name: HeadName, table: Table, recipe: Recipe, rules: Callable[[str], bool], hand_written: Table
) -> tuple[Net, float, dict[str, Any]]:
    """The head that is kept, its operating point, and the scores of held-out models beside rules and keywords."""
    scores = held_out_logits(table, recipe)
    point = operating_point(scores, table, recipe.target_fpr)
    net = train(table, recipe)
    log.info(
        "%s: held-out models done; recall and false positives %s",
        name,
        [str(r) for r in judged(table, (scores > point).tolist())],
    )
    by_head, by_rules = scores > point, np.array([rules(e.text) for e in table.examples])
    by_words = np.array([keywords_found(e.text) for e in table.examples])
    hand = logits_of(net, hand_written) > point
    hand_rules = np.array([rules(e.text) for e in hand_written.examples])
    hand_words = np.array([keywords_found(e.text) for e in hand_written.examples])
    systems = {
        "keywords": (by_words, hand_words),
        "rules": (by_rules, hand_rules),
        "head": (by_head, hand),
        "rules or head": (by_head | by_rules, hand | hand_rules),
    }
    report: dict[str, Any] = {"head": name, "attacks": int(table.labels.sum()), "texts": len(table.examples)}
    for system, (flagged, hand_flagged) in systems.items():
        recall, false = judged(table, flagged.tolist())
        report[system] = {
            "recall": str(recall),
            "false positives": str(false),
            "false positives, hand-written": str(rate(hand_flagged.tolist())),
        }
        log.info(
            "%s, %s: recall %s, false positives %s, hand-written %s",
            name,
            system,
            recall,
            false,
            rate(hand_flagged.tolist()),
        )
    report["by source"] = {source: str(r) for source, r in by_source(table, by_head.tolist()).items()}
    wrong = [e.text for e, f in zip(hand_written.examples, hand, strict=True) if f]
    log.info("%s: hand-written texts flagged: %s", name, wrong)
    return net, point, report


def tables(data: Path, recipe: Recipe, embedder: Embedder, cache: Path) -> dict[HeadName, tuple[Table, Table]]:
    """For each head the texts that it learns from and the hand-written harmless ones that it is judged on too."""
    benign = own_benign(recipe.seed, recipe.each_benign) + public_benign(data, recipe.seed)
    attacks = own_attacks(recipe.seed, recipe.each) + public_attacks(data / "attacks")
    harmful = public_harmful(data / "attacks")
    hand = [Example(text, "benign", "hand", "hand") for text in (*HELD_OUT_TRIGGERS, *ALARMING)]
    everything = attacks + benign + harmful + hand
    vectors, words = features(embedder, [e.text for e in everything], cache)
    positive: Mapping[HeadName, str] = {"injection": "attack", "harm": "harmful"}
    return {
        name: (
            _table(everything, vectors, words, {label, "benign"}, label, hand=False),
            _table(everything, vectors, words, {"benign"}, label, hand=True),
        )
        for name, label in positive.items()
    }


def _table(
    examples: Sequence[Example],
    vectors: Tensor,
    words: Sequence[Tensor],
    labels: set[str],
    positive: str,
    *,
    hand: bool,
) -> Table:
    chosen = [i for i, e in enumerate(examples) if e.label in labels and (e.source == "hand") is hand]
    truth = torch.tensor([float(e.label == positive) for e in examples])
    return Table(examples, vectors, words, truth).where(chosen)


def main(arguments: argparse.Namespace) -> int:
    recipe = Recipe(seed=arguments.seed)
    folder: Path = arguments.out
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    embedder = open_embedder(load_settings(), remember=False)
    made = tables(arguments.data, recipe, embedder, folder)
    log.info("vectors ready after %.0f s", time.monotonic() - began)
    asked, topics = Injection("question"), Topics(load_policy().topics)
    rules: Mapping[HeadName, Callable[[str], bool]] = {
        "injection": lambda text: not asked.check(text).allowed,
        "harm": lambda text: topics.check(text).rule == "harmful",
    }
    reports = {"recipe": asdict(recipe), "encoder": embedder.name}
    for name, (table, hand) in made.items():
        net, point, reports[name] = score(name, table, recipe, rules[name], hand)
        metadata = {"encoder": embedder.name, "recipe": json.dumps(asdict(recipe))}
        save_file(net.weights(point), folder / f"{name}.safetensors", metadata)
    (folder / "scores.json").write_text(json.dumps(reports, indent=2) + "\n")
    log.info("done after %.0f s", time.monotonic() - began)
    return 0


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("injection", help="train the heads that judge questions", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with attacks/ and reading/")
    parser.add_argument("--out", type=Path, required=True, help="folder for cached vectors, heads and scores")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.set_defaults(run=main)
