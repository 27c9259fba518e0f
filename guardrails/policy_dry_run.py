"""What another policy would have done to the last turns: each is judged again, under the policy in force and under the new one.

    dry_run(turns, in_force, proposed)        no turn is changed and nobody is told

A Turn holds the question as the rails left it, so what was masked stays masked, and what was refused may be empty: such turns
are counted as `unread`. Of an answer, the rails on personal data and markup judge each line, because they need no more than
the text; passages and grounding are judged where `passages_of` finds the passages again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from core.records import Passage, Turn
from guardrails.guard import Guard, run_guard
from guardrails.rails import Guards

Outcome = Literal["allow", "mask", "stop"]
_ALONE = ("markup", "personal_data_answer")
"""Rails on an answer that need no passage."""


@dataclass(frozen=True, slots=True)
class Change:
    """One text that the new policy treats otherwise. `rail` and `rule` are those that decide, under the policy that is stricter."""

    turn_id: str
    stage: Literal["question", "passage", "answer"]
    before: Outcome
    after: Outcome
    rail: str
    rule: str


@dataclass(frozen=True, slots=True)
class DryRun:
    """The comparison over the turns. `stopped_before` and `stopped_after` count questions."""

    turns: int
    unread: int
    stopped_before: int
    stopped_after: int
    changes: tuple[Change, ...]

    @property
    def newly_stopped(self) -> int:
        return sum(c.after == "stop" and c.before != "stop" for c in self.changes)

    @property
    def newly_allowed(self) -> int:
        return sum(c.before == "stop" and c.after != "stop" for c in self.changes)


@dataclass(frozen=True, slots=True)
class _Judged:
    outcome: Outcome
    text: str
    rail: str = ""
    rule: str = ""


def dry_run(
    turns: Sequence[Turn],
    in_force: Guards,
    proposed: Guards,
    *,
    passages_of: Callable[[Turn], Sequence[Passage]] | None = None,
) -> DryRun:
    """Judge every turn twice. Takes as long as the rails do: some 30 ms a turn.

    Args:
        passages_of: the passages that a turn was answered from, as far as they are still there.
    """
    changes: list[Change] = []
    unread = before = after = 0
    for turn in turns:
        if not turn.question:
            unread += 1
            continue
        first, second = _judge(in_force.input, turn.question), _judge(proposed.input, turn.question)
        before += first.outcome == "stop"
        after += second.outcome == "stop"
        changes += _change(turn.turn_id, "question", first, second)
        passages = tuple(passages_of(turn)) if passages_of else ()
        for passage in passages:
            pair = (_judge(g.passage, passage.text, (passage,)) for g in (in_force, proposed))
            changes += _change(turn.turn_id, "passage", *pair)
        for line in turn.answer.splitlines() if turn.status == "answered" else ():
            if line.strip():
                pair = (_judge(_answer_rails(g, passages), line, passages) for g in (in_force, proposed))
                changes += _change(turn.turn_id, "answer", *pair)
    return DryRun(len(turns), unread, before, after, tuple(changes))


def _answer_rails(guards: Guards, passages: Sequence[Passage]) -> Sequence[Guard]:
    return guards.output if passages else [guard for guard in guards.output if guard.name in _ALONE]


def _judge(guards: Sequence[Guard], text: str, passages: Sequence[Passage] = ()) -> _Judged:
    masked = _Judged("allow", text)
    for guard in guards:
        verdict = run_guard(guard, masked.text, passages).verdict
        if not verdict.allowed:
            return _Judged("stop", "", verdict.guard, verdict.rule)
        if verdict.action == "mask":
            masked = _Judged("mask", verdict.text, verdict.guard, verdict.rule)
    return masked


def _change(
    turn_id: str, stage: Literal["question", "passage", "answer"], before: _Judged, after: _Judged
) -> Iterator[Change]:
    if (before.outcome, before.text) != (after.outcome, after.text):
        decides = max((after, before), key=lambda j: ("allow", "mask", "stop").index(j.outcome))
        yield Change(turn_id, stage, before.outcome, after.outcome, decides.rail, decides.rule)
