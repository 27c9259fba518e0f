"""The run command: a suite put to the assistant as served, to retrieval alone or to a plain LangChain chain.

    python -m eval run --suite demo
    python -m eval run --suite demo --adapter ID --against ID --json
    python -m eval run --suite demo --limit 60                   a fast slice that meets every kind
    python -m eval run --suite demo --system retrieval

It asks in a copy of the documents, so an assistant may serve meanwhile. An interrupted run goes on where it stopped when the
same command is given again. Results, lineage and an HTML report lie in the home folder under evaluation/, or in --out.

JSON fields: slice, value, n, passed, rate, low, high, against (rate of the run compared with, or null), difference, difference_low, difference_high.
JSON fields of figures: figure, n, rate, low, high, aim (null where none is stated), at_most, reached (null without an aim).
JSON fields of scores: score, n, mean, passed.
JSON fields of the last line: summary, run_id, suite, system, adapter, adapter_sha256, n, passed, rate, low, high, consistency, latency_p50_ms, latency_p95_ms, cpu_s_per_request (processor seconds of this process), prompt_tokens_per_request, completion_tokens_per_request (null without a model server that counts them), cost_per_1000 (null without --price and --token-price), stale (cases whose documents changed since they were checked), unfounded (cases whose quoted evidence is not in its document), regressed, improved, seconds, report.

Exit codes: 0 done (whatever the answers were worth), 2 wrong input, an unknown adapter or another run going on, 4 something that we
need does not answer, 130 interrupted.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.console import Opened, add_json, opened, say, table
from core.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.gate import GateReport
    from core.rates import Rate
    from eval.evaluation import Chosen, Evaluator
    from eval.intervals import Difference
    from eval.report import Cost, Run
    from eval.summary import Compared, Slice

SYSTEMS = ("assistant", "retrieval", "langchain")
NAMED = 20
"""Doubtful cases that the text names; --json and the report have all of them."""
HEAD = ("SLICE", "VALUE", "N", "PASSED", "INTERVAL", "AGAINST")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "run",
        help="put a suite to an adapter",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_asking(parser)
    parser.add_argument(
        "--adapter", default="", metavar="ID", help="answer model to ask; the one that serves unless given"
    )
    parser.add_argument("--against", metavar="ID", help="another adapter to compare with, case by case")
    parser.add_argument("--system", choices=SYSTEMS, default="assistant")
    parser.add_argument("--tag", action="append", default=[], help="only cases with this tag; may be repeated")
    parser.add_argument("--kind", action="append", default=[], help="only cases of this kind; may be repeated")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N cases, of every kind in turn")
    parser.add_argument("--judge", action="store_true", help="a served model's opinion too; it decides nothing")
    parser.add_argument(
        "--price", type=float, metavar="X", help="what an hour of this machine costs: gives the cost of answers"
    )
    parser.add_argument(
        "--token-price",
        type=float,
        nargs=2,
        metavar=("READ", "WRITTEN"),
        help="what a million tokens cost at the model server, in the prompt and in the answer",
    )
    add_json(parser)


def add_asking(parser: argparse.ArgumentParser, *, suite: str = "demo") -> None:
    """The options that the gate has, too; `suite`: which unless it is named."""
    parser.add_argument("--suite", default=suite, metavar="NAME|FOLDER", help=f"{suite or 'the settings'} unless given")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="cases at once (2)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where results go; the home folder's unless given")
    parser.add_argument("--fresh", action="store_true", help="ask again what this lineage has results of")
    parser.add_argument("--no-mlflow", action="store_true", help="keep the results out of MLflow")


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    from eval.evaluation import Chosen

    began = time.perf_counter()
    if args.limit is not None and args.limit < 1:
        raise BadInput("--limit is a number of cases, at least 1.")
    if args.against and args.system != "assistant":
        raise BadInput("--against compares two adapters of the assistant: leave out --system.")
    if args.price is not None and not 0 <= args.price < math.inf:
        raise BadInput("--price is what an hour of this machine costs, a number from 0 on.")
    if args.token_price and not all(0 <= price < math.inf for price in args.token_price):
        raise BadInput("--token-price is what a million tokens cost, read and written: two numbers from 0 on.")
    chosen = Chosen(tuple(args.tag), tuple(args.kind), args.limit)
    with opened() as here, evaluator(args, here, chosen) as asking:
        if args.token_price and not here.settings.model_url:
            raise BadInput(
                "--token-price is for a served model, which counts tokens: set MODEL_URL and MODEL, or use --price."
            )
        ours = asking.run(args.system, args.adapter)
        other = asking.run("assistant", args.against) if args.against else None
        report, compared = finish(args, here, asking, ours, other)
        stale, unfounded = asking.suite.stale(), asking.unfounded
    _tell(args, ours, other, compared)
    cost = cost_of(args, ours)
    last = _last_line(
        ours,
        compared,
        {
            "cost_per_1000": cost and cost.per_1000,
            "stale": sorted(stale),
            "unfounded": sorted(unfounded),
            "seconds": round(time.perf_counter() - began, 1),
            "report": str(report),
        },
    )
    say(args, _told(last), last)
    return 0


@contextmanager
def evaluator(args: argparse.Namespace, here: Opened, chosen: Chosen) -> Iterator[Evaluator]:
    """The suite's world and how to ask in it, for as long as the block runs."""
    from assistant.rollout_start import in_force
    from eval.evaluation import Evaluator, choose, find_suite
    from eval.judge import open_judge
    from eval.runner import RunOptions
    from eval.worlds import opened_world

    if args.workers < 1:
        raise BadInput("--workers is a number of cases at once, at least 1.")
    whole = find_suite(args.suite, here.settings.home)
    folder = args.out or here.settings.home / "evaluation" / "runs"
    judge = open_judge(here.settings) if getattr(args, "judge", False) else None
    options = RunOptions(folder, here.audit, args.workers, sys.stderr.isatty(), args.fresh, judge)
    with opened_world(whole, in_force(here.settings, here.store, here.audit)) as world:
        yield Evaluator(choose(whole, chosen), world, options)


