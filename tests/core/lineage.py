"""The turns, people and documents that a dataset's lineage speaks of, where a test has made the lineage alone."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from core.datasets import LineageRow
from core.store import Store
from core.tables import document, person
from core.turns import Turns, now
from tests.core.queue import answered, shelve


def keep(store: Store, lineage: Iterable[LineageRow]) -> None:
    """Store what is not there yet: each person, their turns, and one passage of each document."""
    rows, turns = list(lineage), Turns(store)
    with store.read() as connection:
        known = {
            *connection.scalars(sa.select(person.c.person_id)),
            *connection.scalars(sa.select(document.c.document_id)),
        }
    for person_id in sorted({row.person_id for row in rows} - known):
        with store.begin() as connection:
            connection.execute(person.insert().values(person_values(person_id)))
    for document_id in sorted({row.document_id for row in rows} - known):
        shelve(store, document_id, "Words that are kept.")
    for turn_id, person_id in sorted({(row.turn_id, row.person_id) for row in rows}):
        answered(turns, person_id, turn_id=turn_id)


def person_values(person_id: str) -> dict[str, object]:
    return {
        "person_id": person_id,
        "name": person_id,
        "email": f"{person_id}@kestrelbay.example",
        "groups": [],
        "clearance": "internal",
        "roles": ["employee"],
        "issuer": "",
        "subject": "",
        "active": True,
        "created_at": now(),
    }
