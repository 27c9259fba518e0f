"""What serves whom: trials, promotions, rollbacks. An assistant that serves sees each change at its next question.

    python -m assistant rollout status
    python -m assistant rollout canary ADAPTER --as ana.admin --reason "5 points better on leave"
    python -m assistant rollout trial ADAPTER=0.2 --group support --as ana.admin --reason "support first"
    python -m assistant rollout shadow ADAPTER --share 0.5 --as ana.admin --reason "look first"
    python -m assistant rollout advance --as ana.admin --reason "no guardrail is worse"
    python -m assistant rollout promote ADAPTER --as ana.admin --reason "better on leave"
    python -m assistant rollout rollback --as ana.admin --reason "flags on travel"
    python -m assistant rollout kill --as ana.admin --reason "something is very wrong"
    python -m assistant rollout drill --as ana.admin        measures a rollback under load, in a home folder of its own

A rollback restores the adapter, the prompt template and the thresholds together; `kill` leaves what the settings name. A canary gives
the adapter to 1, 5, 10, 25, 50 and 100 % of the people.
`python -m eval canary` judges it.

JSON fields of status: rollout_id, at, actor, action, reason, production, base, mode, step, share, experiment_id, arms, template_sha256, evidence_threshold, low_evidence, restores, earlier, serving (who answers whoever is on no trial: another one than production while that is blocked), results (of each arm: adapter, persons, turns, rates, p50_ms, p95_ms), judged (the canary's last judgement: decision, reason, at, or null).
JSON fields of history, trial, canary, advance, stop, shadow, promote, rollback, kill: rollout_id, at, actor, action, reason, production, base, mode, step, share, experiment_id, arms, template_sha256, evidence_threshold, low_evidence, restores.
JSON fields of drill: old, new, askers, n (answers in all), failed, wrong, rollback_ms (until it was committed), seconds (from the call to the first answer by the old adapter), most_seconds, passed.

Exit codes: 0 done, 1 the drill took longer than --most, or an answer failed or was by a wrong adapter, 2 wrong input or a change that the
rollouts refuse, 3 not allowed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from assistant.bases import open_registry
from assistant.console import Opened, add_admin, add_json, administrator, opened, say, table
from core.canary import Judgements, steps_of
from core.errors import BadInput
from core.records import Rollout, TrialArm
from core.rollouts import CANARY, Defaults, Rollouts

if TYPE_CHECKING:
    from assistant.rollout_results import ArmResult

Acts = dict[str, Callable[[argparse.Namespace, Opened, Rollouts], Rollout]]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("rollout", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    status = acts.add_parser("status", help="what serves whom now")
    history = acts.add_parser("history", help="every change, newest first")
    history.add_argument("--limit", type=int, default=20, metavar="N")
    changes = {
        "trial": acts.add_parser("trial", help="an A/B test with fixed weights"),
        "canary": acts.add_parser("canary", help="a trial whose share of the people grows"),
        "advance": acts.add_parser("advance", help="the canary's next step"),
        "stop": acts.add_parser("stop", help="end a trial, canary or shadow"),
        "shadow": acts.add_parser("shadow", help="let an adapter answer beside, unseen"),
        "promote": acts.add_parser("promote", help="let an adapter in production serve everybody"),
        "rollback": acts.add_parser("rollback", help="back to what served before"),
        "kill": acts.add_parser("kill", help="every trained adapter off at once"),
    }
    _add_what(changes)
    drill = acts.add_parser("drill", help="measure a rollback under load")
    drill.add_argument("--old", default="", metavar="ADAPTER", help="the shipped reader unless given")
    drill.add_argument("--new", default="", metavar="ADAPTER", help="the adapter in production unless given")
    drill.add_argument("--askers", type=int, default=8, metavar="N", help="people who ask all the time (8)")
    drill.add_argument("--most", type=float, default=1.0, metavar="SECONDS", help="longer is a failure (1.0)")
    for one in changes.values():
        one.add_argument("--reason", required=True, metavar="WORDS", help="why; kept with the change")
    for one in (*changes.values(), drill):
        add_admin(one)
    for one in (status, history):
        add_admin(one, required=False)
    for one in (status, history, drill, *changes.values()):
        add_json(one)


def _add_what(changes: dict[str, argparse.ArgumentParser]) -> None:
    """What a change is about, beside its reason."""
    changes["trial"].add_argument(
        "arms", nargs="+", metavar="ADAPTER=SHARE", help="and the share of the people, as 0.2"
    )
    for name in ("canary", "shadow", "promote"):
        changes[name].add_argument("adapter", metavar="ADAPTER")
    for name in ("trial", "canary"):
        changes[name].add_argument("--group", action="append", default=[], metavar="NAME", help="only people in it")
        changes[name].add_argument("--department", action="append", default=[], metavar="NAME", help="only its people")
    changes["shadow"].add_argument("--share", type=float, default=1.0, metavar="X", help="of the people (1)")
    changes["promote"].add_argument("--evidence-threshold", type=float, metavar="X", help="that goes with it")
    changes["promote"].add_argument("--low-evidence", type=float, metavar="X", help="that goes with it")
    changes["rollback"].add_argument("--to", type=int, metavar="ROLLOUT", help="that row of the history, instead")


def run(args: argparse.Namespace) -> int:
    acts: Acts = {
        "trial": lambda a, _, r: r.trial(_arms(a), actor=a.person, reason=a.reason),
        "canary": lambda a, _, r: r.canary(
            a.adapter, actor=a.person, reason=a.reason, groups=a.group, departments=a.department
        ),
        "advance": lambda a, _, r: r.advance(actor=a.person, reason=a.reason),
        "stop": lambda a, _, r: r.stop(actor=a.person, reason=a.reason),
        "shadow": lambda a, _, r: r.shadow(a.adapter, actor=a.person, reason=a.reason, share=a.share),
        "promote": lambda a, h, r: r.promote(
            a.adapter, actor=a.person, reason=a.reason, defaults=_going_with(a, h, r.current())
        ),
        "rollback": lambda a, _, r: r.rollback(actor=a.person, reason=a.reason, to=a.to),
        "kill": lambda a, _, r: r.kill(actor=a.person, reason=a.reason),
    }
    with opened() as here:
        if args.person:
            args.person = administrator(here, args.person)
        rollouts = Rollouts(here.store, here.audit, open_registry(here.settings, here.store, here.audit))
        if args.act == "drill":
            return _drill(args, here)
        if args.act == "status":
            _status(args, here, rollouts)
        elif args.act == "history":
            _history(args, rollouts)
        else:
            row = acts[args.act](args, here, rollouts)
            say(args, told(row), plain_rollout(row))
    return 0


def plain_rollout(row: Rollout) -> dict[str, Any]:
    """A rollout without the template's texts."""
    return {
        "rollout_id": row.rollout_id,
        "at": row.at.isoformat(timespec="seconds"),
        "actor": row.actor,
        "action": row.action,
        "reason": row.reason,
        "production": row.production,
        "base": row.base,
        "mode": row.mode,
        "step": row.step,
        "share": row.arms[0].weight if row.arms else None,
        "experiment_id": row.experiment_id,
        "arms": [asdict(arm) for arm in row.arms],
        "template_sha256": row.template_sha256,
        "evidence_threshold": row.evidence_threshold,
        "low_evidence": row.low_evidence,
        "restores": row.restores,
    }


