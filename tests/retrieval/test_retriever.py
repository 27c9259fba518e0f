"""Retrieval as it is put together: real store, catalogue, ingest and embedded index, with the deterministic embedder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from core.audit import Audit
from core.errors import BadInput, MissingExtra
from core.people import People
from core.records import Passage, Principal
from core.store import Store
from retrieval.access import access_filter
from retrieval.catalogue import Catalogue
from retrieval.edge import EdgeIndex
from retrieval.embed import HashEmbedder
from retrieval.evidence import Found, Signals, evidence, signals
from retrieval.index import Index
from retrieval.ingest import Ingest
from retrieval.langchain import GovernedRetriever
from retrieval.originals import Originals
from retrieval.retriever import Retrieval, Retriever
from tests.conftest import make_person
from tests.retrieval.points import TODAY

EMMA = make_person("emma")
HANA = make_person("hana", groups=("employees", "hr"), clearance="restricted")

FILES = {
    "leave-1.md": ("hr-leave", "version: 1\nclassification: internal", "Annual leave", "Employees get 25 days of annual leave a year."),
    "leave-2.md": ("hr-leave", "version: 2\nclassification: internal\neffective: 2026-06-01", "Annual leave", "Employees get 28 days of annual leave a year, and five may be carried over."),
    "salaries.md": ("hr-salaries", "classification: restricted\nallowed_groups: [hr]", "Salary bands", "Band four starts at 48,000 pounds and the leave allowance is paid on top."),
    "party.md": ("party", "classification: internal\nexpires: 2026-01-31", "Party", "The leave party for annual retirees is on 20 January."),
    "pool.md": ("pool", "classification: public\ndenied_groups: [contractors]", "Pool cars", "Pool cars are booked at reception two days ahead."),
    "draft.md": ("draft", "classification: public\nstatus: draft", "Draft", "Unfinished thoughts about annual leave."),
}  # fmt: skip
DEFAULTS = {
    "owner": "people@kestrelbay.example",
    "department": "HR",
    "classification": "internal",
    "allowed_groups": ["everyone"],
    "effective": date(2025, 1, 1),
    "status": "approved",
    "version": 1,
}


@pytest.fixture
def index(home: Path) -> Iterator[EdgeIndex]:
    opened = EdgeIndex(home / "index", 384, model="hash-384")
    yield opened
    opened.close()


@pytest.fixture
def catalogue(store: Store, audit: Audit) -> Catalogue:
    return Catalogue(store, audit)


@pytest.fixture
def ingest(home: Path, catalogue: Catalogue, index: EdgeIndex, people: People, tmp_path: Path) -> Ingest:
    folder = tmp_path / "documents"
    folder.mkdir()
    for name, (document_id, metadata, title, text) in FILES.items():
        front = f"---\ndocument_id: {document_id}\ntitle: {title}\n{metadata}\n---\n\n"
        (folder / name).write_text(f"{front}# {title}\n\n{text}\n", encoding="utf-8")
    taker = Ingest(
        catalogue,
        index,
        HashEmbedder(),
        files=Originals(home / "files"),
        scan=None,
        known_groups=lambda: people.groups(),
    )
    results = list(taker.run([folder], actor="test", defaults=DEFAULTS))
    assert {r.document_id for r in results if r.status != "indexed"} == {"draft"}, results
    return taker


@pytest.fixture
def retriever(ingest: Ingest, index: EdgeIndex, catalogue: Catalogue) -> Retriever:
    return Retriever(index, HashEmbedder(), catalogue, today=lambda: TODAY)


def found_documents(found: Retrieval) -> list[tuple[str, int]]:
    return [(p.document_id, p.version) for p in found.passages]


@pytest.mark.parametrize("mode", ["dense", "sparse", "hybrid"])
def test_newest_version_answers_and_neither_old_nor_expired_nor_draft_nor_foreign(
    retriever: Retriever, mode: str
) -> None:
    found = retriever.retrieve("days of annual leave", EMMA, mode=mode)  # type: ignore[arg-type]
    documents = found_documents(found)
    assert documents[0] == ("hr-leave", 2)
    assert not {"hr-salaries", "party", "draft"} & {name for name, _ in documents}
    assert ("hr-leave", 1) not in documents
    assert found.dropped == 0


def test_cleared_person_finds_what_others_do_not(retriever: Retriever) -> None:
    assert ("hr-salaries", 1) in found_documents(retriever.retrieve("salary band four", HANA))
    assert ("hr-salaries", 1) not in found_documents(retriever.retrieve("salary band four", EMMA))


def test_old_version_answers_on_the_days_that_were_its_own(ingest: Ingest, index: Index, catalogue: Catalogue) -> None:
    earlier = Retriever(index, HashEmbedder(), catalogue, today=lambda: date(2026, 5, 31))
    assert found_documents(earlier.retrieve("days of annual leave", EMMA))[0] == ("hr-leave", 1)


def test_hits_that_the_catalogue_does_not_confirm_are_dropped_and_counted(
    ingest: Ingest, index: EdgeIndex, catalogue: Catalogue
) -> None:
    """The index is made to say the wrong thing, as a bug or a stale replica would."""
    (passage,) = catalogue.passages("hr-salaries", 1)
    (open_passage,) = catalogue.passages("pool", 1)
    assert passage.passage_id in index.passage_ids("hr-salaries", 1)
    wrong = access_filter(HANA, today=TODAY)
    leaky = Leaky(index, lambda: wrong)
    found = Retriever(leaky, HashEmbedder(), catalogue, today=lambda: TODAY).retrieve("salary band four", EMMA)
    assert ("hr-salaries", 1) not in found_documents(found)
    assert found.dropped == 1
    assert open_passage.passage_id in {p.passage_id for p in found.passages}


class Leaky:
    """A real index behind a filter that is somebody else's."""

    def __init__(self, index: EdgeIndex, access: Callable[[], object]) -> None:
        self._index, self._access = index, access

    def __getattr__(self, name: str) -> object:
        return getattr(self._index, name)

    def search(self, **asked: object) -> object:
        return self._index.search(**(asked | {"access": self._access()}))  # type: ignore[arg-type]


