"""Has a running canary judged every few minutes, by `python -m eval canary --act` as a process of its own; `serve` starts it.

Pages and API never import the evaluation: what it needs stays out of the process that answers people.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from core.errors import AssistantError
from core.rollouts import Rollouts

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "eval", "canary", "--act", "--json")
TIMEOUT_S = 300.0
STOP_S = 5.0


class CanaryKeeper:
    """One for a process that serves. A process of another machine may judge as well: only one of them can act on a step.

    Args:
        every_s: seconds between two judgements.
        command: what judges, and acts.
    """

    def __init__(self, rollouts: Rollouts, home: Path, *, every_s: float, command: Sequence[str] = COMMAND) -> None:
        self._rollouts = rollouts
        self._home = home
        self._every_s = every_s
        self._command = command
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._keep, name="canary", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopped.set()
        if self._thread:
            self._thread.join(STOP_S)

    def look(self) -> str:
        """Have the canary judged where one is running; returns the decision, "" where there was none.

        Raises:
            StoreUnavailable, Conflict: what is in force cannot be read.
        """
        if self._rollouts.current().mode != "canary":
            return ""
        environment = os.environ | {"ASSISTANT_HOME": str(self._home)}
        try:
            done = subprocess.run(self._command, capture_output=True, text=True, timeout=TIMEOUT_S, env=environment, check=False)  # fmt: skip
            last = json.loads(done.stdout.splitlines()[-1])
        except (subprocess.TimeoutExpired, OSError, ValueError, IndexError) as error:
            log.error("the canary was not judged: %s", type(error).__name__)
            return ""
        if "decision" not in last:
            log.warning("the canary was not judged: %s", last.get("message", "no reason given"))
            return ""
        log.info("canary, rollout %s: %s. %s", last["rollout_id"], last["decision"], last["reason"])
        return str(last["decision"])

    def _keep(self) -> None:
        while not self._stopped.wait(self._every_s):
            try:
                self.look()
            except AssistantError as error:
                log.warning("the canary was not judged: %s", error)
            except Exception as error:  # noqa: BLE001 - the thread's boundary: the next look comes
                log.error("judging the canary failed with %s", type(error).__name__)