def told(row: Rollout, stands_in: str = "") -> str:
    """What serves whom, in a sentence or two. `stands_in` answers in place of a production that may not."""
    parts = [f"{row.production} serves everybody."]
    if row.mode == "shadow":
        parts.append(f"{row.arms[0].adapter} answers beside, unseen, for {row.arms[0].weight:.0%} of the people.")
    elif row.mode != "none":
        parts = [f"{row.production} is in production."]
        parts += [f"{arm.adapter} serves {arm.weight:.0%} of {people(arm)}." for arm in row.arms]
    if stands_in:
        parts[0] = f"{row.production} is blocked or archived: {stands_in} answers in its place."
    if row.mode == "canary":
        parts.append(f"Step {row.step + 1} of {len(CANARY)}.")
    return " ".join(parts)


def people(arm: TrialArm) -> str:
    """Whom an arm may reach, in words."""
    named = [*arm.groups, *arm.departments]
    return f"the people in {', '.join(named)}" if named else "the people"


def _arms(args: argparse.Namespace) -> list[TrialArm]:
    arms = []
    for text in args.arms:
        name, _, share = text.rpartition("=")
        try:
            arms.append(TrialArm(name, float(share), tuple(args.group), tuple(args.department)))
        except ValueError:
            name = ""
        if not name:
            raise BadInput(f"{text[:80]!r}: write an adapter and its share of the people, as reader-v2-1a2b3c4d=0.2")
    return arms


def _going_with(args: argparse.Namespace, here: Opened, row: Rollout) -> Defaults | None:
    """The thresholds that are to go with the promoted adapter; None for those of the settings."""
    given = {"evidence_threshold": args.evidence_threshold, "low_evidence": args.low_evidence}
    named = {name: value for name, value in given.items() if value is not None}
    if any(not 0 <= value <= 1 for value in named.values()):
        raise BadInput("A threshold lies between 0 and 1.")
    if not named:
        return None
    from assistant.routing import defaults

    return replace(defaults(here.settings, row.base), **named)


