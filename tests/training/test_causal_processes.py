"""A run on two processes of this machine, as `accelerate launch` starts it: data parallel for real, the first alone writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from accelerate.commands.config.config_args import load_config_from_file

from core.audit import Audit
from core.datasets import Datasets
from core.registry import Registry
from core.run_config import SftConfig
from core.sealed import open_sealed
from core.store import Store
from tests.core.lineage import keep
from tests.training.small_set import recorded, rows
from tests.training.tiny_causal import write_tiny_causal
from training.dataset_manifest import lineage_of
from training.recipe import Step
from training.rows import Rows, read_rows
from training.sft import train

CONFIGS = Path(__file__).parents[2] / "training" / "configs" / "accelerate"
RUN = {"method": "sft", "name": "two", "rank": 4, "batch_size": 1, "accumulate": 1, "epochs": 1, "learning_rate": 0.01}
EXAMPLES = 8


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """What the command said; a launcher's own lines are none of its."""
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.slow
def test_two_processes_learn_what_one_would_and_the_first_alone_tells_and_registers(home: Path, tmp_path: Path) -> None:
    with Store(f"sqlite:///{home / 'assistant.db'}") as store:
        record = recorded(home, Datasets(store, Audit(store, home)), rows(EXAMPLES, 1))
        keep(store, lineage_of(rows(EXAMPLES, 1)))
    base = write_tiny_causal(tmp_path / "base")
    config = tmp_path / "two.yaml"
    config.write_text(yaml.safe_dump({**RUN, "base": str(base), "dataset": record.dataset_id}))
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(CONFIGS / "ddp.yaml")]
    command = [*launch, "-m", "training", "run", str(config), "--allow-dirty", "--json"]
    environment = os.environ | {"ASSISTANT_HOME": str(home), "OMP_NUM_THREADS": "1"}
    first = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert first.returncode == 0, first.stderr[-3000:]
    *steps, last = lines(first)
    assert (steps[-1]["step"], steps[-1]["steps"]) == (EXAMPLES // 2, EXAMPLES // 2), "each process has its half"
    assert last["scores"]["rows"] == EXAMPLES
    with Store(f"sqlite:///{home / 'assistant.db'}") as store:
        (registered,) = Registry(store, Audit(store, home), home=home).all()
        assert registered.adapter_id == last["adapter"]
        assert open_sealed(home / registered.folder).kind == "causal"
    alone: list[Step] = []
    given = SftConfig.model_validate({**RUN, "base": base, "batch_size": 2})
    train(given, Rows(*read_rows(home / record.folder)), tmp_path / "alone", alone.append)
    expected = {step.done: step.loss for step in alone}
    told = {step["step"]: step["loss"] for step in steps}
    assert {4} < told.keys() <= expected.keys()
    assert told == pytest.approx({n: expected[n] for n in told}, abs=1e-3), "one process with both halves of a step"


@pytest.mark.parametrize(("name", "kind"), [("ddp", "MULTI_GPU"), ("fsdp", "FSDP"), ("deepspeed", "DEEPSPEED")])
def test_accelerate_reads_each_configuration_and_the_run_alone_says_the_precision(name: str, kind: str) -> None:
    read = load_config_from_file(str(CONFIGS / f"{name}.yaml"))
    assert read.distributed_type == kind
    assert read.mixed_precision == "no"
    assert read.num_processes == 2
    assert f"--config_file training/configs/accelerate/{name}.yaml" in (CONFIGS / f"{name}.yaml").read_text()
