"""The review page: from a flag in the chat to a correction that two people approved, and what each person may see."""

from __future__ import annotations

import csv
import re

import pytest
from playwright.sync_api import Locator, Page, expect

from assistant.pages.review import REFRESH_S
from core.audit import Audit
from core.datasets import Datasets, HoldReason
from core.people import People as Accounts
from core.records import Correction, Principal
from core.review_records import Judgement, QueueFilter
from core.reviews import Reviews
from core.store import Store
from tests.browser.conftest import People, ask

pytestmark = pytest.mark.browser

CARRY_OVER = "How many days of annual leave may I carry over to the next year?"
HOTEL = "What is the hotel limit per night in London?"
NOTICE = "How much notice must I give after probation?"
EXPENSES = "How long do I have to submit an expense claim?"
MILEAGE = "How much mileage do I get for my own car?"
RESIGN = "May I cancel my notice of leaving?"
PARENTAL = "How many weeks of parental leave do I get?"
PER_DIEM = "How much is the per-diem for Germany?"
LAPTOP = "How long does an expense claim take to be paid?"
SICK = "When do I need a sick note?"
OVERTIME = "How many days of unpaid leave may I take?"
HELD = "How many days in advance do I ask for leave?"
HELD_TOO = "How long does my probation last?"
MEANS_OF = {"2": "Its owner gets your note", "3": "the search did not find it", "4": "A check", "5": "wrong form"}


def report(people: People, person: str, *questions: str, expected: str = "") -> None:
    """Ask as a person and flag each answer."""
    page = people.open(person)
    for question in questions:
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


def who(people: People, person: str) -> Principal:
    store = Store(f"sqlite:///{people.server.home / 'assistant.db'}")
    return Accounts(store, Audit(store, people.server.home)).get(person)


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


def chosen(page: Page, field: str, option: str) -> None:
    """Choose an option of one of the queue's filters, and wait until the queue is the one that it asks for."""
    link = page.locator(".rv-exports a").first
    before = link.get_attribute("href") or ""
    page.locator(f"#ea-filter-{field} input").click()
    page.get_by_role("option", name=option, exact=True).click()
    expect(link).not_to_have_attribute("href", before)


def said(page: Page, words: str) -> None:
    """Wait for a message, and close it."""
    toast = page.locator(".toast-body", has_text=words)
    expect(toast.last).to_be_visible()
    page.evaluate(
        "document.querySelectorAll('.toast-close').forEach(close => close.click())"
    )  # some close by themselves
    expect(toast).to_have_count(0)


def waiting(page: Page, question: str) -> Locator:
    return page.locator(".rv-item", has_text=question)


def test_what_waits_is_filtered_handed_on_and_exported(people: People) -> None:
    report(people, "ben.okafor", HOTEL)
    carla = people.open("carla.ruiz", "/review")
    expect(waiting(carla, HOTEL)).to_have_count(1)
    for field, other, own in (
        ("source", "Thumb up", "Report"),
        ("reason", "Outdated", "Wrong"),
        ("older_than_days", "Older than 7 days", "Any age"),
        ("overdue", "Overdue only", "Due or overdue"),
        ("status", "Done", "Waiting"),
        ("assignee", "Held by me", "Held by nobody"),
    ):
        chosen(carla, field, other)
        expect(waiting(carla, HOTEL)).to_have_count(0)
        chosen(carla, field, own)
        expect(waiting(carla, HOTEL)).to_have_count(1)
    with carla.expect_download() as file:
        carla.locator(".rv-exports a", has_text="CSV").click()
    rows = list(csv.DictReader(file.value.path().read_text(encoding="utf-8").splitlines()))
    assert [row["question"] for row in rows] == [HOTEL]
    opened(carla, HOTEL)
    carla.select_option("#rv-to", "farid.nasser")
    said(carla, "Handed to farid.nasser")
    expect(waiting(carla, HOTEL)).to_have_count(0)  # the filter says: held by nobody
    farid = people.open("farid.nasser", "/review")
    chosen(farid, "assignee", "Held by me")
    expect(waiting(farid, HOTEL)).to_have_count(1)
    opened(farid, HOTEL)
    farid.keyboard.press("6")
    farid.keyboard.press("Control+Enter")
    said(farid, "this item is closed")


