"""Passages that look as if they answered a question and do not: the nearest ones by words (BM25) and by meaning.

Each collection (a reading set, medquad, NFCorpus) is its own pool. What holds the answer's words, says nearly the same as the
right passage or is judged relevant too is no negative. Held-out articles are in no pool that is trained on.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from core.errors import BadInput
from retrieval.bm25 import Bm25
from retrieval.chunk import chunk, searched_text
from retrieval.collection import Collection, read_collection
from retrieval.convert import Page
from retrieval.embed import Embedder
from retrieval.index import DENSE_WEIGHT
from training.reading_data import Kind, ReadingExample, Span

log = logging.getLogger(__name__)

Text = tuple[str, str]
"""Heading (title and section, may be empty) and text of a passage."""
Scores = NDArray[np.float32]

NEAREST = 40
NEGATIVES = 6
SAME_WORDS = 0.6
"""A passage that shares this part of its words with the right one is a cut of the same paragraph, or a copy."""
CEILING = 0.95
"""Where several passages of a pool may answer, those nearer in meaning than this share of the right one's are left out."""
AMBIGUOUS = frozenset({"policyqa", "reddit", "amazon", "conditionalqa", "covidqa"})
SOURCE_WEIGHT = {
    "new_wiki": 2.0,
    "policyqa": 1.6,
    "nq": 1.6,
    "qed": 1.2,
    "conditionalqa": 1.0,
    "covidqa": 0.5,
    "reddit": 0.3,
    "amazon": 0.3,
}
TITLED = frozenset({"new_wiki", "policyqa", "nq", "qed"})
WITHIN_REACH = 0.5
"""NFCorpus's relevant documents below this fused score never reach a reranker, and many share no word with the query."""
MEDQUAD_WORDS = 150
_OWN_QUESTION = re.compile(r"^\s*[^.?!]{5,150}\?\s+")
"""Some answers repeat their question: to be found by it would teach nothing."""


@dataclass(frozen=True, slots=True)
class Mined:
    """A question with the passage that answers it and those that do not.

    Attributes:
        keep: characters of the right passage that a cut of it must hold; None where its beginning will do.
        variants: an altered question or passage each, (question, heading, text), which looks answerable and is not.
        judged: whether the right passage is known to answer, and is not only relevant.
    """

    source: str
    question: str
    positive: Text
    keep: Span | None
    negatives: tuple[Text, ...]
    variants: tuple[tuple[str, str, str], ...] = ()
    judged: bool = True


@dataclass(frozen=True, slots=True)
class Candidates:
    """A question's first-stage candidates, best first: what the first stage's weight is chosen on.

    `owners` are the documents of the candidates, `judged` maps relevant documents to their grades.
    """

    source: str
    question: str
    texts: tuple[Text, ...]
    fused: tuple[float, ...]
    owners: tuple[str, ...]
    judged: dict[str, int]


class Pool:
    """Passages with their BM25 weights and vectors."""

    def __init__(self, texts: Sequence[Text], embedder: Embedder) -> None:
        self.texts = list(texts)
        self._embedder = embedder
        self._bm25 = Bm25()
        whole = [searched_text(heading, "", text) for heading, text in self.texts]
        self._words = [frozenset(text.lower().split()) for _, text in self.texts]
        self._lower = [text.lower() for text in whole]
        self.vectors = embedder.encode(whole)
        self._columns: dict[int, int] = {}
        weights = self._matrix([self._bm25.document(text) for text in whole], grow=True)
        held = np.bincount(weights.indices, minlength=len(self._columns))
        self._idf = np.log(1 + (len(self.texts) - held + 0.5) / (held + 0.5))
        self._weights = weights

    def scores(self, questions: Sequence[str]) -> tuple[Scores, Scores]:
        """Cosine and BM25 score of every passage, each (questions, passages)."""
        cosines = self._embedder.encode(questions) @ self.vectors.T
        asked = self._matrix([self._bm25.query(q) for q in questions], grow=False).multiply(self._idf).tocsr()
        return cosines, (asked @ self._weights.T).toarray().astype(np.float32)

    def fused(self, questions: Sequence[str]) -> Scores:
        """The first stage's score of every passage, as `retrieval.index.fuse` has it."""
        cosines, words = self.scores(questions)
        best = [np.maximum(s.max(axis=1, keepdims=True), 1e-6) for s in (cosines, words)]
        total: Scores = DENSE_WEIGHT * cosines / best[0] + (1 - DENSE_WEIGHT) * words / best[1]
        return total

    def near_copy(self, one: int, other: int) -> bool:
        smaller = min(len(self._words[one]), len(self._words[other]))
        return len(self._words[one] & self._words[other]) >= SAME_WORDS * smaller

    def holds_any(self, place: int, answers: Iterable[str]) -> bool:
        return any(answer in self._lower[place] for answer in answers)

    def nearest(
        self,
        questions: Sequence[str],
        positives: Sequence[int],
        allowed: Callable[[int, int], bool],
        *,
        ceiling: float | None = None,
    ) -> list[list[int]]:
        """Up to NEGATIVES passages a question, in turn by meaning and by words, that `allowed(question, passage)` lets pass."""
        found = []
        for low in range(0, len(questions), 256):
            cosines, words = self.scores(questions[low : low + 256])
            for row in range(len(cosines)):
                number, positive = low + row, positives[low + row]
                highest = np.inf if ceiling is None else ceiling * cosines[row, positive]
                ranked = chain.from_iterable(zip_longest(_best(cosines[row]), _best(words[row])))
                fit = (
                    place
                    for place in dict.fromkeys(p for p in ranked if p is not None)
                    if cosines[row, place] <= highest and not self.near_copy(place, positive) and allowed(number, place)
                )
                found.append([place for place, _ in zip(fit, range(NEGATIVES), strict=False)])
        return found

    def _matrix(self, terms: Sequence[Mapping[int, float]], *, grow: bool) -> csr_matrix:
        rows, columns, values = [], [], []
        for row, one in enumerate(terms):
            for term, weight in one.items():
                column = self._columns.setdefault(term, len(self._columns)) if grow else self._columns.get(term)
                if column is not None:
                    rows.append(row)
                    columns.append(column)
                    values.append(weight)
        return csr_matrix((values, (rows, columns)), shape=(len(terms), len(self._columns)), dtype=np.float32)


