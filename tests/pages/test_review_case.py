"""What a reviewer is told before they decide: that nothing can be learnt from an item, and who would see a document's task."""

from __future__ import annotations

from dataclasses import replace

from assistant.pages.review_case import HANDED_ON, NO_TRAINING, case_html
from core.audit import Audit
from core.consent import Consent
from core.document_tasks import DocumentTasks
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
        page = case_html(
            replace(case, turn=replace(case.turn, counts=counts)), (), now(), low_evidence=0.5, recipients={}
        )
        assert 'class="rv-form"' in page, "another decision than training is still theirs"
        return [said for said in (HANDED_ON, NO_TRAINING) if said in page]

    assert told({}) == []
    assert told({ESCALATED: 1}) == [HANDED_ON]
    Consent(store, audit).set("emma.employee", allowed=False)
    assert told({ESCALATED: 1}) == [NO_TRAINING]


def test_who_chooses_fix_document_is_told_who_sees_the_task(store: Store, audit: Audit, people: People) -> None:
    shelve(store, "leave", LEAVE)
    turns, queue, sam = Turns(store), Reviews(store, audit).queue, people.get("sam.support")
    flag(turns, answered(turns))
    (item,) = queue.items(sam, QueueFilter())
    case, tasks = queue.case(item.item_id, sam), DocumentTasks(store, audit)

    def told() -> str:
        recipients = tasks.recipients(case.turn, ["leave-1"])
        page = case_html(case, (), now(), low_evidence=0.5, recipients=recipients)
        assert 'data-passage=""' in page and 'data-passage="leave-1"' in page
        return page

    owner = "people@kestrelbay.example"
    assert f"Nobody has an account with the address {owner}: administrators see the task." in told()
    people.set_mailbox(owner, "spain", actor="test")
    assert f"Nobody in the spain group of {owner} has an account" in told()
    people.set_mailbox(owner, "hr", actor="test")
    assert f"Seen by {owner}: hr group, 1 person." in told()
