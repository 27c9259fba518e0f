"""The evaluate command: how well each retrieval mode finds the judged documents of a public test collection.

    python -m retrieval evaluate --corpus corpus.jsonl --queries queries.jsonl --qrels qrels/dev.tsv --mode hybrid
    python -m retrieval evaluate ... --mode dense,sparse,hybrid,langchain --json

BEIR's files; several modes share one index. Documents are cut and indexed as ingestion does it, in a temporary folder,
without a catalogue; a document counts where its best passage stands. `langchain` is a plain chain to compare with.

JSON fields: ndcg@10, recall@10, recall@100, mrr@10, queries, documents, index_seconds, query_ms_p50, query_ms_p95.
With several modes each line begins with the field mode.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from statistics import fmean
from typing import Any, get_args

from core.errors import BadInput, MissingExtra
from core.settings import load_settings
from retrieval.access import EVERYTHING, OPEN_END
from retrieval.chunk import chunk, searched_text
from retrieval.collection import Collection, CorpusDocument, read_collection
from retrieval.convert import Page
from retrieval.edge import EdgeIndex
from retrieval.embed import Embedder, open_embedder
from retrieval.index import Payload, Point, SearchMode
from retrieval.metrics import ndcg, percentile, recall, reciprocal_rank

MODES = ("dense", "sparse", "hybrid", "rerank", "langchain")
DEPTH = 100
"""Documents ranked for a query."""
PASSAGES = 300
"""Passages fetched for that, since several may be of one document."""
BATCH = 512

Search = Callable[[str], list[str]]


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
    embedder = open_embedder(load_settings(), remember=False)
    rows = evaluate(collection, embedder, modes)
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


def evaluate(collection: Collection, embedder: Embedder, modes: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each mode and its figures, as they are measured."""
    ours = [mode for mode in modes if mode != "langchain"]
    if ours:
        with _indexed(collection.documents, embedder) as (index, owners, seconds):
            for mode in ours:
                search = _searcher(index, owners, embedder, mode)  # type: ignore[arg-type]
                yield mode, _figures(collection, search, seconds)
    if "langchain" in modes:
        from retrieval.baseline import PlainLangChain

        started = time.perf_counter()
        chain = PlainLangChain(collection.documents, embedder)
        seconds = time.perf_counter() - started
        yield "langchain", _figures(collection, lambda question: chain.search(question, PASSAGES), seconds)


def _modes(given: Sequence[str]) -> list[str]:
    """Raises BadInput for a mode that does not exist, MissingExtra for rerank while there is no reranker."""
    modes = [mode.strip() for words in given or ["hybrid"] for mode in words.split(",")]
    unknown = sorted(set(modes) - set(MODES))
    if unknown:
        raise BadInput(f"Unknown mode {unknown[0][:40]!r}: use one of {', '.join(MODES)}.")
    if "rerank" in modes:
        raise MissingExtra("Mode rerank needs a reranker, and none is installed yet: use --mode hybrid.")
    return list(dict.fromkeys(modes))


@contextmanager
def _indexed(
    documents: Sequence[CorpusDocument], embedder: Embedder
) -> Iterator[tuple[EdgeIndex, dict[str, str], float]]:
    """A temporary index of the documents' passages, the document of each passage, and the seconds that it took."""
    with tempfile.TemporaryDirectory(prefix="retrieval-evaluate-") as folder:
        index = EdgeIndex(Path(folder), embedder.dimension, model=embedder.name)
        try:
            started = time.perf_counter()
            owners: dict[str, str] = {}
            passages = [passage for document in documents for passage in _passages(document)]
            for start in _progress(range(0, len(passages), BATCH)):
                batch = passages[start : start + BATCH]
                vectors = embedder.encode([text for _, _, text in batch])
                owners |= {key: owner for key, owner, _ in batch}
                index.upsert(
                    [Point(k, v, text, _payload(owner)) for (k, owner, text), v in zip(batch, vectors, strict=True)]
                )
            index.optimize()
            yield index, owners, time.perf_counter() - started
        finally:
            index.close()


def _passages(document: CorpusDocument) -> Iterator[tuple[str, str, str]]:
    """Passage id, document id and searched text, cut as ingestion cuts."""
    chunks = chunk([Page(None, document.text)], document.title)
    texts = [searched_text(document.title, one.section, one.text) for one in chunks] or [document.title]
    for ordinal, text in enumerate(texts):
        key = sha256(f"{document.document_id}\n{ordinal}".encode()).hexdigest()[:32]
        yield key, document.document_id, text


def _payload(document_id: str) -> Payload:
    return Payload(document_id, 1, "", 0, ("everyone",), (), 0, OPEN_END, "", "")


def _searcher(index: EdgeIndex, owners: dict[str, str], embedder: Embedder, mode: SearchMode) -> Search:
    assert mode in get_args(SearchMode)

    def search(question: str) -> list[str]:
        dense = None if mode == "sparse" else embedder.encode([question])[0]
        hits = index.search(dense=dense, text=question, access=EVERYTHING, limit=PASSAGES, mode=mode)
        return list(dict.fromkeys(owners[hit.passage_id] for hit in hits))[:DEPTH]

    return search


def _figures(collection: Collection, search: Search, index_seconds: float) -> dict[str, Any]:
    search(next(iter(collection.queries.values())))  # warm
    milliseconds, runs = [], {}
    for query, text in collection.queries.items():
        started = time.perf_counter()
        runs[query] = search(text)
        milliseconds.append((time.perf_counter() - started) * 1000)
    judged = [(runs[query], grades) for query, grades in collection.judged.items()]
    return {
        "ndcg@10": round(fmean(ndcg(found, grades, 10) for found, grades in judged), 4),
        "recall@10": round(fmean(recall(found, grades, 10) for found, grades in judged), 4),
        "recall@100": round(fmean(recall(found, grades, 100) for found, grades in judged), 4),
        "mrr@10": round(fmean(reciprocal_rank(found, grades, 10) for found, grades in judged), 4),
        "queries": len(runs),
        "documents": len(collection.documents),
        "index_seconds": round(index_seconds, 2),
        "query_ms_p50": round(percentile(milliseconds, 0.5), 2),
        "query_ms_p95": round(percentile(milliseconds, 0.95), 2),
    }


def _progress(steps: range) -> Iterator[int]:
    from tqdm import tqdm

    yield from tqdm(steps, desc="indexing", unit="batch", disable=not sys.stderr.isatty(), file=sys.stderr)
