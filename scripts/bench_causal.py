"""The recipes for causal models on rows held out from training: python -m scripts.bench_causal, from the root of the checkout.

`python scripts/bench.py --part causal` runs it and keeps its figures. The base is tests/vllm/desks.py's small Llama, which says a vague
answer that reviewers flagged, and can say theirs. Each recipe trains on 16 rows and is measured on 8 of other desks, before and
after. Where there is a .venv-vllm, a real vLLM server then answers the held-out questions by the base and by each adapter.

JSON fields of causal recipes on held-out rows: measure, recipe, trained (rows; judged answers for kto), n (held out, as trained), steps, loss_before, loss_after, and for dpo and kto margin_before, margin_after, machine.
JSON fields of causal recipes on vLLM: measure, recipe (none for the base alone), n, reviewed (answers in the reviewers' words), flagged (in those that were flagged), other, vllm, machine.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from assistant.bench import machine
from assistant.served import ServedModel
from scripts.bench_vllm import loaded, opened, tell, version
from tests.vllm.desks import held_out, learn, write_desk_llama
from tests.vllm.server import ENVIRONMENT, WITH_ADAPTERS, serving
from training.recipe import read_scores

Line = dict[str, Any]
RECIPES = ("sft", "dpo", "kto")


def measured() -> Iterator[Line]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        base = write_desk_llama(folder / "base")
        names = {}
        for recipe in RECIPES:
            names[recipe] = learn(recipe, base, folder / "adapters", folder / recipe).name
            yield trained(recipe, read_scores(folder / recipe)) | {"machine": machine()}
        if (ENVIRONMENT / ".installed").exists():
            for line in served(base, folder, names):
                yield line | {"machine": machine()}
        else:
            sys.stderr.write("No figures of vLLM: there is no .venv-vllm. Build it with: make vllm\n")


def trained(recipe: str, scores: Mapping[str, float]) -> Line:
    line = {
        "measure": "causal recipes on held-out rows",
        "recipe": recipe,
        "trained": int(scores["rows"]),
        "n": int(scores["validation_rows"]),
        "steps": int(scores["steps"]),
    }
    for short, measure in (("loss", "validation_loss"), ("margin", "validation_margins")):
        if measure in scores:
            line |= {f"{short}_before": scores[f"{measure}_before"], f"{short}_after": scores[measure]}
    return line


def served(base: Path, folder: Path, names: Mapping[str, str]) -> Iterator[Line]:
    """What a vLLM server answers to the held-out questions, by the base and by each adapter."""
    with serving(base, folder / "vllm.log", *WITH_ADAPTERS, "--dtype", "float32") as server:
        model = opened(server)
        loaded(model, folder / "adapters", list(names.values()))
        for recipe, name in {"none": "", **names}.items():
            yield answered(model, recipe, name) | {"vllm": version(server)}


def answered(model: ServedModel, recipe: str, name: str) -> Line:
    said = [(kind, "".join(model.stream(prompt, adapter=name)).strip()) for kind, prompt in held_out()]
    reviewed = sum(text == f"{kind.reviewed} [1]" for kind, text in said)
    flagged = sum(text == kind.flagged for kind, text in said)
    return {
        "measure": "causal recipes on vLLM",
        "recipe": recipe,
        "n": len(said),
        "reviewed": reviewed,
        "flagged": flagged,
        "other": len(said) - reviewed - flagged,
    }


if __name__ == "__main__":
    sys.exit(tell(measured()))
