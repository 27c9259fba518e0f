"""The wording beside the judge of questions: weights of hashed words and parts of words (guardrails/wording.py)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import Tensor
from torch.nn import functional

from guardrails.wording import BUCKETS, Wording, text_buckets

EPOCHS = 80
RATE = 0.1
PENALTY = 3e-5


def fit_wording(texts: Sequence[str], attempts: Sequence[bool], seed: int) -> Wording:
    """Logistic regression on the shares of a text's buckets; attempts and harmless texts weigh the same."""
    torch.manual_seed(seed)
    labels = torch.tensor(attempts, dtype=torch.float32)
    weights = torch.where(labels > 0, 0.5 / labels.mean(), 0.5 / (1 - labels.mean()))
    buckets = [text_buckets(text) for text in texts]
    learnt, bias = learn(buckets, labels, weights, size=BUCKETS, epochs=EPOCHS, rate=RATE, penalty=PENALTY)
    return Wording(learnt, bias)


def learn(
    buckets: Sequence[Sequence[int]],
    labels: Tensor,
    weights: Tensor,
    *,
    size: int,
    epochs: int,
    rate: float,
    penalty: float,
) -> tuple[NDArray[np.float32], float]:
    """Logistic regression on the shares of each text's buckets: a weight for each of `size` buckets, and the bias.

    Args:
        labels: shape (texts,), 1 for an attempt.
        weights: shape (texts,), what each text counts.
    """
    flat, starts, shares = _bags(buckets)
    learnt = torch.zeros(size, 1, requires_grad=True)
    bias = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.Adam([learnt, bias], lr=rate)
    for _ in range(epochs):
        bagged = functional.embedding_bag(flat, learnt, starts, mode="sum", per_sample_weights=shares)
        logits = bagged.squeeze(1) + bias
        loss = functional.binary_cross_entropy_with_logits(logits, labels, weight=weights)
        loss = loss + penalty * learnt.pow(2).sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    # Kept in half precision: what measures must be what serves.
    return learnt.detach().squeeze(1).half().float().numpy(), float(bias.detach())


def save_wording(wording: Wording, folder: Path) -> None:
    """Write `wording.safetensors`."""
    tensors: dict[str, NDArray[Any]] = {
        "weights": wording.weights.astype(np.float16),
        "bias": np.array([wording.bias], np.float32),
    }
    save_file(tensors, folder / "wording.safetensors")


def _bags(buckets: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor, Tensor]:
    """All buckets in a row, where each text's begin, and the share of each."""
    sizes = torch.tensor([len(b) for b in buckets])
    flat = torch.tensor([b for of in buckets for b in of])
    return flat, sizes.cumsum(0) - sizes, torch.repeat_interleave(sizes.float().rsqrt(), sizes)
