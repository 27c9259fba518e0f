"""Local accounts: argon2 hashes, generated passwords, and a sign-in that tells a stranger nothing.

A wrong name costs as much time as a wrong password and gets the same answer. Attempts are limited per account and address.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from core.audit import Audit
from core.errors import BadInput, NotSignedIn, TooMany
from core.people import Account, People
from core.records import Principal

ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without the characters that people confuse when they copy a password from a screen: i, l, o, 0, 1."""
SHORTEST, LONGEST = 12, 200
SPREAD = 5
"""One address, or one account from all addresses, has this many times the attempts of one account at one address."""
AT_ONCE = 4
"""Hashing takes 64 MiB each: more sign-ins at the same moment wait."""


def generate_password() -> str:
    """Four groups of five characters, 99 bits, easy to copy by hand."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(5)) for _ in range(4))


def hash_password(password: str, hasher: PasswordHasher | None = None) -> str:
    """The argon2 hash to store.

    Raises:
        BadInput: the password is shorter than 12 or longer than 200 characters.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadInput(f"A password has {SHORTEST} to {LONGEST} characters.")
    return (hasher or PasswordHasher()).hash(password)


def add_with_passwords(
    people: People, groups: Mapping[str, str], everybody: Sequence[Principal], *, actor: str
) -> dict[str, str]:
    """Make the groups and people that do not exist yet; the new people's generated passwords by id, to show once."""
    known = {account.person.person_id for account in people.accounts()}
    people.add_groups(groups, actor=actor)
    passwords = {who.person_id: generate_password() for who in everybody if who.person_id not in known}
    for who in everybody:
        if who.person_id in passwords:
            people.add(who, actor=actor, password_hash=hash_password(passwords[who.person_id]))
    return passwords


class Accounts:
    """Signs people in by id or e-mail address and password.

    Args:
        per_minute: attempts per account and address in any 60 seconds.
        hasher: argon2 parameters; the library's own (RFC 9106) when None.
    """

    def __init__(
        self, people: People, audit: Audit, *, per_minute: int = 10, hasher: PasswordHasher | None = None
    ) -> None:
        self._people = people
        self._audit = audit
        self._hasher = hasher or PasswordHasher()
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._narrow = RateLimitItemPerMinute(per_minute, namespace="sign-in")
        self._wide = RateLimitItemPerMinute(per_minute * SPREAD, namespace="sign-in-wide")
        self._hashing = threading.BoundedSemaphore(AT_ONCE)
        self._decoy: str | None = None

    def hash(self, password: str) -> str:
        with self._hashing:
            return hash_password(password, self._hasher)

    def sign_in(self, name: str, password: str, address: str) -> Principal:
        """The person whose id or e-mail address and password these are.

        Raises:
            NotSignedIn: unknown, deactivated, without a local password, or the password is wrong: all look the same.
            TooMany: too many attempts in the last minute.
        """
        return self._proved(name, password, address).person

    def _proved(self, name: str, password: str, address: str) -> Account:
        """The account, with the hash that the password was right for."""
        self._count(name, address)
        account = self._people.account(name)
        stored = account.password_hash if account and account.active else None
        right = self._verify(stored, password)
        if account is not None and stored is not None and right and self._hasher.check_needs_rehash(stored):
            # Hashing may wait its turn: where another password was set meanwhile, this one is right no longer.
            old, stored = stored, self.hash(password)
            right = self._people.rehash(account.person.person_id, old, stored)
        if account is None or stored is None or not right:
            # A name that nobody has may be a password typed into the wrong field: it is not written down.
            subject = account.person.person_id if account else "unknown"
            self._audit.append(subject, "sign_in.refused", subject, address=address)
            raise NotSignedIn("The name or the password is not right.")
        person_id = account.person.person_id
        self._audit.append(person_id, "sign_in.ok", person_id, address=address, by="password")
        return replace(account, password_hash=stored)

    def has_password(self, person: Principal) -> bool:
        """Whether the person signs in with a password of ours; others do so at their provider."""
        account = self._people.account(person.person_id)
        return account is not None and account.password_hash is not None

    def change(self, person: Principal, current: str, new: str, address: str) -> None:
        """Set a person's own new password, which ends their sessions; raises as `sign_in`, `hash` and `People.set_password`."""
        if current == new:
            raise BadInput("The new password is the old one: choose another.")
        right = self._proved(person.person_id, current, address).password_hash or ""
        self._people.set_password(person.person_id, self.hash(new), actor=person.person_id, instead_of=right)

    def _count(self, name: str, address: str) -> None:
        account = hashlib.sha256(name.strip().lower().encode("utf-8", "replace")).hexdigest()
        spent = [
            (self._narrow, (account, address)),
            (self._wide, ("address", address)),
            (self._wide, ("account", account)),
        ]
        if not all(self._limiter.hit(item, *key) for item, key in spent):
            raise TooMany("Too many sign-in attempts: wait a minute, then try again.")

    def _verify(self, stored: str | None, password: str) -> bool:
        with self._hashing:
            if self._decoy is None:
                self._decoy = self._hasher.hash(secrets.token_urlsafe(16))
            try:
                return self._hasher.verify(stored or self._decoy, password[: LONGEST + 1]) and stored is not None
            except (VerificationError, InvalidHashError):
                return False
