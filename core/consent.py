"""Whether a person's questions may be used for training: yes until they say no, on their own page."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from core.audit import Audit
from core.store import Store
from core.tables import training_consent


class Consent:
    """Reads and changes who has opted out of training use; every change is audited."""

    def __init__(self, store: Store, audit: Audit) -> None:
        self._store = store
        self._audit = audit

    def allowed(self, person_id: str) -> bool:
        query = sa.select(training_consent.c.allowed).where(training_consent.c.person_id == person_id)
        with self._store.read() as connection:
            return connection.scalar(query) is not False

    def set(self, person_id: str, *, allowed: bool) -> None:
        """Keep the person's choice. What was approved before is left out of every dataset from now on, too."""
        action = "consent.allow" if allowed else "consent.withdraw"
        values = {"allowed": allowed, "changed_at": datetime.now(UTC)}
        mine = training_consent.c.person_id == person_id
        with self._audit.recorded(person_id, action, person_id) as connection:
            if not connection.execute(training_consent.update().where(mine).values(values)).rowcount:
                connection.execute(training_consent.insert().values(person_id=person_id, **values))

    def opted_out(self) -> frozenset[str]:
        with self._store.read() as connection:
            return self.opted_out_in(connection)

    @staticmethod
    def opted_out_in(connection: sa.Connection) -> frozenset[str]:
        """The ids, as a transaction that is open sees them."""
        query = sa.select(training_consent.c.person_id).where(training_consent.c.allowed.is_(False))
        return frozenset(connection.scalars(query))
