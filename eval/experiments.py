"""Experiments: plan one, judge a running one as often as you like, and prove that the judging is sound.

    python -m eval experiment sample --baseline 0.08 --effect 0.02
    python -m eval experiment analyse                           the A/B test in force; --experiment NAME for an earlier one
    python -m eval experiment analyse --control ID --treatment ID --since 2026-11-01     any two, by each person's first answer
    python -m eval experiment simulate --tests 2000 --peek-every 50 --json

`analyse` takes persons, arms and shares from the rollout; of a trial with several adapters `--treatment` says which. With `--since`
it compares any two adapters, named as turns carry them, though nobody was assigned to them by lot: `experiment` is then empty. The primary measure is the one that decides, the other outcomes are shown with their intervals. docs/design/experiments.md
says which test this is, and why.

JSON fields of sample: baseline, effect, share, turns_per_person, correlation, design_effect, power, alpha, persons, persons_without_peeking, turns.
JSON fields of analyse: measure, kind, control, treatment, control_count, treatment_count, difference, low, high, p, margin, verdict.
JSON fields of analyse's last line: experiment, control, treatment, since, until, control_persons, treatment_persons, crossed, share, sample_ratio_p, sample_ratio_alarm, primary, decision, reason.
JSON fields of simulate: scenario, tests, persons, looks, baseline, effect, real_share, stopped, stopped_low, stopped_high, median_stop_persons, covered, stopped_without_correction, sample_ratio_alarmed, median_alarm_persons, wanted, passed, proven.

Of a simulation, `passed` holds the share itself against what is wanted, and `proven` its interval: true where all of it keeps the
limit, false where none does, null where it holds the limit: too few --tests to tell, and `passed` may be luck.

Exit codes: 0 done, 1 the sample ratio is wrong, or the treatment does harm, or a simulated figure is missed, 2 wrong input.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from assistant.bases import open_registry
from assistant.console import Opened, opened
from core.assignment import SAMPLE_RATIO_P, sample_ratio_p
from core.errors import BadInput, NotFound
from core.rollouts import Rollouts
from core.seen import Seen, read_seen
from core.store import Store
from core.turns import now
from eval.outcomes import MEASURES, Measure, sums_by_measure
from eval.sequential import (
    Plan,
    Sums,
    difference,
    mixing_variance,
    persons_needed,
    persons_needed_without_peeking,
    smallest_effect,
)
from eval.simulation import proof
from eval.trials import Assigned, assigned

Row = dict[str, Any]
HARM = ("invalid", "stop")
"""Decisions that a script must not overlook."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A running experiment, as `analyse` is told of it.

    Attributes:
        control, treatment: adapters, as turns carry them.
        assigned: who is in which arm, by the rollout; where it is None a person belongs to the adapter of their first turn.
        share: the treatment's share of the persons.
        primary: the outcome that decides.
        margins: guardrail to how much worse the treatment may be, where that is not the measure's own.
    """

    control: str
    treatment: str
    since: datetime
    until: datetime
    assigned: Assigned | None = None
    share: float = 0.5
    primary: str = "flag_rate"
    margins: Mapping[str, float] | None = None
    alpha: float = 0.05

    def measures(self) -> list[Measure]:
        """Raises BadInput for a margin or a primary measure that does not exist."""
        margins = self.margins or {}
        if unknown := sorted(set(margins) - {m.name for m in MEASURES if m.kind == "guardrail"}):
            raise BadInput(f"There is no guardrail {unknown[0][:40]!r} to give a margin.")
        if self.primary not in {m.name for m in MEASURES if m.kind == "outcome"}:
            raise BadInput(f"There is no outcome {self.primary[:40]!r} to decide by.")
        if any(not value > 0 for value in margins.values()):
            raise BadInput(
                "A guardrail's margin is above 0: no number of persons can show that nothing at all is worse."
            )
        return [replace(m, effect=margins.get(m.name, m.effect)) for m in MEASURES]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A trial's figures: one row a measure, and the summary with the decision."""

    rows: tuple[Row, ...]
    summary: Row


