"""Fits the weights of the signals that choose what an answer quotes, and those of how sure it is, on question files.

    python scripts/fit_quote.py --home FOLDER demo/questions-a.yaml demo/questions-b.yaml
    python scripts/fit_quote.py --home FOLDER --model quote demo/questions-a.yaml demo/questions-b.yaml

The weights are those of the embedded reader (assistant/embedded.py, and assistant/confidence.py for how sure it is) or of the
quoting model (assistant/quote_signals.py). What comes out is written into those files by hand.

FOLDER is the home of an assistant that has the questions' documents and people. With two files the measure is on each
file with the weights fitted on the other; the weights printed are fitted on both.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from assistant.bootstrap import Assistant, build
from assistant.confidence import WEIGHTS as CONFIDENCE
from assistant.confidence import signals
from assistant.embedded import READER_WEIGHTS, EmbeddedReader
from assistant.quote import QuotingModel, choose
from assistant.quote_signals import WEIGHTS
from assistant.reader import Readers
from assistant.units import Unit
from core.offline import go_quiet
from core.settings import load_settings
from scripts.bench_handbook import plain

L2 = 2e-3


@dataclass(frozen=True)
class Case:
    """Signals of every unit, shape (units, signals), and for each line of evidence the units that hold it."""

    values: NDArray[np.float64]
    lines: list[set[int]]

    @property
    def right(self) -> list[int]:
        return sorted(set().union(*self.lines))


def holds(unit: Unit, line: str) -> bool:
    """Whether the unit has the evidence: a sentence word for word, or every cell of a table row."""
    cells = [plain(cell) for cell in line.split("|") if plain(cell)]
    said = plain(f"{unit.said} {unit.text}" if len(cells) > 1 else unit.text)
    return all(cell in said for cell in cells)


def read_cases(assistant: Assistant, model: QuotingModel | EmbeddedReader, path: Path) -> tuple[list[Case], int]:
    """The answerable questions whose evidence was retrieved, and how many answerable ones there are."""
    cases, asked = [], [q for q in yaml.safe_load(path.read_text(encoding="utf-8")) if q["answerable"]]
    for question in asked:
        person = assistant.people.get(question["person"])
        found = assistant.retriever.retrieve(question["question"], person, limit=assistant.settings.retrieve_limit)
        places, values = model.measured(question["question"], found.passages)[:2]
        lines = [
            {i for i, (u, _, _) in enumerate(places) if holds(u, line)} for line in question["evidence"].split("\n")
        ]
        if any(lines):
            cases.append(Case(values, lines))
    return cases, len(asked)


@dataclass(frozen=True)
class Judged:
    """What speaks for answering a question, in the order of `confidence.WEIGHTS`, and whether an answer would be right."""

    signals: list[float]
    answerable: bool
    right: bool


def judged_cases(assistant: Assistant, model: EmbeddedReader, path: Path) -> list[Judged]:
    """Every question of a file: right where all its evidence would be quoted."""
    found = []
    for question in yaml.safe_load(path.read_text(encoding="utf-8")):
        person = assistant.people.get(question["person"])
        result = assistant.retriever.retrieve(question["question"], person, limit=assistant.settings.retrieve_limit)
        scored = model.find(question["question"], result.passages).scored
        if not scored:
            continue
        said = signals(question["question"], scored, result.passages, evidence=result.evidence, glossary=model.glossary)
        lines = question["evidence"].split("\n") if question["answerable"] else []
        quoted = [s.unit for s in choose(scored)]
        right = bool(lines) and all(any(holds(unit, line) for unit in quoted) for line in lines)
        found.append(Judged([said[name] for name in CONFIDENCE], question["answerable"], right))
    return found


def fit_confidence(cases: list[Judged]) -> NDArray[np.float64]:
    """Logistic regression on "an answer would be right"."""
    x = torch.tensor([case.signals for case in cases], dtype=torch.float64)
    y = torch.tensor([float(case.right) for case in cases], dtype=torch.float64)
    weights = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=300)

    def loss() -> Any:
        optimizer.zero_grad()
        total = torch.nn.functional.binary_cross_entropy_with_logits(x @ weights, y) + L2 * (weights**2).sum()
        total.backward()
        return total

    optimizer.step(loss)
    found: NDArray[np.float64] = weights.detach().numpy()
    return found


def confidence_table(weights: NDArray[np.float64], cases: list[Judged]) -> None:
    """For some thresholds: right answers that are kept, and unanswerable questions that are refused."""
    for least in (0.3, 0.35, 0.4, 0.45, 0.5):
        sure = [1 / (1 + np.exp(-np.dot(weights, case.signals))) >= least for case in cases]
        right = [s for s, case in zip(sure, cases, strict=True) if case.right]
        none = [not s for s, case in zip(sure, cases, strict=True) if not case.answerable]
        print(f"  from {least}: {sum(right)} of {len(right)} right answers kept, {sum(none)} of {len(none)} refused")


def fit(cases: list[Case]) -> NDArray[np.float64]:
    """Weights that make the units with the evidence likely under a softmax over each question's units."""
    weights = torch.zeros(cases[0].values.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=300)
    data = [(torch.tensor(case.values), torch.tensor(case.right)) for case in cases]

    def loss() -> Any:
        optimizer.zero_grad()
        total = L2 * (weights**2).sum()
        for values, right in data:
            sums = values @ weights
            total = total - (torch.logsumexp(sums[right], 0) - torch.logsumexp(sums, 0)) / len(data)
        total.backward()
        return total

    optimizer.step(loss)
    found: NDArray[np.float64] = weights.detach().numpy()
    return found


