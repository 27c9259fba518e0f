"""What a reviewer is told of an item from which nothing can be learnt, before they write a correction."""

from __future__ import annotations

from dataclasses import replace

from assistant.pages.review_case import HANDED_ON, NO_TRAINING, case_html
from core.audit import Audit
from core.consent import Consent
from core.people import People
from core.review_records import QueueFilter
from core.reviews import Reviews
from core.store import Store
from core.turns import ESCALATED, Turns, now
from tests.core.queue import LEAVE, answered, flag, shelve


def test_a_correction_that_would_go_nowhere_is_said_to_before_it_is_written(
    store: Store, audit: Audit, people: People
) -> None:
    shelve(store, "leave", LEAVE)
    turns, queue, sam = Turns(store), Reviews(store, audit).queue, people.get("sam.support")
    flag(turns, answered(turns))
    (item,) = queue.items(sam, QueueFilter(status=""))

    def told(counts: dict[str, int]) -> list[str]:
        case = queue.case(item.item_id, sam)
        page = case_html(replace(case, turn=replace(case.turn, counts=counts)), (), now(), low_evidence=0.5)
        assert 'class="rv-form"' in page, "another decision than training is still theirs"
        return [said for said in (HANDED_ON, NO_TRAINING) if said in page]

    assert told({}) == []
    assert told({ESCALATED: 1}) == [HANDED_ON]
    Consent(store, audit).set("emma.employee", allowed=False)
    assert told({ESCALATED: 1}) == [NO_TRAINING]