def analyse(store: Store, trial: Trial) -> Verdict:
    """Judge a trial on what is stored now. It may be called at any time and as often as one likes.

    A person stays in the arm that they were assigned to, with all their turns, also where another adapter stood in
    (intention to treat); such persons are counted as `crossed`.

    Raises:
        NotFound: no turn of either adapter in the time given.
    """
    measures = trial.measures()
    seen = _seen(store, trial)
    if not seen:
        raise NotFound(
            f"No turn of {trial.control} or {trial.treatment} since {trial.since:%Y-%m-%d}: check the names."
        )
    arms, crossed = _arms(trial, seen)
    control = sums_by_measure(one for one in seen if arms[one.person_id] == "control")
    treatment = sums_by_measure(one for one in seen if arms[one.person_id] == "treatment")
    rows = tuple(row_of(m, control[m.name], treatment[m.name], trial.alpha) for m in measures)
    counts = Counter(arms.values())
    ratio_p = sample_ratio_p(counts, {"treatment": trial.share, "control": 1 - trial.share})
    decision, reason = _decide(rows, trial.primary, ratio_p)
    summary = {
        "experiment": trial.assigned.name if trial.assigned else "",
        "control": trial.control,
        "treatment": trial.treatment,
        "since": trial.since.isoformat(),
        "until": trial.until.isoformat(),
        "control_persons": counts["control"],
        "treatment_persons": counts["treatment"],
        "crossed": crossed,
        "share": trial.share,
        "sample_ratio_p": number(ratio_p),
        "sample_ratio_alarm": ratio_p < SAMPLE_RATIO_P,
        "primary": trial.primary,
        "decision": decision,
        "reason": reason,
    }
    return Verdict(rows, summary)


def _seen(store: Store, trial: Trial) -> list[Seen]:
    """The turns to be judged: of a trial by lot those of everybody who takes part, whoever answered them."""
    since, until = trial.since, trial.until
    if trial.assigned is None:
        return read_seen(store, adapters=(trial.control, trial.treatment), since=since, until=until)
    found = read_seen(store, rollouts=trial.assigned.rollouts, since=since, until=until)
    return [one for one in found if one.person_id in trial.assigned.arms]


def _arms(trial: Trial, seen: Sequence[Seen]) -> tuple[dict[str, str], int]:
    """Each person's arm, and how many had a turn of an adapter that is not their arm's."""
    adapters: dict[str, list[str]] = {}
    named = {trial.treatment: "treatment", trial.control: "control"}
    for one in seen:
        adapters.setdefault(one.person_id, []).append(named.get(one.adapter, ""))
    arms = trial.assigned.arms if trial.assigned else {person: theirs[0] for person, theirs in adapters.items()}
    arms = {person: arms[person] for person in adapters}
    return arms, sum(any(one != arms[person] for one in theirs) for person, theirs in adapters.items())


def row_of(measure: Measure, control: Sums, treatment: Sums, alpha: float) -> Row:
    """One measure's figures; its difference is relative where the measure is logarithmic."""
    effect = math.log1p(measure.effect) if measure.logarithmic else measure.effect
    binary = not measure.logarithmic
    found = difference(control, treatment, mixing=mixing_variance(effect, alpha=alpha), alpha=alpha, binary=binary)
    low, high = float(found.low), float(found.high)
    value, shown = (math.exp, math.expm1) if measure.logarithmic else (float, float)
    return {
        "measure": measure.name,
        "kind": measure.kind,
        "control": number(value(float(control.ratio(binary=binary)[0]))),
        "treatment": number(value(float(treatment.ratio(binary=binary)[0]))),
        "control_count": int(control.n),
        "treatment_count": int(treatment.n),
        "difference": number(shown(float(found.value))),
        "low": number(shown(low)) if math.isfinite(low) else None,
        "high": number(shown(high)) if math.isfinite(high) else None,
        "p": number(float(found.p)),
        "margin": measure.effect if measure.kind == "guardrail" else None,
        "verdict": _verdict(measure, low, high, effect),
    }


