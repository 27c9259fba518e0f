"""Two people at once: nobody sees, opens, renames, exports or stops anything of somebody else."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SLOW_RULES, People, ask, finished

pytestmark = pytest.mark.browser

MINE = "How many days of annual leave may I carry over, asks Ben with the word quagga?"
YOURS = "How long is probation, asks Elena with the word okapi?"


def test_two_people_asking_at_the_same_time_see_only_their_own_text(people: People) -> None:
    ben, elena = people.open("ben.okafor"), people.open("elena.rossi")
    ask(ben, MINE, wait=False)
    ask(elena, YOURS, wait=False)
    finished(ben, MINE)
    finished(elena, YOURS)
    for page, own, other in ((ben, "quagga", "okapi"), (elena, "okapi", "quagga")):
        assert own in page.content()
        assert other not in page.content()
        page.reload()
        expect(page.locator(".ea-bubble")).to_contain_text(own)
        assert other not in page.content()


def test_another_persons_conversation_cannot_be_opened_renamed_deleted_or_exported(people: People) -> None:
    ben, elena = people.open("ben.okafor"), people.open("elena.rossi")
    ask(ben, MINE)
    expect(ben).to_have_url(re.compile(r"\?c="))
    stolen = ben.url.partition("?c=")[2]
    elena.goto(f"{people.server.url}/?c={stolen}")
    expect(elena.locator(".ea-welcome")).to_be_visible()
    for event, extra in (("open", ""), ("rename", ", title: 'mine now'"), ("remove", "")):
        elena.evaluate(f"window.eaSend('{event}', {{id: '{stolen}'{extra}}})")
        expect(elena.locator(".toast-body").last).to_contain_text("no such conversation")
    assert elena.request.get(f"{people.server.url}/conversations/{stolen}/export").status == 404
    assert "quagga" not in elena.content()
    ben.reload()
    expect(ben.locator(".ea-conversation[aria-current] a")).to_contain_text("quagga")


def test_nobody_stops_or_rates_another_persons_answer(slow_people: People) -> None:
    ben, elena = slow_people.open("ben.okafor"), slow_people.open("elena.rossi")
    ask(ben, "When do the gates close?", wait=False)
    expect(ben.locator(".ea-live .ea-text")).to_contain_text(SLOW_RULES[0])
    run = ben.locator(".ea-live").get_attribute("data-run")
    elena.evaluate(f"window.eaSend('halt', {{run: '{run}'}})")
    finished(ben, "When do the gates close?")
    expect(ben.locator(".ea-answer")).to_contain_text(SLOW_RULES[-1])
    turn = ben.locator(".ea-exchange").get_attribute("data-turn")
    elena.evaluate(f"window.eaSend('feedback', {{turn: '{turn}', kind: 'down'}})")
    expect(elena.locator(".toast-body").last).to_contain_text("no such answer")
    ben.reload()
    expect(ben.locator("[data-act=down]")).to_have_attribute("aria-pressed", "false")
