"""Ranking measures against worked examples, BEIR files, and the evaluate command on a small collection."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from core.errors import BadInput
from retrieval.collection import CorpusDocument, read_collection
from retrieval.embed import HashEmbedder
from retrieval.evaluate import _modes, evaluate
from retrieval.metrics import ndcg, percentile, recall, reciprocal_rank

FIELDS = [
    "ndcg@10", "recall@10", "recall@100", "mrr@10", "queries", "documents", "index_seconds", "query_ms_p50", "query_ms_p95",
]  # fmt: skip
JUDGED = {"a": 2, "b": 1, "c": 0}


def test_ndcg_uses_grades_as_gains() -> None:
    ideal = 2 + 1 / math.log2(3)
    assert ndcg(["a", "b"], JUDGED, 10) == pytest.approx(1)
    assert ndcg(["b", "x", "a"], JUDGED, 10) == pytest.approx((1 + 2 / math.log2(4)) / ideal)
    assert ndcg(["c", "x"], JUDGED, 10) == 0
    assert ndcg(["x", "a"], JUDGED, 1) == 0


def test_recall_and_reciprocal_rank_count_positive_grades_only() -> None:
    assert recall(["c", "a", "x"], JUDGED, 3) == 0.5
    assert recall(["x", "x", "a"], JUDGED, 2) == 0
    assert reciprocal_rank(["c", "x", "b"], JUDGED, 10) == pytest.approx(1 / 3)
    assert reciprocal_rank(["c"], JUDGED, 10) == 0


def test_percentile_is_a_value_that_was_measured() -> None:
    assert percentile([3, 1, 2, 4], 0.5) == 2
    assert percentile([3, 1, 2, 4], 0.95) == 4
    assert percentile([], 0.5) == 0


def write_collection(folder: Path) -> tuple[Path, Path, Path]:
    subjects = ("annual leave", "parking permits", "travel allowance", "probe calibration", "password length")
    corpus = [
        {"_id": f"d{n}", "title": subject.title(), "text": f"This text is about {subject} and nothing else."}
        for n, subject in enumerate(subjects)
    ]
    queries = [{"_id": f"q{n}", "text": f"what about {subject}"} for n, subject in enumerate(subjects)]
    queries.append({"_id": "unjudged", "text": "never asked"})
    qrels = ["query-id\tcorpus-id\tscore", *(f"q{n}\td{n}\t2" for n in range(5)), "q0\td1\t0"]
    for name, lines in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    (folder / "dev.tsv").write_text("\n".join(qrels) + "\n", encoding="utf-8")
    return folder / "corpus.jsonl", folder / "queries.jsonl", folder / "dev.tsv"


def test_every_mode_reports_the_same_fields_and_finds_the_easy_documents(tmp_path: Path) -> None:
    collection = read_collection(*write_collection(tmp_path))
    rows = dict(evaluate(collection, HashEmbedder(), ["dense", "sparse", "hybrid", "langchain"]))
    assert list(rows) == ["dense", "sparse", "hybrid", "langchain"]
    for mode, figures in rows.items():
        assert list(figures) == FIELDS
        assert (figures["queries"], figures["documents"]) == (5, 5)
        assert figures["recall@10"] == 1
        assert figures["ndcg@10"] > 0.9, mode


def test_lines_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    corpus, queries, qrels = write_collection(tmp_path)
    with pytest.raises(BadInput, match="cannot be read"):
        read_collection(tmp_path / "none.jsonl", queries, qrels)
    qrels.write_text("query-id\tcorpus-id\tscore\nq0\td0\thigh\n", encoding="utf-8")
    with pytest.raises(BadInput, match="line 2"):
        read_collection(corpus, queries, qrels)
    queries.write_text('{"_id": "q0"}\n', encoding="utf-8")
    with pytest.raises(BadInput, match=r"queries.jsonl, line 1: needs _id and text"):
        read_collection(corpus, queries, qrels)
    corpus.write_text("nonsense\n", encoding="utf-8")
    with pytest.raises(BadInput, match="not a JSON object"):
        read_collection(corpus, queries, qrels)


def test_files_of_two_collections_are_noticed(tmp_path: Path) -> None:
    corpus, queries, qrels = write_collection(tmp_path)
    qrels.write_text("other\td0\t1\n", encoding="utf-8")
    with pytest.raises(BadInput, match="one collection"):
        read_collection(corpus, queries, qrels)


def test_judgements_of_documents_that_the_corpus_lacks_are_noticed(tmp_path: Path) -> None:
    corpus, queries, qrels = write_collection(tmp_path)
    qrels.write_text("q0\telsewhere\t1\nq1\td1\t0\n", encoding="utf-8")
    with pytest.raises(BadInput, match="one collection"):
        read_collection(corpus, queries, qrels)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"_id": "d0", "text": "a"}', '{"_id": "d0", "text": "b"}'], "line 2: an earlier line has the same _id"),
        (['{"_id": "d0", "text": "half \\ud800"}'], "line 1: not a JSON object"),
        (["[" * 100_000], "line 1: not a JSON object"),
    ],
)
def test_corpus_lines_that_would_count_wrong_are_named(tmp_path: Path, lines: list[str], message: str) -> None:
    corpus, queries, qrels = write_collection(tmp_path)
    corpus.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(BadInput, match=message):
        read_collection(corpus, queries, qrels)


def test_missing_titles_and_byte_order_marks_are_no_words(tmp_path: Path) -> None:
    corpus, queries, qrels = write_collection(tmp_path)
    corpus.write_text('\ufeff{"_id": "d0", "title": null, "text": null}\n', encoding="utf-8")
    assert read_collection(corpus, queries, qrels).documents[0] == CorpusDocument("d0", "", "")


def test_modes_are_checked_before_anything_is_indexed() -> None:
    assert _modes([]) == ["hybrid"]
    assert _modes(["dense,sparse", "hybrid", "rerank"]) == ["dense", "sparse", "hybrid", "rerank"]
    with pytest.raises(BadInput, match="dense, sparse, hybrid, rerank, langchain"):
        _modes(["fuzzy"])