def _status(args: argparse.Namespace, here: Opened, rollouts: Rollouts) -> None:
    from assistant.rollout_results import results

    standing = rollouts.standing()
    row = standing.rollout
    found = results(here.store, here.people.all(), rollouts)
    steps = [one.rollout_id for one in steps_of(rollouts.history(1000))]
    judged = Judgements(here.store, here.audit).last(steps) if row.mode == "canary" else None
    fields = plain_rollout(row) | {
        "earlier": list(standing.earlier),
        "serving": standing.serving,
        "results": [plain_arm(arm) for arm in found.arms],
        "judged": judged
        and {"decision": judged.decision, "reason": judged.reason, "at": judged.at.isoformat(timespec="seconds")},
    }
    lines = [
        told(row, standing.stands_in),
        *(f"{name} meets nobody: it is blocked or archived." for name in standing.shut_out),
        f"Since {row.at:%Y-%m-%d %H:%M:%S} UTC by {row.actor} ({row.action}): {row.reason}",
        f"Prompt template {row.template_sha256[:12]}, evidence threshold {row.evidence_threshold:g}, low evidence "
        f"{row.low_evidence:g}. Without an adapter, {row.base} answers.",
    ]
    if standing.earlier:
        lines.append(f"Ready for a rollback: {', '.join(standing.earlier)}")
    if judged:
        lines.append(f"Judged {judged.at:%Y-%m-%d %H:%M} UTC: {judged.decision}. {judged.reason}")
    head = ("SINCE " + f"{found.since:%Y-%m-%d %H:%M}", "PEOPLE", "ANSWERS", "FLAGGED", "FAILED", "REFUSED", "P95")
    rows = [
        (arm.adapter, str(arm.persons), str(arm.turns), *_shares(arm), f"{arm.p95_ms:.0f} ms") for arm in found.arms
    ]
    say(args, "\n".join([*lines, "", table([head, *rows])]), fields)


def _shares(arm: ArmResult) -> list[str]:
    return [f"{arm.rates[name].rate:.1%}" for name in ("flagged", "failed", "refused")]


def plain_arm(arm: ArmResult) -> dict[str, Any]:
    """An arm's results, rates as shares of its answers."""
    return {
        "adapter": arm.adapter,
        "persons": arm.persons,
        "turns": arm.turns,
        "rates": {name: round(rate.rate, 6) for name, rate in arm.rates.items()},
        "p50_ms": arm.p50_ms,
        "p95_ms": arm.p95_ms,
    }


def _history(args: argparse.Namespace, rollouts: Rollouts) -> None:
    if args.limit < 1:
        raise BadInput("--limit is a number of changes, at least 1.")
    found = rollouts.history(args.limit)
    if args.json:
        for row in found:
            say(args, "", plain_rollout(row))
        return
    rows = [("ROW", "WHEN (UTC)", "WHO", "ACT", "PRODUCTION", "TRIAL", "WHY")]
    for row in found:
        trial = ", ".join(f"{arm.adapter} {arm.weight:.0%}" for arm in row.arms)
        act = f"{row.action} to {row.restores}" if row.action == "rollback" else row.action
        rows.append(
            (str(row.rollout_id), f"{row.at:%Y-%m-%d %H:%M}", row.actor, act, row.production, trial, row.reason)
        )
    sys.stdout.write(table(rows) + "\n")


def _drill(args: argparse.Namespace, here: Opened) -> int:
    from assistant.bases import standing_now
    from assistant.drill import chosen, drill

    registry = open_registry(here.settings, here.store, here.audit)
    old, new = chosen(standing_now(here.store, here.audit, registry), args.old, args.new)
    done = drill(here.settings, old, new, askers=args.askers)
    passed = done.seconds <= args.most and not done.failed and not done.wrong
    fields = asdict(done) | {"most_seconds": args.most, "passed": passed}
    here.audit.append(args.person, "rollout.drill", new, **{k: v for k, v in fields.items() if k != "new"})
    text = (
        f"{done.seconds:.3f} s from the call to the first answer by {old}, with {done.askers} people asking (at most {args.most:g} s). "
        f"The rollback itself took {done.rollback_ms:.0f} ms. {done.n} answers, {done.failed} failed, {done.wrong} by a wrong adapter."
    )
    say(args, f"{text}\n{'Passed.' if passed else 'FAILED.'}", fields)
    return 0 if passed else 1
