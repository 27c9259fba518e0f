"""The calibrate command: fit the evidence score on judged questions, and say how well retrieval finds their evidence.

    python -m retrieval calibrate --documents demo/documents --people demo/people.yaml demo/questions-a.yaml demo/questions-b.yaml

Each question is asked as its person over a temporary index. It counts as supported where the passages hold its evidence,
as unsupported where it is marked unanswerable; and each answerable one is judged once more with its documents withheld.
Prints retrieval figures by mode; then, without and with the reranker, the fitted coefficients for `retrieval/evidence.py` and
how they separate the two in cross-validation (a question and its withheld twin are judged by the same fold). It changes nothing.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from datetime import date
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from core.errors import BadInput
from core.records import Passage, Principal
from core.settings import load_settings
from retrieval.access import AccessFilter, AnyOf
from retrieval.bm25 import Terms
from retrieval.catalogue import Catalogue
from retrieval.embed import Embedder, Vectors, open_embedder
from retrieval.evidence import Signals, values
from retrieval.index import Hit, Index, SearchMode
from retrieval.metrics import reciprocal_rank
from retrieval.rerank import open_reranker
from retrieval.retriever import MODES, Mode, Reranker, Retriever, today_utc

LIMIT = 8
HELD_SHARE = 0.8
"""A passage holds the evidence where it has this share of its words."""
SUPPORTED_SHARE = 0.75
"""Of the questions that people ask, the part that the documents answer: the score reads as a chance under that share."""
RIDGE = 1.0
FOLDS = 5
_WORD = re.compile(r"\w+")

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judged:
    """A question with what it is judged by. `documents` are those that it belongs to."""

    question: str
    person: str
    answerable: bool
    evidence: str
    documents: frozenset[str]


@dataclass(frozen=True, slots=True)
class Example:
    """One row of the fit, or of its judgement alone: `supported` is None where an answerable question's evidence was not found.

    `asked` tells a question as people asked it from its twin with the documents withheld.
    """

    question: int
    signals: Signals
    supported: bool | None
    answerable: bool
    asked: bool


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "calibrate",
        help="fit the evidence score on judged questions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("questions", nargs="+", type=Path, metavar="QUESTIONS.yaml")
    parser.add_argument("--documents", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--people", type=Path, required=True, metavar="PEOPLE.yaml")
    parser.add_argument("--today", type=date.fromisoformat, default=None, metavar="DATE", help="ask as on that day")


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    judged = [one for path in args.questions for one in read_questions(path)]
    settings = load_settings()
    reranker = open_reranker(settings)
    with demo_index(args.documents, args.people, open_embedder(settings), args.today or today_utc(), reranker) as demo:
        _require_people(judged, demo.people)
        for mode in MODES:
            sys.stdout.write(f"{mode:<8}{_retrieval_figures(demo, judged, mode)}\n")
        for mode in MODES[2:]:
            examples = [one for number, j in enumerate(judged) for one in _examples(demo, number, j, mode)]
            sys.stdout.write(f"\nevidence with mode {mode}\n{_fitted(examples)}")
    return 0


def _fitted(examples: Sequence[Example]) -> str:
    """The coefficients, and what they are worth."""
    known = [one for one in examples if one.supported is not None]
    features = np.array([values(one.signals) for one in known])
    supported = np.array([bool(one.supported) for one in known])
    intercept, weights = fit(features, supported)
    names = ", ".join(f"{f.name}={w:.2f}" for f, w in zip(fields(Signals), weights, strict=False))
    return (
        f"{len(known)} examples, {int(supported.sum())} supported\n"
        f"INTERCEPT = {intercept:.2f}\nWEIGHTS = Signals({names})\n{_separation(examples)}"
    )


def read_questions(path: Path) -> list[Judged]:
    """Raises BadInput where the file is not a list of questions."""
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
        return [_judged(entry) for entry in entries]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
        raise BadInput(f"{path}: needs a list of id, question, person, answerable, evidence and document_id.") from None


class Withholding:
    """An index as it would be without some documents."""

    def __init__(self, index: Index, documents: frozenset[str]) -> None:
        self._index = index
        self._without = AnyOf("document_id", tuple(sorted(documents)))

    def search(
        self, *, dense: Vectors | None, text: str, access: AccessFilter, limit: int, mode: SearchMode
    ) -> list[Hit]:
        return self._index.search(dense=dense, text=text, access=self._narrow(access), limit=limit, mode=mode)

    def term_weights(self, text: str, *, access: AccessFilter) -> Terms:
        return self._index.term_weights(text, access=self._narrow(access))

    def _narrow(self, access: AccessFilter) -> AccessFilter:
        return replace(access, must_not=(*access.must_not, self._without))


@dataclass(frozen=True, slots=True)
class Demo:
    """The documents' index and catalogue, the people who ask, and the day on which they ask."""

    index: Index
    embedder: Embedder
    catalogue: Catalogue
    people: dict[str, Principal]
    today: Callable[[], date]
    reranker: Reranker | None

    def retriever(self, without: frozenset[str] = frozenset()) -> Retriever:
        """Over all documents, or as it would be without some of them."""
        index = Withholding(self.index, without) if without else self.index
        return Retriever(index, self.embedder, self.catalogue, self.reranker, today=self.today)


