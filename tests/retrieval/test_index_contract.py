"""One set of cases for every index: Qdrant Edge, qdrant-client's in-memory mode, by itself and behind Qdrant's REST addresses, and
a real server where QDRANT_URL is set."""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import QdrantClient

from assistant.scripted import ScriptedModel, ScriptedServer
from core.errors import BadInput, IndexUnavailable
from core.settings import Settings
from retrieval.access import EVERYTHING, FILTERABLE, access_filter, admits, document_filter
from retrieval.edge import EdgeIndex
from retrieval.index import DENSE_WEIGHT, Hit, Index, Payload, SearchMode, fuse
from retrieval.server import ServerIndex, open_server
from tests.conftest import make_person
from tests.retrieval.points import EMBEDDER, OPEN, TODAY, make_point, random_payload, random_person
from tests.retrieval.qdrant_stand_in import QdrantStandIn

Opener = Callable[[], Index]
ANN = access_filter(make_person("ann", clearance="restricted"), today=TODAY)


@pytest.fixture(
    params=["edge", "in-memory", "stand-in", pytest.param("server", marks=pytest.mark.qdrant_server)],
)
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Index]:
    opened: Index
    if request.param == "edge":
        opened = EdgeIndex(tmp_path / "index", EMBEDDER.dimension, model=EMBEDDER.name)
        yield opened
        opened.close()
        return
    if request.param == "stand-in":
        with QdrantStandIn() as server:
            yield from on_server(QdrantClient(url=server.url, check_compatibility=False))
        return
    url = os.environ.get("QDRANT_URL", "")
    if request.param == "server" and not url:
        pytest.skip("QDRANT_URL is not set: no Qdrant server to test against")
    yield from on_server(QdrantClient(url=url) if request.param == "server" else QdrantClient(":memory:"))


def on_server(client: QdrantClient) -> Iterator[Index]:
    collection = f"test-{uuid.uuid4().hex}"
    opened = ServerIndex(client, collection, EMBEDDER.dimension, model=EMBEDDER.name)
    yield opened
    client.delete_collection(collection)
    opened.close()


def find(index: Index, text: str, *, mode: SearchMode = "hybrid", limit: int = 10, access: object = ANN) -> list[Hit]:
    return index.search(dense=EMBEDDER.encode([text])[0], text=text, access=access, limit=limit, mode=mode)  # type: ignore[arg-type]


TEXTS = (
    "Employees get 28 days of annual leave and may carry over five days.",
    "Parking permits are issued by facilities at the Bristol site.",
    "The travel allowance for Hamburg is 42 euros a day.",
    "Expense claims above 500 pounds need a director's approval.",
)


@pytest.mark.parametrize("mode", ["dense", "sparse", "hybrid"])
def test_the_passage_about_the_question_comes_first_in_every_mode(index: Index, mode: SearchMode) -> None:
    points = [make_point(text) for text in TEXTS]
    index.upsert(points)
    for point, question in zip(
        points, ("days of annual leave", "parking permits", "travel allowance Hamburg", "expense approval"), strict=True
    ):
        hits = find(index, question, mode=mode)
        assert hits[0].passage_id == point.passage_id
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_a_hybrid_hit_carries_the_cosine_and_the_bm25_score(index: Index) -> None:
    point = make_point(TEXTS[0])
    index.upsert([point, make_point(TEXTS[1])])
    hit = find(index, "annual leave days")[0]
    expected = float(EMBEDDER.encode(["annual leave days"])[0] @ point.dense)
    assert hit.dense == pytest.approx(expected, abs=1e-4)
    assert hit.sparse is not None
    assert hit.sparse > 0


def test_nothing_outside_the_filter_is_found_by_random_people(index: Index) -> None:
    rng = random.Random(11)
    points = {}
    for number in range(120):
        point = make_point(f"common words number {number}", random_payload(rng, number))
        points[point.passage_id] = point
    index.upsert(list(points.values()))
    for number in range(25):
        filters = rng.choice(({}, {"department": "HR"}, {"language": "de"}, {"classification": "internal"}))
        access = access_filter(random_person(rng, number), today=TODAY, filters=filters)
        allowed = {key for key, point in points.items() if admits(access, point.payload.as_dict())}
        for mode in ("dense", "sparse", "hybrid"):
            found = {hit.passage_id for hit in find(index, "common words", mode=mode, limit=200, access=access)}  # type: ignore[arg-type]
            assert found == allowed