def test_each_decision_goes_where_it_is_mended(people: People) -> None:
    asked = {
        "3": ("How many weeks of sick pay do I get?", "Fix retrieval"),
        "4": ("How do I claim a train ticket?", "Fix guard"),
        "5": ("How long is my probation period?", "Fix prompt"),
        "2": ("How much is the per-diem for Spain?", "Fix document"),
    }
    report(people, "ben.okafor", *(question for question, _ in asked.values()))
    carla = people.open("carla.ruiz", "/review")
    for key, (question, _) in reversed(asked.items()):
        if carla.locator(".rv-case").count():
            carla.keyboard.press("Escape")
        opened(carla, question)
        carla.keyboard.press(key)
        expect(carla.locator(f".rv-means:has-text({MEANS_OF[key]!r})")).to_be_visible()
        carla.keyboard.press("Control+Enter")
        if key == "2":
            seen = carla.locator(".rv-owner:visible")
            expect(seen).to_have_text("Seen by finance@kestrelbay.example: finance group, 1 person.")
            expect(carla.locator(".rv-form .ea-form-error")).to_contain_text("what the owner should put right")
            carla.keyboard.press("n")
            carla.keyboard.type("The rate for Spain changed in March.")
            carla.keyboard.press("Control+Enter")
        said(carla, "this item is closed")
        if carla.locator(".rv-case").count():  # nothing of the item before is left in the next one's form
            expect(carla.locator(".rv-form :checked:not([name=rv-kind])")).to_have_count(0)
            expect(carla.locator("#rv-note")).to_have_value("")
    if carla.locator(".rv-case").count():
        carla.keyboard.press("Escape")
    for question, name in asked.values():
        chosen(carla, "decision", name)
        expect(waiting(carla, question)).to_contain_text(name.lower())
    amelia = people.open("amelia.hart", "/mine")
    expect(amelia.locator(".rv-task", has_text="The rate for Spain changed in March.")).to_have_count(1)
    grace = people.open("grace.lin", "/mine")
    task = grace.locator(".rv-task", has_text="The rate for Spain changed in March.")
    expect(task).to_contain_text("asked for by carla.ruiz")
    expect(task.locator("strong")).not_to_have_text(re.compile("^fin-"))  # its title, not its id
    task.locator("input").fill("Version 2 says it.")
    task.get_by_role("button", name="Close").click()
    expect(task).to_have_count(0)


def test_the_keyboard_alone_takes_marks_writes_and_saves(people: People) -> None:
    report(people, "ben.okafor", NOTICE, expected="One month")
    carla = people.open("carla.ruiz", "/review")
    expect(waiting(carla, NOTICE)).to_have_count(1)
    for _ in range(carla.locator(".rv-item").count()):
        carla.keyboard.press("j")
        if carla.evaluate("document.activeElement.innerText") == NOTICE:
            break
    carla.keyboard.press("Enter")
    expect(carla.locator(".rv-case .ea-bubble")).to_have_text(NOTICE)
    carla.keyboard.press("]")
    first = carla.locator(".rv-text mark").inner_text()
    carla.keyboard.press("]")
    assert first and carla.locator(".rv-text mark").inner_text() not in ("", first)
    carla.keyboard.press("[")
    expect(carla.locator(".rv-text mark")).to_have_text(first)
    carla.keyboard.press("s")
    assert "month" in carla.locator("#rv-words").input_value().lower()
    carla.keyboard.press("w")
    carla.keyboard.press("ControlOrMeta+a")
    carla.keyboard.type("One month to the end of a month.")
    carla.keyboard.press("Control+Enter")
    said(carla, "another reviewer decides next")
    found = kept(people)
    item = next(i for i in found.queue.items(who(people, "carla.ruiz"), QueueFilter(status="second")) if i.mine)
    assert found.queue.case(item.item_id, who(people, "carla.ruiz")).reviews[0].correction == Correction(
        "text", "One month to the end of a month."
    )


def test_every_kind_of_answer_has_its_key_and_so_has_skip(people: People) -> None:
    report(people, "ben.okafor", PER_DIEM, LAPTOP, expected="It depends")
    carla = people.open("carla.ruiz", "/review")
    opened(carla, PER_DIEM)
    for key, kind in (("p", "refuse"), ("y", "confirm"), ("a", "clarify")):
        carla.keyboard.press(key)
        expect(carla.locator(f"[name=rv-kind][value={kind}]")).to_be_checked()
        expect(carla.locator("[name=rv-decision][value=train]")).to_be_checked()
    expect(carla.locator("#rv-words")).to_be_focused()
    carla.keyboard.press("Escape")
    item = carla.locator(".rv-case").get_attribute("data-item") or ""
    carla.keyboard.press("x")
    expect(carla.locator(f".rv-case[data-item='{item}']")).to_have_count(0)
    assert kept(people).queue.item(item, who(people, "carla.ruiz")).assigned_to == ""


