"""The README's figures: python scripts/bench.py [--data FOLDER], or `make bench DATA=FOLDER`.

Runs the product's own commands, keeps every line that they print in docs/figures.jsonl, and writes docs/figures.md from
them: each figure with its n, its date and the machine; the README's tables of the demo suite, too. FOLDER adds the public sets:
`documents/handbook-18f` for ingestion, `reading/` for the readers, `retrieval/nfcorpus` (BEIR files, dev split) for retrieval and
`pii/synth_dev.jsonl` for personal data.

    python scripts/bench.py --part suite         the demo suite alone: as served, by a plain LangChain chain, by retrieval alone
    python scripts/bench.py --part experiments   what the sequential test does on simulated experiments whose truth is known
    python scripts/bench.py --part small-model   an hour, so only when it is named: a real language model taught, served and asked to judge
    python scripts/bench.py --part served-model  half an hour, only when it is named: a larger model answers the suite and judges
    python scripts/bench.py --part pages         measures nothing: writes the pages again from docs/figures.jsonl
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import suite_figures
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
LINES = ROOT / "docs" / "figures.jsonl"
PAGE = ROOT / "docs" / "figures.md"
README = ROOT / "README.md"
CALIBRATION = ROOT / "docs" / "images" / "reader-calibration.svg"
FITTED = [ROOT / "demo" / f"questions-{part}.yaml" for part in "ab"]
"""What scripts/fit_quote.py fitted the answer weights on: the demo suite asks these questions, too."""
SUITE_SECONDS = 360
PARTS = (
    *("answers", "models", "adapters", "vllm", "causal", "guards", "suite", "experiments"),
    *("reading", "handbook", "ingestion", "retrieval"),  # with --data alone
    *("small-model", "served-model"),  # only when they are named
)
EXPERIMENTS = ("--tests", "2000", "--peek-every", "50")
GOVERN = "owner=handbook@example.com,classification=internal,allowed_groups=everyone"
RAIL_ROUNDS = 200
READING = {
    "sets": "reading held-out questions",
    "kinds": "answerable or not, by kind of question",
    "calibration": "how sure a reader is that a passage answers, and how often it did",
}
NFCORPUS = ("dense", "sparse", "hybrid", "rerank", "langchain")
Line = dict[str, Any]


def command(arguments: Sequence[str], home: Path) -> tuple[list[Line], int]:
    """The JSON lines of one of the product's commands on a home folder of its own, and its peak memory in MB."""
    models = os.environ.get("ASSISTANT_MODELS", str(ROOT / ".run" / "bench" / "models"))
    environment = os.environ | {"ASSISTANT_HOME": str(home), "ASSISTANT_MODELS": models}
    running = subprocess.Popen(
        [sys.executable, "-m", *arguments], env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    with running.stdout as out:
        lines: list[Line] = [json.loads(line) for line in out]
    _, status, used = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode not in (0, 1):  # 1: some files failed, which the lines say
        why = lines[-1].get("message", "") if lines else ""
        raise SystemExit(f"python -m {' '.join(arguments)} ended with exit code {running.returncode}. {why}".rstrip())
    return lines, round(used.ru_maxrss / 1024)


def alone(*arguments: str) -> Iterator[Line]:
    """The JSON lines of one command, on a home folder that nothing else uses."""
    with tempfile.TemporaryDirectory() as home:
        yield from command(arguments, Path(home))[0]


def answer_path() -> Iterator[Line]:
    """Every step but generation, by index size and number of users; and the warm start."""
    yield from alone("assistant", "bench", "--json", "--work", str(ROOT / ".run" / "bench"))


def models() -> Iterator[Line]:
    """The reader and the reranker alone, in every precision, and what all models take in memory."""
    yield from alone("assistant", "bench", "--models", "--json")


def adapters() -> Iterator[Line]:
    """Adapters of the embedded reader: compiled, loaded, several at once, swapped, rolled back under load."""
    yield from alone("assistant", "bench-adapters", "--compile", "--json")


def suite() -> Iterator[Line]:
    """The demo suite's slices and aims: as served, by a plain LangChain chain with the same model, by retrieval alone."""
    from assistant.bench import machine

    asked = ["eval", "run", "--suite", "demo", "--no-mlflow", "--json"]
    prepared = time.perf_counter()
    with tempfile.TemporaryDirectory() as home:
        command([*asked, "--limit", "1"], Path(home))
    prepared = time.perf_counter() - prepared
    for system in suite_figures.SYSTEMS:
        with tempfile.TemporaryDirectory() as home:
            began = time.perf_counter()
            lines, peak = command([*asked, "--system", system], Path(home))
            seconds = round(time.perf_counter() - began, 1)
            results = (Path(lines[-1]["report"]).parent / "results.jsonl").read_text(encoding="utf-8").splitlines()
        times = {"seconds": seconds, "aim_seconds": SUITE_SECONDS, "prepared_seconds": round(prepared, 1)}
        for line in suite_lines(lines, [json.loads(result)["result"] for result in results]):
            more = times | {"peak_mb": peak, "machine": machine()} if line["measure"] == suite_figures.WHOLE else {}
            yield {"measure": line["measure"], "system": system} | line | more


def suite_lines(printed: Sequence[Line], results: Sequence[Line]) -> Iterator[Line]:
    """What the run printed, as the pages keep it, and how the cases fared that the answer weights were fitted on."""
    from core.rates import wilson

    counted = ("n", "passed", "rate", "low", "high")
    parts = [line for line in printed if "slice" in line]
    figures = [line for line in printed if "figure" in line]
    attacks = next(line["n"] for line in figures if line["figure"] == "injection success")
    whole = {name: printed[-1][name] for name in ("adapter", *counted, "latency_p50_ms", "latency_p95_ms")}
    whole["follow_ups"] = sum(line["n"] for line in parts if (line["slice"], line["value"]) == ("kind", "followup"))
    whole["none_of_attacks"] = round(wilson(0, attacks).high, 4)
    yield {"measure": suite_figures.WHOLE} | whole
    for line in figures:
        yield {"measure": suite_figures.AIMS} | line
    for line in parts:
        yield {"measure": suite_figures.SLICES} | {name: line[name] for name in ("slice", "value", *counted)}
    known = {one["id"] for path in FITTED for one in yaml.safe_load(path.read_text(encoding="utf-8"))}
    for value in ("yes", "no"):
        of = [result["passed"] for result in results if (result["case_id"] in known) == (value == "yes")]
        rate = wilson(sum(of), len(of))
        shares = {name: round(getattr(rate, name), 4) for name in ("rate", "low", "high")}
        yield {"measure": suite_figures.SLICES, "slice": suite_figures.FITTED, "value": value, "n": rate.n, "passed": rate.passed} | shares  # fmt: skip


def experiments() -> Iterator[Line]:
    """Simulated experiments that are looked at all the time: no difference, the planned one, a split that is wrong."""
    from assistant.bench import machine

    began = time.perf_counter()
    lines = list(alone("eval", "experiment", "simulate", *EXPERIMENTS, "--json"))
    seconds = round(time.perf_counter() - began, 1)
    for line in lines:
        yield {"measure": "simulated experiments"} | line | {"seconds_for_all": seconds, "machine": machine()}


def vllm() -> Iterator[Line]:
    """Adapters on a real vLLM server: loaded, and several at once against the base alone."""
    if not (ROOT / ".venv-vllm" / ".installed").exists():
        sys.stderr.write("No figures of vLLM: there is no .venv-vllm. Build it with: make vllm\n")
        return
    yield from alone("scripts.bench_vllm")


def causal() -> Iterator[Line]:
    """The recipes for causal models on rows held out from training, and by a vLLM server where there is one."""
    yield from alone("scripts.bench_causal")


def small_model() -> Iterator[Line]:
    """A real language model of 135 million weights: the recipes for causal models, by a vLLM server, and as a judge."""
    yield from alone("scripts.bench_small_model")


def served_model() -> Iterator[Line]:
    """A real language model of 1.5 billion weights: the demo suite through the answer path, and as a judge."""
    yield from alone("scripts.bench_served_model")


def ingestion(folder: Path) -> Iterator[Line]:
    """A folder for the first time, and again unchanged. The model is prepared before, as `make run` leaves it."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        command(["retrieval", "ingest", str(ROOT / "demo" / "documents" / "it"), "--json"], home)
        for measure in ("ingestion, first time", "ingestion, unchanged"):
            began = time.perf_counter()
            lines, peak = command(["retrieval", "ingest", str(folder), "--govern", GOVERN, "--json"], home)
            whole = round(time.perf_counter() - began, 1)
            yield lines[-1] | {"measure": measure, "whole_command_seconds": whole, "peak_mb": peak}


def retrieval(folder: Path) -> Iterator[Line]:
    """All modes and a plain LangChain chain, in one run."""
    files = [
        "--corpus",
        folder / "corpus.jsonl",
        "--queries",
        folder / "queries.jsonl",
        "--qrels",
        folder / "qrels" / "dev.tsv",
    ]
    for line in alone("retrieval", "evaluate", *map(str, files), "--mode", ",".join(NFCORPUS), "--json"):
        yield {"measure": "retrieval on NFCorpus dev"} | line


def handbook(folder: Path) -> Iterator[Line]:
    """Questions on those documents of two real handbooks from which nothing learnt."""
    yield from alone("scripts.bench_handbook", str(folder))


def guards(data: Path | None) -> Iterator[Line]:
    """What the rails find and what they take: personal data, injections, times with and without NeMo Guardrails."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        yield from rails(home)
        yield from personal_data(home, data)
        yield from injections(home)


def rails(home: Path) -> Iterator[Line]:
    """The rails of each stage, and how much NeMo Guardrails adds to what they take without it."""
    direct: dict[str, float] = {}
    for line in command(["guardrails", "bench", "--rounds", str(RAIL_ROUNDS), "--json"], home)[0]:
        times = line.pop("rails")
        adds = round(line["ms_p50"] - direct.setdefault(line["stage"], line["ms_p50"]), 2)
        yield {"measure": "rails"} | line | {"nemo_adds_ms": adds if line["through"] == "nemo" else 0.0}
        if line["through"] == "direct":
            yield from (
                {"measure": "rails one by one", "stage": line["stage"], "rail": rail, "n": line["n"], "ms_p50": ms}
                for rail, ms in times.items()
            )


def personal_data(home: Path, data: Path | None) -> Iterator[Line]:
    """F2 by words on texts that the recogniser of names has not learnt from: our held-out templates, and the labelled file."""
    from training.ner import HELD_OUT, as_rows
    from training.ner_data import sentences

    held_out = home / "held-out.jsonl"
    held_out.write_text("".join(json.dumps(row) + "\n" for row in as_rows(sentences("held out", HELD_OUT, 7))))
    sets = {"held-out templates": held_out} | ({"synth_dev": data / "pii" / "synth_dev.jsonl"} if data else {})
    for name, file in sets.items():
        for line in command(["guardrails", "evaluate", "pii", str(file), "--json"], home)[0]:
            yield {"measure": "personal data", "texts_of": name} | line


def injections(home: Path) -> Iterator[Line]:
    """Attempts and harmless questions that the judge has not learnt from; its card has the families of templates held out."""
    from eval.cases import load_suite
    from training.harmless import ALARMING, HELD_OUT_TRIGGERS

    cases = load_suite(ROOT / "eval" / "suites" / "demo").cases
    plain = [
        case.question for case in cases if case.expect == "answer" and case.kind not in ("injection", "over_refusal")
    ]
    attempts = [case.question for case in cases if case.kind == "injection" and case.expect == "refuse"]
    alarming = [*HELD_OUT_TRIGGERS, *ALARMING, *(case.question for case in cases if case.kind == "over_refusal")]
    sets = {"questions of the demo's suite": [*attempts, *plain], "alarming words, harmless": alarming}
    file = home / "attempts.jsonl"
    for name, texts in sets.items():
        file.write_text("".join(json.dumps({"text": t, "label": int(t in attempts)}) + "\n" for t in texts))
        arguments = ["guardrails", "evaluate", "injection", str(file), "--stage", "input", "--json"]
        for line in command(arguments, home)[0]:
            known = {k: v for k, v in line.items() if line["attacks"] or not k.startswith("recall")}
            yield {"measure": "injection", "texts_of": name} | known


def reading(sets: Path) -> Iterator[Line]:
    """The readers on held-out questions: the one for spans, whose calibration is drawn, and the one that answers in the chat."""
    from assistant.reader import DEFAULT, SPANS

    for adapter in (SPANS, DEFAULT):
        draw = ["--plot", str(CALIBRATION)] if adapter == SPANS else []
        with tempfile.TemporaryDirectory() as home:
            asked = ["training", "score", "--data", str(sets), "--adapter", adapter, *draw, "--json"]
            for line in command(asked, Path(home))[0]:
                part = "kinds" if "kind" in line else "calibration" if "stated" in line else "sets"
                yield {"measure": READING[part], "adapter": adapter} | line


def measure(data: Path | None, part: str) -> Iterator[Line]:
    if part in ("all", "answers"):
        yield from answer_path()
    if part in ("all", "models"):
        yield from models()
    if part in ("all", "adapters"):
        yield from adapters()
    if part in ("all", "guards"):
        yield from guards(data)
    if part in ("all", "suite"):
        yield from suite()
    if part in ("all", "experiments"):
        yield from experiments()
    if part in ("all", "vllm"):
        yield from vllm()
    if part in ("all", "causal"):
        yield from causal()
    if part == "small-model":
        yield from small_model()
    if part == "served-model":
        yield from served_model()
    if data is not None and part in ("all", "reading"):
        yield from reading(data / "reading")
    if data is not None and part in ("all", "handbook"):
        yield from handbook(data / "documents")
    if data is not None and part in ("all", "ingestion"):
        yield from ingestion(data / "documents" / "handbook-18f")
    if data is not None and part in ("all", "retrieval"):
        yield from retrieval(data / "retrieval" / "nfcorpus")


def page(lines: Sequence[Line]) -> str:
    """docs/figures.md: one table a measure."""
    parts = [
        "# Figures\n\nMade by the parts of `make bench DATA=folder`, each on the day and the machine that it names; times of different days do not compare. "
        f"Where nothing else is said: {_made(lines[0])}."
    ]
    for name in dict.fromkeys(line["measure"] for line in lines):
        if name in suite_figures.MEASURES:
            continue
        rows = [
            {k: v for k, v in line.items() if k not in ("measure", "machine", "date", "summary")}
            for line in lines
            if line["measure"] == name
        ]
        own = next(line for line in lines if line["measure"] == name)
        note = "" if _made(lines[0]).startswith(_made(own)) else f"{_made(own)}.\n\n"
        steps = [
            {"passages": r["passages"], "checked": r.get("checked", ""), **r.pop("steps_p50_ms")}
            for r in rows
            if "steps_p50_ms" in r
        ]
        plot = (
            f"\n\n![each tenth with its 95 % interval, beside the line where both are the same]({CALIBRATION.relative_to(PAGE.parent)})"
            if name == READING["calibration"]
            else ""
        )
        parts.append(f"## {name[0].upper()}{name[1:]}\n\n{note}{table(rows)}{plot}")
        if steps:
            parts.append(f"Median milliseconds of each step:\n\n{table(steps)}")
    return "\n\n".join(filter(None, [*parts, suite_figures.section(lines)])) + "\n"


def _made(line: Line) -> str:
    """When, and on which machine."""
    machine = line.get("machine")
    said = f", {machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, no GPU" if machine else ""
    return f"{line['date']}{said}"


def table(rows: Sequence[Line]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [columns, ["---"] * len(columns), *([str(row.get(name, "")) for name in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data",
        type=Path,
        help="folder with documents/handbook-18f, reading/, retrieval/nfcorpus and pii/synth_dev.jsonl",
    )
    parser.add_argument(
        "--part",
        choices=("all", *PARTS, "pages"),
        default="all",
        help="measure only this; the other figures stay as they are. pages: measure nothing, write the pages again",
    )
    args = parser.parse_args()
    if args.data and not args.data.is_dir():
        raise SystemExit(f"{args.data} is no folder: name the one that holds documents/ and retrieval/")
    lines: list[Line] = []
    for line in measure(args.data, args.part):
        lines.append(line | {"date": datetime.now(UTC).date().isoformat()})
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
    again = {line["measure"] for line in lines}
    kept = [json.loads(line) for line in LINES.read_text().splitlines()] if LINES.exists() else []
    lines = [line for line in kept if line["measure"] not in again] + lines
    LINES.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    PAGE.write_text(page(lines), encoding="utf-8")
    told = suite_figures.into_readme(README.read_text(encoding="utf-8"), suite_figures.readme(lines))
    README.write_text(told, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
