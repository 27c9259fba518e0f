"""API keys: `ea_<id>_<secret>`, bound to a person, with scopes; the table keeps only the sha256 of the whole key.

Made, listed and revoked with: python -m assistant keys add|list|revoke
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, cast, get_args

import sqlalchemy as sa

from core.audit import Audit
from core.errors import BadInput, NotFound
from core.people import principal
from core.records import Principal
from core.store import Store
from core.tables import api_key, person

Scope = Literal["chat", "documents", "feedback", "metrics", "review"]
SCOPES: tuple[Scope, ...] = get_args(Scope)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key besides its secret. A key without `expires_at` is valid until it is revoked."""

    key_id: str
    person_id: str
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class ApiKeys:
    """Makes, lists, revokes and recognises API keys; every change is audited."""

    def __init__(self, store: Store, audit: Audit) -> None:
        self._store = store
        self._audit = audit

    def add(
        self, person_id: str, scopes: Sequence[str], *, name: str, actor: str, days: int | None = None
    ) -> tuple[str, ApiKey]:
        """A new key, whose text is returned this once, and its record.

        Raises:
            BadInput: no scope, or an unknown one.
            NotFound: no active person has that id.
        """
        if not scopes or set(scopes) - set(SCOPES):
            raise BadInput(f"Name at least one scope of: {', '.join(SCOPES)}.")
        now = datetime.now(UTC)
        record = ApiKey(
            key_id=secrets.token_hex(6),
            person_id=person_id,
            name=name[:100],
            scopes=frozenset(cast(Iterable[Scope], scopes)),
            created_at=now,
            expires_at=None if days is None else now + timedelta(days=days),
            revoked_at=None,
        )
        text = f"ea_{record.key_id}_{secrets.token_urlsafe(32)}"
        values = {
            "key_id": record.key_id,
            "key_hash": _hash(text),
            "person_id": person_id,
            "name": record.name,
            "scopes": sorted(record.scopes),
            "created_at": now,
            "expires_at": record.expires_at,
        }
        with self._audit.recorded(
            actor, "key.add", record.key_id, person=person_id, scopes=sorted(record.scopes)
        ) as connection:
            active = sa.select(person.c.person_id).where(person.c.person_id == person_id, person.c.active.is_(True))
            if connection.execute(active).first() is None:
                raise NotFound(
                    f"No active person has the id {person_id[:80]!r}. List them with: python -m assistant users list"
                )
            connection.execute(api_key.insert().values(values))
        return text, record

    def find(self, text: str) -> tuple[Principal, frozenset[Scope]] | None:
        """The active person and the scopes of a valid key, or None."""
        now = datetime.now(UTC)
        query = (
            sa.select(person, api_key.c.scopes)
            .join(api_key, api_key.c.person_id == person.c.person_id)
            .where(
                api_key.c.key_hash == _hash(text),
                api_key.c.revoked_at.is_(None),
                sa.or_(api_key.c.expires_at.is_(None), api_key.c.expires_at > now),
                person.c.active.is_(True),
            )
        )
        with self._store.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else (principal(row), frozenset(row.scopes))

    def all(self) -> list[ApiKey]:
        query = sa.select(api_key).order_by(api_key.c.created_at)
        with self._store.read() as connection:
            rows = connection.execute(query).all()
        return [
            ApiKey(
                row.key_id,
                row.person_id,
                row.name,
                frozenset(row.scopes),
                row.created_at,
                row.expires_at,
                row.revoked_at,
            )
            for row in rows
        ]

    def revoke(self, key_id: str, *, actor: str) -> None:
        """Raises NotFound for an unknown key and for one that is revoked already."""
        with self._audit.recorded(actor, "key.revoke", key_id) as connection:
            done = connection.execute(
                api_key.update()
                .where(api_key.c.key_id == key_id, api_key.c.revoked_at.is_(None))
                .values(revoked_at=datetime.now(UTC))
            )
            if not done.rowcount:
                raise NotFound(
                    f"No key in force has the id {key_id[:40]!r}. List them with: python -m assistant keys list"
                )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
