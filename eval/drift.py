"""Whether the last days of use look like the weeks before them: every signal judged, with what chance explains.

    found = find_drift(use)          use: eval/use.py
    drifted = [one.signal for one in found if one.drifted]

Every signal is judged by moving whole days between the windows at random (5,000 times), so that what turns of one day share (an
outage, a busy person) is not taken for drift. A signal drifts when chance explains it badly and it is large.
docs/design/experiments.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, isfinite

import numpy as np

from core.drift_checks import FEWEST_TURNS
from core.errors import BadInput
from eval.signals import Signal, signals
from eval.use import Flags, Floats, Use

PERMUTATIONS = 5000
FALSE_ALARMS = 0.01
"""Chance that one run on an unchanged assistant reports any drift at all."""
FEWEST_CURRENT = 3
"""Days with use below which the current window is not judged."""


class TooLittleUse(BadInput):
    """Nobody can say whether anything drifts."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One signal: what it was, what it is, how large the change is, and how well chance explains it."""

    signal: str
    test: str
    reference: float | None
    current: float | None
    size: float
    limit: float
    p: float
    drifted: bool
    detail: str = ""


def find_drift(use: Use, *, false_alarms: float = FALSE_ALARMS, seed: int = 0) -> list[Drift]:
    """Judge every signal of some use.

    Args:
        use: both windows; `use.current` says which of its days belong to the current one.

    Raises:
        TooLittleUse: too few turns, or too few days with use for the permutations to mean anything.
    """
    if (fewest := min(use.turns)) < FEWEST_TURNS:
        raise TooLittleUse(
            f"{use.turns[0]} turns before and {use.turns[1]} now are too few to judge drift: it takes {FEWEST_TURNS} of each. "
            f"Raise {'--days' if fewest == use.turns[1] else '--reference-days'}, or wait."
        )
    splits = _splits(use, seed)
    watched = signals(use, seed)
    chances = _chances(np.stack([one.statistic(splits) for one in watched]))
    return [_drift(one, splits[0], p, false_alarms) for one, p in zip(watched, chances, strict=True)]


def _splits(use: Use, seed: int) -> Flags:
    """Which days count as current, shape (1 + PERMUTATIONS, days): first as it is, then at random. Unused days never do."""
    used = np.bincount(use.day, minlength=len(use.current)) > 0
    days, current = int(used.sum()), int((used & use.current).sum())
    if current < FEWEST_CURRENT or comb(days, current) < PERMUTATIONS:
        raise TooLittleUse(
            f"{days - current} days with use before and {current} now are too few to judge drift: "
            f"it takes {FEWEST_CURRENT} now and about 30 before. Raise --days or --reference-days, or wait."
        )
    random = np.random.default_rng(seed)
    splits = np.zeros((1 + PERMUTATIONS, len(used)), bool)
    splits[0] = use.current & used
    order = random.permuted(np.tile(np.flatnonzero(used), (PERMUTATIONS, 1)), axis=1)[:, :current]
    np.put_along_axis(splits[1:], order, True, axis=1)
    return splits


def _chances(statistics: Floats) -> Floats:
    """How often chance alone makes any signal as unusual as each one is (minP; Westfall and Young 1993).

    Args:
        statistics: shape (signals, splits), the real split first.

    Returns:
        Shape (signals,). Signals that move together cost no more than one.
    """
    rounded = np.round(statistics, 9)  # equal splits' statistics differ in the last bits
    ranked = np.sort(rounded, axis=1)
    own = np.stack([1 - np.searchsorted(r, one) / len(r) for r, one in zip(ranked, rounded, strict=True)])
    least = own.min(axis=0)
    chances: Floats = (least[None] <= own[:, :1]).mean(axis=1)
    return chances


def _drift(signal: Signal, split: Flags, p: float, false_alarms: float) -> Drift:
    reference, current = (round(level, 6) if isfinite(level) else None for level in signal.levels(split))
    size = signal.size(split)
    return Drift(
        signal=signal.name,
        test=signal.test,
        reference=reference,
        current=current,
        size=round(size, 6),
        limit=signal.limit,
        p=round(float(p), 6),
        drifted=bool(p <= false_alarms and size >= signal.limit),
        detail=signal.detail(split),
    )
