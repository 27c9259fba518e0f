"""Pseudonyms: one name for one datum, so that a text stays readable while nobody reads the datum.

    pseudonyms = open_pseudonyms(settings, store, audit)
    pseudonyms.name("PERSON", "Nora Whitcombe")          "PERSON-KTZRWMBD", each time
    pseudonyms.reveal("PERSON-KTZRWMBD", by=admin, why="complaint 4471")

The name is an HMAC of the datum: without the key nobody can try out names. The database keeps the datum encrypted
(AES-256-GCM), its digest and no key. The key is a file outside the home folder (ASSISTANT_PSEUDONYM_KEY), which no backup
of the home folder holds; without it no mapping opens. Every reading is an audit row, a refused one too.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import threading
import unicodedata
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa

from core.audit import Audit
from core.errors import BadInput, NotAllowed, NotFound, SettingsError
from core.records import Principal
from core.settings import Settings
from core.store import Store
from core.tables import pseudonym
from guardrails.entities import ENTITIES

KEY_BYTES = 32
LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""Letters of a name: no vowels, so that it spells nothing, and no digits, so that no recogniser takes it for a number."""
LENGTH = 10
KEPT = 10_000
"""Names that are known to be stored, newest used."""
_NUMBERS = frozenset(
    {"BANK_ACCOUNT", "CREDIT_CARD", "IBAN_CODE", "PASSPORT", "PHONE_NUMBER", "UK_NHS", "UK_NINO", "US_ITIN", "US_SSN"}
)
"""Kinds whose spaces and signs say nothing: two spellings are one datum."""


class Namer(Protocol):
    """What gives a datum its pseudonym."""

    def name(self, entity: str, value: str) -> str:
        """The pseudonym of a value of this kind, without brackets."""
        ...


@dataclass(frozen=True, slots=True)
class Naming:
    """Pseudonyms of one key, kept nowhere: the `check` command shows them so."""

    key: bytes

    def name(self, entity: str, value: str) -> str:
        return self.named(entity, self.digest(entity, value))

    def digest(self, entity: str, value: str) -> str:
        """Hex HMAC-SHA256 of the datum; the kind belongs to it."""
        return hmac.new(self.derived("digest"), f"{entity}\0{same(entity, value)}".encode(), hashlib.sha256).hexdigest()

    def named(self, entity: str, digest: str) -> str:
        number = int(digest, 16)
        letters = ""
        for _ in range(LENGTH):
            number, place = divmod(number, len(LETTERS))
            letters += LETTERS[place]
        return f"{ENTITIES.get(entity, 'ID').replace(' ', '_')}-{letters}"

    def derived(self, purpose: str) -> bytes:
        """A key of its own for each purpose."""
        return hmac.new(self.key, f"pseudonyms:{purpose}".encode(), hashlib.sha256).digest()


