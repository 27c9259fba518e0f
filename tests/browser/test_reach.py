"""The pages by keyboard, on a phone, in the dark, and for screen readers."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import People, ask, finished

pytestmark = pytest.mark.browser

QUESTION = "How many days of annual leave may I carry over to the next year?"
CONTRAST = """() => {
  const number = (c) => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * r + .7152 * g + .0722 * b; };
  const ground = (e) => { for (; e; e = e.parentElement) { const c = number(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] === 1) return c; } return [255, 255, 255]; };
  const poor = [];
  for (const e of document.querySelectorAll('#ea-shell *')) {
    const words = [...e.childNodes].filter((n) => n.nodeType === 3 && n.textContent.trim());
    const box = e.getBoundingClientRect(), style = getComputedStyle(e);
    if (!words.length || !box.width || style.visibility === 'hidden' || style.opacity === '0') continue;
    const [a, b] = [light(number(style.color)), light(ground(e))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${e.className} "${words[0].textContent.trim().slice(0, 40)}"`);
  }
  return poor;
}"""
UNNAMED = """() => [...document.querySelectorAll('#ea-shell button, #ea-shell a, #ea-shell input, #ea-shell textarea')]
  .filter((e) => e.getBoundingClientRect().width && !(e.innerText || '').trim() && !e.getAttribute('aria-label')
    && !e.getAttribute('aria-labelledby') && !(e.labels && e.labels.length) && e.type !== 'file').map((e) => e.outerHTML.slice(0, 160))"""


def test_everything_is_done_by_keyboard_alone(people: People) -> None:
    page = people.open("ben.okafor")
    page.locator("body").click(position={"x": 700, "y": 20})
    page.keyboard.press("/")
    expect(page.locator("#ea-question textarea")).to_be_focused()
    page.keyboard.type("How many days of annual leave")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("may I carry over?")
    page.keyboard.press("Enter")
    finished(page, "How many days of annual leave\nmay I carry over?")
    _tab_to(page, ".ea-marker")
    page.keyboard.press("Enter")
    expect(page.locator("#ea-panel .ea-cited")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".ea-marker").first).to_be_focused()
    _tab_to(page, "[data-act=flag]")
    page.keyboard.press("Enter")
    expect(page.locator("#ea-flag")).to_be_visible()
    page.keyboard.press("Space")
    page.keyboard.press("Escape")
    expect(page.locator("#ea-flag")).to_be_hidden()
    expect(page.locator("[data-act=flag]")).to_be_focused()


def _tab_to(page: Page, selector: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("(s) => document.activeElement.matches(s)", selector):
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", "the focus is not to be seen"
            return
    pytest.fail(f"{selector} is not reached by Tab")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_and_controls_have_names(people: People, scheme: str) -> None:
    page = people.open("grace.lin", color_scheme=scheme)
    assert page.evaluate(CONTRAST) == []
    ask(page, QUESTION)
    page.locator(".ea-chip").first.click()
    expect(page.locator("#ea-panel .ea-cited")).to_be_visible()
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(UNNAMED) == []
    page.goto(f"{people.server.url}/library")
    page.wait_for_selector(".ea-doc")
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(UNNAMED) == []
    page.goto(f"{people.server.url}/guards")
    page.wait_for_selector("#gd-rails table")
    page.get_by_role("tab", name="Policy").click()
    page.wait_for_selector("#gd-policy .cm-line span")
    assert page.evaluate(CONTRAST) == []


def test_the_colour_mode_that_was_chosen_stays(people: People) -> None:
    page = people.open("ben.okafor", color_scheme="light")
    page.click("[data-act=theme]")
    expect(page.locator("body")).to_have_class("dark")
    page.reload()
    page.wait_for_selector(".ea-welcome")
    expect(page.locator("body")).to_have_class("dark")


def test_the_pages_fit_a_phone(people: People) -> None:
    page = people.open("ben.okafor", viewport={"width": 390, "height": 844}, has_touch=True)
    assert _overflow(page) <= 0
    ask(page, QUESTION)
    assert _overflow(page) <= 0
    page.locator(".ea-chip").first.click()
    expect(page.locator("#ea-panel .ea-cited")).to_be_in_viewport()
    assert page.locator("#ea-panel").bounding_box()["width"] == 390  # type: ignore[index]
    page.click("[data-act=close-source]")
    page.click(".ea-menu-open")
    page.click("#ea-new")
    expect(page.locator(".ea-welcome")).to_be_in_viewport()
    expect(page.locator("#ea-question textarea")).to_be_focused()
    page.click(".ea-menu-open")
    page.get_by_role("link", name="Documents").click()
    page.wait_for_selector(".ea-doc")
    assert _overflow(page) <= 0


def _overflow(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))
