"""The catalogue: every document version with its governance, its passages and its text, in the store.

It answers what may be read: `answerable` is the second access check, on what the index found. What is written here is
written by `retrieval/ingest.py` and `retrieval/indexing.py`, each change with its audit row in one transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import numpy as np
import sqlalchemy as sa

from core.audit import Audit
from core.errors import NotFound
from core.lineage import block_learnt_from
from core.records import Document, DocumentStatus, IndexState, Passage, Principal
from core.store import Store
from core.tables import document, document_text, passage
from retrieval.dedup import Fingerprint, Signature

Key = tuple[str, int]
"""`(document_id, version)`."""

ANSWERING_STATES: tuple[IndexState, ...] = ("indexed", "duplicate")
"""A version in one of these supersedes the older ones; a duplicate's words are answered by its original."""
UNKNOWN = (
    "There is no such document version, or you may not read it. The Documents page lists those that there are for you."
)
"""Told of a version that does not exist and of one that is not for whoever asks: two texts would say which."""
_IN_CLAUSE = 500
_PLAIN = (
    "document_id",
    "version",
    "title",
    "owner",
    "department",
    "classification",
    "effective",
    "expires",
    "review",
    "legal_hold",
    "language",
    "source",
    "status",
    "sha256",
    "path",
    "state",
    "duplicate_of",
    "chunks",
)
"""Columns that hold a Document's field as it is."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is needed to see that a file has not changed. `governance_sha256` is empty once the text was erased."""

    key: Key
    sha256: str
    governance_sha256: str
    state: IndexState
    status: DocumentStatus
    reason: str
    chunks: int
    path: str


@dataclass(frozen=True, slots=True)
class Compared:
    """A document that another one may be a duplicate of."""

    key: Key
    text_sha256: str
    minhash: Signature


@dataclass(frozen=True, slots=True)
class Entry:
    """All that is stored of one document version."""

    document: Document
    text: str
    fingerprint: Fingerprint
    governance_sha256: str
    passages: Sequence[Passage]