def test_the_queue_brings_itself_up_to_date_under_an_open_case_that_stays_as_it_is(people: People) -> None:
    report(people, "ben.okafor", SICK, expected="It depends")
    carla = people.open("carla.ruiz", "/review")
    carla.clock.install()
    carla.reload()
    opened(carla, SICK)
    carla.keyboard.press("n")
    carla.keyboard.type("half a ")
    report(people, "amelia.hart", OVERTIME, expected="It depends")
    expect(waiting(carla, OVERTIME)).to_have_count(0)
    carla.clock.fast_forward((REFRESH_S + 1) * 1000)
    expect(waiting(carla, OVERTIME)).to_have_count(1)
    carla.keyboard.type("note")
    expect(carla.locator("#rv-note")).to_have_value("half a note")
    expect(carla.locator(".rv-case .ea-bubble")).to_have_text(SICK)


def test_a_disagreement_is_settled_by_a_third_person_and_becomes_gold(people: People) -> None:
    report(people, "ben.okafor", EXPENSES, expected="Within 30 days")
    for person, keys, becomes in (
        ("carla.ruiz", ("1", "w", "Within 30 days after the month.", "Control+Enter"), "another reviewer"),
        ("farid.nasser", ("1", "w", "Within 90 days.", "Control+Enter"), "a third person settles it"),
    ):
        page = people.open(person, "/review")
        opened(page, EXPENSES)
        for key in keys:
            if " " in key:
                page.keyboard.press("ControlOrMeta+a")
                page.keyboard.type(key)
            else:
                page.keyboard.press(key)
        said(page, becomes)
    grace = people.open("grace.lin", "/review")
    chosen(grace, "status", "Disagreement")
    opened(grace, EXPENSES)
    expect(grace.locator(".rv-reviews")).to_contain_text("Within 90 days.")
    grace.locator(".rv-review", has_text="Within 30 days").get_by_role("button", name="Take this one").click()
    expect(grace.locator("#rv-words")).to_have_value("Within 30 days after the month.")
    grace.get_by_role("button", name="Save and next").click()
    said(grace, "this item is closed")
    found = {one.turn.question: one for one in kept(people).approved()}[EXPENSES]
    assert (found.correction.answer, found.agreed) == ("Within 30 days after the month.", False)
    assert found.reviewers == ("carla.ruiz", "farid.nasser", "grace.lin")

    grace.get_by_role("tab", name="Figures").click()
    grace.locator("tr", has_text=EXPENSES).get_by_role("button", name="Make gold").click()
    expect(grace.locator("#ea-figures")).to_contain_text("Take out")
    hugo = people.open("hugo.meyer", "/review")
    opened(hugo, EXPENSES)
    assert "gold" not in hugo.locator(".rv-case").inner_text().lower()
    hugo.keyboard.press("6")
    hugo.keyboard.press("Control+Enter")
    said(hugo, "this item is closed")
    grace.reload()
    grace.get_by_role("tab", name="Figures").click()
    expect(grace.locator("#ea-figures tr", has_text="hugo.meyer").first).to_contain_text("0%")
    grace.get_by_role("button", name="Take out").click()
    expect(grace.locator("#ea-figures")).to_contain_text("There are no gold items.")


def test_a_thumb_up_is_confirmed_as_a_good_example(people: People) -> None:
    amelia = people.open("amelia.hart")
    ask(amelia, MILEAGE)
    amelia.locator("[data-act=up]").last.click()
    expect(amelia.locator("[data-act=up]").last).to_have_attribute("aria-pressed", "true")
    for person in ("carla.ruiz", "farid.nasser"):
        page = people.open(person, "/review")
        opened(page, MILEAGE)
        page.keyboard.press("1")
        expect(page.locator("[name=rv-kind][value=confirm]")).to_be_checked()
        page.keyboard.press("Control+Enter")
        said(page, "Kept")
    found = {one.turn.question: one for one in kept(people).approved()}[MILEAGE]
    assert (found.correction.kind, found.source, found.agreed) == ("confirm", "thumbs_up", True)


