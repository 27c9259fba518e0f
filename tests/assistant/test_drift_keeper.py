"""The check for drift that is due is made by a process of its own; what goes wrong there harms nobody who asks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from assistant.drift_keeper import DriftKeeper
from core.drift_checks import DriftChecks
from core.store import Store

DAILY = "15 6 * * *"
FAILS = [sys.executable, "-c", 'print(\'{"message": "no such model"}\')']


@pytest.mark.slow
def test_the_evaluation_makes_the_check_that_is_due_once(
    store: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSISTANT_EMBEDDER_BACKEND", "torch")
    keeper = DriftKeeper(DriftChecks(store), home, DAILY)
    assert keeper.look() == "too_few"
    assert keeper.look() == ""
    (kept,) = DriftChecks(store).history()
    assert (kept.current_turns, kept.signals) == (0, ())


def test_a_check_that_fails_is_logged_and_tried_again(
    store: Store, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = DriftKeeper(DriftChecks(store), home, DAILY, command=FAILS)
    assert (keeper.look(), keeper.look()) == ("", "")
    assert caplog.text.count("no such model") == 2


def test_a_check_that_another_process_makes_is_no_failure(
    store: Store, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    taken = [sys.executable, "-c", 'print(\'{"verdict": ""}\')']
    assert DriftKeeper(DriftChecks(store), home, DAILY, command=taken).look() == ""
    assert not caplog.records


def test_nothing_is_checked_without_a_schedule(store: Store, home: Path) -> None:
    assert DriftKeeper(DriftChecks(store), home, "", command=["/nowhere/python"]).look() == ""
