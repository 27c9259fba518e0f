"""The evaluate command: how well each retrieval mode finds the judged documents of a public test collection.

    python -m retrieval evaluate --corpus corpus.jsonl --queries queries.jsonl --qrels qrels/dev.tsv --mode hybrid
    python -m retrieval evaluate ... --mode dense,sparse,hybrid,langchain --json

BEIR's files; several modes share one index. Documents are cut and indexed as ingestion does it, in a temporary folder,
without a catalogue; a document counts where its best passage stands. `rerank` reads the first passages of `hybrid` again;
`langchain` is a plain chain to compare with.

JSON fields: ndcg@10, recall@10, recall@100, mrr@10, queries, documents, index_seconds, query_ms_p50, query_ms_p95.
With several modes each line begins with the field mode.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import fmean
from typing import Any, get_args

from core.errors import BadInput
from core.settings import load_settings
from retrieval.access import EVERYTHING, OPEN_END
from retrieval.chunk import chunk, searched_text
from retrieval.collection import Collection, CorpusDocument, read_collection
from retrieval.convert import Page
from retrieval.edge import EdgeIndex
from retrieval.embed import Embedder, open_embedder
from retrieval.index import Hit, Payload, Point, SearchMode
from retrieval.metrics import ndcg, percentile, recall, reciprocal_rank
from retrieval.rerank import RERANKED, CrossEncoder, heading_of, open_reranker, rank_score

MODES = ("dense", "sparse", "hybrid", "rerank", "langchain")
DEPTH = 100
"""Documents ranked for a query."""
PASSAGES = 300
"""Passages fetched for that, since several may be of one document."""
BATCH = 512

Search = Callable[[str], list[str]]


@dataclass(frozen=True, slots=True)
class Ranked:
    """What one mode found: the documents of each query, best first, and how long that took."""

    runs: dict[str, list[str]]
    milliseconds: list[float]
    index_seconds: float


@dataclass(frozen=True, slots=True)
class _Piece:
    """A passage of the temporary index, and the document that it is of."""

    owner: str
    title: str
    section: str
    text: str


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "evaluate",
        help="measure retrieval on a judged test collection",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name in ("corpus", "queries", "qrels"):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--mode", action="append", default=[], metavar="M[,M]", help=f"{', '.join(MODES)}; several share the index"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a mode")


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    modes = _modes(args.mode)
    collection = read_collection(args.corpus, args.queries, args.qrels)
    settings = load_settings()
    reranker = open_reranker(settings) if "rerank" in modes else None
    rows = evaluate(collection, open_embedder(settings, remember=False), modes, reranker)
    for number, (mode, figures) in enumerate(rows):
        if args.json:
            shown = figures if len(modes) == 1 else {"mode": mode, **figures}
            sys.stdout.write(json.dumps(shown) + "\n")
        else:
            if number == 0:
                sys.stdout.write(f"{'mode':<10}" + "".join(f"{name:>15}" for name in figures) + "\n")
            sys.stdout.write(f"{mode:<10}" + "".join(f"{value:>15}" for value in figures.values()) + "\n")
        sys.stdout.flush()
    return 0


def evaluate(
    collection: Collection, embedder: Embedder, modes: Sequence[str], reranker: CrossEncoder | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each mode and its figures, as they are measured."""
    for mode, ranked in rank(collection, embedder, modes, reranker):
        yield mode, _figures(collection, ranked)


def rank(
    collection: Collection, embedder: Embedder, modes: Sequence[str], reranker: CrossEncoder | None = None
) -> Iterator[tuple[str, Ranked]]:
    """Each mode and what it found."""
    ours = [mode for mode in modes if mode != "langchain"]
    if ours:
        with _indexed(collection.documents, embedder) as (index, pieces, seconds):
            for mode in ours:
                yield mode, _ask(collection, _searcher(index, pieces, embedder, mode, reranker), seconds)
    if "langchain" in modes:
        from retrieval.baseline import PlainLangChain

        started = time.perf_counter()
        chain = PlainLangChain(collection.documents, embedder)
        seconds = time.perf_counter() - started
        yield "langchain", _ask(collection, lambda question: chain.search(question, PASSAGES), seconds)


def _modes(given: Sequence[str]) -> list[str]:
    """Raises BadInput for a mode that does not exist."""
    modes = [mode.strip() for words in given or ["hybrid"] for mode in words.split(",")]
    unknown = sorted(set(modes) - set(MODES))
    if unknown:
        raise BadInput(f"Unknown mode {unknown[0][:40]!r}: use one of {', '.join(MODES)}.")
    return list(dict.fromkeys(modes))


