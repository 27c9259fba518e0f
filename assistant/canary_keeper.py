"""Has a running canary judged by `python -m eval canary --act`; `serve` has it look every few minutes."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from assistant.repeated import last_line
from core.rollouts import Rollouts

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "eval", "canary", "--act", "--json")
TIMEOUT_S = 300.0


class CanaryKeeper:
    """One for a process that serves. A process of another machine may judge as well: only one of them can act on a step.

    Args:
        command: what judges, and acts.
    """

    def __init__(self, rollouts: Rollouts, home: Path, *, command: Sequence[str] = COMMAND) -> None:
        self._rollouts = rollouts
        self._home = home
        self._command = command

    def look(self) -> str:
        """Have the canary judged where one is running; returns the decision, "" where there was none.

        Raises:
            StoreUnavailable, Conflict: what is in force cannot be read.
        """
        if self._rollouts.current().mode != "canary":
            return ""
        last = last_line(self._command, self._home, timeout_s=TIMEOUT_S)
        if "decision" not in last:
            log.warning("the canary was not judged: %s", last.get("message", "no reason given"))
            return ""
        log.info("canary, rollout %s: %s. %s", last["rollout_id"], last["decision"], last["reason"])
        return str(last["decision"])
