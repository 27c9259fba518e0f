"""Judges the canary that is running: on to the next step, hold, or stop, by the guardrails and the flags of this step's turns.

    python -m eval canary            says what it would do, and keeps the judgement
    python -m eval canary --act      and does it; an assistant that serves runs this every few minutes

A person counts for the arm that they were assigned to, whoever answered them. Hours are those in which somebody asked or it was
judged: a clock that jumps adds none. At 100 % the trial adapter is compared with what
production did in the steps before. eval/canary.yaml holds the thresholds; docs/design/rollout.md says why these.

JSON fields: measure, kind, control, treatment, control_count, treatment_count, difference, low, high, p, margin, verdict.
JSON fields of the last line: rollout_id, adapter, production, step, share, decision, reason, trial_persons, control_persons, trial_turns, hours, sample_ratio_p, acted, became (the rollout that followed, or null).

Exit codes: 0 hold or advance, 1 stop, 2 no canary is running, or wrong input.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from assistant.bases import open_registry
from assistant.console import Opened, actor, add_json, opened, say
from core.assignment import SAMPLE_RATIO_P, sample_ratio_p
from core.canary import Decision, Judgements, steps_of
from core.errors import BadInput, Conflict
from core.records import Principal, Rollout
from core.rollouts import Rollouts
from core.seen import Seen, read_seen
from core.standing import Standing
from core.store import Store
from core.turns import now
from eval.experiments import Row, number, row_of
from eval.outcomes import MEASURES, Measure, sums_by_measure

POLICY = Path(__file__).parent / "canary.yaml"
JUDGED = ("flag_rate", "refusals", "personal_data", "errors", "latency")
LOOK_BACK = 1000
QUIET = timedelta(hours=1)
"""As much of a time in which nothing happened counts: it may have passed, or the clock may have jumped."""
LEAST_EXPECTED = 5.0
"""The chi-square of the split means something from this number of expected persons in each arm on."""


@dataclass(frozen=True, slots=True)
class CanaryPolicy:
    """The thresholds; eval/canary.yaml says what each of them means."""

    alpha: float = 0.05
    least_hours: float = 24.0
    least_turns: int = 50
    gross_harm: float = 0.25
    gross_latency: float = 1.0
    gross_turns: int = 20
    margins: Mapping[str, float] = field(default_factory=dict)

    def measures(self) -> list[Measure]:
        """What is judged, with its margin."""
        return [_with_margin(m, self.margins.get(m.name, m.effect)) for m in MEASURES if m.name in JUDGED]


@dataclass(frozen=True, slots=True)
class Look:
    """What one step shows: the measures' rows, and how much there is of it."""

    rows: tuple[Row, ...]
    trial_persons: int
    control_persons: int
    trial_turns: int
    hours: float
    sample_ratio_p: float

    def counts(self) -> dict[str, Any]:
        return {
            "trial_persons": self.trial_persons,
            "control_persons": self.control_persons,
            "trial_turns": self.trial_turns,
            "hours": round(self.hours, 1),
            "sample_ratio_p": number(self.sample_ratio_p),
        }


def read_policy(path: Path = POLICY) -> CanaryPolicy:
    """Raises BadInput where the file cannot be read, or a threshold is unknown or makes no sense."""
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        if unknown := sorted(set(given) - {one.name for one in fields(CanaryPolicy)}):
            raise BadInput(f"{path}: {unknown[0]} is no threshold of a canary.")
        margins = {str(name): float(value) for name, value in (given.pop("margins", None) or {}).items()}
        numbers: dict[str, Any] = {name: float(value) for name, value in given.items()}
        policy = CanaryPolicy(**numbers, margins=margins)
    except (OSError, yaml.YAMLError, TypeError, ValueError, AttributeError):
        raise BadInput(f"{path} is no policy for a canary: see eval/canary.yaml for the form.") from None
    if unknown := sorted(set(margins) - set(JUDGED)):
        raise BadInput(f"{path}: {unknown[0]} is not judged; it is one of {', '.join(JUDGED)}.")
    if any(not value > 0 for value in (policy.gross_harm, policy.gross_latency, *margins.values())):
        raise BadInput(f"{path}: margins are above 0.")
    if not 0 < policy.alpha < 1 or policy.least_hours < 0 or policy.least_turns < 1 or policy.gross_turns < 1:
        raise BadInput(f"{path}: alpha lies between 0 and 1, hours are at least 0 and turns at least 1.")
    return policy


