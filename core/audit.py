"""The audit log: append-only rows, each chained to the one before by HMAC, so that a changed, removed or reordered row shows.

The key lies in the home folder, apart from the database, and so does a head record (count and last hash): whoever can
write to the database alone can neither forge a row nor cut off the newest ones unseen.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from core.store import Store
from core.tables import audit

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class AuditRow:
    seq: int
    at: str
    actor: str
    action: str
    subject: str
    details: str
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """One thing wrong with the log: the row's number and what is wrong with it."""

    seq: int
    problem: str


@dataclass(frozen=True, slots=True)
class Head:
    """The row that was written last, or an earlier one after a crash: what `audit.head` holds."""

    seq: int
    hash: str


class Audit:
    """Appends to the log and verifies it.

    Args:
        store: the database.
        home: folder of `audit.key` (made on first use, mode 0600) and `audit.head`.
    """

    def __init__(self, store: Store, home: Path) -> None:
        self._store = store
        self._key = _key(home / "audit.key")
        self._head = home / "audit.head"
        self._lock = threading.Lock()

    @contextmanager
    def recorded(self, actor: str, action: str, subject: str, **details: object) -> Iterator[sa.Connection]:
        """A transaction whose changes and whose audit row commit together, or not at all."""
        with self._lock:
            with self._store.begin() as connection:
                yield connection
                row = self._append(connection, actor, action, subject, details)
            self._write_head(row)

    def append(self, actor: str, action: str, subject: str, **details: object) -> None:
        """Record an act that changes nothing in the store, such as an export or a refused sign-in."""
        with self.recorded(actor, action, subject, **details):
            pass

    def _append(
        self, connection: sa.Connection, actor: str, action: str, subject: str, details: Mapping[str, object]
    ) -> AuditRow:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("lock table audit in exclusive mode"))
        last = connection.execute(sa.select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)).first()
        seq, previous = (last.seq + 1, last.hash) if last else (1, GENESIS)
        if head := self._read_head():  # the place of rows that were cut off stays empty, or newer ones would hide it
            seq = max(seq, head.seq + 1)
        text = json.dumps(details, sort_keys=True, default=str)
        row = AuditRow(
            seq,
            datetime.now(UTC).isoformat(),
            _cut(actor, 80),
            _cut(action, 80),
            _cut(subject, 300),
            text,
            previous,
            "",
        )
        row = replace(row, hash=self._hash(row))
        connection.execute(audit.insert().values(asdict(row)))
        return row

    def sign(self, purpose: str, body: bytes) -> str:
        """Signature of something that is kept outside the log, such as a gate report: hex HMAC-SHA256.

        Each purpose has a key of its own, derived from the log's, so that no signature passes for another's or for a row's.
        """
        key = hmac.new(self._key, f"purpose:{purpose}".encode(), hashlib.sha256).digest()
        return hmac.new(key, body, hashlib.sha256).hexdigest()

    def signed(self, purpose: str, body: bytes, signature: str) -> bool:
        """Whether `sign` made this signature for that purpose and body."""
        return hmac.compare_digest(self.sign(purpose, body).encode(), signature.encode("utf-8", "replace"))

    def rows(self, limit: int | None = None) -> Iterator[AuditRow]:
        """The rows in order, or the newest `limit` of them, newest first."""
        query = sa.select(audit).order_by(audit.c.seq if limit is None else audit.c.seq.desc())
        with self._store.read() as connection:
            for row in connection.execute(query if limit is None else query.limit(limit)):
                yield AuditRow(*row)

    def count(self) -> int:
        with self._store.read() as connection:
            return int(connection.scalar(sa.select(sa.func.count()).select_from(audit)) or 0)

    def newest(self, acts: str) -> int:
        """The number of the newest row whose action begins so, 0 where there is none. Rows are numbered in the order of their commits."""
        query = sa.select(audit.c.seq).where(audit.c.action.startswith(acts, autoescape=True))
        with self._store.read() as connection:
            return int(connection.scalar(query.order_by(audit.c.seq.desc()).limit(1)) or 0)

    def verify(self) -> list[AuditFinding]:
        """Every break of the chain, in order; an empty list means that the log is whole. Others may write to it meanwhile."""
        # Before the rows, which then hold at least what it names: those that come after it are vouched for by the chain.
        head = self._read_head()
        findings: list[AuditFinding] = []
        previous, expected, sound, named = GENESIS, 1, True, ""
        for row in self.rows():
            if row.seq != expected:
                gone = f"row {expected} was" if row.seq == expected + 1 else f"rows {expected} to {row.seq - 1} were"
                findings.append(AuditFinding(expected, f"{gone} removed"))
            follows = row.previous == previous or row.seq != expected or not sound
            sound = hmac.compare_digest(row.hash, self._hash(row))
            if not sound:
                places = head.seq if head and len(findings) < 20 else 0
                findings.append(AuditFinding(row.seq, self._what_happened(row, places)))
            elif not follows:
                findings.append(AuditFinding(row.seq, "row does not follow the one before it: replaced"))
            if head and row.seq == head.seq:
                named = row.hash
            previous, expected = row.hash, row.seq + 1
        return findings + _head_findings(head, expected - 1, named)

    def _what_happened(self, row: AuditRow, places: int) -> str:
        """Whether a row that fails its hash is whole under another number up to `places`, and so was moved, or was changed."""
        origin = next((n for n in range(1, places + 1) if self._hash(replace(row, seq=n)) == row.hash), None)
        return "row was changed" if origin is None else f"row was moved here from place {origin}: reordered"

    def _hash(self, row: AuditRow) -> str:
        body = json.dumps([row.previous, row.seq, row.at, row.actor, row.action, row.subject, row.details])
        return hmac.new(self._key, body.encode(), hashlib.sha256).hexdigest()

    def _write_head(self, row: AuditRow) -> None:
        # Another process may have committed a later row and be first here: the head never moves back.
        with self._head.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            head = self._read_head()
            if head and head.seq >= row.seq:
                return
            temporary = self._head.with_suffix(".tmp")
            temporary.write_text(json.dumps({"seq": row.seq, "hash": row.hash}))
            temporary.replace(self._head)

    def _read_head(self) -> Head | None:
        return Head(**json.loads(self._head.read_text())) if self._head.exists() else None


def _head_findings(head: Head | None, count: int, named: str) -> list[AuditFinding]:
    """What the head tells of a chain of `count` rows; `named` is the hash of the row of its number, "" where that one is gone."""
    if head is None:
        return [AuditFinding(count, "audit.head is missing: the newest rows cannot be vouched for")] if count else []
    if head.seq > count:
        return [AuditFinding(count + 1, f"rows {count + 1} to {head.seq} were removed from the end")]
    if named and head.hash != named:
        return [AuditFinding(head.seq, "row is not the one that was written last")]
    return []  # a crash between commit and head leaves the head behind: the chain itself still holds


def _cut(text: str, length: int) -> str:
    """What the column holds, and what the hash is made over: some databases refuse longer or unstorable text."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")[:length]


def _key(path: Path) -> bytes:
    """The key, made on first use. It appears under its name only when it is whole: two processes may start at once."""
    if not path.exists():
        temporary = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}.tmp")
        with os.fdopen(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_bytes(32).hex())
        with suppress(FileExistsError):
            os.link(temporary, path)
        temporary.unlink()
    return bytes.fromhex(path.read_text())
