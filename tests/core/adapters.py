"""Sealed adapters, gate reports and registered people for the tests of the registry and of the rollouts."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from core.audit import Audit
from core.gate import THRESHOLDS, Demand, GateCheck, GateReport, sign_report
from core.records import AdapterRecord, Stage
from core.registry import Registry, Training
from core.rollouts import Defaults
from core.sealed import Kind, file_sha256, named, seal
from core.suites import DEMO, SHIPPED_SUITES, suite_files_sha256
from guardrails.policy import load_policy
from retrieval.adapters import base_sha256 as packaged

DEFAULTS = Defaults("quote-v1", "t" * 64, {"system": "Answer.", "user": "{question}", "passage": "{lines}"}, 0.35, 0.5)

CAUSAL_BASE = "0" * 64


def sealed_folder(
    parent: Path, *, value: float, stem: str = "reader", version: int = 1, kind: Kind = "reader", base_sha256: str = ""
) -> Path:
    """A small adapter whose folder carries its name, on the packaged base or a causal one; `value` makes its content."""
    folder = parent / f"unnamed-{value}"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text(f"# {stem} {version}\n\nMade by a test.\n")
    (folder / "adapter_config.json").write_text(json.dumps({"r": 8, "lora_alpha": 16}))
    save_file({"w": np.full((4, 4), value, np.float32)}, folder / "adapter_model.safetensors")
    base = ("tiny", base_sha256 or (CAUSAL_BASE if kind == "causal" else packaged()))
    settings = {"offset": value}
    name = named(folder, stem=stem, version=version, kind=kind, base=base, settings=settings)
    seal(folder, adapter_id=name, kind=kind, base=base, settings=settings)
    return folder.rename(parent / name)


def gate_report(
    record: AdapterRecord, audit: Audit, *, passed: bool = True, sha256: str = "", demand: Demand | None = None
) -> GateReport:
    """A signed report on that adapter."""
    return sign_report(decision(record, passed=passed, sha256=sha256, demand=demand), audit)


def decision(
    record: AdapterRecord, *, passed: bool = True, sha256: str = "", demand: Demand | None = None
) -> GateReport:
    """What a gate decided on that adapter, not signed yet: by the packaged thresholds, suite and guard policy unless told otherwise."""
    asked = demand or packaged_demand()
    return GateReport(
        adapter=record.adapter_id,
        adapter_sha256=sha256 or record.sha256,
        suite="demo",
        suite_sha256="1" * 64,
        run_id="run-1",
        against=asked.against or "quote-v1",
        policy_sha256=asked.policy_sha256,
        created_at="2026-11-25T06:00:00+00:00",
        n=220,
        pass_rate=0.9,
        low=0.85,
        high=0.93,
        passed=passed,
        checks=(GateCheck("no_worse", passed, "90 % against 88 %"),),
        suite_files_sha256=asked.suite_files_sha256,
        guard_policy_sha256=asked.guard_policy_sha256,
        against_sha256=asked.against_sha256 or "4" * 64,
        base=asked.base or "quote-v1",
    )


@cache
def packaged_demand() -> Demand:
    """What an installation asks of a gate report where its settings name nothing."""
    return Demand(file_sha256(THRESHOLDS), suite_files_sha256(SHIPPED_SUITES / DEMO), load_policy().sha256)


def registered(
    registry: Registry,
    audit: Audit,
    parent: Path,
    *,
    value: float,
    stage: Stage = "dev",
    training: Training | None = None,
) -> str:
    """An adapter brought to that stage by three people; returns its name."""
    folder = sealed_folder(parent, value=value)
    training = training or Training(ceiling="internal")
    record = registry.register(folder, actor="tess.trainer", training=training, reason="a test")
    name = record.adapter_id
    if stage in ("staging", "production"):
        asked = registry.demand(name)
        report = gate_report(record, audit, demand=asked if asked != Demand() else None)
        registry.stage(name, report, actor="tess.trainer", reason="the gate is open")
    if stage == "production":
        approve(registry, name)
    return name


def approve(registry: Registry, name: str) -> None:
    """Asked for by who trained it, approved by another person."""
    registry.request(name, actor="tess.trainer", reason="better")
    registry.approve(name, actor="ada.admin", reason="read the report")
