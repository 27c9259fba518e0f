"""What a recipe and the run command agree on.

A recipe is one module with `train(config, rows, folder, progress) -> Path`: it trains in `folder`, which is its own and
survives an interruption, tells each step, and returns the folder of a sealed adapter inside it. What it measured it leaves
in `folder`/scores.json, by name; before it begins, what it learns from in taken.json, and documents that it read whole in
documents.json. Called again with the same arguments it goes on from its last checkpoint.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Protocol

from core.errors import BadInput
from core.lineage import DocumentRead
from core.run_config import Method, RunConfig
from training.rows import Rows

SCORES: Final = "scores.json"
TAKEN: Final = "taken.json"
DOCUMENTS: Final = "documents.json"
"""Which document versions a recipe read whole: they stand in no dataset, and an erasure has to find the adapter all the same."""


@dataclass(frozen=True, slots=True)
class Step:
    """Where a run stands. `seconds_left` is None until it can be told; `metrics` are what the library logged, by name."""

    done: int
    total: int
    loss: float | None = None
    seconds_left: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a recipe learns from, as it counts it: rows, pairs, judged answers, or pieces of documents.

    Attributes:
        rows: that are learnt from; `validation_rows` are measured on.
        tokens: of those that are learnt from, once: what the model is given and what it is to say.
    """

    rows: int
    validation_rows: int
    tokens: int


Progress = Callable[[Step], None]


class Recipe(Protocol):
    """A method's module, as the run command sees it."""

    def train(self, config: RunConfig, rows: Rows, folder: Path, progress: Progress) -> Path: ...


RECIPES: Final[Mapping[Method, str]] = {
    "reader": "training.retrain",
    "sft": "training.sft",
    "dpo": "training.dpo",
    "kto": "training.kto",
    "pretrain": "training.pretrain",
    "distil": "training.distil",
}
"""The module of each method."""


def require_rows(count: int, needed: int, what: str = "rows to train on") -> None:
    """Refuse to train on too little, with both numbers."""
    if count < needed:
        raise BadInput(
            f"The dataset has {count} {what}, and at least {needed} are needed: review more answers, or lower least_rows."
        )


def write_scores(folder: Path, scores: Mapping[str, float]) -> None:
    rounded = {name: round(value, 6) for name, value in sorted(scores.items())}
    (folder / SCORES).write_text(json.dumps(rounded, indent=2) + "\n", encoding="utf-8")


def read_scores(folder: Path) -> dict[str, float]:
    path = folder / SCORES
    if not path.exists():
        return {}
    return {str(name): float(value) for name, value in json.loads(path.read_text(encoding="utf-8")).items()}


def write_taken(folder: Path, taken: Taken) -> None:
    (folder / TAKEN).write_text(json.dumps(asdict(taken)) + "\n", encoding="utf-8")


def read_taken(folder: Path) -> Taken:
    return Taken(**json.loads((folder / TAKEN).read_text(encoding="utf-8")))


def write_documents(folder: Path, read: Iterable[DocumentRead]) -> None:
    (folder / DOCUMENTS).write_text(json.dumps(sorted(read), ensure_ascii=False) + "\n", encoding="utf-8")


def read_documents(folder: Path) -> tuple[DocumentRead, ...]:
    """Those that a recipe has read whole; none where it reads rows."""
    path = folder / DOCUMENTS
    if not path.exists():
        return ()
    return tuple(DocumentRead(*one) for one in json.loads(path.read_text(encoding="utf-8")))


def rank() -> int:
    """This process's number among those that train together; 0 alone writes files and tells progress."""
    return int(os.environ.get("RANK", "0"))


def processes() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))
