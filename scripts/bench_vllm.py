"""Adapters on a real vLLM server on the CPU: python -m scripts.bench_vllm, from the root of the checkout.

`python scripts/bench.py --part vllm` runs it and keeps its figures. The model is the tests' Llama of 3 million weights, so the figures
say what adapters cost on a server, and nothing of the speed of a model of use. Throughput has no interval: a server answers those who ask
together together, so 64 answers are four of its rounds. Sixteen adapters of one content stand under sixteen
names: the server holds each by itself. They say the base's two sentences in the other order, so that all answers are of one length
and one by the wrong model is seen. The server runs without compiling (--enforce-eager).

JSON fields of adapter load on vLLM: measure, n, p50_load_ms, p50_ms (from the request to load to the first answer by it), most_ms, vllm, machine.
JSON fields of adapters at once on vLLM: measure, lora (whether the server was started with --enable-lora), adapters (0 for the base alone), users, n, failed, wrong, answers_per_second, p50_ms, p95_ms, vllm, machine.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from assistant.bench import machine, quantile
from assistant.prompt import Prompt, build_prompt
from assistant.reconciler import Desired, Reconciler, Wanted
from assistant.served import ServedModel
from core.errors import ModelUnavailable
from core.sealed import open_sealed
from core.settings import Settings
from tests.assistant.passages import passage
from tests.vllm.server import WITH_ADAPTERS, Vllm, serving
from tests.vllm.tiny_adapters import sealed, teach
from tests.vllm.tiny_llama import FALSE, TRUE, write_tiny_llama

Line = dict[str, Any]
MOST = 16
COUNTS = (0, 1, 4, MOST)
ROUNDS = 2
"""The counts are measured in turns, so that what else the machine does falls on all of them."""
PATIENCE_S = 300
BASE_SAYS, ADAPTER_SAYS = f"{TRUE}{FALSE}", f"{FALSE} {TRUE}".strip()


@dataclass
class Measured:
    """What people who asked for a while were answered. `failed` were raised, `wrong` are not the words of who was asked."""

    times_ms: list[float] = field(default_factory=list)
    seconds: float = 0.0
    failed: int = 0
    wrong: int = 0


def measured(answers: int, users: int) -> Iterator[Line]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        base = write_tiny_llama(folder / "base")
        names = made(base, folder / "adapters")
        with serving(base, folder / "plain.log", "--dtype", "float32") as server:
            plain = Measured()
            for _ in range(ROUNDS):
                ask(opened(server), [], users, answers // ROUNDS, plain)
            about = {"vllm": version(server), "machine": machine()}
            yield line(plain, users, lora=False, adapters=0) | about
        options = (*WITH_ADAPTERS, "--max-loras", str(MOST), "--max-cpu-loras", str(MOST), "--dtype", "float32")
        with serving(base, folder / "adapters.log", *options) as server:
            model = opened(server)
            yield loaded(model, folder / "adapters", names) | about
            found = {count: Measured() for count in COUNTS}
            for _, (count, kept) in itertools.product(range(ROUNDS), found.items()):
                ask(model, names[:count], users, answers // ROUNDS, kept)
            for count, kept in found.items():
                yield line(kept, users, lora=True, adapters=count) | about


def made(base: Path, folder: Path) -> list[str]:
    """One adapter is trained; the others are its copies, each sealed under its own name."""
    names = [f"bench-v{number}-{number:08x}" for number in range(1, MOST + 1)]
    teach(base, folder / names[0], names[0], f" {ADAPTER_SAYS}")
    for name in names[1:]:
        shutil.copytree(folder / names[0], folder / name)
        (folder / name / "manifest.json").unlink()
        sealed(base, folder / name, name)
    return names


def settings(server: Vllm, *, max_tokens: int = 64) -> Settings:
    return Settings(model_url=server.url, model="tiny", max_tokens=max_tokens)


def opened(server: Vllm, *, max_tokens: int = 64) -> ServedModel:
    return ServedModel(settings(server, max_tokens=max_tokens))


def version(server: Vllm) -> str:
    answer = httpx2.get(f"{server.url.removesuffix('/v1')}/version", timeout=10, trust_env=False)
    return str(answer.json()["version"])


def loaded(model: ServedModel, adapters: Path, names: Sequence[str]) -> Line:
    """Each adapter is loaded, and answers, while the server runs; as the reconciler does it in service."""
    wanted = tuple(Wanted(name, adapters / name, "", lambda name=name: open_sealed(adapters / name) and None) for name in names)  # type: ignore[misc]  # fmt: skip
    if not Reconciler(model.fleet, lambda: Desired(wanted), adapters=adapters).round():
        raise SystemExit(f"an adapter was not loaded: {[one.detail for one in model.fleet.standings() if one.detail]}")
    found = [one for one in model.fleet.standings() if one.adapter in names]
    times = [one.first_answer_ms for one in found if one.first_answer_ms]
    return {
        "measure": "adapter load on vLLM",
        "n": len(times),
        "p50_load_ms": round(statistics.median(one.load_ms for one in found if one.load_ms), 1),
        "p50_ms": round(statistics.median(times), 1),
        "most_ms": round(max(times), 1),
    }


def ask(model: ServedModel, names: Sequence[str], users: int, answers: int, kept: Measured) -> None:
    """People who each ask again as soon as they are answered, one adapter after the other; no prompt twice.

    Timed are `answers` answers after each person's first. A server answers those who ask together together, so a fixed time would
    cut one of its rounds somewhere, and a number of answers does not.
    """
    numbers, more, tag = itertools.count(), threading.Condition(), time.monotonic_ns()
    ended: list[tuple[float, float, bool]] = []
    stopped = threading.Event()

    def person() -> None:
        while not stopped.is_set():
            with more:
                number = next(numbers)
            adapter = names[number % len(names)] if names else ""
            began, text = time.perf_counter(), ""
            with suppress(ModelUnavailable):  # an answer without words: counted as failed
                text = "".join(model.stream(prompt(f"{tag}-{number}"), adapter=adapter)).strip()
            now = time.perf_counter()
            with more:
                kept.failed += not text
                kept.wrong += bool(text) and text != (ADAPTER_SAYS if adapter else BASE_SAYS)
                ended.append((now, now - began, bool(text)))
                more.notify_all()

    threads = [threading.Thread(target=person) for _ in range(users)]
    for thread in threads:
        thread.start()
    with more:
        whole = more.wait_for(lambda: len(ended) >= users + answers, timeout=PATIENCE_S)
    stopped.set()
    for thread in threads:
        thread.join()
    if not whole:
        raise SystemExit(f"{users + answers} answers took more than {PATIENCE_S} s: ask for fewer with --answers")
    timed = ended[users : users + answers]
    kept.seconds += timed[-1][0] - ended[users - 1][0]
    kept.times_ms += [took * 1000 for _, took, answered in timed if answered]


def prompt(about: str) -> Prompt:
    """A question with a passage of its own: what a server may keep of earlier prompts are the rules before it."""
    return build_prompt("When does it open?", [passage("It opens at seven.", title=f"Desk {about}")])


def line(kept: Measured, users: int, *, lora: bool, adapters: int) -> Line:
    return {
        "measure": "adapters at once on vLLM",
        "lora": lora,
        "adapters": adapters,
        "users": users,
        "n": len(kept.times_ms),
        "failed": kept.failed,
        "wrong": kept.wrong,
        "answers_per_second": round(len(kept.times_ms) / kept.seconds, 1),
        "p50_ms": quantile(kept.times_ms, 0.5),
        "p95_ms": quantile(kept.times_ms, 0.95),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=64, metavar="N", help="for each number of adapters (64)")
    parser.add_argument("--users", type=int, default=16, metavar="N", help="people who ask at once (16)")
    args = parser.parse_args()
    return tell(measured(args.answers, args.users))


def tell(lines: Iterable[Line]) -> int:
    """Print each line as soon as it is measured; returns the exit code."""
    for one in lines:
        sys.stdout.write(json.dumps(one) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