def test_who_says_no_to_training_is_left_out_of_it_and_reviewers_are_told(people: People) -> None:
    report(people, "dieter.vogt", RESIGN)
    for person in ("carla.ruiz", "farid.nasser"):
        page = people.open(person, "/review")
        opened(page, RESIGN)
        page.keyboard.press("]")
        page.keyboard.press("Control+Enter")
        said(page, "Kept")
    assert RESIGN in {one.turn.question for one in kept(people).approved()}
    dieter = people.open("dieter.vogt", "/mine")
    dieter.locator("#rv-consent").uncheck()
    said(dieter, "nothing of yours is trained on")
    assert RESIGN not in {one.turn.question for one in kept(people).approved()}
    report(people, "dieter.vogt", PARENTAL)
    carla = people.open("carla.ruiz", "/review")
    opened(carla, PARENTAL)
    expect(carla.locator(".rv-decide")).to_contain_text("does not let their questions be used for training")
    dieter.reload()
    expect(dieter.locator("#rv-consent")).not_to_be_checked()
    dieter.locator("#rv-consent").check()
    said(dieter, "Your choice is kept")
    assert RESIGN in {one.turn.question for one in kept(people).approved()}


def held_back(people: People, question: str, reason: HoldReason, detail: str) -> str:
    """An answer that Ben reported, Carla and Farid approved, and a bound holds; the id of its item."""
    report(people, "ben.okafor", question, expected="It says so")
    found, carla = kept(people), who(people, "carla.ruiz")
    waits = found.queue.items(carla, QueueFilter())
    item_id = next(i for i, text in found.queue.questions(waits).items() if text == question)
    for person in ("carla.ruiz", "farid.nasser"):
        found.decide(item_id, who(people, person), Judgement("train", Correction("text", "It says so.")))
    store = Store(f"sqlite:///{people.server.home / 'assistant.db'}")
    Datasets(store, Audit(store, people.server.home)).hold({item_id: {reason: detail}}, actor="test")
    return item_id


def test_what_is_held_back_from_training_is_released_or_rejected_by_another_person(people: People) -> None:
    good = held_back(people, HELD, "burst", "9 flags of 2 accounts in 60 min, 7 of this account")
    bad = held_back(people, HELD_TOO, "personal_data", "still_detected")
    carla = people.open("carla.ruiz", "/review")
    expect(carla.locator(".rv-held-line")).to_contain_text("2 approved items are held back")
    carla.locator(".rv-held-line").get_by_role("button").click()
    carla.locator("#ea-held-list .rv-item", has_text=HELD).first.get_by_role("button").click()
    expect(carla.locator(".rv-held-case .rv-decide")).to_contain_text("You flagged or reviewed this item yourself")
    expect(carla.locator(".rv-held-form")).to_have_count(0)

    grace = people.open("grace.lin", "/review")
    grace.get_by_role("tab", name="Held back (2)").click()
    expect(grace.locator("#ea-held-list .rv-item", has_text=HELD_TOO)).to_contain_text("Personal data")
    grace.locator("#ea-held-list .rv-item", has_text=HELD).first.get_by_role("button").click()
    case = grace.locator(".rv-held-case")
    for words in (HELD, "Many reports in a short time", "9 flags of 2 accounts", "It says so.", "carla.ruiz"):
        expect(case).to_contain_text(words)
    assert "ben.okafor" not in case.inner_text()
    case.get_by_role("button", name="Release into training").click()
    expect(case.locator(".ea-form-error")).to_have_text("Write in the note why.")
    grace.fill("#rv-held-note", "I asked them: the handbook was wrong.")
    case.get_by_role("button", name="Release into training").click()
    said(grace, "Released")
    expect(grace.get_by_role("tab", name="Held back (1)")).to_be_visible()

    grace.locator("#ea-held-list .rv-item", has_text=HELD_TOO).get_by_role("button").click()
    expect(grace.locator("#rv-held-note")).to_have_value("")
    expect(case.get_by_role("button", name="Release into training")).to_have_count(0)
    grace.fill("#rv-held-note", "A name that no mask takes out.")
    case.get_by_role("button", name="Reject from training").click()
    said(grace, "Rejected")
    expect(grace.locator("#ea-held-list")).to_contain_text("Nothing is held back")
    approved = {one.item_id for one in kept(people).approved()}
    assert good in approved and bad not in approved
    store = Store(f"sqlite:///{people.server.home / 'assistant.db'}")
    done = [(r.action, r.actor) for r in Audit(store, people.server.home).rows() if r.subject in (good, bad)]
    assert ("dataset.release", "grace.lin") in done and ("dataset.reject", "grace.lin") in done