class Catalogue:
    """Reads and writes the document tables. Safe to use from several threads."""

    def __init__(self, store: Store, audit: Audit) -> None:
        self._store = store
        self._audit = audit

    # --- reading -------------------------------------------------------------------------------------------------

    def get(self, document_id: str, version: int) -> Document:
        """Raises NotFound."""
        found = self.find(document_id, version)
        if found is None:
            raise NotFound(UNKNOWN)
        return found

    def find(self, document_id: str, version: int) -> Document | None:
        found = self._documents(document.c.document_id == document_id, document.c.version == version)
        return found[0] if found else None

    def readable(self, document_id: str, version: int, person: Principal) -> Document:
        """The document where the person may read it; NotFound otherwise, so that nobody learns that it exists."""
        found = self.find(document_id, version)
        if found is None or not found.readable_by(person):
            raise NotFound(UNKNOWN)
        return found

    def documents(
        self,
        *,
        person: Principal | None = None,
        today: date | None = None,
        state: IndexState | None = None,
        status: DocumentStatus | None = None,
        department: str | None = None,
        document_id: str | None = None,
    ) -> list[Document]:
        """Documents by id and version. With a person: only those in force on that day that the person may read."""
        chosen = {"state": state, "status": status, "department": department, "document_id": document_id}
        found = self._documents(*(document.c[name] == value for name, value in chosen.items() if value is not None))
        if person is None:
            return found
        day = today or datetime.now(UTC).date()
        return [d for d in found if d.state in ANSWERING_STATES and d.in_force(day) and d.readable_by(person)]

    def counts(self) -> dict[tuple[IndexState, DocumentStatus], int]:
        """How many document versions there are of each state and status."""
        kinds = (document.c.state, document.c.status)
        with self._store.read() as connection:
            rows = connection.execute(sa.select(*kinds, sa.func.count()).group_by(*kinds)).all()
        return {(state, status): count for state, status, count in rows}

    def for_manager(self, of: Document, person: Principal) -> Document:
        """The document, naming those near duplicates alone that the person manages too: the others' words are not theirs."""
        near = [self.find(*key_from(spelled)) for spelled in of.near_duplicates]
        return replace(of, near_duplicates=tuple(name(key_of(d)) for d in near if d and d.managed_by(person)))

    def passages(self, document_id: str, version: int) -> list[Passage]:
        """The passages of one version, in their order."""
        where = sa.and_(passage.c.document_id == document_id, passage.c.version == version)
        return [found for found, _ in self._joined(where, order=passage.c.ordinal)]

    def full_text(self, document_id: str, version: int) -> str:
        """The converted text that the passages were cut from. Raises NotFound."""
        with self._store.read() as connection:
            text = connection.scalar(sa.select(document_text.c.text).where(_is(document_text, (document_id, version))))
        if text is None:
            raise NotFound("The text of this document version is not held (quarantined or deleted).")
        return str(text)

    def answerable(self, passage_ids: Sequence[str], person: Principal, today: date) -> dict[str, Passage]:
        """Of these passages, those that may answer this person on that day: the access check after the index's own.

        Indexed, approved, effective, unexpired, of the newest effective approved version, readable by the person.
        """
        answers: dict[str, Passage] = {}
        for start in range(0, len(passage_ids), _IN_CLAUSE):
            given = {"ids": passage_ids[start : start + _IN_CLAUSE], "today": today}
            found = self._pairs(_answerable(), given)
            answers |= {p.passage_id: p for p, owner in found if owner.readable_by(person)}
        return answers

    def stamp(self) -> int:
        """Another value after every change of a document. Each has its audit row; `updated_at` may be older than that of an earlier commit."""
        return self._audit.newest("document.")

    def answering(self, today: date) -> list[Key]:
        """The versions that may answer somebody on that day or later, the newest first."""
        current = sa.or_(document.c.expires.is_(None), document.c.expires >= today)
        query = (
            sa.select(document.c.document_id, document.c.version)
            .where(document.c.state == "indexed", document.c.status == "approved", current)
            .order_by(document.c.effective.desc(), document.c.document_id, document.c.version)
        )
        with self._store.read() as connection:
            return [(row.document_id, row.version) for row in connection.execute(query)]

    def known_paths(self) -> dict[str, Key]:
        """Path of each document version's file, as last ingested."""
        return {known.path: known.key for known in self.known()}

    def known(self) -> list[Known]:
        """Every document version, as far as ingestion needs it to see what has changed."""
        d, t = document.c, document_text.c
        columns = (
            d.document_id,
            d.version,
            d.sha256,
            t.governance_sha256,
            d.state,
            d.status,
            d.reason,
            d.chunks,
            d.path,
        )
        with self._store.read() as connection:
            rows = connection.execute(sa.select(*columns).select_from(_with_text())).all()
        return [Known((r[0], r[1]), r[2], r[3] or "", r[4], r[5], r[6], r[7], r[8]) for r in rows]

    def compared(self) -> list[Compared]:
        """Every document that answers, or is about to, with what its text is compared by."""
        query = (
            sa.select(
                document_text.c.document_id,
                document_text.c.version,
                document_text.c.text_sha256,
                document_text.c.minhash,
            )
            .join(document, _same_version(document, document_text))
            .where(document.c.state.in_(("indexed", "pending")))
            .order_by(document.c.created_at)
        )
        with self._store.read() as connection:
            rows = connection.execute(query).all()
        return [Compared((r[0], r[1]), r[2], np.frombuffer(r[3], dtype=np.uint32)) for r in rows]

    # --- writing -------------------------------------------------------------------------------------------------

    def put(self, entries: Sequence[Entry], *, actor: str) -> None:
        """Store document versions whole, replacing what was there, in one transaction with one audit row."""
        if not entries:
            return
        names = [f"{name(key_of(e.document))} {e.document.state}" for e in entries]
        subject = names[0] if len(names) == 1 else f"{len(names)} documents"
        with self._audit.recorded(actor, "document.store", subject[:300], documents=names) as connection:
            for entry in entries:
                _put(connection, entry)

    def set_state(
        self, key: Key, state: IndexState, *, actor: str, action: str, reason: str = "", **changes: object
    ) -> None:
        """Change the state of one version (and other columns named) with its audit row. Raises NotFound."""
        values = {"state": state, "reason": reason[:1000], "updated_at": datetime.now(UTC), **changes}
        with self.recorded(key, actor=actor, action=action, state=state) as connection:
            if not connection.execute(document.update().where(_is(document, key)).values(**values)).rowcount:
                raise NotFound(UNKNOWN)

    def moved(self, key: Key, path: str, *, actor: str) -> None:
        """Record that an unchanged file now lies elsewhere."""
        with self.recorded(key, actor=actor, action="document.moved") as connection:
            connection.execute(document.update().where(_is(document, key)).values(path=path))

    def erase(self, key: Key, *, actor: str, whole: bool = False) -> tuple[str, ...]:
        """Remove passages and text, and with `whole` the row itself; without it a row without words stays behind.

        Every adapter that was trained on the version is blocked in the same transaction; returns their names.
        """
        learnt: list[str] = []  # the audit row is written once it is filled
        with self.recorded(key, actor=actor, action="document.erase", adapters=learnt) as connection:
            connection.execute(passage.delete().where(_is(passage, key)))
            connection.execute(document_text.delete().where(_is(document_text, key)))
            if whole:
                connection.execute(document.delete().where(_is(document, key)))
            else:
                blank = {"near_duplicates": [], "personal_data": {}, "duplicate_of": "", "chunks": 0}
                connection.execute(document.update().where(_is(document, key)).values(**blank))
            learnt += block_learnt_from(connection, *key, actor=actor)
        return tuple(learnt)

    def needed(self, hashes: Collection[str]) -> set[str]:
        """Those of these files that a document was made from; an erased version keeps just its row and needs none."""
        erased = sa.and_(document.c.version > 0, document_text.c.text_sha256.is_(None))
        query = sa.select(document.c.sha256).select_from(_with_text()).where(document.c.sha256.in_(hashes), ~erased)
        with self._store.read() as connection:
            return set(connection.scalars(query))

    def replaced_by(self, entries: Sequence[Entry]) -> set[str]:
        """Files of the rows whose place these entries take, but for those under legal hold."""
        taken = sa.or_(sa.false(), *(_replaced(entry.document) for entry in entries))
        with self._store.read() as connection:
            return set(connection.scalars(sa.select(document.c.sha256).where(taken, document.c.legal_hold.is_(False))))

    @contextmanager
    def recorded(self, key: Key, *, actor: str, action: str, **details: object) -> Iterator[sa.Connection]:
        with self._audit.recorded(actor, action, name(key)[:300], **details) as connection:
            yield connection

    def _documents(self, *where: sa.ColumnElement[bool]) -> list[Document]:
        query = sa.select(document).where(*where).order_by(document.c.document_id, document.c.version)
        with self._store.read() as connection:
            return [_document(row) for row in connection.execute(query)]

    def _joined(
        self, where: sa.ColumnElement[bool], order: sa.ColumnElement[Any] | None = None
    ) -> list[tuple[Passage, Document]]:
        query = _with_document().where(where)
        return self._pairs(query if order is None else query.order_by(order))

    def _pairs(
        self, query: sa.Select[Any], given: Mapping[str, object] | None = None
    ) -> list[tuple[Passage, Document]]:
        with self._store.read() as connection:
            rows = connection.execute(query, given or {}).all()
        pairs = []
        for row in rows:
            owner = _document(row)
            pairs.append((passage_of(owner, row.ordinal, row.section, row.page, row.text, row.passage_id), owner))
        return pairs


