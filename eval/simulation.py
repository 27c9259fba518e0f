"""What the sequential test does when it is looked at again and again, on experiments whose truth is known.

Persons join one after the other, come back with more turns until the end, and differ in how often they flag
(beta-binomial); after every so many persons the test of `eval/sequential.py` looks at all turns so far.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.assignment import SAMPLE_RATIO_P
from core.errors import BadInput
from core.rates import Rate, wilson
from eval.sequential import MIN_PERSONS, Floats, Plan, Sums, difference, persons_needed

CHUNK_PERSONS = 200_000
"""Persons simulated at once: about 100 MB."""


@dataclass(frozen=True, slots=True)
class World:
    """A truth to simulate: `difference` between the arms' rates, and the share that really gets the treatment."""

    plan: Plan
    persons: int
    peek_every: int
    difference: float = 0.0
    real_share: float = 0.5

    @property
    def looks(self) -> int:
        return -(-self.persons // self.peek_every)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened in each simulated test; arrays of shape (tests,). A look that never came is 0 persons.

    Attributes:
        stopped: persons at the first look at which the always-valid p was at most alpha.
        naive: whether a test without correction would have been stopped at some look.
        covered: whether the interval held the truth at every look.
        alarmed: persons at the first look at which the sample-ratio alarm rang.
    """

    stopped: NDArray[np.int64]
    naive: NDArray[np.bool_]
    covered: NDArray[np.bool_]
    alarmed: NDArray[np.int64]


def simulate(world: World, tests: int, seed: int) -> Outcome:
    """Run that many experiments of one truth."""
    size = max(1, CHUNK_PERSONS // world.persons)
    seeds = np.random.SeedSequence(seed).spawn(-(-tests // size))
    chunks = [
        _judged(world, sums_by_look(world, min(size, tests - number * size), np.random.default_rng(one)))
        for number, one in enumerate(seeds)
    ]
    return Outcome(*(np.concatenate(values) for values in zip(*chunks, strict=True)))


def sums_by_look(world: World, tests: int, random: np.random.Generator) -> Sums:
    """Both arms' sums at each look of some simulated experiments; shape (tests, 2, looks), control first."""
    persons, looks, every = world.persons, world.looks, world.peek_every
    treated = random.random(tests * persons) < world.real_share
    joined = np.tile(np.arange(persons), tests)
    turns = random.geometric(1 / world.plan.turns_per_person, tests * persons)
    flags = _person_rates(world, treated, random)

    person = np.repeat(np.arange(tests * persons), turns)
    start = np.cumsum(turns) - turns
    earlier = np.arange(len(person)) - start[person]  # turns of this person before this one
    at = joined[person] + random.random(len(person)) * (persons - joined[person]) * (earlier > 0)
    look = person * looks + (at // every).astype(np.int64)
    look.sort()  # each person's turns in time; persons stay where they are
    look -= person * looks
    flagged = (random.random(len(person)) < flags[person]).astype(np.float64)
    before = np.cumsum(flagged) - flagged
    before -= before[start][person]

    arm = np.repeat(np.arange(tests), persons) * 2 + treated
    cell = arm[person] * looks + look

    def by_look(cells: NDArray[np.int64], weights: Floats | None = None) -> Floats:
        counted = np.bincount(cells, weights, tests * 2 * looks).reshape(tests, 2, looks)
        return np.cumsum(counted, axis=-1, dtype=np.float64)

    # Each turn adds what the person's squares and products grow by.
    return Sums(
        persons=by_look(arm * looks + joined // every),
        n=by_look(cell),
        y=by_look(cell, flagged),
        nn=by_look(cell, 2.0 * earlier + 1),
        yn=by_look(cell, before + flagged * (earlier + 1)),
        yy=by_look(cell, flagged * (2 * before + 1)),
    )


def _person_rates(world: World, treated: NDArray[np.bool_], random: np.random.Generator) -> Floats:
    rates = np.where(treated, world.plan.baseline + world.difference, world.plan.baseline)
    if world.plan.icc == 0:
        return rates
    size = 1 / world.plan.icc - 1
    return random.beta(rates * size, (1 - rates) * size)


def _judged(
    world: World, sums: Sums
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64]]:
    """`Outcome`'s arrays for the sums of some tests."""
    from scipy.special import ndtri
    from scipy.stats import chi2

    plan = world.plan
    control, treatment = _arm(sums, 0), _arm(sums, 1)
    found = difference(control, treatment, mixing=plan.mixing, alpha=plan.alpha)
    covered = (found.low <= world.difference) & (world.difference <= found.high)
    persons = control.persons + treatment.persons
    expected = persons * plan.share
    squared = (treatment.persons - expected) ** 2 / (expected * (1 - plan.share))
    alarm = (chi2.sf(squared, 1) < SAMPLE_RATIO_P) & (persons >= 2 * MIN_PERSONS)
    naive = np.abs(found.z) > ndtri(1 - plan.alpha / 2)
    return (
        _first(found.p <= plan.alpha, persons),
        np.asarray(naive.any(axis=-1)),
        np.asarray(covered.all(axis=-1)),
        _first(alarm, persons),
    )


def _arm(sums: Sums, number: int) -> Sums:
    return replace(sums, **{name: getattr(sums, name)[:, number] for name in Sums.__slots__})


def _first(rang: NDArray[np.bool_], persons: Floats) -> NDArray[np.int64]:
    """Persons at the first look that is True, 0 where none is; shapes (tests, looks) to (tests,)."""
    at = np.take_along_axis(persons, rang.argmax(axis=-1)[:, None], axis=-1)[:, 0]
    return np.where(rang.any(axis=-1), at, 0).astype(np.int64)


SKEW = 0.04
"""How far the injected wrong split is off: 46/54 where 50/50 is meant."""
ALARMED = 0.9
"""Share of those experiments that must be alarmed."""


def proof(plan: Plan, tests: int, peek_every: int, seed: int) -> Iterator[dict[str, Any]]:
    """Simulated experiments as long as the plan says, each scenario judged against what it must reach.

    Raises:
        BadInput: no tests, or no looks.
    """
    persons = persons_needed(plan)
    if tests < 1 or not 1 <= peek_every <= persons or not plan.share > SKEW:
        raise BadInput(f"Simulate at least 1 test and look after 1 to {persons} persons, at a share above {SKEW}.")
    scenarios = (
        ("A/A", "stopped", "at most", plan.alpha, World(plan, persons, peek_every, 0.0, plan.share)),
        ("A/B", "stopped", "at least", plan.power, World(plan, persons, peek_every, plan.effect, plan.share)),
        ("wrong split", "sample_ratio_alarmed", "at least", ALARMED, World(plan, persons, peek_every, 0.0, plan.share - SKEW)),
    )  # fmt: skip
    for number, (name, judged, bound, limit, world) in enumerate(scenarios):
        row = {"scenario": name, **_figures(world, simulate(world, tests, seed + number))}
        passed = row[judged] <= limit if bound == "at most" else row[judged] >= limit
        shown = proven(wilson(round(row[judged] * tests), tests), bound, limit)
        yield row | {"wanted": f"{judged} {bound} {limit:g}", "passed": passed, "proven": shown}


def proven(measured: Rate, bound: str, limit: float) -> bool | None:
    """Whether the interval lies on the wanted side of the limit; None where it holds the limit: more tests would have to tell."""
    below, above = measured.high <= limit, measured.low >= limit
    if bound == "at most":
        return True if below else False if measured.low > limit else None
    return True if above else False if measured.high < limit else None


def _figures(world: World, outcome: Outcome) -> dict[str, Any]:
    tests = len(outcome.stopped)
    stopped, alarmed = outcome.stopped[outcome.stopped > 0], outcome.alarmed[outcome.alarmed > 0]
    interval = wilson(len(stopped), tests)
    return {
        "tests": tests,
        "persons": world.persons,
        "looks": world.looks,
        "baseline": world.plan.baseline,
        "effect": world.difference,
        "real_share": world.real_share,
        "stopped": round(interval.rate, 4),
        "stopped_low": round(interval.low, 4),
        "stopped_high": round(interval.high, 4),
        "median_stop_persons": float(np.median(stopped)) if len(stopped) else None,
        "covered": round(float(outcome.covered.mean()), 4),
        "stopped_without_correction": round(float(outcome.naive.mean()), 4),
        "sample_ratio_alarmed": round(len(alarmed) / tests, 4),
        "median_alarm_persons": float(np.median(alarmed)) if len(alarmed) else None,
    }
