"""Sample sizes and differences: scipy's bootstrap, and the smallest suite that a gate can decide on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
LARGEST_SUITE = 100_000


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean of paired differences (candidate less the other), with a percentile bootstrap interval over the pairs."""

    n: int
    mean: float
    low: float
    high: float


def paired_difference(
    ours: Sequence[float], theirs: Sequence[float], *, confidence: float = 0.95, seed: int = 0
) -> Difference:
    """How much better ours are, case by case; the cases are what is resampled.

    Args:
        ours, theirs: one value a case, in the same order.
    """
    differences = np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)
    n = len(differences)
    if n == 0:
        return Difference(0, 0.0, 0.0, 0.0)
    mean = float(differences.mean())
    if n == 1 or np.ptp(differences) == 0:  # resampling equal values says nothing, and scipy warns of it
        return Difference(n, mean, mean, mean)
    from scipy.stats import bootstrap

    found = bootstrap(
        (differences,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Difference(n, mean, float(found.low), float(found.high))


def needed(least: float, floor: float, confidence: float = 0.95) -> int:
    """The smallest n at which a pass rate of just `least` has its Wilson lower bound at or above `floor`.

    Raises:
        ValueError: no suite is large enough, because the floor is not below the rate.
    """
    if floor >= least:
        raise ValueError("the floor must lie below the least pass rate")
    low, high = 1, LARGEST_SUITE
    while low < high:
        middle = (low + high) // 2
        if _lower(least, middle, confidence) >= floor:
            high = middle
        else:
            low = middle + 1
    return low


def _lower(rate: float, n: int, confidence: float) -> float:
    """Wilson's lower bound of a rate that n cases may not give exactly."""
    from scipy.stats import norm

    z = float(norm.ppf(0.5 + confidence / 2))
    half = z * (rate * (1 - rate) / n + z * z / (4 * n * n)) ** 0.5
    return float((rate + z * z / (2 * n) - half) / (1 + z * z / n))
