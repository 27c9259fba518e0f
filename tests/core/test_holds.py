"""What is held back from training, on both databases: who may let it in or throw it out, and what becomes of it."""

from __future__ import annotations

import pytest

from core.audit import Audit
from core.datasets import Datasets
from core.errors import BadInput, Conflict, NotAllowed, NotFound
from core.people import People
from core.records import Correction, Principal
from core.review_records import Judgement, QueueFilter
from core.reviews import Reviews
from core.store import Store
from core.turns import Turns
from tests.conftest import make_person
from tests.core.queue import LEAVE, answered, flag, shelve

TRAIN = Judgement("train", Correction("span", "25 days of annual leave"))
BURST = {"burst": "9 flags of 2 accounts in 60 min, 7 of this account"}


@pytest.fixture
def sam(people: People) -> Principal:
    return people.get("sam.support")


@pytest.fixture
def reviews(store: Store, audit: Audit, people: People) -> Reviews:
    shelve(store, "leave", LEAVE)
    for name in ("rita.support", "otto.support"):
        people.add(make_person(name, ("employees", "support"), roles=("employee", "support")), actor="test")
    return Reviews(store, audit)


@pytest.fixture
def datasets(store: Store, audit: Audit) -> Datasets:
    return Datasets(store, audit)


@pytest.fixture
def held(store: Store, people: People, reviews: Reviews, datasets: Datasets, sam: Principal) -> str:
    """An item that Emma flagged, Sam and Rita approved, and a bound holds."""
    turns = Turns(store)
    flag(turns, answered(turns))
    (item,) = reviews.queue.items(sam, QueueFilter())
    for name in ("sam.support", "rita.support"):
        reviews.decide(item.item_id, people.get(name), TRAIN)
    assert datasets.hold({item.item_id: BURST}, actor="test") == 1  # type: ignore[dict-item]
    return item.item_id


def test_a_held_item_that_is_rejected_is_never_learnt_from_and_every_decision_is_kept(
    reviews: Reviews, datasets: Datasets, audit: Audit, people: People, held: str
) -> None:
    otto = people.get("otto.support")
    assert [one.item_id for one in reviews.approved()] == [held]
    with pytest.raises(BadInput, match="not to be trained on"):
        datasets.reject([held], actor="otto.support", note=" ")
    datasets.reject([held], actor="otto.support", note="All of one hour, of one account.")
    assert list(reviews.approved()) == [] and datasets.holds(released=None) == []
    case = reviews.queue.case(held, otto)
    assert (case.item.status, case.item.decision) == ("done", "reject")
    made = [(one.reviewer, one.step, one.decision) for one in case.reviews]
    assert made == [
        ("sam.support", "first", "train"),
        ("rita.support", "second", "train"),
        ("otto.support", "adjudication", "reject"),
    ]
    assert case.reviews[-1].note == "All of one hour, of one account."
    (row,) = [row for row in audit.rows() if row.action == "dataset.reject"]
    assert (row.actor, row.subject) == ("otto.support", held) and "burst" in row.details
    assert "account" not in row.details and audit.verify() == []
    with pytest.raises(NotFound):
        datasets.reject([held], actor="otto.support", note="Again.")


def test_an_item_that_a_third_person_settled_is_rejected_as_well(
    store: Store, reviews: Reviews, datasets: Datasets, people: People, sam: Principal
) -> None:
    turns = Turns(store)
    flag(turns, answered(turns))
    (item,) = reviews.queue.items(sam, QueueFilter())
    reviews.decide(item.item_id, sam, TRAIN)
    reviews.decide(item.item_id, people.get("rita.support"), Judgement("reject"))
    reviews.decide(item.item_id, people.get("otto.support"), TRAIN)
    datasets.hold({item.item_id: BURST}, actor="test")  # type: ignore[dict-item]
    datasets.reject([item.item_id], actor="ada.admin", note="No.")
    assert reviews.queue.item(item.item_id, sam).decision == "reject" and list(reviews.approved()) == []


@pytest.mark.parametrize("who", ["emma.employee", "sam.support", "rita.support"])
def test_who_flagged_or_reviewed_neither_releases_nor_rejects(datasets: Datasets, held: str, who: str) -> None:
    assert who in datasets.involved([held])
    for act in (datasets.release, datasets.reject):
        with pytest.raises(NotAllowed, match="another person"):
            act([held], actor=who, note="It is right.")
    assert [one.item_id for one in datasets.holds()] == [held]


def test_personal_data_that_no_mask_takes_out_are_rejected_and_never_released(
    reviews: Reviews, datasets: Datasets, held: str
) -> None:
    datasets.hold({held: {"personal_data": "still_detected"}}, actor="test")
    with pytest.raises(Conflict, match="it is not trained on"):
        datasets.release([held], actor="otto.support", note="It is right.")
    datasets.reject([held], actor="otto.support", note="A name that stays.")
    assert datasets.holds() == [] and list(reviews.approved()) == []
