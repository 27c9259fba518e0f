"""Local sign-in on a real store with real argon2 (small parameters): limits, decoys, what the audit log keeps."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from argon2 import PasswordHasher

from assistant.web.passwords import Accounts, generate_password
from assistant.web.sessions import Sessions
from core.audit import Audit
from core.errors import BadInput, Conflict, NotSignedIn, TooMany
from core.people import People
from core.store import Store

PASSWORD = "quite-a-long-password"
FAST = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


@pytest.fixture
def accounts(people: People, audit: Audit) -> Accounts:
    made = Accounts(people, audit, per_minute=3, hasher=FAST)
    people.set_password("emma.employee", made.hash(PASSWORD), actor="test")
    return made


def actions(audit: Audit) -> list[tuple[str, str]]:
    return [(row.action, row.subject) for row in audit.rows() if row.action.startswith("sign_in")]


def test_the_id_or_the_address_in_any_case_signs_in(accounts: Accounts, audit: Audit) -> None:
    for name in ("emma.employee", " Emma.Employee@KESTRELBAY.example "):
        assert accounts.sign_in(name, PASSWORD, "::1").person_id == "emma.employee"
    assert actions(audit) == [("sign_in.ok", "emma.employee")] * 2


@pytest.mark.parametrize(
    ("name", "password", "subject"),
    [
        ("emma.employee", "wrong", "emma.employee"),
        ("emma.employee", "", "emma.employee"),
        ("sam.support", PASSWORD, "sam.support"),  # has no local password
        ("My-Secret-Typed-In-The-Wrong-Field", PASSWORD, "unknown"),
        ("\ud800\x00", PASSWORD, "unknown"),
    ],
)
def test_every_refusal_looks_the_same_and_a_strange_name_is_not_written_down(
    accounts: Accounts, audit: Audit, name: str, password: str, subject: str
) -> None:
    with pytest.raises(NotSignedIn, match=r"^The name or the password is not right\.$"):
        accounts.sign_in(name, password, "::1")
    assert actions(audit) == [("sign_in.refused", subject)]
    assert "Secret" not in str(list(audit.rows()))


def test_a_deactivated_person_is_refused(accounts: Accounts, people: People) -> None:
    people.deactivate("emma.employee", actor="test")
    with pytest.raises(NotSignedIn):
        accounts.sign_in("emma.employee", PASSWORD, "::1")


def test_attempts_are_limited_per_account_and_address(accounts: Accounts) -> None:
    for _ in range(3):
        with pytest.raises(NotSignedIn):
            accounts.sign_in("emma.employee", "wrong", "10.0.0.1")
    with pytest.raises(TooMany, match="minute"):
        accounts.sign_in("emma.employee", PASSWORD, "10.0.0.1")
    assert accounts.sign_in("emma.employee", PASSWORD, "10.0.0.2").person_id == "emma.employee"


def test_one_address_cannot_try_many_names_and_one_name_not_from_many_addresses(accounts: Accounts) -> None:
    for i in range(15):
        with pytest.raises(NotSignedIn):
            accounts.sign_in(f"person{i}", "wrong", "10.0.0.1")
    with pytest.raises(TooMany):
        accounts.sign_in("sam.support", "wrong", "10.0.0.1")
    for i in range(15):
        with pytest.raises(NotSignedIn):
            accounts.sign_in("ada.admin", "wrong", f"10.0.1.{i}")
    with pytest.raises(TooMany):
        accounts.sign_in("ada.admin", "wrong", "10.0.2.1")


def test_an_unknown_name_costs_the_time_of_a_wrong_password(people: People, audit: Audit) -> None:
    slow = Accounts(people, audit, per_minute=1000, hasher=PasswordHasher(time_cost=4, memory_cost=8192, parallelism=1))
    people.set_password("emma.employee", slow.hash(PASSWORD), actor="test")

    def cost(name: str) -> float:
        best = 1.0
        for _ in range(5):
            begun = time.perf_counter()
            with pytest.raises(NotSignedIn):
                slow.sign_in(name, "wrong", "::1")
            best = min(best, time.perf_counter() - begun)
        return best

    cost("warm-up")
    assert cost("nobody") > 0.4 * cost("emma.employee")


def test_a_password_has_at_least_twelve_characters(accounts: Accounts) -> None:
    for wrong in ("short", "x" * 201):
        with pytest.raises(BadInput, match="12 to 200"):
            accounts.hash(wrong)


def test_generated_passwords_differ_and_are_long_enough_to_store(accounts: Accounts) -> None:
    made = {generate_password() for _ in range(100)}
    assert len(made) == 100
    assert all(accounts.hash(one).startswith("$argon2id$") for one in made)


def test_changing_the_password_needs_the_old_one_and_ends_the_sessions(
    accounts: Accounts, people: People, store: Store
) -> None:
    emma = people.get("emma.employee")
    sessions = Sessions(store, hours=1)
    token = sessions.start("emma.employee")
    with pytest.raises(NotSignedIn):
        accounts.change(emma, "wrong", "another-long-password", "::1")
    with pytest.raises(BadInput, match="12"):
        accounts.change(emma, PASSWORD, "short", "::1")
    assert sessions.find(token) is not None
    accounts.change(emma, PASSWORD, "another-long-password", "::2")
    assert sessions.find(token) is None
    assert accounts.sign_in("emma.employee", "another-long-password", "::2") == emma


def test_an_old_hash_is_renewed_at_sign_in_without_ending_sessions(
    people: People, audit: Audit, store: Store, accounts: Accounts
) -> None:
    token = Sessions(store, hours=1).start("emma.employee")
    stronger = Accounts(people, audit, hasher=PasswordHasher(time_cost=2, memory_cost=128, parallelism=1))
    stronger.sign_in("emma.employee", PASSWORD, "::1")
    account = people.account("emma.employee")
    assert account is not None
    assert "t=2" in str(account.password_hash)
    assert Sessions(store, hours=1).find(token) is not None


class Interrupted(PasswordHasher):
    """Something happens while one of the passwords is hashed, as where hashing waits its turn."""

    def __init__(self, one: str, meanwhile: Callable[[], None]) -> None:
        super().__init__(time_cost=2, memory_cost=128, parallelism=1)
        self._one, self._meanwhile = one, meanwhile

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        if password == self._one:
            self._meanwhile()
        return super().hash(password, salt=salt)


NEW = "another-long-password"


@pytest.mark.parametrize(("hashed", "refusal", "told"), [(PASSWORD, NotSignedIn, ["refused"]), (NEW, Conflict, ["ok"])])
def test_a_password_set_while_the_old_one_is_hashed_anew_or_changed_stays(
    accounts: Accounts, people: People, audit: Audit, hashed: str, refusal: type[Exception], told: list[str]
) -> None:
    by_admin = accounts.hash("set-by-an-administrator")
    reset = Interrupted(hashed, lambda: people.set_password("emma.employee", by_admin, actor="ada.admin"))
    with pytest.raises(refusal):
        Accounts(people, audit, hasher=reset).change(people.get("emma.employee"), PASSWORD, NEW, "::1")
    account = people.account("emma.employee")
    assert account is not None
    assert account.password_hash == by_admin
    assert [action for action, _ in actions(audit)] == [f"sign_in.{end}" for end in told]
