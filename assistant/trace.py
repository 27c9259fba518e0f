"""What happens to one question, noted as it happens; it becomes the Turn that is stored and the Answer that is given."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from core.records import Answer, Citation, Passage, Question, Turn, TurnStatus, Verdict
from core.turns import CHECKS, ESCALATED, RAIL, TO_REVIEW, new_id, now, without_text
from guardrails.guard import GuardRun

if TYPE_CHECKING:
    from assistant.passage_check import Rails
    from assistant.prompt import Prompt
    from assistant.routing import Route
    from assistant.tokens import Usage
    from guardrails.rails import Guards

CUT_LENGTH, CUT_STOP = "cut_length", "cut_stop"
"""Counted where the question's `max_tokens` or `stop` ended the answer."""
UNFINISHED_SENTENCE = "withheld_unfinished"
"""Counted where the served model's token limit ended it."""


@dataclass
class Trace:
    """One question's way. Texts in it are masked by the input guards, or empty where those did not get to them.

    Attributes:
        route: who answers; it changes where a trial adapter fails and production stands in.
        rails: the guards that the question passes, whatever policy is put in force meanwhile.
        prompt: what the model was given, once it has answered.
        told: the tokens that the model says it has read and written, where it says so.
        released: the pieces that the person has seen, in order.
        timings_ms: step to milliseconds; `first_sentence` and `total` count from the start.
        rails_ms: guard to the milliseconds of all its checks, which are parts of the steps.
    """

    question: Question
    route: Route
    model: str
    rails: Rails
    turn_id: str = field(default_factory=new_id)
    created_at: datetime = field(default_factory=now)
    conversation_id: str | None = None
    asked: str = ""
    standalone: str = ""
    status: TurnStatus = "answered"
    reason: str = ""
    evidence: float = 0.0
    passages: tuple[Passage, ...] = ()
    prompt: Prompt | None = None
    told: Usage | None = None
    citations: tuple[Citation, ...] = ()
    released: list[str] = field(default_factory=list)
    verdicts: list[dict[str, object]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    timings_ms: dict[str, float] = field(default_factory=dict)
    rails_ms: dict[str, float] = field(default_factory=dict)
    _start: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        self.conversation_id = None if self.question.temporary else self.question.conversation_id or new_id()

    @property
    def guards(self) -> Guards:
        return self.rails.guards

    @property
    def adapter(self) -> str:
        return self.route.adapter

    def falls_back(self) -> bool:
        """Whether another adapter may answer after this one has failed: once, and only before the person has read anything."""
        if self.released or not self.route.fallback:
            return False
        self.route = self.route.fallen_back()
        self.counts["fell_back"] += 1
        return True

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the block's time to a step, also where it raises."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._add(name, time.perf_counter() - start)

    def waiting(self, name: str, source: Iterable[str]) -> Generator[str]:
        """The same items; the time that each of them takes to come is added to a step. What the source returns at its end is kept as told."""
        items = iter(source)
        try:
            while True:
                start = time.perf_counter()
                try:
                    item = next(items)
                except StopIteration as end:
                    self.told = end.value
                    return
                finally:
                    self._add(name, time.perf_counter() - start)
                yield item
        finally:
            close = getattr(items, "close", None)
            if close is not None:  # a model that is no generator has nothing to close
                close()

    def note(self, verdict: Verdict) -> None:
        """Keep a verdict: what was found by type and number, never its text."""
        self.verdicts.append(
            {
                "guard": verdict.guard,
                "action": verdict.action,
                "rule": verdict.rule,
                "score": round(verdict.score, 4),
                "entities": dict(Counter(e.type for e in verdict.entities)),
            }
        )

    def ran(self, guard: str, run: GuardRun) -> None:
        """Count one check of a guard, with its time and how it failed, if it did."""
        self.rails_ms[guard] = self.rails_ms.get(guard, 0.0) + run.ms
        self.counts[f"{CHECKS}{guard}"] += 1
        if run.failed:
            self.counts[f"rail_{run.failed}:{guard}"] += 1

    def released_text(self, text: str) -> str:
        """Note that the person gets this piece; returns it."""
        if not self.released:
            self.timings_ms["first_sentence"] = self._elapsed()
        self.released.append(text)
        return text

    def outside(self) -> None:
        """Take the question out of the conversation, and from the answer, that it named."""
        self.question = replace(self.question, conversation_id=None, replaces=None)
        self.conversation_id = None

    def cut(self, reason: str, shown: str) -> None:
        """Note that the caller's limits ended the answer there, by CUT_LENGTH or CUT_STOP: what it cites further on goes."""
        self.counts[reason] += 1
        self.citations = tuple(citation for citation in self.citations if f"[{citation.n}]" in shown)

    @property
    def ran_out(self) -> bool:
        """Whether a limit of tokens ended the answer: the caller's, or the served model's."""
        return bool(self.counts[CUT_LENGTH] or self.counts[UNFINISHED_SENTENCE])

    @property
    def read(self) -> tuple[Passage, ...]:
        """The passages that a model was given."""
        return self.passages if "generate" in self.timings_ms else ()

    def end(self, status: TurnStatus, reason: str) -> None:
        self.status, self.reason = status, reason

    def escalate(self, *, review: bool) -> bool:
        """Mark that the policy hands the matter on; returns whether the question comes to the review queue.

        It cannot where nothing of it is kept: in a temporary chat, or where nothing could be masked.
        """
        self.counts[ESCALATED] += 1
        passed_on = review and bool(self.asked) and not self.question.temporary
        if passed_on:
            self.counts[TO_REVIEW] += 1
        return passed_on

    def turn(self) -> Turn:
        """The record of this moment; a temporary chat's holds no text."""
        self.timings_ms["total"] = self._elapsed()
        record = Turn(
            turn_id=self.turn_id,
            person_id=self.question.person.person_id,
            conversation_id=self.conversation_id,
            created_at=self.created_at,
            question=self.asked,
            standalone_question=self.standalone,
            answer="".join(self.released).strip(),
            status=self.status,
            reason=self.reason,
            evidence=self.evidence,
            adapter=self.adapter,
            model=self.model,
            template_sha256=self.route.template.sha256,
            passages=_found(self.passages),
            verdicts=tuple(self.verdicts),
            citations=self.citations,
            timings_ms=_rounded(self.timings_ms | {f"{RAIL}{name}": ms for name, ms in self.rails_ms.items()}),
            counts=dict(self.counts),
            policy_sha256=self.guards.policy_sha256,
            temporary=self.question.temporary,
            replaces=self.question.replaces,
            rollout_id=self.route.rollout_id,
            arm=self.route.arm,
        )
        return without_text(record) if self.question.temporary else record

    def answer(self) -> Answer:
        """What the person gets; call it once the turn is stored."""
        self.timings_ms["total"] = self._elapsed()
        return Answer(
            turn_id=self.turn_id,
            conversation_id=self.conversation_id,
            text="".join(self.released).strip(),
            status=self.status,
            reason=self.reason,
            citations=self.citations,
            adapter=self.adapter,
            evidence=self.evidence,
            low_evidence=self.status == "answered" and self.evidence < self.route.low_evidence,
            timings_ms=_rounded(self.timings_ms),
        )

    def _add(self, name: str, seconds: float) -> None:
        self.timings_ms[name] = self.timings_ms.get(name, 0.0) + seconds * 1000

    def _elapsed(self) -> float:
        return (time.perf_counter() - self._start) * 1000


def _found(passages: Sequence[Passage]) -> tuple[dict[str, object], ...]:
    return tuple(
        {"passage_id": p.passage_id, "document_id": p.document_id, "version": p.version, "score": round(p.score, 6)}
        for p in passages
    )


def _rounded(timings: dict[str, float]) -> dict[str, float]:
    return {name: round(ms, 2) for name, ms in timings.items()}
