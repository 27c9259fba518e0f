"""The rows of a dataset as a recipe reads them: questions, the passages that were found, and what should have been said.

{home}/datasets/{dataset_id}/train.jsonl, validation.jsonl, README.md, manifest.json
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

from core.errors import BadInput
from core.records import CLASSIFICATIONS, Classification, Passage, clearance_rank

TargetKind = Literal["span", "text", "refuse", "clarify", "confirm"]


@dataclass(frozen=True, slots=True)
class Target:
    """What should have been said. `passage` is the index of the passage that bears it out, and `[start, end)` its place there."""

    kind: TargetKind
    answer: str = ""
    passage: int | None = None
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One example. `rejected` is the flagged answer, where there was one; `weight` says how often the row is learnt from."""

    row_id: str
    question: str
    passages: tuple[Passage, ...]
    target: Target
    origin: str = "review"
    weight: float = 1.0
    language: str = "en"
    department: str = ""
    classification: Classification = "internal"
    rejected: str = ""
    lineage: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one dataset. `ceiling` is the highest classification among them: who meets the adapter is cleared for it."""

    training: tuple[Row, ...]
    validation: tuple[Row, ...] = ()
    dataset_id: str = ""
    dataset_sha256: str = ""
    ceiling: Classification = "public"


def read_rows(folder: Path) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """The training and the validation rows of a dataset's folder.

    Raises:
        BadInput: a file that is missing or a line that is no row, named with its number.
    """
    return _read(folder / "train.jsonl"), _read(folder / "validation.jsonl")


def ceiling_of(rows: Sequence[Row]) -> Classification:
    """The highest classification among them."""
    return max((row.classification for row in rows), key=clearance_rank, default="public")


def _read(path: Path) -> tuple[Row, ...]:
    try:
        # a line ends at the line feed and nowhere else: documents' texts hold other separators
        lines = [line for line in path.read_bytes().decode("utf-8").split("\n") if line]
    except (OSError, UnicodeDecodeError):
        raise BadInput(f"{path} cannot be read: a dataset holds train.jsonl and validation.jsonl.") from None
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(_row(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput(
                f"{path}:{number}: is no row of a dataset ({type(error).__name__}); build the dataset again."
            ) from None
    return tuple(found)


def _row(line: Mapping[str, Any]) -> Row:
    classification = line["classification"]
    if classification not in CLASSIFICATIONS:
        raise ValueError("its classification is unknown")
    passages = tuple(_passage(n, p, line) for n, p in enumerate(line["passages"]))
    given = line["target"]
    target = Target(
        kind=given["kind"],
        answer=str(given.get("answer") or ""),
        passage=given.get("passage"),
        start=int(given.get("start") or 0),
        end=int(given.get("end") or 0),
    )
    if target.passage is not None and not 0 <= target.passage < len(passages):
        raise ValueError("its target names a passage that it does not hold")
    return Row(
        row_id=str(line["row_id"]),
        question=str(line["question"]),
        passages=passages,
        target=target,
        origin=str(line.get("origin", "review")),
        weight=float(line.get("weight", 1.0)),
        language=str(line.get("language", "")),
        department=str(line.get("department", "")),
        classification=classification,
        rejected=str(line.get("rejected") or ""),
        lineage={name: str(value) for name, value in (line.get("lineage") or {}).items()},
    )


def _passage(ordinal: int, given: Mapping[str, Any], line: Mapping[str, Any]) -> Passage:
    return Passage(
        passage_id=str(given["passage_id"]),
        document_id=str(given["document_id"]),
        version=int(given["version"]),
        ordinal=ordinal,
        title=str(given.get("title", "")),
        section=str(given.get("section", "")),
        page=None,
        text=str(given["text"]),
        classification=line["classification"],
        owner="",
        language=str(line.get("language", "")),
        effective=date.fromisoformat(given["effective"]) if given.get("effective") else date(1970, 1, 1),
    )
