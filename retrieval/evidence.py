"""How well the passages found support an answer: one number in [0, 1], read as the chance that they hold it.

A logistic model over four signals, or five where a reranker has read the passages. Its coefficients are fitted by
`python -m retrieval calibrate` (`retrieval/calibrate.py`) on the demo organisation's 200 questions, the answerable ones asked
once more with their documents withheld: 148 examples with support and 196 without, cross-validated AUROC 0.85, reranked 0.86.
At the default threshold of 0.35, 96 % (95 %) of the supported ones are answered and 30 % (33 %) of the others refused. The
reranker's own answer adds nothing to the other signals there (its weight is small): what it improves is which passages they
look at. The rest is for the answer model to notice.
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
    agreement: fused score of the first passage, 1 where meaning and words both put it first.
    focus: share of the best passages that are of the first one's document.
    answer: the reranker's highest probability that a passage answers; None where none has read them.
    """

    cosine: float
    coverage: float
    agreement: float
    focus: float
    answer: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One passage's part in the signals. `cosine` is None where only its words were searched."""

    document_id: str
    terms: frozenset[int]
    cosine: float | None
    score: float
    answer: float | None = None


UNKNOWN = Signals(cosine=0.55, coverage=0.6, agreement=0.9, focus=0.67)
"""Stands in for a signal that a search mode does not give: the calibration questions' middle."""

INTERCEPT = -8.04
WEIGHTS = Signals(cosine=7.92, coverage=3.00, agreement=3.05, focus=2.19)
RERANKED_INTERCEPT = -7.56
RERANKED_WEIGHTS = Signals(cosine=8.57, coverage=3.35, agreement=1.73, focus=2.92, answer=0.08)


def signals(weights: Terms, found: Sequence[Found], *, fused: bool) -> Signals:
    """The signals of a question whose content words weigh `weights`, from its passages, best first.

    Args:
        fused: whether the scores are fused ones, so that the first one tells agreement.
    """
    best = found[:BEST]
    cosines = [one.cosine for one in best if one.cosine is not None]
    total = sum(weights.values())
    shares = [_share(weights, one.terms, total) for one in best]
    answers = [one.answer for one in best if one.answer is not None]
    return Signals(
        cosine=max(cosines) if cosines else UNKNOWN.cosine,
        coverage=max(shares, default=0.0) if total else UNKNOWN.coverage,
        agreement=best[0].score if fused and best else UNKNOWN.agreement,
        focus=sum(one.document_id == best[0].document_id for one in best) / len(best) if best else UNKNOWN.focus,
        answer=max(answers, default=None),
    )


def evidence(found: Signals) -> float:
    """The logistic model: one for signals with a reranker's answer, one for those without."""
    plain = found.answer is None
    intercept, weights = (INTERCEPT, WEIGHTS) if plain else (RERANKED_INTERCEPT, RERANKED_WEIGHTS)
    linear = intercept + sum(w * x for w, x in zip(values(weights), values(found), strict=True))
    return 1.0 / (1.0 + math.exp(-linear))


def values(found: Signals) -> tuple[float, ...]:
    """The signals as numbers, in the order of their fields; without `answer` where there is none."""
    return tuple(value for value in astuple(found) if value is not None)


def _share(weights: Terms, held: frozenset[int], total: float) -> float:
    return sum(weight for term, weight in weights.items() if term in held) / total if total else 0.0