def measure(weights: NDArray[np.float64], cases: list[Case]) -> dict[str, float]:
    first = third = every = 0
    for case in cases:
        order = list(np.argsort(-(case.values @ weights)))
        first += order[0] in case.right
        third += bool(set(order[:3]) & set(case.right))
        every += all(line & set(order[:3]) for line in case.lines)
    n = len(cases)
    return {
        "n": n,
        "first": round(first / n, 3),
        "first three": round(third / n, 3),
        "all evidence in three": round(every / n, 3),
    }


def main() -> None:
    go_quiet()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--model", choices=("reader", "quote"), default="reader")
    parser.add_argument("questions", type=Path, nargs="+")
    args = parser.parse_args()
    with build(load_settings(home=args.home)) as assistant:
        model: QuotingModel | EmbeddedReader = QuotingModel(assistant.embedder)
        if args.model == "reader":
            model = EmbeddedReader(Readers(assistant.settings), assistant.embedder)
        files = [read_cases(assistant, model, path) for path in args.questions]
        judged = [judged_cases(assistant, model, path) for path in args.questions if isinstance(model, EmbeddedReader)]
    weights_now = READER_WEIGHTS if args.model == "reader" else WEIGHTS
    now = np.array(list(weights_now.values()))
    for path, (cases, asked) in zip(args.questions, files, strict=True):
        others = [case for other, _ in files if other is not cases for case in other]
        print(f"{path}: evidence retrieved for {len(cases)} of {asked}")
        print(f"  weights of today         {measure(now, cases)}")
        if others:
            print(f"  fitted on the other file {measure(fit(others), cases)}")
    together = [case for cases, _ in files for case in cases]
    weights = fit(together)
    print(f"fitted on all: {measure(weights, together)}")
    for name, weight in zip(weights_now, weights, strict=True):
        print(f'    "{name}": {weight:.1f},')
    for mine, path in zip(judged, args.questions, strict=False):
        print(f"how sure, {path}: fitted on the other files")
        confidence_table(fit_confidence([c for other in judged if other is not mine for c in other] or mine), mine)
    if judged:
        sure = fit_confidence([case for cases in judged for case in cases])
        print(", ".join(f'"{name}": {weight:.1f}' for name, weight in zip(CONFIDENCE, sure, strict=True)))


if __name__ == "__main__":
    main()
