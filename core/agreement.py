"""Do people who rate answers agree, and may their ratings be trusted: kappa, alpha, gold accuracy, disagreements.

Cohen's kappa is statsmodels'. Krippendorff's alpha is written here after Krippendorff, "Computing Krippendorff's
Alpha-Reliability" (2011), because the statsmodels that is pinned has none yet (0.15.1 brings one).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput
from core.rates import Rate, wilson

Level = Literal["nominal", "ordinal"]
Floats = NDArray[np.float64]

RESAMPLES = 1000
FEWEST = 3
"""Below this number of answers two raters' kappa is not shown: a number with no meaning invites use."""


@dataclass(frozen=True, slots=True)
class Rating:
    """One rater's judgement of one answer; `value` is one of the rubric's values."""

    item: str
    rater: str
    value: Hashable


@dataclass(frozen=True, slots=True)
class Coefficient:
    """An agreement coefficient with its 95 % interval; 1 is perfect, 0 is chance. `n` answers were rated by both or more.

    All but `n` are None where it is not defined: too few answers, or only one value ever given.
    """

    n: int
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An answer that raters judged differently. `distance` is in steps of the rubric, at least 1."""

    item: str
    values: Mapping[str, Hashable]
    distance: int


def cohen(
    ratings: Sequence[Rating], scale: Sequence[Hashable], level: Level = "nominal"
) -> dict[tuple[str, str], Coefficient]:
    """Cohen's kappa of every two raters who rated an answer in common; quadratic weights where the scale has an order.

    Args:
        scale: the rubric's values, from worst to best where it is ordinal.

    Raises:
        BadInput: a value outside the scale, or two ratings of one answer by one person.
    """
    from statsmodels.stats.inter_rater import cohens_kappa

    table = _table(ratings, scale)
    raters = sorted({one.rater for one in ratings})
    found = {}
    for pair in combinations(raters, 2):
        both = [(row[pair[0]], row[pair[1]]) for row in table.values() if pair[0] in row and pair[1] in row]
        if not both:
            continue
        counts = np.zeros((len(scale), len(scale)))
        np.add.at(counts, tuple(np.array(both).T), 1)
        if len(both) < FEWEST or len({place for one in both for place in one}) < 2:
            found[pair] = Coefficient(len(both), None, None, None)
            continue
        with np.errstate(invalid="ignore"):  # the variance of one who always says the same can come out as -1e-17
            kappa = cohens_kappa(counts, wt=None if level == "nominal" else "quadratic")
        value, half = float(kappa.kappa), 1.96 * float(np.sqrt(max(0.0, kappa.var_kappa)))
        found[pair] = Coefficient(len(both), value, max(-1.0, value - half), min(1.0, value + half))
    return found


def krippendorff(
    ratings: Sequence[Rating], scale: Sequence[Hashable], level: Level = "nominal", *, seed: int = 0
) -> Coefficient:
    """Krippendorff's alpha over all raters at once; not everybody needs to have rated everything.

    The interval is a percentile bootstrap over the answers, which are what one drew from.

    Raises:
        BadInput: as `cohen`.
    """
    table = _table(ratings, scale)
    counts = np.zeros((len(table), len(scale)))
    for number, row in enumerate(table.values()):
        np.add.at(counts[number], list(row.values()), 1)
    counts = counts[counts.sum(axis=1) >= 2]  # a single rating cannot be paired
    value = _alpha(counts, level)
    if value is None or len(counts) < FEWEST:
        return Coefficient(len(counts), None, None, None)
    drawn = np.random.default_rng(seed).integers(0, len(counts), (RESAMPLES, len(counts)))
    resampled = [alpha for places in drawn if (alpha := _alpha(counts[places], level)) is not None]
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Coefficient(len(counts), value, float(low), float(high))


def _alpha(counts: Floats, level: Level) -> float | None:
    """1 less observed over expected disagreement; `counts` has shape (answers, values). None where all values are equal."""
    if not len(counts):
        return None
    raters = counts.sum(axis=1)
    # Coincidences: every ordered pair within an answer, weighted by 1 / (raters of it - 1).
    weighted = counts / (raters - 1)[:, None]
    coincidences = weighted.T @ counts - np.diag(weighted.sum(axis=0))
    totals = coincidences.sum(axis=1)
    distance = _distance(totals, level)
    n = totals.sum()
    expected = (np.outer(totals, totals) * distance).sum() / (n - 1)
    return float(1 - (coincidences * distance).sum() / expected) if expected > 0 else None


def _distance(totals: Floats, level: Level) -> Floats:
    """Squared distance of every two values; ordinal ones are as far apart as there are ratings between them."""
    if level == "nominal":
        apart: Floats = 1.0 - np.eye(len(totals))
        return apart
    middle = np.cumsum(totals) - totals / 2
    between: Floats = (middle[:, None] - middle[None]) ** 2
    return between


def gold_accuracy(ratings: Sequence[Rating], gold: Mapping[str, Hashable]) -> dict[str, Rate]:
    """How often each rater gives the agreed value of a gold answer, with Wilson's interval; raters without gold are left out."""
    right: dict[str, list[bool]] = defaultdict(list)
    for one in ratings:
        if one.item in gold:
            right[one.rater].append(one.value == gold[one.item])
    return {rater: wilson(sum(hits), len(hits)) for rater, hits in sorted(right.items())}


def disagreements(ratings: Sequence[Rating], scale: Sequence[Hashable]) -> list[Disagreement]:
    """The answers that were judged differently, the widest apart first.

    Raises:
        BadInput: as `cohen`.
    """
    found = [
        Disagreement(item, {rater: scale[place] for rater, place in sorted(row.items())}, spread)
        for item, row in _table(ratings, scale).items()
        if (spread := max(row.values()) - min(row.values()))
    ]
    return sorted(found, key=lambda one: (-one.distance, one.item))


def _table(ratings: Sequence[Rating], scale: Sequence[Hashable]) -> dict[str, dict[str, int]]:
    """Answer to rater to the value's place on the scale."""
    places = {value: place for place, value in enumerate(scale)}
    table: dict[str, dict[str, int]] = defaultdict(dict)
    for one in ratings:
        if one.value not in places:
            raise BadInput(f"The rating of {one.item[:80]!r} by {one.rater[:80]!r} is not on the rubric's scale.")
        if one.rater in table[one.item]:
            raise BadInput(f"{one.rater[:80]!r} rated {one.item[:80]!r} twice: keep one of the two.")
        table[one.item][one.rater] = places[one.value]
    return table