@contextmanager
def demo_index(
    documents: Path, people_file: Path, embedder: Embedder, today: date, reranker: Reranker | None = None
) -> Iterator[Demo]:
    """The documents, ingested in a temporary home."""
    from core.audit import Audit
    from core.people import People, read_people_file
    from core.store import Store
    from retrieval.edge import EdgeIndex
    from retrieval.ingest import Ingest
    from retrieval.originals import Originals

    groups, people = read_people_file(people_file)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="retrieval-calibrate-")))
        store = stack.enter_context(Store(f"sqlite:///{home / 'assistant.db'}"))
        audit = Audit(store, home)
        People(store, audit).add_groups(groups, actor="calibrate")
        catalogue = Catalogue(store, audit)
        index = EdgeIndex(home / "index", embedder.dimension, model=embedder.name)
        stack.callback(index.close)
        ingest = Ingest(
            catalogue,
            index,
            embedder,
            files=Originals(home / "files"),
            scan=None,
            known_groups=lambda: frozenset(groups),
        )
        for result in ingest.run([documents], actor="calibrate"):
            if result.status == "failed":
                sys.stderr.write(f"failed: {result.path}: {result.reason}\n")
        yield Demo(index, embedder, catalogue, {one.person_id: one for one in people}, lambda: today, reranker)


def holds(passage: Passage, evidence: str) -> bool:
    """Whether the passage has (nearly) all words of one piece of the evidence."""
    words = set(_WORD.findall(passage.text.lower()))
    return any(
        len(words.intersection(piece)) >= HELD_SHARE * len(set(piece))
        for line in evidence.splitlines()
        if (piece := _WORD.findall(line.lower()))
    )


def fit(features: Matrix, supported: NDArray[np.bool_]) -> tuple[float, Matrix]:
    """Ridge logistic regression on standardised signals; a signal that would count against is left out.

    The two classes are weighted to SUPPORTED_SHARE, however many examples there are of each.

    Returns:
        The intercept, and one weight a column, none negative.
    """
    middle, spread = features.mean(axis=0), features.std(axis=0) + 1e-9
    used = list(range(features.shape[1]))
    while True:
        intercept, found = _newton(((features - middle) / spread)[:, used], supported)
        if not used or found.min() >= 0:
            break
        del used[int(found.argmin())]
    weights = np.zeros(features.shape[1])
    weights[used] = found
    weights /= spread
    return float(intercept - weights @ middle), weights


def _newton(features: Matrix, supported: NDArray[np.bool_]) -> tuple[float, Matrix]:
    rows = np.column_stack([np.ones(len(features)), features])
    share = supported.mean()
    balance = np.where(supported, SUPPORTED_SHARE / share, (1 - SUPPORTED_SHARE) / (1 - share))
    penalty = RIDGE * np.diag([0.0] + [1.0] * features.shape[1])
    weights = np.zeros(rows.shape[1])
    for _ in range(50):
        expected = _chance(rows @ weights)
        slope = rows.T @ (balance * (supported - expected)) - penalty @ weights
        curve = (rows * (balance * expected * (1 - expected))[:, None]).T @ rows + penalty
        step = np.linalg.solve(curve, slope)
        weights += step
        if np.abs(step).max() < 1e-8:
            break
    return float(weights[0]), weights[1:]


