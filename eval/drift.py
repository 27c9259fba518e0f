"""Drift: does the last week look like the weeks before it? Questions, retrieval, answers, refusals, flags, latency.

    python -m eval drift --reference-days 30 --days 7 --json
    python -m eval drift --webhook https://hooks.example/drift --email ops@kestrelbay.example --smtp smtp://mail.example

The current window is the last --days, the reference window the --reference-days before it. Every signal is judged by
moving whole days between the windows at random (5,000 times), so that what turns of one day share (an outage, a busy
person) is not taken for drift. A signal drifts when chance explains it badly (p, which allows for all the signals, at
most --false-alarms) and it is large (size at least its limit). Nobody's text is in the output or in an alert: topics are
named by the document that their answers cite most. docs/design/experiments.md.

JSON fields: signal, test, reference, current, size, limit, p, drifted, detail.
JSON fields of the last line: since, reference_since, until, reference_turns, current_turns, drifted, alerted.

Exit codes: 0 no drift, 1 drift, 2 wrong input or too little use to judge, 4 an alert could not be delivered (the findings are printed first).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from math import comb, isfinite
from typing import Any

import numpy as np

from core.errors import BadInput
from core.settings import load_settings
from core.store import Store
from core.turns import now
from eval.alerts import Alert, Targets, deliver
from eval.experiments import moment
from eval.signals import Signal, signals
from eval.use import Flags, Floats, Use, read_use
from retrieval.embed import open_embedder

PERMUTATIONS = 5000
FALSE_ALARMS = 0.01
"""Chance that one run on an unchanged assistant reports any drift at all."""
FEWEST_CURRENT = 3
"""Days with use below which the current window is not judged."""


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
        BadInput: too few days with use for the permutations to mean anything.
    """
    splits = _splits(use, seed)
    watched = signals(use, seed)
    chances = _chances(np.stack([one.statistic(splits) for one in watched]))
    return [_drift(one, splits[0], p, false_alarms) for one, p in zip(watched, chances, strict=True)]


def _splits(use: Use, seed: int) -> Flags:
    """Which days count as current, shape (1 + PERMUTATIONS, days): first as it is, then at random. Unused days never do."""
    used = np.bincount(use.day, minlength=len(use.current)) > 0
    days, current = int(used.sum()), int((used & use.current).sum())
    if current < FEWEST_CURRENT or comb(days, current) < PERMUTATIONS:
        raise BadInput(
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


def alert_of(found: Sequence[Drift], since: datetime, until: datetime) -> Alert:
    """What is sent out: signals and figures. Document names stay here, since an alert's readers may not be cleared for them."""
    drifted = [one for one in found if one.drifted]
    lines = [
        f"{one.signal}: {one.reference} before, {one.current} now (size {one.size}, limit {one.limit}, p {one.p})"
        for one in drifted
    ]
    figures = [{name: value for name, value in asdict(one).items() if name != "detail"} for one in drifted]
    subject = f"Drift in {', '.join(one.signal for one in drifted)}, {since:%Y-%m-%d} to {until:%Y-%m-%d}"
    return Alert("drift", subject, tuple(lines), tuple(figures))


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
    Targets.add_options(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a signal, then one of the whole")


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    if args.days < 1 or args.reference_days < 1 or not 0 < args.false_alarms < 1:
        raise BadInput("--days and --reference-days are at least 1, and --false-alarms lies between 0 and 1.")
    targets = Targets.of(args)
    settings = load_settings()
    until = moment(args.until) if args.until else now()
    since = until - timedelta(days=args.days)
    with Store(settings.store_url) as store:
        begin = since - timedelta(days=args.reference_days)
        use = read_use(store, begin, until, args.days, open_embedder(settings, remember=False))
    found = find_drift(use, false_alarms=args.false_alarms)
    drifted = [one.signal for one in found if one.drifted]
    in_current = int(use.current[use.day].sum())
    summary: dict[str, Any] = {
        "since": since.isoformat(),
        "reference_since": begin.isoformat(),
        "until": until.isoformat(),
        "reference_turns": len(use.day) - in_current,
        "current_turns": in_current,
        "drifted": drifted,
        "alerted": [],
    }
    for one in found:
        _say(args, asdict(one))
    try:
        if drifted:
            deliver(alert_of(found, since, until), targets)
            summary["alerted"] = targets.names()
    finally:
        _say(args, summary)
    return int(bool(drifted))


def _say(args: argparse.Namespace, row: dict[str, Any]) -> None:
    shown = "  ".join(f"{name} {value}" for name, value in row.items() if value not in (None, ""))
    sys.stdout.write((json.dumps(row, ensure_ascii=False) if args.json else shown) + "\n")
    sys.stdout.flush()
