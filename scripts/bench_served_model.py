"""A real language model of 1.5 billion weights behind the answer path: python -m scripts.bench_served_model, from the root of the checkout.

`python scripts/bench.py --part served-model` runs it and keeps its figures. The model is Qwen2.5-Coder-1.5B-Instruct in four bits
(`make small-model NAME=qwen2.5-coder-1.5b`), untaught, on a real vLLM server on the CPU, which shares the machine's cores with the
assistant. It is asked to judge answers and questions, and answers cases of the demo suite, of every kind in turn; the embedded reader
answers the same cases. It needs both environments, a download of 1.1 GB, 8 GB of memory, and takes half an hour on two cores.

JSON fields of a larger model as judge of answers, as judged rail: as of scripts/bench_small_model.py.
JSON fields of the demo suite by a served model: measure, model, n, passed, low, high (95 %), no_answer (of n), ungrounded (of these: what it wrote was withheld, since no passage bears it out), failed (a guard or the model, of n), p50_ms, vllm, machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from assistant.bench import machine
from scripts import small_model
from scripts.bench_causal import Line
from scripts.bench_small_model import MAX_TOKENS, guarding, judging
from scripts.bench_vllm import opened, tell, version
from tests.vllm.server import ENVIRONMENT, serving

ASKED: Final = 60
"""Cases, four of each kind."""
PATIENCE_S: Final = 300
SERVED_AS: Final = "tiny"
"""The name that tests/vllm/server.py gives every model."""


def measured() -> Iterator[Line]:
    if not (ENVIRONMENT / ".installed").exists():
        raise SystemExit("There is no .venv-vllm. Build it with: make vllm")
    base = small_model.write(small_model.QWEN)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        yield from suite(base.name, folder / "reader", {"ASSISTANT_READER": "reader-5"})
        with serving(base, folder / "vllm.log", "--dtype", "bfloat16") as server:
            about = {"vllm": version(server), "machine": machine()}
            model = opened(server, max_tokens=MAX_TOKENS)
            yield judging(model) | {"measure": "a larger model as judge of answers"} | about
            yield guarding(server) | {"measure": "a larger model as judged rail"} | about
            served = {
                "MODEL_URL": server.url,
                "MODEL": SERVED_AS,
                "ASSISTANT_MODEL_TIMEOUT_S": str(PATIENCE_S),
            }
            for line in suite(base.name, folder / "served", served):
                yield line | about


def suite(name: str, out: Path, environment: Mapping[str, str]) -> Iterator[Line]:
    """How the assistant, set so, answers a fast slice of the demo suite, two cases at once."""
    served = "MODEL_URL" in environment
    asked = ["eval", "run", "--suite", "demo", "--limit", str(ASKED), "--no-mlflow", "--json", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", *asked],
        env=os.environ | environment | {"ASSISTANT_HOME": str(out / "home")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    whole = json.loads(done.stdout.splitlines()[-1])
    lines = (Path(whole["report"]).parent / "results.jsonl").read_text(encoding="utf-8").splitlines()
    results = [json.loads(line)["result"] for line in lines]
    yield {
        "measure": "the demo suite by a served model",
        "model": name if served else f"{whole['adapter']}, embedded",
        **{field: whole[field] for field in ("n", "passed", "low", "high")},
        "no_answer": sum(result["status"] == "no_answer" for result in results),
        "ungrounded": sum(result["reason"] == "ungrounded" for result in results),
        "failed": sum(result["status"] == "failed" for result in results),
        "p50_ms": whole["latency_p50_ms"],
        "machine": machine(),
    }


if __name__ == "__main__":
    sys.exit(tell(measured()))
