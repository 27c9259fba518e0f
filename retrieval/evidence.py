"""How well the passages found support an answer: one number in [0, 1], read as the chance that they hold it.

A logistic model over four signals. Its coefficients are fitted by `python -m retrieval calibrate` (`retrieval/calibrate.py`)
on questions of the demo organisation, each asked with its document and with that document withheld.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from retrieval.bm25 import Terms

BEST = 3
"""Passages that the signals look at."""


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known of the best passages, each in [0, 1].

    cosine: the highest cosine between question and passage.
    coverage: share of the question's content words, weighted by rarity, that the best single passage holds.
    union: the same for the best passages together.
    agreement: fused score of the first passage, 1 where meaning and words both put it first.
    """

    cosine: float
    coverage: float
    union: float
    agreement: float


@dataclass(frozen=True, slots=True)
class Found:
    """One passage's part in the signals. `cosine` is None where only its words were searched."""

    terms: frozenset[int]
    cosine: float | None
    score: float


UNKNOWN = Signals(cosine=0.55, coverage=0.6, union=0.7, agreement=0.8)
"""Stands in for a signal that a search mode does not give: the calibration questions' middle."""

INTERCEPT = -6.0
WEIGHTS = Signals(cosine=6.0, coverage=2.0, union=2.0, agreement=1.0)


def signals(weights: Terms, found: Sequence[Found], *, fused: bool) -> Signals:
    """The signals of a question whose content words weigh `weights`, from its passages, best first.

    Args:
        fused: whether the scores are fused ones, so that the first one tells agreement.
    """
    best = found[:BEST]
    cosines = [one.cosine for one in best if one.cosine is not None]
    total = sum(weights.values())
    shares = [_share(weights, one.terms, total) for one in best]
    together = frozenset().union(*(one.terms for one in best))
    return Signals(
        cosine=max(cosines) if cosines else UNKNOWN.cosine,
        coverage=max(shares, default=0.0) if total else UNKNOWN.coverage,
        union=_share(weights, together, total) if total else UNKNOWN.union,
        agreement=best[0].score if fused and best else UNKNOWN.agreement,
    )


def evidence(found: Signals) -> float:
    """The logistic model."""
    linear = INTERCEPT + sum(w * x for w, x in zip(astuple(WEIGHTS), astuple(found), strict=True))
    return 1.0 / (1.0 + math.exp(-linear))


def _share(weights: Terms, held: frozenset[int], total: float) -> float:
    return sum(weight for term, weight in weights.items() if term in held) / total if total else 0.0