def _best(scores: Scores) -> list[int]:
    places = np.argpartition(-scores, min(NEAREST, len(scores) - 1))[:NEAREST]
    return [int(p) for p in places[np.argsort(-scores[places], kind="stable")] if scores[p] > 0]


def mine_reading(
    examples: Sequence[ReadingExample],
    unanswerable: Mapping[Kind, Sequence[ReadingExample]],
    embedder: Embedder,
    *,
    count: int,
    seed: int,
) -> list[Mined]:
    """About `count` questions of the reading sets, each with negatives of its own set and its unanswerable variants."""
    rng = random.Random(seed)  # noqa: S311 - seeded sampling, no secret
    twins: dict[str, list[ReadingExample]] = {}
    for example in chain.from_iterable(unanswerable.values()):
        twins.setdefault(example.example_id.rsplit("#", 1)[0], []).append(example)
    total = sum(SOURCE_WEIGHT[e.source] for e in examples)
    mined: list[Mined] = []
    for source in sorted({e.source for e in examples}):
        mine = [e for e in examples if e.source == source]
        share = count * SOURCE_WEIGHT[source] * len(mine) / total
        asked = rng.sample(mine, min(len(mine), round(share)))
        mined += _mine_source(mine, asked, twins, embedder, rng)
        log.info("mined %d questions of %s", len(asked), source)
    return mined


def _mine_source(
    mine: Sequence[ReadingExample],
    asked: Sequence[ReadingExample],
    twins: Mapping[str, list[ReadingExample]],
    embedder: Embedder,
    rng: random.Random,
) -> Iterator[Mined]:
    articles = {e.passage: e.article for e in mine}
    pool = Pool([("", passage) for passage in articles], embedder)
    places = {passage: place for place, passage in enumerate(articles)}
    answers = [[a.lower() for a in e.answer_texts] for e in asked]
    source = mine[0].source
    found = pool.nearest(
        [e.question for e in asked],
        [places[e.passage] for e in asked],
        lambda number, place: not pool.holds_any(place, answers[number]),
        ceiling=CEILING if source in AMBIGUOUS else None,
    )
    for example, negatives in zip(asked, found, strict=True):
        titled = source in TITLED and rng.random() < 0.5

        def under(passage: str, titled: bool = titled) -> Text:
            return (heading(source, articles[passage]) if titled else "", passage)

        title = under(example.passage)[0]
        yield Mined(
            source,
            example.question,
            (title, example.passage),
            example.answers[0],
            tuple(under(pool.texts[place][1]) for place in negatives),
            tuple((twin.question, title, twin.passage) for twin in twins.get(example.example_id, ())),
        )


def heading(source: str, article: str) -> str:
    """What stands above a passage: the article's name, where it has one that says something."""
    return article.replace("_", " ") if source in TITLED else ""


@dataclass(frozen=True, slots=True)
class _Answer:
    document: str
    focus: str
    kind: str
    question: str
    text: str


def mine_medquad(
    path: Path, embedder: Embedder, *, documents: int, held: int, seed: int
) -> tuple[list[Mined], list[Candidates]]:
    """Questions on diseases: the other sections of the same page are the hardest negatives. `held` pages are kept apart."""
    by_document: dict[str, list[_Answer]] = {}
    for one in _medquad(path):
        by_document.setdefault(one.document, []).append(one)
    several = [name for name, found in by_document.items() if len(found) >= 3]
    several.sort(key=lambda name: hashlib.sha256(name.encode()).digest())
    rng = random.Random(seed)  # noqa: S311
    training = [one for name in several[held : held + documents] for one in by_document[name]]
    apart = [one for name in several[:held] for one in by_document[name]]
    pool = Pool([(one.focus, one.text) for one in training], embedder)
    found = pool.nearest(
        [one.question for one in training],
        range(len(training)),
        lambda number, place: _topic(training[number]) != _topic(training[place]),
    )
    mined = []
    for number, (one, negatives) in enumerate(zip(training, found, strict=True)):
        titled = rng.random() < 0.5
        texts = [(training[place].focus if titled else "", training[place].text) for place in (number, *negatives)]
        mined.append(Mined("medquad", one.question, texts[0], None, tuple(texts[1:])))
    return mined, _medquad_candidates(apart, embedder)


