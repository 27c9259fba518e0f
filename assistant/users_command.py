"""People, groups and passwords.

    python -m assistant users list
    python -m assistant users add ana.silva --name "Ana Silva" --email ana.silva@example.com --group employees
    python -m assistant users update ana.silva --clearance confidential --role employee --role support
    python -m assistant users password ana.silva
    python -m assistant users import people.yaml
    python -m assistant users mailbox people@example.com --group hr

A generated password is printed once; only its hash is kept. A new password or a deactivation ends the person's sessions.

JSON fields of list: person_id, name, email, groups, clearance, roles, active, provider.
JSON fields of add, password: person_id, password (password is absent with --stdin).
JSON fields of update: person_id, name, email, groups, clearance, roles.
JSON fields of activate, deactivate: person_id, active.
JSON fields of add-group: group, made.
JSON fields of groups: group.
JSON fields of mailbox, mailboxes: address, group (null where it was removed).
JSON fields of import: person_id, password.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import cast

from assistant.console import Opened, actor, add_json, opened, say, table
from core.errors import BadInput
from core.people import read_mailboxes, read_people_file
from core.records import CLASSIFICATIONS, ROLES, Classification, Principal, Role


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("users", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    listed = acts.add_parser("list", help="everybody, with groups, clearance and roles")
    add = acts.add_parser("add", help="make an account; prints its generated password once")
    add.add_argument("--name", required=True)
    add.add_argument("--email", required=True)
    update = acts.add_parser("update", help="change what is named and keep the rest")
    update.add_argument("--name")
    update.add_argument("--email")
    password = acts.add_parser("password", help="a new password, generated unless --stdin is given")
    off = acts.add_parser("deactivate", help="refuse this person from now on")
    on = acts.add_parser("activate", help="let a deactivated person in again")
    group = acts.add_parser("add-group", help="make an access group that documents and people may name")
    group.add_argument("group_name", metavar="NAME")
    group.add_argument("--description", default="")
    groups = acts.add_parser("groups", help="every access group")
    mailbox = acts.add_parser("mailbox", help="the group that answers for a shared address that owns documents")
    mailbox.add_argument("address", metavar="ADDRESS")
    answers = mailbox.add_mutually_exclusive_group(required=True)
    answers.add_argument("--group", metavar="NAME")
    answers.add_argument("--remove", action="store_true", help="administrators alone see its tasks again")
    mailboxes = acts.add_parser("mailboxes", help="every mailbox with its group")
    imported = acts.add_parser("import", help="groups, people and mailboxes of a people.yaml, with generated passwords")
    imported.add_argument("file", type=Path, metavar="FILE")
    for one in (add, update, password, off, on):
        one.add_argument("person", metavar="PERSON", help="the person's id")
    for one in (add, update):
        one.add_argument("--group", action="append", metavar="NAME", help="may be given several times")
        one.add_argument("--clearance", choices=CLASSIFICATIONS)
        one.add_argument("--role", action="append", choices=ROLES, help="may be given several times")
    for one in (add, password):
        one.add_argument("--stdin", action="store_true", help="read the password from standard input")
    for one in (listed, add, update, password, off, on, group, groups, mailbox, mailboxes, imported):
        add_json(one)


def run(args: argparse.Namespace) -> int:
    acts = {
        "list": _list,
        "add": _add,
        "update": _update,
        "password": _password,
        "deactivate": _activity,
        "activate": _activity,
        "add-group": _add_group,
        "groups": _groups,
        "mailbox": _mailbox,
        "mailboxes": _mailboxes,
        "import": _import,
    }
    with opened() as here:
        acts[args.act](args, here)
    return 0


def _list(args: argparse.Namespace, here: Opened) -> None:
    accounts = here.people.accounts()
    if args.json:
        for account in accounts:
            say(args, "", _fields(account.person) | {"active": account.active, "provider": account.issuer})
        return
    rows = [("PERSON", "NAME", "CLEARANCE", "ROLES", "GROUPS", "")]
    for account in accounts:
        who = account.person
        lists = (", ".join(sorted(who.roles)), ", ".join(sorted(who.groups)))
        rows.append((who.person_id, who.name, who.clearance, *lists, "" if account.active else "deactivated"))
    sys.stdout.write(table(rows) + "\n")


def _add(args: argparse.Namespace, here: Opened) -> None:
    who = Principal(
        person_id=args.person,
        name=args.name,
        email=args.email,
        groups=frozenset(args.group or ()),
        clearance=args.clearance or "internal",
        roles=frozenset(cast("list[Role]", args.role or ["employee"])),
    )
    password, hashed = _new_password(args)
    here.people.add(who, actor=actor(), password_hash=hashed)
    _say_password(args, who.person_id, password)


def _update(args: argparse.Namespace, here: Opened) -> None:
    who = here.people.get(args.person)
    changes: dict[str, object] = {k: v for k, v in (("name", args.name), ("email", args.email)) if v}
    if args.group is not None:
        changes["groups"] = frozenset(name for name in args.group if name)
    if args.clearance:
        changes["clearance"] = cast(Classification, args.clearance)
    if args.role:
        changes["roles"] = frozenset(args.role)
    if not changes:
        raise BadInput("Name what to change: --name, --email, --group, --clearance or --role.")
    who = replace(who, **changes)  # type: ignore[arg-type]
    here.people.update(who, actor=actor())
    say(args, f"{who.person_id} is changed; it counts from the next request.", _fields(who))


def _password(args: argparse.Namespace, here: Opened) -> None:
    who = here.people.get(args.person)
    password, hashed = _new_password(args)
    here.people.set_password(who.person_id, hashed, actor=actor())
    _say_password(args, who.person_id, password)


def _activity(args: argparse.Namespace, here: Opened) -> None:
    change = here.people.activate if args.act == "activate" else here.people.deactivate
    change(args.person, actor=actor())
    told = "may sign in again" if args.act == "activate" else "is refused from now on; sessions and API keys have ended"
    say(args, f"{args.person} {told}.", {"person_id": args.person, "active": args.act == "activate"})


def _add_group(args: argparse.Namespace, here: Opened) -> None:
    made = here.people.add_groups({args.group_name: args.description}, actor=actor())
    told = f"The group {args.group_name} is made." if made else f"The group {args.group_name} is there already."
    say(args, told, {"group": args.group_name, "made": bool(made)})


def _groups(args: argparse.Namespace, here: Opened) -> None:
    for name in sorted(here.people.groups()):
        say(args, name, {"group": name})


def _mailbox(args: argparse.Namespace, here: Opened) -> None:
    if args.remove:
        here.people.remove_mailbox(args.address, actor=actor())
        told = "No group answers for this mailbox any more: administrators see its tasks."
    else:
        here.people.set_mailbox(args.address, args.group, actor=actor())
        told = f"The tasks of this mailbox are shown to members of {args.group} who may read the document."
    say(args, told, {"address": args.address, "group": args.group})


def _mailboxes(args: argparse.Namespace, here: Opened) -> None:
    for address, group in here.people.mailboxes().items():
        say(args, f"{address}  {group}", {"address": address, "group": group})


def _import(args: argparse.Namespace, here: Opened) -> None:
    from assistant.web.passwords import add_with_passwords

    if not args.file.is_file():
        raise BadInput(f"{args.file}: there is no such file.")
    groups, people = read_people_file(args.file)
    mailboxes = read_mailboxes(args.file)
    made = add_with_passwords(here.people, groups, people, actor=actor())
    here.people.add_mailboxes(mailboxes, actor=actor())
    for person_id, password in made.items():
        say(args, f"{person_id}  {password}", {"person_id": person_id, "password": password})
    if not made and not args.json:
        sys.stdout.write("Everybody in the file has an account already.\n")


def _new_password(args: argparse.Namespace) -> tuple[str, str]:
    """The password to print ("" where it was given) and its hash."""
    from assistant.web.passwords import generate_password, hash_password

    given = sys.stdin.readline().rstrip("\n") if args.stdin else ""
    if args.stdin:
        return "", hash_password(given)
    generated = generate_password()
    return generated, hash_password(generated)


def _say_password(args: argparse.Namespace, person_id: str, password: str) -> None:
    shown = f"The password of {person_id}, shown this once: {password}" if password else f"{person_id} has a password."
    say(args, shown, {"person_id": person_id} | ({"password": password} if password else {}))


def _fields(who: Principal) -> dict[str, object]:
    return {
        "person_id": who.person_id,
        "name": who.name,
        "email": who.email,
        "groups": sorted(who.groups),
        "clearance": who.clearance,
        "roles": sorted(who.roles),
    }
