"""Shadow answers: an adapter that nobody meets yet answers the same prompt beside the one that serves.

It costs the person nothing: a background thread does it after the turn is stored, one at a time, and where it falls behind,
questions are left out and counted. What it says passes the same output guards, and is kept with whether it says the same.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from contextlib import closing
from dataclasses import dataclass, replace
from typing import cast

import sqlalchemy as sa

from assistant.models import AnswerModel
from assistant.prompt import Prompt
from assistant.release import Release
from assistant.sentences import pieces
from assistant.trace import Trace
from assistant.words import content_words
from core.notices import without_notice
from core.records import TurnStatus
from core.store import Store
from core.tables import shadow_answer
from core.turns import new_id, now

log = logging.getLogger(__name__)

MOST_WAITING = 16
SAME_WORDS = 0.6
"""Two answers agree where this share of their words that carry meaning is in both (F1)."""
STOP_S = 5.0


@dataclass(frozen=True, slots=True)
class _Said:
    status: TurnStatus
    text: str


class Shadows:
    """Answers beside. Its thread begins with the first question. Safe to use from several threads."""

    def __init__(self, store: Store, model: AnswerModel) -> None:
        self._store = store
        self._model = model
        self._waiting: queue.Queue[Trace | None] = queue.Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self.left_out = 0
        """Questions that came while too many waited."""

    def put(self, trace: Trace) -> None:
        """Take a stored turn whose route names a shadow; a temporary chat's is left alone, since it keeps no text."""
        if not trace.route.shadow or trace.prompt is None or trace.question.temporary:
            return
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
                self._thread.start()
        try:
            self._waiting.put_nowait(trace)
        except queue.Full:
            self.left_out += 1
            log.info("shadow: turn %s is left out, %d were so far", trace.turn_id, self.left_out)

    def wait(self) -> None:
        """Return when every turn taken so far was answered beside."""
        self._waiting.join()

    def close(self) -> None:
        """Stop after the answer under way; what waits is dropped."""
        if self._thread is None:
            return
        while not self._waiting.empty():
            try:
                self._waiting.get_nowait()
                self._waiting.task_done()
            except queue.Empty:
                break
        self._waiting.put(None)
        self._thread.join(STOP_S)

    def _run(self) -> None:
        while (trace := self._waiting.get()) is not None:
            try:
                self._answer(trace)
            except Exception as error:  # noqa: BLE001 - a thread's boundary: the next question's turn comes
                log.error("shadow: turn %s failed with %s", trace.turn_id, type(error).__name__)
            finally:
                self._waiting.task_done()

    def _answer(self, served: Trace) -> None:
        prompt, adapter = cast(Prompt, served.prompt), served.route.shadow
        began = time.perf_counter()
        said = self._said(prompt, served, adapter)
        row = {
            "shadow_id": new_id(),
            "turn_id": served.turn_id,
            "adapter": adapter,
            "status": said.status,
            "answer": said.text,
            "agrees": _agree(said, _Said(served.status, without_notice("".join(served.released)))),
            "ms": round((time.perf_counter() - began) * 1000, 2),
            "created_at": now(),
        }
        try:
            with self._store.begin() as connection:
                connection.execute(shadow_answer.insert().values(row))
        except sa.exc.IntegrityError:
            log.info("shadow: turn %s was deleted meanwhile", served.turn_id)

    def _said(self, prompt: Prompt, served: Trace, adapter: str) -> _Said:
        """What the person would have read, by the same guards; a failing adapter's answer is `failed`."""
        beside = Trace(served.question, replace(served.route, adapter=adapter), served.model, served.rails)
        release = Release(prompt.passages, served.guards.for_roles(served.question.person.roles).output, beside)
        try:
            with closing(beside.waiting("generate", self._model.stream(prompt, adapter=adapter))) as tokens:
                for piece in pieces(tokens):
                    if text := release.take(piece):
                        beside.released_text(text)
                    if release.stopped:
                        break
        except Exception as error:  # noqa: BLE001 - a model is a server or a library: it fails in any way
            log.error("shadow: %s failed with %s", adapter, type(error).__name__)
            return _Said("failed", "")
        text = "".join(beside.released).strip()
        if release.stopped:
            return _Said("failed", text)
        return _Said("answered" if text else "no_answer", text)


def _agree(one: _Said, other: _Said) -> bool:
    """Whether both answer, with mostly the same words, or neither does."""
    if one.status != other.status:
        return False
    if one.status != "answered":
        return True
    mine, theirs = set(content_words(one.text)), set(content_words(other.text))
    shared = len(mine & theirs)
    return 2 * shared >= SAME_WORDS * (len(mine) + len(theirs))
