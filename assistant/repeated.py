"""What an assistant that serves has done again and again, beside answering: in a thread, or by a command as a process of its own."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.errors import AssistantError

log = logging.getLogger(__name__)

STOP_S = 5.0


class Repeated:
    """Looks every few seconds until it is closed, the first time after as many.

    Args:
        name: what the log calls it.
    """

    def __init__(self, name: str, look: Callable[[], object], *, every_s: float) -> None:
        self._name = name
        self._look = look
        self._every_s = every_s
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._keep, name=self._name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopped.set()
        if self._thread:
            self._thread.join(STOP_S)

    def _keep(self) -> None:
        while not self._stopped.wait(self._every_s):
            try:
                self._look()
            except AssistantError as error:
                log.warning("%s: not done: %s", self._name, error)
            except Exception as error:  # noqa: BLE001 - the thread's boundary: the next look comes
                log.error("%s: failed with %s", self._name, type(error).__name__)


def last_line(command: Sequence[str], home: Path, *, timeout_s: float) -> Mapping[str, Any]:
    """Run a command of ours that prints JSON, on that home folder; its last line, {} where it has none.

    Pages and API never import the evaluation: what it needs stays out of the process that answers people.
    """
    environment = os.environ | {"ASSISTANT_HOME": str(home)}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, env=environment, check=False)
        last = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, OSError, ValueError, IndexError) as error:
        log.error("%s gave no result: %s", " ".join(command[1:4]), type(error).__name__)
        return {}
    return last if isinstance(last, dict) else {}
