"""API keys: bound to a person, with scopes, shown once.

python -m assistant keys add ana.silva --scope chat --scope feedback --name laptop --days 90
python -m assistant keys list
python -m assistant keys revoke KEY_ID

JSON fields of list: key_id, person_id, name, scopes, state, expires_at.
JSON fields of add: key_id, person_id, name, scopes, state, expires_at, key.
JSON fields of revoke: key_id, state.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from assistant.console import actor, add_json, opened, say, table


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("keys", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    add = acts.add_parser("add", help="make a key; it is shown this once")
    add.add_argument("person", metavar="PERSON", help="the person that the key acts as")
    add.add_argument(
        "--scope", action="append", required=True, help="chat, documents, feedback, metrics or review; repeatable"
    )
    add.add_argument("--name", default="", help="what the key is for")
    add.add_argument("--days", type=int, help="days until it ends; without it, until it is revoked")
    listed = acts.add_parser("list", help="every key, without its secret")
    revoke = acts.add_parser("revoke", help="end a key now")
    revoke.add_argument("key_id", metavar="KEY_ID")
    for one in (add, listed, revoke):
        add_json(one)


def run(args: argparse.Namespace) -> int:
    from assistant.web.api_keys import ApiKey, ApiKeys

    def fields(key: ApiKey) -> dict[str, object]:
        state = "revoked" if key.revoked_at else "in force"
        if not key.revoked_at and key.expires_at and key.expires_at <= datetime.now(UTC):
            state = "ended"
        return {
            "key_id": key.key_id,
            "person_id": key.person_id,
            "name": key.name,
            "scopes": sorted(key.scopes),
            "state": state,
            "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        }

    with opened() as here:
        keys = ApiKeys(here.store, here.audit)
        if args.act == "add":
            text, key = keys.add(args.person, args.scope, name=args.name, actor=actor(), days=args.days)
            say(args, f"The key {key.key_id}, shown this once: {text}", fields(key) | {"key": text})
        elif args.act == "revoke":
            keys.revoke(args.key_id, actor=actor())
            say(args, f"The key {args.key_id} is revoked.", {"key_id": args.key_id, "state": "revoked"})
        elif args.json:
            for key in keys.all():
                say(args, "", fields(key))
        else:
            head = ("KEY", "PERSON", "NAME", "SCOPES", "STATE")
            rows = [
                (key.key_id, key.person_id, key.name, ", ".join(sorted(key.scopes)), str(fields(key)["state"]))
                for key in keys.all()
            ]
            say(args, table([head, *rows]), {})
    return 0