@contextmanager
def _indexed(
    documents: Sequence[CorpusDocument], embedder: Embedder
) -> Iterator[tuple[EdgeIndex, dict[str, _Piece], float]]:
    """A temporary index of the documents' passages, the passages by their ids, and the seconds that it took."""
    with tempfile.TemporaryDirectory(prefix="retrieval-evaluate-") as folder:
        index = EdgeIndex(Path(folder), embedder.dimension, model=embedder.name)
        try:
            started = time.perf_counter()
            pieces = {key: piece for document in documents for key, piece in _pieces(document)}
            keys = list(pieces)
            for start in _progress(range(0, len(keys), BATCH)):
                batch = [(key, pieces[key]) for key in keys[start : start + BATCH]]
                texts = [searched_text(one.title, one.section, one.text) for _, one in batch]
                vectors = embedder.encode(texts)
                index.upsert(
                    [
                        Point(key, vector, text, _payload(one.owner))
                        for (key, one), vector, text in zip(batch, vectors, texts, strict=True)
                    ]
                )
            index.optimize()
            yield index, pieces, time.perf_counter() - started
        finally:
            index.close()


def _pieces(document: CorpusDocument) -> Iterator[tuple[str, _Piece]]:
    """Passage id and passage, cut as ingestion cuts."""
    chunks = chunk([Page(None, document.text)], document.title)
    cut = [(one.section, one.text) for one in chunks] or [("", "")]
    for ordinal, (section, text) in enumerate(cut):
        searched = searched_text(document.title, section, text)
        key = sha256(f"{document.document_id}\n{ordinal}\n{searched}".encode()).hexdigest()[:32]
        yield key, _Piece(document.document_id, document.title, section, text)


def _payload(document_id: str) -> Payload:
    return Payload(document_id, 1, "", 0, ("everyone",), (), 0, OPEN_END, "", "")


def _searcher(
    index: EdgeIndex, pieces: Mapping[str, _Piece], embedder: Embedder, mode: str, reranker: CrossEncoder | None
) -> Search:
    engine_mode: SearchMode = "hybrid" if mode == "rerank" else mode  # type: ignore[assignment]
    assert engine_mode in get_args(SearchMode)

    def search(question: str) -> list[str]:
        dense = None if mode == "sparse" else embedder.encode([question])[0]
        hits = index.search(dense=dense, text=question, access=EVERYTHING, limit=PASSAGES, mode=engine_mode)
        if mode == "rerank":
            assert reranker is not None  # rank() is given one with that mode
            hits = [*_reranked(question, hits[:RERANKED], pieces, reranker), *hits[RERANKED:]]
        return list(dict.fromkeys(pieces[hit.passage_id].owner for hit in hits))[:DEPTH]

    return search


def _reranked(question: str, hits: Sequence[Hit], pieces: Mapping[str, _Piece], reranker: CrossEncoder) -> list[Hit]:
    found = [pieces[hit.passage_id] for hit in hits]
    scores = reranker.score_texts(question, [(heading_of(one.title, one.section), one.text) for one in found])
    places = {
        hit.passage_id: rank_score(score, hit.score, reranker.fused_weight)
        for hit, score in zip(hits, scores, strict=True)
    }
    return sorted(hits, key=lambda hit: -places[hit.passage_id])


def _ask(collection: Collection, search: Search, index_seconds: float) -> Ranked:
    search(next(iter(collection.queries.values())))  # warm
    milliseconds, runs = [], {}
    for query, text in collection.queries.items():
        started = time.perf_counter()
        runs[query] = search(text)
        milliseconds.append((time.perf_counter() - started) * 1000)
    return Ranked(runs, milliseconds, index_seconds)


def _figures(collection: Collection, found: Ranked) -> dict[str, Any]:
    judged = [(found.runs[query], grades) for query, grades in collection.judged.items()]
    return {
        "ndcg@10": round(fmean(ndcg(ranked, grades, 10) for ranked, grades in judged), 4),
        "recall@10": round(fmean(recall(ranked, grades, 10) for ranked, grades in judged), 4),
        "recall@100": round(fmean(recall(ranked, grades, 100) for ranked, grades in judged), 4),
        "mrr@10": round(fmean(reciprocal_rank(ranked, grades, 10) for ranked, grades in judged), 4),
        "queries": len(found.runs),
        "documents": len(collection.documents),
        "index_seconds": round(found.index_seconds, 2),
        "query_ms_p50": round(percentile(found.milliseconds, 0.5), 2),
        "query_ms_p95": round(percentile(found.milliseconds, 0.95), 2),
    }


def _progress(steps: range) -> Iterator[int]:
    from tqdm import tqdm

    yield from tqdm(steps, desc="indexing", unit="batch", disable=not sys.stderr.isatty(), file=sys.stderr)
