"""The usage page counts what was asked and what became of it, for administrators, and shows nobody's words."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from core.drift_checks import DriftCheck, DriftChecks
from core.store import Store
from core.turns import now
from core.usage import usage
from tests.browser.conftest import People, ask

pytestmark = pytest.mark.browser

PROBATION = "How long does the probation period last?"


def test_what_was_asked_is_counted_and_nobody_is_named(people: People) -> None:
    ask(people.open("ben.okafor"), PROBATION)
    grace = people.open("grace.lin", "/usage")
    expect(grace.locator("#us-view .us-plot")).to_have_count(3)
    counted = usage(Store(f"sqlite:///{people.server.home / 'assistant.db'}"), 30)
    expect(grace.locator(".us-tile", has_text="Questions").locator("strong")).to_have_text(f"{counted.questions:,}")
    expect(grace.locator(".us-tile", has_text="Answered")).to_contain_text(f"of {counted.questions:,}")
    shown = grace.locator("#us-view").inner_text()
    assert PROBATION not in shown and "okafor" not in shown.lower()
    grace.locator("#us-view summary").click()
    expect(grace.locator("#us-view tbody tr").first).to_contain_text(str(counted.days[-1].day))
    grace.locator("#us-adapter input").click()
    grace.get_by_role("option", name="quote-v1", exact=True).click()
    expect(grace.locator("#us-view .us-plot")).to_have_count(3)


def test_the_days_check_for_drift_is_told_in_words_and_plotted(people: People) -> None:
    checks, due = DriftChecks(Store(f"sqlite:///{people.server.home / 'assistant.db'}")), now()
    slow = {"signal": "latency_ms", "test": "KS", "reference": 400.0, "current": 900.0, "size": 0.4, "limit": 0.1, "p": 0.001, "drifted": True}  # fmt: skip
    assert checks.claim(due, "test")
    checks.finish(DriftCheck(due, due, "drift", 30, 7, 900, 210, (slow,)), "test")
    drift = people.open("grace.lin", "/usage").locator("#us-drift")
    expect(drift.get_by_role("status")).to_contain_text("Drifting: time to the whole answer.")
    expect(drift.get_by_role("img", name="time to the whole answer: drifted at 1 of")).to_be_visible()
    expect(drift.locator("td", has_text="0.90 s")).to_be_visible()


def test_the_plots_fit_a_phone_and_tell_a_screen_reader_what_they_are(people: People) -> None:
    ask(people.open("ben.okafor"), PROBATION)
    grace = people.open("grace.lin", "/usage", viewport={"width": 390, "height": 844})
    expect(grace.get_by_role("img", name="Rates by day")).to_be_visible()
    assert grace.evaluate("document.querySelector('#ea-page').scrollWidth <= innerWidth")


def test_the_usage_page_is_no_reviewers(people: People) -> None:
    page = people.open("carla.ruiz")
    expect(page.locator(".ea-nav", has_text="Usage")).to_be_hidden()
    page.goto(f"{people.server.url}/usage")
    expect(page.locator(".toast-body").first).to_contain_text("role")
    expect(page.get_by_text("This page is for administrators")).to_be_visible()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    expect(page.locator("#us-days")).to_be_hidden()
    assert page.locator(".us-tile").count() == 0
    people.complaints.clear()
