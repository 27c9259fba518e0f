"""A piece of work in a thread of its own, given up where it takes too long.

    run_within(lambda: guard.check(text), 2.0)      its value, or its own error; TimeoutError after two seconds

A thread that has done its work does the next one's: to start one for every check of every sentence cost more than most checks
do. What hangs cannot be stopped from outside; its thread is left behind as a daemon and gets no more work.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

SPARE_S = 0.5
"""A thread without work for so long ends."""


class _Worker(threading.Thread):
    """Runs what is put into `jobs`; it is among `_spare` while it waits for the next."""

    def __init__(self) -> None:
        super().__init__(name="guard", daemon=True)
        self.jobs: SimpleQueue[tuple[Callable[[], Any], SimpleQueue[tuple[Any, Exception | None]]]] = SimpleQueue()

    def run(self) -> None:
        while True:
            try:
                work, done = self.jobs.get(timeout=SPARE_S)
            except Empty:
                try:
                    _spare.remove(self)
                except ValueError:  # somebody has just taken it: their work is on its way
                    continue
                return
            outcome: tuple[Any, Exception | None]
            try:
                outcome = work(), None
            except Exception as error:  # noqa: BLE001 - carried to the caller's thread and raised there
                outcome = None, error
            _spare.append(self)  # first: whoever gets the outcome may have the next work at once
            done.put(outcome)


_spare: deque[_Worker] = deque()
"""Threads without work. Its single operations are atomic, so no lock is held where a process may fork."""
os.register_at_fork(after_in_child=_spare.clear)  # a child has none of its parent's threads


def run_within(work: Callable[[], T], seconds: float) -> T:
    """The value of the work.

    Raises:
        TimeoutError: it takes longer; it goes on, and nobody learns of its end.
        Exception: whatever the work raises.
    """
    try:
        worker = _spare.pop()
    except IndexError:
        worker = _Worker()
        worker.start()
    done: SimpleQueue[tuple[T, Exception | None]] = SimpleQueue()
    worker.jobs.put((work, done))
    try:
        value, error = done.get(timeout=max(0.0, seconds))
    except Empty:
        raise TimeoutError("the work takes longer than its budget") from None
    if error is not None:
        raise error
    return value