def _chance(linear: Matrix) -> Matrix:
    result: Matrix = 1.0 / (1.0 + np.exp(-linear))
    return result


def _separation(examples: Sequence[Example]) -> str:
    """Area under the ROC curve, and what some thresholds keep and refuse, in cross-validation."""
    features = np.array([values(one.signals) for one in examples])
    known = np.array([one.supported is not None for one in examples])
    supported = np.array([bool(one.supported) for one in examples])
    fold_of = np.random.default_rng(0).permutation(1 + max(one.question for one in examples)) % FOLDS
    folds = np.array([fold_of[one.question] for one in examples])
    chances = np.zeros(len(examples))
    for fold in range(FOLDS):
        others = known & (folds != fold)
        intercept, weights = fit(features[others], supported[others])
        chances[folds == fold] = _chance(intercept + features[folds == fold] @ weights)
    held, missing = chances[known & supported], chances[known & ~supported]
    higher = held[:, None] - missing[None, :]
    area = float((higher > 0).mean() + 0.5 * (higher == 0).mean())
    answerable = np.array([one.answerable and one.asked for one in examples])
    never = np.array([not one.answerable for one in examples])
    lines = [f"cross-validated AUROC {area:.3f}"]
    for threshold in (0.2, 0.3, 0.35, 0.4, 0.5, 0.6):
        kept, refused = chances >= threshold, chances < threshold
        lines.append(
            f"threshold {threshold}: answers {kept[known & supported].mean():.1%} of the supported, refuses "
            f"{refused[known & ~supported].mean():.1%} of the others; of the questions as asked, keeps "
            f"{kept[answerable].sum()} of {answerable.sum()} answerable, refuses {refused[never].sum()} of {never.sum()} unanswerable"
        )
    return "\n".join(lines) + "\n"


def _examples(demo: Demo, number: int, judged: Judged, mode: Mode) -> Iterator[Example]:
    person = demo.people[judged.person]
    whole = demo.retriever()
    found = whole.retrieve(judged.question, person, limit=LIMIT, mode=mode).passages
    held = judged.answerable and any(holds(passage, judged.evidence) for passage in found)
    if found:
        supported = None if judged.answerable and not held else held
        signals = whole.signals(judged.question, person, found)
        yield Example(number, signals, supported, judged.answerable, asked=True)
    if not judged.answerable:
        return
    rest = demo.retriever(judged.documents)
    others = rest.retrieve(judged.question, person, limit=LIMIT, mode=mode).passages
    if others and not any(holds(passage, judged.evidence) for passage in others):
        yield Example(number, rest.signals(judged.question, person, others), False, judged.answerable, asked=False)


def _retrieval_figures(demo: Demo, judged: Sequence[Judged], mode: Mode) -> str:
    retriever = demo.retriever()
    ranks = []
    for one in (j for j in judged if j.answerable):
        passages = retriever.retrieve(one.question, demo.people[one.person], limit=10, mode=mode).passages
        ranked = ["evidence" if holds(passage, one.evidence) else "" for passage in passages]
        ranks.append(reciprocal_rank(ranked, {"evidence": 1}, 10))
    found = np.array(ranks)
    shares = ", ".join(f"{(found >= 1 / k).mean():.1%} in the first {k}" for k in (1, 3, 8))
    return f"{len(ranks)} questions: evidence {shares}; mrr@10 {found.mean():.3f}"


def _judged(entry: dict[str, object]) -> Judged:
    tags = [str(tag) for tag in entry.get("tags") or []]  # type: ignore[attr-defined]
    also = [tag.removeprefix("also:") for tag in tags if tag.startswith("also:")]
    return Judged(
        question=str(entry["question"]),
        person=str(entry["person"]),
        answerable=bool(entry["answerable"]),
        evidence=str(entry.get("evidence") or ""),
        documents=frozenset([str(entry["document_id"]), *also]),
    )


def _require_people(judged: Sequence[Judged], people: dict[str, Principal]) -> None:
    unknown = sorted({one.person for one in judged} - people.keys())
    if unknown:
        raise BadInput(f"The questions name people that the people file does not: {', '.join(unknown)}.")