def _with_document() -> sa.Select[Any]:
    found = [passage.c.passage_id, passage.c.ordinal, passage.c.section, passage.c.page, passage.c.text]
    return sa.select(*found, document).join(document, _same_version(document, passage))


@cache
def _answerable() -> sa.Select[Any]:
    """The query of `Catalogue.answerable` for some `ids` on the day `today`; made once, because every question asks it."""
    today = sa.bindparam("today", type_=sa.Date)
    newer = document.alias("newer")
    superseded = (
        sa.select(sa.literal(1))
        .where(
            newer.c.document_id == document.c.document_id,
            newer.c.version > document.c.version,
            newer.c.status == "approved",
            newer.c.state.in_(ANSWERING_STATES),
            newer.c.effective <= today,
        )
        .exists()
    )
    return _with_document().where(
        passage.c.passage_id.in_(sa.bindparam("ids", expanding=True)),
        document.c.state == "indexed",
        document.c.status == "approved",
        document.c.effective <= today,
        sa.or_(document.c.expires.is_(None), document.c.expires >= today),
        ~superseded,
    )


def key_of(of: Document) -> Key:
    return of.document_id, of.version


def name(key: Key) -> str:
    """`hr-annual-leave v3`, as people, the audit log and `duplicate_of` spell a document version."""
    return f"{key[0]} v{key[1]}"


