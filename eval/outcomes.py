"""What stored turns and feedback say of an answer's worth, summed up by person: the measures of an experiment."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from core.seen import Seen
from eval.sequential import Sums

Kind = Literal["outcome", "guardrail"]
Sample = tuple[float, float]
"""Denominator and numerator that one turn or one conversation adds."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A ratio over persons. `effect` is what it is tuned to find; for a guardrail, how much worse the treatment may be.

    A logarithmic measure (latency) averages logarithms, so its difference is a ratio and its `effect` a share.
    """

    name: str
    kind: Kind
    better: Literal["lower", "higher"]
    effect: float
    logarithmic: bool = False


MEASURES = (
    Measure("flag_rate", "outcome", "lower", 0.02),
    Measure("thumbs_up", "outcome", "higher", 0.05),
    Measure("resolution", "outcome", "higher", 0.03),
    Measure("escalation", "outcome", "lower", 0.03),
    Measure("refusals", "guardrail", "lower", 0.02),
    Measure("personal_data", "guardrail", "lower", 0.01),
    Measure("errors", "guardrail", "lower", 0.01),
    Measure("latency", "guardrail", "lower", 0.10, logarithmic=True),
)


def sums_by_measure(turns: Iterable[Seen]) -> dict[str, Sums]:
    """Each measure's sums over the persons of one arm.

    flag_rate, refusals, personal_data and errors count turns (one in which an adapter on trial failed and another stood in
    is an error of its arm); thumbs_up counts the turns that got a thumb, latency those
    that were not stopped. resolution and escalation count conversations, by their last turn: resolved is answered
    without a flag or a thumb down, escalated is handed on by the policy or not answered, so that the person was sent to somebody. A turn outside
    any conversation (a temporary chat) is one of its own.
    """
    by_person: dict[str, list[Seen]] = defaultdict(list)
    for one in turns:
        by_person[one.person_id].append(one)
    persons = [_person(theirs) for theirs in by_person.values()]
    return {
        measure.name: Sums.of([p[measure.name][0] for p in persons], [p[measure.name][1] for p in persons])
        for measure in MEASURES
    }


def _person(turns: Sequence[Seen]) -> Mapping[str, Sample]:
    """One person's denominators and numerators, by measure."""
    count = float(len(turns))
    last = {
        one.conversation_id or one.turn_id: one for one in turns
    }.values()  # turns come in order: the last one stays
    times = [t.latency_ms for t in turns if t.status != "stopped" and t.latency_ms >= 0]
    return {
        "flag_rate": (count, sum(t.flagged for t in turns)),
        "thumbs_up": (sum(t.up or t.down for t in turns), sum(t.up for t in turns)),
        "resolution": (len(last), sum(t.status == "answered" and not (t.flagged or t.down) for t in last)),
        "escalation": (len(last), sum(t.escalated or t.status in ("no_answer", "failed") for t in last)),
        "refusals": (count, sum(t.status == "refused" for t in turns)),
        "personal_data": (count, sum(t.personal_data for t in turns)),
        "errors": (count, sum(t.status == "failed" or t.fell_back for t in turns)),
        "latency": (len(times), sum(math.log(max(ms, 1.0)) for ms in times)),
    }