def finish(
    args: argparse.Namespace,
    here: Opened,
    asking: Evaluator,
    ours: Run,
    other: Run | None,
    *,
    gate: GateReport | None = None,
) -> tuple[Path, Compared | None]:
    """Compare, write the report with what people said of the answers, and log to MLflow; where the report is, and the comparison."""
    from eval.ratings_command import human_figures
    from eval.report import CHANGED, UNFOUNDED, write_report
    from eval.summary import compare
    from eval.tracking import log_run

    compared = compare(ours.results, other.results, seed=asking.seed) if other else None
    report = asking.folder(ours) / "report.html"
    ours = replace(ours, human=human_figures(here, ours.lineage.run_id), cost=cost_of(args, ours))
    # a gate has refused a suite with such cases
    doubts = {} if gate else {CHANGED: asking.suite.stale(), UNFOUNDED: asking.unfounded}
    write_report(report, asking.suite, ours, other=other, compared=compared, gate=gate, doubts=doubts)
    if not args.no_mlflow:
        log_run(here.settings.home, ours, report)
    return report, compared


def _tell(args: argparse.Namespace, ours: Run, other: Run | None, compared: Compared | None) -> None:
    """Every slice, every figure with its aim, and with --json every scorer's mean."""
    theirs = {(part.name, part.value): part.rate.rate for part in other.summary.slices} if other else {}
    differences = compared.differences if compared else {}
    lines = [
        _slice_line(part, theirs.get((part.name, part.value)), differences.get((part.name, part.value)))
        for part in ours.summary.slices
    ]
    if args.json:
        for line in lines:
            say(args, "", line)
    else:
        sys.stdout.write(table([HEAD, *map(_row, lines)]) + "\n\n")
    for figure in ours.summary.figures:
        missed = "" if figure.reached else ", missed"
        aim = (
            f"aim {'at most' if figure.at_most else 'at least'} {figure.aim:.0%}{missed}"
            if figure.aim is not None
            else "no aim"
        )
        fields = {"figure": figure.name, "n": figure.rate.n, **_rounded(figure.rate)}
        fields |= {"aim": figure.aim, "at_most": figure.at_most, "reached": figure.reached}
        say(args, f"{figure.name}: {figure.rate.rate:.1%} of {figure.rate.n} ({aim})", fields)
    for mean in ours.summary.means if args.json else ():
        say(args, "", {"score": mean.name, "n": mean.n, "mean": mean.mean, "passed": mean.passed})


