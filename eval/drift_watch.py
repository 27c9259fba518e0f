"""The scheduled check for drift: made once, whichever process does it, kept in the store, and told where something changes.

    python -m eval drift --scheduled

An alert goes out when a signal begins to drift and when it ends, not every day in between, and none where there was too little use to
judge. It ends once no check has found it for as many days as a window has: at its limit a signal drifts on one day and not on the
next, and each day would be an end or a beginning. Where nobody took an alert, the next check tells it again. Alerts and history hold
signals and figures: neither anybody's words nor names of documents, since their readers may not be cleared for them.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from core.alert_targets import Targets
from core.drift_checks import DriftCheck, DriftChecks, Verdict, last_due
from core.settings import Settings
from core.store import Store
from core.turns import now
from eval.alerts import Alert, NotDelivered, deliver
from eval.drift import Drift, TooLittleUse, find_drift
from eval.use import Use, read_use
from retrieval.embed import Embedder


@dataclass(frozen=True, slots=True)
class Windows:
    """The current window and the reference before it, in days, and the chance of any false alarm that is allowed."""

    days: int
    reference_days: int
    false_alarms: float

    def read(self, store: Store, until: datetime, embedder: Embedder) -> Use:
        begin = until - timedelta(days=self.days + self.reference_days)
        return read_use(store, begin, until, self.days, embedder)


@dataclass(frozen=True, slots=True)
class Made:
    """A scheduled check, what changed since those who get alerts were told last, and who was told of it.

    Attributes:
        problem: why an alert did not reach everybody, "" where it did.
    """

    check: DriftCheck
    changes: Mapping[str, str]
    alerted: Sequence[str] = ()
    problem: str = ""


def due_now(settings: Settings) -> datetime:
    """The check that is due: the schedule's last time; where a scheduler of the operator's own calls, one a day."""
    at = now()
    return last_due(settings.drift_schedule, at) or datetime.combine(at.date(), time(), UTC)


def make_check(
    store: Store, embedder: Embedder, windows: Windows, due_at: datetime, *, targets: Targets
) -> Made | None:
    """Make the check that is due then; None where another process makes it, or has.

    Raises:
        StoreUnavailable: nothing is kept; the check is made once the claim has run out.
    """
    checks, owner = DriftChecks(store), f"{socket.gethostname()[:80]}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    if not checks.claim(due_at, owner):
        return None
    kept = checks.finish(_judged(windows.read(store, due_at, embedder), windows, due_at), owner)
    if kept is None:
        return None
    changes = changes_of(kept, checks.drifted_lately(kept))
    if not {"begins", "ends"} & set(changes.values()) or not targets:
        return Made(kept, changes)
    alert = alert_of(kept.signals, changes, (due_at - timedelta(days=windows.days), due_at))
    try:
        deliver(alert, targets)
    except NotDelivered as error:
        if error.taken:
            checks.tell(due_at, _known(kept, changes))
        return Made(kept, changes, problem=str(error))
    checks.tell(due_at, _known(kept, changes))
    return Made(kept, changes, targets.names())


def changes_of(check: DriftCheck, lately: Collection[str]) -> dict[str, str]:
    """What each signal does that drifts, or that was told of and is over; nothing of one that could not be judged.

    Args:
        lately: the signals that drifted at this check or one of the days before it, as many as its window has.
    """
    over = {str(one["signal"]) for one in check.signals}.difference(lately)
    drifted = {name: "goes on" if name in check.told else "begins" for name in check.drifted}
    return drifted | {name: "ends" for name in check.told if name in over}


def _known(check: DriftCheck, changes: Mapping[str, str]) -> list[str]:
    """The drifts that those who get alerts know of, once they are told of these changes."""
    return [name for name in dict.fromkeys([*check.told, *changes]) if changes.get(name) != "ends"]


def alert_of(
    signals: Sequence[Mapping[str, Any]], changes: Mapping[str, str], window: tuple[datetime, datetime]
) -> Alert:
    """What is sent out.

    Args:
        changes: what each signal does that is told of.
    """
    told = [{name: value for name, value in one.items() if name != "detail"} for one in signals]
    told = [one | {"change": changes[one["signal"]]} for one in told if one["signal"] in changes]
    lines = [
        f"{one['signal']}: {_levels(one)}change {one['size']:.3g} where {one['limit']:g} is the limit, p {one['p']:.2g}"
        for one in told
    ]
    if "ends" in changes.values():
        lines.append(
            f"What ends was like the weeks before at every check of {(window[1] - window[0]).days} days: as it was, or because "
            "those weeks have become like it."
        )
    what = "; ".join(
        f"{does}: {', '.join(one['signal'] for one in told if one['change'] == does)}"
        for does in dict.fromkeys(one["change"] for one in told)
    )
    return Alert("drift", f"Drift {what} ({window[0]:%Y-%m-%d} to {window[1]:%Y-%m-%d})", tuple(lines), tuple(told))


def _levels(one: Mapping[str, Any]) -> str:
    known = one["reference"] is not None and one["current"] is not None
    return f"{one['reference']:.4g} before, {one['current']:.4g} now, " if known else ""


def _judged(use: Use, windows: Windows, due_at: datetime) -> DriftCheck:
    try:
        found = find_drift(use, false_alarms=windows.false_alarms)
        verdict: Verdict = "drift" if any(one.drifted for one in found) else "none"
    except TooLittleUse:
        found, verdict = [], "too_few"
    return DriftCheck(
        due_at=due_at,
        finished_at=now(),
        verdict=verdict,
        reference_days=windows.reference_days,
        days=windows.days,
        reference_turns=use.turns[0],
        current_turns=use.turns[1],
        signals=[_without_names(one) for one in found],
    )


def _without_names(one: Drift) -> dict[str, Any]:
    return {name: value for name, value in asdict(one).items() if name != "detail"}
