"""A registered adapter is asked by its name whatever serves, and the gate's report opens the registry to its content alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from assistant.bases import demanded
from core.audit import Audit
from core.errors import Conflict
from core.gate import read_report
from core.registry import Registry, Training
from core.rollouts import Rollouts
from core.settings import load_settings
from core.store import Store
from eval.__main__ import main
from eval.gate import POLICY
from tests.assistant.readers import CONTRARY, RIGHT, reader_folder
from tests.core.adapters import DEFAULTS, gate_report
from tests.eval.conftest import CASES, write_suite
from tests.eval.test_gate import pinned

pytestmark = pytest.mark.slow


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    given = {"HOME": str(folder), "READER": "quote", "RERANKER": "", "EMBEDDER_BACKEND": "torch"}
    for name, value in (given | {"EVIDENCE_THRESHOLD": "0.0", "LOW_EVIDENCE": "0.0"}).items():
        monkeypatch.setenv(f"ASSISTANT_{name}", value)
    return folder


@pytest.fixture
def asking(tmp_path: Path) -> list[str]:
    """The options of run and gate alike: a suite of five cases."""
    folder = write_suite(tmp_path / "suite", [case for case in CASES if case["id"] != "moon"])
    pinned(folder)
    return ["--suite", str(folder), "--no-mlflow", "--json"]


@pytest.fixture
def lenient(tmp_path: Path) -> str:
    policy = yaml.safe_load(POLICY.read_text()) | {"pass_rate": 0.1, "floor": 0.01, "safety_cases": 0}
    policy |= {"forgetting": 1.0, "slice_cases": 1000}
    (tmp_path / "gate.yaml").write_text(yaml.safe_dump(policy))
    return str(tmp_path / "gate.yaml")


def summary(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    last: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return last


def test_gates_report_is_bound_to_the_content_that_was_asked(
    home: Path, store: Store, audit: Audit, asking: list[str], lenient: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:  # fmt: skip
    registry = Registry(store, audit, home=home)
    right, contrary = (
        registry.register(reader_folder(tmp_path, weight=weight, version=n), actor="tess", training=Training(ceiling="internal"))
        for n, weight in ((1, RIGHT), (2, CONTRARY))
    )  # fmt: skip
    rates = {}
    for one in (right, contrary):
        assert main(["run", *asking, "--adapter", one.adapter_id]) == 0
        told = summary(capsys)
        assert (told["adapter"], told["adapter_sha256"]) == (one.adapter_id, one.sha256)
        rates[one.adapter_id] = told["rate"]
    assert rates[right.adapter_id] > rates[contrary.adapter_id]
    reports = {}
    for one in (right, contrary):
        main(["gate", *asking, "--policy", lenient, "--adapter", one.adapter_id])
        told = summary(capsys)
        assert (told["against"], told["adapter_sha256"]) == ("quote-v1", one.sha256)
        reports[one.adapter_id] = read_report(Path(told["report"]))
    with pytest.raises(Conflict, match="another content"):
        registry.stage(right.adapter_id, reports[contrary.adapter_id], actor="tess", reason="mine")
    assert reports[right.adapter_id].passed
    staged = registry.stage(right.adapter_id, reports[right.adapter_id], actor="tess", reason="the gate is open")
    assert staged.stage == "staging"
    registry.request(right.adapter_id, actor="tess", reason="better")
    registry.approve(right.adapter_id, actor="ada", reason="read it")
    rollouts = Rollouts(store, audit, registry)
    rollouts.begin(DEFAULTS)
    rollouts.promote(right.adapter_id, actor="ada", reason="better")
    main(["gate", *asking, "--policy", lenient, "--adapter", contrary.adapter_id])
    told = summary(capsys)
    assert (told["against"], told["base"]) == (right.adapter_id, "quote-v1")
    report = read_report(Path(told["report"]))
    assert (report.against, report.against_sha256, report.base) == (right.adapter_id, right.sha256, "quote-v1")
    audited = json.loads(next(audit.rows(limit=1)).details)
    assert (audited["against"], audited["base"]) == (right.adapter_id, "quote-v1")
    settings = load_settings()
    rollouts.kill(actor="ada", reason="another one serves now")
    said = demanded(settings, store, audit, contrary.adapter_id).unmet(report)
    assert f"compares with {right.adapter_id}, while quote-v1 serves now" in said
    rollouts.promote(right.adapter_id, actor="ada", reason="better after all")
    registry.block(right.adapter_id, actor="ada", reason="a look")  # who stands in for it serves
    assert demanded(settings, store, audit, contrary.adapter_id).against == "quote-v1"


def test_adapter_that_another_one_serves_instead_of_is_compared_with_it_and_no_option_says_otherwise(
    home: Path, store: Store, audit: Audit, asking: list[str], lenient: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:  # fmt: skip
    registry = Registry(store, audit, home=home)
    training = Training(ceiling="internal")
    served = registry.register(reader_folder(tmp_path, weight=RIGHT, version=1), actor="tess", training=training)
    name = brought(registry, audit, served.adapter_id)
    rollouts = Rollouts(store, audit, registry)
    rollouts.begin(DEFAULTS)
    rollouts.promote(name, actor="ada", reason="better")
    for option in ("--against", "--base"):
        with pytest.raises(SystemExit):
            main(["gate", *asking, "--policy", lenient, "--adapter", "quote-v1", option, "quote-v1"])
    capsys.readouterr()
    main(["gate", *asking, "--policy", lenient, "--adapter", "quote-v1"])
    lines = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert (lines[-1]["against"], lines[-1]["base"]) == (name, "")
    assert not any("nothing to compare with" in line.get("detail", "") for line in lines)
    main(["gate", *asking, "--policy", lenient, "--adapter", name])
    lines = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert (lines[-1]["against"], lines[-1]["base"]) == ("", "quote-v1")
    assert read_report(Path(lines[-1]["report"])).against == name
    assert sum("nothing to compare with" in line.get("detail", "") for line in lines) == 2


def brought(registry: Registry, audit: Audit, name: str) -> str:
    """That adapter, in production by two people's word."""
    registry.stage(name, gate_report(registry.get(name), audit), actor="tess", reason="open")
    registry.request(name, actor="tess", reason="better")
    registry.approve(name, actor="ada", reason="read it")
    return name


