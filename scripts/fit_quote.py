"""Fits the weights of the signals that choose what an answer quotes, and those of how sure it is, on question files.

    python scripts/fit_quote.py --home FOLDER demo/questions-a.yaml demo/questions-b.yaml
    python scripts/fit_quote.py --home FOLDER --model quote demo/questions-a.yaml demo/questions-b.yaml

The weights are those of the embedded reader (assistant/embedded.py, and assistant/confidence.py for how sure it is) or of the
quoting model (assistant/quote_signals.py). What comes out is written into those files by hand.

FOLDER is the home of an assistant that has the questions' documents and people. With two files the measure is on each
file with the weights fitted on the other; the weights printed are fitted on both.

--handbooks FOLDER fits on the questions of training/employee_questions.py beside them, at --share of the loss, and measures on their
held-out documents too: FOLDER holds the two handbooks, which are taken in below --home.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from assistant.bootstrap import Assistant, build
from assistant.confidence import READ_WEIGHTS as CONFIDENCE
from assistant.confidence import signals
from assistant.embedded import READER_WEIGHTS, EmbeddedReader, Found
from assistant.quote import QuotingModel, choose
from assistant.quote_signals import WEIGHTS
from assistant.reader import Readers
from assistant.units import Unit
from core.offline import go_quiet
from core.settings import load_settings
from retrieval.retriever import Retrieval
from training.employee_questions import WHO, employee_questions, plain, right_units, take_in

L2 = 2e-3
EVERY = 3
"""Of the handbooks' questions that are fitted on, each so many-th; of the held-out ones, all."""


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


def said_of(model: EmbeddedReader, question: str, found: Found, result: Retrieval) -> dict[str, float]:
    """The signals of how sure an answer is."""
    evidence, glossary = result.evidence, model.glossary
    return signals(question, found.scored, result.passages, evidence=evidence, glossary=glossary, margin=found.margin)


def judged_cases(assistant: Assistant, model: EmbeddedReader, path: Path) -> list[Judged]:
    """Every question of a file: right where all its evidence would be quoted."""
    judged = []
    for question in yaml.safe_load(path.read_text(encoding="utf-8")):
        person = assistant.people.get(question["person"])
        result = assistant.retriever.retrieve(question["question"], person, limit=assistant.settings.retrieve_limit)
        found = model.find(question["question"], result.passages)
        scored = found.scored
        if not scored:
            continue
        said = said_of(model, question["question"], found, result)
        lines = question["evidence"].split("\n") if question["answerable"] else []
        quoted = [s.unit for s in choose(scored)]
        right = bool(lines) and all(any(holds(unit, line) for unit in quoted) for line in lines)
        judged.append(Judged([said[name] for name in CONFIDENCE], question["answerable"], right))
    return judged


@dataclass
class Handbooks:
    """Of the handbooks' questions, those to fit on and those of held-out documents."""

    fitted: list[Case] = field(default_factory=list)
    held_out: list[Case] = field(default_factory=list)
    fitted_judged: list[Judged] = field(default_factory=list)
    held_out_judged: list[Judged] = field(default_factory=list)


def read_handbooks(home: Path, folder: Path) -> Handbooks:
    """A question is right where a part that answers it would be quoted."""
    every = employee_questions()
    taken = [*[q for q in every if not q.held_out][::EVERY], *[q for q in every if q.held_out]]
    read = Handbooks()
    with build(load_settings(home=home / "handbooks")) as assistant:
        model = EmbeddedReader(Readers(assistant.settings), assistant.embedder)
        documents = take_in(assistant, folder)
        for asked in [q for q in taken if q.document in documents]:
            result = assistant.retriever.retrieve(asked.question, WHO, limit=assistant.settings.retrieve_limit)
            right = right_units(asked, result.passages, documents[asked.document]) if asked.quote else set()
            places, values, _ = model.measured(asked.question, result.passages)
            cases = read.held_out if asked.held_out else read.fitted
            if right:
                cases.append(Case(values, [{n for n, (_, p, at) in enumerate(places) if (p, at) in right}]))
            found = model.find(asked.question, result.passages)
            if found.scored:
                said = said_of(model, asked.question, found, result)
                good = any((s.passage, s.place) in right for s in choose(found.scored))
                judged = read.held_out_judged if asked.held_out else read.fitted_judged
                judged.append(Judged([said[name] for name in CONFIDENCE], bool(asked.quote), good))
    return read


