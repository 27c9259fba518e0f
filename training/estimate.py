"""What a run would take: its first steps are trained for real in a folder that is thrown away, and what is measured is scaled up."""

from __future__ import annotations

import importlib
import resource
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, cast

from training.recipe import RECIPES, Recipe, Step, read_taken
from training.runs import Run

STEPS: Final = 4
SECONDS: Final = 20.0
"""After this long three steps are enough: the first one's time is not told from the loading before it."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the recipe learns from, as it counts it (`training.recipe.Taken`), and what that takes.

    Attributes:
        memory_gib: at its peak, of the GPU where there is one.
        steps: optimiser steps or batches, as the recipe counts them.
        measured: steps that were trained to say so.
    """

    rows: int
    validation_rows: int
    tokens: int
    steps: int
    measured: int
    memory_gib: float
    seconds: float


class _Enough(Exception):
    """Ends the trial; no error."""


def estimate(run: Run) -> Estimate:
    """Raises what the recipe's `train` raises."""
    recipe = cast(Recipe, importlib.import_module(RECIPES[run.config.method]))
    ticks: list[tuple[float, Step]] = []

    def told(step: Step) -> None:
        ticks.append((time.monotonic(), step))
        if len(ticks) > STEPS or (len(ticks) > 2 and ticks[-1][0] - began > SECONDS):
            raise _Enough

    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dry-run-") as folder:
        with suppress(_Enough):
            recipe.train(run.given, run.rows, Path(folder), told)
        whole = time.monotonic() - began
        taken = read_taken(Path(folder))
    total = ticks[-1][1].total if ticks else 0
    return Estimate(
        **asdict(taken),
        steps=total,
        measured=len(ticks),
        memory_gib=round(_peak_gib(), 2),
        seconds=round(_scaled(ticks, began) if len(ticks) < total else whole, 1),
    )


def _scaled(ticks: list[tuple[float, Step]], began: float) -> float:
    """Seconds of the whole: what came before the first step, and every step as long as the measured ones."""
    first, last = ticks[0], ticks[-1]
    steps = last[1].done - first[1].done
    each = (last[0] - first[0]) / steps if steps else first[0] - began
    return first[0] - began + each * (last[1].total - first[1].done)


def _peak_gib() -> float:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated()) / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
