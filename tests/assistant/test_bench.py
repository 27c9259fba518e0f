"""`python -m assistant bench` as a user types it: each line has the fields that its help documents, and no question fails."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from assistant import bench


def documented(of: str) -> list[str]:
    found = re.search(rf"^JSON fields of {of}: (.+)\.$", bench.__doc__ or "", re.MULTILINE)
    assert found
    return re.sub(r" \(.*?\)", "", found[1]).split(", ")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_small_run_prints_the_documented_fields_and_every_question_is_answered(tmp_path: Path) -> None:
    work = ("--work", str(tmp_path / "work"), "--passages", "200")
    size = ("--users", "2", "--count", "4", "--seconds", "0.3")
    done = subprocess.run(
        [sys.executable, "-m", "assistant", "bench", *work, *size, "--json"],
        env=os.environ | {"ASSISTANT_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=True,
    )
    start, first, ahead, many = map(json.loads, done.stdout.splitlines())
    assert list(start) == documented("warm start")
    assert min(start["ready_seconds"], start["first_answer_seconds"], start["page_seconds"]) > 0
    for line, checked in ((first, "first"), (ahead, "ahead")):
        assert list(line) == documented("answer path")
        assert (line["checked"], line["n"]) == (checked, 4)
        assert 0 < line["p50_ms"] <= line["p95_ms"]
        assert {"guard_in", "retrieve", "guard_passages", "guard_out", "store"} <= set(line["steps_p50_ms"])
    assert list(many) == documented("throughput")
    assert (many["users"], many["failed"]) == (2, 0)
    assert many["n"] > 0
    assert "?" not in done.stdout, "a question of somebody stands in the figures"