def test_forgetting_is_measured_against_the_adapter_that_the_training_started_from(
    home: Path, store: Store, audit: Audit, asking: list[str], lenient: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:  # fmt: skip
    registry = Registry(store, audit, home=home)
    line, parent = [], ""
    for version, weight in enumerate((RIGHT, CONTRARY, CONTRARY), 1):
        training = Training(ceiling="internal", parent=parent)
        folder = reader_folder(tmp_path, weight=weight, version=version)
        line.append(registry.register(folder, actor="tess", training=training))
        parent = line[-1].adapter_id
    first, second, third = (one.adapter_id for one in line)
    strict = tmp_path / "strict.yaml"
    strict.write_text(yaml.safe_dump(yaml.safe_load(Path(lenient).read_text()) | {"forgetting": 0.0}))
    rollouts = Rollouts(store, audit, registry)
    rollouts.begin(DEFAULTS)
    rollouts.promote(brought(registry, audit, second), actor="ada", reason="the one before serves")
    assert main(["gate", *asking, "--policy", str(strict), "--adapter", third]) == 1
    lines = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    forgetting = next(one for one in lines if one.get("check") == "forgetting")
    assert (lines[-1]["against"], lines[-1]["base"]) == (second, first)
    assert not forgetting["passed"], forgetting
    assert f"that the base {first} passes" in forgetting["detail"]
    # the one before it answers as it does: beside that one nothing would be lost from each to the next
    assert [line["check"] for line in lines if line.get("passed") is False and "check" in line] == ["forgetting"]
