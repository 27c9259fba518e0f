"""The demo organisation: its people with generated passwords, and the folder of its documents.

    python -m assistant demo                 people and passwords only
    python -m assistant serve --demo         people, documents and the running assistant: what `make run` does

Passwords are printed once, at the run that makes the accounts, and kept as hashes only.

JSON fields: person_id, name, password (null for accounts that were there already).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from assistant.console import actor, add_json, opened, say, table
from core.errors import NotFound
from core.people import People, read_mailboxes, read_people_file
from core.records import Principal

FOLDER = Path(__file__).resolve().parents[1] / "demo"
DOCUMENTS = FOLDER / "documents"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    with opened() as here:
        people, passwords = make_people(here.people)
        if not args.json:
            sys.stdout.write(told(people, passwords))
        for who in people:
            if args.json:
                say(args, "", {"person_id": who.person_id, "name": who.name, "password": passwords.get(who.person_id)})
    return 0


def make_people(people: People) -> tuple[list[Principal], dict[str, str]]:
    """Make the demo's groups and people where they are missing; everybody, and the new ones' passwords.

    Raises:
        NotFound: the demo folder is not beside the program (it is part of the source tree, not of the package).
    """
    from assistant.web.passwords import add_with_passwords

    file = FOLDER / "people.yaml"
    if not file.is_file():
        raise NotFound(f"The demo organisation is not at {FOLDER}: run from a checkout of the source tree.")
    groups, everybody = read_people_file(file)
    passwords = add_with_passwords(people, groups, everybody, actor=actor())
    people.add_mailboxes(read_mailboxes(file), actor=actor())
    return everybody, passwords


def told(everybody: list[Principal], passwords: dict[str, str]) -> str:
    """The accounts as a person reads them; the passwords of new ones."""
    if not passwords:
        ids = ", ".join(who.person_id for who in everybody)
        return (
            f"Demo people: {ids}\n"
            "Their passwords were shown at the first run. A new one: python -m assistant users password PERSON\n"
        )
    rows = [("SIGN IN AS", "PASSWORD", "WHO", "CLEARANCE", "ROLES")]
    for who in everybody:
        password = passwords.get(who.person_id, "(as before)")
        rows.append((who.person_id, password, who.name, who.clearance, ", ".join(sorted(who.roles))))
    return f"{table(rows)}\nThese passwords are shown this once. A new one: python -m assistant users password PERSON\n"
