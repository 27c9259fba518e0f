"""What a check is worth: rates with their intervals, spans found, and the keyword list that a trained check must beat."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from guardrails.normalise import fold

_KEYWORDS = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass|pretend|jailbreak|dan|system prompt|prompt|instructions?|rules|restrictions?|developer mode|act as|you are now|roleplay|unfiltered|inject\w*|hack\w*|reveal|secret)\b"
)


def keywords_found(text: str) -> bool:
    """The baseline: whether the text holds any word that attempts to steer an assistant are known by."""
    return bool(_KEYWORDS.search(fold(text)))


@dataclass(frozen=True, slots=True)
class Rate:
    """`hits` of `n`, with Wilson's 95 % interval."""

    hits: int
    n: int

    @property
    def value(self) -> float:
        return self.hits / self.n if self.n else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        if not self.n:
            return 0.0, 1.0
        z, n, p = 1.96, self.n, self.value
        middle, spread = (p + z * z / (2 * n)), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(0.0, (middle - spread) / (1 + z * z / n)), min(1.0, (middle + spread) / (1 + z * z / n))

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.3f} ({self.hits} of {self.n}; {low:.3f} to {high:.3f})"


def rate(judged: Sequence[bool]) -> Rate:
    return Rate(sum(judged), len(judged))


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