def look(
    store: Store,
    people: Sequence[Principal],
    standing: Standing,
    history: Sequence[Rollout],
    policy: CanaryPolicy,
    *,
    at: datetime,
    judged: Sequence[datetime] = (),
) -> Look:
    """What the step in force shows so far.

    Args:
        at: now, by the clock.
        judged: when it was looked at before, from the step's begin on.

    Raises:
        Conflict: no canary is running.
    """
    steps = steps_of(history)
    if standing.rollout.mode != "canary" or not steps:
        raise Conflict("No canary is running: python -m assistant rollout canary ADAPTER")
    here = [row for row in steps if row.step == standing.rollout.step]
    arms = _arms(people, standing)
    seen = [one for one in read_seen(store, rollouts=[row.rollout_id for row in here]) if one.person_id in arms]
    trial = [one for one in seen if arms[one.person_id] == "treatment"]
    control = [one for one in seen if arms[one.person_id] == "control"]
    share = standing.rollout.arms[0].weight
    counts = {"treatment": _persons(trial), "control": _persons(control)}
    ratio_p = 1.0
    if share >= 1:
        control = _before(store, people, standing, [row for row in steps if row.step < standing.rollout.step])
    elif min(share, 1 - share) * sum(counts.values()) >= LEAST_EXPECTED:
        ratio_p = sample_ratio_p(counts, {"treatment": share, "control": 1 - share})
    before, after = sums_by_measure(control), sums_by_measure(trial)
    return Look(
        rows=tuple(row_of(m, before[m.name], after[m.name], policy.alpha) for m in policy.measures()),
        trial_persons=counts["treatment"],
        control_persons=_persons(control),
        trial_turns=len(trial),
        hours=_hours([*(row.at for row in here), *(one.created_at for one in seen), *judged], at),
        sample_ratio_p=ratio_p,
    )


def decide(seen: Look, policy: CanaryPolicy, *, waits_for: str) -> tuple[Decision, str]:
    """hold, advance or stop, and why.

    Args:
        waits_for: what a person has to do before it may go on; "" where it may by itself.
    """
    harmed = [row["measure"] for row in seen.rows if row["verdict"] in ("inferior", "worse")]
    if harmed:
        return "stop", f"The trial adapter is worse on {', '.join(harmed)}, beyond the margin and beyond chance."
    gross = [row["measure"] for row in seen.rows if seen.trial_turns >= policy.gross_turns and _gross(row, policy)]
    if gross:
        told = ", ".join(f"{row['measure']} ({_told(row)})" for row in seen.rows if row["measure"] in gross)
        return "stop", f"The trial adapter does gross harm: {told}, over {seen.trial_turns} turns."
    if seen.sample_ratio_p < SAMPLE_RATIO_P:
        return "hold", "The split of persons is not the one that was meant: find out why before going on."
    if seen.trial_turns < policy.least_turns or seen.hours < policy.least_hours:
        return "hold", (
            f"{seen.trial_turns} of {policy.least_turns:g} turns by the trial's people, {seen.hours:.1f} of "
            f"{policy.least_hours:g} hours: too early to go on."
        )
    if not seen.control_persons:
        return "hold", "Nobody was answered by production meanwhile: there is nothing to compare with."
    if over := [row for row in seen.rows if _over_margin(row)]:
        told = ", ".join(f"{row['measure']} ({_told(row)})" for row in over)
        return "hold", f"Observed to be worse by more than the margin, though it may be chance: {told}."
    shown = sum(row["verdict"] == "non_inferior" for row in seen.rows)
    guards = sum(row["kind"] == "guardrail" for row in seen.rows)
    found = f"Nothing is worse by more than its margin over {seen.trial_turns} turns of {seen.trial_persons} people; {shown} of {guards} guardrails are shown not to be."
    if waits_for:
        return "hold", f"{found} {waits_for}"
    return "advance", found


