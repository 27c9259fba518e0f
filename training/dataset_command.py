"""Datasets of reviewed answers: build one, check it, and see whom and which documents it was made of.

    python -m training dataset build                      of all that reviewers approved
    python -m training dataset build --after ds-1a2b3c4d5e6f --replay 0.5 --paraphrases 2
    python -m training dataset verify ds-1a2b3c4d5e6f     every hash again, every row, the lineage, and who was erased or opted out since
    python -m training dataset show                       which there are; with an id, how it was built
    python -m training dataset card ds-1a2b3c4d5e6f
    python -m training dataset affected --person ben.okafor      (or --document hr-annual-leave)
    python -m training dataset held                       approved items that a bound keeps out
    python -m training dataset release ITEM --as ada.admin --note "asked all three: a real error of the new handbook"
    python -m training dataset reject ITEM --as ada.admin --note "nine flags of two new accounts within an hour"

What is held is released, or rejected for good, by a person of the role support or admin who neither flagged nor reviewed it and may read all
its sources, as on the page Review. A rejected item is settled anew: no dataset ever has it.
The same store and options make the same dataset with the same id. docs/training.md says what each step does.

JSON fields of build: step, rows_in, rows_out, left_out.
JSON fields of build's last line: dataset_id, sha256, folder, train, validation, ceiling, new_holds.
JSON fields of verify: where, line, problem.
JSON fields of verify's last line: dataset_id, rows, problems.
JSON fields of show: dataset_id, sha256, folder, rows, ceiling, counts, created_by, created_at.
JSON fields of card: dataset_id, card.
JSON fields of affected: dataset_id ("" where a training read the document whole), part, rows, adapters.
JSON fields of held, release, reject: item_id, reason, detail, held_at, released_at, released_by, note.

Exit codes: 0 done, 1 a dataset does not verify or may not be trained on any more, 2 wrong input, or too few rows,
3 a release or a rejection by somebody who may not.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.console import Opened, acting, actor, add_json, add_person, opened, say, table
from core.records import CLASSIFICATIONS

if TYPE_CHECKING:
    from core.datasets import Datasets, Hold


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "dataset",
        help="build and check datasets of reviewed answers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    built = acts.add_parser("build", help="of what reviewers approved")
    built.add_argument("--after", default="", metavar="ID", help="a dataset to come after: its rows are replayed")
    built.add_argument("--replay", type=float, default=0.5, metavar="X", help="its rows for each new one (%(default)s)")
    built.add_argument(
        "--paraphrases", type=int, default=0, metavar="N", help="synthetic ones for each training row (%(default)s)"
    )
    built.add_argument(
        "--validation", type=float, default=0.2, metavar="X", help="share kept from training (%(default)s)"
    )
    built.add_argument("--least", type=int, default=8, metavar="N", help="fewest rows to train on (%(default)s)")
    built.add_argument("--ceiling", choices=CLASSIFICATIONS, default=CLASSIFICATIONS[-1], help="highest classification")
    built.add_argument(
        "--suite", type=Path, action="append", default=[], metavar="FOLDER", help="another suite to keep away from"
    )
    for name, said in (("verify", "check a dataset whole"), ("card", "its card")):
        acts.add_parser(name, help=said).add_argument("dataset_id", metavar="ID")
    acts.add_parser("show", help="which there are").add_argument("dataset_id", nargs="?", default="", metavar="ID")
    reached = acts.add_parser("affected", help="datasets and adapters that an erasure reaches")
    whom = reached.add_mutually_exclusive_group(required=True)
    whom.add_argument("--person", default="", metavar="ID")
    whom.add_argument("--document", default="", metavar="ID")
    acts.add_parser("held", help="what is kept out").add_argument(
        "--all", action="store_true", help="released ones too"
    )
    for name, said, why in (
        ("release", "let held items in", "why they may be trained on; kept with the release"),
        ("reject", "keep held items out for good", "why they are not to be trained on; kept with the decision"),
    ):
        decided = acts.add_parser(name, help=said)
        decided.add_argument("items", nargs="+", metavar="ITEM")
        add_person(
            decided, "who decides: of the role support or admin, and neither flagged nor reviewed them", required=True
        )
        decided.add_argument("--note", "--reason", required=True, metavar="WORDS", help=why)
    for one in acts.choices.values():
        add_json(one)


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    from core.datasets import Datasets

    with opened() as here:
        datasets = Datasets(here.store, here.audit)
        match args.act:
            case "build":
                return _build(args, here)
            case "verify":
                return _verify(args, here, datasets)
            case "show":
                return _show(args, here, datasets)
            case "card":
                return _card(args, here, datasets)
            case "affected":
                return _affected(args, datasets)
            case "release" | "reject":
                _decide(args, here, datasets)
            case _:
                _say_holds(args, datasets.holds(released=None if args.all else False))
    return 0


def _build(args: argparse.Namespace, here: Opened) -> int:
    from training.dataset import Options, Sources, build

    options = Options(
        after=args.after,
        replay=args.replay,
        paraphrases=args.paraphrases,
        validation=args.validation,
        least=args.least,
        ceiling=args.ceiling,
    )
    sources = Sources.open(here.settings, here.store, here.audit, suites=args.suite)
    made = build(sources, options, actor=actor())
    for step in made.steps:
        left = ", ".join(f"{n} {reason}" for reason, n in step.left_out.items())
        say(args, f"{step.step:<12} {step.rows_in:>5} -> {step.rows_out:>5}  {left}".rstrip(), asdict(step))
    record = made.record
    last = {
        "dataset_id": record.dataset_id,
        "sha256": record.sha256,
        "folder": str(here.settings.home / record.folder),
        **made.rows,
        "ceiling": record.ceiling,
        "new_holds": made.held,
    }
    held = f" {made.held} new holds: python -m training dataset held" if made.held else ""
    counted = f"{made.rows['train']} rows to train on, {made.rows['validation']} to validate with"
    say(args, f"{record.dataset_id}: {counted}, {record.ceiling}.{held}", last)
    return 0


def _verify(args: argparse.Namespace, here: Opened, datasets: Datasets) -> int:
    from core.lineage import told
    from training.dataset_manifest import Problem, verify

    record = datasets.get(args.dataset_id)
    changed = verify(here.settings.home, record, datasets.lineage(record.dataset_id))
    lost = datasets.lost(record.dataset_id)
    problems = [*changed, *([Problem("dataset_row", 0, f"holds {told(lost)}")] if lost else [])]
    for one in problems:
        say(args, f"{one.where}:{one.line} {one.problem}" if one.line else f"{one.where} {one.problem}", asdict(one))
    last = {"dataset_id": record.dataset_id, "rows": record.rows, "problems": len(problems)}
    sound = f"{record.dataset_id} is as it was built: {record.rows} rows."
    how = "is not as it was built" if changed else "may not be trained on any more"
    broken = f"{record.dataset_id} {how}: do not train on it, build it again."
    say(args, broken if problems else sound, last)
    return int(bool(problems))


def _show(args: argparse.Namespace, here: Opened, datasets: Datasets) -> int:
    from training.dataset_manifest import read_manifest

    records = [datasets.get(args.dataset_id)] if args.dataset_id else datasets.all()
    if args.json:
        for one in records:
            say(args, "", asdict(one) | {"created_at": one.created_at.isoformat()})
        return 0
    rows = [(r.dataset_id, str(r.rows), r.ceiling, f"{r.created_at:%Y-%m-%d %H:%M}", r.created_by) for r in records]
    say(args, table([("dataset", "rows", "ceiling", "built", "by"), *rows]) if rows else "There is no dataset yet.", {})
    if args.dataset_id:
        steps = read_manifest(here.settings.home / records[0].folder)["steps"]
        counted = [
            (s["step"], str(s["rows_in"]), str(s["rows_out"]), ", ".join(f"{n} {r}" for r, n in s["left_out"].items()))
            for s in steps
        ]
        say(args, table([("step", "in", "out", "left out"), *counted]), {})
    return 0


def _card(args: argparse.Namespace, here: Opened, datasets: Datasets) -> int:
    from core.errors import NotFound
    from training.dataset_manifest import CARD

    record = datasets.get(args.dataset_id)
    try:
        text = (here.settings.home / record.folder / CARD).read_text(encoding="utf-8")
    except OSError:
        raise NotFound(
            f"The card of {record.dataset_id} is gone: python -m training dataset verify {record.dataset_id}"
        ) from None
    say(
        args,
        f"{record.dataset_id}, built {record.created_at:%Y-%m-%d} by {record.created_by}\n\n{text}",
        {"dataset_id": record.dataset_id, "card": text},
    )
    return 0


def _affected(args: argparse.Namespace, datasets: Datasets) -> int:
    found = datasets.affected(person_id=args.person, document_id=args.document)
    for one in found:
        how = f"{one.dataset_id}: {one.rows} rows as {one.part}" if one.dataset_id else "read whole, in no dataset"
        adapters = f"; trained on it: {', '.join(one.adapters)}" if one.adapters else ""
        say(args, f"{how}{adapters}", asdict(one))
    if not found:
        datasets.require_known(person_id=args.person, document_id=args.document)
    if not found and not args.json:
        say(args, "No dataset and no adapter was made of it.", {})
    return 0


def _decide(args: argparse.Namespace, here: Opened, datasets: Datasets) -> None:
    from core.reviews import open_reviews

    person, items = acting(here, args.person, "support", "admin"), list(dict.fromkeys(args.items))
    open_reviews(here.settings, here.store, here.audit).queue.require_readable(items, here.people.get(person))
    act = datasets.release if args.act == "release" else datasets.reject
    _say_holds(args, act(items, actor=person, note=args.note), done="" if args.act == "release" else "  rejected")


def _say_holds(args: argparse.Namespace, holds: list[Hold], *, done: str = "") -> None:
    for one in holds:
        times = {n: value.isoformat() if (value := getattr(one, n)) else None for n in ("held_at", "released_at")}
        released = f"  released by {one.released_by}" if one.released_at else done
        say(args, f"{one.item_id}  {one.reason:<13}  {one.detail}{released}", asdict(one) | times)
    if not holds and not args.json:
        say(args, "Nothing is held.", {})
