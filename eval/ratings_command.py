"""Human ratings: make a batch for the page "Ratings", see what raters said, take it along.

    python -m eval ratings create RUN RUN --as grace.lin --name "quote or reader" --limit 40
    python -m eval ratings create RUN --as grace.lin --name "quote-v1, rubric"     single answers, on the rubric
    python -m eval ratings create --turns --as grace.lin --name "November" --limit 50 --adapter ID
    python -m eval ratings create RUN RUN --as grace.lin --name "leave" --raters dieter.vogt,elena.rossi
    python -m eval ratings name BATCH --as grace.lin --raters ben.okafor                one more, later
    python -m eval ratings show                  every batch
    python -m eval ratings show BATCH            preference or means, agreement, disagreements
    python -m eval ratings export BATCH --json
    python -m eval ratings report RUN --against RUN     the run's HTML report again, with its ratings
    python -m eval ratings remove BATCH --as grace.lin

RUN is a run's folder, as python -m eval run writes it. Two runs make blind pairs of the answers that differ (--single: every
answer alone); which stands first is drawn by --seed and stored. --gold FILE adds examples whose worth was agreed, which
raters meet first: one JSON object a line, {"question", "answers", "preferred" or "scores", "why"}.

Support and administrators rate every batch. --raters asks others by their ids, whatever their roles: each finds the batches that
name them on the page Ratings, and in them no answer that rests on a document which they may not read. named is who is asked;
readable says of each just named how many of the items, gold included, they may see; rated_nothing is who has not begun.

JSON fields of create: batch_id, name, kind, items, gold, left_out, named, readable.
JSON fields of name: batch_id, named, readable.
JSON fields of show: batch_id, name, kind, runs, created_by, created_at, items, ratings, named, rated_nothing.
JSON fields of show BATCH: batch_id, name, kind, raters, named, rated_nothing, items_rated, preferred, a_wins, first_wins, scores, agreement, accuracy, seconds_p50.
JSON fields of export: batch, item_id, case_id, shown, rater, preferred, scores, comment, seconds, calibration, at.
JSON fields of report: run_id, report, batches.
JSON fields of remove: batch_id.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.console import Opened, add_admin, add_json, administrator, opened, say
from core.errors import BadInput
from core.ratings import Ratings

if TYPE_CHECKING:
    from core.rating_figures import Figures
    from core.rating_records import Batch, RatedRun, RatingKind
    from core.records import Principal
    from eval.rated import Drawn

LISTED = 20
"""Disagreements that the text names; --json and the page have more."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "ratings",
        help="let people rate answers, blind",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    create = acts.add_parser("create", help="a batch of pairs, of single answers, or of answers of the chat")
    name = acts.add_parser("name", help="ask more people to rate a batch")
    show = acts.add_parser("show", help="every batch, or one in figures")
    export = acts.add_parser("export", help="every rating of a batch")
    report = acts.add_parser("report", help="write a run's HTML report again, with its ratings")
    remove = acts.add_parser("remove", help="delete a batch with its ratings")
    create.add_argument("runs", nargs="*", type=Path, metavar="RUN")
    create.add_argument("--name", required=True)
    create.add_argument("--single", action="store_true", help="rate each answer alone, on the rubric")
    create.add_argument("--turns", action="store_true", help="answers of the chat, without who asked")
    create.add_argument("--adapter", default="", metavar="ID", help="of the chat, answers of this adapter only")
    create.add_argument("--limit", type=int, metavar="N", help="at most N, drawn by the seed")
    create.add_argument("--seed", type=int, default=0)
    create.add_argument("--gold", type=Path, metavar="FILE", help="examples to calibrate raters with")
    for one in (create, name):
        asked = "who is asked to rate it, whatever their roles"
        one.add_argument("--raters", required=one is name, metavar="PERSON[,PERSON...]", help=asked)
    show.add_argument("batch", nargs="?", default="", metavar="BATCH")
    report.add_argument("run", type=Path, metavar="RUN")
    report.add_argument("--against", type=Path, metavar="RUN")
    for one in (name, export, remove):
        one.add_argument("batch", metavar="BATCH")
    for one in (create, name, remove):
        add_admin(one)
    for one in (create, name, show, export, report, remove):
        add_json(one)


def run(args: argparse.Namespace) -> int:
    acts = {"create": _create, "name": _name, "show": _show, "export": _export, "report": _report, "remove": _remove}
    with opened() as here:
        return acts[args.act](args, here, Ratings(here.store, here.audit))