def _medquad_candidates(apart: Sequence[_Answer], embedder: Embedder) -> list[Candidates]:
    pool = Pool([(one.focus, one.text) for one in apart], embedder)
    asked = apart[:: max(1, len(apart) // 150)]
    grades = [{str(n): 1 for n, other in enumerate(apart) if _topic(other) == _topic(one)} for one in asked]
    names = [str(n) for n in range(len(apart))]
    return _candidates("medquad", pool, names, [one.question for one in asked], grades)


def _topic(one: _Answer) -> tuple[str, str]:
    return one.focus.lower(), one.kind


def _medquad(path: Path) -> Iterator[_Answer]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            words = _OWN_QUESTION.sub("", record["answer"] or "").split()
            if len(words) >= 15:
                text = " ".join(words[:MEDQUAD_WORDS])
                question = " ".join(record["question"].replace(" ?", "?").replace("What is (are)", "What is").split())
                yield _Answer(record["url"], record["focus"], record["qtype"], question, text)


def mine_nfcorpus(folder: Path, embedder: Embedder, *, held: int, seed: int) -> tuple[list[Mined], list[Candidates]]:
    """The train queries, their relevant documents' best passages, and negatives; `held` queries are kept apart."""
    collection = read_collection(folder / "corpus.jsonl", folder / "queries.jsonl", folder / "qrels" / "train.tsv")
    texts, owners = _passages(collection)
    pool = Pool(texts, embedder)
    names = sorted(collection.queries, key=lambda name: hashlib.sha256(name.encode()).digest())
    rng = random.Random(seed)  # noqa: S311
    places: dict[str, list[int]] = {}
    for place, owner in enumerate(owners):
        places.setdefault(owner, []).append(place)
    training = names[held:]
    questions = [collection.queries[name] for name in training]
    positives = []
    for low in range(0, len(training), 256):
        fused = pool.fused(questions[low : low + 256])
        for row, name in enumerate(training[low : low + 256]):
            best = [max(places[d], key=lambda place: fused[row, place]) for d in _relevant(collection, name)]
            best.sort(key=lambda place: -fused[row, place])
            positives.append(rng.choice([p for p in best if fused[row, p] >= WITHIN_REACH] or best[:1]))
    found = pool.nearest(
        questions, positives, lambda number, place: owners[place] not in collection.judged[training[number]]
    )
    mined = [
        Mined("nfcorpus", question, texts[positive], None, tuple(texts[n] for n in negatives), judged=False)
        for question, positive, negatives in zip(questions, positives, found, strict=True)
    ]
    asked = names[:held]
    grades = [collection.judged[name] for name in asked]
    return mined, _candidates("nfcorpus", pool, owners, [collection.queries[n] for n in asked], grades)


def _relevant(collection: Collection, name: str) -> list[str]:
    return sorted(document for document, grade in collection.judged[name].items() if grade > 0)


def _passages(collection: Collection) -> tuple[list[Text], list[str]]:
    """Every document's passages, cut as ingestion cuts, and the document of each."""
    texts, owners = [], []
    for document in collection.documents:
        pieces = chunk([Page(None, document.text)], document.title)
        for text in [piece.text for piece in pieces] or [""]:
            texts.append((document.title, text))
            owners.append(document.document_id)
    return texts, owners


def _candidates(
    source: str, pool: Pool, owners: Sequence[str], questions: Sequence[str], grades: Sequence[dict[str, int]]
) -> list[Candidates]:
    fused = pool.fused(questions)
    found = []
    for row, (question, judged) in enumerate(zip(questions, grades, strict=True)):
        places = _best(fused[row])[:30]
        found.append(
            Candidates(
                source,
                question,
                tuple(pool.texts[p] for p in places),
                tuple(round(float(fused[row, p]), 5) for p in places),
                tuple(owners[p] for p in places),
                judged,
            )
        )
    return found


def save(path: Path, rows: Sequence[Mined] | Sequence[Candidates]) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows), encoding="utf-8")
    temporary.replace(path)


def load_mined(path: Path) -> list[Mined]:
    return [
        Mined(
            **row
            | {
                "positive": tuple(row["positive"]),
                "keep": row["keep"] and tuple(row["keep"]),
                "negatives": tuple(map(tuple, row["negatives"])),
                "variants": tuple(map(tuple, row["variants"])),
            }
        )
        for row in _rows(path)
    ]


def load_candidates(path: Path) -> list[Candidates]:
    return [Candidates(**row | {"texts": tuple(map(tuple, row["texts"]))}) for row in _rows(path)]


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except ValueError:
        raise BadInput(f"{path} is damaged: delete it, and the negatives are mined again.") from None
