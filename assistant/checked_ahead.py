"""Passages are checked before anybody asks: a quiet pass after the start, and after documents or the policy change.

    ahead = CheckedAhead(answerer, catalogue)
    ahead.start()                        one thread; `ahead.close()` ends it

A question then finds most verdicts known (assistant/passage_check.py) and waits for no judge. One passage at a time, never
while a question is under way, and at most half of the time, so that it is not felt. Why: docs/design/checked-ahead.md
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from types import TracebackType
from typing import Protocol

from assistant.passage_check import PassageCheck
from core.errors import AssistantError
from core.records import Passage

log = logging.getLogger(__name__)

LOOK_S = 30.0
"""How often it is looked whether documents or the policy have changed."""
POLITE_S = 0.05
"""How often it is looked whether the questions under way are answered."""


class UnderWay:
    """How many questions are being answered: `with under_way:` around each. Safe to use from several threads."""

    def __init__(self) -> None:
        self._count = 0
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return self._count > 0

    def __enter__(self) -> None:
        with self._lock:
            self._count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._count -= 1


class Asked(Protocol):
    """The part of an Answerer that is needed."""

    under_way: UnderWay

    @property
    def check_passages(self) -> PassageCheck: ...


class Documents(Protocol):
    """The part of a catalogue that is needed."""

    def stamp(self) -> object: ...

    def answering(self, today: date) -> list[tuple[str, int]]: ...

    def passages(self, document_id: str, version: int) -> Sequence[Passage]: ...


class CheckedAhead:
    """The pass and its thread."""

    def __init__(self, answerer: Asked, catalogue: Documents) -> None:
        self._answerer = answerer
        self._catalogue = catalogue
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checked-ahead", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End the thread, after the check under way, which its budget bounds."""
        self._closed.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        done: object = None
        while not self._closed.is_set():
            try:
                now = (self._catalogue.stamp(), self._answerer.check_passages)
                if now != done and self.check_all():
                    done = now
            except AssistantError as error:  # the store, for example; the questions say so, too
                log.error("passages are not checked ahead (%s); tried again", type(error).__name__)
            self._closed.wait(LOOK_S)

    def check_all(self) -> bool:
        """Check the passages that answer, newest document first, as many as are kept; False where it was stopped or the policy changed."""
        check, count, began = self._answerer.check_passages, 0, time.monotonic()
        for passage in self._passages():
            while self._answerer.under_way and not self._closed.wait(POLITE_S):
                pass
            if self._closed.is_set() or check is not self._answerer.check_passages:
                return False
            if not check.room:
                break
            started = time.monotonic()
            if check.ahead(passage):
                count += 1
                self._closed.wait(time.monotonic() - started)
        log.info("%d passages checked ahead in %.0f s", count, time.monotonic() - began)
        return True

    def _passages(self) -> Iterator[Passage]:
        for key in self._catalogue.answering(datetime.now(UTC).date()):
            yield from self._catalogue.passages(*key)
