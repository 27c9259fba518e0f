"""A share of n with its interval: scipy's Wilson score."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of n with its Wilson score interval (Wilson 1927); of nothing it is 0 with the interval [0, 1]."""

    passed: int
    n: int
    rate: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.rate:.3f} ({self.passed} of {self.n}; {self.low:.3f} to {self.high:.3f})"


def wilson(passed: int, n: int, confidence: float = 0.95) -> Rate:
    """The share and its interval, all in [0, 1]."""
    if n == 0:
        return Rate(0, 0, 0.0, 0.0, 1.0)
    from scipy.stats import binomtest

    interval = binomtest(passed, n).proportion_ci(confidence, method="wilson")
    # The bounds of 0 of n and n of n are exact; in floating point they miss by 1e-17, which reads as an error.
    low, high = (0.0 if passed == 0 else float(interval.low)), (1.0 if passed == n else float(interval.high))
    return Rate(passed, n, passed / n, low, high)