def fit_confidence(cases: list[Judged], shares: list[float] | None = None) -> NDArray[np.float64]:
    """Logistic regression on "an answer would be right"; each case counts `shares`, 1 in all."""
    x = torch.tensor([case.signals for case in cases], dtype=torch.float64)
    y = torch.tensor([float(case.right) for case in cases], dtype=torch.float64)
    counts = torch.tensor(shares or [1 / len(cases)] * len(cases), dtype=torch.float64)
    weights = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=300)

    def loss() -> Any:
        optimizer.zero_grad()
        each = torch.nn.functional.binary_cross_entropy_with_logits(x @ weights, y, reduction="none")
        total = (counts * each).sum() + L2 * (weights**2).sum()
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


def shares_of(demo: int, handbooks: int, share: float) -> list[float]:
    """What each case counts, 1 in all: the handbooks' together `share`, where there are any."""
    share = share if handbooks else 0.0
    return [(1 - share) / demo] * demo + [share / max(1, handbooks)] * handbooks


def fit(cases: list[Case], shares: list[float] | None = None) -> NDArray[np.float64]:
    """Weights that make the units with the evidence likely under a softmax over each question's units; `shares` as above."""
    weights = torch.zeros(cases[0].values.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=300)
    counts = shares or [1 / len(cases)] * len(cases)
    data = [(torch.tensor(c.values), torch.tensor(c.right), k) for c, k in zip(cases, counts, strict=True)]

    def loss() -> Any:
        optimizer.zero_grad()
        total = L2 * (weights**2).sum()
        for values, right, count in data:
            sums = values @ weights
            total = total - count * (torch.logsumexp(sums[right], 0) - torch.logsumexp(sums, 0))
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
    parser.add_argument("--handbooks", type=Path)
    parser.add_argument("--share", type=float, default=0.3)
    parser.add_argument("questions", type=Path, nargs="+")
    args = parser.parse_args()
    with build(load_settings(home=args.home)) as assistant:
        model: QuotingModel | EmbeddedReader = QuotingModel(assistant.embedder)
        if args.model == "reader":
            model = EmbeddedReader(Readers(assistant.settings), assistant.embedder)
        files = [read_cases(assistant, model, path) for path in args.questions]
        judged = [judged_cases(assistant, model, path) for path in args.questions if isinstance(model, EmbeddedReader)]
    handbooks = read_handbooks(args.home, args.handbooks) if args.handbooks else Handbooks()
    print_weights(args, files, handbooks)
    if judged:
        print_confidence(args, judged, handbooks)


def print_weights(args: argparse.Namespace, files: list[tuple[list[Case], int]], handbooks: Handbooks) -> None:
    """What today's weights are worth, what those fitted on the other file are, and the weights fitted on all."""
    weights_now = READER_WEIGHTS if args.model == "reader" else WEIGHTS
    now = np.array(list(weights_now.values()))

    def fitted(cases: list[Case]) -> NDArray[np.float64]:
        return fit([*cases, *handbooks.fitted], shares_of(len(cases), len(handbooks.fitted), args.share))

    for path, (cases, asked) in zip(args.questions, files, strict=True):
        others = [case for other, _ in files if other is not cases for case in other]
        print(f"{path}: evidence retrieved for {len(cases)} of {asked}")
        print(f"  weights of today         {measure(now, cases)}")
        if others:
            print(f"  fitted on the other file {measure(fitted(others), cases)}")
    together = [case for cases, _ in files for case in cases]
    weights = fitted(together)
    print(f"fitted on all: {measure(weights, together)}")
    if handbooks.held_out:
        print(f"handbooks held out: today {measure(now, handbooks.held_out)}")
        print(f"  fitted on all {measure(weights, handbooks.held_out)}")
    for name, weight in zip(weights_now, weights, strict=True):
        print(f'    "{name}": {weight:.2f},')


def print_confidence(args: argparse.Namespace, judged: list[list[Judged]], handbooks: Handbooks) -> None:
    """How well an answer's being right is told, on each file by the others, and the weights fitted on all."""

    def fitted(cases: list[Judged]) -> NDArray[np.float64]:
        also = handbooks.fitted_judged
        return fit_confidence([*cases, *also], shares_of(len(cases), len(also), args.share))

    for mine, path in zip(judged, args.questions, strict=True):
        print(f"how sure, {path}: fitted on the other files")
        confidence_table(fitted([c for other in judged if other is not mine for c in other] or mine), mine)
    sure = fitted([case for cases in judged for case in cases])
    if handbooks.held_out_judged:
        print("how sure, handbooks held out: fitted on all the others")
        confidence_table(sure, handbooks.held_out_judged)
    print(", ".join(f'"{name}": {weight:.2f}' for name, weight in zip(CONFIDENCE, sure, strict=True)))


if __name__ == "__main__":
    main()
