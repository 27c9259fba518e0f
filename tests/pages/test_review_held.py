"""What a reviewer sees of the items that are held back from training, and what of it is theirs to decide."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args

import pytest

from assistant.pages.render import moment
from assistant.pages.review_held import DETAILS, INVOLVED, OPTED_OUT, REASONS, HeldItem, held_case, held_line, held_list
from core.audit import Audit
from core.datasets import Hold, HoldReason
from core.people import People
from core.records import Correction
from core.review_records import Case, Judgement, QueueFilter
from core.reviews import Reviews
from core.store import Store
from core.turns import Turns
from tests.core.queue import LEAVE, answered, flag, shelve

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
RELEASE, REJECT = 'value="release"', 'value="reject"'


@pytest.fixture
def case(store: Store, audit: Audit, people: People) -> Case:
    """An item that Sam approved alone, as Ada sees it."""
    shelve(store, "leave", LEAVE)
    turns, reviews = Turns(store), Reviews(store, audit, twice=())
    flag(turns, answered(turns))
    (item,) = reviews.queue.items(people.get("sam.support"), QueueFilter())
    said = Judgement("train", Correction("text", "25 days, and <b>no</b> more."), "Checked with HR.")
    reviews.decide(item.item_id, people.get("sam.support"), said)
    return reviews.queue.case(item.item_id, people.get("ada.admin"))


def held(case: Case, reason: HoldReason = "burst", detail: str = "9 flags of 2 accounts in 60 min") -> HeldItem:
    return HeldItem(case.item, (Hold(case.item.item_id, reason, detail, AT),))


def test_a_held_item_tells_reason_time_question_correction_and_reviewer_and_not_who_flagged(case: Case) -> None:
    page = held_case(held(case), case, involved=False, low_evidence=0.5)
    for words in (REASONS["burst"], "9 flags of 2 accounts", f"held since {moment(AT)}", case.turn.question):
        assert words in page
    for words in ("25 days, and &lt;b&gt;no&lt;/b&gt; more.", "sam.support", "Checked with HR.", RELEASE, REJECT):
        assert words in page
    assert "emma.employee" not in page


def test_who_flagged_or_reviewed_it_or_may_not_read_it_gets_no_form(case: Case) -> None:
    page = held_case(held(case), case, involved=True, low_evidence=0.5)
    assert INVOLVED in page and RELEASE not in page and REJECT not in page
    hidden = replace(
        case, item=replace(case.item, allowed=False, needs="restricted"), why_not="Its sources are restricted."
    )
    page = held_case(held(hidden), hidden, involved=False, low_evidence=0.5)
    assert "Its sources are restricted." in page and RELEASE not in page and REJECT not in page


def test_personal_data_can_be_rejected_only(case: Case) -> None:
    page = held_case(held(case, "personal_data", "still_detected"), case, involved=False, low_evidence=0.5)
    assert DETAILS["still_detected"] in page and REJECT in page and RELEASE not in page


def test_a_release_that_changes_nothing_for_now_says_so(case: Case) -> None:
    assert OPTED_OUT not in held_case(held(case), case, involved=False, low_evidence=0.5)
    assert OPTED_OUT in held_case(held(case), replace(case, may_train=False), involved=False, low_evidence=0.5)


def test_every_reason_of_a_hold_has_its_words() -> None:
    assert set(REASONS) == set(get_args(HoldReason))


def test_the_queue_says_how_many_are_held_and_nothing_where_none_is(case: Case) -> None:
    assert held_line(0) == ""
    assert "1 approved item is held back" in held_line(1) and "3 approved items are held back" in held_line(3)
    assert "Nothing is held back" in held_list([], {})
    listed = held_list([held(case)], {case.item.item_id: "How many <i>days</i>?"})
    assert REASONS["burst"] in listed and "20 Nov 2026" in listed and "How many &lt;i&gt;days&lt;/i&gt;?" in listed
