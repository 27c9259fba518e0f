"""What a check is worth: rates with their intervals, spans found, and the keyword list that a trained check must beat."""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.rates import Rate, wilson
from guardrails.normalise import fold

_KEYWORDS = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass|pretend|jailbreak|dan|system prompt|prompt|instructions?|rules|restrictions?|developer mode|act as|you are now|roleplay|unfiltered|inject\w*|hack\w*|reveal|secret)\b"
)


def keywords_found(text: str) -> bool:
    """The baseline: whether the text holds any word that attempts to steer an assistant are known by."""
    return bool(_KEYWORDS.search(fold(text)))


def rate(judged: Sequence[bool]) -> Rate:
    """The share of true ones, with its interval."""
    return wilson(sum(judged), len(judged))


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
