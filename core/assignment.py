"""Who is in which arm: sticky by person, and the alarm for a split that is not the one that was meant.

assign("2026-11-reader-v2", person_id, {"treatment": 0.05, "control": 0.95})
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping

from core.errors import BadInput

SAMPLE_RATIO_P = 0.001
"""Below this p the split is wrong and the experiment's figures mean nothing (Fabijan et al. 2019, KDD)."""


def assign(experiment_id: str, person_id: str, weights: Mapping[str, float]) -> str:
    """The person's arm in an experiment: the same at every call, independent between experiments.

    Arms take their shares of [0, 1) in the order given, and the person's hash is a point there. The first arm's share
    may therefore grow (1, 5, 10 %) and nobody leaves it; a new split is still a new experiment to the sample-ratio alarm.

    Args:
        weights: arm to its weight, at least 0; they need not sum to 1.

    Raises:
        BadInput: no arm, a weight below 0 or not finite, or no weight above 0.
    """
    total = _total(weights)
    # The length keeps ("ab", "c") and ("a", "bc") apart.
    digest = hashlib.sha256(f"{len(experiment_id)}:{experiment_id}{person_id}".encode()).digest()
    point = int.from_bytes(digest[:8], "big") / 2**64 * total
    edge = 0.0
    for arm, weight in weights.items():
        edge += weight
        if point < edge:
            return arm
    return [arm for arm, weight in weights.items() if weight > 0][-1]  # the sum's rounding


def sample_ratio_p(counts: Mapping[str, int], weights: Mapping[str, float]) -> float:
    """Chi-square p of the persons counted in each arm against the weights; 1 where nobody was counted.

    An arm of weight 0 that holds anybody gives 0.

    Raises:
        BadInput: as `assign`, or an arm that has no weight.
    """
    from scipy.stats import chisquare

    total = _total(weights)
    if unknown := sorted(set(counts) - set(weights)):
        raise BadInput(f"Persons were counted in {unknown[0][:80]!r}, which is no arm of this experiment.")
    persons = sum(counts.values())
    if any(counts.get(arm, 0) for arm, weight in weights.items() if weight == 0):
        return 0.0
    live = [arm for arm, weight in weights.items() if weight > 0]
    if not persons or len(live) < 2:
        return 1.0
    return float(chisquare([counts.get(a, 0) for a in live], [persons * weights[a] / total for a in live]).pvalue)


def _total(weights: Mapping[str, float]) -> float:
    if any(weight < 0 or not math.isfinite(weight) for weight in weights.values()) or not sum(weights.values()) > 0:
        raise BadInput("An experiment's weights are numbers of at least 0, and one of them is above 0.")
    return sum(weights.values())
