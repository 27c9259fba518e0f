"""The queue as a list on the page: how many there are, and how many of them are shown."""

from __future__ import annotations

from assistant.pages.review_list import LISTED, listing, shown
from core.audit import Audit
from core.people import People
from core.review_records import QueueFilter
from core.reviews import Reviews
from core.store import Store
from core.turns import Turns, now
from tests.core.queue import LEAVE, answered, crowd, flag, shelve


def test_a_long_queue_says_how_much_of_it_is_listed(store: Store, audit: Audit, people: People) -> None:
    shelve(store, "leave", LEAVE)
    turns, queue, sam = Turns(store), Reviews(store, audit).queue, people.get("sam.support")
    flag(turns, answered(turns))
    page = listing(queue.items(sam, QueueFilter()), {}, sam, now())
    assert "1 item<" in page and "narrow" not in page
    crowd(store, LISTED + 10)
    every = queue.items(sam, QueueFilter())
    page = listing(every, queue.questions(shown(every)), sam, now())
    assert "1,000 of 1,010 items: narrow them by the filters" in page
    assert page.count('data-act="review_open"') == LISTED