def test_word_statistics_come_from_readable_passages_only(index: Index) -> None:
    """A score must not tell how often a word stands in passages that the person may not read."""
    index.upsert([make_point(text) for text in TEXTS])
    internal = access_filter(make_person("ben"), today=TODAY)
    before = find(index, "parking permits", mode="sparse", access=internal)[0].sparse
    index.upsert([make_point(f"secret parking plan {n}", document_id="s", classification_rank=3) for n in range(20)])
    after = find(index, "parking permits", mode="sparse", access=internal)[0].sparse
    assert after == pytest.approx(before)


def test_upsert_of_the_same_passage_replaces_it(index: Index) -> None:
    index.upsert([make_point(TEXTS[0])])
    index.upsert([make_point(TEXTS[0], owner="new@kestrelbay.example")])
    assert index.count() == 1
    access = access_filter(make_person("ann"), today=TODAY, filters={"owner": "new@kestrelbay.example"})
    assert len(find(index, "leave", access=access)) == 1


def test_deleted_version_is_gone_and_its_neighbour_stays(index: Index) -> None:
    first, second = make_point(TEXTS[0]), make_point(TEXTS[0], version=2)
    index.upsert([first, second])
    index.delete_document("hr-leave", 1)
    assert index.passage_ids("hr-leave", 1) == set()
    assert index.passage_ids("hr-leave", 2) == {second.passage_id}
    assert [hit.passage_id for hit in find(index, "annual leave")] == [second.passage_id]


def test_new_payload_decides_from_then_on(index: Index) -> None:
    index.upsert([make_point(TEXTS[0])])
    index.set_payload("hr-leave", 1, replace(OPEN, denied_groups=("employees",)))
    assert find(index, "annual leave") == []
    outsider = access_filter(make_person("otto", groups=("contractors",)), today=TODAY)
    assert len(find(index, "annual leave", access=outsider)) == 1


@pytest.mark.parametrize("text", ["", "the of and", "?!", "\u202e\u200b", "x" * 5000])
def test_question_without_content_words_is_no_error(index: Index, text: str) -> None:
    index.upsert([make_point(TEXTS[0])])
    assert find(index, text, mode="sparse") == []
    assert len(find(index, text)) == 1


def test_empty_index_finds_nothing(index: Index) -> None:
    assert index.count() == 0
    assert find(index, "annual leave") == []
    assert index.passage_ids("hr-leave", 1) == set()


def test_dense_search_without_a_vector_is_refused(index: Index) -> None:
    with pytest.raises(BadInput, match="vector"):
        index.search(dense=None, text="leave", access=ANN, limit=5, mode="hybrid")
    index.upsert([make_point(TEXTS[0])])
    assert len(index.search(dense=None, text="leave", access=ANN, limit=5, mode="sparse")) == 1


def test_passage_id_that_is_no_uuid_is_refused(index: Index) -> None:
    point = make_point(TEXTS[0])
    with pytest.raises(BadInput, match="32 hex"):
        index.upsert([replace(point, passage_id="not-an-id")])


def test_term_weights_are_higher_for_rarer_words_and_highest_for_unknown_ones(index: Index) -> None:
    index.upsert([make_point(f"policy number {n} about {'parking' if n < 3 else 'leave'}") for n in range(10)])
    common, rare, unknown = (index.term_weights(word, access=ANN) for word in ("policy", "parking", "zeppelin"))
    assert next(iter(common.values())) < next(iter(rare.values())) < next(iter(unknown.values()))


def test_snapshot_answers_like_the_index_and_holds_its_payload(index: Index, tmp_path: Path) -> None:
    rng = random.Random(5)
    index.upsert([make_point(f"common words {n}", random_payload(rng, n)) for n in range(40)])
    index.snapshot(tmp_path / "copy")
    copy = EdgeIndex(tmp_path / "copy", EMBEDDER.dimension, model=EMBEDDER.name)
    try:
        assert copy.count() == 40
        for number in range(10):
            access = access_filter(random_person(rng, number), today=TODAY)
            here, there = find(index, "common words 7", access=access), find(copy, "common words 7", access=access)
            assert [h.passage_id for h in here] == [h.passage_id for h in there]
            assert np.allclose([h.score for h in here], [h.score for h in there], atol=1e-4)
        assert index.count() == 40
    finally:
        copy.close()


