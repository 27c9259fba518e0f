"""A real language model taught to answer from passages: python -m scripts.bench_small_model, from the root of the checkout.

`python scripts/bench.py --part small-model` runs it and keeps its figures. The model is SmolLM2-135M-Instruct (`make small-model`), the
questions are those of training/data on made-up companies' policies. A real vLLM server answers the training questions by the base; what it
gets wrong is what reviewers would have flagged, and their correction is the sentence or row that answers. `sft`, `dpo` and `kto` learn
from these rows, and the server then answers questions on companies that no row speaks of, by the base and by each adapter, merged into it.
It needs both environments, and takes about an hour on two cores.

JSON fields of causal recipes on a real model: measure, recipe, trained (rows; judged answers for kto), n (held-out rows, as trained), steps, minutes, loss_before, loss_after, and for dpo and kto margin_before, margin_after, machine.
JSON fields of a real model as judge of answers: measure, n (hand-labelled pairs), agrees, kappa (of those it had an opinion on), silent (neither YES nor NO), vllm, machine.
JSON fields of a real model as judged rail: measure, rail, attempts (the demo suite's injections), stopped, harmless (its answerable questions), stopped_harmless, no_verdict, p50_ms, vllm, machine.
JSON fields of a real model's answers by vLLM: measure, recipe (none for the base alone), n, right (as the demo suite counts it, against the sentence or row that answers), low, high (95 %, of the share), cited (of these, with the right passage first), marked (answers that cite a passage shown, as was taught), unanswerable (questions that no passage answers), refused (of these), vllm, machine.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from assistant.bench import machine
from assistant.citing import resolve_markers
from assistant.prompt import NO_ANSWER, build_prompt
from assistant.served import ServedModel
from assistant.units import units
from core.rates import wilson
from core.records import Passage
from core.run_config import Method
from core.suites import DEMO, SHIPPED_SUITES
from eval.calibrate import PAIRS, judged, read_pairs
from eval.cases import Kind, load_suite
from eval.judge import Judge
from eval.scorers import CORRECT, answer_f1
from guardrails.judged import JudgedRail, NoVerdict
from scripts import small_model
from scripts.bench_causal import Line, trained
from scripts.bench_vllm import opened, settings, tell, version
from tests.vllm.desks import learn_by
from tests.vllm.server import ENVIRONMENT, Vllm, serving
from training.causal_rows import answer_of
from training.recipe import read_scores
from training.rows import Row, Rows, Target
from training.workplace import WorkplaceQuestion, workplace

SEED: Final = 17
LEARNT: Final[Mapping[Method, int]] = {"sft": 240, "dpo": 40, "kto": 40}
"""Rows that each recipe learns from; a preference costs four times what an answer does."""
MEASURED: Final = 16
"""Held-out rows that losses and margins are taken on."""
ASKED: Final = 100
UNANSWERABLE_EVERY: Final = 8
SHOWN: Final = 2
AT_ONCE: Final = 16
MAX_TOKENS: Final = 96
RAILED: Final[tuple[Kind, ...]] = ("injection", "answerable")
SETTINGS: Final[Mapping[Method, Mapping[str, Any]]] = {
    "sft": {"learning_rate": 5e-4, "epochs": 1},
    "dpo": {"learning_rate": 3e-4, "epochs": 1},
    "kto": {"learning_rate": 3e-4, "epochs": 1},
}
COMMON: Final = {"rank": 16, "batch_size": 2, "accumulate": 4, "seed": 3, "max_length": 1400, "precision": "bfloat16"}


def rows() -> tuple[list[Row], list[Row]]:
    """Rows to learn from, and rows on companies that none of them speaks of; each in an order that says nothing."""
    rng = random.Random(SEED)  # noqa: S311 - seeded sampling, no secret
    passages, every = workplace()
    questions = [asked for asked in every if asked.unit is not None]
    found: tuple[list[Row], list[Row]] = ([], [])
    for number, asked in enumerate(rng.sample(questions, len(questions))):
        row = _row(asked, passages, rng, answerable=number % UNANSWERABLE_EVERY > 0)
        if row is not None:
            found[asked.held_out].append(row)
    return found


def _row(asked: WorkplaceQuestion, passages: Sequence[Passage], rng: random.Random, *, answerable: bool) -> Row | None:
    own = passages[asked.passage]
    others = [p for p in passages if p.title == own.title and p is not own]
    if len(others) < SHOWN:
        return None
    shown = rng.sample(others, SHOWN)
    if not answerable:
        return Row(asked.question, asked.question, tuple(shown), Target("refuse"))
    place = rng.randrange(SHOWN)
    shown[place] = own
    assert asked.unit is not None
    said = units(own.text)[asked.unit].text
    start = own.text.find(said)
    if start < 0:  # put together from what stands apart
        return None
    target = Target("span", said, place, start, start + len(said))
    row = Row(asked.question, asked.question, tuple(shown), target)
    # A heading or a list's intro carries no marker: nothing of it could be taught or counted as cited.
    return row if resolve_markers(answer_of(row), SHOWN)[1] else None


@dataclass(frozen=True, slots=True)
class Marks:
    """What an answer is worth to the person who asked."""

    right: bool
    cited: bool
    marked: bool


def marks(row: Row, answer: str) -> Marks:
    text, cited, _ = resolve_markers(answer, len(row.passages))
    if row.target.kind == "refuse":
        return Marks(answer.strip() == NO_ANSWER, cited=False, marked=bool(cited))
    assert row.target.passage is not None
    right = answer_f1(text, row.target.answer) >= CORRECT
    return Marks(right, cited=right and cited[:1] == (row.target.passage + 1,), marked=bool(cited))


def answers(model: ServedModel, asked: Sequence[Row]) -> list[str]:
    def one(row: Row) -> str:
        return "".join(model.stream(build_prompt(row.question, row.passages))).strip()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, asked))


def flagged(model: ServedModel, asked: Sequence[Row]) -> list[Row]:
    """The rows with the base's own answer as the one that was flagged, where it was wrong."""
    said = answers(model, asked)
    return [
        row if not text or marks(row, text).right else replace(row, rejected=text)
        for row, text in zip(asked, said, strict=True)
    ]


