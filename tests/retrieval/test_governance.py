"""Governance metadata: where it comes from, and what is said of wrong metadata."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from core.errors import BadInput, GovernanceError
from retrieval.governance import (
    SELF_GOVERNED,
    check,
    entries_of,
    is_ours,
    parse_govern,
    read_defaults,
    read_governance_file,
    split_front_matter,
)
from tests.retrieval.shelf import GROUPS, governed

COMPLETE = {
    "document_id": "hr-leave",
    "version": 3,
    "owner": "people@kestrelbay.example",
    "department": "HR",
    "classification": "internal",
    "allowed_groups": ["everyone"],
    "effective": date(2026, 1, 1),
    "status": "approved",
}


def problems(values: dict[str, object]) -> str:
    with pytest.raises(GovernanceError) as caught:
        check(entries_of(values, "a.yaml:7"), known_groups=GROUPS, required=SELF_GOVERNED, place="a.md")
    return str(caught.value)


def test_complete_metadata_are_read() -> None:
    found = check(entries_of(COMPLETE, "x"), known_groups=GROUPS, required=SELF_GOVERNED, place="x")
    assert (found.document_id, found.version, found.effective) == ("hr-leave", 3, date(2026, 1, 1))
    assert found.allowed_groups == {"everyone"}
    assert found.denied_groups == frozenset()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"classification": "secret"}, "classification is 'secret': use one of public, internal"),
        ({"allowed_groups": ["finanse"]}, "allowed_groups: unknown group 'finanse': did you mean 'finance'?"),
        ({"denied_groups": ["zzz"]}, "denied_groups: unknown group 'zzz'"),
        ({"allowed_groups": []}, "allowed_groups names no group; 'everyone' means every person"),
        ({"ownr": "x"}, "unknown key 'ownr': did you mean 'owner'?"),
        ({"version": 0}, "version must be a whole number from 1"),
        ({"version": True}, "version must be a whole number from 1"),
        ({"document_id": "../../etc/passwd"}, "document_id must be a slug"),
        ({"effective": "soon"}, "effective must be a date written 2026-01-31"),
        ({"effective": ["2026-01-31"]}, "effective must be a date written 2026-01-31"),
        ({"status": ["draft"]}, "status is no text: use one of draft, approved, retired"),
        ({"expires": date(2025, 1, 1)}, "expires before it is effective"),
        ({"legal_hold": "yes please"}, "legal_hold must be true or false"),
        ({"language": False}, "language must be a two-letter code"),
        ({"status": "final"}, "status is 'final': use one of draft, approved, retired"),
        ({"owner": "two\nlines"}, "owner must be one line"),
    ],
)
def test_wrong_metadata_are_named_with_file_and_line(change: dict[str, object], said: str) -> None:
    assert f"a.yaml:7: {said}" in problems(COMPLETE | change)


def test_an_unknown_group_says_how_to_make_it() -> None:
    assert "python -m assistant users add-group NAME" in problems(COMPLETE | {"allowed_groups": ["zzz"]})


def test_all_problems_of_a_file_are_named_at_once() -> None:
    said = problems({"owner": "x", "classification": "secret", "allowed_groups": ["nobody"]})
    assert "classification is" in said
    assert "unknown group 'nobody'" in said
    assert "a.md: needs document_id, version, department, effective, status" in said


def test_front_matter_lines_are_those_of_the_file() -> None:
    front, body = split_front_matter(governed(classification="secret"), "a.md")
    assert front is not None
    assert body.startswith("# Leave")
    with pytest.raises(GovernanceError, match=r"a\.md:7: classification is 'secret'"):
        check(front, known_groups=GROUPS, required=SELF_GOVERNED, place="a.md")


class Endless(list[object]):
    """As a list that holds itself many times over: whoever writes it out does not come to an end."""

    def __repr__(self) -> str:
        raise AssertionError("written out")


def test_a_list_where_a_word_should_stand_is_never_written_out() -> None:
    said = problems({key: Endless() for key in COMPLETE})
    assert all(f"a.yaml:7: {key} " in said for key in COMPLETE)


def test_a_key_written_twice_is_refused() -> None:
    with pytest.raises(GovernanceError, match=r"a\.md:3: 'owner' is written twice"):
        split_front_matter("---\nowner: a\nowner: b\n---\n", "a.md")


def test_front_matter_of_another_tool_is_not_ours() -> None:
    front, _ = split_front_matter("---\ntitle: T\nquestions:\n  - when?\nredirect_from:\n  a: b\n---\n", "a.md")
    assert front is not None
    assert not is_ours(front)


def test_text_without_front_matter_is_left_alone() -> None:
    assert split_front_matter("--- not front matter\ntext", "a.md") == (None, "--- not front matter\ntext")


def test_governance_file_merges_defaults_under_each_entry(tmp_path: Path) -> None:
    path = tmp_path / "governance.yaml"
    path.write_text(
        "defaults:\n  owner: a@x\n  department: HR\ndocuments:\n  a.pdf:\n    department: IT\n  b.pdf:\n    title: B\n"
    )
    found = read_governance_file(path)
    assert not found.problem
    assert {key: entry.value for key, entry in found.documents["a.pdf"].items()} == {"owner": "a@x", "department": "IT"}
    assert found.documents["a.pdf"]["owner"].where == f"{path}:2"
    assert found.documents["b.pdf"]["title"].where == f"{path}:8"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("default:\n  owner: x\n", ":1: unknown key 'default': did you mean 'defaults'?"),
        ("defaults:\n  owner: x\n  clasification: y\n", ":3: unknown key 'clasification'"),
        ("documents:\n  ../x.pdf:\n    title: T\n", ":2: '../x.pdf' is not a plain file name"),
        ("documents: [a, b]\n", ":1: must hold KEY: VALUE lines"),
        ("documents:\n  a: b: c\n", ":2: not valid YAML"),
        ("- a\n", ":1: must be KEY: VALUE lines"),
    ],
)
def test_broken_governance_file_says_where(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "governance.yaml"
    path.write_text(text)
    assert f"{path}{said}" in read_governance_file(path).problem


def test_govern_option_is_read() -> None:
    assert parse_govern("owner=me@x, classification=internal,allowed_groups=hr+finance,legal_hold=true,version=2") == {
        "owner": "me@x",
        "classification": "internal",
        "allowed_groups": ["hr", "finance"],
        "legal_hold": True,
        "version": 2,
    }


def test_govern_option_with_a_day_that_there_is_not_is_told_as_a_date() -> None:
    assert "effective must be a date" in problems(COMPLETE | parse_govern("effective=2026-13-45"))


def test_govern_option_that_cannot_be_read_shows_the_form() -> None:
    with pytest.raises(BadInput, match=r"'internal' is not KEY=VALUE\. Write it as owner="):
        parse_govern("internal")


def test_defaults_file_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "defaults.yaml"
    path.write_text("owner: x\ngroups: [hr]\n")
    with pytest.raises(GovernanceError, match=r"defaults\.yaml:2: unknown key 'groups'"):
        read_defaults(path)


def test_metadata_hash_is_the_same_tomorrow_and_changes_with_the_groups() -> None:
    one = check(entries_of(COMPLETE, "x"), known_groups=GROUPS, required=(), place="x")
    same = check(entries_of(dict(COMPLETE), "elsewhere"), known_groups=GROUPS, required=(), place="y")
    other = check(entries_of(COMPLETE | {"allowed_groups": ["hr"]}, "x"), known_groups=GROUPS, required=(), place="x")
    assert one.sha256 == same.sha256 != other.sha256
