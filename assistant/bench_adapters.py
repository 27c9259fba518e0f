"""Times adapters at work, embedded: loading one, serving several at once, swapping them and rolling back under load.

    python -m assistant bench-adapters --json
    python -m assistant bench-adapters --adapters 1 4 --swaps 100 --seconds 5

The adapters are the shipped reader's weights under other names and with other calibration, so that every answer's time is that of a
real one; what is compiled of the shipped reader serves them. `--compile` times what a new one costs once on a machine.

JSON fields of adapter compiled: measure, n, seconds, date, machine.
JSON fields of adapter load: measure, n, p50_seconds, most_seconds, answered_meanwhile (by the one before), failed, date, machine.
JSON fields of adapters at once: measure, by (quoting model, base alone: the shipped reader without a further adapter, or adapters), adapters (beside the base), users, n, failed, answers_per_second, low, high (its 95 % interval over the seconds of the run; null for a run of few), p50_ms, p95_ms, process_mb, date, machine.
JSON fields of adapter swaps: measure, swaps, users, n, failed, wrong, stood_in, p50_ms, p95_ms (until a swap is committed), date, machine.
JSON fields of adapter rollback: measure, back_to (adapter: from one to the one before it; or quoting model), users, n, seconds (median of three), most_seconds, failed, wrong, date, machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from assistant.askers import PERSON, Asked, Askers, office
from assistant.bench import machine, quantile
from assistant.bootstrap import Assistant, build
from assistant.console import add_json, say
from assistant.drill import ACTOR, drill
from assistant.models import QUOTING
from assistant.reader import DEFAULT
from core.errors import BadInput
from core.records import Principal, TrialArm
from core.sealed import named, seal
from core.settings import Settings, load_settings
from core.tables import turn
from core.turns import now
from retrieval.adapters import BASE_NAME, SHIPPED, Adapter, base_sha256, open_adapter
from retrieval.network import compile_once, compiled_name

Line = dict[str, Any]
LOADS = 5
PEOPLE = 64
LEAST_SECONDS = 10
"""Of a shorter run the throughput has no interval."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "bench-adapters",
        help="measure adapters at work",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--adapters",
        type=int,
        nargs="+",
        default=[0, 1, 4, 16],
        metavar="N",
        help="at once; 0 is the quoting model, and the shipped reader alone",
    )
    parser.add_argument("--users", type=int, default=16, metavar="N", help="people who ask at once (16)")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each throughput run (20)")
    parser.add_argument("--swaps", type=int, default=1000, metavar="N")
    parser.add_argument(
        "--compile", action="store_true", help="also compile one that this machine has not seen: a minute"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    if min(args.adapters) < 0 or args.users < 1 or args.swaps < 0:
        raise BadInput("--adapters and --swaps are at least 0, and --users at least 1.")
    for line in measured(load_settings(), args):
        line |= {"date": f"{now():%Y-%m-%d}", "machine": machine()}
        told = ", ".join(f"{name} {value}" for name, value in line.items() if name not in ("machine", "measure"))
        say(args, f"{line['measure']}: {told}", line)
    return 0


def measured(settings: Settings, args: argparse.Namespace) -> Iterator[Line]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        if args.compile:
            yield _compiled(settings, folder / "compile")
        count = max(*args.adapters, LOADS + 1)
        with _opened(settings, folder, count) as (assistant, questions, names):
            yield _loaded(assistant, questions, names[: LOADS + 1])
            for number in args.adapters:
                for asked in [names[:number]] if number else [[], [_base(assistant)]]:
                    yield _at_once(assistant, questions, asked, (args.users, args.seconds))
            if args.swaps:
                yield _swapped(assistant, questions, names[:4], (args.swaps, args.users))
        # The drills find the variant, and what is compiled of it, where the assistant before them had it.
        there = settings.model_copy(update={"home": folder / "home", "models": folder / "models"})
        for old, new in ((DEFAULT, names[0]), (QUOTING, DEFAULT)):
            for users in sorted({1, args.users // 2 or 1, args.users}):
                yield _rolled_back(there, (old, new), users)


def variant(parent: Path, number: int, models: Path) -> Path:
    """The shipped reader under another name, with other calibration and the shipped one's compiled networks."""
    shipped = open_adapter(SHIPPED / DEFAULT, "reader")
    folder = parent / f"unnamed-{number}"
    shutil.copytree(shipped.folder, folder)
    settings = {**shipped.settings, "offset": shipped.settings["offset"] + (number + 1) * 1e-6}  # a content of its own
    of = (BASE_NAME, base_sha256())
    name = named(folder, stem="bench", version=number + 1, kind="reader", base=of, settings=settings)
    seal(folder, adapter_id=name, kind="reader", base=of, settings=settings)
    folder = folder.rename(parent / name)
    compile_once(shipped, models)
    place = models / compiled_name(open_adapter(folder, "reader"))
    if not place.exists():
        shutil.copytree(models / compiled_name(shipped), place, copy_function=os.link)
    return folder


@contextmanager
def _opened(settings: Settings, folder: Path, count: int) -> Iterator[tuple[Assistant, list[str], list[str]]]:
    """An assistant that quotes, with so many adapters in production; questions that its documents answer."""
    home, models = folder / "home", folder / "models"
    home.mkdir()
    _share_models(settings.models_folder, models)
    inside = {"home": home, "models": models, "reader": "quote", "policy": None}
    inside |= dict.fromkeys(("database_url", "qdrant_url", "otlp_endpoint", "model_url", "model"), "")
    with build(settings.model_copy(update=inside)) as assistant:
        questions = office(assistant, folder / "documents")
        for number in range(PEOPLE):
            assistant.people.add(_person(number), actor="bench")
        names = []
        for number in range(count):
            made = variant(home / "adapters", number, models)
            names.append(assistant.registry.register_shipped(made, reason="bench").adapter_id)
        yield assistant, questions, names


def _share_models(known: Path, models: Path) -> None:
    """A models folder of its own that begins with what is prepared already: the variants' networks go away with it."""
    models.mkdir()
    for prepared in known.glob("*") if known.exists() else ():
        if prepared.is_dir() and prepared.name != "evaluation":
            shutil.copytree(prepared, models / prepared.name, copy_function=os.link)


def _person(number: int) -> Principal:
    return Principal(f"bench.{number}", f"Bench {number}", f"bench{number}@x.example", PERSON.groups, "internal", PERSON.roles)  # fmt: skip


def _everybody(assistant: Assistant) -> list[Principal]:
    return [who for who in assistant.people.all() if who.person_id.startswith("bench.")]


def _compiled(settings: Settings, folder: Path) -> Line:
    """What an adapter costs once on a machine: here one whose calibration this machine has not seen."""
    folder.mkdir()
    fresh = variant(folder, int(time.time()) % 1_000_000, settings.models_folder)
    adapter: Adapter = open_adapter(fresh, "reader")
    shutil.rmtree(settings.models_folder / compiled_name(adapter))
    began = time.perf_counter()
    compile_once(adapter, folder / "models")
    return {"measure": "adapter compiled", "n": 1, "seconds": round(time.perf_counter() - began, 1)}


def _loaded(assistant: Assistant, questions: list[str], names: list[str]) -> Line:
    """From a promotion to the first answer by the promoted adapter, which nothing has loaded before; one person asks."""
    times, before, failed = [], 0, 0
    with Askers(assistant, questions, count=1) as load:
        for name in names:
            began = time.perf_counter()
            assistant.rollouts.promote(name, actor=ACTOR, reason="bench")
            load.until(lambda name=name: load.answered_by(name) > 0)  # type: ignore[misc]
            times.append(time.perf_counter() - began)
        before = sum(one.adapter not in names for one in load.asked)
        failed = len(load.errors) + sum(one.status == "failed" for one in load.asked)
    times = times[1:]  # the first one pays for what every adapter needs: tokenizer, OpenVINO
    return {
        "measure": "adapter load",
        "n": len(times),
        "p50_seconds": round(statistics.median(times), 2),
        "most_seconds": round(max(times), 2),
        "answered_meanwhile": before,
        "failed": failed,
    }


def _base(assistant: Assistant) -> str:
    """The shipped reader, registered where the settings name another model."""
    return assistant.registry.register_shipped(SHIPPED / DEFAULT, reason="bench").adapter_id


def _at_once(assistant: Assistant, questions: list[str], names: list[str], how: tuple[int, float]) -> Line:
    """People who ask all the time, spread over so many adapters by a rollout."""
    users, seconds = how
    if not names:
        assistant.rollouts.kill(actor=ACTOR, reason="bench")
    else:
        if assistant.rollouts.current().production != names[0]:
            assistant.rollouts.promote(names[0], actor=ACTOR, reason="bench")
        if names[1:]:
            arms = [TrialArm(name, 1 / len(names)) for name in names[1:]]
            assistant.rollouts.trial(arms, actor=ACTOR, reason="bench")
    with Askers(assistant, questions, count=users, people=_everybody(assistant)) as load:
        wanted = set(names) or {QUOTING}
        load.until(lambda: {one.adapter for one in load.asked} >= wanted, seconds=60)
        began = time.perf_counter()
        time.sleep(seconds)
        ended = time.perf_counter()
    if names[1:]:
        assistant.rollouts.stop(actor=ACTOR, reason="bench")
    asked = [one for one in load.asked if began <= one.began and one.ended <= ended]
    low, high = throughput_interval([one.ended - began for one in load.asked if began <= one.ended <= ended], seconds)
    further = sum(name != DEFAULT for name in names)
    times = [(one.ended - one.began) * 1000 for one in asked]
    return {
        "measure": "adapters at once",
        "by": "adapters" if further else "base alone" if names else "quoting model",
        "adapters": further,
        "users": users,
        "n": len(asked),
        "failed": len(load.errors) + sum(one.status == "failed" for one in asked),
        "answers_per_second": round(len(asked) / (ended - began), 1),
        "low": low,
        "high": high,
        "p50_ms": quantile(times, 0.5),
        "p95_ms": quantile(times, 0.95),
        "process_mb": _process_mb(),
    }


def throughput_interval(ended: Sequence[float], seconds: float) -> tuple[float | None, float | None]:
    """A 95 % percentile bootstrap interval of the answers a second; the whole seconds of the run are what is resampled.

    It says how even this run was. What the machine does for minutes, and another machine, are in none of its seconds.

    Args:
        ended: when each answer had come, in seconds from the run's begin.
    """
    if seconds < LEAST_SECONDS:
        return None, None
    from scipy.stats import bootstrap

    counts = Counter(map(int, ended))
    each = [counts[second] for second in range(int(seconds))]
    if len(set(each)) == 1:  # resampling equal values says nothing, and scipy warns of it
        return float(each[0]), float(each[0])
    found = bootstrap((each,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(0))
    return round(float(found.confidence_interval.low), 1), round(float(found.confidence_interval.high), 1)


def _swapped(assistant: Assistant, questions: list[str], names: list[str], how: tuple[int, int]) -> Line:
    """So many promotions, one after the other, while people ask; every answer is by the adapter that its rollout names."""
    swaps, users = how
    rollouts, times = assistant.rollouts, []
    with Askers(assistant, questions, count=users) as load:
        for number in range(swaps):
            began, seen = time.perf_counter(), len(load.asked)
            name = next(name for name in names[number % len(names) :] + names if name != rollouts.current().production)
            rollouts.promote(name, actor=ACTOR, reason="bench")
            times.append((time.perf_counter() - began) * 1000)
            load.until(lambda seen=seen: len(load.asked) > seen)  # type: ignore[misc]
    right, stood_in = _right(assistant, load.asked)
    return {
        "measure": "adapter swaps",
        "swaps": swaps,
        "users": users,
        "n": len(load.asked),
        "failed": len(load.errors) + sum(one.status == "failed" for one in load.asked),
        "wrong": len(load.asked) - right - stood_in,
        "stood_in": stood_in,
        "p50_ms": quantile(times, 0.5),
        "p95_ms": quantile(times, 0.95),
    }


def _right(assistant: Assistant, asked: list[Asked]) -> tuple[int, int]:
    """Answers by the adapter that their rollout names, and those in which another one openly stood in."""
    production = {row.rollout_id: row.production for row in assistant.rollouts.history(1_000_000)}
    with assistant.store.read() as connection:
        turns = {row.turn_id: row for row in connection.execute(turn.select())}
    found = [(one.adapter, turns[one.turn_id]) for one in asked]
    right = sum(by == row.adapter == production[row.rollout_id] for by, row in found)
    return right, sum(row.arm == "fallback" for _, row in found)


def _rolled_back(settings: Settings, names: tuple[str, str], users: int) -> Line:
    """The new adapter is rolled back to the old one while people ask, three times."""
    done = [drill(settings, *names, askers=users) for _ in range(3)]
    seconds = [one.seconds for one in done]
    return {
        "measure": "adapter rollback",
        "back_to": "quoting model" if names[0] == QUOTING else "adapter",
        "users": users,
        "n": sum(one.n for one in done),
        "seconds": statistics.median(seconds),
        "most_seconds": max(seconds),
        "failed": sum(one.failed for one in done),
        "wrong": sum(one.wrong for one in done),
    }


def _process_mb() -> int:
    """Memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc/self/statm").exists() else 0
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
