"""Experiments: sticky arms, a test that bears peeking, figures by person, and a decision that harm can stop."""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from core.assignment import SAMPLE_RATIO_P, assign, sample_ratio_p
from core.errors import BadInput, NotFound
from core.rates import wilson
from core.store import Store
from eval import experiments
from eval.experiments import Trial, analyse, moment, sample
from eval.sequential import (
    Plan,
    Sums,
    difference,
    mixing_variance,
    persons_needed,
    persons_needed_without_peeking,
    smallest_effect,
)
from eval.simulation import World, proof, proven, simulate, sums_by_look
from tests.eval.traffic import BEGIN, a_turn, put

EVEN = {"treatment": 0.5, "control": 0.5}
COARSE = Plan(baseline=0.3, effect=0.12, icc=0.1)
"""A large effect, so that the simulated experiments are short."""


# Assignment


def test_a_person_keeps_their_arm() -> None:
    first = [assign("reader-v2", f"person-{n}", EVEN) for n in range(200)]
    assert first == [assign("reader-v2", f"person-{n}", EVEN) for n in range(200)]
    assert assign("reader-v2", "ana.silva", EVEN) == "treatment"  # the same in every process and version


def test_persons_are_split_as_the_weights_say() -> None:
    weights = {"treatment": 0.2, "second": 0.3, "control": 0.5}
    counts = Counter(assign("reader-v2", f"person-{n}", weights) for n in range(20_000))
    assert sample_ratio_p(counts, weights) > 0.01


def test_the_arms_of_two_experiments_are_independent() -> None:
    both = Counter((assign("one", str(n), EVEN), assign("two", str(n), EVEN)) for n in range(20_000))
    assert sample_ratio_p({" ".join(k): v for k, v in both.items()}, {" ".join(k): 1 for k in both}) > 0.01
    assert len(both) == 4


def test_nobody_leaves_the_first_arm_when_its_share_grows() -> None:
    def treated(share: float) -> set[int]:
        weights = {"treatment": share, "control": 1 - share}
        return {n for n in range(5000) if assign("canary", str(n), weights) == "treatment"}

    assert treated(0.01) < treated(0.05) < treated(0.25)


def test_an_arm_of_weight_nothing_gets_nobody() -> None:
    weights = {"treatment": 0.0, "control": 1.0}
    assert {assign("reader-v2", str(n), weights) for n in range(1000)} == {"control"}
    assert sample_ratio_p({"control": 1000}, weights) == 1.0
    assert sample_ratio_p({"control": 1000, "treatment": 1}, weights) == 0.0


@pytest.mark.parametrize("weights", [{}, {"a": 0.0}, {"a": -1.0, "b": 2.0}, {"a": float("nan")}])
def test_weights_that_mean_nothing_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="weights"):
        assign("reader-v2", "emma.employee", weights)


def test_the_sample_ratio_alarm_rings_for_46_to_54_and_not_for_chance() -> None:
    assert sample_ratio_p({"treatment": 1840, "control": 2160}, EVEN) < SAMPLE_RATIO_P
    assert sample_ratio_p({"treatment": 1970, "control": 2030}, EVEN) > 0.3
    assert sample_ratio_p({}, EVEN) == 1.0
    with pytest.raises(BadInput, match="no arm"):
        sample_ratio_p({"other": 3}, EVEN)


# The test itself


def test_p_is_one_over_the_mixtures_likelihood_ratio() -> None:
    random = np.random.default_rng(3)
    arms = [Sums.of(random.integers(1, 6, 300), random.binomial(1, rate, 300)) for rate in (0.1, 0.25)]
    mixing = 0.03**2
    found = difference(arms[0], arms[1], mixing=mixing)
    deviation = float(np.sqrt(arms[0].ratio(binary=True)[1] + arms[1].ratio(binary=True)[1]))
    value = float(found.value)
    mixed, _ = quad(lambda t: norm.pdf(value, t, deviation) * norm.pdf(t, 0, mixing**0.5), -0.5, 0.5, epsabs=1e-12)
    assert float(found.p) == pytest.approx(norm.pdf(value, 0, deviation) / mixed, rel=1e-6)


