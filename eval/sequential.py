"""The sequential test: may be looked at as often as one likes, and stopped at any look.

Normal-mixture sequential probability ratio test with its confidence sequence (Robbins 1970; Johari et al. 2017,
"Peeking at A/B tests"; Waudby-Smith et al. 2021 for the asymptotic form), on ratios whose variance is taken over
persons by the delta method (Deng et al. 2018), because a person's turns are not independent. docs/design/experiments.md
says why this one. Everything works on arrays too: the simulation runs the very functions that judge a real experiment.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.errors import BadInput

Floats = NDArray[np.float64]

MIN_PERSONS = 50
"""Below this number of persons in an arm nothing is decided: the normal approximation does not hold yet."""


@dataclass(frozen=True, slots=True)
class Sums:
    """One arm's sums over persons; a person has a denominator `n` (turns, say) and a numerator `y` (flagged turns).

    Arrays of one shape, or scalars. `persons` counts them, `nn`, `yn` and `yy` are the sums of products.
    """

    persons: Floats
    n: Floats
    y: Floats
    nn: Floats
    yn: Floats
    yy: Floats

    @classmethod
    def of(cls, n: ArrayLike, y: ArrayLike) -> Sums:
        """The sums of one arm; `n` and `y` have shape (persons,)."""
        n, y = np.asarray(n, np.float64), np.asarray(y, np.float64)
        sums = (float(len(n)), n.sum(), y.sum(), (n * n).sum(), (y * n).sum(), (y * y).sum())
        return cls(*(np.asarray(value, np.float64) for value in sums))

    def ratio(self, *, binary: bool) -> tuple[Floats, Floats]:
        """The ratio of the sums and its variance, NaN where there is nothing to divide by or only one person.

        With `binary` (the numerator counts some of what the denominator counts) the variance is never below that of
        independent turns with two successes and two failures added (Agresti and Coull 1998): a rate of 0 is not certain.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = self.y / self.n
            residuals = np.maximum(self.yy - 2 * ratio * self.yn + ratio**2 * self.nn, 0.0)
            variance = residuals * self.persons / ((self.persons - 1) * self.n**2)
            if binary:
                rate = (self.y + 2) / (self.n + 4)
                variance = np.maximum(variance, rate * (1 - rate) / self.n)
        counted = self.n > 0
        return np.where(counted, ratio, np.nan), np.where(counted & (self.persons > 1), variance, np.nan)


@dataclass(frozen=True, slots=True)
class Difference:
    """Treatment minus control, at this look. `p` and the interval hold at every look together.

    `low` and `high` are infinite and `p` is 1 while an arm has too few persons. `z` is what a test without peeking uses.
    """

    value: Floats
    low: Floats
    high: Floats
    p: Floats
    z: Floats


