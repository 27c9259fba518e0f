"""Front matter: which is ours, what of it counts, and that none which may keep somebody out is passed over."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from retrieval.front_matter import Unclear, read_front_matter, said_of_the_file
from retrieval.governance import KEYS, is_ours
from retrieval.ingest import IngestResult
from retrieval.near_keys import DESCRIBING, OTHER_TOOLS, SHARED, UNMISTAKABLE, meant
from retrieval.planning import MISREAD, today
from tests.conftest import make_person
from tests.retrieval.shelf import Shelf, governed

pytestmark = pytest.mark.slow

OPEN = {"owner": "me@x.example", "classification": "internal", "allowed_groups": ["everyone"]}
EMPLOYEE = make_person("emma.employee")
HR = make_person("hana.hr", groups=("employees", "hr"), clearance="restricted")
SUPPORT = make_person("sam.support", roles=("employee", "support"))
LISTING = """documents:
  a.md: {document_id: a, version: 1, owner: x, department: HR, classification: internal, allowed_groups: [everyone],
    effective: 2019-01-01, status: approved}
"""


def taken_in(shelf: Shelf, docs: Path, text: str, name: str = "a.md") -> IngestResult:
    """What becomes of one file in a folder that `--govern` opens to everyone."""
    (docs / name).write_text(text, encoding="utf-8")
    return next(r for r in shelf.run(docs, defaults=OPEN) if Path(r.path).name == name)


def front_of(text: str) -> dict[str, object]:
    front = read_front_matter(text, "a.md")
    assert front is not None
    return {key: entry.value for key, entry in said_of_the_file(front).items()}


# --- which key is meant ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("clasification", "classification"),
        ("Classification", "classification"),
        ("clasificación", "classification"),
        ("сlassification", "classification"),  # its first letter is Cyrillic
        ("confidentiality", "classification"),
        ("allowed_group", "allowed_groups"),
        ("Allowed-Groups", "allowed_groups"),
        ("allowedGroups", "allowed_groups"),
        ("groups", "allowed_groups"),
        ("denied groups", "denied_groups"),
        ("legal-hold", "legal_hold"),
        ("docId", "document_id"),
        ("Status", "status"),
        ("expiryDate", "expires"),
        ("effective_date", "effective"),
        ("ownr", "owner"),
    ],
)
def test_misspelt_key_is_known_for_what_it_means(written: str, key: str) -> None:
    assert meant(written) == key


def test_keys_of_other_tools_and_keys_that_only_describe_mean_none_of_ours() -> None:
    seen_in_handbooks = "versions outdated date_approved current_step shortTitle cSpell redirect_from step_indicator"
    for key in (*OTHER_TOOLS, *DESCRIBING, *seen_in_handbooks.split(), "Title", "date", "state", "id", "name", ""):
        assert meant(key) == "", key


def test_every_governance_key_is_of_one_kind() -> None:
    assert sorted((*UNMISTAKABLE, *SHARED, *DESCRIBING)) == sorted(KEYS)


# --- what counts -----------------------------------------------------------------------------------------------------


def test_front_matter_of_another_tool_is_left_to_it() -> None:
    text = "---\ntitle: T\ntags: [a]\nlayout: page\ndate: 2020-01-01\nauthor: Ann\nversions: {fpt: '*'}\n---\nText"
    front = read_front_matter(text, "a.md")
    assert front is not None
    assert not is_ours(front)


@pytest.mark.parametrize(
    "text",
    [
        "---\nWords between two rules.\n---\nMore.",
        "---\n\n## A heading\n\nNote: this and: that.\n\n---\nMore.",
        "---\ntitle: a\ntitle: b\n---\n",
        "-----\nStatus: final\n-----\nText",
        "--- not front matter\nText",
        "Owner: HR\nText",
        "---",
        "",
    ],
)
def test_text_that_only_looks_like_front_matter_governs_nothing(text: str) -> None:
    assert read_front_matter(text, "a.md") is None


def test_owner_status_and_dates_count_beside_another_tools_keys() -> None:
    text = (
        "---\ntitle: T\nowner: me\nexpires: 2020-01-01\nreview: soon\nlanguage: en-GB\nversion: 1.2\ntags: [a]\n---\n"
    )
    assert front_of(text) == {"title": "T", "owner": "me", "expires": date(2020, 1, 1)}


def test_key_without_a_value_says_nothing_over_another_place() -> None:
    assert front_of("---\nowner: me\nexpires:\nstatus:\n---\n") == {"owner": "me"}
    assert front_of("---\nclassification: internal\ndenied_groups:\n---\n") == {"classification": "internal"}


# --- what cannot be told ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("---\ntitle: T\nclasification: restricted\n---\n", "a.md:3: unknown key 'clasification': did you mean 'class"),
        ("---\nowner: me\nmood: good\n---\n", "a.md:3: unknown key 'mood': known are document_id"),
        (
            "---\ntitle: a: b\nClassification: restricted\n---\n",
            "a.md:2: not valid YAML (mapping values are not allowed",
        ),
        ("---\ntitle: a: b\n---\n", "a.md:2: not valid YAML"),
        ("\n\n---\nowner: a\nstatus: [\n---\n", "a.md:6: not valid YAML"),
        ("---\nstatus: draft\nstatus: approved\n---\n", "a.md:3: 'status' is written twice"),
        ("---\nstatus: published\n---\n", "a.md:2: status is 'published': use one of draft, approved, retired"),
        ("---\nexpires: soon\n---\n", "a.md:2: expires must be a date written 2026-01-31"),
        ("---\naccess:\n  classification: restricted\n---\n", "'classification' stands inside another key"),
        ("---\n- classification: restricted\n---\n", "a.md:2: must be KEY: VALUE lines"),
        (
            "---\nclassification: restricted\n\nText that nothing closes.",
            "a.md:2: 'classification' stands in front matter",
        ),
        ("---yaml\nclassification: restricted\n---\n", "a.md:2: 'classification' stands in front matter"),
        ("+++\nclassification = 'restricted'\n+++\n", "open and close it with a line of three dashes"),
        ("—\nAllowed_groups: [hr]\n—\n", "a.md:2: 'Allowed_groups' stands in front matter that cannot be read"),
    ],
)
def test_front_matter_that_may_keep_somebody_out_is_unclear(text: str, said: str) -> None:
    with pytest.raises(Unclear) as caught:
        said_of_the_file(read_front_matter(text, "a.md") or {})
    assert said in str(caught.value)


# --- what becomes of the file ----------------------------------------------------------------------------------------


def test_misspelt_front_matter_is_quarantined_and_answers_nobody(shelf: Shelf, docs: Path) -> None:
    text = "---\ntitle: T\nowner: me\nclasification: restricted\nallowed_group: [hr]\n---\nLeave is 25 days."
    result = taken_in(shelf, docs, text)
    place = docs / "a.md"
    assert (result.status, result.reason) == (
        "quarantined",
        f"{place}:4: unknown key 'clasification': did you mean 'classification'?; "
        f"{place}:5: unknown key 'allowed_group': did you mean 'allowed_groups'?",
    )
    assert shelf.answers(HR, "leave", today()) == {}
    stored = len(list(shelf.audit.rows()))
    assert taken_in(shelf, docs, text).document_id == result.document_id
    assert len(list(shelf.audit.rows())) == stored, "the same file again changes nothing"


@pytest.mark.parametrize("broken", ["clasification: restricted", "classification: restriced", "title: a: b"])
def test_file_whose_rule_is_misread_stops_answering_until_it_is_as_it_was(
    shelf: Shelf, docs: Path, broken: str
) -> None:
    good = "---\nclassification: internal\n---\nLeave is 25 days."
    assert taken_in(shelf, docs, good).status == "indexed"
    assert taken_in(shelf, docs, f"---\n{broken}\n---\nLeave is 25 days.").status in ("quarantined", "failed")
    assert shelf.index.count() == 0
    assert shelf.catalogue.get("docs-a", 1).reason == MISREAD
    assert taken_in(shelf, docs, good).status == "indexed"
    assert [(d.document_id, d.state) for d in shelf.catalogue.documents()] == [("docs-a", "indexed")]


def test_broken_yaml_is_told_with_its_line_where_nothing_else_governs_the_file(shelf: Shelf, docs: Path) -> None:
    (docs / "a.md").write_text("---\ntitle: a: b\n---\nLeave is 25 days.")
    (result,) = shelf.run(docs)
    assert result.status == "quarantined"
    assert result.reason.startswith(f"{docs / 'a.md'}:2: not valid YAML")


@pytest.mark.parametrize("said", ["status: retired", "status: draft", "expires: 2020-01-01", "effective: 2099-01-01"])
@pytest.mark.parametrize("beside", ["--govern", "governance.yaml"])
def test_what_a_file_says_of_its_life_wins(shelf: Shelf, docs: Path, said: str, beside: str) -> None:
    (docs / "a.md").write_text(f"---\ntitle: T\n{said}\n---\nLeave is 25 days.")
    if beside == "--govern":
        shelf.run(docs, defaults=OPEN)
    else:
        (docs / "governance.yaml").write_text(LISTING)
        shelf.run(docs)
    assert shelf.answers(HR, "leave", today()) == {}
    assert len(shelf.catalogue.documents()) == 1


@pytest.mark.parametrize("name", ["a.md", "a.txt", "a.html"])
@pytest.mark.parametrize("opened", ["---", "--- # meta", "\n---", "\ufeff---", "\ufeff \r\n---  "])
def test_front_matter_counts_wherever_it_stands_and_is_no_text(
    shelf: Shelf, docs: Path, name: str, opened: str
) -> None:
    text = f"{opened}\nclassification: restricted\nallowed_groups: [hr]\n---\nLeave is 25 days."
    assert taken_in(shelf, docs, text, name).status == "indexed"
    assert shelf.answers(EMPLOYEE, "leave", today()) == {}
    (answer,) = shelf.answers(HR, "leave", today()).values()
    assert answer == "Leave is 25 days."
    (document,) = shelf.catalogue.documents()
    assert (document.title, document.classification, document.allowed_groups) == ("A", "restricted", {"hr"})


def test_front_matter_in_utf_16_counts(shelf: Shelf, docs: Path) -> None:
    (docs / "a.md").write_bytes("---\nclassification: restricted\nallowed_groups: [hr]\n---\nLeave".encode("utf-16"))
    shelf.run(docs, defaults=OPEN)
    assert shelf.catalogue.documents()[0].classification == "restricted"


def test_plain_file_that_is_marked_retired_takes_its_older_text_with_it(shelf: Shelf, docs: Path) -> None:
    taken_in(shelf, docs, "Leave is 25 days.")
    taken_in(shelf, docs, "---\nstatus: retired\n---\nLeave is 25 days.")
    assert shelf.index.count() == 0
    assert taken_in(shelf, docs, "Leave is 25 days.").status == "indexed"
    assert shelf.index.count() == 1


def test_older_version_goes_on_until_a_numbered_draft_is_approved(shelf: Shelf, docs: Path) -> None:
    taken_in(shelf, docs, governed("a", "Leave is 25 days."))
    taken_in(shelf, docs, governed("a", "Leave is 28 days.", version=2, status="draft"))
    assert set(shelf.answers(EMPLOYEE, "leave", today())) == {"a v1"}


def test_file_that_goes_back_to_a_lower_version_takes_the_higher_one_with_it(shelf: Shelf, docs: Path) -> None:
    taken_in(shelf, docs, governed("a", "Leave is 25 days.", version=2))
    taken_in(shelf, docs, governed("a", "Leave is 28 days.", version=1))
    assert set(shelf.answers(EMPLOYEE, "leave", today())) == {"a v1"}


def test_owner_of_another_tool_alone_is_no_governance(shelf: Shelf, docs: Path) -> None:
    (docs / "a.md").write_text("---\ntitle: T\nowner: platform\n---\nText")
    (result,) = shelf.run(docs)
    assert result.status == "quarantined"
    assert result.reason.startswith("has no governance metadata")


def test_status_of_another_tool_is_decided_by_hand(shelf: Shelf, docs: Path) -> None:
    result = taken_in(shelf, docs, "---\ntitle: T\nstatus: published\n---\nLeave is 25 days.")
    assert result.status == "quarantined"
    given = shelf.ingest.govern(result.document_id, 0, OPEN | {"status": "approved"}, SUPPORT)
    assert given.status == "indexed"


def test_governing_by_hand_what_is_misspelt_says_what_to_correct_and_withholds_nothing(shelf: Shelf) -> None:
    text = "---\nclasification: restricted\n---\nLeave is 25 days."
    result = shelf.ingest.add_upload("a.md", text.encode(), OPEN, SUPPORT)
    assert (result.status, result.reason) == (
        "failed",
        "uploads/a.md:2: unknown key 'clasification': did you mean 'classification'?",
    )
    assert shelf.catalogue.documents() == []
