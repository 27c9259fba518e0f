"""Uploads: drafts until approved, bounded by what their uploader looks after; and what a legal hold keeps, whoever writes."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from core.errors import BadInput, NotFound
from retrieval.planning import today
from tests.conftest import make_person
from tests.retrieval.shelf import Shelf, governed

pytestmark = pytest.mark.slow

EMPLOYEE = make_person("emma.employee")
HR = make_person("hana.hr", groups=("employees", "hr"), clearance="restricted")
SUPPORT = make_person("sam.support", roles=("employee", "support"))
ADMIN = make_person("ada.admin", roles=("employee", "admin"))
OPEN = {"owner": "me@x.example", "classification": "internal", "allowed_groups": ["everyone"]}
APPROVED = OPEN | {"status": "approved"}
CLOSED = {"owner": "hr@x.example", "classification": "confidential", "allowed_groups": ["hr"], "status": "approved"}
PAY = b"The pay of band seven is 71,500."
GUESS = b"The pay of band seven is 1."


def test_upload_is_a_draft_until_approved_whatever_its_file_says(shelf: Shelf) -> None:
    data = governed("a", "Leave is 99 days.", classification="public").encode()
    result = shelf.ingest.add_upload("a.md", data, OPEN, SUPPORT)
    assert (result.document_id, result.status) == ("a", "quarantined")
    assert shelf.answers(EMPLOYEE, "leave") == {}
    document = shelf.ingest.approve("a", 1, "ada.admin")
    assert document.classification == "internal", "the uploader's word wins over the file's"
    assert set(shelf.answers(EMPLOYEE, "leave")) == {"a v1"}


@pytest.mark.parametrize("name", ["../../etc/passwd.md", "a/b.md", "a\\b.md", "", ".profile.md", "a\nb.md", "x" * 300])
def test_upload_named_by_a_path_is_refused(shelf: Shelf, home: Path, name: str) -> None:
    with pytest.raises(BadInput, match="name"):
        shelf.ingest.add_upload(name, b"text", OPEN, SUPPORT)
    assert shelf.catalogue.documents() == []


def test_second_upload_of_a_name_is_a_document_of_its_own_unless_it_says_of_which_it_is_a_version(shelf: Shelf) -> None:
    texts = [f"The rate of depot {n} is {n * n}." for n in range(5)]
    given = [{}, {}, {}, {"document_id": "rates"}, {"document_id": "rates", "version": 7}]
    results = [
        shelf.ingest.add_upload("Rates.md", text.encode(), APPROVED | more, SUPPORT)
        for text, more in zip(texts, given, strict=True)
    ]
    assert [(r.document_id, r.version) for r in results] == [
        ("rates", 1),
        ("rates-2", 1),
        ("rates-3", 1),
        ("rates", 2),
        ("rates", 7),
    ]
    again = shelf.ingest.add_upload("Rates.md", texts[1].encode(), APPROVED, SUPPORT)
    assert (again.document_id, again.status) == ("rates-2", "unchanged")
    assert set(shelf.answers(EMPLOYEE, "rate", today())) == {"rates v7", "rates-2 v1", "rates-3 v1"}


def test_upload_neither_replaces_nor_supersedes_what_its_uploader_may_not_read(shelf: Shelf) -> None:
    shelf.ingest.add_upload("pay.md", PAY, CLOSED | {"document_id": "hr-pay", "version": 1}, ADMIN)
    for name, version, data in product(("pay.md", "other.md"), ({}, {"version": 1}, {"version": 99}), (PAY, GUESS)):
        for said in (APPROVED, OPEN, CLOSED):
            with pytest.raises(NotFound) as refused:
                shelf.ingest.add_upload(name, data, said | {"document_id": "hr-pay"} | version, SUPPORT)
            assert str(refused.value) == (
                "There is no document hr-pay that you may add a version to: give the file another document_id."
            )
    assert shelf.answers(HR, "pay band", today()) == {"hr-pay v1": PAY.decode()}
    assert shelf.answers(EMPLOYEE, "pay band", today()) == {}


def test_file_in_quarantine_becomes_no_version_of_what_its_governor_may_not_read(shelf: Shelf, docs: Path) -> None:
    (docs / "pay.md").write_bytes(PAY)
    shelf.run(docs, defaults=CLOSED)
    (docs / "note.txt").write_text("Pay is a secret.")
    waiting = next(r for r in shelf.run(docs) if r.status == "quarantined")
    with pytest.raises(NotFound, match="no document docs-pay that you may add a version to"):
        shelf.ingest.govern(waiting.document_id, 0, APPROVED | {"document_id": "docs-pay", "version": 9}, SUPPORT)
    assert set(shelf.answers(HR, "pay", today())) == {"docs-pay v1"}


def test_uploader_is_not_told_that_a_guess_says_the_same_as_what_they_may_not_read(shelf: Shelf) -> None:
    shelf.ingest.add_upload("pay.md", PAY, CLOSED, ADMIN)
    guess = shelf.ingest.add_upload("guess.md", PAY, CLOSED, SUPPORT)
    other = shelf.ingest.add_upload("other.md", GUESS, CLOSED, SUPPORT)
    assert (guess.status, guess.reason, guess.chunks) == (other.status, other.reason, other.chunks)
    assert shelf.catalogue.get("guess", 1).duplicate_of == "pay v1"
    assert shelf.ingest.add_upload("copy.md", PAY, CLOSED, ADMIN).reason.startswith("says the same as pay v1")


def test_nobodys_upload_replaces_a_version_under_legal_hold(shelf: Shelf) -> None:
    held = OPEN | {"document_id": "a", "version": 1}
    shelf.ingest.add_upload("a.md", b"Evidence.", held | {"legal_hold": True}, SUPPORT)
    for data in (b"Other words.", b"Evidence."):
        for who in (SUPPORT, ADMIN):
            result = shelf.ingest.add_upload("a.md", data, held | {"legal_hold": False}, who)
            assert (result.status, result.reason) == (
                "failed",
                "a v1 is under legal hold: give this file another version.",
            )
    assert (shelf.catalogue.full_text("a", 1), shelf.catalogue.get("a", 1).legal_hold) == ("Evidence.", True)
    assert shelf.ingest.add_upload("a.md", b"Other words.", held | {"version": 2}, SUPPORT).version == 2


def test_folder_keeps_the_text_and_the_hold_of_what_is_held_until_somebody_lifts_it(shelf: Shelf, docs: Path) -> None:
    file = docs / "a.md"
    file.write_text(governed("a", "Leave is 25 days.", legal_hold=True))
    shelf.run(docs)
    file.write_text(governed("a", "Leave is 30 days."))
    (refused,) = shelf.run(docs)
    assert refused.status == "failed"
    assert "a v1 is under legal hold: its text stays as it is. Give the changed file another version" in refused.reason
    assert shelf.answers(EMPLOYEE, "leave") == {"a v1": "Leave is 25 days."}

    file.write_text(governed("a", "Leave is 25 days.", title="Days of leave"))
    (kept,) = shelf.run(docs)
    assert (kept.status, kept.reason) == (
        "indexed",
        "stays under legal hold: lift the hold on the page Documents, under Manage",
    )
    document = shelf.catalogue.get("a", 1)
    assert (document.title, document.legal_hold) == ("Days of leave", True)

    shelf.ingest.govern("a", 1, OPEN | {"legal_hold": False}, ADMIN)
    assert not shelf.catalogue.get("a", 1).legal_hold
    file.write_text(governed("a", "Leave is 30 days."))
    shelf.run(docs)
    assert shelf.answers(EMPLOYEE, "leave") == {"a v1": "Leave is 30 days."}