def _slice_line(part: Slice, against: float | None, difference: Difference | None) -> dict[str, object]:
    return {
        "slice": part.name,
        "value": part.value,
        "n": part.rate.n,
        "passed": part.rate.passed,
        **_rounded(part.rate),
        "against": None if against is None else round(against, 4),
        "difference": difference and round(difference.mean, 4),
        "difference_low": difference and round(difference.low, 4),
        "difference_high": difference and round(difference.high, 4),
    }


def _row(line: Mapping[str, Any]) -> tuple[str, ...]:
    against = "" if line["against"] is None else f"{line['against']:.1%}"
    interval = f"{line['low']:.1%} to {line['high']:.1%}"
    return (line["slice"], line["value"], str(line["n"]), f"{line['rate']:.1%}", interval, against)


def _rounded(rate: Rate) -> dict[str, object]:
    return {"rate": round(rate.rate, 4), "low": round(rate.low, 4), "high": round(rate.high, 4)}


def cost_of(args: argparse.Namespace, run: Run) -> Cost | None:
    """What answers cost at the prices given, in their currency: machine time, shared by the cases asked at once, and tokens. The gate has no price."""
    from eval.report import Cost

    price: float | None = getattr(args, "price", None)
    tokens: list[float] | None = getattr(args, "token_price", None)
    costs, prices = [], []
    if price is not None:
        times = [result.scores["latency"] for result in run.results]
        costs.append(sum(times) / len(times) / args.workers / 3_600_000 * price)
        prices.append(f"{price:g} an hour of this machine")
    if tokens and run.summary.spent and (cost := run.summary.spent.token_cost((tokens[0], tokens[1]))) is not None:
        costs.append(cost)
        prices.append(f"{tokens[0]:g} for a million tokens read and {tokens[1]:g} for a million written")
    return Cost(round(1000 * sum(costs), 4), " and ".join(prices)) if costs else None


def _last_line(ours: Run, compared: Compared | None, rest: Mapping[str, object]) -> dict[str, object]:
    lineage, rate, spent = ours.lineage, ours.summary.all, ours.summary.spent
    return {
        "summary": True,
        "run_id": lineage.run_id,
        "suite": lineage.suite,
        "system": lineage.system,
        "adapter": lineage.adapter,
        "adapter_sha256": lineage.adapter_sha256,
        "n": rate.n,
        "passed": rate.passed,
        **_rounded(rate),
        "consistency": ours.summary.consistency,
        "latency_p50_ms": ours.summary.latency_ms["p50"],
        "latency_p95_ms": ours.summary.latency_ms["p95"],
        "cpu_s_per_request": spent and spent.cpu_s,
        "prompt_tokens_per_request": spent and spent.prompt_tokens,
        "completion_tokens_per_request": spent and spent.completion_tokens,
        "cost_per_1000": rest["cost_per_1000"],
        "stale": rest["stale"],
        "unfounded": rest["unfounded"],
        "regressed": list(compared.regressed) if compared else [],
        "improved": list(compared.improved) if compared else [],
        "seconds": rest["seconds"],
        "report": rest["report"],
    }


def _told(last: Mapping[str, Any]) -> str:
    from eval.report import CHANGED, UNFOUNDED

    warned = ""
    for does, ids in ((CHANGED, last["stale"]), (UNFOUNDED, last["unfounded"])):
        more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
        warned += f"{len(ids)} cases {does}: {', '.join(ids[:NAMED])}{more}.\n" if ids else ""
    return f"{last['passed']} of {last['n']} passed in {last['seconds']} s. {warned}Report: {last['report']}"
