"""People and groups on both databases: what is refused, what is audited, and who may still sign in."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.audit import Audit
from core.errors import BadInput, Conflict, NotFound
from core.people import People, read_mailboxes, read_people_file
from core.store import Store
from tests.conftest import make_person


def test_a_person_is_read_back_as_added(people: People) -> None:
    who = make_person("new.person", groups=("hr", "spain"), clearance="restricted", roles=("employee", "admin"))
    people.add(who, actor="test")
    assert people.get("new.person") == who
    assert who in people.all()


def test_an_id_and_an_address_belong_to_one_person(people: People) -> None:
    emma = people.get("emma.employee")
    with pytest.raises(Conflict, match="taken"):
        people.add(replace(emma, email="other@kestrelbay.example"), actor="test")
    with pytest.raises(Conflict, match="taken"):
        people.add(replace(emma, person_id="emma.two"), actor="test")
    with pytest.raises(Conflict, match="taken"):
        people.add(replace(emma, person_id="emma.two", email="EMMA.employee@KESTRELBAY.example"), actor="test")


def test_taking_the_address_of_another_by_an_update_is_refused(people: People) -> None:
    emma = people.get("emma.employee")
    with pytest.raises(Conflict, match="taken"):
        people.update(replace(emma, email="hana.hr@kestrelbay.example"), actor="test")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"groups": frozenset({"nosuch"})}, "unknown groups nosuch"),
        ({"roles": frozenset({"king"})}, "unknown roles king"),
        ({"clearance": "secret"}, "unknown clearance 'secret'"),
        ({"person_id": "Has Spaces"}, "an id has"),
        ({"person_id": "../etc"}, "an id has"),
        ({"email": "no-address"}, "not an e-mail address"),
    ],
)
def test_what_is_wrong_about_a_person_is_said(people: People, changes: dict[str, object], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        people.add(replace(make_person("new.person"), **changes), actor="test")  # type: ignore[arg-type]


def test_an_unknown_person_is_answered_with_the_command_that_lists_them(people: People) -> None:
    nobody = make_person("no.body")
    for act in (
        lambda: people.get("no.body"),
        lambda: people.update(nobody, actor="test"),
        lambda: people.deactivate("no.body", actor="test"),
        lambda: people.set_password("no.body", "hash", actor="test"),
    ):
        with pytest.raises(NotFound, match="users list"):
            act()


def test_a_deactivated_person_is_gone_until_activated(people: People) -> None:
    people.deactivate("emma.employee", actor="test")
    with pytest.raises(NotFound):
        people.get("emma.employee")
    account = people.account("emma.employee")
    assert account is not None
    assert not account.active
    people.activate("emma.employee", actor="test")
    assert people.get("emma.employee").name == "Emma.Employee".replace(".", " ")


def test_a_provider_subject_finds_the_account_that_it_was_tied_to(people: People) -> None:
    people.link("emma.employee", "https://issuer.example", "sub-1", actor="test")
    found = people.by_identity("https://issuer.example", "sub-1")
    assert found is not None
    assert found.person.person_id == "emma.employee"
    assert people.by_identity("https://other.example", "sub-1") is None
    with pytest.raises(Conflict, match="another"):
        people.link("hana.hr", "https://issuer.example", "sub-1", actor="test")


def test_every_change_is_audited_under_its_actor_and_a_refused_one_is_not(people: People, audit: Audit) -> None:
    before = len(list(audit.rows()))
    with pytest.raises(Conflict):
        people.add(people.get("emma.employee"), actor="ada.admin")
    people.deactivate("emma.employee", actor="ada.admin")
    people.add_groups({"new": "", "hr": "exists"}, actor="ada.admin")
    assert people.add_groups({"new": ""}, actor="ada.admin") == []
    rows = list(audit.rows())[before:]
    assert [(r.actor, r.action, r.subject) for r in rows] == [
        ("ada.admin", "person.deactivate", "emma.employee"),
        ("ada.admin", "group.add", "new"),
    ]
    assert audit.verify() == []


def test_two_who_bring_the_same_new_group_at_once_both_go_on(people: People, store: Store) -> None:
    made: list[str] = []

    def add() -> None:
        made.extend(people.add_groups({"new": "", "hr": "exists"}, actor="oidc"))

    threads = [threading.Thread(target=add) for _ in range(2)]
    with store.begin() as connection:  # nobody writes until both have looked
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("lock table access_group in exclusive mode"))
        for thread in threads:
            thread.start()
        time.sleep(0.2)
    for thread in threads:
        thread.join()
    assert made == ["new"]
    assert "new" in people.groups()


def test_a_people_file_says_which_part_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "people.yaml"
    for text, told in (
        ("groups: [", "not valid YAML"),
        ("people: []", "'groups'"),
        ("- a", "two lists"),
        ("groups: []\npeople: [{name: A}]", "'person_id'"),
    ):
        file.write_text(text)
        with pytest.raises(BadInput, match=told):
            read_people_file(file)


def test_a_group_answers_for_a_mailbox_until_it_is_taken_from_it(people: People, audit: Audit) -> None:
    people.set_mailbox(" People@X.example ", "hr", actor="test")
    assert people.mailboxes() == {"people@x.example": "hr"}
    people.set_mailbox("people@x.example", "it", actor="test")
    assert people.add_mailboxes({"PEOPLE@x.example": "hr", "it@x.example": "it"}, actor="test") == ["it@x.example"]
    assert people.mailboxes() == {"it@x.example": "it", "people@x.example": "it"}, "what is there already stays"
    people.remove_mailbox("people@x.example", actor="test")
    assert people.mailboxes() == {"it@x.example": "it"}
    assert [row.action for row in audit.rows()].count("mailbox.set") == 3 and audit.verify() == []
    with pytest.raises(NotFound, match="users mailboxes"):
        people.remove_mailbox("people@x.example", actor="test")
    for address, group, told in (
        ("nothing", "hr", "e-mail"),
        ("a@b", "nosuch", "no group"),
        ("a@b", "everyone", "no group"),
    ):
        with pytest.raises(BadInput, match=told):
            people.set_mailbox(address, group, actor="test")


def test_the_mailboxes_of_a_people_file_are_read_and_may_be_missing(tmp_path: Path) -> None:
    file = tmp_path / "people.yaml"
    for text, found in (
        ("groups: []\npeople: []", {}),
        ("mailboxes:", {}),
        ("mailboxes: {people@x.example: hr}", {"people@x.example": "hr"}),
    ):
        file.write_text(text)
        assert read_mailboxes(file) == found
    for text in ("mailboxes: [people@x.example]", "- a", "mailboxes: {"):
        file.write_text(text)
        with pytest.raises(BadInput, match="for the form"):
            read_mailboxes(file)
