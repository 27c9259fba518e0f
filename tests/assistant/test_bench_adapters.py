"""The adapters' bench measures what it says that it measures, on a small scale."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import assistant.bench_adapters
from assistant.__main__ import main
from assistant.bench_adapters import throughput_interval
from tests.assistant.test_adapter_commands import without_notes
from tests.test_json_fields import GIVEN


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_measure_has_its_figures_and_nothing_fails(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASSISTANT_HOME", str(home))
    monkeypatch.setenv("ASSISTANT_EMBEDDER_BACKEND", "torch")
    monkeypatch.setenv("ASSISTANT_RERANKER", "")
    small = ["--adapters", "0", "1", "3", "--users", "3", "--seconds", "2", "--swaps", "12"]
    assert main(["bench-adapters", *small, "--json"]) == 0
    lines: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    named = {
        measure: without_notes(fields) for measure, fields in GIVEN.findall(assistant.bench_adapters.__doc__ or "")
    }
    assert {line["measure"] for line in lines} == set(named) - {"adapter compiled"}
    for line in lines:
        assert ", ".join(line) == named[line["measure"]]
        assert line["n"] > 0
        assert line["failed"] == 0
        assert line.get("wrong", 0) == 0
    at_once = [(line["by"], line["adapters"]) for line in lines if line["measure"] == "adapters at once"]
    assert at_once == [("quoting model", 0), ("base alone", 0), ("adapters", 1), ("adapters", 3)]
    back = [(line["back_to"], line["users"]) for line in lines if line["measure"] == "adapter rollback"]
    assert back == [("adapter", 1), ("adapter", 3), ("quoting model", 1), ("quoting model", 3)]
    assert not list((home / "adapters").glob("*"))  # it had a home of its own


def test_throughput_of_a_run_has_an_interval_over_its_seconds_and_that_of_a_short_one_has_none() -> None:
    even = [number / 3 for number in range(60)]
    assert throughput_interval(even, 20.0) == (3.0, 3.0)
    assert throughput_interval(even[:27], 9.0) == (None, None)
    stalled = [moment for moment in even if not 8 <= moment < 12]  # nobody was answered for 4 of 20 seconds
    low, high = throughput_interval(stalled, 20.0)
    assert low is not None
    assert high is not None
    assert 1.5 < low < 2.4 < high <= 3


@pytest.mark.parametrize("words", [["--adapters", "-1"], ["--users", "0"], ["--swaps", "-5"]])
def test_bench_of_nothing_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.setenv("ASSISTANT_HOME", str(home))
    assert main(["bench-adapters", *words]) == 2