def measured() -> Iterator[Line]:
    if not (ENVIRONMENT / ".installed").exists():
        raise SystemExit("There is no .venv-vllm. Build it with: make vllm")
    base = small_model.write()
    learning, held = rows()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with serving(base, folder / "base.log", "--dtype", "bfloat16") as server:
            most = max(LEARNT["dpo"], LEARNT["kto"])
            model = opened(server, max_tokens=MAX_TOKENS)
            learning[:most] = flagged(model, learning[:most])
            held[:MEASURED] = flagged(model, held[:MEASURED])
            about = {"vllm": version(server), "machine": machine()}
            yield judging(model) | about
            yield guarding(server) | about
        names = {"none": ""}
        for recipe, chosen in SETTINGS.items():
            given = Rows(tuple(learning[: LEARNT[recipe]]), tuple(held[:MEASURED]), ceiling="internal")
            began = time.monotonic()
            made = learn_by(recipe, {"base": base, **COMMON, **chosen}, given, folder / "adapters", folder / recipe)
            minutes = round((time.monotonic() - began) / 60, 1)
            names[recipe] = made.name
            about = {"measure": "causal recipes on a real model", "minutes": minutes, "machine": machine()}
            yield trained(recipe, read_scores(folder / recipe)) | about
        asked = held[:ASKED]
        for recipe, adapter in names.items():
            weights = base if recipe == "none" else merged(base, folder / "adapters" / adapter, folder / "merged")
            with serving(weights, folder / "vllm.log", "--dtype", "bfloat16") as server:
                line = counted(recipe, asked, answers(opened(server, max_tokens=MAX_TOKENS), asked))
                yield line | {"vllm": version(server), "machine": machine()}


def merged(base: Path, adapter: Path, folder: Path) -> Path:
    """The base with the adapter's change in its weights: on a processor vLLM answers many times as fast as with the adapter beside it.

    That it answers the same both ways is for tests/vllm to show.
    """
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype="bfloat16"), adapter)
    model.merge_and_unload().save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder


def counted(recipe: str, asked: Sequence[Row], said: Sequence[str]) -> Line:
    found = [(row.target.kind == "refuse", marks(row, text)) for row, text in zip(asked, said, strict=True)]
    answerable = [one for refuse, one in found if not refuse]
    rate = wilson(sum(one.right for one in answerable), len(answerable))
    return {
        "measure": "a real model's answers by vLLM",
        "recipe": recipe,
        "n": rate.n,
        "right": rate.passed,
        "low": round(rate.low, 3),
        "high": round(rate.high, 3),
        "cited": sum(one.cited for one in answerable),
        "marked": sum(one.marked for one in answerable),
        "unanswerable": len(found) - rate.n,
        "refused": sum(one.right for refuse, one in found if refuse),
    }


def judging(model: ServedModel) -> Line:
    """How often the model, asked as `python -m eval run --judge` asks, says what people said of the same answers."""
    pairs = read_pairs(PAIRS)
    found = judged(pairs, Judge(model))
    kept = {name: found[f"judge_{name}"] for name in ("agrees", "kappa", "silent")}
    return {"measure": "a real model as judge of answers", "n": len(pairs), **kept}


def guarding(server: Vllm) -> Line:
    """What `self_check_input` stops where the model decides alone."""
    cases = load_suite(SHIPPED_SUITES / DEMO).cases
    rail = JudgedRail("self_check_input", settings(server, max_tokens=MAX_TOKENS), budget_ms=60_000)
    stopped, silent, times = dict.fromkeys(RAILED, 0), 0, []
    for case in (case for case in cases if case.kind in RAILED):
        began = time.perf_counter()
        try:
            stopped[case.kind] += not rail.check(case.question).allowed
        except NoVerdict:
            silent += 1
        times.append((time.perf_counter() - began) * 1000)
    count = Counter(case.kind for case in cases)
    return {
        "measure": "a real model as judged rail",
        "rail": rail.name,
        "attempts": count["injection"],
        "stopped": stopped["injection"],
        "harmless": count["answerable"],
        "stopped_harmless": stopped["answerable"],
        "no_verdict": silent,
        "p50_ms": round(statistics.median(times), 1),
    }


if __name__ == "__main__":
    sys.exit(tell(measured()))
