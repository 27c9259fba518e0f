"""One evaluation as the commands do it: the suite's world opened, each adapter asked, results summed up and reported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from core.errors import BadInput
from core.suites import SHIPPED_SUITES, SUITE_FILE, suite_places
from eval.cases import Case, Suite, load_suite
from eval.lineage import lineage_of
from eval.quotes import lost_quotes
from eval.report import Run
from eval.runner import RunOptions, run_cases, run_folder
from eval.summary import summarise
from eval.systems import SystemName, open_system
from eval.worlds import World

SEED = 20261122


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which part of a suite is asked: cases with one of the tags, of one of the kinds, at most `limit` of them."""

    tags: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    limit: int | None = None


@dataclass(frozen=True)
class Evaluator:
    """Asks one suite in one world. `said` is told what begins."""

    suite: Suite
    world: World
    options: RunOptions
    seed: int = SEED
    said: Callable[[str], None] = lambda _: None

    def run(self, system: SystemName = "assistant", adapter: str = "") -> Run:
        """The suite put to a system, resumed where this lineage was begun; raises as `open_system` and `run_cases` do."""
        opened = open_system(system, self.world, adapter)
        self.said(f"{opened.adapter or system}: {len(self.suite.cases)} cases")
        judge = self.options.judge.name if self.options.judge else ""
        lineage = lineage_of(self.suite, self.world, opened, seed=self.seed, judge=judge)
        results = run_cases(self.suite.cases, opened, self.world, lineage, self.options)
        return Run(lineage, results, summarise(results))

    @cached_property
    def unfounded(self) -> dict[str, tuple[str, ...]]:
        """Cases, each with the documents in which a quote of its evidence does not stand."""
        return lost_quotes(self.suite)

    def folder(self, run: Run) -> Path:
        return run_folder(self.options.folder, run.lineage)


def find_suite(named: str, home: Path) -> Suite:
    """A folder, or the name of a suite that ships or that `python -m eval import` made. Raises BadInput, naming those that there are."""
    for place in suite_places(named, home):
        if (place / SUITE_FILE).is_file():
            return load_suite(place.resolve())
    known = sorted(
        {folder.parent.name for place in (SHIPPED_SUITES, home / "suites") for folder in place.glob(f"*/{SUITE_FILE}")}
    )
    raise BadInput(
        f"There is no suite {named[:80]!r}: name a folder with {SUITE_FILE}, or one of {', '.join(known) or 'none'}."
    )


def choose(suite: Suite, chosen: Chosen, *, seed: int = SEED) -> Suite:
    """The suite cut down. A limit takes of every kind in turn, so that a fast slice meets them all; the same seed, the same cases.

    Raises:
        BadInput: nothing is left, or a tag or kind that no case has.
    """
    tags, kinds = {tag for case in suite.cases for tag in case.tags}, {case.kind for case in suite.cases}
    unknown = sorted({*chosen.tags} - tags) + sorted({*chosen.kinds} - kinds)
    if unknown:
        raise BadInput(
            f"No case of {suite.name} has {unknown[0][:60]!r}. Kinds: {', '.join(sorted(kinds))}. Tags: {', '.join(sorted(tags))}."
        )
    cases = [
        case
        for case in suite.cases
        if (not chosen.tags or set(chosen.tags) & set(case.tags)) and (not chosen.kinds or case.kind in chosen.kinds)
    ]
    if chosen.limit is not None:
        cases = _spread(cases, chosen.limit, seed)
    if not cases:
        raise BadInput(f"No case of {suite.name} is left: ask for fewer things at once.")
    return suite.only(cases)


def _spread(cases: Sequence[Case], limit: int, seed: int) -> list[Case]:
    def lot(case: Case) -> str:
        return sha256(f"{seed}\n{case.case_id}".encode()).hexdigest()

    by_kind: dict[str, list[Case]] = {}
    for case in sorted(cases, key=lot):
        by_kind.setdefault(case.kind, []).append(case)
    taken: list[Case] = []
    while len(taken) < min(limit, len(cases)):
        for kind in sorted(by_kind):
            if by_kind[kind] and len(taken) < limit:
                taken.append(by_kind[kind].pop(0))
    ids = {case.case_id for case in taken}
    return [case for case in cases if case.case_id in ids]
