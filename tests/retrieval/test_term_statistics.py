"""How rare a word is among what a person may read: counted once, never older than the index, the same as if counted anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.access import access_filter
from retrieval.edge import EdgeIndex
from retrieval.term_statistics import Rarity, TermStatistics
from tests.conftest import make_person
from tests.retrieval.points import EMBEDDER, TODAY, make_point

ANN = access_filter(make_person("ann", clearance="restricted"), today=TODAY)
BEN = access_filter(make_person("ben", clearance="public"), today=TODAY)


class Counter:
    """Counts the terms that it is asked for."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def __call__(self, terms: list[int]) -> dict[int, Rarity]:
        self.asked.append(terms)
        return {term: Rarity(float(term), 1.0) for term in terms}


def test_a_word_is_counted_once_a_filter() -> None:
    statistics, count = TermStatistics(), Counter()
    assert list(statistics.of([3, 1], ANN, count)) == [3, 1]
    assert list(statistics.of([1, 2, 3], ANN, count)) == [1, 2, 3]
    statistics.of([1], BEN, count)
    assert count.asked == [[3, 1], [2], [1]]


def test_a_change_of_the_index_makes_every_word_count_anew() -> None:
    statistics, count = TermStatistics(), Counter()
    statistics.of([1], ANN, count)
    statistics.forget()
    statistics.of([1], ANN, count)
    assert count.asked == [[1], [1]]


def test_the_points_that_a_filter_admits_are_counted_once_until_the_index_changes() -> None:
    statistics, counted = TermStatistics(), list[str]()

    def count() -> int:
        counted.append("counted")
        return 7

    assert [statistics.points(ANN, count) for _ in range(3)] == [7, 7, 7]
    assert len(counted) == 1
    assert statistics.points(BEN, count) == 7
    statistics.forget()
    assert statistics.points(ANN, count) == 7
    assert len(counted) == 3


def test_what_was_counted_while_the_index_changed_is_not_kept() -> None:
    statistics, count = TermStatistics(), Counter()

    def meanwhile(terms: list[int]) -> dict[int, Rarity]:
        statistics.forget()
        return count(terms)

    statistics.of([1], ANN, meanwhile)
    statistics.of([1], ANN, count)
    assert count.asked == [[1], [1]]


def test_filters_and_words_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.term_statistics.WORDS", 3)
    monkeypatch.setattr("retrieval.term_statistics.FILTERS", 1)
    statistics, count = TermStatistics(), Counter()
    statistics.of([1, 2], ANN, count)
    statistics.of([3, 4], ANN, count)
    statistics.of([1], ANN, count)
    statistics.of([9], BEN, count)
    statistics.of([3], ANN, count)
    assert count.asked == [[1, 2], [3, 4], [1], [9], [3]]


def test_the_index_counts_as_if_anew_after_every_kind_of_change(tmp_path: Path) -> None:
    question = "annual leave days in Bristol or on Mars"
    index = EdgeIndex(tmp_path / "index", EMBEDDER.dimension, model=EMBEDDER.name)

    def seen() -> tuple[object, object]:
        weights = index.term_weights(question, access=ANN)
        hits = index.search(dense=None, text=question, access=ANN, limit=10, mode="sparse")
        return weights, [(hit.passage_id, hit.sparse) for hit in hits]

    def anew() -> tuple[object, object]:
        index._statistics.forget()
        return seen()

    first = make_point("Annual leave is 28 days at the Bristol site.")
    index.upsert([first, make_point("Leave the building by the stairs."), make_point("Days are long in June.")])
    before = seen()
    index.upsert([make_point("Annual reviews take place in Bristol.", document_id="reviews")])
    assert seen() != before
    assert seen() == anew()
    index.delete_document("reviews", 1)
    assert seen() == anew()
    index.optimize()
    assert seen() == anew()
    index.close()


def test_words_weigh_by_what_the_asker_may_read_and_not_by_all_that_is_held(tmp_path: Path) -> None:
    index = EdgeIndex(tmp_path / "index", EMBEDDER.dimension, model=EMBEDDER.name)
    open_points = [make_point(f"The canteen opens at noon, table {n}.") for n in range(4)]
    open_points.append(make_point("The merger is told in the canteen news."))
    index.upsert(open_points)
    alone = index.search(dense=None, text="merger canteen", access=BEN, limit=10, mode="sparse")
    index.upsert(
        [make_point(f"The merger, part {n}.", document_id=f"secret-{n}", classification_rank=3) for n in range(20)]
    )
    beside = index.search(dense=None, text="merger canteen", access=BEN, limit=10, mode="sparse")
    assert [hit.passage_id for hit in beside] == [hit.passage_id for hit in alone]
    assert [hit.sparse for hit in beside] == pytest.approx([hit.sparse for hit in alone], rel=1e-5)
    index.close()
