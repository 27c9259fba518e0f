"""Train an adapter by a configuration file, track the run, and register what came out as `dev`.

    python -m training run training/configs/reader.yaml --dataset ds-1a2b3c4d5e6f
    python -m training run CONFIG --dry-run            what it would take, measured on its first steps
    python -m training run CONFIG --json
    accelerate launch --config_file training/configs/accelerate/ddp.yaml -m training run CONFIG

The file is checked whole; every problem is named with its line. The dataset must verify. The source tree must be committed, so
that the run can be repeated, unless --allow-dirty says otherwise, which the lineage keeps. The same command after an
interruption goes on from the last checkpoint; the same inputs are the same run. docs/training.md
A dry run counts what the recipe learns from: rows, pairs (dpo), judged answers (kto), pieces of documents (pretrain), the teacher's answers (distil).

JSON fields: step, steps, loss, seconds_left.
JSON fields of the last line: adapter, sha256, stage, ceiling, parent, dataset, dataset_sha256, config_sha256, run_id, key, seconds, scores.
JSON fields of --dry-run: rows, validation_rows, tokens, steps, measured, memory_gib, seconds.

Exit codes: 0 registered, 2 wrong input (configuration, dataset, dirty tree), 4 disk full or no tracking server, 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from assistant.console import Opened, acting, add_json, add_person, opened, say

if TYPE_CHECKING:
    from core.run_config import Method
    from training.recipe import Step
    from training.runs import Run

EVERY_S = 2.0
TAKES: Final[Mapping[Method, str]] = {
    "reader": "rows",
    "sft": "rows",
    "dpo": "pairs of a reviewed and a flagged answer",
    "kto": "answers judged good or bad",
    "pretrain": "pieces of documents",
    "distil": "answers of the teacher",
}
"""What each recipe learns from, as it counts it."""
QUIET_EVERY_S = 30.0


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "run",
        help="train an adapter by a configuration file",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, metavar="CONFIG", help="such as training/configs/reader.yaml")
    parser.add_argument("--dataset", default="", metavar="ID", help="in place of the one that the file names")
    parser.add_argument("--seed", type=int, metavar="N", help="in place of the one that the file names")
    add_person(parser, "who trains it, and so may not approve it; without it nobody is known who may not")
    parser.add_argument("--dry-run", action="store_true", help="say what it would take, and keep nothing")
    parser.add_argument("--allow-dirty", action="store_true", help="train although the source tree has changes")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    from core.run_config import read_config
    from training.runs import prepare

    config = read_config(args.config, dataset=args.dataset, seed=args.seed)
    with opened() as here:
        maker = acting(here, args.person)
        prepared = prepare(config, here, allow_dirty=args.allow_dirty or args.dry_run)
        return _estimate(args, prepared) if args.dry_run else _train(args, prepared, here, maker)


def _estimate(args: argparse.Namespace, prepared: Run) -> int:
    from training.estimate import estimate

    found = estimate(prepared)
    told = (
        f"{found.rows} {TAKES[prepared.config.method]} to learn from, {found.validation_rows} to measure on; {found.tokens} tokens; {found.steps} steps; "
        f"about {clock(found.seconds)} and {found.memory_gib:.1f} GiB, measured on {found.measured} steps. Nothing was kept."
    )
    say(args, told, asdict(found))
    return 0


def _train(args: argparse.Namespace, prepared: Run, here: Opened, maker: str) -> int:
    from assistant.bases import open_registry
    from training.recipe import rank
    from training.runs import register, train

    if rank():
        _follow(prepared)
        return 0
    done = train(prepared, here.settings, reporter(args))
    record = register(prepared, done, open_registry(here.settings, here.store, here.audit), actor=maker)
    last = {
        "adapter": record.adapter_id,
        "sha256": record.sha256,
        "stage": record.stage,
        "ceiling": record.ceiling,
        "parent": record.parent,
        "dataset": record.dataset_id or "",
        "dataset_sha256": prepared.rows.dataset_sha256,
        "config_sha256": prepared.config_sha256,
        "run_id": done.run_id,
        "key": prepared.key,
        "seconds": done.seconds,
        "scores": done.scores,
    }
    measured = ", ".join(f"{name} {value:.4g}" for name, value in done.scores.items())
    text = (
        f"{record.adapter_id} is registered as {record.stage}, after {clock(done.seconds)} of training. {measured}\n"
        f"May it serve? python -m eval gate --adapter {record.adapter_id}"
    )
    say(args, text, last)
    return 0


def _follow(prepared: Run) -> None:
    """Train along as one of several processes; the first one tracks, writes and registers."""
    from training.recipe import RECIPES, Recipe
    from training.runs import DONE

    if not (
        prepared.folder / DONE
    ).exists():  # only a training in which this process took part could write it meanwhile
        recipe = cast("Recipe", importlib.import_module(RECIPES[prepared.config.method]))
        recipe.train(prepared.given, prepared.rows, prepared.folder, lambda _: None)


def reporter(args: argparse.Namespace) -> Callable[[Step], None]:
    """Tells where the run stands: JSON lines, or on standard error, rewritten in place on a terminal."""
    terminal = sys.stderr.isatty()
    every = EVERY_S if terminal or args.json else QUIET_EVERY_S
    last = 0.0

    def told(step: Step) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < every and step.done < step.total:
            return
        last = now
        if args.json:
            left = None if step.seconds_left is None else round(step.seconds_left, 1)
            loss = None if step.loss is None else round(step.loss, 5)
            say(args, "", {"step": step.done, "steps": step.total, "loss": loss, "seconds_left": left})
            return
        sys.stderr.write(_line(step, terminal=terminal))
        sys.stderr.flush()

    return told


def _line(step: Step, *, terminal: bool) -> str:
    loss = "" if step.loss is None else f", loss {step.loss:.4f}"
    left = "" if step.seconds_left is None else f", {clock(step.seconds_left)} left"
    text = f"step {step.done} of {step.total}{loss}{left}"
    return f"\r{text:<70}" + ("\n" if step.done >= step.total else "") if terminal else f"{text}\n"


def clock(seconds: float) -> str:
    """`2 min 5 s`, `40 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