def test_the_interval_ends_where_p_would_be_alpha() -> None:
    random = np.random.default_rng(4)
    arms = [Sums.of(np.ones(400), random.binomial(1, rate, 400)) for rate in (0.3, 0.4)]
    mixing = 0.0004
    found = difference(arms[0], arms[1], mixing=mixing, alpha=0.05)
    deviation = float(found.value / found.z)
    at_the_end = float(found.value - found.low)
    mixed = norm.pdf(at_the_end, 0, (deviation**2 + mixing) ** 0.5)  # a normal mixture of normals is normal
    assert norm.pdf(at_the_end, 0, deviation) / mixed == pytest.approx(0.05, rel=1e-9)
    assert float(found.high - found.value) == pytest.approx(at_the_end)


def test_the_variance_is_taken_over_persons() -> None:
    random = np.random.default_rng(5)
    turns = random.geometric(0.2, 3000)
    flags = random.binomial(turns, random.beta(0.5, 4.5, 3000))
    ratio, variance = Sums.of(turns, flags).ratio(binary=True)
    drawn = random.integers(0, 3000, (600, 3000))
    bootstrapped = (flags[drawn].sum(axis=1) / turns[drawn].sum(axis=1)).std()
    as_if_independent = float(ratio * (1 - ratio) / turns.sum()) ** 0.5
    assert float(variance) ** 0.5 == pytest.approx(bootstrapped, rel=0.1)
    assert float(variance) ** 0.5 > 1.4 * as_if_independent


def test_a_rate_of_nothing_is_not_certain() -> None:
    none = Sums.of(np.ones(200), np.zeros(200))
    found = difference(none, none, mixing=mixing_variance(0.01))
    assert float(found.low) < -0.01 < 0.01 < float(found.high)


def test_nothing_is_decided_on_a_handful_of_persons() -> None:
    few, many = Sums.of(np.ones(49), np.zeros(49)), Sums.of(np.ones(500), np.ones(500))
    found = difference(few, many, mixing=0.001)
    assert float(found.p) == 1.0
    assert not np.isfinite([float(found.low), float(found.high)]).any()


def test_peeking_costs_no_false_alarms_and_the_planned_effect_is_found() -> None:
    same, other, skewed = proof(COARSE, 400, 10, seed=11)
    assert same["stopped_high"] <= 0.05
    assert same["stopped_without_correction"] > 0.2
    assert same["covered"] >= 0.95
    assert other["stopped"] >= 0.8
    assert other["covered"] >= 0.95
    assert other["median_stop_persons"] < other["persons"]
    assert same["looks"] >= 30
    assert same["sample_ratio_alarmed"] < 0.05
    assert skewed["sample_ratio_alarmed"] > 4 * same["sample_ratio_alarmed"]


@pytest.mark.slow
def test_the_planned_experiment_keeps_its_bounds_by_the_interval_when_it_is_looked_at_after_every_50_persons() -> None:
    """`python -m eval experiment simulate` on the plan that it ships with: 8 %, 2 points, half as many tests, another seed."""
    tests = 1000
    same, other, skewed = proof(Plan(), tests, 50, seed=20261128)
    assert [row["looks"] for row in (same, other, skewed)] == [80] * 3
    assert same["stopped_high"] <= 0.05 < same["stopped_without_correction"]
    assert other["stopped_low"] >= 0.8
    assert min(row["covered"] for row in (same, other, skewed)) >= 0.95
    assert 0 < other["median_stop_persons"] < other["persons"]
    alarmed, false = (wilson(round(row["sample_ratio_alarmed"] * tests), tests) for row in (skewed, same))
    assert alarmed.low >= 0.9
    assert false.high <= 0.03
    assert 0 < skewed["median_alarm_persons"] < skewed["persons"] / 2
    assert all(row["passed"] and row["proven"] for row in (same, other, skewed))


@pytest.mark.parametrize(
    ("passed", "n", "bound", "said"),
    [
        (1, 50, "at most", None),  # 2 %, and up to 10 % by the interval
        (20, 2000, "at most", True),
        (200, 2000, "at most", False),
        (45, 50, "at least", None),
        (1960, 2000, "at least", True),
        (1700, 2000, "at least", False),
        (1, 1, "at least", None),
    ],
)
def test_a_figure_is_proven_where_its_whole_interval_keeps_the_limit(
    passed: int, n: int, bound: str, said: bool | None
) -> None:
    assert proven(wilson(passed, n), bound, 0.05 if bound == "at most" else 0.9) is said


