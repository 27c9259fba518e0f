"""The ratings page: blind pairs with the keyboard alone, calibration, single answers on the rubric, figures for administrators."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from core.audit import Audit
from core.rating_figures import figures
from core.rating_records import Gold, NewItem, RatedRun
from core.ratings import Ratings
from core.store import Store
from tests.browser.conftest import People, Server, ask

pytestmark = pytest.mark.browser

RUNS = [RatedRun("a", "quote-v1", "run-a"), RatedRun("b", "reader-v2", "run-b")]
CITED = {"n": 1, "document_id": "hr-annual-leave", "version": 3, "title": "Annual leave policy", "section": "Leave", "quote": "25 days"}  # fmt: skip
SECRET = CITED | {"document_id": "a-suites-own-document"}
MILEAGE = "What is the mileage rate of a private car?"


def pair(n: int, cited: dict[str, object] = CITED, gold: Gold | None = None) -> NewItem:
    answers = {key: {"text": f"Answer **{key}{n}** [1].", "citations": [cited]} for key in "ab"}
    return NewItem(f"case-{n}", f"Question {n}?", answers, gold)


def opened(server: Server) -> tuple[Store, Ratings]:
    store = Store(f"sqlite:///{server.home / 'assistant.db'}")
    return store, Ratings(store, Audit(store, server.home))


def start(page: Page, name: str) -> None:
    page.locator(".rt-batch", has_text=name).locator("[data-act=rating_start]").click()
    expect(page.locator(".rt-item")).to_be_visible()


def test_pairs_are_rated_blind_by_keys_alone_and_administrators_see_the_figures(people: People) -> None:
    store, ratings = opened(people.server)
    gold = Gold("a", None, "It names the number.")
    items = [pair(0, gold=gold), *(pair(n) for n in range(1, 4)), pair(9, SECRET)]
    batch_id = ratings.create("keys alone", "pair", RUNS, items, by="grace.lin", seed=5)
    carla = people.open("carla.ruiz", "/ratings")
    start(carla, "keys alone")
    expect(carla.locator(".rt-item")).to_contain_text("calibration")
    texts = carla.locator(".rt-answer .ea-text")
    first_is_a = "a0" in texts.first.inner_text()
    carla.keyboard.press("2" if first_is_a else "1")
    carla.keyboard.press("Control+Enter")
    expect(carla.locator(".rt-told")).to_contain_text("This was settled otherwise")
    agreed = "Answer 1 is better" if first_is_a else "Answer 2 is better"
    expect(carla.locator(".rt-told")).to_contain_text(f"{agreed}. It names the number.")
    carla.keyboard.press("Control+Enter")
    expect(carla.locator(".rt-form .ea-form-error")).to_have_text("Choose which answer is better.")
    for n in range(3):
        expect(carla.locator(".rv-bar strong")).to_have_text(f"{n + 2} of 5")
        expect(carla.locator(".rt-form :checked")).to_have_count(0)
        expect(carla.locator("#rt-comment")).to_have_value("")
        shown = carla.locator(".rt-item").inner_text()
        assert not any(run.name in shown for run in RUNS)
        carla.keyboard.press("1" if "a" in texts.first.inner_text().split()[1] else "2")
        carla.keyboard.press("n")
        carla.keyboard.type("It has the number.")
        carla.keyboard.press("Control+Enter")
    expect(carla.locator(".rv-empty")).to_contain_text("You have rated 4 of 5")
    expect(carla.locator(".rv-empty")).to_contain_text("not yours to rate")
    found = figures(store, ratings, batch_id)
    assert (found.preferred["a"], found.items_rated, found.accuracy["carla.ruiz"].passed) == (3, 3, 0)
    assert 0 < found.seconds_p50 < 60
    expect(carla.locator("[data-act=rating_results]")).to_have_count(0)
    grace = people.open("grace.lin", "/ratings")
    grace.locator(".rt-batch", has_text="keys alone").locator("[data-act=rating_results]").click()
    expect(grace.locator(".rt-results")).to_contain_text("quote-v1 wins 3 of 3")
    grace.keyboard.press("Escape")
    expect(grace.locator(".rt-batch", has_text="keys alone")).to_be_visible()


def test_answers_of_the_chat_are_rated_on_the_rubric_on_a_phone(people: People) -> None:
    amelia = people.open("amelia.hart")
    ask(amelia, MILEAGE)
    store, ratings = opened(people.server)
    turn_id = amelia.locator("[data-act=flag]").last.get_attribute("data-turn") or amelia.locator(
        "[data-act=flag]"
    ).last.get_attribute("data-id")
    item = NewItem(str(turn_id), "", {"a": {"turn_id": str(turn_id)}})
    batch_id = ratings.create("on a phone", "single", RUNS[:1], [item], by="grace.lin", seed=1)
    carla = people.open("carla.ruiz", "/ratings", viewport={"width": 390, "height": 844})
    start(carla, "on a phone")
    expect(carla.locator(".rt-question")).to_have_text(MILEAGE)
    assert "amelia" not in carla.locator(".rt-item").inner_text().lower()
    assert carla.evaluate("document.querySelector('#ea-page').scrollWidth <= innerWidth")
    carla.locator(".rt-form fieldset").nth(0).locator(".rv-choice").last.click()
    carla.get_by_role("button", name="Save and next").click()
    expect(carla.locator(".rt-form .ea-form-error")).to_have_text("Choose a value on every line.")
    for n in range(1, 4):
        carla.locator(".rt-form fieldset").nth(n).locator(".rv-choice").last.click()
    carla.get_by_role("button", name="Save and next").click()
    expect(carla.locator(".rv-empty")).to_contain_text("You have rated 1 of 1")
    assert {one.criterion: one.mean for one in figures(store, ratings, batch_id).scores}["correct"] == 2.0


def test_an_expert_of_any_role_rates_what_names_them_and_other_employees_find_no_page(people: People) -> None:
    store, ratings = opened(people.server)
    batch_id = ratings.create("asked of ben", "pair", RUNS, [pair(1), pair(9, SECRET)], by="grace.lin", seed=1)
    ratings.create("not asked of ben", "pair", RUNS, [pair(1)], by="grace.lin", seed=1)
    ben = people.open("ben.okafor")
    expect(ben.locator(".ea-account")).to_be_visible()
    expect(ben.locator(".ea-nav", has_text="Ratings")).to_be_hidden()
    ben.goto(f"{people.server.url}/ratings")
    expect(ben.locator("#ea-rating")).to_contain_text("Nobody has asked you")
    ratings.name_raters(batch_id, ["ben.okafor"], by="grace.lin")
    grace = people.open("grace.lin", "/ratings")
    asked = grace.locator(".rt-batch", has=grace.get_by_text("asked of ben", exact=True))
    expect(asked).to_contain_text("Asked to rate: ben.okafor · nothing yet from ben.okafor")
    ben.goto(people.server.url)
    ben.locator(".ea-nav", has_text="Ratings").click()
    expect(ben.locator(".rt-batch")).to_have_count(1)
    start(ben, "asked of ben")
    ben.keyboard.press("3")
    ben.keyboard.press("Control+Enter")
    expect(ben.locator(".rv-empty")).to_contain_text("You have rated 1 of 2")
    assert figures(store, ratings, batch_id).preferred["both"] == 1
    ben.goto(people.server.url)
    expect(ben.locator(".ea-account")).to_be_visible()
    expect(ben.locator(".ea-nav", has_text="Ratings")).to_be_hidden()