def _arms(people: Sequence[Principal], standing: Standing) -> dict[str, str]:
    """Everybody who takes part, and in which arm they are at this step."""
    taking_part = [who for who in people if standing.eligible(who)]
    return {who.person_id: "treatment" if standing.arm(who) else "control" for who in taking_part}


def _before(store: Store, people: Sequence[Principal], standing: Standing, rows: Sequence[Rollout]) -> list[Seen]:
    """What production did in the steps before, for those who were not in the trial then."""
    found: list[Seen] = []
    for row in rows:
        arms = _arms(people, Standing(row, standing.adapters))
        seen = read_seen(store, rollouts=[row.rollout_id])
        found += [one for one in seen if arms.get(one.person_id) == "control"]
    return found


def _hours(moments: Sequence[datetime], at: datetime) -> float:
    """The hours in which something is known to have happened, up to now: a jump of the clock, ahead or back, adds at most QUIET."""
    known = sorted(one for one in (*moments, at) if one <= at)
    return sum((min(after - before, QUIET) for before, after in pairwise(known)), timedelta()) / timedelta(hours=1)


def _persons(turns: Sequence[Seen]) -> int:
    return len({one.person_id for one in turns})


def _with_margin(measure: Measure, margin: float) -> Measure:
    return Measure(measure.name, measure.kind, measure.better, margin, measure.logarithmic)


def _gross(row: Row, policy: CanaryPolicy) -> bool:
    limit = policy.gross_latency if row["measure"] == "latency" else policy.gross_harm
    return row["difference"] is not None and row["difference"] >= limit


def _over_margin(row: Row) -> bool:
    margin = row["margin"] if row["margin"] is not None else _effects()[row["measure"]]
    return row["difference"] is None or row["difference"] > margin


def _effects() -> dict[str, float]:
    return {m.name: m.effect for m in MEASURES}


def _told(row: Row) -> str:
    if row["difference"] is None:
        return "not measured"
    if row["measure"] == "latency":
        return f"{row['treatment']:.0f} ms against {row['control']:.0f} ms"
    return f"{row['treatment']:.1%} against {row['control']:.1%}"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "canary",
        help="judge the canary that is running",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--act", action="store_true", help="advance or stop as it is judged")
    parser.add_argument(
        "--policy", type=Path, default=POLICY, metavar="FILE", help="thresholds; eval/canary.yaml unless given"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    policy = read_policy(args.policy)
    with opened() as here:
        return _judged(args, here, policy)


def _judged(args: argparse.Namespace, here: Opened, policy: CanaryPolicy) -> int:
    rollouts = Rollouts(here.store, here.audit, open_registry(here.settings, here.store, here.audit))
    judgements = Judgements(here.store, here.audit)
    standing, history = rollouts.standing(), rollouts.history(LOOK_BACK)
    row = standing.rollout
    judged = judgements.times([one.rollout_id for one in steps_of(history) if one.step == row.step])
    seen = look(here.store, here.people.all(), standing, history, policy, at=now(), judged=judged)
    decision, reason = decide(seen, policy, waits_for=rollouts.waits_for(row))
    figures = {"measures": list(seen.rows), **seen.counts()}
    made = judgements.keep(row.rollout_id, decision, reason, figures, actor=f"eval:{actor()}")
    became = judgements.act(made, rollouts) if args.act else None
    for one in seen.rows:
        say(args, f"{one['measure']}: {_told(one)}, {one['verdict']}", one)
    last = {
        "rollout_id": row.rollout_id,
        "adapter": row.arms[0].adapter,
        "production": row.production,
        "step": row.step,
        "share": row.arms[0].weight,
        "decision": decision,
        "reason": reason,
        **seen.counts(),
        "acted": args.act,
        "became": became.rollout_id if became else None,
    }
    say(args, f"{decision}: {reason}", last)
    return 1 if decision == "stop" else 0