def difference(
    control: Sums, treatment: Sums, *, mixing: float, alpha: float = 0.05, binary: bool = True
) -> Difference:
    """The always-valid test and interval for the difference of two ratios.

    Args:
        mixing: variance of the mixture, from `mixing_variance`; any fixed value is valid, a bad one costs power.
    """
    (base, base_variance), (other, other_variance) = control.ratio(binary=binary), treatment.ratio(binary=binary)
    value, variance = other - base, base_variance + other_variance
    few = (control.persons < MIN_PERSONS) | (treatment.persons < MIN_PERSONS) | ~np.isfinite(variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        wide = variance + mixing
        log_ratio = 0.5 * np.log(variance / wide) + value**2 * mixing / (2 * variance * wide)
        half = np.sqrt(variance * wide / mixing * (2 * math.log(1 / alpha) + np.log(wide / variance)))
        p = np.exp(-np.maximum(log_ratio, 0.0))
        z = value / np.sqrt(variance)
    half = np.where(few, np.inf, half)
    unknown = np.isnan(value)
    low, high = np.where(unknown, -np.inf, value - half), np.where(unknown, np.inf, value + half)
    return Difference(value, low, high, np.where(few, 1.0, p), np.where(few, 0.0, z))


@dataclass(frozen=True, slots=True)
class Plan:
    """What an experiment on a rate is to find.

    Attributes:
        baseline: the control's rate, in (0, 1).
        effect: the smallest difference worth finding, absolute; a rise is a little harder to find than a fall.
        turns_per_person: mean number of turns; they are taken to vary as a geometric distribution does.
        icc: correlation of two turns of one person (beta-binomial), in [0, 1).
        share: the treatment's share of the persons.

    Raises:
        BadInput: a value outside its range.
    """

    baseline: float = 0.08
    effect: float = 0.02
    turns_per_person: float = 4.0
    icc: float = 0.05
    share: float = 0.5
    alpha: float = 0.05
    power: float = 0.8

    def __post_init__(self) -> None:
        if not 0 < self.baseline < 1 or not 0 < self.baseline + self.effect < 1 or self.effect == 0:
            raise BadInput(
                "The baseline and the baseline with the effect lie between 0 and 1, and the effect is not 0."
            )
        if not self.turns_per_person >= 1 or not 0 <= self.icc < 1:
            raise BadInput("A person has at least 1 turn, and the correlation between a person's turns is in [0, 1).")
        if not 0 < self.share < 1 or not 0 < self.alpha < 1 or not 0 < self.power < 1:
            raise BadInput("Share, alpha and power lie between 0 and 1.")

    @property
    def design_effect(self) -> float:
        """How many times more turns are needed because they come in persons (Eldridge et al. 2006)."""
        spread = 1 - 1 / self.turns_per_person  # squared coefficient of variation of the geometric distribution
        return 1 + ((spread + 1) * self.turns_per_person - 1) * self.icc

    @property
    def mixing(self) -> float:
        return mixing_variance(self.effect, alpha=self.alpha, power=self.power)


def mixing_variance(effect: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The mixture that makes the interval narrowest when the effect is just found (Howard et al. 2021, section 3.5)."""
    odds, bound = _optimum(alpha)
    return odds * (abs(effect) / (bound + _quantile(power))) ** 2


def persons_needed(plan: Plan) -> int:
    """Persons in both arms at which the sequential test, looked at then alone, has its power; earlier looks add a little."""
    _, bound = _optimum(plan.alpha)
    return max(_fewest(plan), math.ceil(_persons(plan, bound + _quantile(plan.power))))


def persons_needed_without_peeking(plan: Plan) -> int:
    """Persons in both arms for a test that is looked at once, at the end (statsmodels' sample size, times the design effect)."""
    from statsmodels.stats.proportion import samplesize_proportions_2indep_onetail

    ratio = (1 - plan.share) / plan.share
    turns = samplesize_proportions_2indep_onetail(plan.effect, plan.baseline, plan.power, ratio=ratio, alpha=plan.alpha)
    return math.ceil(float(turns) * (1 + ratio) * plan.design_effect / plan.turns_per_person)


def smallest_effect(plan: Plan, persons: int) -> float:
    """The smallest rise above the baseline that so many persons in both arms can show.

    Raises:
        BadInput: no rise below a rate of 1 can be shown with so few.
    """
    from scipy.optimize import brentq

    room = (1 - plan.baseline) * (1 - 1e-6)
    if (fewest := persons_needed(replace(plan, effect=room))) > persons:
        raise BadInput(f"{persons} persons show no effect: take at least {fewest}, or a longer time.")
    _, bound = _optimum(plan.alpha)
    steps = bound + _quantile(plan.power)
    return float(brentq(lambda effect: _persons(replace(plan, effect=effect), steps) - persons, 1e-6, room))


def _persons(plan: Plan, steps: float) -> float:
    """Persons at which the effect is that many standard errors."""
    treated = plan.baseline + plan.effect
    variance = plan.baseline * (1 - plan.baseline) / (1 - plan.share) + treated * (1 - treated) / plan.share
    return variance * plan.design_effect / plan.turns_per_person * (steps / plan.effect) ** 2


def _fewest(plan: Plan) -> int:
    """Persons below which an arm has too few to be judged at all."""
    return math.ceil(MIN_PERSONS / min(plan.share, 1 - plan.share))


def _optimum(alpha: float) -> tuple[float, float]:
    """Mixing variance over sampling variance where the interval is narrowest, and its half width there in standard errors."""
    from scipy.special import lambertw

    odds = float(-lambertw(-(alpha**2) / math.e, -1).real) - 1
    return odds, math.sqrt((1 + 1 / odds) * (2 * math.log(1 / alpha) + math.log(1 + odds)))


def _quantile(probability: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(probability))