def test_snapshot_into_a_folder_with_files_is_refused(index: Index, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "mine.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(BadInput, match="not empty"):
        index.snapshot(tmp_path / "copy")


def test_everything_filter_admits_every_point() -> None:
    assert admits(EVERYTHING, OPEN.as_dict())


def test_server_that_is_down_says_so() -> None:
    with pytest.raises(IndexUnavailable, match="start it, or correct QDRANT_URL"):
        ServerIndex(QdrantClient(url="http://127.0.0.1:9", check_compatibility=False), "passages", 64)


def test_server_that_goes_away_is_told_at_each_call_and_found_again_when_it_is_back(home: Path) -> None:
    with QdrantStandIn() as server:
        index = open_server(Settings(home=home, qdrant_url=server.url), EMBEDDER.dimension)
        index.upsert([make_point(TEXTS[0])])
        server.stop()
        calls: list[Callable[[], object]] = [
            index.count,
            lambda: find(index, "annual leave"),
            lambda: index.upsert([make_point(TEXTS[1])]),
            lambda: index.delete_document("hr-leave", 1),
            lambda: index.passage_ids("hr-leave", 1),
            lambda: index.term_weights("leave", access=ANN),
        ]
        for call in calls:
            with pytest.raises(IndexUnavailable, match="start it, or correct QDRANT_URL"):
                call()
        server.start()
        assert len(find(index, "annual leave")) == 1
        index.close()


def test_something_else_at_that_address_is_told(home: Path) -> None:
    with ScriptedServer(ScriptedModel()) as other, pytest.raises(IndexUnavailable, match="correct QDRANT_URL"):
        open_server(Settings(home=home, qdrant_url=other.url), EMBEDDER.dimension)


def test_every_field_that_a_filter_may_ask_has_a_payload_index_also_where_a_killed_process_left_some_out(
    home: Path,
) -> None:
    with QdrantStandIn() as server:
        settings = Settings(home=home, qdrant_url=server.url)
        open_server(settings, EMBEDDER.dimension).close()
        made = dict(server.indexes["passages"])
        del server.indexes["passages"]["classification_rank"], server.indexes["passages"]["answers_until"]
        open_server(settings, EMBEDDER.dimension).close()
        assert server.indexes["passages"] == made
    assert {field.name for field in fields(Payload)} == made.keys(), "whatever a point carries can be filtered by"
    narrowed = access_filter(make_person("ann"), today=TODAY, filters=dict.fromkeys(FILTERABLE, "internal"))
    upkeep = document_filter("hr-leave", 1)
    asked = {c.field for one in (narrowed, upkeep) for c in (*one.must, *one.must_not)}
    assert asked <= made.keys()


def test_fused_score_is_one_where_both_sides_put_a_passage_first_and_falls_with_each() -> None:
    dense, sparse = [("both", 0.8), ("meaning", 0.4)], [("both", 9.0), ("words", 4.5)]
    hits = {hit.passage_id: hit for hit in fuse(dense, sparse, limit=10)}
    assert hits["both"].score == pytest.approx(1)
    assert hits["meaning"].score == pytest.approx(DENSE_WEIGHT * 0.5)
    assert hits["words"].score == pytest.approx(DENSE_WEIGHT * 0.5 + (1 - DENSE_WEIGHT) * 0.5)
    assert (hits["words"].dense, hits["meaning"].sparse) == (None, None)


def test_one_empty_side_or_a_side_without_a_positive_score_is_no_error() -> None:
    assert [hit.passage_id for hit in fuse([], [("a", 2.0), ("b", 1.0)], limit=1)] == ["a"]
    assert [hit.passage_id for hit in fuse([("a", -0.2)], [], limit=5)] == ["a"]
    assert fuse([], [], limit=5) == []
