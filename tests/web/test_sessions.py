"""Sessions and API keys on a real store: they survive a restart, run out, and end with the account."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.requests import Request

from assistant.web.api_keys import ApiKeys
from assistant.web.sessions import SCOPE_KEY, Identity, Sessions, current_caller, current_person
from core.audit import Audit
from core.errors import BadInput, NotAllowed, NotFound, NotSignedIn
from core.people import People
from core.store import Store
from core.tables import api_key, session


@pytest.fixture
def sessions(store: Store, people: People) -> Sessions:
    return Sessions(store, hours=1)


@pytest.fixture
def keys(store: Store, audit: Audit, people: People) -> ApiKeys:
    return ApiKeys(store, audit)


@pytest.fixture
def known(sessions: Sessions, keys: ApiKeys, people: People) -> Identity:
    return Identity(sessions, keys, people, cookie="s", local_token="t0ken")


def request(known: Identity, **headers: str) -> Request:
    pairs = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    return Request({"type": "http", "headers": pairs, SCOPE_KEY: known})


def test_a_session_survives_a_restart_and_the_table_does_not_hold_the_cookie(
    home: Path, store: Store, sessions: Sessions
) -> None:
    token = sessions.start("emma.employee")
    store.close()
    with Store(f"sqlite:///{home / 'assistant.db'}") as again:
        found = Sessions(again, hours=1).find(token)
        assert found is not None
        assert found.person_id == "emma.employee"
        with again.read() as connection:
            assert token not in str(connection.execute(session.select()).all())


def test_a_session_ends_at_sign_out_and_when_it_runs_out(store: Store, sessions: Sessions) -> None:
    token = sessions.start("emma.employee")
    sessions.end(token)
    assert sessions.find(token) is None
    late = sessions.start("emma.employee")
    with store.begin() as connection:
        connection.execute(session.update().values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert sessions.find(late) is None
    sessions.start("emma.employee")
    with store.read() as connection:
        assert len(connection.execute(session.select()).all()) == 1, "starting a session clears those that ran out"


def test_a_new_password_and_a_deactivation_end_the_sessions_of_that_person_only(
    people: People, sessions: Sessions, keys: ApiKeys
) -> None:
    emma, sam = sessions.start("emma.employee"), sessions.start("sam.support")
    key, _ = keys.add("sam.support", ["chat"], name="", actor="test")
    people.set_password("emma.employee", "hash", actor="test")
    assert sessions.find(emma) is None
    assert sessions.find(sam) is not None
    people.deactivate("sam.support", actor="test")
    assert sessions.find(sam) is None
    assert keys.find(key) is None
    people.activate("sam.support", actor="test")
    assert keys.find(key) is None, "a key revoked with the account stays revoked"


def test_changed_groups_count_from_the_next_request(people: People, sessions: Sessions) -> None:
    token = sessions.start("hana.hr")
    hana = people.get("hana.hr")
    people.update(type(hana)(hana.person_id, hana.name, hana.email, frozenset(), "public", hana.roles), actor="test")
    found = sessions.find(token)
    assert found is not None
    assert (found.groups, found.clearance) == (frozenset(), "public")


def test_a_key_works_until_it_is_revoked_or_runs_out(store: Store, keys: ApiKeys) -> None:
    key, record = keys.add("emma.employee", ["chat", "feedback"], name="laptop", actor="test", days=1)
    found = keys.find(key)
    assert found is not None
    assert (found[0].person_id, found[1]) == ("emma.employee", {"chat", "feedback"})
    assert [k.key_id for k in keys.all()] == [record.key_id]
    with store.read() as connection:
        assert key not in str(connection.execute(api_key.select()).all())
    keys.revoke(record.key_id, actor="test")
    assert keys.find(key) is None
    with pytest.raises(NotFound, match="keys list"):
        keys.revoke(record.key_id, actor="test")
    old, _ = keys.add("emma.employee", ["chat"], name="", actor="test", days=1)
    with store.begin() as connection:
        connection.execute(api_key.update().values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert keys.find(old) is None


def test_a_key_needs_a_known_scope_and_an_active_person(keys: ApiKeys) -> None:
    with pytest.raises(BadInput, match="chat, documents"):
        keys.add("emma.employee", ["everything"], name="", actor="test")
    with pytest.raises(NotFound, match="users list"):
        keys.add("nobody", ["chat"], name="", actor="test")
    assert keys.all() == []


def test_the_cookie_names_the_person_and_a_stranger_is_told_to_sign_in(known: Identity) -> None:
    token = known.sessions.start("emma.employee")
    assert current_person(request(known, cookie=f"s={token}")).person_id == "emma.employee"
    for headers in ({}, {"cookie": "s=wrong"}, {"authorization": "Bearer ea_0_0"}, {"authorization": "Basic x"}):
        with pytest.raises(NotSignedIn):
            current_person(request(known, **headers))


def test_a_wrong_key_does_not_fall_back_to_the_cookie(known: Identity) -> None:
    token = known.sessions.start("emma.employee")
    with pytest.raises(NotSignedIn):
        current_person(request(known, cookie=f"s={token}", authorization="Bearer ea_0_0"), "chat")


def test_a_key_is_good_for_its_scopes_and_never_for_the_pages(known: Identity) -> None:
    key, _ = known.keys.add("emma.employee", ["chat"], name="", actor="test")
    asked = request(known, authorization=f"Bearer {key}")
    assert current_caller(asked, "chat").via == "key"
    with pytest.raises(NotAllowed, match="'documents'"):
        current_person(asked, "documents")
    with pytest.raises(NotAllowed, match="browsers"):
        current_person(asked)


def test_the_local_token_speaks_for_the_person_that_it_names(known: Identity) -> None:
    asked = request(known, authorization="Bearer local_t0ken", x_as_person="hana.hr")
    assert current_caller(asked, "chat").person.person_id == "hana.hr"
    with pytest.raises(NotFound):
        current_person(request(known, authorization="Bearer local_t0ken", x_as_person="nobody"), "chat")
    with pytest.raises(NotSignedIn):
        current_person(request(known, authorization="Bearer local_wrong", x_as_person="hana.hr"), "chat")
    without = Identity(known.sessions, known.keys, known.people, cookie="s")
    with pytest.raises(NotSignedIn):
        current_person(request(without, authorization="Bearer local_", x_as_person="hana.hr"), "chat")
