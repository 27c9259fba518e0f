"""A home folder with approved review items and no index: enough for everything from a dataset to an adapter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.audit import Audit
from core.people import People
from core.records import Correction
from core.review_items import item_id_of
from core.review_records import Judgement
from core.reviews import Reviews
from core.store import Store
from core.turns import Turns
from tests.conftest import GROUPS, make_person
from tests.core.queue import answered, flag, shelve
from tests.training.small_set import row

ASKERS = tuple(f"asker.{n}" for n in range(6))
REVIEWER = "rita.reviewer"
BEGIN = datetime(2026, 10, 1, 8, tzinfo=UTC)


def store_of(home: Path) -> Store:
    return Store(f"sqlite:///{home / 'assistant.db'}")


def people(home: Path) -> None:
    with store_of(home) as store:
        known = People(store, Audit(store, home))
        known.add_groups(dict.fromkeys(GROUPS, ""), actor="test")
        reviewer = make_person(REVIEWER, clearance="restricted", roles=("employee", "support"))
        for who in (reviewer, *(make_person(one) for one in ASKERS)):
            known.add(who, actor="test")


def approve(home: Path, numbers: range) -> None:
    """Questions about that many desks, each asked, flagged and corrected with the words of its own document."""
    with store_of(home) as store:
        audit, turns = Audit(store, home), Turns(store)
        reviews = Reviews(store, audit, twice=())
        reviewer = People(store, audit).get(REVIEWER)
        for n in numbers:
            made = row(n)
            passage, target = made.passages[0], made.target
            shelve(store, f"desk-{n}", passage.text)
            asked = answered(
                turns, ASKERS[n % len(ASKERS)], f"desk-{n}", question=made.question, standalone_question=""
            )
            item = item_id_of(flag(turns, asked, "flag", at=BEGIN + n * timedelta(hours=9)).feedback_id)
            reviews.claim(item, reviewer)
            span = Correction("span", target.answer, f"desk-{n}-1", target.start, target.end)
            reviews.decide(item, reviewer, Judgement("train", span))


def furnish(home: Path, count: int) -> None:
    home.mkdir(exist_ok=True)
    people(home)
    approve(home, range(count))
