"""Measure what tells a supported sentence from an unsupported one: python -m training.grounding --data DIR [--json]

Statements are made from ConditionalQA's yes-no questions (BSD-2): "Can I get X?" answered yes becomes "You can get X." It is
supported by the evidence that its annotators marked, and not by the evidence of another question on the same page. Words
covered (`guardrails/grounding.py`) and the reranker's cross-encoder are compared as judges, alone and together: the
thresholds in the policy come from here. Statements, unlike the sentences of a reader, are never quotations.

JSON fields, one line a judge: judge, n, supported, auroc, threshold, kept_supported, kept_unsupported (Wilson's intervals).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from core.offline import go_quiet
from core.records import Passage
from core.settings import load_settings
from guardrails.grounding import coverage
from guardrails.measures import rate
from retrieval.rerank import open_reranker

_ASKED = re.compile(
    r"^(?P<verb>can|could|may|must|should|will|would|am|are|do|did|have) (?P<who>i|we) (?P<rest>[^?.!]{8,160})\??$",
    re.IGNORECASE,
)
_ALSO_MINE = {
    "i": "you",
    "my": "your",
    "me": "you",
    "we": "you",
    "our": "your",
    "us": "you",
    "mine": "yours",
    "am": "are",
}
_TAGS = re.compile(r"</?\w+>")


@dataclass(frozen=True, slots=True)
class Pair:
    """A statement and a passage that supports it, or does not."""

    statement: str
    passage: str
    supported: bool


def pairs(data: Path) -> list[Pair]:
    """Each statement with its own evidence and with another's from the same page."""
    rows = json.loads((data / "reading" / "conditionalqa" / "train.json").read_text(encoding="utf-8"))
    by_page: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_page[row["url"]].append(row)
    found = []
    for row in rows:
        statement = statement_of(row)
        other = next(
            (o for o in by_page[row["url"]] if o["evidences"] and not set(o["evidences"]) & set(row["evidences"])), None
        )
        if statement and other and row["evidences"]:
            found += [Pair(statement, _text(row), True), Pair(statement, _text(other), False)]
    return found


def statement_of(row: dict[str, Any]) -> str:
    """The question as a statement to the person, "" where it is of another form or has several answers."""
    answers = {a[0] for a in row["answers"]}
    asked = _ASKED.match(" ".join(row["question"].split()))
    if asked is None or answers not in ({"yes"}, {"no"}):
        return ""
    verb, rest = asked["verb"].lower(), " ".join(_ALSO_MINE.get(w.lower(), w) for w in asked["rest"].split())
    verb = "are" if verb == "am" else verb
    if verb in ("do", "did"):
        return f"You {rest}." if answers == {"yes"} else f"You {verb} not {rest}."
    return f"You {verb} {rest}." if answers == {"yes"} else f"You {verb} not {rest}."


def _text(row: dict[str, Any]) -> str:
    return "\n".join(_TAGS.sub("", evidence).strip() for evidence in row["evidences"])


def judged(found: Sequence[Pair], settings: Any) -> dict[str, np.ndarray[Any, Any]]:
    """The scores of each judge for each pair."""
    reranker = open_reranker(replace_reranker(settings))
    words = np.array([coverage(p.statement, [_passage(p.passage)]) for p in found])
    reads = np.array([reranker.score_texts(p.statement, [("", p.passage)])[0] for p in found])
    return {"words covered": words, "cross-encoder": reads, "both, mean": (words + reads) / 2}


def replace_reranker(settings: Any) -> Any:
    return settings if settings.reranker else settings.model_copy(update={"reranker": "reranker-1"})


def lines(found: Sequence[Pair], scores: dict[str, np.ndarray[Any, Any]], kept: float) -> Iterator[dict[str, Any]]:
    """One line a judge: the threshold that keeps `kept` of one half's supported pairs, and what it does on the other half."""
    supported = np.array([p.supported for p in found])
    tuned = np.array([hashlib.sha256(p.statement.encode()).digest()[0] % 2 == 0 for p in found])
    for judge, values in scores.items():
        threshold = float(np.quantile(values[tuned & supported], 1 - kept))
        of = [(bool(v >= threshold), bool(s)) for v, s in zip(values[~tuned], supported[~tuned], strict=True)]
        yield {
            "judge": judge,
            "n": len(of),
            "supported": sum(s for _, s in of),
            "auroc": round(_auroc(values[~tuned], supported[~tuned]), 3),
            "threshold": round(threshold, 3),
            "kept_supported": str(rate([k for k, s in of if s])),
            "kept_unsupported": str(rate([k for k, s in of if not s])),
        }


def _auroc(values: np.ndarray[Any, Any], true: np.ndarray[Any, Any]) -> float:
    good, bad = values[true], values[~true]
    above = (good[:, None] > bad[None]).mean() + 0.5 * (good[:, None] == bad[None]).mean()
    return float(above)


def _passage(text: str) -> Passage:
    return replace(_EMPTY, text=text)


_EMPTY = Passage("0" * 32, "given", 1, 0, "", "", None, "", "internal", "", "en", date(2000, 1, 1))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with reading/conditionalqa")
    parser.add_argument("--keep", type=float, default=0.9, help="share of supported statements that a threshold keeps")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    arguments = parser.parse_args()
    go_quiet()
    found = pairs(arguments.data)
    for line in lines(found, judged(found, load_settings()), arguments.keep):
        sys.stdout.write(json.dumps(line) + "\n" if arguments.json else f"{line}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
