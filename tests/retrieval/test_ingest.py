"""Ingestion: what becomes of each file, and what changes, copies, withdrawals and deletions do to the answers."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from core.errors import BadInput, Conflict, GovernanceError, NotFound, StoreUnavailable
from tests.conftest import make_person
from tests.retrieval import office
from tests.retrieval.shelf import Shelf, governed

pytestmark = pytest.mark.slow

EMPLOYEE = make_person("emma.employee")
CONTRACTOR = make_person("carl.contractor", groups=("contractors",))
HR = make_person("hana.hr", groups=("employees", "hr"), clearance="restricted")
SUPPORT = make_person("sam.support", roles=("employee", "support"))
ADMIN = make_person("ada.admin", roles=("employee", "admin"))
OPEN = {"owner": "me@x.example", "classification": "internal", "allowed_groups": ["everyone"]}
LONG = "\n\n".join(
    f"Rule {n}: travellers at site {n} book the train when it takes under {n} hours." for n in range(2, 30)
)


def statuses(shelf: Shelf, docs: Path, **more: object) -> dict[str, str]:
    return {Path(r.path).name: r.status for r in shelf.run(docs, **more)}  # type: ignore[arg-type]


# --- what becomes of a file ------------------------------------------------------------------------------------------


def test_file_without_governance_is_quarantined_with_a_reason_and_never_answers(shelf: Shelf, docs: Path) -> None:
    (docs / "a.md").write_text("---\ntitle: Foreign\nquestions: [x]\n---\nLeave is 25 days.")
    (docs / "b.txt").write_text("Leave is 30 days.")
    results = shelf.run(docs)
    assert [r.status for r in results] == ["quarantined", "quarantined"]
    assert all("has no governance metadata: give it front matter" in r.reason for r in results)
    assert shelf.answers(HR, "leave days") == {}
    assert shelf.index.count() == 0
    assert statuses(shelf, docs) == {"a.md": "quarantined", "b.txt": "quarantined"}


def test_file_that_loses_its_governance_says_what_of_it_is_still_answered_from(shelf: Shelf, docs: Path) -> None:
    (docs / "a.md").write_text(governed("a", "Leave is 25 days."))
    (docs / "b.md").write_text(governed("b", "Bonus is paid in May."))
    shelf.run(docs)
    shelf.ingest.retire("b", 1, actor="test")
    for file in ("a.md", "b.md"):
        (docs / file).write_text("Leave is 30 days.")
    told = {Path(one.path).name: one.reason for one in shelf.run(docs)}
    assert "a v1, answers on until it is retired" in told["a.md"]
    assert "answers on" not in told["b.md"]
    assert set(shelf.answers(HR, "leave days")) == {"a v1"}
    assert statuses(shelf, docs) == {"a.md": "quarantined", "b.md": "quarantined"}


def test_quarantined_file_is_one_document_once_it_has_governance(shelf: Shelf, docs: Path) -> None:
    (docs / "a.txt").write_text("Leave is 30 days.")
    shelf.run(docs)
    (docs / "governance.yaml").write_text(
        "documents:\n  a.txt: {document_id: a, version: 1, owner: x, department: HR, classification: internal,\n"
        "    allowed_groups: [everyone], effective: 2026-01-01, status: approved}\n"
    )
    assert statuses(shelf, docs) == {"a.txt": "indexed"}
    assert [(d.document_id, d.state) for d in shelf.catalogue.documents()] == [("a", "indexed")]
    assert set(shelf.answers(EMPLOYEE, "leave")) == {"a v1"}


def test_defaults_govern_a_plain_folder(shelf: Shelf, docs: Path) -> None:
    (docs / "Travel").mkdir()
    (docs / "Travel" / "Per diem (UK).md").write_text(
        "---\ntitle: Per diem rates\nquestions: [x]\n---\nIt is £30 a day."
    )
    (docs / "own.md").write_text(governed("own", "Rates for HR alone.", allowed="hr"))
    shelf.run(docs, defaults=OPEN)
    found = {d.document_id: d for d in shelf.catalogue.documents()}
    assert set(found) == {"docs-travel-per-diem-uk", "own"}
    assert found["docs-travel-per-diem-uk"].title == "Per diem rates"
    assert found["own"].allowed_groups == {"hr"}, "what a file says of itself wins"
    assert shelf.run(docs)[0].status == "unchanged", "what the folder was given before holds on"


def test_defaults_that_say_too_little_are_refused_before_anything_is_read(shelf: Shelf, docs: Path) -> None:
    (docs / "a.md").write_text("x")
    with pytest.raises(GovernanceError, match="the defaults: needs classification, allowed_groups"):
        shelf.run(docs, defaults={"owner": "me"})
    assert shelf.catalogue.documents() == []


def test_changed_file_of_a_plain_folder_becomes_the_next_version(shelf: Shelf, docs: Path) -> None:
    (docs / "a.md").write_text("Leave is 25 days.")
    shelf.run(docs, defaults=OPEN)
    (docs / "a.md").write_text("Leave is 28 days.")
    result = shelf.run(docs, defaults=OPEN)[0]
    assert (result.document_id, result.version, result.status) == ("docs-a", 2, "indexed")
    from retrieval.planning import today

    assert shelf.answers(EMPLOYEE, "leave", today()) == {"docs-a v2": "Leave is 28 days."}


def test_unchanged_again_and_replaced_where_the_text_or_the_groups_change(shelf: Shelf, docs: Path) -> None:
    (docs / "a.md").write_text(governed("a", "Leave is 25 days."))
    assert statuses(shelf, docs) == {"a.md": "indexed"}
    assert statuses(shelf, docs) == {"a.md": "unchanged"}
    (docs / "a.md").write_text(governed("a", "Leave is 28 days.", allowed="employees"))
    assert statuses(shelf, docs) == {"a.md": "indexed"}
    assert shelf.answers(EMPLOYEE, "leave") == {"a v1": "Leave is 28 days."}
    assert shelf.answers(CONTRACTOR, "leave") == {}
    assert shelf.index.count() == 1


def test_moved_file_is_unchanged_and_known_by_its_new_path(shelf: Shelf, docs: Path) -> None:
    (docs / "a.md").write_text(governed("a"))
    shelf.run(docs)
    (docs / "a.md").rename(docs / "b.md")
    assert statuses(shelf, docs) == {"b.md": "unchanged"}
    assert shelf.catalogue.get("a", 1).path == str(docs / "b.md")


def test_two_files_that_claim_one_version_are_told_apart(shelf: Shelf, docs: Path) -> None:
    (docs / "a.md").write_text(governed("a", "Leave is 25 days."))
    (docs / "b.md").write_text(governed("a", "Leave is 30 days."))
    (docs / "c.md").write_text(governed("a", "Leave is 25 days."))
    results = {Path(r.path).name: r for r in shelf.run(docs)}
    assert [results[n].status for n in ("a.md", "b.md", "c.md")] == ["indexed", "failed", "duplicate"]
    assert f"a v1 is {docs / 'a.md'} already" in results["b.md"].reason
    assert f"is the same file as {docs / 'a.md'}" in results["c.md"].reason


def test_file_that_takes_another_id_stops_answering_under_the_old_one(shelf: Shelf, docs: Path) -> None:
    (docs / "a.md").write_text(governed("a", "Leave is 25 days."))
    shelf.run(docs)
    (docs / "a.md").write_text(governed("b", "Leave is 25 days."))
    shelf.run(docs)
    assert set(shelf.answers(EMPLOYEE, "leave")) == {"b v1"}


def test_one_bad_file_never_stops_the_rest(shelf: Shelf, docs: Path) -> None:
    (docs / "a.md").write_text(governed("a"))
    (docs / "b.pdf").write_bytes(b"%PDF rubbish")
    (docs / "c.docx").write_bytes(office.password_protected())
    (docs / "d.docx").write_bytes(office.zip_bomb(300))
    (docs / "e.md").write_text(governed("e", classification="secret"))
    (docs / "ea.md").write_text(governed("ea", classification="[&a [x], *a]"))
    (docs / "eb.md").write_text(governed("eb", classification="[" * 300 + "]" * 300))
    (docs / "ec.md").write_text(governed("ec", classification="!!bool x"))
    (docs / "f.md").write_text(governed("f"))
    (docs / "g.gif").write_bytes(b"not looked at")
    (docs / ".hidden.md").write_text("not looked at")
    (docs / "link.md").symlink_to("/etc/hostname")
    results = {Path(r.path).name: r for r in shelf.run(docs, defaults=OPEN)}
    assert {n: r.status for n, r in results.items()} == {
        "a.md": "indexed",
        "b.pdf": "failed",
        "c.docx": "failed",
        "d.docx": "failed",
        "e.md": "failed",
        "ea.md": "quarantined",
        "eb.md": "quarantined",
        "ec.md": "quarantined",
        "f.md": "duplicate",
    }
    assert "Is damaged or not a .pdf file" in results["b.pdf"].reason
    assert "Is password-protected" in results["c.docx"].reason
    assert "zip bomb" in results["d.docx"].reason
    assert results["e.md"].reason.startswith(f"{docs / 'e.md'}:7: classification is 'secret'")
    assert f"{docs / 'eb.md'}:7: not valid YAML (nested more than 20 deep)" in results["eb.md"].reason


def test_file_over_the_limit_is_refused_unread(home: Path, docs: Path) -> None:
    with (docs / "big.md").open("wb") as file:
        file.truncate(200 * 2**20)
    shelf = Shelf(home)
    result = shelf.run(docs / "big.md")[0]
    assert (result.status, result.reason) == (
        "failed",
        "Is 200 MB; the limit is 50 MB. Split it, or raise ASSISTANT_MAX_UPLOAD_MB.",
    )
    assert result.seconds < 1
    shelf.close()


def test_file_listed_but_missing_is_named(shelf: Shelf, docs: Path) -> None:
    (docs / "governance.yaml").write_text("documents:\n  gone.pdf:\n    title: Gone\n")
    result = shelf.run(docs)[0]
    assert result.status == "failed"
    assert result.reason == f"{docs / 'governance.yaml'}:3: lists 'gone.pdf', which is not in the folder"


def test_path_that_does_not_exist_is_an_error(shelf: Shelf, docs: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        shelf.run(docs / "nowhere")


def test_cancel_keeps_what_was_reported(shelf: Shelf, docs: Path) -> None:
    for n in range(80):
        (docs / f"{n:02}.md").write_text(
            governed(f"d{n}", f"Leave rule number {n} is about {n} days and topic {n * 7}.")
        )
    cancel = threading.Event()
    seen = []
    for result in shelf.ingest.run([docs], actor="test", cancel=cancel):
        seen.append(result)
        cancel.set()
    assert 0 < len(seen) < 80
    assert all(shelf.catalogue.get(r.document_id, r.version).state == "indexed" for r in seen)
    assert len(shelf.catalogue.documents()) == len(seen)


# --- copies ----------------------------------------------------------------------------------------------------------


def test_copy_is_not_indexed_twice_and_takes_over_when_the_original_goes(shelf: Shelf, docs: Path) -> None:
    (docs / "a.md").write_text(governed("a", LONG))
    (docs / "b.md").write_text(governed("b", LONG))
    (docs / "c.md").write_text(governed("c", f"Intranet copy.\n\n{LONG}"))
    results = {r.document_id: r for r in shelf.run(docs)}
    assert [results[d].status for d in "abc"] == ["indexed", "duplicate", "duplicate"]
    assert results["c"].reason == "says the same as a v1, which answers in its place"
    assert shelf.catalogue.get("c", 1).duplicate_of == "a v1"
    assert set(shelf.answers(EMPLOYEE, "travellers")) == {"a v1"}
    shelf.ingest.delete("a", 1, "ada.admin")
    assert set(shelf.answers(EMPLOYEE, "travellers")) == {"b v1"}, "the first copy answers, the second follows it"
    assert shelf.catalogue.get("c", 1).duplicate_of == "b v1"


def test_copy_for_other_people_is_indexed_beside_the_original(shelf: Shelf, docs: Path) -> None:
    (docs / "a.md").write_text(governed("a", LONG, allowed="hr"))
    (docs / "b.md").write_text(governed("b", LONG, allowed="employees"))
    (docs / "c.md").write_text(governed("c", LONG, classification="restricted", allowed="contractors"))
    assert statuses(shelf, docs) == {"a.md": "indexed", "b.md": "indexed", "c.md": "indexed"}
    assert set(shelf.answers(EMPLOYEE, "travellers")) == {"b v1"}
    assert shelf.answers(CONTRACTOR, "travellers") == {}
    assert shelf.catalogue.get("b", 1).near_duplicates == ("a v1",)


def test_copy_that_outlives_its_original_is_indexed(shelf: Shelf, docs: Path) -> None:
    (docs / "a.md").write_text(governed("a", LONG, expires="2026-06-30"))
    (docs / "b.md").write_text(governed("b", LONG, expires="2027-06-30"))
    assert statuses(shelf, docs) == {"a.md": "indexed", "b.md": "indexed"}


def test_copy_answers_when_the_groups_of_its_original_change(shelf: Shelf, docs: Path) -> None:
    (docs / "a.md").write_text(governed("a", LONG))
    (docs / "b.md").write_text(governed("b", LONG))
    shelf.run(docs)
    (docs / "a.md").write_text(governed("a", LONG, allowed="hr"))
    shelf.run(docs)
    assert set(shelf.answers(EMPLOYEE, "travellers")) == {"b v1"}


def test_copy_answers_when_its_original_is_superseded(shelf: Shelf, docs: Path) -> None:
    (docs / "a.md").write_text(governed("a", LONG))
    (docs / "b.md").write_text(governed("b", LONG))
    shelf.run(docs)
    (docs / "a2.md").write_text(governed("a", "All travellers fly now.", version=2, effective="2026-10-01"))
    shelf.run(docs)
    assert set(shelf.answers(EMPLOYEE, "travellers")) == {"a v2", "b v1"}


def test_policies_that_differ_in_a_number_are_both_indexed_and_linked(shelf: Shelf, docs: Path) -> None:
    (docs / "a.md").write_text(governed("a", LONG))
    (docs / "b.md").write_text(governed("b", LONG.replace("under 7 hours", "under 9 hours")))
    assert statuses(shelf, docs) == {"a.md": "indexed", "b.md": "indexed"}
    assert shelf.catalogue.get("b", 1).near_duplicates == ("a v1",)


def test_versions_of_a_document_are_not_copies_of_each_other(shelf: Shelf, docs: Path) -> None:
    (docs / "a1.md").write_text(governed("a", LONG, version=1))
    (docs / "a2.md").write_text(governed("a", LONG, version=2))
    assert statuses(shelf, docs) == {"a1.md": "indexed", "a2.md": "indexed"}
    assert set(shelf.answers(EMPLOYEE, "travellers")) == {"a v2"}


# --- a document's life -----------------------------------------------------------------------------------------------


def test_retired_document_has_no_vectors_and_stays_retired(shelf: Shelf, docs: Path) -> None:
    (docs / "a.md").write_text(governed("a"))
    shelf.run(docs)
    assert shelf.ingest.retire("a", 1, "ada.admin").status == "retired"
    assert shelf.index.passage_ids("a", 1) == set()
    assert shelf.catalogue.passages("a", 1), "the words stay for the record"
    assert statuses(shelf, docs) == {"a.md": "unchanged"}
    assert shelf.answers(EMPLOYEE, "leave") == {}
    assert shelf.ingest.approve("a", 1, "ada.admin").state == "indexed"
    assert set(shelf.answers(EMPLOYEE, "leave")) == {"a v1"}


def test_deleted_document_leaves_no_vector_word_or_file_and_stays_deleted(shelf: Shelf, docs: Path, home: Path) -> None:
    (docs / "a.md").write_text(governed("a"))
    shelf.run(docs)
    stored = shelf.ingest.file_of(shelf.catalogue.get("a", 1))
    assert hashlib.sha256(stored.read_bytes()).hexdigest() == stored.name
    shelf.ingest.delete("a", 1, "ada.admin")
    assert shelf.index.count() == 0
    assert not stored.exists()
    assert shelf.catalogue.passages("a", 1) == []
    with pytest.raises(NotFound):
        shelf.catalogue.full_text("a", 1)
    again = shelf.run(docs)[0]
    assert (again.status, again.reason) == (
        "unchanged",
        "deleted; it stays deleted when its file is ingested again unchanged",
    )
    (docs / "a.md").write_text(governed("a", version=2))
    assert statuses(shelf, docs) == {"a.md": "indexed"}


def kept(home: Path) -> set[str]:
    return {path.name for path in (home / "files").iterdir()}


def named(*files: Path) -> set[str]:
    return {hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_file_that_a_version_was_made_from_goes_when_another_takes_its_place(
    shelf: Shelf, docs: Path, home: Path
) -> None:
    (docs / "a.md").write_text(governed("a", "Ada has 25 days."))
    (docs / "b.md").write_text("Nothing says who may read this.")
    shelf.run(docs)
    (docs / "a.md").write_text(governed("a", "Everybody has 25 days."))
    (docs / "b.md").write_text("Still nothing says it.")
    shelf.run(docs)
    assert kept(home) == named(docs / "a.md", docs / "b.md")
    (docs / "b.md").write_text(governed("b", "Now it is said."))
    shelf.run(docs)
    assert kept(home) == named(docs / "a.md", docs / "b.md")
    shelf.ingest.delete("a", 1, "ada.admin")
    shelf.run(docs)
    assert kept(home) == named(docs / "b.md")


def test_file_that_waits_in_quarantine_outlives_a_document_of_the_same_bytes(
    shelf: Shelf, docs: Path, home: Path
) -> None:
    for folder in ("apart", "known"):
        (docs / folder).mkdir()
        (docs / folder / "x.txt").write_text("Leave is 25 days.")
    shelf.run(docs / "apart")
    shelf.run(docs / "known", defaults=OPEN)
    assert len(kept(home)) == 1
    shelf.ingest.delete("known-x", 1, "ada.admin")
    (waiting,) = shelf.catalogue.documents(state="quarantined")
    approved = OPEN | {"status": "approved"}
    assert shelf.ingest.govern(waiting.document_id, 0, approved, ADMIN).status == "indexed"
    assert kept(home) == named(docs / "apart" / "x.txt")


def test_original_that_went_missing_is_there_again_once_its_file_is_met(shelf: Shelf, docs: Path, home: Path) -> None:
    (docs / "a.md").write_text(governed("a"))
    (docs / "b.md").write_text("Nothing says who may read this.")
    shelf.run(docs)
    for file in (home / "files").iterdir():
        file.unlink()
    assert statuses(shelf, docs) == {"a.md": "unchanged", "b.md": "quarantined"}
    assert kept(home) == named(docs / "a.md", docs / "b.md")


def test_file_read_ahead_is_kept_though_the_document_that_held_its_bytes_takes_others(
    shelf: Shelf, docs: Path, home: Path
) -> None:
    (docs / "a.md").write_text("Leave is 25 days.")
    (docs / "governance.yaml").write_text(
        "defaults: {version: 1, owner: me@x.example, department: HR, classification: internal, "
        "allowed_groups: [everyone], effective: 2026-01-01, status: approved}\n"
        "documents: {a.md: {document_id: a}, b.md: {document_id: b}}\n"
    )
    shelf.run(docs)
    (docs / "b.md").write_text("Leave is 25 days.")
    sections = (f"# Part {n}\n\nRule {n} is about topic {n} alone.\n" for n in range(140))  # a batch of its own
    (docs / "a.md").write_text("\n".join(sections))
    assert statuses(shelf, docs) == {"a.md": "indexed", "b.md": "indexed"}
    assert kept(home) == named(docs / "a.md", docs / "b.md")


def test_file_that_was_refused_is_not_kept(shelf: Shelf, docs: Path, home: Path) -> None:
    (docs / "a.md").write_text(governed("a", "Leave is 25 days."))
    (docs / "b.md").write_text(governed("a", "Leave is 20 days."))
    assert statuses(shelf, docs) == {"a.md": "indexed", "b.md": "failed"}
    assert kept(home) == named(docs / "a.md")


def test_file_of_a_version_under_legal_hold_stays_when_another_takes_its_place(
    shelf: Shelf, docs: Path, home: Path
) -> None:
    (docs / "a.md").write_text(governed("a", "Leave is 20 days.", legal_hold=True))
    shelf.run(docs)
    held = named(docs / "a.md")
    (docs / "a.md").write_text(governed("a", "Leave is 20 days.", title="Leave of absence"))
    shelf.run(docs)
    assert kept(home) == held | named(docs / "a.md")


def test_document_under_legal_hold_cannot_be_deleted(shelf: Shelf, docs: Path) -> None:
    (docs / "a.md").write_text(governed("a", legal_hold=True))
    shelf.run(docs)
    with pytest.raises(Conflict, match=r"under legal hold and cannot be deleted\. Retire it"):
        shelf.ingest.delete("a", 1, "ada.admin")
    assert set(shelf.answers(EMPLOYEE, "leave")) == {"a v1"}


def test_draft_and_retired_files_are_held_back(shelf: Shelf, docs: Path) -> None:
    (docs / "a.md").write_text(governed("a", status="draft"))
    (docs / "b.md").write_text(governed("b", status="retired"))
    results = shelf.run(docs)
    assert [(r.status, r.reason) for r in results] == [
        ("quarantined", "is a draft: it answers once it is approved"),
        ("quarantined", "is retired: kept for the record, never answers"),
    ]
    assert shelf.index.count() == 0
    with pytest.raises(Conflict, match="approved already"):
        shelf.ingest.approve("a", 1, "ada.admin") and shelf.ingest.approve("a", 1, "ada.admin")


def test_quarantined_file_is_governed_by_hand(shelf: Shelf, docs: Path) -> None:
    (docs / "a.txt").write_text("Leave is 30 days.")
    quarantined = shelf.run(docs)[0]
    result = shelf.ingest.govern(quarantined.document_id, 0, OPEN | {"status": "approved"}, ADMIN)
    assert (result.document_id, result.version, result.status) == ("docs-a", 1, "indexed")
    assert [d.document_id for d in shelf.catalogue.documents()] == ["docs-a"]


def test_only_files_gone_from_the_folders_ingested_are_missing(shelf: Shelf, docs: Path, tmp_path: Path) -> None:
    for place in (docs / "sub" / "a.md", docs / "b.md", docs / "c.md", tmp_path / "other" / "d.md"):
        place.parent.mkdir(exist_ok=True)
        place.write_text(governed(place.stem, f"Rule {place.stem} is {place.stem * 3}."))
    shelf.run(docs, tmp_path / "other")
    shelf.ingest.add_upload("e.md", b"Words.", OPEN, SUPPORT)
    shelf.ingest.retire("c", 1, "ada.admin")
    for gone in (docs / "sub" / "a.md", docs / "c.md", tmp_path / "other" / "d.md"):
        gone.unlink()
    (docs / "b.md").rename(docs / "b2.md")
    shelf.run(docs)
    found = shelf.ingest.missing([docs], actor="test")
    assert (found.missing, found.retired) == ([("a v1", str(docs / "sub" / "a.md"))], False)
    assert "a v1" in shelf.answers(EMPLOYEE, "rule")


def test_file_that_was_missing_and_retired_answers_again_when_it_is_back(shelf: Shelf, docs: Path) -> None:
    (docs / "a.md").write_text(governed("a"))
    shelf.run(docs)
    (docs / "a.md").unlink()
    assert shelf.ingest.missing([docs], actor="test", retire=True).retired
    assert shelf.index.count() == 0
    assert shelf.ingest.missing([docs], actor="test").missing == []
    (docs / "a.md").write_text(governed("a"))
    assert statuses(shelf, docs) == {"a.md": "indexed"}


# --- faults ----------------------------------------------------------------------------------------------------------


def test_folder_for_files_that_cannot_be_written_says_so(home: Path, docs: Path) -> None:
    (docs / "a.md").write_text(governed("a"))
    (home / "files").write_text("a file where the folder should be")
    shelf = Shelf(home)
    with pytest.raises(StoreUnavailable, match=r"Files cannot be stored in .*nothing acknowledged is lost"):
        shelf.run(docs)
    assert shelf.catalogue.documents() == []
    shelf.close()


def test_disk_that_is_nearly_full_is_refused_before_anything_is_written(home: Path, docs: Path) -> None:
    (docs / "a.md").write_text(governed("a"))
    shelf = Shelf(home, min_free_bytes=2**60)
    with pytest.raises(StoreUnavailable, match=r"the disk is full, \d+ MB are left: free some space"):
        shelf.run(docs)
    assert shelf.catalogue.documents() == []
    assert shelf.index.count() == 0
    shelf.close()


def test_every_change_is_in_the_audit_log(shelf: Shelf, docs: Path) -> None:
    (docs / "a.md").write_text(governed("a"))
    shelf.run(docs)
    shelf.ingest.retire("a", 1, "ada.admin")
    shelf.ingest.approve("a", 1, "ada.admin")
    shelf.ingest.delete("a", 1, "ada.admin")
    said = [(row.actor, row.action, row.subject) for row in shelf.audit.rows()]
    assert ("test", "document.index", "a v1") in said
    for action in ("document.retire", "document.approve", "document.delete", "document.erase"):
        assert ("ada.admin", action, "a v1") in said
    assert shelf.audit.verify() == []
