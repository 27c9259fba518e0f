"""The review page: from a flag in the chat to a correction that two people approved, and what each person may see."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from core.audit import Audit
from core.reviews import Reviews
from core.store import Store
from tests.browser.conftest import People, ask

pytestmark = pytest.mark.browser

CARRY_OVER = "How many days of annual leave may I carry over to the next year?"


def report(people: People, person: str, question: str, *, expected: str = "") -> None:
    """Ask as a person and flag the answer."""
    page = people.open(person)
    ask(page, question)
    page.locator("[data-act=flag]").last.click()
    page.get_by_text("Wrong", exact=True).click()
    page.fill("#ea-flag-expected", expected)
    page.get_by_role("button", name="Send report").click()
    expect(page.locator("[data-act=flag]").last).to_have_attribute("aria-pressed", "true")
    page.close()


def opened(page: Page, question: str) -> None:
    """Open the item of that question in the queue."""
    page.locator(".rv-item", has_text=question).first.locator("[data-act=review_open]").click()
    expect(page.locator(".rv-case .ea-bubble")).to_have_text(question)


def mark(page: Page, words: str) -> None:
    """Drag the mouse over words of a passage."""
    place = page.evaluate(
        """(words) => {
            for (const text of document.querySelectorAll(".rv-text")) {
                const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
                for (let node; (node = walker.nextNode());) {
                    const at = node.textContent.indexOf(words);
                    if (at < 0) continue;
                    const range = document.createRange();
                    range.setStart(node, at);
                    range.setEnd(node, at + words.length);
                    text.scrollIntoView({ block: "center" });
                    const boxes = [...range.getClientRects()];
                    const first = boxes[0], last = boxes[boxes.length - 1];
                    return [first.left + 1, first.top + first.height / 2, last.right - 1, last.top + last.height / 2];
                }
            }
            return null;
        }""",
        words,
    )
    assert place, f"no passage holds {words!r}"
    page.mouse.move(place[0], place[1])
    page.mouse.down()
    page.mouse.move(place[2], place[3], steps=8)
    page.mouse.up()


def kept(people: People) -> Reviews:
    store = Store(f"sqlite:///{people.server.home / 'assistant.db'}")
    return Reviews(store, Audit(store, people.server.home))


def test_a_flag_is_marked_saved_decided_by_a_second_person_and_approved(people: People) -> None:
    report(people, "ben.okafor", CARRY_OVER, expected="5 days")
    carla = people.open("carla.ruiz", "/review")
    opened(carla, CARRY_OVER)
    words = carla.locator(".rv-text").first.inner_text().split(".")[0][-25:].strip()
    mark(carla, words)
    expect(carla.locator("#rv-words")).to_have_value(re.compile(re.escape(words[3:-3])))
    expect(carla.locator(".rv-text mark")).to_have_count(1)
    chosen = carla.locator("#rv-words").input_value()
    farid = people.open("farid.nasser", "/review")
    expect(farid.locator(".rv-item", has_text=CARRY_OVER).first).to_contain_text("held by carla.ruiz")
    carla.keyboard.press("Control+Enter")
    expect(carla.locator(".toast-body").last).to_contain_text("another reviewer")

    farid.reload()
    opened(farid, CARRY_OVER)
    assert "carla.ruiz" not in farid.locator(".rv-decide").inner_text()
    mark(farid, chosen)
    farid.get_by_role("button", name="Save and next").click()
    expect(farid.locator(".toast-body").last).to_contain_text("this item is closed")
    found = {one.turn.question: one for one in kept(people).approved()}
    assert found[CARRY_OVER].correction.answer == chosen
    assert found[CARRY_OVER].reviewers == ("carla.ruiz", "farid.nasser")