def test_turns_taken_for_persons_would_raise_false_alarms() -> None:
    random = np.random.default_rng(8)
    false = {"persons": 0, "turns": 0}
    for _ in range(200):
        arms = []
        for _ in range(2):
            turns = random.geometric(0.1, 300)
            arms.append((turns, random.binomial(turns, random.beta(0.2, 0.8, 300))))
        of = {
            "persons": [Sums.of(turns, flags) for turns, flags in arms],
            "turns": [Sums.of(np.ones(turns.sum()), np.arange(turns.sum()) < flags.sum()) for turns, flags in arms],
        }
        for unit, (control, treatment) in of.items():
            false[unit] += float(difference(control, treatment, mixing=mixing_variance(0.02)).p) <= 0.05
    assert false["persons"] <= 10 < 40 < false["turns"]


def test_simulated_persons_vary_as_the_variance_over_persons_says() -> None:
    plan = replace(COARSE, icc=0.2, turns_per_person=6)
    world = World(plan, persons=400, peek_every=50)
    sums = sums_by_look(world, 300, np.random.default_rng(2))
    ratio, variance = sums.ratio(binary=True)
    assert ratio.shape == (300, 2, world.looks)
    assert (np.diff(sums.persons.sum(axis=1), axis=-1) == 50).all()
    assert sums.n[..., -1].sum() / sums.persons[..., -1].sum() == pytest.approx(6, rel=0.02)
    for look in (1, 7):  # early, when hardly anybody has come back, and at the end
        assert ratio[:, :, look].mean() == pytest.approx(0.3, abs=0.01)
        assert variance[:, :, look].mean() == pytest.approx(ratio[:, :, look].var(), rel=0.2)
    independent = 0.3 * 0.7 / sums.n[..., -1].mean()
    assert variance[..., -1].mean() / independent == pytest.approx(plan.design_effect, rel=0.1)


def test_a_simulation_is_repeated_by_its_seed() -> None:
    world = World(COARSE, persons=400, peek_every=100)
    once, again, other = (simulate(world, 20, seed) for seed in (1, 1, 2))
    assert (once.covered == again.covered).all() and (once.stopped == again.stopped).all()
    assert (once.naive != other.naive).any()


# The calculator


def test_the_sample_size_without_peeking_is_the_textbooks() -> None:
    independent = Plan(baseline=0.5, effect=0.1, turns_per_person=1, icc=0)
    assert persons_needed_without_peeking(independent) == pytest.approx(2 * 388, abs=2)  # Fleiss 1981: 388 in each arm
    assert persons_needed(independent) > persons_needed_without_peeking(independent)


def test_turns_of_one_person_are_worth_less_than_turns_of_many() -> None:
    persons = [persons_needed(Plan(turns_per_person=10, icc=icc)) for icc in (0.0, 0.05, 0.5)]
    assert persons == sorted(persons)
    assert persons[2] > 5 * persons[0]


def test_the_smallest_effect_needs_just_the_persons_that_it_was_asked_for() -> None:
    effect = smallest_effect(Plan(), 1000)
    assert persons_needed(replace(Plan(), effect=effect)) == pytest.approx(1000, abs=1)
    assert sample(Plan(), 1000)["effect"] == pytest.approx(effect, abs=1e-6)
    with pytest.raises(BadInput, match="show no effect"):
        smallest_effect(Plan(), 3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"baseline": 0.0},
        {"effect": 0.0},
        {"baseline": 0.08, "effect": -0.08},
        {"turns_per_person": 0.5},
        {"icc": 1.0},
        {"power": 1.0},
        {"share": 0.0},
    ],
)
def test_a_plan_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput):
        Plan(**wrong)


# A stored trial

TRIAL = Trial(
    "base",
    "adapter-2",
    BEGIN,
    BEGIN + timedelta(days=30),
    margins={"refusals": 0.1, "errors": 0.1, "personal_data": 0.1},
)


