"""Times the small models alone, every precision beside torch in one run: what `python -m assistant bench --models` prints."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from assistant.bench import quantile
from assistant.reader import DEFAULT
from core.errors import BadInput
from core.settings import Settings
from retrieval.adapters import adapter_folder, open_adapter
from retrieval.compile import PRECISIONS
from retrieval.network import Network, compile_once, run_of
from retrieval.rerank import pair_windows
from retrieval.windows import build_windows

WORDS = 200
READ, RERANKED = 5, 20
ROUNDS = 30
OPEN_ALL = """
import re
from pathlib import Path
from core.offline import go_quiet
go_quiet()
from assistant.reader import Readers
from core.settings import load_settings
from retrieval.adapters import adapter_folder
from retrieval.embed import open_embedder
from retrieval.rerank import open_reranker
settings = load_settings()
def peak_mb():  # getrusage would begin with the peak of the process that started this one
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
before = peak_mb()
embedder, reader = open_embedder(settings), Readers(settings)
reranker = open_reranker(settings, adapter_folder(settings.home, "reranker-1"))
passage = "The form is returned to the service desk within five working days. " * 18
embedder.encode([passage] * 8)
reader.read("When is the form returned?", [passage] * 5)
reranker.score_texts("When is the form returned?", [("", passage)] * 20)
print(before, peak_mb())
"""


def figures(settings: Settings, documents: Sequence[Path], questions: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One line for each model and precision: milliseconds for one question's passages, and how near it is to torch."""
    passages = cut_passages(documents, RERANKED)
    for kind, name, count in (("reader", DEFAULT, READ), ("reranker", "reranker-1", RERANKED)):
        adapter = open_adapter(adapter_folder(settings.home, name), kind)  # type: ignore[arg-type]
        compiled, folder = compile_once(adapter, settings.models_folder)
        for precision in PRECISIONS if compiled else ("torch",):
            network = Network(adapter, run_of(adapter, folder, precision), precision)
            timed = _times(_ask(network, kind, passages[:count]), questions)
            line = {"measure": f"{kind}, {count} passages of {WORDS} words", "precision": precision, "n": len(timed)}
            line |= {"p50_ms": quantile(timed, 0.5), "p95_ms": quantile(timed, 0.95)}
            yield line | ({"probability_gap": compiled.measured[precision].probability_gap} if compiled else {})
    done = subprocess.run([sys.executable, "-c", OPEN_ALL], capture_output=True, text=True, check=True)
    before, after = map(float, done.stdout.split())
    yield {
        "measure": "embedder, reader and reranker in memory",
        "n": 1,
        "process_mb": round(after),
        "models_mb": round(after - before),
    }


def cut_passages(documents: Sequence[Path], count: int) -> list[str]:
    """The first `count` runs of WORDS words of the markdown files in the folders; raises BadInput where there are fewer."""
    files = sorted(path for folder in documents for path in folder.rglob("*.md"))
    words = itertools.chain.from_iterable(path.read_text(encoding="utf-8").split() for path in files)
    passages = [" ".join(itertools.islice(words, WORDS)) for _ in range(count)]
    if not passages[-1]:
        raise BadInput(f"The documents hold less than {count} passages of {WORDS} words in markdown; name others.")
    return passages


def _ask(network: Network, kind: str, passages: Sequence[str]) -> Callable[[str], object]:
    if kind == "reader":
        return lambda question: network.run(build_windows(network.tokenizer, question, passages))
    texts = [("", passage) for passage in passages]
    return lambda question: network.run(pair_windows(network.tokenizer, question, texts))


def _times(ask: Callable[[str], object], questions: Sequence[str]) -> list[float]:
    """Milliseconds of ROUNDS questions, after as many to warm up."""
    found = []
    for number, question in enumerate(itertools.islice(itertools.cycle(questions), 2 * ROUNDS)):
        began = time.perf_counter()
        ask(question)
        if number >= ROUNDS:
            found.append((time.perf_counter() - began) * 1000)
    return found