def _verdict(measure: Measure, low: float, high: float, margin: float) -> str:
    if not math.isfinite(high - low):
        return "too_few"
    worse_low, worse_high = (low, high) if measure.better == "lower" else (-high, -low)
    if measure.kind == "guardrail":
        return "inferior" if worse_low > margin else "non_inferior" if worse_high < margin else "undecided"
    return "worse" if worse_low > 0 else "better" if worse_high < 0 else "undecided"


def _decide(rows: Sequence[Row], primary: str, ratio_p: float) -> tuple[str, str]:
    """invalid, stop, ship or continue, and why."""
    if ratio_p < SAMPLE_RATIO_P:
        return (
            "invalid",
            "The split of persons is not the one that was meant: find out why before reading anything else.",
        )
    verdicts = {row["measure"]: row["verdict"] for row in rows}
    if harmed := [name for name, verdict in verdicts.items() if verdict == "inferior"]:
        return "stop", f"The treatment is worse by more than the margin on {', '.join(harmed)}."
    if verdicts[primary] == "worse":
        return "stop", f"The treatment is worse on {primary}."
    open_ones = [row["measure"] for row in rows if row["kind"] == "guardrail" and row["verdict"] != "non_inferior"]
    if verdicts[primary] == "better" and not open_ones:
        return "ship", f"The treatment is better on {primary}, and no guardrail is worse by more than its margin."
    if verdicts[primary] == "better":
        return (
            "continue",
            f"The treatment is better on {primary}; not yet shown to do no harm on {', '.join(open_ones)}.",
        )
    return "continue", f"Nothing is shown yet on {primary}."


def sample(plan: Plan, persons: int | None = None) -> Row:
    """How many persons an experiment needs, with peeking and without; or, with `persons`, the effect that these can show.

    Raises:
        BadInput: so few persons show no effect.
    """
    if persons is not None:
        plan = replace(plan, effect=round(smallest_effect(plan, persons), 6))
    needed = persons_needed(plan) if persons is None else persons
    return {
        "baseline": plan.baseline,
        "effect": plan.effect,
        "share": plan.share,
        "turns_per_person": plan.turns_per_person,
        "correlation": plan.icc,
        "design_effect": number(plan.design_effect),
        "power": plan.power,
        "alpha": plan.alpha,
        "persons": needed,
        "persons_without_peeking": persons_needed_without_peeking(plan),
        "turns": math.ceil(needed * plan.turns_per_person),
    }


def number(value: float) -> float | None:
    """What JSON can say: None for a value that is not there."""
    return round(value, 6) if math.isfinite(value) else None


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "experiment",
        help="plan and judge an experiment between two adapters",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    acts = parser.add_subparsers(dest="act", required=True, metavar="sample|analyse|simulate")
    planned = acts.add_parser("sample", help="how many persons are needed, or what so many can show")
    planned.add_argument("--persons", type=int, metavar="N", help="tell the smallest effect that N persons show")
    judged = acts.add_parser("analyse", help="judge a running experiment from the stored turns")
    _add_trial(judged)
    proved = acts.add_parser("simulate", help="prove the test on experiments whose truth is known")
    proved.add_argument("--tests", type=int, default=2000, metavar="N")
    proved.add_argument("--peek-every", type=int, default=50, metavar="N", help="look after every N new persons")
    proved.add_argument("--seed", type=int, default=0)
    for one in (planned, proved):
        _add_plan(one)
    for one in (planned, judged, proved):
        one.add_argument("--json", action="store_true", help="one JSON object a line")


def _add_plan(parser: argparse.ArgumentParser) -> None:
    default = Plan()
    for name, value, said in (
        ("baseline", default.baseline, "the rate today"),
        ("effect", default.effect, "the smallest difference worth finding, absolute"),
        ("turns-per-person", default.turns_per_person, "mean turns of a person in the experiment's time"),
        ("correlation", default.icc, "between two turns of one person, 0 where persons do not differ"),
        ("power", default.power, "chance of finding the effect"),
        ("alpha", default.alpha, "chance of finding one where there is none"),
        ("share", default.share, "the treatment's share of the persons"),
    ):
        parser.add_argument(f"--{name}", type=float, default=value, metavar="X", help=f"{said} (%(default)s)")


