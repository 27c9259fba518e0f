"""What the catalogue lets through: the second access check, versions over time, and who may see which document."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from core.errors import NotFound
from tests.conftest import make_person
from tests.retrieval.shelf import TODAY, Shelf, governed

EMPLOYEE = make_person("emma.employee")
CONTRACTOR = make_person("carl.contractor", groups=("contractors",))
HR = make_person("hana.hr", groups=("employees", "hr"), clearance="restricted")


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.md").write_text(text)
    return folder


def leave(version: int, days: int, effective: str, **more: object) -> str:
    body = f"# Leave\n\nEmployees have {days} days of annual leave."
    return governed("hr-leave", body, version=version, effective=effective, **more)  # type: ignore[arg-type]


def test_clearance_allow_and_deny_decide_who_is_answered(shelf: Shelf, tmp_path: Path) -> None:
    docs = write(
        tmp_path / "docs",
        a=governed("a", "Leave for all.", classification="public"),
        b=governed("b", "Leave for staff only.", allowed="employees"),
        c=governed("c", "Leave for all but contractors.", denied="contractors"),
        d=governed("d", "Leave of the restricted kind.", classification="restricted"),
        e=governed("e", "Leave for hr alone, confidential.", classification="confidential", allowed="hr"),
    )
    shelf.run(docs)
    assert set(shelf.answers(EMPLOYEE, "leave")) == {"a v1", "b v1", "c v1"}
    assert set(shelf.answers(CONTRACTOR, "leave")) == {"a v1"}
    assert set(shelf.answers(HR, "leave")) == {"a v1", "b v1", "c v1", "d v1", "e v1"}


def test_answerable_refuses_what_the_index_should_not_have_found(shelf: Shelf, tmp_path: Path) -> None:
    shelf.run(write(tmp_path / "docs", d=governed("d", "Restricted words.", classification="restricted")))
    ids = [p.passage_id for p in shelf.catalogue.passages("d", 1)]
    assert set(shelf.catalogue.answerable(ids, HR, TODAY)) == set(ids)
    assert shelf.catalogue.answerable(ids, EMPLOYEE, TODAY) == {}
    assert shelf.catalogue.answerable(["0" * 32], HR, TODAY) == {}


def test_a_version_answers_until_the_day_before_the_next_is_effective(shelf: Shelf, tmp_path: Path) -> None:
    docs = write(
        tmp_path / "docs",
        one=leave(1, 20, "2025-01-01"),
        two=leave(2, 25, "2026-01-01"),
        three=leave(3, 28, "2027-01-01"),
    )
    shelf.run(docs)
    for day, version in [
        (date(2024, 12, 31), set()),
        (date(2025, 1, 1), {"hr-leave v1"}),
        (date(2025, 12, 31), {"hr-leave v1"}),
        (date(2026, 1, 1), {"hr-leave v2"}),
        (date(2026, 12, 31), {"hr-leave v2"}),
        (date(2027, 1, 1), {"hr-leave v3"}),
    ]:
        assert set(shelf.answers(EMPLOYEE, "annual leave", day)) == version, day


def test_expired_version_does_not_let_the_older_one_answer_again(shelf: Shelf, tmp_path: Path) -> None:
    docs = write(
        tmp_path / "docs", one=leave(1, 20, "2025-01-01"), two=leave(2, 25, "2026-01-01", expires="2026-06-30")
    )
    shelf.run(docs)
    assert set(shelf.answers(EMPLOYEE, "leave", date(2026, 6, 30))) == {"hr-leave v2"}
    assert shelf.answers(EMPLOYEE, "leave", date(2026, 7, 1)) == {}


def test_draft_of_a_newer_version_leaves_the_older_one_answering(shelf: Shelf, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", one=leave(1, 20, "2025-01-01"), two=leave(2, 25, "2026-01-01", status="draft"))
    shelf.run(docs)
    assert set(shelf.answers(EMPLOYEE, "leave")) == {"hr-leave v1"}
    shelf.ingest.approve("hr-leave", 2, "ada.admin")
    assert set(shelf.answers(EMPLOYEE, "leave")) == {"hr-leave v2"}
    shelf.ingest.retire("hr-leave", 2, "ada.admin")
    assert set(shelf.answers(EMPLOYEE, "leave")) == {"hr-leave v1"}


def test_index_and_catalogue_agree_on_every_day(shelf: Shelf, tmp_path: Path) -> None:
    """What the filter inside the index finds is what the catalogue lets through: neither check hides a fault of the other."""
    from retrieval.access import access_filter

    docs = write(
        tmp_path / "docs",
        one=leave(1, 20, "2025-01-01"),
        two=leave(2, 25, "2026-01-01", expires="2026-06-30"),
        b=governed("b", "Leave.", allowed="hr", effective="2026-03-01"),
    )
    shelf.run(docs)
    shelf.ingest.retire("b", 1, "ada.admin")
    for who in (EMPLOYEE, CONTRACTOR, HR):
        for day in (date(2024, 1, 1), date(2025, 6, 1), date(2026, 4, 1), date(2026, 8, 1)):
            access = access_filter(who, today=day)
            hits = shelf.index.search(dense=None, text="leave", access=access, limit=50, mode="sparse")
            ids = [hit.passage_id for hit in hits]
            assert set(shelf.catalogue.answerable(ids, who, day)) == set(ids)


def test_documents_of_a_person_are_those_that_may_answer_them(shelf: Shelf, tmp_path: Path) -> None:
    docs = write(
        tmp_path / "docs",
        a=governed("a", "Text of a.", allowed="hr"),
        b=governed("b", "Text of b."),
        c=governed("c", "Text of c.", status="draft"),
        d=governed("d", "Text of d.", expires="2026-02-01"),
    )
    shelf.run(docs)
    assert [d.document_id for d in shelf.catalogue.documents(person=EMPLOYEE, today=TODAY)] == ["b"]
    assert [d.document_id for d in shelf.catalogue.documents(person=HR, today=TODAY)] == ["a", "b"]
    assert [d.document_id for d in shelf.catalogue.documents()] == ["a", "b", "c", "d"]
    with pytest.raises(NotFound):
        shelf.catalogue.readable("a", 1, EMPLOYEE)
    assert shelf.catalogue.readable("a", 1, HR).document_id == "a"


def test_passages_and_text_are_kept_in_order(shelf: Shelf, tmp_path: Path) -> None:
    shelf.run(write(tmp_path / "docs", a=governed("a", "# One\n\nFirst.\n\n# Two\n\nSecond, ann@x.example.")))
    passages = shelf.catalogue.passages("a", 1)
    assert [(p.ordinal, p.section, p.text) for p in passages] == [
        (0, "One", "First."),
        (1, "Two", "Second, ann@x.example."),
    ]
    text = shelf.catalogue.full_text("a", 1)
    assert all(p.text in text for p in passages)
    document = shelf.catalogue.get("a", 1)
    assert (document.chunks, document.language, dict(document.personal_data)) == (2, "en", {"EMAIL_ADDRESS": 1})
    assert shelf.catalogue.known_paths() == {str(tmp_path / "docs" / "a.md"): ("a", 1)}


def test_every_change_of_a_document_stamps_the_catalogue_anew_whatever_time_it_bears(shelf: Shelf, docs: Path) -> None:
    """On PostgreSQL one that began earlier may be committed later, and so may any under a clock that is behind."""
    catalogue, key = shelf.catalogue, ("hr-leave", 1)
    stamps = [catalogue.stamp()]
    shelf.run(write(docs, one=leave(1, 20, "2025-01-01"), two=leave(2, 25, "2026-01-01")))
    stamps.append(catalogue.stamp())
    began = datetime(2025, 6, 1, tzinfo=UTC)
    catalogue.set_state(key, "removed", actor="test", action="document.retire", status="retired", updated_at=began)
    stamps.append(catalogue.stamp())
    catalogue.erase(key, actor="test")
    stamps.append(catalogue.stamp())
    assert len(set(stamps)) == len(stamps)
    shelf.audit.append("bob", "signin", "bob")
    assert catalogue.stamp() == stamps[-1]
