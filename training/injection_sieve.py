"""The sieve before the judge: weights of hashed words that pick the sentences of a passage worth reading (guardrails/sieve.py)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

from core.rates import Rate
from guardrails.measures import rate
from guardrails.sieve import BUCKETS, Sieve, sentences, word_buckets
from training.injection_data import Example
from training.injection_passages import bare_orders, notices, orders_to_people, ordinary
from training.injection_words import learn

PASSED = 0.10
"""Share of ordinary sentences that may pass: what the judge has to read."""
FOLDS = 4
EPOCHS = 40
RATE = 0.1
PENALTY = 2e-4
ORDERS_TO_PEOPLE = 0.3
"""Weight of a harmless sentence that gives people orders: telling it from the rest is the judge's task."""


def make_sieve(data: Path, seed: int, each: int, folder: Path) -> dict[str, Any]:
    """Write `sieve.safetensors`; returns what stands in its card. Families are held out to measure, and learnt from in the end."""
    orders = bare_orders(data, seed, each)
    plain = [s for e in ordinary(data, seed) for s in sentences(e.text)] + notices(data, seed)
    people = [s for e in orders_to_people(seed) for s in sentences(e.text)]
    learnt, measured = plain[::2], plain[1::2]
    held: dict[str, list[bool]] = {}
    passed: list[bool] = []
    for fold in range(FOLDS):
        kept = [e for e in orders if _fold(e) != fold]
        sieve = fit(kept, learnt, people, seed)
        for example in (e for e in orders if _fold(e) == fold):
            held.setdefault(example.source, []).append(bool(sieve.suspects(example.text)))
        passed += [sieve.score(s) >= sieve.threshold for s in measured[fold::FOLDS]]
    sieve = fit(orders, learnt, people, seed)
    weights: dict[str, NDArray[Any]] = {
        "weights": sieve.weights.astype(np.float16),
        "threshold": np.array([sieve.threshold], np.float32),
    }
    save_file(weights, folder / "sieve.safetensors")
    recall: dict[str, Rate] = {source: rate(hits) for source, hits in sorted(held.items())}
    return {
        "orders seen, by source": {k: str(v) for k, v in recall.items()},
        "ordinary sentences read": str(rate(passed)),
    }


def sieve_without(is_held: Callable[[Example], bool], data: Path, seed: int, each: int) -> Sieve:
    """A sieve that learnt from no text that is held out."""
    orders, around, people = bare_orders(data, seed, each), ordinary(data, seed), orders_to_people(seed)
    plain = [s for e in around if not is_held(e) for s in sentences(e.text)] + notices(data, seed)
    told = [s for e in people if not is_held(e) for s in sentences(e.text)]
    return fit([e for e in orders if not is_held(e)], plain[::2], told, seed)


def fit(orders: Sequence[Example], plain: Sequence[str], people: Sequence[str], seed: int) -> Sieve:
    """Logistic regression on the shares of a sentence's buckets; the threshold is what PASSED of the ordinary sentences exceed."""
    torch.manual_seed(seed)
    texts = [s for e in orders for s in sentences(e.text)]
    attempts = len(texts)
    texts += [*plain, *people]
    labels = torch.tensor([float(n < attempts) for n in range(len(texts))])
    balance = len(plain) / max(1, attempts)
    weights = torch.tensor(
        [balance] * attempts + [1.0] * len(plain) + [ORDERS_TO_PEOPLE] * len(people), dtype=torch.float32
    )
    buckets = [word_buckets(t) for t in texts]
    learnt, _ = learn(buckets, labels, weights, size=BUCKETS, epochs=EPOCHS, rate=RATE, penalty=PENALTY)
    sieve = Sieve(learnt, 0.0)
    return Sieve(sieve.weights, float(np.quantile([sieve.score(s) for s in plain], 1 - PASSED)))


def _fold(example: Example) -> int:
    group = example.source if example.source == "bipia" else f"{example.source}/{example.family}"
    return hashlib.sha256(group.encode()).digest()[0] % FOLDS
