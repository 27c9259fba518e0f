"""Pseudonyms: the names that stand for people's data in texts, and what they stand for.

python -m assistant pseudonyms new-key /etc/assistant/pseudonyms.key      name it in ASSISTANT_PSEUDONYM_KEY
python -m assistant pseudonyms count
python -m assistant pseudonyms reveal PERSON-KTZRWMBDPL --as ana.silva --why "complaint 4471"
python -m assistant pseudonyms forget PERSON-KTZRWMBDPL --as ana.silva    the mapping is deleted for good

Only an admin may reveal or forget; the audit log keeps who, which and why, refused attempts too.

JSON fields of new-key: file.
JSON fields of count: pseudonyms.
JSON fields of reveal: pseudonym, value.
JSON fields of forget: pseudonym, forgotten.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from assistant.console import Opened, add_json, opened, say
from core.errors import SettingsError
from guardrails.pseudonyms import Pseudonyms, make_key, open_pseudonyms


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "pseudonyms", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    new = acts.add_parser("new-key", help="make the key")
    new.add_argument("file", type=Path, metavar="FILE", help="outside the home folder; it must not exist")
    count = acts.add_parser("count", help="how many data have a name")
    reveal = acts.add_parser("reveal", help="what a pseudonym stands for")
    reveal.add_argument("--why", required=True, help="the reason, which the audit log keeps")
    forget = acts.add_parser("forget", help="delete what a pseudonym stands for")
    for one in (reveal, forget):
        one.add_argument("pseudonym", metavar="PSEUDONYM")
        one.add_argument("--as", dest="person", required=True, metavar="PERSON", help="the admin who asks")
    for one in (new, count, reveal, forget):
        add_json(one)


def run(args: argparse.Namespace) -> int:
    if args.act == "new-key":
        make_key(args.file)
        told = f"{args.file} is made. Set ASSISTANT_PSEUDONYM_KEY={args.file} and keep a copy apart from the backups."
        say(args, told, {"file": str(args.file)})
        return 0
    with opened() as here:
        pseudonyms = _opened(here)
        if args.act == "count":
            count = pseudonyms.count()
            say(args, f"{count} data have a pseudonym.", {"pseudonyms": count})
        elif args.act == "reveal":
            value = pseudonyms.reveal(args.pseudonym, by=here.people.get(args.person), why=args.why)
            say(args, value, {"pseudonym": args.pseudonym, "value": value})
        else:
            pseudonyms.forget(args.pseudonym, by=here.people.get(args.person))
            told = f"What {args.pseudonym} stood for is deleted."
            say(args, told, {"pseudonym": args.pseudonym, "forgotten": True})
    return 0


def _opened(here: Opened) -> Pseudonyms:
    found = open_pseudonyms(here.settings, here.store, here.audit)
    if found is None:
        raise SettingsError(
            "There is no key: set ASSISTANT_PSEUDONYM_KEY to its file; `python -m assistant pseudonyms new-key FILE` makes one."
        )
    return found
