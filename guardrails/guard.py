"""The seam of every check: text in, Verdict out. `run_guard` calls one so that a broken guard refuses.

Budgeted(guard, budget_ms)      a guard that takes longer fails
run_guard(guard, text)          a guard that raises, times out or returns nonsense refuses
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Literal, Protocol, get_args

from core.records import Action, Entity, Passage, Verdict
from guardrails.workers import run_within

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
    """A verdict and the milliseconds it took; `failed` says how where the guard gave none."""

    verdict: Verdict
    ms: float
    failed: Literal["", "error", "timeout"] = ""


def run_guard(guard: Guard, text: str, passages: Sequence[Passage] = ()) -> GuardRun:
    """Check the text; a guard that raises or returns no sound verdict refuses it, with the rule `guard_error`.

    This is the boundary at which any exception is caught: a guard is our own code, a library or, later, a model,
    and none of them may let a text through by failing. The log names the guard and the error's class only, because the
    error's message may carry the text.
    """
    start = time.perf_counter()
    failed: Literal["", "error", "timeout"] = ""
    try:
        verdict = _sound(guard.check(text, passages), text)
    except Exception as error:  # noqa: BLE001
        failed = "timeout" if isinstance(error, TimeoutError) else "error"
        log.error("guard %s failed with %s", guard.name, type(error).__name__)
        verdict = Verdict(guard.name, "refuse", "", rule="guard_error", score=1.0)
    return GuardRun(verdict, (time.perf_counter() - start) * 1000, failed)


def _sound(verdict: object, text: str) -> Verdict:
    """The verdict itself; raises TypeError or ValueError where it is none that anybody may act on."""
    if not isinstance(verdict, Verdict) or not isinstance(verdict.text, str):
        raise TypeError("a guard returned no verdict")
    if verdict.action not in get_args(Action) or not 0 <= verdict.score <= 1:
        raise ValueError("a guard returned an action or a score that does not exist")
    if verdict.action == "allow" and verdict.text != text:
        raise ValueError("a guard changed a text that it allows as it is")
    if not all(isinstance(e, Entity) and 0 <= e.start < e.end <= len(text) for e in verdict.entities):
        raise ValueError("a guard returned an entity outside the text")
    return verdict


HANGING = 8
"""Checks of one guard that may run or hang at once; the next one waits for one of them to end, as long as a check may take."""


PASSAGES_AT_ONCE = 8
"""Passages of a question that are checked side by side: the trained judge reads what waits for it in one go."""


def run_beside(guards: Sequence[Guard], passages: Sequence[Passage], threads: Executor) -> list[list[GuardRun]]:
    """Each passage through the guards, as far as they let it: its runs in their order, each with its share of the time.

    Guard by guard: rules and a judge's network would only wait for each other. Under each guard the passages go side by side, but
    one after the other where it says `in_turn`, as rules do, which only the interpreter runs: they too would wait for each other.
    """
    runs: list[list[GuardRun]] = [[] for _ in passages]
    left = dict(enumerate(passages))
    for guard in guards:

        def one(passage: Passage, guard: Guard = guard) -> GuardRun:
            return run_guard(guard, passage.text, (passage,))

        ran = dict(zip(left, (map if _in_turn(guard) else threads.map)(one, left.values()), strict=True))
        for place, run in ran.items():
            runs[place].append(replace(run, ms=run.ms / len(ran)))
        left = {n: replace(left[n], text=run.verdict.text) for n, run in ran.items() if run.verdict.allowed}
    return runs


def _in_turn(guard: Guard) -> bool:
    return getattr(guard, "in_turn", False)


class Budgeted:
    """A guard that fails where it hangs: where its check takes longer than its budget.

    The check runs in a thread of its own, because a library that hangs cannot be stopped from outside. What hangs is bounded
    by HANGING, after which the guard fails at once, without starting more. The clock begins with the check: the wait for checks
    before it, which end, is not held against it.

    Args:
        budget_ms: milliseconds from the check's begin to its verdict, on the wall clock: what waits for a lock or a server uses no processor.
        at_once: checks that may run at once; one that only waits for a server may have more.
    """

    def __init__(self, guard: Guard, budget_ms: int, *, at_once: int = HANGING) -> None:
        self.guard = guard
        self.name = guard.name
        self.in_turn = _in_turn(guard)
        self._seconds = budget_ms / 1000
        self._at_once = at_once
        self._free = threading.BoundedSemaphore(at_once)
        self._began: dict[object, float] = {}

    def check(self, text: str, passages: Sequence[Passage] = ()) -> Verdict:
        """The guard's own verdict, or its own error.

        Raises:
            TimeoutError: the budget is spent, or every earlier check hangs.
        """
        if not self._free.acquire(timeout=0 if self._hangs() else self._seconds):
            raise TimeoutError("earlier checks of this guard still hang")
        this = object()
        self._began[this] = time.monotonic()

        def work() -> Verdict:
            try:
                return self.guard.check(text, passages)
            finally:
                del self._began[this]
                self._free.release()

        return run_within(work, self._seconds)

    def _hangs(self) -> bool:
        """Whether as many checks as may run are past their budget: waiting for them is in vain."""
        late = time.monotonic() - self._seconds
        return sum(began < late for began in list(self._began.values())) >= self._at_once
