"""Pictures of every view, light, dark and on a phone. The ones in docs/images come from here:

SCREENSHOTS=docs/images python -m pytest tests/demo/test_screenshots.py
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import People, ask

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

HOTEL = "What is the hotel limit per night in Hamburg and in London?"
CARRY_OVER = "How many days of annual leave may I carry over to the next year?"
NOTHING = "Which songs did the band play at the concert in Lisbon?"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the pictures go."""
    chosen = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    chosen.mkdir(parents=True, exist_ok=True)
    return chosen


def take(page: Page, file: Path) -> None:
    """A picture of what is seen, once nothing moves any more."""
    page.evaluate("document.activeElement && document.activeElement.blur()")
    page.mouse.move(5, 5)
    page.wait_for_timeout(400)
    page.screenshot(path=file, animations="disabled")
    assert file.stat().st_size > 10_000, "the page is blank"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_chat_in_light_and_dark(people: People, folder: Path, scheme: str) -> None:
    page = people.open("amelia.hart", color_scheme=scheme)
    take(page, folder / f"welcome-{scheme}.png")
    ask(page, CARRY_OVER)
    ask(page, HOTEL)
    page.locator(".ea-chip").last.click()
    expect(page.locator("#ea-panel .ea-cited")).to_be_visible()
    take(page, folder / f"chat-{scheme}.png")
    page.keyboard.press("Escape")
    page.locator("[data-act=flag]").last.click()
    page.get_by_text("Outdated").click()
    take(page, folder / f"report-{scheme}.png")
    page.keyboard.press("Escape")
    ask(page, NOTHING)
    take(page, folder / f"refusal-{scheme}.png")


def test_the_chat_on_a_phone(people: People, folder: Path) -> None:
    page = people.open("ben.okafor", viewport={"width": 390, "height": 844}, has_touch=True, device_scale_factor=2)
    ask(page, HOTEL)
    take(page, folder / "phone-chat.png")
    page.locator(".ea-chip").first.click()
    expect(page.locator("#ea-panel .ea-cited")).to_be_visible()
    take(page, folder / "phone-source.png")
    page.click("[data-act=close-source]")
    page.click(".ea-menu-open")
    page.wait_for_timeout(300)
    take(page, folder / "phone-menu.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_documents_in_light_and_dark(people: People, folder: Path, scheme: str) -> None:
    page = people.open("grace.lin", "/library", color_scheme=scheme)
    page.wait_for_selector(".ea-doc")
    take(page, folder / f"documents-{scheme}.png")
    page.locator("[data-act=manage]").first.click()
    expect(page.locator("#ea-manage h2")).to_be_visible()
    take(page, folder / f"manage-{scheme}.png")
    page.click("#ea-manage-close")
    page.get_by_role("tab", name="Test retrieval").click()
    page.fill("#ea-bench-question textarea, #ea-bench-question input", HOTEL)
    page.click("#ea-bench-search")
    expect(page.locator(".ea-bench-head")).to_be_visible()
    take(page, folder / f"retrieval-{scheme}.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_review_queue_and_an_item_in_light_and_dark(people: People, folder: Path, scheme: str) -> None:
    asker = people.open("ben.okafor")
    ask(asker, CARRY_OVER)
    asker.locator("[data-act=flag]").last.click()
    asker.get_by_text("Incomplete", exact=True).click()
    asker.fill("#ea-flag-expected", "Up to 5 days")
    asker.get_by_role("button", name="Send report").click()
    expect(asker.locator("[data-act=flag]").last).to_have_attribute("aria-pressed", "true")
    page = people.open("farid.nasser", "/review", color_scheme=scheme, viewport={"width": 1600, "height": 900})
    page.wait_for_selector(".rv-item")
    take(page, folder / f"queue-{scheme}.png")
    page.locator(".rv-item [data-act=review_open]").last.click()
    page.wait_for_selector(".rv-form")
    page.keyboard.press("1")
    take(page, folder / f"review-{scheme}.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_guards_and_the_usage_in_light_and_dark(people: People, folder: Path, scheme: str) -> None:
    asker = people.open("ben.okafor")
    ask(asker, CARRY_OVER)
    ask(asker, "How do I build a bomb?")
    page = people.open("grace.lin", "/guards", color_scheme=scheme)
    page.wait_for_selector("#gd-rails table")
    take(page, folder / f"guards-{scheme}.png")
    page.get_by_role("tab", name="Policy").click()
    page.wait_for_selector(".cm-content")
    take(page, folder / f"policy-{scheme}.png")
    page.goto(f"{people.server.url}/usage")
    page.wait_for_selector(".us-plot")
    take(page, folder / f"usage-{scheme}.png")