def test_retired_document_is_not_found_from_the_next_question_on(retriever: Retriever, ingest: Ingest) -> None:
    assert ("pool", 1) in found_documents(retriever.retrieve("pool cars", EMMA))
    ingest.retire("pool", 1, "test")
    assert ("pool", 1) not in found_documents(retriever.retrieve("pool cars", EMMA))


def test_metadata_filter_and_its_mistakes(retriever: Retriever) -> None:
    found = retriever.retrieve("annual leave", EMMA, filters={"document_id": "pool"})
    assert found_documents(found) == [("pool", 1)]
    with pytest.raises(BadInput, match="Unknown filter"):
        retriever.retrieve("annual leave", EMMA, filters={"groups": "hr"})


@pytest.mark.parametrize(("limit", "mode"), [(0, "hybrid"), (101, "hybrid"), (5, "fuzzy")])
def test_limit_and_mode_are_checked(retriever: Retriever, limit: int, mode: str) -> None:
    with pytest.raises(BadInput):
        retriever.retrieve("annual leave", EMMA, limit=limit, mode=mode)  # type: ignore[arg-type]


def test_rerank_without_a_reranker_says_that_none_is_installed(retriever: Retriever) -> None:
    with pytest.raises(MissingExtra, match="none is installed yet"):
        retriever.retrieve("annual leave", EMMA, mode="rerank")


class ByLength:
    """A reranker that prefers short passages: enough to see that its order is the one that counts."""

    fused_weight = 0.0

    def score(self, question: str, passages: Sequence[Passage]) -> list[float]:
        return [1 / len(p.text) for p in passages]


def test_reranker_decides_the_order_of_the_hybrid_candidates(
    ingest: Ingest, index: EdgeIndex, catalogue: Catalogue
) -> None:
    retriever = Retriever(index, HashEmbedder(), catalogue, ByLength(), today=lambda: TODAY)
    found = retriever.retrieve("annual leave pool cars", EMMA, mode="rerank")
    lengths = [len(p.text) for p in found.passages]
    assert lengths == sorted(lengths)
    assert set(found.passages[0].scores) >= {"rerank", "fused"}


@pytest.mark.parametrize("question", ["", "?", "\u202e\u200b", "the of and", "x" * 5000])
def test_odd_question_gives_a_result_and_no_error(retriever: Retriever, question: str) -> None:
    assert 0 <= retriever.retrieve(question, EMMA).evidence <= 1


def test_timings_name_every_step(retriever: Retriever) -> None:
    assert list(retriever.retrieve("annual leave", EMMA).timings_ms) == ["embed", "search", "check", "evidence"]


def test_evidence_is_higher_for_what_the_documents_hold(retriever: Retriever) -> None:
    known = retriever.retrieve("days of annual leave carried over", EMMA).evidence
    unknown = retriever.retrieve("zeppelin hangar insurance premium", EMMA).evidence
    assert known > unknown


def test_nothing_found_is_no_evidence(retriever: Retriever) -> None:
    found = retriever.retrieve("annual leave", EMMA, filters={"document_id": "no-such"})
    assert found.passages == ()
    assert found.evidence == 0


def test_evidence_rises_with_each_signal() -> None:
    middle = Signals(0.5, 0.5, 0.5, 0.5)
    for field in ("cosine", "coverage", "agreement", "focus"):
        assert evidence(replace(middle, **{field: 0.9})) >= evidence(middle)
    assert 0 < evidence(Signals(0, 0, 0, 0)) < evidence(Signals(1, 1, 1, 1)) < 1


def test_coverage_weighs_rare_words_more() -> None:
    weights = {1: 0.5, 2: 4.5}
    common = signals(weights, [Found("d", frozenset({1}), 0.5, 1.0)], fused=True)
    rare = signals(weights, [Found("d", frozenset({2}), 0.5, 1.0)], fused=True)
    assert (common.coverage, rare.coverage) == (pytest.approx(0.1), pytest.approx(0.9))


def test_copies_of_a_passage_are_shown_once(ingest: Ingest, retriever: Retriever, tmp_path: Path) -> None:
    text = "The gate code changes on the first Monday of every month at noon, and reception tells it to visitors."
    folder = tmp_path / "copies"
    folder.mkdir()
    for name in ("one", "two"):
        front = f"---\ndocument_id: {name}\ntitle: Gate {name}\nclassification: internal\n---\n\n"
        own = " ".join(f"{name}{n}" for n in range(60))
        (folder / f"{name}.md").write_text(f"{front}# Gate\n\n{text}\n\n## Other\n\n{own}\n", encoding="utf-8")
    assert {r.status for r in ingest.run([folder], actor="test", defaults=DEFAULTS)} == {"indexed"}
    found = retriever.retrieve("when does the gate code change", EMMA, limit=20)
    assert sum(text in p.text for p in found.passages) == 1


def test_langchain_retriever_keeps_the_persons_rules(retriever: Retriever) -> None:
    def titles(person: Principal) -> set[str]:
        documents = GovernedRetriever(retriever=retriever, person=person, limit=5).invoke("salary band four")
        assert all(d.metadata["score"] >= 0 and d.id for d in documents)
        return {d.metadata["title"] for d in documents}

    assert "Salary bands" in titles(HANA)
    assert "Salary bands" not in titles(EMMA)
