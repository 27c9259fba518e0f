"""People who ask all the time, as threads in this process: the load under which swaps and rollbacks are measured.

with Askers(assistant, office(assistant, folder), count=16) as askers:
    assistant.rollouts.promote(...)
    askers.until(lambda: askers.answered_by("reader-v2-1a2b3c4d") > 0)
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from assistant.bootstrap import Assistant
from core.records import Principal, Question
from core.turns import now

DESKS = ("badge", "laptop", "parking", "travel", "payroll", "training", "post", "canteen", "phone", "print", "key", "locker")  # fmt: skip
PERSON = Principal("drill.person", "Drill", "drill@localhost.example", frozenset(), "internal", frozenset({"employee"}))
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One answer under load. `began` and `ended` are seconds of `time.perf_counter`; `adapter` is who the answer says it is by."""

    began: float
    ended: float
    turn_id: str
    question: str
    adapter: str
    status: str
    text: str


def office(assistant: Assistant, folder: Path) -> list[str]:
    """Take a few short documents in, with somebody who may read them; returns questions that they answer."""
    assistant.people.add(PERSON, actor="drill")
    folder.mkdir(parents=True)
    for number, desk in enumerate(DESKS):
        head = (
            f"---\ndocument_id: drill-{desk}\ntitle: The {desk} desk\nversion: 1\nowner: drill@localhost.example\n"
            "department: Drill\nclassification: internal\nallowed_groups: [everyone]\neffective: 2020-01-01\nstatus: approved\n---\n"
        )
        text = (
            f"# The {desk} desk\n\n## Opening hours\n\nThe {desk} desk opens at {7 + number % 4}:{10 + number} on working days. "
            f"It closes at {15 + number % 4}:{10 + number}. On public holidays it stays closed.\n\n"
            f"## Place\n\nThe {desk} desk is in room {101 + number}, next to the stairs. Its manager is reached at extension {4200 + number}.\n"
        )
        (folder / f"{desk}.md").write_text(head + text, encoding="utf-8")
    for _ in assistant.ingest.run([folder], actor="drill"):
        pass
    return [f"When does the {desk} desk open?" for desk in DESKS] + [
        f"In which room is the {desk} desk?" for desk in DESKS
    ]


class Askers:
    """`count` people who each ask again as soon as they are answered, for as long as the block runs.

    Attributes:
        asked: every answer, in the order in which they ended.
        errors: what was raised instead of an answer.
    """

    def __init__(
        self, assistant: Assistant, questions: Sequence[str], *, count: int, people: Sequence[Principal] = (PERSON,)
    ) -> None:
        self.asked: list[Asked] = []
        self.errors: list[str] = []
        self._assistant = assistant
        self._questions, self._people = questions, people
        self._stopped = threading.Event()
        self._more = threading.Condition()
        self._threads = [threading.Thread(target=self._ask, args=(number,), name=f"asker-{number}") for number in range(count)]  # fmt: skip

    def __enter__(self) -> Askers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def answered_by(self, adapter: str, *, since: float = 0.0) -> int:
        """How many questions put since then that adapter has answered."""
        return sum(one.adapter == adapter and one.began >= since for one in list(self.asked))

    def until(self, true: Callable[[], bool], seconds: float = PATIENCE_S) -> bool:
        """Wait until it is true, looking after every answer; False where it did not become so in time."""
        end = time.perf_counter() + seconds
        with self._more:
            return self._more.wait_for(true, timeout=max(0.0, end - time.perf_counter()))

    def _ask(self, number: int) -> None:
        people = itertools.islice(itertools.cycle(self._people), number, None, len(self._threads))
        for person, question in zip(
            people, itertools.islice(itertools.cycle(self._questions), number * 5, None), strict=False
        ):
            if self._stopped.is_set():
                return
            began = time.perf_counter()
            try:
                answer = self._assistant.answerer.answer(Question(question, person))
            except Exception as error:  # noqa: BLE001 - a person's request: what it raised is counted, and they ask on
                with self._more:
                    self.errors.append(f"{now():%H:%M:%S} {type(error).__name__}")
                    self._more.notify_all()
                continue
            said = Asked(
                began, time.perf_counter(), answer.turn_id, question, answer.adapter, answer.status, answer.text
            )
            with self._more:
                self.asked.append(said)
                self._more.notify_all()
