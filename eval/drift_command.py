"""Drift: does the last week look like the weeks before it? Questions, retrieval, answers, refusals, flags, latency.

    python -m eval drift                        how it stands now; nothing is kept
    python -m eval drift --scheduled            the check that is due, kept; an assistant that serves runs this every day
    python -m eval drift --history --json       what the kept checks found, newest first
    python -m eval drift --webhook https://hooks.example/drift --email ops@kestrelbay.example --smtp smtp://mail.example

The current window is the last --days, the reference window the --reference-days before it. A signal drifts when chance explains it
badly (p, which allows for all the signals, at most --false-alarms) and it is large (size at least its limit). Nobody's text is in the
output or in an alert: topics are named by the document that their answers cite most, here alone.

A scheduled check is made once, however many processes ask for it. It alerts where ASSISTANT_ALERT_WEBHOOKS and ASSISTANT_ALERT_EMAILS
say, or the options, when a signal begins to drift, and when no check of --days days has found it any more; without --scheduled the options' targets are told of every drift found.

JSON fields: signal, test, reference, current, size, limit, p, drifted, detail (empty with --scheduled).
JSON fields of the last line: since, reference_since, until, reference_turns, current_turns, drifted, alerted.
JSON fields of scheduled's last line: due_at, verdict (drift, none, too_few, or "" where another process makes it or has), reference_turns, current_turns, drifted, begins, ends, alerted.
JSON fields of history: due_at, finished_at, verdict, reference_days, days, reference_turns, current_turns, signals, told, drifted.

Exit codes: 0 no drift, 1 drift, 2 wrong input or too little use to judge (0 with --scheduled, which says so), 4 an alert could not be delivered (the findings are printed first).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from assistant.console import add_json, say
from core.alert_targets import Targets
from core.drift_checks import DriftCheck, DriftChecks
from core.errors import BadInput, Unavailable
from core.settings import Settings, load_settings
from core.store import Store
from core.turns import now
from eval.alerts import add_options, deliver, targets_of
from eval.drift import FALSE_ALARMS, find_drift
from eval.drift_watch import Made, Windows, alert_of, due_now, make_check
from eval.experiments import moment
from retrieval.embed import open_embedder

SHOWN = 30
"""Checks that --history shows unless it is told how many."""
TOLD = {"drift": "drift", "none": "no drift", "too_few": "too little use to judge"}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "drift",
        help="compare the last days with the weeks before, and alert",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument("--reference-days", type=int, default=30, metavar="N")
    parser.add_argument("--days", type=int, default=7, metavar="N", help="length of the current window")
    parser.add_argument("--until", metavar="DAY", help="end of the current window: 2026-11-01, or with a time (now)")
    parser.add_argument(
        "--false-alarms",
        type=float,
        default=FALSE_ALARMS,
        metavar="X",
        help="chance of any false alarm in a run (0.01)",
    )
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument("--scheduled", action="store_true", help="make and keep the check that is due; alert on changes")
    kept.add_argument("--history", type=int, nargs="?", const=SHOWN, metavar="N", help=f"the last N checks ({SHOWN})")
    add_options(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    if args.days < 1 or args.reference_days < 1 or not 0 < args.false_alarms < 1:
        raise BadInput("--days and --reference-days are at least 1, and --false-alarms lies between 0 and 1.")
    if args.history is not None and args.history < 1:
        raise BadInput("--history takes a number of checks, at least 1.")
    if args.until and (args.scheduled or args.history):
        raise BadInput(
            "--until goes with neither --scheduled nor --history: a check that is kept ends when it was due."
        )
    targets, settings = targets_of(args), load_settings()
    windows = Windows(args.days, args.reference_days, args.false_alarms)
    with Store(settings.store_url) as store:
        if args.history:
            return _history(args, DriftChecks(store))
        if args.scheduled:
            return _scheduled(args, store, settings, windows, targets or settings.alert_targets)
        return _now(args, store, settings, windows, targets)


def _now(args: argparse.Namespace, store: Store, settings: Settings, windows: Windows, targets: Targets) -> int:
    until = moment(args.until) if args.until else now()
    since = until - timedelta(days=args.days)
    use = windows.read(store, until, open_embedder(settings, remember=False))
    found = find_drift(use, false_alarms=args.false_alarms)
    drifted = [one.signal for one in found if one.drifted]
    summary: dict[str, Any] = {
        "since": since.isoformat(),
        "reference_since": (since - timedelta(days=args.reference_days)).isoformat(),
        "until": until.isoformat(),
        "reference_turns": use.turns[0],
        "current_turns": use.turns[1],
        "drifted": drifted,
        "alerted": [],
    }
    rows = [asdict(one) for one in found]
    for row in rows:
        say(args, _line(row), row)
    try:
        if drifted and targets:
            deliver(alert_of(rows, dict.fromkeys(drifted, "found"), (since, until)), targets)
            summary["alerted"] = targets.names()
    finally:
        say(args, _line(summary), summary)
    return int(bool(drifted))


def _scheduled(args: argparse.Namespace, store: Store, settings: Settings, windows: Windows, targets: Targets) -> int:
    due_at, made = due_now(settings), None
    if DriftChecks(store).is_open(due_at):
        made = make_check(store, open_embedder(settings, remember=False), windows, due_at, targets=targets)
    for row in made.check.signals if made else ():
        say(args, _line(row), {**row, "detail": ""})
    does = made.changes if made else {}
    last = {
        "due_at": due_at.isoformat(),
        "verdict": made.check.verdict if made else "",
        "reference_turns": made.check.reference_turns if made else None,
        "current_turns": made.check.current_turns if made else None,
        "drifted": made.check.drifted if made else [],
        "begins": [name for name, what in does.items() if what == "begins"],
        "ends": [name for name, what in does.items() if what == "ends"],
        "alerted": list(made.alerted) if made else [],
    }
    say(args, _told(made, last), last)
    if made and made.problem:
        raise Unavailable(made.problem)
    return int(bool(made and made.check.drifted))


def _told(made: Made | None, last: Mapping[str, Any]) -> str:
    if made is None:
        return f"The check of {last['due_at']} is made already, or another process is making it: see --history."
    changed = "".join(f"; {name} {what}" for name, what in made.changes.items())
    return f"{last['due_at']}: {TOLD[made.check.verdict]}{changed} ({made.check.current_turns} turns against {made.check.reference_turns})"


def _history(args: argparse.Namespace, checks: DriftChecks) -> int:
    found = checks.history(limit=args.history)
    for one in found:
        say(args, _past(one), _row(one))
    if not found and not args.json:
        say(args, "No check is kept yet: an assistant that serves makes one as ASSISTANT_DRIFT_SCHEDULE says.", {})
    return 0


def _past(one: DriftCheck) -> str:
    sizes = [f"{row['signal']} {row['size']:.3g} of {row['limit']:g}" for row in one.signals if row["drifted"]]
    what = f": {', '.join(sizes)}" if sizes else ""
    return f"{one.due_at:%Y-%m-%d %H:%M}  {TOLD[one.verdict]}{what}  ({one.current_turns} turns against {one.reference_turns})"


def _row(one: DriftCheck) -> dict[str, Any]:
    return asdict(one) | {
        "due_at": one.due_at.isoformat(),
        "finished_at": one.finished_at.isoformat(),
        "drifted": one.drifted,
    }


def _line(row: Mapping[str, Any]) -> str:
    return "  ".join(f"{name} {value}" for name, value in row.items() if value not in (None, ""))
