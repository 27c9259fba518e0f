"""The evaluate command: what the recognisers find, or the rails stop, in a labelled file.

    python -m guardrails evaluate pii FILE          texts with spans, as presidio-research writes them
    python -m guardrails evaluate injection FILE    lines of {text, label}; label 1, true or "injection" is an attempt

Personal data are counted by words, as presidio-research does: a word in a labelled span is found where an entity of that
kind covers it. The line `any` leaves kinds aside; `all` demands them. F2 counts a miss four times as much as a false alarm; its interval is a bootstrap over texts.
Attempts are judged by the rails as they stand and by their rules alone, beside a list of keywords.

JSON fields of pii: entity, words, found, missed, false, precision, recall, f2, f2_low, f2_high, texts, texts_per_second.
JSON fields of injection: system, attacks, benign, recall, recall_low, recall_high, fpr, fpr_low, fpr_high, ms_p50, ms_p95.

Exit codes: 0 done, 2 wrong input or policy.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from secrets import token_bytes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput
from core.records import Entity
from core.settings import load_settings
from guardrails.check_command import IN_FORCE, NO_TEMPLATE, check, read_rows
from guardrails.classifier import Judge
from guardrails.injection import Injection
from guardrails.measures import keywords_found, percentile, rate
from guardrails.names_model import names_of
from guardrails.pii import Recognisers
from guardrails.policy import Policy, load_policy
from guardrails.policy_book import policy_in_force
from guardrails.pseudonyms import Naming
from guardrails.rails import build_guards

OUR_NAME: Mapping[str, str] = {
    "GPE": "LOCATION",
    "LOC": "LOCATION",
    "FAC": "LOCATION",
    "ADDRESS": "STREET_ADDRESS",
    "ZIP_CODE": "POSTCODE",
    "NRP": "NATIONALITY",
    "ORG": "ORGANIZATION",
    "PER": "PERSON",
    "DOMAIN_NAME": "WEB_ADDRESS",
    "URL": "WEB_ADDRESS",
    "PREFIX": "TITLE",
    "DATE_TIME": "DATE_OF_BIRTH",
    "US_PASSPORT": "PASSPORT",
    "US_BANK_NUMBER": "BANK_ACCOUNT",
}
"""Names of other schemes for what our recognisers find."""
RESAMPLED = 1000
"""Draws of the bootstrap."""
_WORD = re.compile(r"\w+|[^\w\s]")
_ATTACK = (1, True, "1", "injection", "attack", "jailbreak", "malicious")
_BENIGN = (0, False, "0", "benign", "safe", "legitimate")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "evaluate",
        help="measure the rails on a labelled file",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=("pii", "injection"))
    parser.add_argument("file", metavar="FILE", help="lines of JSON, or one JSON list")
    parser.add_argument(
        "--stage", choices=("input", "passage", "any"), default="any", help="whose rails judge attempts; any: either"
    )
    parser.add_argument("--policy", type=Path, metavar="FILE", help=IN_FORCE)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    settings = load_settings()
    policy = load_policy(args.policy) if args.policy else policy_in_force(settings)
    rows = list(read_rows(args.file, {"full_text": str, "spans": list} if args.what == "pii" else {"text": str}))
    if not rows:
        raise BadInput(f"{args.file}: there is no text in it; each line is one labelled text")
    if args.what == "pii":
        _check_spans(rows)
        names = names_of(settings)
        lines = personal_data_lines(rows, Recognisers(policy.thresholds(), policy.personal_data.allow, names=names))
    else:
        lines = injection_lines(rows, policy, args.stage, args.open_judge())
    for line in lines:
        sys.stdout.write(json.dumps(line) + "\n" if args.json else _readable(line))
    return 0


def _check_spans(rows: Sequence[Mapping[str, Any]]) -> None:
    """Raises BadInput, with the place of the text and of the span."""
    for place, row in enumerate(rows, 1):
        for nth, span in enumerate(row["spans"], 1):
            where = f"item {place}, span {nth}"
            if not isinstance(span, dict) or not isinstance(span.get("entity_type"), str):
                raise BadInput(f"{where}: `entity_type` is missing, or is no text")
            places = [span.get("start_position"), span.get("end_position")]
            order = [0, *(n for n in places if type(n) is int), len(row["full_text"])]
            if len(order) < 4 or order != sorted(order):
                raise BadInput(
                    f"{where}: `start_position` and `end_position` must be whole numbers that lie in `full_text`"
                )


def personal_data_lines(rows: Sequence[Mapping[str, Any]], recognisers: Recognisers) -> Iterator[dict[str, Any]]:
    """One line an entity that the file labels, then `all` and `any` over those."""
    labelled = {_ours(s["entity_type"]) for row in rows for s in row["spans"]}
    began = time.perf_counter()
    entities = [recognisers.find(row["full_text"]) for row in rows]
    speed = len(rows) / (time.perf_counter() - began) if rows else 0.0
    by_text = [_counted(row, ours, labelled) for row, ours in zip(rows, entities, strict=True)]
    for entity in (*sorted(labelled), "all", "any"):
        counts = np.array([[c[entity, what] for what in _COUNTS] for c in by_text], np.int64).reshape(-1, len(_COUNTS))
        found, missed, false = map(int, counts.sum(axis=0))
        low, high = f2_interval(counts)
        yield {
            "entity": entity,
            "words": found + missed,
            "found": found,
            "missed": missed,
            "false": false,
            **_f2(found=found, missed=missed, false=false),
            "f2_low": low,
            "f2_high": high,
            "texts": len(rows),
            "texts_per_second": round(speed, 1),
        }


_COUNTS = ("found", "missed", "false")


def _counted(row: Mapping[str, Any], ours: Sequence[Entity], labelled: Collection[str]) -> Counter[tuple[str, str]]:
    """The words of one text that were found, missed and found for nothing, by entity, over `all` and of `any` kind."""
    counts: Counter[tuple[str, str]] = Counter()
    theirs = [(_ours(s["entity_type"]), s["start_position"], s["end_position"]) for s in row["spans"]]
    mine = [(e.type, e.start, e.end) for e in ours if e.type in labelled]
    for word in _WORD.finditer(row["full_text"]):
        true, said = _at(theirs, word), _at(mine, word)
        if true or said:
            counts["any", "found" if true and said else "missed" if true else "false"] += 1
        if true == said and true:
            counts.update([(true, "found"), ("all", "found")])
        if true != said and true:
            counts.update([(true, "missed"), ("all", "missed")])
        if true != said and said:
            counts.update([(said, "false"), ("all", "false")])
    return counts


def f2_interval(counts: NDArray[np.int64], seed: int = 7) -> tuple[float, float]:
    """A 95 % percentile bootstrap interval of F2 over the texts.

    Args:
        counts: words found, missed and false, shape (texts, 3).
    """
    if not counts.sum():
        return 0.0, 0.0
    drawn = np.random.default_rng(seed).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), RESAMPLED)
    found, missed, false = (drawn @ counts).T
    f2 = 5 * found / np.maximum(1, 5 * found + 4 * missed + false)
    low, high = np.quantile(f2, [0.025, 0.975])
    return round(float(low), 4), round(float(high), 4)


def _ours(name: str) -> str:
    return OUR_NAME.get(name, name)


def _at(spans: Sequence[tuple[str, int, int]], word: re.Match[str]) -> str:
    """The kind of the span that the word lies in, or nothing."""
    return next((kind for kind, start, end in spans if start < word.end() and word.start() < end), "")


def _f2(*, found: int, missed: int, false: int) -> dict[str, float]:
    precision = found / (found + false) if found + false else 0.0
    recall = found / (found + missed) if found + missed else 0.0
    f2 = 5 * precision * recall / (4 * precision + recall) if precision + recall else 0.0
    return {"precision": round(precision, 4), "recall": round(recall, 4), "f2": round(f2, 4)}


def injection_lines(
    rows: Sequence[Mapping[str, Any]], policy: Policy, stage: str, judge: Judge | None = None
) -> Iterator[dict[str, Any]]:
    """One line a system: the keywords, our rules, and the rails together."""
    labels = [_is_attack(row.get("label"), place) for place, row in enumerate(rows, 1)]
    texts = [row["text"] for row in rows]
    guards = build_guards(load_settings(), NO_TEMPLATE, policy=policy, judge=judge, namer=Naming(token_bytes(32)))
    steering = [g for g in guards.input if g.name.startswith("injection")]
    stages: Any = {"input": [steering], "passage": [guards.passage], "any": [steering, guards.passage]}[stage]
    question, passage = Injection("question"), Injection("passage")
    rules = {"input": [question], "passage": [passage], "any": [question, passage]}[stage]
    systems: dict[str, Callable[[str], bool]] = {
        "keywords": keywords_found,
        "rules": lambda text: any(not rule.check(text).allowed for rule in rules),
        "rails": lambda text: any(not check(s, text, ()).verdict.allowed for s in stages),
    }
    for system, stops in systems.items():
        flagged, spent = [], []
        for text in texts:
            began = time.perf_counter()
            flagged.append(stops(text))
            spent.append((time.perf_counter() - began) * 1000)
        yield _judged(system, labels, flagged, spent)


def _is_attack(label: object, place: int) -> bool:
    value = label.casefold() if isinstance(label, str) else label
    if value in _ATTACK or value in _BENIGN:
        return value in _ATTACK
    raise BadInput(f"item {place}: `label` must be 1 or 0 (or injection or benign)")


def _judged(system: str, labels: Sequence[bool], flagged: Sequence[bool], spent: Sequence[float]) -> dict[str, Any]:
    caught = [f for f, attack in zip(flagged, labels, strict=True) if attack]
    alarmed = [f for f, attack in zip(flagged, labels, strict=True) if not attack]
    recall, fpr = rate(caught), rate(alarmed)
    return {
        "system": system,
        "attacks": recall.n,
        "benign": fpr.n,
        "recall": round(recall.rate, 4),
        "recall_low": round(recall.low, 4),
        "recall_high": round(recall.high, 4),
        "fpr": round(fpr.rate, 4),
        "fpr_low": round(fpr.low, 4),
        "fpr_high": round(fpr.high, 4),
        "ms_p50": round(percentile(spent, 0.5), 3),
        "ms_p95": round(percentile(spent, 0.95), 3),
    }


def _readable(line: Mapping[str, Any]) -> str:
    return "  ".join(f"{name} {value}" for name, value in line.items()) + "\n"
