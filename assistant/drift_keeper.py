"""Has the check for drift made when it is due, by `python -m eval drift --scheduled`; `serve` has it look every few minutes."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from assistant.repeated import last_line
from core.drift_checks import DriftChecks, last_due
from core.turns import now

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "eval", "drift", "--scheduled", "--json")
TIMEOUT_S = 1800.0


class DriftKeeper:
    """One for a process that serves. Processes that share a store make one check together (core/drift_checks.py).

    Args:
        schedule: five cron fields, UTC.
        command: what makes the check.
    """

    def __init__(self, checks: DriftChecks, home: Path, schedule: str, *, command: Sequence[str] = COMMAND) -> None:
        self._checks = checks
        self._home = home
        self._schedule = schedule
        self._command = command

    def look(self) -> str:
        """Have the check made that is due, also where nobody served at its time; returns its verdict, "" where none was made.

        Raises:
            StoreUnavailable: what was checked cannot be read.
        """
        due_at = last_due(self._schedule, now())
        if due_at is None or not self._checks.is_open(due_at):
            return ""
        last = last_line(self._command, self._home, timeout_s=TIMEOUT_S)
        made = self._checks.last()
        if last.get("verdict") == "":
            return ""  # another process was quicker
        if made is None or made.due_at != due_at:
            log.warning("drift was not checked: %s", last.get("message", "no reason given"))
            return ""
        log.info("drift, %s: %s, drifted: %s", due_at.isoformat(), made.verdict, ", ".join(made.drifted) or "nothing")
        if "message" in last:
            log.warning("drift: %s", last["message"])
        return made.verdict
