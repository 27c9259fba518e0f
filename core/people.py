"""People and access groups in the store: who may ask, with which groups, clearance and roles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
import yaml

from core.audit import Audit
from core.errors import BadInput, Conflict, NotFound
from core.records import CLASSIFICATIONS, EVERYONE, ROLES, Classification, Principal, Role
from core.store import Store
from core.tables import access_group, person


class People:
    """Reads and changes people and groups; every change is audited under the actor's id."""

    def __init__(self, store: Store, audit: Audit) -> None:
        self._store = store
        self._audit = audit

    def get(self, person_id: str) -> Principal:
        """Raises NotFound for an unknown or deactivated person, naming the command that lists people."""
        with self._store.read() as connection:
            row = connection.execute(
                sa.select(person).where(person.c.person_id == person_id, person.c.active.is_(True))
            ).first()
        if row is None:
            raise NotFound(
                f"No active person has the id {person_id[:80]!r}. List them with: python -m assistant users list"
            )
        return principal(row)

    def all(self) -> list[Principal]:
        with self._store.read() as connection:
            rows = connection.execute(sa.select(person).where(person.c.active.is_(True)).order_by(person.c.person_id))
            return [principal(row) for row in rows]

    def add(
        self, who: Principal, *, actor: str, password_hash: str | None = None, issuer: str = "", subject: str = ""
    ) -> None:
        """Raises Conflict where the id or the e-mail is taken, BadInput for an unknown group, role or clearance."""
        self._check(who)
        values = _values(who) | {
            "password_hash": password_hash,
            "issuer": issuer,
            "subject": subject,
            "active": True,
            "created_at": datetime.now(UTC),
        }
        try:
            with self._audit.recorded(actor, "person.add", who.person_id, roles=sorted(who.roles)) as connection:
                connection.execute(person.insert().values(**values))
        except sa.exc.IntegrityError:
            raise Conflict(f"The id {who.person_id!r} or the e-mail address is taken already.") from None

    def update(self, who: Principal, *, actor: str) -> None:
        """Replace name, e-mail, groups, clearance and roles of an existing person."""
        self._check(who)
        with self._audit.recorded(
            actor,
            "person.update",
            who.person_id,
            groups=sorted(who.groups),
            roles=sorted(who.roles),
            clearance=who.clearance,
        ) as connection:
            done = connection.execute(person.update().where(person.c.person_id == who.person_id).values(**_values(who)))
            if not done.rowcount:
                raise NotFound(
                    f"No person has the id {who.person_id!r}. List them with: python -m assistant users list"
                )

    def groups(self) -> frozenset[str]:
        """Every known access group, the built-in one included."""
        with self._store.read() as connection:
            return frozenset(connection.scalars(sa.select(access_group.c.name))) | {EVERYONE}

    def add_groups(self, groups: Mapping[str, str], *, actor: str) -> list[str]:
        """Make the groups (name to description) that do not exist yet; returns the new names."""
        new = {name: text for name, text in groups.items() if name not in self.groups()}
        if new:
            with self._audit.recorded(actor, "group.add", ",".join(sorted(new))[:300]) as connection:
                connection.execute(access_group.insert(), [{"name": n, "description": d} for n, d in new.items()])
        return sorted(new)

    def _check(self, who: Principal) -> None:
        problems = []
        if unknown := sorted(who.groups - self.groups()):
            problems.append(f"unknown groups {', '.join(unknown)}")
        if unknown_roles := sorted(who.roles - set(ROLES)):
            problems.append(f"unknown roles {', '.join(unknown_roles)} (there are {', '.join(ROLES)})")
        if who.clearance not in CLASSIFICATIONS:
            problems.append(f"unknown clearance {who.clearance!r} (there are {', '.join(CLASSIFICATIONS)})")
        if problems:
            raise BadInput(f"Person {who.person_id!r}: {'; '.join(problems)}.")


def principal(row: Any) -> Principal:
    """The Principal in a row of the person table."""
    return Principal(
        person_id=row.person_id,
        name=row.name,
        email=row.email,
        groups=frozenset(row.groups),
        clearance=row.clearance,
        roles=frozenset(row.roles),
    )


def read_people_file(path: Path) -> tuple[dict[str, str], list[Principal]]:
    """Groups and people of a people.yaml (`groups: [{name, description}]`, `people: [{person_id, name, email, ...}]`).

    Raises:
        BadInput: the file is not YAML of that form; names the entry and the key.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        groups = {str(g["name"]): str(g.get("description", "")) for g in data["groups"]}
        return groups, [_person(entry) for entry in data["people"]]
    except yaml.YAMLError as error:
        raise BadInput(f"{path}: not valid YAML: {error}") from None
    except KeyError as error:
        raise BadInput(f"{path}: the key {error} is missing; see demo/people.yaml for the form") from None
    except TypeError:
        raise BadInput(
            f"{path}: needs the two lists 'groups' and 'people'; see demo/people.yaml for the form"
        ) from None


def _person(entry: Mapping[str, Any]) -> Principal:
    return Principal(
        person_id=str(entry["person_id"]),
        name=str(entry["name"]),
        email=str(entry["email"]),
        groups=frozenset(cast(Iterable[str], entry["groups"])),
        clearance=cast(Classification, entry["clearance"]),
        roles=frozenset(cast(Iterable[Role], entry["roles"])),
    )


def _values(who: Principal) -> dict[str, object]:
    return {
        "person_id": who.person_id,
        "name": who.name,
        "email": who.email,
        "groups": sorted(who.groups),
        "clearance": who.clearance,
        "roles": sorted(who.roles),
    }