def _create(args: argparse.Namespace, here: Opened, ratings: Ratings) -> int:
    from eval.rated import read_gold, sampled

    who = administrator(here, args.person)
    if args.limit is not None and args.limit < 1:
        raise BadInput("--limit is a number of items, at least 1.")
    raters = _raters(args.raters, here)
    kind, runs, drawn = _drawn(args, here)
    gold = read_gold(args.gold, kind) if args.gold else []
    items = sampled(drawn.items, args.limit, args.seed)
    if not items:
        raise BadInput(f"Nothing is left to rate: {_left_out(drawn)}.")
    batch_id = ratings.create(args.name, kind, runs, [*gold, *items], by=who, seed=args.seed)
    readable, lines = _asked(ratings, batch_id, raters, by=who)
    fields = {
        "batch_id": batch_id,
        "name": args.name,
        "kind": kind,
        "items": len(items),
        "gold": len(gold),
        "left_out": {reason: n for reason, n in drawn.left_out.items() if n},
        "named": list(readable),
        "readable": readable,
    }
    told = f"{batch_id}: {len(items)} items and {len(gold)} of gold. Left out: {_left_out(drawn)}. Raters find it on the page Ratings."
    say(args, "\n".join([told, *lines]), fields)
    return 0


def _name(args: argparse.Namespace, here: Opened, ratings: Ratings) -> int:
    who, raters = administrator(here, args.person), _raters(args.raters, here)
    readable, lines = _asked(ratings, args.batch, raters, by=who)
    named = list(ratings.batch(args.batch).named)
    say(args, "\n".join(lines), {"batch_id": args.batch, "named": named, "readable": readable})
    return 0


def _asked(
    ratings: Ratings, batch_id: str, raters: Sequence[Principal], *, by: str
) -> tuple[dict[str, int], list[str]]:
    """Name them; how many of the batch's items each may see, and that in words."""
    ratings.name_raters(batch_id, [one.person_id for one in raters], by=by)
    of = ratings.batch(batch_id).items
    readable = {one.person_id: ratings.readable(batch_id, one) for one in raters}
    return readable, [f"{one} is asked to rate it, and may see {n} of its {of} items." for one, n in readable.items()]


def _raters(given: str | None, here: Opened) -> list[Principal]:
    """The people of --raters. Raises BadInput where it names nobody, NotFound with all the names that are no active person's."""
    if given is None:
        return []
    names = [name for name in given.split(",") if name.strip()]
    if not names:
        raise BadInput("--raters takes ids of people, with commas between them.")
    return [here.people.get(one) for one in here.people.named(names)]


def _drawn(args: argparse.Namespace, here: Opened) -> tuple[RatingKind, list[RatedRun], Drawn]:
    from core.rating_records import RatedRun
    from eval.evaluation import find_suite
    from eval.rated import pair_items, rated_runs, read_run, single_items, turn_items

    if args.turns == bool(args.runs) or len(args.runs) > 2:
        raise BadInput("Name one or two runs' folders, or --turns for answers of the chat.")
    if args.turns:
        return "single", [RatedRun("a", args.adapter or "the chat")], turn_items(here.store, args.adapter)
    folders = [read_run(path, here.audit) for path in args.runs]
    suites = {one.lineage.suite for one in folders}
    if len(suites) > 1:
        raise BadInput(f"These runs are of different suites: {', '.join(sorted(suites))}.")
    suite = find_suite(suites.pop(), here.settings.home)
    runs = rated_runs(folders)
    if args.single or len(folders) == 1:
        return "single", runs, single_items(suite, folders)
    return "pair", runs, pair_items(suite, *folders)


def _left_out(drawn: Drawn) -> str:
    return ", ".join(f"{n} ({reason})" for reason, n in drawn.left_out.items() if n) or "nothing"


def _show(args: argparse.Namespace, here: Opened, ratings: Ratings) -> int:
    from core.rating_figures import figures

    if args.batch:
        found = figures(here.store, ratings, args.batch)
        say(args, _told(found), plain(found))
        return 0
    for one in ratings.batches():
        fields = asdict(one)
        del fields["rubric"], fields["rated"]
        text = f"{one.batch_id}  {one.kind:<6}  {one.ratings} ratings of {one.items} items  {one.name}"
        say(args, "\n    ".join([text, *_named(one)]), fields)
    return 0


def _named(batch: Batch) -> list[str]:
    """One line on who is asked to rate a batch; none where nobody is."""
    idle = f"; nothing yet from {', '.join(batch.rated_nothing)}" if batch.rated_nothing else ""
    return [f"asked to rate: {', '.join(batch.named)}{idle}"] if batch.named else []


