"""A canary that runs is judged by a process of its own; what goes wrong there harms nobody who asks."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from assistant.canary_keeper import CanaryKeeper
from assistant.repeated import Repeated
from core.audit import Audit
from core.canary import Judgements
from core.people import People
from core.registry import Registry
from core.rollouts import Rollouts
from core.store import Store
from tests.core.adapters import DEFAULTS, registered


@pytest.fixture
def rollouts(store: Store, audit: Audit, home: Path, people: People) -> Rollouts:
    made = Rollouts(store, audit, Registry(store, audit, home=home))
    made.begin(DEFAULTS)
    return made


@pytest.fixture
def canary(store: Store, audit: Audit, home: Path, tmp_path: Path, rollouts: Rollouts) -> Rollouts:
    name = registered(Registry(store, audit, home=home), audit, tmp_path / "out", value=1.0, stage="staging")
    rollouts.canary(name, actor="ana", reason="try")
    return rollouts


def says(text: str) -> list[str]:
    return [sys.executable, "-c", f"print({text!r})"]


def test_nothing_is_judged_where_no_canary_runs(rollouts: Rollouts, home: Path) -> None:
    assert CanaryKeeper(rollouts, home, command=says("{}")).look() == ""


def test_canary_is_judged_by_the_evaluation_itself(canary: Rollouts, store: Store, audit: Audit, home: Path) -> None:
    assert CanaryKeeper(canary, home).look() == "hold"
    judged = Judgements(store, audit).last([canary.current().rollout_id])
    assert judged is not None
    assert "too early" in judged.reason


@pytest.mark.parametrize("command", [says(""), says("no json"), says('{"error": "conflict"}'), ["/nowhere/python"]])
def test_judge_that_fails_is_logged_and_nothing_else(canary: Rollouts, home: Path, command: list[str]) -> None:
    assert CanaryKeeper(canary, home, command=command).look() == ""
    assert canary.current().mode == "canary"


def test_it_looks_again_and_again_until_it_is_closed(canary: Rollouts, home: Path, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    count = [sys.executable, "-c", f"open({str(seen)!r}, 'a').write('x')"]
    keeper = Repeated("canary", CanaryKeeper(canary, home, command=count).look, every_s=0.01)
    keeper.start()
    end = time.monotonic() + 20
    while (not seen.exists() or len(seen.read_text()) < 3) and time.monotonic() < end:
        time.sleep(0.02)
    keeper.close()
    looked = len(seen.read_text())
    assert looked >= 3
    time.sleep(0.1)
    assert len(seen.read_text()) == looked
