"""`scripts/loop.py`, as `make loop` runs it, in small: every step for real, on one folder of documents with a training of two passes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.training.test_workflow import CONFIG, gate_of

ROOT = Path(__file__).resolve().parents[1]
SMALL = CONFIG | {"name": "reader", "start": "reader-5", "passes": 2, "batch_size": 8, "least_rows": 2}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_whole_loop_runs_from_flags_to_a_better_adapter_in_service_and_back(tmp_path: Path) -> None:
    suite, policy = gate_of(tmp_path)
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(SMALL))
    words = ["--limit", "12", "--corrections", "10", "--documents", "facilities", "--config", tmp_path / "small.yaml"]
    words += ["--suite", suite, "--gate-policy", policy, "--home", tmp_path / "home", "--json"]
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "loop.py", *words],
        env=os.environ | {"OMP_NUM_THREADS": "1"},  # a training this small takes five times as long on two busy cores
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    *steps, last = map(json.loads, done.stdout.splitlines())
    assert all("seconds" in line for line in steps)
    told: dict[str, Any] = {line["step"]: line for line in steps}
    assert list(told) == ["ingest", "before", "ask", "review", "dataset", "train", "after", "gate", "trial", "promote", "rollback"]  # fmt: skip
    learnt(told)
    served(told)
    assert list(last["minutes"]) == list(told)
    assert last["date"]
    measures = [row["measure"].strip() for row in last["table"]]
    assert measures == ["held-out paraphrases, right", "of the questions corrected", "suite suite, passed", "access", "injection"]  # fmt: skip
    for row in last["table"]:
        assert {"n", "before", "after", "points", "points_low", "points_high"} < set(row)
        assert row["points_low"] <= row["points"] <= row["points_high"]


def learnt(told: dict[str, Any]) -> None:
    """From what was flagged to an adapter that the gate lets through."""
    asked, reviewed, made, trained = told["ask"], told["review"], told["dataset"], told["train"]
    assert asked["asked"] == 36
    assert asked["flagged"] > 10
    assert asked["thumbs_up"] > 0
    assert reviewed["corrected"] == 10
    assert reviewed["left_open"] > 0
    assert reviewed["confirmed"] > 0
    assert made["train"] + made["validation"] == reviewed["corrected"] + reviewed["confirmed"] + reviewed["refused"]
    assert made["ceiling"] == "internal"
    assert trained["scores"]["rows"] == made["train"], "a dataset that does not verify is refused"
    assert (told["before"]["adapter"], told["after"]["adapter"]) == ("reader-5", trained["adapter"])
    assert told["after"]["n"] == told["before"]["n"] == 36
    assert told["after"]["passed"] >= told["before"]["passed"]
    assert (told["gate"]["passed"], told["gate"]["staged"], told["gate"]["asked"]) == (True, True, "suite")
    assert told["gate"]["suite"]["n"] == 5


def served(told: dict[str, Any]) -> None:
    """From the trial to everybody, and back to the adapter of before."""
    adapter, shares = told["train"]["adapter"], told["trial"]["shares"]
    assert [one["share"] for one in shares] == [0.01, 0.05, 0.1, 0.25, 0.5, 1.0]
    assert not told["trial"]["stopped"]
    assert told["trial"]["own_approval_refused"]
    assert shares[-1]["new"]["persons"] == 30
    assert told["promote"]["answered_by"] == adapter
    back = told["rollback"]
    assert (back["answered_by_before"], back["production"], back["answered_by"]) == ([adapter], "reader-5", "reader-5")
    assert back["answers_under_load"] > 0
    assert back["first_answer_ms"] >= back["commit_ms"] > 0