def key_from(spelled: str) -> Key:
    document_id, _, version = spelled.rpartition(" v")
    return document_id, int(version)


def passage_of(of: Document, ordinal: int, section: str, page: int | None, text: str, passage_id: str) -> Passage:
    """A passage with what it takes over from its document."""
    return Passage(
        passage_id=passage_id,
        document_id=of.document_id,
        version=of.version,
        ordinal=ordinal,
        title=of.title,
        section=section,
        page=page,
        text=text,
        classification=of.classification,
        owner=of.owner,
        language=of.language,
        effective=of.effective,
        expires=of.expires,
    )


def _put(connection: sa.Connection, entry: Entry) -> None:
    key, now = key_of(entry.document), datetime.now(UTC)
    connection.execute(passage.delete().where(_is(passage, key)))
    connection.execute(document_text.delete().where(_is(document_text, key)))
    connection.execute(document.delete().where(_replaced(entry.document), ~_is(document, key)))
    values = _values(entry.document) | {"updated_at": now}
    if not connection.execute(document.update().where(_is(document, key)).values(**values)).rowcount:
        connection.execute(document.insert().values(**values, created_at=now))
    if not key[1]:  # a file without governance: nothing of what it says is kept
        return
    text = {
        "document_id": key[0],
        "version": key[1],
        "text": entry.text,
        "text_sha256": entry.fingerprint.text_sha256,
        "minhash": entry.fingerprint.minhash.tobytes(),
        "governance_sha256": entry.governance_sha256,
    }
    connection.execute(document_text.insert().values(text))
    columns = ("passage_id", "document_id", "version", "ordinal", "section", "page", "text")
    if entry.passages:
        connection.execute(passage.insert(), [{c: getattr(p, c) for c in columns} for p in entry.passages])


def _values(of: Document) -> dict[str, object]:
    lists = {field: sorted(getattr(of, field)) for field in ("allowed_groups", "denied_groups")}
    return {
        **{field: getattr(of, field) for field in _PLAIN},
        **lists,
        "reason": of.reason[:1000],
        "near_duplicates": list(of.near_duplicates),
        "personal_data": dict(of.personal_data),
    }


def _document(row: Any) -> Document:
    return Document(
        document_id=row.document_id,
        version=row.version,
        title=row.title,
        owner=row.owner,
        department=row.department,
        classification=row.classification,
        allowed_groups=frozenset(row.allowed_groups),
        denied_groups=frozenset(row.denied_groups),
        effective=row.effective,
        status=row.status,
        sha256=row.sha256,
        path=row.path,
        language=row.language,
        expires=row.expires,
        review=row.review,
        legal_hold=row.legal_hold,
        source=row.source,
        state=row.state,
        reason=row.reason,
        duplicate_of=row.duplicate_of,
        near_duplicates=tuple(row.near_duplicates),
        personal_data=_counts(row.personal_data),
        chunks=row.chunks,
    )


def _counts(stored: Mapping[str, Any]) -> dict[str, int]:
    return {kind: int(count) for kind, count in stored.items()}


def _is(table: sa.Table, key: Key) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.document_id == key[0], table.c.version == key[1])


def _replaced(by: Document) -> sa.ColumnElement[bool]:
    """The version's own row, and its file's in quarantine: one that now has governance is one document, not two."""
    return sa.or_(_is(document, key_of(by)), sa.and_(document.c.path == by.path, document.c.version == 0))


def _same_version(one: sa.FromClause, other: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.and_(one.c.document_id == other.c.document_id, one.c.version == other.c.version)


def _with_text() -> sa.Join:
    return document.outerjoin(document_text, _same_version(document, document_text))
