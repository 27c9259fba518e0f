"""What a judgement of attempts is worth: recall and false positives, by system and by source, with Wilson's intervals."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from core.rates import Rate
from guardrails.injection import Injection
from guardrails.measures import keywords_found, rate
from retrieval.judge import Stage
from training.injection_data import Example

Judged = NDArray[np.bool_]


ALARMING = ("trigger_", "orders to people")
"""How the names of those harmless families begin whose texts are in the words of attempts."""


def operating_point(
    logits: NDArray[np.float32], examples: Sequence[Example], target: float, alarming: float = 1.0
) -> float:
    """The logit that at most `target` of the plain harmless texts exceed and `alarming` of those in the words of attempts, on the
    half of them that is not scored on."""
    rows = [(s, e) for s, e in zip(logits, examples, strict=True) if e.label == "benign" and not is_scored(e)]
    shares = ((False, target), (True, alarming))
    parts = [([s for s, e in rows if is_alarming(e) == kind], share) for kind, share in shares]
    return max(float(np.quantile(part, 1 - share)) for part, share in parts if part)


def is_alarming(example: Example) -> bool:
    """Whether a harmless text is in the words of attempts."""
    return example.family.startswith(ALARMING)


def is_scored(example: Example) -> bool:
    """Which half of the texts a text belongs to, by its hash."""
    return hashlib.sha256(example.text.encode()).digest()[0] % 2 == 0


@dataclass(frozen=True, slots=True)
class Rates:
    """Recall over the attempts, and the share flagged of the scored half of the harmless texts: plain ones, and alarming ones."""

    recall: Rate
    plain: Rate
    alarming: Rate


def rates(examples: Sequence[Example], flagged: Sequence[bool]) -> Rates:
    rows = list(zip(examples, map(bool, flagged), strict=True))
    harmless = [(e, f) for e, f in rows if e.label == "benign" and is_scored(e)]
    return Rates(
        recall=rate([f for e, f in rows if e.label == "attack"]),
        plain=rate([f for e, f in harmless if not is_alarming(e)]),
        alarming=rate([f for e, f in harmless if is_alarming(e)]),
    )


def report_on(
    stage: Stage, examples: Sequence[Example], judged: Judged, parts: Mapping[str, Judged] = MappingProxyType({})
) -> dict[str, dict[str, str]]:
    """Recall and false positives of keywords, rules, the parts of the trained judgement, itself, and rules and judgement together."""
    guard = Injection(stage)
    rules = np.array([not guard.check(e.text).allowed for e in examples])
    words = np.array([keywords_found(e.text) for e in examples])
    systems = {"keywords": words, "rules": rules, **parts, "judge": judged, "rules or judge": judged | rules}
    return {system: _named(rates(examples, flagged.tolist())) for system, flagged in systems.items()}


def _named(found: Rates) -> dict[str, str]:
    return {
        "recall": str(found.recall),
        "false positives, plain": str(found.plain),
        "false positives, alarming": str(found.alarming),
    }


def by_source(examples: Sequence[Example], flagged: Sequence[bool]) -> dict[str, str]:
    """The share flagged of each source's (and each template family's) scored texts."""
    found: dict[str, list[bool]] = {}
    for example, hit in zip(examples, flagged, strict=True):
        if example.label == "attack" or is_scored(example):
            own = "templates" in example.source
            name = (
                f"{example.label}: {example.source}/{example.family}" if own else f"{example.label}: {example.source}"
            )
            found.setdefault(name, []).append(bool(hit))
    return {name: str(rate(hits)) for name, hits in sorted(found.items())}