def _add_trial(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--experiment", default="", metavar="NAME", help="an earlier A/B test of the rollout")
    parser.add_argument("--control", default="", metavar="ID", help="the adapter compared with; production's")
    parser.add_argument("--treatment", default="", metavar="ID", help="the adapter on trial")
    parser.add_argument("--since", metavar="DAY", help="without a trial, from that day: 2026-11-01, or with a time")
    parser.add_argument("--until", metavar="DAY", help="up to that day (now)")
    parser.add_argument(
        "--share", type=float, metavar="X", help="with --since, the share of persons meant for it (0.5)"
    )
    parser.add_argument("--primary", default="flag_rate", metavar="MEASURE", help="the outcome that decides")
    parser.add_argument("--alpha", type=float, default=0.05, metavar="X")
    parser.add_argument(
        "--margin", action="append", default=[], metavar="GUARDRAIL=X", help="how much worse it may be; may be repeated"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    if args.act == "analyse":
        with opened() as here:
            verdict = analyse(here.store, _trial(args, here))
        _say(args, [*verdict.rows, verdict.summary])
        return int(verdict.summary["decision"] in HARM)
    plan = Plan(
        baseline=args.baseline,
        effect=args.effect,
        turns_per_person=args.turns_per_person,
        icc=args.correlation,
        share=args.share,
        alpha=args.alpha,
        power=args.power,
    )
    if args.act == "sample":
        _say(args, [sample(plan, args.persons)])
        return 0
    missed, unproven = False, []
    for row in proof(plan, args.tests, args.peek_every, args.seed):
        _say(args, [row])
        missed |= not row["passed"]
        unproven += [row["scenario"]] if row["proven"] is None else []
    if unproven and not args.json:
        few = f"{args.tests} tests are too few to tell of {', '.join(unproven)}: the interval holds the limit. Give more --tests."
        sys.stdout.write(few + "\n")
    return int(missed)


def _trial(args: argparse.Namespace, here: Opened) -> Trial:
    """Raises BadInput for a time, a share or a margin that cannot be read, NotFound where there is no such trial."""
    if not 0 < args.alpha < 1 or not (args.share is None or 0 < args.share < 1):
        raise BadInput("--share and --alpha lie between 0 and 1.")
    if args.control and args.control == args.treatment:
        raise BadInput("--control and --treatment name the same adapter: there is nothing to compare.")
    found = None if args.since else _assigned(args, here)
    if args.since and (args.experiment or not (args.control and args.treatment)):
        raise BadInput(
            "--since compares two adapters without a trial: name both, --control and --treatment, and no --experiment."
        )
    return Trial(
        control=found.control if found else args.control,
        treatment=found.treatment if found else args.treatment,
        since=found.since if found else moment(args.since),
        until=moment(args.until) if args.until else now(),
        assigned=found,
        share=found.share if found else args.share or 0.5,
        primary=args.primary,
        margins=dict(_margin(one) for one in args.margin),
        alpha=args.alpha,
    )


def _assigned(args: argparse.Namespace, here: Opened) -> Assigned:
    if args.share is not None:
        raise BadInput("--share goes with --since: of a trial the rollout knows the shares.")
    registry = open_registry(here.settings, here.store, here.audit)
    rollouts = Rollouts(here.store, here.audit, registry)
    named = {"name": args.experiment, "control": args.control, "treatment": args.treatment}
    return assigned(rollouts, registry.all(), here.people.all(), **named)


def moment(text: str) -> datetime:
    """A day or a time in ISO form, UTC where it names no zone. Raises BadInput."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text[:40]!r} is no day: write it as 2026-11-01, or as 2026-11-01T09:30.") from None
    return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)


def _margin(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise BadInput(f"{text[:40]!r} is no margin: write it as refusals=0.02.") from None


def _say(args: argparse.Namespace, rows: Sequence[Row]) -> None:
    for row in rows:
        if args.json:
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
        else:
            sys.stdout.write("  ".join(f"{name} {value}" for name, value in row.items() if value is not None) + "\n")
        sys.stdout.flush()