def fill(
    store: Store, persons: int = 700, share: float = 0.5, flags: tuple[float, float] = (0.3, 0.1), **treated: Any
) -> None:
    """Every person asks three times; `flags` are both arms' rates, `treated` are columns of the treatment's turns."""
    random = np.random.default_rng(21)
    rows = []
    for number in range(persons):
        treatment = number < share * persons
        for ask in range(3):
            rows.append(
                a_turn(
                    f"person-{number}",
                    BEGIN + timedelta(hours=number % 600, minutes=ask),
                    adapter="adapter-2" if treatment else "base",
                    feedback=("flag",) if random.random() < flags[treatment] else (),
                    **({"timings_ms": {"total": float(random.lognormal(6, 0.3))}} | (treated if treatment else {})),
                )
            )
    put(store, rows)


def test_a_better_treatment_without_harm_may_ship(store: Store) -> None:
    fill(store)
    verdict = analyse(store, TRIAL)
    rows = {row["measure"]: row for row in verdict.rows}
    assert (verdict.summary["decision"], verdict.summary["crossed"]) == ("ship", 0)
    assert (verdict.summary["control_persons"], verdict.summary["treatment_persons"]) == (350, 350)
    assert rows["flag_rate"]["control_count"] == 1050
    assert rows["flag_rate"]["low"] < -0.2 < rows["flag_rate"]["high"] < 0
    assert rows["resolution"]["verdict"] == "better"
    assert rows["latency"]["control"] == pytest.approx(403, rel=0.05)  # geometric mean in ms
    assert rows["thumbs_up"]["verdict"] == "too_few"


def test_a_slower_treatment_is_stopped(store: Store) -> None:
    fill(store, timings_ms={"total": 700.0})
    verdict = analyse(store, TRIAL)
    latency = next(row for row in verdict.rows if row["measure"] == "latency")
    assert verdict.summary["decision"] == "stop"
    assert latency["verdict"] == "inferior"
    assert latency["difference"] == pytest.approx(700 / 403 - 1, abs=0.08)


@pytest.mark.parametrize(
    ("columns", "measure"),
    [
        ({"status": "refused"}, "refusals"),
        ({"status": "failed"}, "errors"),
        ({"verdicts": [{"guard": "personal_data_answer", "action": "mask"}]}, "personal_data"),
    ],
)
def test_each_guardrail_stops_a_treatment_that_breaks_it(store: Store, columns: dict[str, Any], measure: str) -> None:
    fill(store, persons=300, **columns)
    verdict = analyse(store, TRIAL)
    assert verdict.summary["decision"] == "stop"
    assert measure in verdict.summary["reason"]


def test_personal_data_in_the_question_are_not_the_adapters_doing(store: Store) -> None:
    fill(store, persons=300, verdicts=[{"guard": "personal_data_question", "action": "mask"}])
    rows = {row["measure"]: row for row in analyse(store, TRIAL).rows}
    assert rows["personal_data"]["treatment"] == 0


def test_a_treatment_that_is_flagged_more_is_stopped(store: Store) -> None:
    fill(store, flags=(0.1, 0.3))
    summary = analyse(store, TRIAL).summary
    assert (summary["decision"], summary["reason"]) == ("stop", "The treatment is worse on flag_rate.")


def test_a_wrong_split_makes_the_trial_invalid_whatever_the_figures_say(store: Store) -> None:
    fill(store, share=0.4)
    summary = analyse(store, TRIAL).summary
    assert summary["sample_ratio_alarm"]
    assert summary["decision"] == "invalid"
    assert not analyse(store, replace(TRIAL, share=0.4)).summary["sample_ratio_alarm"]


def test_a_trial_between_equals_goes_on(store: Store) -> None:
    fill(store, flags=(0.2, 0.2))
    assert analyse(store, TRIAL).summary["decision"] == "continue"


def test_a_conversation_is_judged_by_its_last_turn(store: Store) -> None:
    put(
        store,
        [
            a_turn("emma", BEGIN, conversation_id="c1", adapter="base", status="no_answer"),
            a_turn("emma", BEGIN + timedelta(minutes=1), conversation_id="c2", adapter="base", feedback=("down",)),
        ],
    )
    put(store, [a_turn("carl", BEGIN, conversation_id=None, adapter="adapter-2", feedback=("up",))])
    rows = {row["measure"]: row for row in analyse(store, TRIAL).rows}
    assert (rows["escalation"]["control"], rows["resolution"]["control"]) == (0.5, 0.0)
    assert (rows["escalation"]["treatment"], rows["resolution"]["treatment"]) == (0.0, 1.0)
    assert (rows["thumbs_up"]["control"], rows["thumbs_up"]["treatment"]) == (0.0, 1.0)
    assert {row["verdict"] for row in rows.values()} == {"too_few"}


