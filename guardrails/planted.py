"""A passage that gives orders is told of, so that its document's owner hears about it: a guard around the guards of passages."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from core.errors import AssistantError
from core.records import Passage, Verdict
from guardrails.guard import Guard

log = logging.getLogger(__name__)


class Planted(Protocol):
    """What the composition root hands in: `core.document_tasks.DocumentTasks.planted`."""

    def __call__(self, found: Passage, rule: str, /) -> object: ...


class Reporting:
    """The same guard; each passage that it drops is told of. A report that fails changes no verdict, and is logged by its ids."""

    def __init__(self, guard: Guard, planted: Planted) -> None:
        self.name = guard.name
        self._guard = guard
        self._planted = planted

    def check(self, text: str, passages: Sequence[Passage] = ()) -> Verdict:
        verdict = self._guard.check(text, passages)
        for passage in passages if verdict.action == "drop" else ():
            try:
                self._planted(passage, verdict.rule)
            except AssistantError as error:
                log.error("passage %s: its owner was not told (%s)", passage.passage_id, type(error).__name__)
        return verdict
