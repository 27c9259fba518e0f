"""The chat page, as an employee uses it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SLOW_RULES, People, answer, ask, finished, type_in

pytestmark = pytest.mark.browser

CARRY_OVER = "How many days of annual leave may I carry over to the next year?"


def test_an_employee_asks_and_opens_the_cited_passage_beside_the_answer(people: People) -> None:
    page = people.open("ben.okafor")
    expect(page.locator(".ea-suggestion")).to_have_count(4)
    expect(page.locator("#ea-notice")).to_contain_text("AI answers may be wrong")
    ask(page, CARRY_OVER)
    assert "5 days" in answer(page)
    assert "answered by" in answer(page)
    expect(page.locator("[role=meter]")).to_have_attribute("aria-valuenow", re.compile(r"^\d+$"))
    page.locator(".ea-marker").first.click()
    panel = page.locator("#ea-panel")
    expect(panel.locator(".ea-cited mark").first).to_be_in_viewport()
    for fact in ("people@kestrelbay.example", "Version", "internal", "Effective", "Expires"):
        expect(panel.locator(".ea-facts")).to_contain_text(fact)
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(page.locator(".ea-marker").first).to_be_focused()


def test_history_survives_a_refresh_and_can_be_searched_renamed_exported_and_deleted(people: People) -> None:
    page = people.open("amelia.hart")
    ask(page, CARRY_OVER)
    expect(page).to_have_url(re.compile(r"\?c=[0-9a-f-]{36}"))
    page.reload()
    expect(page.locator(".ea-bubble")).to_have_text(CARRY_OVER)
    page.click("#ea-new")
    expect(page.locator(".ea-welcome")).to_be_visible()
    ask(page, "How long is probation?")
    expect(page.locator(".ea-conversation")).to_have_count(2)

    type_in(page, "#ea-search input", "carry over to the next")
    expect(page.locator(".ea-conversation")).to_have_count(1)
    _menu(page, "Rename")
    page.fill("#ea-rename-text", "Leave <b>questions</b>")
    page.keyboard.press("Enter")
    expect(page.locator(".ea-conversation a")).to_have_text("Leave <b>questions</b>")

    with page.expect_download() as download:
        _menu(page, "Export as JSON")
    exported = json.loads(Path(download.value.path()).read_text())
    assert [turn["question"] for turn in exported["turns"]] == [CARRY_OVER]
    assert exported["turns"][0]["citations"][0]["title"] == "Annual leave policy"

    page.click(".ea-conversation a")
    expect(page.locator(".ea-bubble")).to_have_text(CARRY_OVER)
    _menu(page, "Delete")
    page.click("#ea-confirm button[type=submit]")
    expect(page.locator(".ea-welcome")).to_be_visible()
    expect(page.locator("#ea-search input")).to_have_value("")
    expect(page.locator(".ea-conversation")).to_have_count(1)


def _menu(page: Page, entry: str) -> None:
    page.locator(".ea-conversation").first.hover()
    page.locator(".ea-conversation [data-act=more]").first.click()
    page.get_by_role("menuitem", name=entry).click()


def test_the_last_question_can_be_edited_and_answered_again(people: People) -> None:
    page = people.open("ben.okafor")
    ask(page, "How long is probation?")
    page.locator(".ea-asked").hover()
    page.click("[data-act=edit]")
    page.fill(".ea-edit textarea", CARRY_OVER)
    page.click(".ea-edit button[type=submit]")
    finished(page, CARRY_OVER)
    expect(page.locator(".ea-exchange")).to_have_count(1)
    before = page.locator(".ea-exchange").get_attribute("data-turn")
    page.click("[data-act=regenerate]")
    expect(page.locator(".ea-exchange")).not_to_have_attribute("data-turn", before or "")
    finished(page, CARRY_OVER)
    page.reload()
    expect(page.locator(".ea-bubble")).to_have_text([CARRY_OVER])


def test_thumbs_and_flags_are_kept(people: People) -> None:
    page = people.open("ben.okafor")
    ask(page, CARRY_OVER)
    page.click("[data-act=down]")
    expect(page.locator("[data-act=down]")).to_have_attribute("aria-pressed", "true")
    page.click("[data-act=flag]")
    page.click("#ea-flag button[type=submit]")
    expect(page.locator("#ea-flag .ea-form-error")).to_be_visible()
    page.get_by_text("Incomplete").click()
    page.fill("#ea-flag-comment", "The exceptions are missing.")
    page.fill("#ea-flag-expected", "Up to 5 days, with three exceptions.")
    page.click("#ea-flag button[type=submit]")
    expect(page.locator("[data-act=flag]")).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(page.locator("[data-act=flag]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-act=down]")).to_have_attribute("aria-pressed", "true")


def test_a_question_without_an_answer_gets_a_kind_refusal_that_names_whom_to_ask(people: People) -> None:
    page = people.open("ben.okafor")
    ask(page, "Which songs did the band play at the concert in Lisbon?")
    notice = page.locator(".ea-notice")
    expect(notice).to_contain_text("I found no answer")
    expect(notice.locator("a[href^='mailto:']")).to_be_visible()
    expect(page.locator(".ea-chip")).to_have_count(0)


def test_a_temporary_chat_follows_up_but_leaves_no_history(people: People) -> None:
    page = people.open("carla.ruiz")
    count = page.locator(".ea-conversation").count()
    page.click("#ea-temporary")
    expect(page.locator(".ea-top-note")).to_be_visible()
    ask(page, CARRY_OVER)
    ask(page, "How long is probation?")
    expect(page.locator(".ea-bubble")).to_have_text([CARRY_OVER, "How long is probation?"])
    expect(page.locator("[data-act=flag]")).to_have_count(0)
    assert "?c=" not in page.url
    page.reload()
    expect(page.locator(".ea-welcome")).to_be_visible()
    expect(page.locator(".ea-conversation")).to_have_count(count)
    with page.expect_response("**/conversations") as response:
        page.evaluate("fetch('/conversations')")
    assert CARRY_OVER not in response.value.text()


def test_hostile_documents_and_questions_stay_text(people: People) -> None:
    page = people.open("ben.okafor")
    question = "When is the pottery kiln fired? <img src=x onerror='window.hacked=1'> ${window.hacked=1} {{x}}"
    ask(page, question)
    ask(page, "When is the pottery kiln fired?")
    page.locator(".ea-chip").last.click()
    expect(page.locator("#ea-panel .ea-source-text")).to_contain_text("onerror")
    assert page.evaluate("window.hacked") is None
    assert page.locator("#ea-shell .ea-answer img, #ea-panel img, #ea-panel script, .ea-bubble img").count() == 0
    page.goto(people.server.url + (page.locator("#ea-panel-open").get_attribute("href") or ""))
    assert page.evaluate("window.hacked") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Type a question first."),
        (" \n\t ", "Type a question first."),
        ("\u200b\u200e\ufeff", "Type a question first."),
        ("How long is probation? " * 4500, "Your text has 103,500 characters, and a question may have 4,000"),
    ],
    ids=["empty", "blank", "zero-width", "100 kB"],
)
def test_what_cannot_be_asked_stays_in_the_box_and_the_next_question_is_answered(
    people: People, text: str, said: str
) -> None:
    page = people.open("ben.okafor")
    box = page.locator("#ea-question textarea")
    box.fill(text)
    box.press("Enter")
    expect(page.locator("#ea-live [role=alert]")).to_contain_text(said)
    expect(page.locator("#ea-announce")).to_contain_text(said)
    expect(box).to_have_value(text)
    expect(page.locator("#ea-transcript .ea-exchange")).to_have_count(0)
    ask(page, CARRY_OVER)
    assert "5 days" in answer(page)
    expect(page.locator("#ea-live [role=alert]")).to_have_count(0)


def test_control_and_invisible_characters_change_neither_the_answer_nor_the_page(people: People) -> None:
    page = people.open("ben.okafor")
    ask(page, "How long is probation?")
    plain = page.locator("#ea-transcript .ea-text").inner_text()
    page.click("#ea-new")
    expect(page.locator(".ea-welcome")).to_be_visible()
    page.fill("#ea-question textarea", "How\u200b long\u200c is\u2060 probation\x07\u202e?")
    page.press("#ea-question textarea", "Enter")
    expect(page.locator("#ea-transcript .ea-footer")).to_have_count(1)
    assert page.locator("#ea-transcript .ea-text").inner_text() == plain
    page.fill("#ea-question textarea", "كم يومًا من الإجازة السنوية؟")
    page.press("#ea-question textarea", "Enter")
    bubble = page.locator("#ea-transcript .ea-bubble").last
    expect(bubble).to_have_text("كم يومًا من الإجازة السنوية؟")
    assert bubble.evaluate("e => getComputedStyle(e).direction") == "rtl"
    expect(page.locator("#ea-transcript .ea-footer")).to_have_count(2)
    assert page.locator(".ea-exchange", has_text="Traceback").count() == 0


def test_a_text_that_is_not_kept_still_has_a_place_in_the_history(people: People) -> None:
    page = people.open("farid.nasser")
    page.fill("#ea-question textarea", "???")
    page.press("#ea-question textarea", "Enter")
    expect(page.locator("#ea-transcript .ea-notice")).to_contain_text("I see no question in this")
    expect(page.locator(".ea-conversation a").first).to_have_text("Untitled")


def test_an_answer_appears_sentence_by_sentence_and_escape_stops_it(slow_people: People) -> None:
    page = slow_people.open("ben.okafor")
    ask(page, "When do the gates of the loading dock close?", wait=False)
    live = page.locator(".ea-live .ea-text")
    expect(live).to_contain_text(SLOW_RULES[0])
    expect(live).not_to_contain_text(SLOW_RULES[2])
    expect(page.locator("#ea-stop")).to_be_visible()
    expect(page.locator("#ea-announce")).to_contain_text("Rule")
    expect(live).to_contain_text(SLOW_RULES[1])
    page.keyboard.press("Escape")
    expect(page.locator("p.ea-stopped")).to_be_visible()
    stopped = answer(page)
    assert SLOW_RULES[0].split(" closes")[0] in stopped
    assert SLOW_RULES[-1] not in stopped
    page.reload()
    assert SLOW_RULES[0].split(" closes")[0] in answer(page)
    expect(page.locator("p.ea-stopped")).to_be_visible()


def test_a_person_who_leaves_and_returns_finds_what_was_written_so_far(slow_people: People) -> None:
    page = slow_people.open("amelia.hart")
    ask(page, "When do the gates of the loading dock close?", wait=False)
    expect(page.locator(".ea-live .ea-text")).to_contain_text(SLOW_RULES[0])
    page.goto(f"{slow_people.server.url}/library")
    page.goto(slow_people.server.url)
    # The server learns that the page is gone when it next writes to it.
    for _ in range(20):
        page.wait_for_selector(".ea-welcome")
        if page.locator(".ea-conversation").count():
            break
        page.reload()
    page.click(".ea-conversation a")
    expect(page.locator(".ea-answer")).to_contain_text("Rule 1 of the loading dock")