def test_a_conversation_that_the_policy_handed_on_is_escalated_though_its_last_turn_was_refused(store: Store) -> None:
    put(store, [a_turn("emma", BEGIN, conversation_id="c1", adapter="base", status="refused", counts={"escalated": 1})])
    put(store, [a_turn("carl", BEGIN, conversation_id="c2", adapter="adapter-2", status="refused")])
    rows = {row["measure"]: row for row in analyse(store, TRIAL).rows}
    assert (rows["escalation"]["control"], rows["escalation"]["treatment"]) == (1.0, 0.0)


def test_a_trial_that_nobody_has_used_says_to_check_the_names(store: Store) -> None:
    with pytest.raises(NotFound, match="check the names"):
        analyse(store, TRIAL)


@pytest.mark.parametrize(
    "wrong", [{"margins": {"thumbs_up": 0.1}}, {"margins": {"errors": 0.0}}, {"primary": "latency"}]
)
def test_a_trial_that_cannot_be_judged_is_refused(store: Store, wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        analyse(store, replace(TRIAL, **wrong))


def test_a_day_without_a_zone_is_utc() -> None:
    assert moment("2026-10-01").isoformat() == "2026-10-01T00:00:00+00:00"
    assert moment("2026-10-01T09:00+02:00").isoformat() == "2026-10-01T07:00:00+00:00"
    with pytest.raises(BadInput, match="no day"):
        moment("last week")


# The command

Typed = Callable[..., tuple[int, list[dict[str, Any]]]]


@pytest.fixture
def typed(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    monkeypatch.setenv("ASSISTANT_HOME", str(home))
    parser = argparse.ArgumentParser()
    experiments.add_parser(parser.add_subparsers())

    def type_(*words: str) -> tuple[int, list[dict[str, Any]]]:
        args = parser.parse_args(["experiment", *words, "--json"])
        code = args.run(args)
        return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return type_


def documented(of: str) -> list[str]:
    found = re.search(rf"^JSON fields of {of}: (.+)\.$", experiments.__doc__ or "", re.MULTILINE)
    assert found
    return found[1].split(", ")


def test_the_command_plans_simulates_and_judges_with_the_fields_that_help_documents(store: Store, typed: Typed) -> None:
    code, (planned,) = typed("sample", "--baseline", "0.08", "--effect", "0.02")
    assert (code, list(planned)) == (0, documented("sample"))
    _, (other,) = typed("sample", "--persons", str(planned["persons"]))
    assert other["effect"] == pytest.approx(0.02, abs=1e-4)

    coarse = ("--baseline", "0.3", "--effect", "0.2", "--turns-per-person", "2", "--tests", "50", "--peek-every", "25")
    code, simulated = typed("simulate", *coarse)
    assert [list(row) for row in simulated] == [documented("simulate")] * 3
    assert code == int(not all(row["passed"] for row in simulated))
    assert simulated[0]["proven"] is None  # of 50 tests, none stopped leaves up to 7 %

    fill(store, persons=200)
    code, (*rows, summary) = typed("analyse", "--control", "base", "--treatment", "adapter-2", "--since", "2026-10-01")
    assert [list(row) for row in rows] == [documented("analyse")] * 8
    assert (code, list(summary)) == (0, documented("analyse's last line"))
    code, _ = typed(
        "analyse", "--control", "base", "--treatment", "adapter-2", "--since", "2026-10-01", "--share", "0.1"
    )
    assert code == 1


@pytest.mark.parametrize(
    "words",
    [
        ("--margin", "refusals"),
        ("--margin", "speed=0.1"),
        ("--share", "1.5"),
        ("--until", "soon"),
        ("--treatment", "base"),
        ("--experiment", "ab-1"),
    ],
)
def test_a_wrong_option_of_analyse_is_named(store: Store, typed: Typed, words: tuple[str, ...]) -> None:
    with pytest.raises(BadInput):
        typed("analyse", "--control", "base", "--treatment", "adapter-2", "--since", "2026-10-01", *words)
