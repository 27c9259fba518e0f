"""Drift on the usage page: what the newest check found in words, and the checks over time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from assistant.pages.drift_views import drift_html
from core.drift_checks import DriftCheck

AT = datetime(2026, 11, 28, 9, tzinfo=UTC)
DUE = datetime(2026, 11, 28, 6, 15, tzinfo=UTC)
SLOW = {"signal": "latency_ms", "test": "KS", "reference": 400.0, "current": 900.0, "size": 0.4, "limit": 0.1, "p": 0.001, "drifted": True}  # fmt: skip
REFUSED = SLOW | {"signal": "refusal_rate", "reference": 0.05, "current": 0.06, "size": 0.01, "limit": 0.03, "p": 0.4, "drifted": False}  # fmt: skip
CHECK = DriftCheck(DUE, DUE, "drift", 30, 7, 900, 210, (SLOW, REFUSED))
TOO_FEW = replace(CHECK, due_at=DUE - timedelta(days=1), verdict="too_few", current_turns=3, signals=())


def shown(*checks: DriftCheck, due_next: datetime | None = DUE) -> str:
    return drift_html(checks, at=AT, days=30, due_next=due_next)


def test_a_drift_is_said_in_words_and_marked_by_more_than_its_colour() -> None:
    html = shown(CHECK, TOO_FEW)
    assert "Drifting: time to the whole answer." in html
    assert 'aria-label="time to the whole answer: drifted at 1 of 2 checks"' in html
    assert html.count("<circle") == 1
    assert "0.40 s" in html and "0.90 s" in html and "5.0%" in html
    assert "too little use" in html


def test_too_little_use_is_said_and_no_alarm() -> None:
    html = shown(TOO_FEW)
    assert "Too little use to judge:</strong> 3 questions against 900." in html
    assert "ea-danger" not in html


def test_before_the_first_check_the_next_is_named_or_how_to_switch_it_on() -> None:
    assert "due on" in shown()
    assert "ASSISTANT_DRIFT_SCHEDULE" in shown(due_next=None)


def test_a_name_out_of_the_store_is_escaped() -> None:
    assert "<b>" not in shown(replace(CHECK, signals=(SLOW | {"signal": "<b>", "test": "<b>"},)))
