"""What a reader scores on held-out questions: EM and F1 as SQuAD counts them, and how well it knows what it cannot answer."""

from __future__ import annotations

import random
import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from core import rates
from retrieval.compile import Run
from retrieval.network import read_windows
from retrieval.windows import Reading, build_windows, decode
from training.reading_data import Kind, ReadingExample
from training.unanswerable import JUDGED
from training.written import SOURCE as WRITTEN

ALTERED: tuple[Kind, ...] = ("neighbour", "removed", "entity", "number", "negation", "antonym")

HALF = "half unanswerable"
TEMPTING = "written to look answerable"
TOKENS_A_BATCH = 8192


@dataclass(frozen=True, slots=True)
class Prediction:
    """One held-out question with the reader's best span, its F1 and EM against the annotators, and its two logits."""

    example: ReadingExample
    text: str
    margin: float
    answerable: float
    f1: float
    em: float


def score(run: Run, tokenizer: Tokenizer, held_out: Sequence[ReadingExample], limit: int = 1600) -> dict[str, Any]:
    """Scores by source for answerable questions, on the half-unanswerable set (equal parts of every kind that was made from these),
    and on the questions that were written to look answerable beside those that are."""
    answerable = [e for e in held_out if e.kind == "answerable"]
    result: dict[str, Any] = {}
    found: dict[str, list[Prediction]] = {}
    for source in sorted({e.source for e in answerable}):
        theirs = [e for e in answerable if e.source == source]
        chosen = random.Random(13).sample(theirs, min(limit, len(theirs)))  # noqa: S311 - the same ones for every variant
        found[source] = predict(run, tokenizer, chosen)
        result[source] = summary(found[source])
    known = [p for source in JUDGED for p in found.get(source, [])]
    if all(any(e.kind == kind for e in held_out) for kind in ALTERED):
        half = half_unanswerable(run, tokenizer, held_out, known)
        tempting = predict(run, tokenizer, [e for e in held_out if e.kind == "written"])
        beside = [*found.get(WRITTEN, []), *tempting]
        result[HALF] = decided(half) | {"settings": settings_of([*half, *beside])}
        if tempting:
            result[TEMPTING] = decided(beside)
    return result


def summary(predictions: Sequence[Prediction]) -> dict[str, Any]:
    f1 = np.array([p.f1 for p in predictions])
    em = float(np.mean([p.em for p in predictions]))
    return {
        "n": len(predictions),
        "f1": round(100 * float(f1.mean()), 1),
        "f1_interval": [round(100 * x, 1) for x in bootstrap(f1)],
        "em": round(100 * em, 1),
        "em_interval": [round(100 * x, 1) for x in wilson(em, len(predictions))],
    }


def half_unanswerable(
    run: Run, tokenizer: Tokenizer, held_out: Sequence[ReadingExample], known: Sequence[Prediction]
) -> list[Prediction]:
    """As many answerable questions as unanswerable ones, these in equal parts of every kind."""
    rng = random.Random(11)  # noqa: S311
    by_kind = {kind: [e for e in held_out if e.kind == kind] for kind in ALTERED}
    each = min(len(found) for found in by_kind.values())
    chosen = [e for kind in ALTERED for e in rng.sample(by_kind[kind], each)]
    negatives = predict(run, tokenizer, chosen)
    return [*rng.sample(known, min(len(known), len(negatives))), *negatives]


def decided(everything: Sequence[Prediction]) -> dict[str, Any]:
    """How well answerable questions are told from others: a right refusal counts 1, a wrong one 0.

    The decision is calibrated on one half of the articles and judged on the other, both ways round.
    """
    probability = cross_calibrated(everything)
    answers = np.array([p.example.kind == "answerable" for p in everything])
    said = probability >= 0.5
    f1 = np.array([p.f1 * s if a else float(not s) for p, s, a in zip(everything, said, answers, strict=True)])
    kinds = np.array([p.example.kind for p in everything])
    return {
        "n": len(everything),
        "each_kind": min(int((kinds == kind).sum()) for kind in set(kinds) - {"answerable"}),
        "f1": round(100 * float(f1.mean()), 1),
        "f1_interval": [round(100 * x, 1) for x in bootstrap(f1)],
        "auroc": round(auroc(probability, answers), 3),
        "auroc_by_kind": {
            kind: round(auroc(probability[answers | (kinds == kind)], answers[answers | (kinds == kind)]), 3)
            for kind in (*ALTERED, WRITTEN)
            if (kinds == kind).any()
        },
        "calibration": calibration(probability, answers),
    }


def settings_of(everything: Sequence[Prediction]) -> dict[str, float]:
    """The weights of the decision, fitted on all of these questions."""
    answers = np.array([p.example.kind == "answerable" for p in everything])
    return dict(zip(("margin", "answerable", "offset"), fit_rising(features(everything), answers), strict=True))


