"""The HTML report of a run: figures, plots, and the failing cases side by side. One file that asks nothing of any server."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from core.files import write_whole
from core.gate import AGAIN, GateReport
from core.rates import Rate
from core.rating_figures import Figures
from eval.cases import Case, Suite
from eval.intervals import Difference
from eval.lineage import Lineage
from eval.plots import histogram, rates
from eval.runner import Result
from eval.summary import ALL, Compared, Summary

FOLDER = Path(__file__).parent
TEMPLATE = "report.html"
CHANGED = "rest on documents that changed since they were checked"
UNFOUNDED = "quote what is not in their document"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a thousand answers cost, and at which prices, in their currency."""

    per_1000: float
    prices: str


@dataclass(frozen=True, slots=True)
class Run:
    """One run as the report shows it; `human` is what people said of its answers, one entry a batch of ratings."""

    lineage: Lineage
    results: Sequence[Result]
    summary: Summary
    human: Sequence[Figures] = ()
    cost: Cost | None = None

    @property
    def name(self) -> str:
        return self.lineage.adapter if self.lineage.system == "assistant" else self.lineage.system


@dataclass(frozen=True, slots=True)
class Row:
    """A case in the list of failures: ours, and the other run's result where there is one."""

    case: Case
    ours: Result
    other: Result | None
    turned: str


def write_report(
    path: Path,
    suite: Suite,
    run: Run,
    *,
    other: Run | None = None,
    compared: Compared | None = None,
    gate: GateReport | None = None,
    doubts: Mapping[str, Collection[str]] | None = None,
) -> None:
    """Write the report whole or not at all; raises StoreUnavailable where the disk is full.

    Args:
        other: what the run is compared with.
        gate: the decision, where the run was the gate's.
        doubts: the ids of cases that may measure nothing, by what they do: `CHANGED` or `UNFOUNDED`.
    """
    templates = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)
    html = templates.get_template(TEMPLATE).render(
        run=run,
        other=other,
        compared=compared,
        gate=gate,
        doubts=doubts or {},
        names=[{one.key: one.name for one in given.batch.runs} for given in run.human],
        plots=_plots(run.summary, other.summary if other else None),
        shown=_shown,
        latency=histogram([r.scores["latency"] for r in run.results], "ms"),
        failing=_rows(suite, run, other, compared),
        worse=[(key, d) for key, d in compared.differences.items() if d.high < 0] if compared else [],
        overall=compared.differences[ALL] if compared else Difference(0, 0.0, 0.0, 0.0),
        percent=lambda value: f"{100 * value:.1f} %",
        span=lambda rate: f"{100 * rate.low:.1f}–{100 * rate.high:.1f} %",
    )
    write_whole(path, html, AGAIN)


def _shown(answer: str) -> Markup:
    """An answer's markdown as HTML of ours alone: no HTML of its own, no link, no image."""
    return Markup(_markdown().render(answer))  # noqa: S704 - the renderer escapes what it does not make itself


@cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "link", "autolink"])


def _plots(ours: Summary, other: Summary | None) -> dict[str, str]:
    """A plot a dimension."""
    theirs = {(part.name, part.value): part.rate for part in other.slices} if other else {}
    rows: dict[str, list[tuple[str, Rate, Rate | None]]] = {}
    for part in ours.slices:
        rows.setdefault(part.name, []).append((part.value, part.rate, theirs.get((part.name, part.value))))
    return {name: rates(parts) for name, parts in rows.items() if name != ALL[0]}


def _rows(suite: Suite, run: Run, other: Run | None, compared: Compared | None) -> dict[str, list[Row]]:
    """By kind: the cases that failed, those that the other run passed first."""
    cases = {case.case_id: case for case in suite.cases}
    theirs = {result.case_id: result for result in other.results} if other else {}
    regressed = set(compared.regressed) if compared else set()
    failed = sorted((r for r in run.results if not r.passed), key=lambda r: (r.case_id not in regressed, r.case_id))
    rows: dict[str, list[Row]] = {}
    for result in failed:
        turned = "passed before" if result.case_id in regressed else ""
        row = Row(cases[result.case_id], result, theirs.get(result.case_id), turned)
        rows.setdefault(result.kind, []).append(row)
    return dict(sorted(rows.items(), key=lambda item: (-len(item[1]), item[0])))
