"""The seam of every check: text in, Verdict out. `run_guard` calls one so that a broken guard refuses."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from core.records import Passage, Verdict

Stage = Literal["question", "passage", "answer"]

log = logging.getLogger(__name__)


class Guard(Protocol):
    """One check. `name` goes into the Turn's verdicts and the metrics."""

    @property
    def name(self) -> str: ...

    def check(self, text: str, passages: Sequence[Passage] = ()) -> Verdict:
        """Judge one text.

        Args:
            text: a question, a passage's text, or one sentence of an answer.
            passages: what the text is judged against: the passage itself, or those that the sentence cites.

        Returns:
            The verdict; its text is the one to go on with (masked or neutralised where the action is `mask`).
        """
        ...


@dataclass(frozen=True, slots=True)
class GuardRun:
    """A verdict and the milliseconds it took."""

    verdict: Verdict
    ms: float


def run_guard(guard: Guard, text: str, passages: Sequence[Passage] = ()) -> GuardRun:
    """Check the text; a guard that raises refuses it, with the rule `guard_error`.

    This is the boundary at which any exception is caught: a guard is our own code, a library or, later, a model,
    and none of them may let a text through by failing. The log names the guard and the error's class only, because the
    error's message may carry the text.
    """
    start = time.perf_counter()
    try:
        verdict = guard.check(text, passages)
    except Exception as error:  # noqa: BLE001
        log.error("guard %s failed with %s", guard.name, type(error).__name__)
        verdict = Verdict(guard.name, "refuse", "", rule="guard_error", score=1.0)
    return GuardRun(verdict, (time.perf_counter() - start) * 1000)
