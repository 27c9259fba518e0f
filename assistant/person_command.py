"""What is kept of a person: take it along, or erase it.

    python -m assistant person show ben.okafor
    python -m assistant person export ben.okafor > ben.json
    python -m assistant person erase ben.okafor --yes

An erasure deletes the person's questions, answers, conversations and reports, and blocks every adapter that was trained on
their questions: it serves nobody from the next question on. Datasets that hold redacted rows of them are named, for their
folders to be deleted; the next dataset is made without them. The account stays: `python -m assistant users deactivate`.
Backups made before still hold what they held.

JSON fields of show: person_id, questions, conversations, reports, datasets, adapters.
JSON fields of erase: person_id, turns, adapters, datasets.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from assistant.bases import open_registry
from assistant.console import actor, add_json, opened, say
from core.errors import BadInput
from core.person_data import PersonData


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("person", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    show = acts.add_parser("show", help="how much is kept, and what was trained on it")
    export = acts.add_parser("export", help="everything, as one JSON object")
    erase = acts.add_parser("erase", help="delete questions and answers, and block what was trained on them")
    erase.add_argument("--yes", action="store_true", help="erase, and do not only say what would be")
    for one in (show, export, erase):
        one.add_argument("person", metavar="PERSON", help="the person's id")
        add_json(one)


def run(args: argparse.Namespace) -> int:
    with opened() as here:
        data = PersonData(here.store, here.audit, open_registry(here.settings, here.store, here.audit))
        person_id = args.person
        if args.act == "export":
            sys.stdout.write(json.dumps(data.exported(person_id), ensure_ascii=False, indent=1) + "\n")
            return 0
        held = data.held(person_id)
        if args.act == "show":
            datasets = [one.dataset_id for one in held.trained]
            said = f"{held.questions} questions in {held.conversations} conversations, {held.reports} reports"
            trained = f"; trained on them: {', '.join(held.adapters) or 'nothing'}"
            fields = {"questions": held.questions, "conversations": held.conversations, "reports": held.reports}
            say(
                args,
                said + trained,
                {"person_id": person_id, **fields, "datasets": datasets, "adapters": held.adapters},
            )
            return 0
        if not args.yes:
            raise BadInput(
                f"This would delete {held.questions} questions with their answers and block {len(held.adapters)} adapters. "
                "Give --yes to do it."
            )
        done = data.erase(person_id, actor=actor())
        blocked = f" Blocked: {', '.join(done.adapters)}." if done.adapters else ""
        folders = f" Delete the folders of: {', '.join(done.datasets)}." if done.datasets else ""
        say(args, f"{done.turns} questions are erased.{blocked}{folders}", asdict(done))
    return 0