def plain(found: Figures) -> dict[str, object]:
    """A batch's figures as plain values."""
    agreement = [
        {
            "on": one.on,
            "alpha": asdict(one.alpha),
            "pairs": [{"raters": list(pair), **asdict(kappa)} for pair, kappa in one.pairs.items()],
            "disagreements": [{"case_id": found.cases[item.item], **asdict(item)} for item in one.disagreements],
        }
        for one in found.agreement
    ]
    return {
        "batch_id": found.batch.batch_id,
        "name": found.batch.name,
        "kind": found.batch.kind,
        "raters": list(found.raters),
        "named": list(found.batch.named),
        "rated_nothing": list(found.batch.rated_nothing),
        "items_rated": found.items_rated,
        "preferred": dict(found.preferred),
        "a_wins": asdict(found.a_wins),
        "first_wins": asdict(found.first_wins),
        "scores": [asdict(one) for one in found.scores],
        "agreement": agreement,
        "accuracy": {rater: asdict(rate) for rater, rate in found.accuracy.items()},
        "seconds_p50": found.seconds_p50,
    }


def _told(found: Figures) -> str:
    names = {run.key: run.name for run in found.batch.runs}
    lines = [
        f"{found.batch.name}: {found.items_rated} of {found.items} items rated by {', '.join(found.raters) or 'nobody'}",
        *_named(found.batch),
    ]
    if found.preferred:
        said = ", ".join(f"{names.get(word, word or 'no majority')} {n}" for word, n in found.preferred.items())
        lines.append(f"Preferred: {said}")
        lines.append(
            f"{names['a']} wins where one is preferred: {found.a_wins}; the first shown wins: {found.first_wins}"
        )
    for score in found.scores:
        spread = f"{score.low:.2f} to {score.high:.2f}"
        lines.append(f"{score.run} {score.criterion}: {score.mean:.2f} of {score.highest} ({spread}), n {score.n}")
    for one in found.agreement:
        alpha = "not defined" if one.alpha.value is None else f"{one.alpha.value:.2f}"
        lines.append(
            f"agreement on {one.on}: alpha {alpha} over {one.alpha.n} items, {len(one.disagreements)} disagreements"
        )
        for (first, second), kappa in one.pairs.items():
            value = "not defined" if kappa.value is None else f"{kappa.value:.2f}"
            lines.append(f"  {first} and {second}: kappa {value} over {kappa.n}")
        for item in one.disagreements[:LISTED]:
            said = ", ".join(f"{who}: {found.word(one.on, value)}" for who, value in item.values.items())
            lines.append(f"  {found.cases[item.item]}: {said}")
    lines += [f"{rater} on gold: {rate}" for rater, rate in found.accuracy.items()]
    return "\n".join(lines)


def _export(args: argparse.Namespace, here: Opened, ratings: Ratings) -> int:
    from core.rating_figures import exported

    for row in exported(here.store, ratings, args.batch):
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
    return 0


def _report(args: argparse.Namespace, here: Opened, _ratings: Ratings) -> int:
    from eval.evaluation import SEED, find_suite
    from eval.rated import read_run
    from eval.report import CHANGED, Run, write_report
    from eval.summary import compare, summarise

    folders = [read_run(path, here.audit) for path in (args.run, args.against) if path]
    suite = find_suite(folders[0].lineage.suite, here.settings.home)
    known = {case.case_id for case in suite.cases}
    if any(one.case_id not in known for folder in folders for one in folder.results):
        raise BadInput(f"The suite {suite.name} has lost cases that these runs asked: run it again.")
    ours, *rest = [Run(one.lineage, one.results, summarise(one.results)) for one in folders]
    other = rest[0] if rest else None
    human = human_figures(here, ours.lineage.run_id)
    path = args.run / "report.html"
    compared = compare(ours.results, other.results, seed=SEED) if other else None
    write_report(
        path, suite, replace(ours, human=human), other=other, compared=compared, doubts={CHANGED: suite.stale()}
    )
    fields = {"run_id": ours.lineage.run_id, "report": str(path), "batches": [one.batch.batch_id for one in human]}
    say(args, f"{path}: with {len(human)} batches of ratings", fields)
    return 0


def human_figures(here: Opened, run_id: str) -> list[Figures]:
    """What people said of a run's answers, one entry a batch."""
    from core.rating_figures import figures

    ratings = Ratings(here.store, here.audit)
    return [figures(here.store, ratings, one.batch_id) for one in ratings.of_run(run_id)]


def _remove(args: argparse.Namespace, here: Opened, ratings: Ratings) -> int:
    ratings.remove(args.batch, by=administrator(here, args.person))
    say(args, f"Removed {args.batch}, with its ratings.", {"batch_id": args.batch})
    return 0
