"""What a judgement of attempts is worth: recall and false positives, by system and by source, with Wilson's intervals."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.rates import Rate
from guardrails.injection import Injection
from guardrails.measures import keywords_found, rate
from retrieval.judge import Stage
from training.injection_data import Example

Judged = NDArray[np.bool_]


def operating_point(logits: NDArray[np.float32], examples: Sequence[Example], target: float) -> float:
    """The logit that `target` of the harmless texts exceed, on the half of them that is not scored on."""
    harmless = [s for s, e in zip(logits, examples, strict=True) if e.label == "benign" and not is_scored(e)]
    return float(np.quantile(harmless, 1 - target))


def is_scored(example: Example) -> bool:
    """Which half of the texts a text belongs to, by its hash."""
    return hashlib.sha256(example.text.encode()).digest()[0] % 2 == 0


def rates(examples: Sequence[Example], flagged: Sequence[bool]) -> tuple[Rate, Rate]:
    """Recall over the attempts, false-positive rate over the scored half of the harmless texts."""
    rows = list(zip(examples, flagged, strict=True))
    attempts = [bool(f) for e, f in rows if e.label == "attack"]
    return rate(attempts), rate([bool(f) for e, f in rows if e.label == "benign" and is_scored(e)])


def report_on(stage: Stage, examples: Sequence[Example], judged: Judged) -> dict[str, dict[str, str]]:
    """Recall and false positives of keywords, rules, the trained judgement, and rules and judgement together."""
    guard = Injection(stage)
    rules = np.array([not guard.check(e.text).allowed for e in examples])
    words = np.array([keywords_found(e.text) for e in examples])
    report = {}
    for system, flagged in {
        "keywords": words,
        "rules": rules,
        "judge": judged,
        "rules or judge": judged | rules,
    }.items():
        recall, false = rates(examples, flagged.tolist())
        report[system] = {"recall": str(recall), "false positives": str(false)}
    return report


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