def predict(run: Run, tokenizer: Tokenizer, examples: Sequence[ReadingExample]) -> list[Prediction]:
    """Read every example's passage with the serving path's windows, batches and decoding."""
    windows = [build_windows(tokenizer, e.question, [e.passage]) for e in examples]
    outputs = iter(read_windows(run, [w for found in windows for w in found], most_tokens=TOKENS_A_BATCH))
    return [
        _judged(example, decode(found, list(islice(outputs, len(found))))[0])
        for example, found in zip(examples, windows, strict=True)
    ]


def _judged(example: ReadingExample, best: Reading) -> Prediction:
    text = example.passage[best.start : best.end]
    gold = example.answer_texts
    f1 = max((token_f1(text, g) for g in gold), default=0.0)
    em = max((float(normalise(text) == normalise(g)) for g in gold), default=0.0)
    return Prediction(example, text, best.margin, best.answerable, f1, em)


def normalise(text: str) -> str:
    """SQuAD's normalisation: lower case, no punctuation, no articles, single blanks."""
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def token_f1(prediction: str, gold: str) -> float:
    said, wanted = normalise(prediction).split(), normalise(gold).split()
    same = sum((Counter(said) & Counter(wanted)).values())
    if not said or not wanted:
        return float(said == wanted)
    return 2 * same / (len(said) + len(wanted))


def features(predictions: Sequence[Prediction]) -> NDArray[np.float64]:
    return np.array([[p.margin, p.answerable, 1.0] for p in predictions])


def fit_logistic(x: NDArray[np.float64], y: NDArray[np.bool_], steps: int = 50) -> NDArray[np.float64]:
    """Newton's method with a small ridge; the last column of x is the constant. Returns the weights."""
    weights = np.zeros(x.shape[1])
    for _ in range(steps):
        p = sigmoid(x @ weights)
        gradient = x.T @ (p - y) + 1e-3 * weights
        hessian = (x * (p * (1 - p))[:, None]).T @ x + 1e-3 * np.eye(x.shape[1])
        weights -= np.linalg.solve(hessian, gradient)
    return weights


def fit_rising(x: NDArray[np.float64], y: NDArray[np.bool_]) -> NDArray[np.float64]:
    """As `fit_logistic`, no weight but the constant's below 0: both signals speak for an answer, and together, as they mostly rise
    together, one may be fitted against it, which makes the clearest answers doubtful."""
    weights = fit_logistic(x, y)
    kept = np.append(weights[:-1] > 0, True)
    weights[~kept] = 0.0
    if not kept.all():
        weights[kept] = fit_logistic(x[:, kept], y)
    return weights


def cross_calibrated(predictions: Sequence[Prediction]) -> NDArray[np.float64]:
    """Probability of "answerable", each article judged by a fit on the other half of the articles."""
    answers = np.array([p.example.kind == "answerable" for p in predictions])
    return cross_fitted(features(predictions), answers, [p.example.article for p in predictions])


def cross_fitted(x: NDArray[np.float64], y: NDArray[np.bool_], groups: Sequence[Any]) -> NDArray[np.float64]:
    """Probability of each row, by a logistic fit on the other half of the groups (articles), which are halved by their order."""
    number = {group: n for n, group in enumerate(sorted(set(groups)))}
    even = np.array([number[group] % 2 == 0 for group in groups])
    out = np.zeros(len(groups))
    for fold in (even, ~even):
        out[fold] = sigmoid(x[fold] @ fit_rising(x[~fold], y[~fold]))
    return out


def sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(x, -30, 30)))
    return found


def auroc(scores: NDArray[np.float64], labels: NDArray[np.bool_]) -> float:
    from scipy.stats import rankdata

    ranks = rankdata(scores)
    positive = int(labels.sum())
    return float((ranks[labels].sum() - positive * (positive + 1) / 2) / (positive * (len(labels) - positive)))


def calibration(probability: NDArray[np.float64], labels: NDArray[np.bool_]) -> list[dict[str, float]]:
    """Ten bins of stated probability: how many questions, the mean statement, the share that was answerable."""
    bins = np.minimum((probability * 10).astype(int), 9)
    return [
        {
            "n": int((bins == b).sum()),
            "stated": round(float(probability[bins == b].mean()), 3),
            "observed": round(float(labels[bins == b].mean()), 3),
        }
        for b in range(10)
        if (bins == b).any()
    ]


def bootstrap(values: NDArray[np.float64], draws: int = 2000) -> tuple[float, float]:
    """95 % percentile interval of the mean."""
    rng = np.random.default_rng(5)
    means = np.array([rng.choice(values, len(values)).mean() for _ in range(draws)])
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def wilson(share: float, n: int) -> tuple[float, float]:
    """95 % Wilson score interval of a share of n."""
    found = rates.wilson(round(share * n), n)
    return found.low, found.high
