"""People and access groups in the store: who may ask, with which groups, clearance and roles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
import yaml

from core.audit import Audit
from core.errors import BadInput, Conflict, NotFound
from core.records import CLASSIFICATIONS, EVERYONE, ROLES, Classification, Principal, Role
from core.store import Store, insert_into
from core.tables import access_group, api_key, mailbox, person, session

PERSON_ID = re.compile(r"[a-z0-9][a-z0-9._-]{1,79}")
EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")


@dataclass(frozen=True, slots=True)
class Account:
    """A person with what signing in needs: the argon2 hash (None: no local password), the provider's issuer, and whether active."""

    person: Principal
    password_hash: str | None
    issuer: str
    active: bool


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

    def named(self, names: Iterable[str]) -> list[str]:
        """The ids of active people, given in either case of letters, each once; raises NotFound, which names all that are none."""
        wanted = dict.fromkeys(name.strip().lower() for name in names)
        known = {one.person_id for one in self.all()}
        if unknown := [name[:80] for name in wanted if name not in known]:
            raise NotFound(
                f"No active person has the id {', '.join(map(repr, unknown))}. List them with: python -m assistant users list"
            )
        return list(wanted)

    def accounts(self) -> list[Account]:
        """Everybody, deactivated people included."""
        with self._store.read() as connection:
            return [_account(row) for row in connection.execute(sa.select(person).order_by(person.c.person_id))]

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
        with _unique(f"The id {who.person_id!r} or the e-mail address is taken already."):
            with self._audit.recorded(actor, "person.add", who.person_id, roles=sorted(who.roles)) as connection:
                connection.execute(person.insert().values(**values))

    def update(self, who: Principal, *, actor: str) -> None:
        """Replace name, e-mail, groups, clearance and roles of an existing person."""
        self._check(who)
        details = {"groups": sorted(who.groups), "roles": sorted(who.roles), "clearance": who.clearance}
        with _unique("That e-mail address is taken already."):
            with self._audit.recorded(actor, "person.update", who.person_id, **details) as connection:
                self._change(connection, who.person_id, **_values(who))

    def account(self, name: str) -> Account | None:
        """The account signed in to by an id or an e-mail address (any case), deactivated ones included."""
        key = name.strip().lower()
        wanted = sa.or_(person.c.person_id == key, person.c.email == key)
        with self._store.read() as connection:
            row = connection.execute(sa.select(person).where(wanted)).first()
        return None if row is None else _account(row)

    def by_identity(self, issuer: str, subject: str) -> Account | None:
        """The account that belongs to a provider's subject, deactivated ones included."""
        with self._store.read() as connection:
            row = connection.execute(
                sa.select(person).where(person.c.issuer == issuer, person.c.subject == subject)
            ).first()
        return None if row is None else _account(row)

    def link(self, person_id: str, issuer: str, subject: str, *, actor: str) -> None:
        """Tie an existing account to a provider's subject; Conflict where that is another account's."""
        with _unique(f"That identity at {issuer} belongs to another account."):
            with self._audit.recorded(actor, "person.link", person_id, issuer=issuer) as connection:
                self._change(connection, person_id, issuer=issuer, subject=subject)

    def set_password(self, person_id: str, password_hash: str, *, actor: str, instead_of: str = "") -> None:
        """Replace the password hash and end the person's sessions; Conflict where it is not `instead_of` any more."""
        stored = sa.select(person.c.password_hash).where(person.c.person_id == person_id).with_for_update()
        with self._audit.recorded(actor, "person.password", person_id) as connection:
            if instead_of and connection.scalar(stored) != instead_of:
                raise Conflict("Another password was set meanwhile: sign in with that one.")
            self._change(connection, person_id, password_hash=password_hash)
            connection.execute(session.delete().where(session.c.person_id == person_id))

    def rehash(self, person_id: str, old_hash: str, new_hash: str) -> bool:
        """Keep the same password under newer argon2 parameters; sessions go on. False where another one was set meanwhile."""
        same = sa.and_(person.c.person_id == person_id, person.c.password_hash == old_hash)
        with self._store.begin() as connection:
            return connection.execute(person.update().where(same).values(password_hash=new_hash)).rowcount == 1

    def deactivate(self, person_id: str, *, actor: str) -> None:
        """Refuse the person from now on: sessions end, API keys are revoked, chats stay until they are erased."""
        with self._audit.recorded(actor, "person.deactivate", person_id) as connection:
            self._change(connection, person_id, active=False)
            connection.execute(session.delete().where(session.c.person_id == person_id))
            connection.execute(
                api_key.update()
                .where(api_key.c.person_id == person_id, api_key.c.revoked_at.is_(None))
                .values(revoked_at=datetime.now(UTC))
            )

    def activate(self, person_id: str, *, actor: str) -> None:
        with self._audit.recorded(actor, "person.activate", person_id) as connection:
            self._change(connection, person_id, active=True)

    @staticmethod
    def _change(connection: sa.Connection, person_id: str, /, **values: object) -> None:
        done = connection.execute(person.update().where(person.c.person_id == person_id).values(**values))
        if not done.rowcount:
            raise NotFound(f"No person has the id {person_id[:80]!r}. List them with: python -m assistant users list")

    def groups(self) -> frozenset[str]:
        """Every known access group, the built-in one included."""
        with self._store.read() as connection:
            return frozenset(connection.scalars(sa.select(access_group.c.name))) | {EVERYONE}

    def add_groups(self, groups: Mapping[str, str], *, actor: str) -> list[str]:
        """Make the groups (name to description) that do not exist yet; returns the new names."""
        new = sorted(groups.keys() - self.groups())
        if not new:
            return []
        rows = [{"name": name, "description": groups[name]} for name in new]
        with self._audit.recorded(actor, "group.add", ",".join(new)[:300]) as connection:
            # Another sign-in may bring one of them at the same moment.
            insert = insert_into(access_group, connection).values(rows).on_conflict_do_nothing()
            return sorted(connection.scalars(insert.returning(access_group.c.name)))

    def mailboxes(self) -> dict[str, str]:
        """Each shared address to the group that answers for it."""
        with self._store.read() as connection:
            return mailboxes_in(connection)

    def set_mailbox(self, address: str, group: str, *, actor: str) -> None:
        """Let a group answer for a shared address, such as people@...: its members see the tasks of that owner's documents.

        Raises BadInput for what is no address and for a group that does not exist, or that everybody is in.
        """
        address = _address(address)
        if group == EVERYONE or group not in self.groups():
            raise BadInput(
                f"{group[:80]!r} is no group that can answer for a mailbox. List the groups with: python -m assistant users groups"
            )
        with self._audit.recorded(actor, "mailbox.set", address, group=group) as connection:
            connection.execute(mailbox.delete().where(mailbox.c.address == address))
            connection.execute(mailbox.insert().values(address=address, group_name=group))

    def remove_mailbox(self, address: str, *, actor: str) -> None:
        """Raises NotFound."""
        address = _address(address)
        with self._audit.recorded(actor, "mailbox.remove", address) as connection:
            if not connection.execute(mailbox.delete().where(mailbox.c.address == address)).rowcount:
                raise NotFound("No group answers for that mailbox. List them with: python -m assistant users mailboxes")

    def add_mailboxes(self, mailboxes: Mapping[str, str], *, actor: str) -> list[str]:
        """Let groups answer for those mailboxes (address to group) that have none yet; returns them. Raises as `set_mailbox`."""
        known = self.mailboxes()
        new = {_address(address): group for address, group in mailboxes.items() if _address(address) not in known}
        for address, group in new.items():
            self.set_mailbox(address, group, actor=actor)
        return sorted(new)

    def _check(self, who: Principal) -> None:
        problems = []
        if not PERSON_ID.fullmatch(who.person_id):
            problems.append(
                "an id has 2 to 80 characters: a-z, 0-9, dot, dash, underscore; it starts with a letter or digit"
            )
        if not EMAIL.fullmatch(who.email):
            problems.append(f"{who.email[:80]!r} is not an e-mail address")
        if unknown := sorted(who.groups - self.groups()):
            problems.append(
                f"unknown groups {', '.join(unknown)} (make one with: python -m assistant users add-group NAME)"
            )
        if unknown_roles := sorted(who.roles - set(ROLES)):
            problems.append(f"unknown roles {', '.join(unknown_roles)} (there are {', '.join(ROLES)})")
        if who.clearance not in CLASSIFICATIONS:
            problems.append(f"unknown clearance {who.clearance!r} (there are {', '.join(CLASSIFICATIONS)})")
        if problems:
            raise BadInput(f"Person {who.person_id!r}: {'; '.join(problems)}.")


