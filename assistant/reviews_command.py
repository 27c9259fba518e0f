"""The review queue: list, read, decide, export, import; gold items and agreement.

    python -m assistant reviews list --status waiting --overdue
    python -m assistant reviews show ITEM --as farid.nasser
    python -m assistant reviews decide ITEM --as farid.nasser --decision train --span "25 days of annual leave"
    python -m assistant reviews export --as farid.nasser --format csv > queue.csv
    python -m assistant reviews import decisions.jsonl
    python -m assistant reviews gold --as ada.admin --add ITEM
    python -m assistant reviews agreement --as ada.admin

People's words are shown to the reviewer that --as names, as far as they may read the answer's sources. Import keeps each
line's decision under its reviewer's name, by the rules of the page; a bad line stops no other, and makes the exit code 1.

JSON fields of list: item_id, turn_id, feedback_id, source, status, priority, department, language, adapter, reasons, assigned_to, created_at, due, closed_at, temporary, allowed, mine, needs, held_until, decision.
JSON fields of show: item, question, answer, status, evidence, adapter, feedback, passages, verdicts, reviews, may_decide, adjudicates, why_not, readers, may_train.
JSON fields of decide: item_id, status.
JSON fields of export: item_id, turn_id, feedback_id, source, status, priority, department, language, adapter, reasons, created_at, due, closed_at, question, answer, comment, expected, reviews.
JSON fields of import: line, item_id, reviewer, decision, status, error.
JSON fields of gold: item_id, made_from, decision, made_by, created_at, answers.
JSON fields of agreement: agreed, waiting, pairs, alpha, accuracy.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from assistant.console import Opened, add_json, opened, say, table
from core.errors import BadInput
from core.records import DECISIONS, Correction
from core.review_file import as_csv, exported, import_decisions, plain_case, plain_item
from core.review_gold import Gold
from core.review_items import adopt
from core.review_records import SOURCES, URGENCY, WANTED, Case, Item, Judgement, QueueFilter
from core.reviews import Reviews, open_reviews
from core.turns import now


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("reviews", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    listed = acts.add_parser("list", help="the queue, what is due first")
    show = acts.add_parser("show", help="one item: question, answer, passages, verdicts")
    decide = acts.add_parser("decide", help="keep a reviewer's decision")
    export = acts.add_parser("export", help="the queue with its words, as far as the reviewer may see them")
    imported = acts.add_parser("import", help="decisions of reviewers from a file of JSON lines")
    gold = acts.add_parser("gold", help="list, add or remove gold items")
    agreement = acts.add_parser("agreement", help="how alike reviewers judge, and how well on gold items")
    for one in (listed, export):
        _add_filters(one)
    for one in (show, decide, export, gold, agreement):
        one.add_argument("--as", dest="person", required=True, metavar="PERSON", help="the reviewer's id")
    listed.add_argument("--as", dest="person", default="", metavar="PERSON", help="the queue as this reviewer sees it")
    for one in (show, decide):
        one.add_argument("item", metavar="ITEM")
    decide.add_argument("--decision", required=True, choices=DECISIONS)
    how = decide.add_mutually_exclusive_group()
    how.add_argument("--span", metavar="WORDS", help="the right words, which stand in one of the passages")
    how.add_argument("--text", metavar="WORDS", help="the right answer, written")
    how.add_argument("--clarify", metavar="WORDS", help="what the assistant should have asked back")
    how.add_argument("--refuse", action="store_true", help="the passages do not answer the question")
    how.add_argument("--confirm", action="store_true", help="the answer was right as it stood")
    decide.add_argument("--note", default="", help="for the next reviewer, or for the document's owner")
    export.add_argument("--format", choices=("jsonl", "csv"), default="jsonl")
    imported.add_argument("file", type=Path, metavar="FILE")
    change = gold.add_mutually_exclusive_group()
    change.add_argument("--add", metavar="ITEM", help="put this closed item into the queue as gold")
    change.add_argument("--remove", metavar="ITEM", help="take this gold item out again")
    for one in (listed, show, decide, export, imported, gold, agreement):
        add_json(one)


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--status", choices=[word for word in WANTED if word], default="waiting")
    parser.add_argument("--source", choices=SOURCES, default="")
    for name in ("department", "language", "adapter", "assignee", "reason"):
        parser.add_argument(f"--{name}", default="", metavar="NAME")
    parser.add_argument("--decision", choices=DECISIONS, default="", help="of what is done, what it was settled to")
    parser.add_argument("--older-than", type=int, default=0, metavar="DAYS", help="waiting at least so long")
    parser.add_argument("--overdue", action="store_true", help="only what should be done by now")


def run(args: argparse.Namespace) -> int:
    acts = {
        "list": _list,
        "show": _show,
        "decide": _decide,
        "export": _export,
        "import": _import,
    }
    with opened() as here:
        adopt(here.store)
        if args.act in ("gold", "agreement"):
            return _gold(args, here) if args.act == "gold" else _agreement(args, here)
        return acts[args.act](args, here, open_reviews(here.settings, here.store, here.audit))


def _list(args: argparse.Namespace, here: Opened, reviews: Reviews) -> int:
    who = here.people.get(args.person) if args.person else None
    found = reviews.queue.items(who, _filter(args))
    if args.json:
        for item in found:
            say(args, "", plain_item(item))
        return 0
    rows = [("ITEM", "SOURCE", "STATUS", "PRIORITY", "WAITS", "DEPARTMENT", "ADAPTER", "HELD BY", "")]
    sys.stdout.write(table([*rows, *(_row(item) for item in found)]) + "\n")
    return 0


def _row(item: Item) -> tuple[str, ...]:
    waits = f"{(now() - item.created_at).days} d"
    late = "overdue" if item.overdue(now()) else ""
    facts = (item.item_id, item.source, item.status, URGENCY[item.priority], waits)
    return (*facts, item.department, item.adapter, item.assigned_to, late)


def _show(args: argparse.Namespace, here: Opened, reviews: Reviews) -> int:
    case = reviews.queue.case(args.item, here.people.get(args.person))
    say(args, _told(case), plain_case(case))
    return 0


def _told(case: Case) -> str:
    given = case.feedback
    lines = [f"Question: {case.turn.question}", f"Answer ({case.turn.adapter}): {case.turn.answer}"]
    if given is not None:
        lines += [f"Reported: {', '.join(given.reasons)}", f"Comment: {given.comment}", f"Expected: {given.expected}"]
    for n, one in enumerate(case.passages, 1):
        lines += [
            f"\n[{n}] {one.title} · {one.section} ({one.passage_id})",
            one.text or "(not held, or not yours to read)",
        ]
    for made in case.reviews:
        lines.append(f"\n{made.step}: {made.reviewer} decided {made.decision}. {made.note}".rstrip())
    lines.append(f"\n{case.why_not or 'This item is yours to decide.'}")
    return "\n".join(lines)


def _decide(args: argparse.Namespace, here: Opened, reviews: Reviews) -> int:
    judgement = Judgement(args.decision, _correction(args), args.note)
    item = reviews.decide(args.item, here.people.get(args.person), judgement)
    say(
        args, f"Kept: {args.decision}. The item is {item.status} now.", {"item_id": item.item_id, "status": item.status}
    )
    return 0


def _correction(args: argparse.Namespace) -> Correction | None:
    if args.span is not None:
        return Correction("span", args.span)
    if args.text is not None:
        return Correction("text", args.text)
    if args.clarify is not None:
        return Correction("clarify", args.clarify)
    if args.refuse:
        return Correction("refuse")
    return Correction("confirm") if args.confirm else None


def _export(args: argparse.Namespace, here: Opened, reviews: Reviews) -> int:
    who = here.people.get(args.person)
    rows = list(exported(reviews.queue, who, _filter(args)))
    here.audit.append(who.person_id, "review.export", "queue", items=len(rows))
    if args.format == "csv" and not args.json:
        sys.stdout.writelines(as_csv(rows))
        return 0
    for row in rows:
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
    return 0


def _import(args: argparse.Namespace, here: Opened, reviews: Reviews) -> int:
    try:
        text = args.file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise BadInput(f"{args.file}: cannot be read as a text file in UTF-8.") from None
    failed = 0
    for one in import_decisions(text, reviews, here.store, here.people):
        failed += bool(one.error)
        kept = f"{one.decision} by {one.reviewer}: the item is {one.status} now"
        say(args, f"line {one.line}: {one.error or kept}", asdict(one))
    return 1 if failed else 0


def _gold(args: argparse.Namespace, here: Opened) -> int:
    gold, who = Gold(here.store, here.audit), here.people.get(args.person)
    if args.add:
        gold.add(args.add, by=who)
    if args.remove:
        gold.remove(args.remove, by=who)
    for one in gold.listed(who):
        text = f"{one.item_id}  {one.decision:<14} made from {one.made_from} by {one.made_by}, met by {one.answers}"
        say(args, text, asdict(one))
    return 0


def _agreement(args: argparse.Namespace, here: Opened) -> int:
    found = Gold(here.store, here.audit).agreement(here.people.get(args.person))
    lines = [f"Two reviewers agreed on {found.agreed}; {found.waiting} items wait for a third."]
    if found.alpha.value is not None:
        lines.append(f"Krippendorff's alpha over {found.alpha.n} items: {found.alpha.value:.2f}")
    for pair in found.pairs:
        kappa = "not defined" if pair.kappa.value is None else f"{pair.kappa.value:.2f}"
        lines.append(f"{pair.first} and {pair.second}: Cohen's kappa {kappa} over {pair.kappa.n} items")
    lines += [f"{name} on gold items: {rate}" for name, rate in found.accuracy.items()]
    say(args, "\n".join(lines), asdict(found))
    return 0


def _filter(args: argparse.Namespace) -> QueueFilter:
    names = ("status", "source", "department", "language", "adapter", "assignee", "reason", "overdue", "decision")
    return QueueFilter(**{name: getattr(args, name) for name in names}, older_than_days=args.older_than)
