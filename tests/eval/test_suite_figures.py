"""The demo suite's tables in docs/figures.md and the README are written from the lines that a run printed."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from eval.__main__ import main
from tests.eval.conftest import CASES

ROOT = Path(__file__).parents[2]
MACHINE = {"processor": "Test", "cores": 2, "memory_gib": 24}
TIMES = {"seconds": 12.3, "aim_seconds": 360, "prepared_seconds": 4.5, "peak_mb": 700}


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module("bench")


@pytest.fixture
def lines(bench: ModuleType, command: list[str], capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """A real run of the small suite, its lines kept for every system."""
    assert main(["run", *command, "--json"]) == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    results = (Path(printed[-1]["report"]).parent / "results.jsonl").read_text().splitlines()
    kept = list(bench.suite_lines(printed, [json.loads(result)["result"] for result in results]))
    beside = {"date": "2026-11-27", **TIMES, "machine": MACHINE}
    return [line | {"system": system} | beside for system in ("retrieval", "assistant", "langchain") for line in kept]


def rows(text: str) -> dict[str, list[str]]:
    """The cells of every table row by its first."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")
    ]
    return {row[0]: row[1:] for row in cells}


@pytest.mark.slow
def test_pages_show_every_slice_and_every_aim_with_n_and_interval(
    bench: ModuleType, lines: list[dict[str, Any]]
) -> None:
    page = bench.page([{"measure": "warm start", "n": 2, "date": "2026-11-27"}, *lines])
    assert "By kind:" in page
    found = rows(page)
    for name in ("kind", "department", "language", "document type", "group", "tag"):
        assert (f"By {name}:" in page) == any(line.get("slice") == name for line in lines), name
    printed = {line["value"]: line for line in lines if line.get("slice") == "kind"}
    assert {case["kind"] for case in CASES} == set(printed)
    for value, line in printed.items():
        share = f"{line['passed']}, {100 * line['rate']:.1f} % ({100 * line['low']:.1f}–{100 * line['high']:.1f})"
        assert found[value] == [str(line["n"]), share, share, share]
    assert found["over-refusal"][0] == "0"
    assert found["over-refusal"][-1] == "at most 3 %: **missed**"  # nothing measured is nothing reached
    assert found["access leaks"][-1] == "at most 0 %"
    answers = sum(
        case["kind"] in ("answerable", "table", "access") and case.get("expect") != "refuse" for case in CASES
    )
    refused = found["refused though the documents answer"]
    assert (refused[0], refused[-1]) == (str(answers), "none stated")
    assert refused[1] == "0.0 % (0.0–56.1)"
    assert "None of 1 attacks getting anything would leave up to 79.3 % by the interval." in page


@pytest.mark.slow
def test_lines_of_an_earlier_run_make_the_page_without_a_figure_that_they_lack(
    bench: ModuleType, lines: list[dict[str, Any]]
) -> None:
    new = "refused though the documents answer"
    earlier = [line for line in lines if line.get("figure") != new]
    assert new not in bench.suite_figures.readme(earlier)
    ours = [line for line in lines if line.get("figure") != new or line["system"] == "assistant"]
    assert rows(bench.suite_figures.readme(ours))[new][1:] == ["0 % (0–56)", "–", "–", "none stated"]


@pytest.mark.slow
def test_readme_gets_the_table_by_kind_between_its_marks_and_keeps_the_rest(
    bench: ModuleType, lines: list[dict[str, Any]]
) -> None:
    figures = bench.suite_figures
    block = figures.readme(lines)
    assert rows(block)["kind"] == ["n", "quote-v1 as served", "plain LangChain chain", "retrieval alone"]
    assert rows(block)["all"][0] == str(len(CASES))
    before = (ROOT / "README.md").read_text()
    after = figures.into_readme(before, block)
    assert block in after
    assert figures.into_readme(after, block) == after
    cut = re.compile(f"{figures.BEGIN}.*{figures.END}", re.DOTALL)
    assert cut.sub("", after) == cut.sub("", before)


def test_without_lines_of_the_suite_nothing_is_written(bench: ModuleType) -> None:
    figures = bench.suite_figures
    assert figures.section([]) == figures.readme([]) == ""
    assert figures.into_readme("as it is", "") == "as it is"
    with pytest.raises(ValueError, match="demo suite"):
        figures.into_readme("no marks here", "a block")


def test_the_published_pages_are_those_of_the_kept_lines(bench: ModuleType) -> None:
    lines = [json.loads(line) for line in bench.LINES.read_text().splitlines()]
    assert bench.PAGE.read_text() == bench.page(lines)
    readme = bench.README.read_text()
    assert bench.suite_figures.into_readme(readme, bench.suite_figures.readme(lines)) == readme
