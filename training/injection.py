"""Train the head that judges questions: python -m training injection --data DIR --out DIR

Does a text try to steer the assistant? A small head on the packaged embedder's sentence vectors and on hashed words. It is
scored twice by models that did not learn from what they judge: `new` holds out whole families of templates and whole sources,
`like seen` holds out single texts (the public ones count). The head that is kept learns from all. Vectors are cached in --out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from core.rates import Rate
from core.settings import load_settings
from guardrails.heads import BUCKETS, word_buckets
from guardrails.injection import Injection
from guardrails.measures import keywords_found, rate
from retrieval.embed import Embedder, open_embedder
from training.harmless import ALARMING, HELD_OUT_TRIGGERS
from training.injection_data import Example, own_attacks, own_benign, public_attacks, public_benign

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
    target_fpr: float = 0.007


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


def drawn_folds(examples: Sequence[Example], folds: int) -> list[list[int]]:
    """Indices by fold, each text by itself, drawn by its hash."""
    fold_of = [hashlib.sha256(e.text.encode()).digest()[1] % folds for e in examples]
    return [[i for i, f in enumerate(fold_of) if f == fold] for fold in range(folds)]


def held_out_logits(table: Table, recipe: Recipe, folds: Sequence[Sequence[int]]) -> Scores:
    """Each example's logit by a model that learnt from the other folds alone."""
    scores = np.zeros(len(table.examples), np.float32)
    for held in filter(None, folds):
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


def report_on(table: Table, head: Judged, rules: Judged, words: Judged) -> dict[str, dict[str, str]]:
    """Recall and false positives of the keywords, the rules, the head, and of rules and head together."""
    report = {}
    for system, flagged in {"keywords": words, "rules": rules, "head": head, "rules or head": head | rules}.items():
        recall, false = judged(table, flagged.tolist())
        report[system] = {"recall": str(recall), "false positives": str(false)}
        log.info("%s: recall %s, false positives %s", system, recall, false)
    return report


def scores_of(table: Table, hand: Table, net: Net, recipe: Recipe) -> tuple[float, dict[str, Any]]:
    """The operating point, and what stands in the card."""
    guard = Injection("question")

    def flags(of: Table) -> tuple[Judged, Judged]:
        texts = [e.text for e in of.examples]
        return np.array([not guard.check(t).allowed for t in texts]), np.array([keywords_found(t) for t in texts])

    new = held_out_logits(table, recipe, groups_of(table.examples, recipe.folds))
    point = operating_point(new, table, recipe.target_fpr)
    seen = held_out_logits(table, recipe, drawn_folds(table.examples, recipe.folds))
    rules, words = flags(table)
    public = [i for i, e in enumerate(table.examples) if e.source != "templates"]
    found: dict[str, Any] = {"new": report_on(table, new > point, rules, words)}
    found["like seen"] = report_on(table.where(public), seen[public] > point, rules[public], words[public])
    hand_rules, hand_words = flags(hand)
    hand_head = logits_of(net, hand) > point
    of_hand = {"keywords": hand_words, "rules": hand_rules, "head": hand_head, "rules or head": hand_head | hand_rules}
    found["hand-written, harmless"] = {system: str(rate(f.tolist())) for system, f in of_hand.items()}
    log.info("hand-written, harmless: %s", found["hand-written, harmless"])
    found["new, by source"] = {source: str(r) for source, r in by_source(table, (new > point).tolist()).items()}
    found["like seen, by source"] = {
        source: str(r) for source, r in by_source(table.where(public), (seen[public] > point).tolist()).items()
    }
    return point, found


def tables(data: Path, recipe: Recipe, embedder: Embedder, cache: Path) -> tuple[Table, Table]:
    """The texts to learn from, and the hand-written harmless ones that only measure."""
    benign = own_benign(recipe.seed, recipe.each_benign) + public_benign(data, recipe.seed)
    learnt = own_attacks(recipe.seed, recipe.each) + public_attacks(data / "attacks") + benign
    hand = [Example(text, "benign", "hand", "hand") for text in (*HELD_OUT_TRIGGERS, *ALARMING)]
    everything = learnt + hand
    vectors, words = features(embedder, [e.text for e in everything], cache)
    table = Table(everything, vectors, words, torch.tensor([float(e.label == "attack") for e in everything]))
    return table.where(range(len(learnt))), table.where(range(len(learnt), len(everything)))


def run(arguments: argparse.Namespace) -> int:
    recipe = Recipe(seed=arguments.seed)
    folder: Path = arguments.out
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    embedder = open_embedder(load_settings(), remember=False)
    table, hand = tables(arguments.data, recipe, embedder, folder)
    log.info("vectors ready after %.0f s", time.monotonic() - began)
    net = train(table, recipe)
    point, found = scores_of(table, hand, net, recipe)
    metadata = {"encoder": embedder.name, "recipe": json.dumps(asdict(recipe))}
    save_file(net.weights(point), folder / "injection.safetensors", metadata)
    (folder / "scores.json").write_text(json.dumps({"recipe": asdict(recipe), **found}, indent=2) + "\n")
    log.info("done after %.0f s", time.monotonic() - began)
    return 0


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("injection", help="train the head that judges questions", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with attacks/ and reading/")
    parser.add_argument("--out", type=Path, required=True, help="folder for cached vectors, head and scores")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