@contextmanager
def _unique(message: str) -> Iterator[None]:
    try:
        yield
    except sa.exc.IntegrityError:
        raise Conflict(message) from None


def _address(given: str) -> str:
    address = given.strip().lower()
    if not EMAIL.fullmatch(address):
        raise BadInput(f"{given[:80]!r} is not an e-mail address.")
    return address


def mailboxes_in(connection: sa.Connection) -> dict[str, str]:
    """Each shared address, in lower case, to the group that answers for it."""
    rows = connection.execute(sa.select(mailbox.c.address, mailbox.c.group_name).order_by(mailbox.c.address))
    return {row.address: row.group_name for row in rows}


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


def _account(row: Any) -> Account:
    return Account(principal(row), row.password_hash, row.issuer, row.active)


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


def read_mailboxes(path: Path) -> dict[str, str]:
    """Shared addresses and their groups of a people.yaml (`mailboxes: {address: group}`); most have none.

    Raises BadInput where it is something else.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")).get("mailboxes") or {}
    except (yaml.YAMLError, AttributeError):
        raise BadInput(f"{path}: not valid YAML; see demo/people.yaml for the form") from None
    if not isinstance(found, dict):
        raise BadInput(f"{path}: 'mailboxes' names each address with its group; see demo/people.yaml for the form")
    return {str(address): str(group) for address, group in found.items()}


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
        "email": who.email.lower(),
        "groups": sorted(who.groups),
        "clearance": who.clearance,
        "roles": sorted(who.roles),
    }
