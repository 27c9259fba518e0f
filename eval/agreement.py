"""Whether people who rate answers agree: the figures are core's, which the review queue shows too."""

from core.agreement import (
    Coefficient,
    Disagreement,
    Level,
    Rating,
    cohen,
    disagreements,
    gold_accuracy,
    krippendorff,
)

__all__ = [
    "Coefficient",
    "Disagreement",
    "Level",
    "Rating",
    "cohen",
    "disagreements",
    "gold_accuracy",
    "krippendorff",
]
