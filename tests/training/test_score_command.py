"""`python -m training score`: a shipped reader's scores on held-out questions, and its calibration as a plot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.__main__ import main as command
from training.score_command import draw, lines_of

TENTHS = [{"n": 40, "stated": 0.05, "observed": 0.025}, {"n": 50, "stated": 0.93, "observed": 0.9}]
HALF = {
    "n": 90,
    "f1": 60.0,
    "f1_interval": [50.0, 70.0],
    "auroc": 0.8,
    "each_kind": 15,
    "auroc_by_kind": {"entity": 0.7},
}


@pytest.mark.slow
def test_a_reader_is_scored_on_what_was_held_out(reading_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["score", "--data", str(reading_folder), "--json"]) == 0
    sets = {line["set"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert list(sets["new_wiki"]) == ["set", "n", "f1", "f1_low", "f1_high", "em", "em_low", "em_high"]
    assert sets["new_wiki"]["n"] == 9
    assert sets["new_wiki"]["f1_low"] <= sets["new_wiki"]["f1"] <= sets["new_wiki"]["f1_high"]


def test_an_adapter_that_is_not_there_is_named(reading_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["score", "--data", str(reading_folder), "--adapter", "reader-99"]) == 2
    said = capsys.readouterr().err
    assert "reader-99" in said
    assert "reader-1" in said


def test_kinds_and_calibration_have_a_line_each() -> None:
    whole, kind, *tenths = lines_of({"half unanswerable": HALF | {"calibration": TENTHS}})
    assert whole == {"set": "half unanswerable", "n": 90, "f1": 60.0, "f1_low": 50.0, "f1_high": 70.0, "auroc": 0.8}
    assert kind == {"set": "half unanswerable", "kind": "entity", "n": 15, "auroc": 0.7}
    assert [(t["stated"], t["observed"], t["n"]) for t in tenths] == [(0.05, 0.025, 40), (0.93, 0.9, 50)]
    assert all(t["low"] < t["observed"] < t["high"] for t in tenths)


def test_the_plot_holds_a_mark_a_tenth_and_is_the_same_each_time(tmp_path: Path) -> None:
    one, other = tmp_path / "a" / "one.svg", tmp_path / "other.svg"
    for file in (one, other):
        draw(TENTHS, "reader-1, n = 90", file)
    drawn = one.read_text(encoding="utf-8")
    assert drawn == other.read_text(encoding="utf-8")
    assert "reader-1, n = 90" in drawn
    assert "stated chance that the passage answers" in drawn
