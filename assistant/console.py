"""What the commands share: the open store, the name of who types, and one way to print."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from core.audit import Audit
from core.errors import NotAllowed
from core.people import People
from core.records import Role
from core.settings import Settings, load_settings
from core.store import Store


@dataclass(frozen=True, slots=True)
class Opened:
    settings: Settings
    store: Store
    audit: Audit
    people: People


@contextmanager
def opened() -> Iterator[Opened]:
    """The store of the home folder, without the index: works while an assistant serves, too."""
    settings = load_settings()
    with Store(settings.store_url) as store:
        audit = Audit(store, settings.home)
        yield Opened(settings, store, audit, People(store, audit))


def actor() -> str:
    """Whose acts these are in the audit log."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli"


def add_admin(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    add_person(parser, "the administrator who does it", required=required)


def add_person(parser: argparse.ArgumentParser, who: str, *, required: bool = False) -> None:
    parser.add_argument("--as", dest="person", required=required, default="", metavar="PERSON", help=who)


def administrator(here: Opened, person_id: str) -> str:
    """The id of an administrator who acts on the command line, in either case of letters.

    Raises:
        NotFound: no such active person. NotAllowed: they are no administrator.
    """
    who = here.people.get(person_id.strip().lower())
    if not who.has_role("admin"):
        raise NotAllowed(f"{who.person_id} is no administrator. See who is one with: python -m assistant users list")
    return who.person_id


def acting(here: Opened, person_id: str, *roles: Role) -> str:
    """The id of an active person who acts on the command line, in either case of letters; of whoever types where none is named.

    Args:
        roles: of which they need one, where some are named.

    Raises:
        NotFound: no such active person. NotAllowed: they have none of the roles.
    """
    if not person_id:
        return actor()
    who = here.people.get(person_id.strip().lower())
    if roles and not any(map(who.has_role, roles)):
        raise NotAllowed(
            f"{who.person_id} has none of the roles {', '.join(roles)}. See who has one with: python -m assistant users list"
        )
    return who.person_id


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def say(args: argparse.Namespace, text: str, fields: Mapping[str, object]) -> None:
    """The fields as a JSON line where --json is given, else the text."""
    line = json.dumps(dict(fields), ensure_ascii=False, default=_plain) if args.json else text
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows as columns wide enough for their longest cell."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else str(value)