class Pseudonyms:
    """Names data and keeps what they stand for, encrypted. Safe in threads.

    Args:
        key: 32 bytes, as `read_key` gives them.
    """

    def __init__(self, store: Store, audit: Audit, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._store = store
        self._audit = audit
        self._naming = Naming(key)
        self._cipher = AESGCM(self._naming.derived("encryption"))
        self._known: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def name(self, entity: str, value: str) -> str:
        """The pseudonym of a datum; the first time its mapping is stored.

        Raises:
            StoreUnavailable: the mapping cannot be stored; then there is no pseudonym either.
        """
        digest = self._naming.digest(entity, value)
        name = self._naming.named(entity, digest)
        if not self._is_known(name):
            self._keep(name, digest, entity, value)
        return name

    def reveal(self, name: str, *, by: Principal, why: str) -> str:
        """What a pseudonym stands for. The audit log keeps who asked, for which pseudonym and why, never the datum.

        Raises:
            NotAllowed: the person is no admin.
            NotFound: there is no such pseudonym.
            BadInput: no reason is given.
            SettingsError: the key is another one than the mapping was made with.
        """
        from cryptography.exceptions import InvalidTag

        name = name.strip().strip("<>")
        allowed = "admin" in by.roles
        if not why.strip():
            raise BadInput("Say why the datum is needed; the audit log keeps it.")
        self._audit.append(by.person_id, "pseudonym.reveal" if allowed else "pseudonym.refused", name[:80], why=why)
        if not allowed:
            raise NotAllowed("Only an admin may read what a pseudonym stands for.")
        with self._store.read() as connection:
            row = connection.execute(sa.select(pseudonym).where(pseudonym.c.pseudonym == name)).first()
        if row is None:
            raise NotFound(f"There is no pseudonym {name}.")
        try:
            opened = self._cipher.decrypt(row.ciphertext[:12], row.ciphertext[12:], _bound(name, row.entity_type))
        except InvalidTag:
            raise SettingsError(
                "ASSISTANT_PSEUDONYM_KEY: this key did not make that pseudonym; name the key that was in force then"
            ) from None
        return opened.decode()

    def forget(self, name: str, *, by: Principal) -> None:
        """Delete a mapping for good: the pseudonym stays in texts and leads nowhere.

        Raises:
            NotAllowed: the person is no admin.
            NotFound: there is no such pseudonym.
        """
        if "admin" not in by.roles:
            raise NotAllowed("Only an admin may delete what a pseudonym stands for.")
        name = name.strip().strip("<>")
        with self._audit.recorded(by.person_id, "pseudonym.forget", name[:80]) as connection:
            if not connection.execute(pseudonym.delete().where(pseudonym.c.pseudonym == name)).rowcount:
                raise NotFound(f"There is no pseudonym {name}.")
        with self._lock:
            self._known.pop(name, None)

    def count(self) -> int:
        """How many data have a name."""
        with self._store.read() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(pseudonym)).scalar_one())

    def _is_known(self, name: str) -> bool:
        with self._lock:
            if name in self._known:
                self._known.move_to_end(name)
                return True
        return False

    def _keep(self, name: str, digest: str, entity: str, value: str) -> None:
        nonce = secrets.token_bytes(12)
        row = {
            "pseudonym": name,
            "digest": digest,
            "entity_type": entity,
            "ciphertext": nonce + self._cipher.encrypt(nonce, value.encode(), _bound(name, entity)),
            "created_at": datetime.now(UTC),
        }
        there = sa.select(pseudonym.c.digest).where(pseudonym.c.pseudonym == name)
        with self._store.begin() as connection:
            kept = connection.execute(there).scalar()
            if kept is None:
                try:
                    with connection.begin_nested():
                        connection.execute(pseudonym.insert().values(row))
                except sa.exc.IntegrityError:  # another thread or process was first
                    kept = connection.execute(there).scalar()
        if kept is not None and kept != digest:
            raise ValueError("two data share a pseudonym")
        with self._lock:
            self._known[name] = None
            if len(self._known) > KEPT:
                self._known.popitem(last=False)


def same(entity: str, value: str) -> str:
    """The form in which two spellings of one datum are equal."""
    text = " ".join(unicodedata.normalize("NFKC", value).casefold().split())
    return re.sub(r"[^\w+]", "", text) if entity in _NUMBERS else text


def _bound(name: str, entity: str) -> bytes:
    """What a ciphertext belongs to: one that is moved to another row does not open."""
    return f"{name}\0{entity}".encode()


def make_key(path: Path) -> None:
    """Write a new key that only its owner can read.

    Raises:
        BadInput: the file exists, or its folder does not.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise BadInput(
            f"{path} exists; a key is never overwritten, because what it named could not be read any more."
        ) from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be written ({error.strerror}); name a file in a folder that exists.") from None
    with os.fdopen(handle, "wb") as file:
        file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")


def read_key(path: Path, home: Path) -> bytes:
    """The key of a file.

    Raises:
        SettingsError: it lies in the home folder, others can read it, or it is no key.
    """
    if path.resolve().is_relative_to(home.resolve()):
        raise SettingsError(
            f"ASSISTANT_PSEUDONYM_KEY={path}: lies in the home folder beside the data that it opens; keep it elsewhere"
        )
    try:
        open_to_others = path.stat().st_mode & 0o077
        key = base64.b64decode(path.read_bytes(), validate=False)
    except (OSError, ValueError):
        key, open_to_others = b"", 0
    if open_to_others:
        raise SettingsError(f"ASSISTANT_PSEUDONYM_KEY={path}: others can read it; chmod 600 {path}")
    if len(key) != KEY_BYTES:
        raise SettingsError(
            f"ASSISTANT_PSEUDONYM_KEY={path}: is no key; make one with `python -m assistant pseudonyms new-key {path}`"
        )
    return key


def open_pseudonyms(settings: Settings, store: Store, audit: Audit) -> Pseudonyms | None:
    """The pseudonyms of the key that the settings name; None where they name none.

    Raises:
        SettingsError: the key cannot be used.
    """
    if settings.pseudonym_key is None:
        return None
    return Pseudonyms(store, audit, read_key(settings.pseudonym_key, settings.home))
