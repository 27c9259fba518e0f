"""A person's data: exported whole and without secrets, erased with everything that hangs on them and what was trained on them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.audit import Audit
from core.errors import NotFound
from core.people import People
from core.person_data import PersonData
from core.rating_records import NewItem, RatedRun
from core.ratings import Ratings
from core.records import Correction
from core.registry import Registry, Training
from core.review_records import Judgement, QueueFilter
from core.reviews import Reviews
from core.store import Store
from core.turns import Turns
from tests.conftest import make_person
from tests.core.adapters import registered
from tests.core.queue import LEAVE, answered, flag, shelve
from tests.core.test_registry import dataset

RITA = make_person("rita.reviewer", ("employees", "support"), roles=("support",))


@pytest.fixture
def registry(store: Store, audit: Audit, home: Path) -> Registry:
    return Registry(store, audit, home=home)


@pytest.fixture
def data(store: Store, audit: Audit, registry: Registry, people: People) -> PersonData:
    people.add(RITA, actor="test")
    shelve(store, "leave", LEAVE)
    return PersonData(store, audit, registry)


def test_everything_of_a_person_is_exported_and_no_secret(store: Store, data: PersonData, audit: Audit) -> None:
    turns, reviews = Turns(store), Reviews(store, audit)
    of_emma = answered(turns)
    flag(turns, of_emma)
    answered(turns, "carl.contractor")
    (item,) = reviews.queue.items(RITA, QueueFilter())
    reviews.decide(item.item_id, RITA, Judgement("train", Correction("span", "25 days of annual leave")))
    emma, rita = data.exported("emma.employee"), data.exported("rita.reviewer")
    assert [one["question"] for one in emma["turns"]] == [of_emma.question]
    assert emma["feedback"][0]["expected"] == "25 days" and emma["conversations"]
    assert emma["person"][0]["email"] == "emma.employee@kestrelbay.example"
    assert emma["reviews"] == [] and rita["turns"] == []
    assert rita["reviews"][0]["decision"] == "train"
    assert "hash" not in json.dumps(emma).replace("template_sha256", "").replace("policy_sha256", "")
    assert [row.action for row in audit.rows(limit=2)] == ["person.export", "person.export"]


def test_erasure_blocks_what_was_trained_on_the_person_and_leaves_the_rest(
    store: Store, data: PersonData, audit: Audit, registry: Registry, tmp_path: Path
) -> None:
    turns, reviews = Turns(store), Reviews(store, audit)
    flag(turns, answered(turns))
    kept = answered(turns, "carl.contractor")
    flag(turns, kept)
    dataset(store, audit, "ds-emma", ("emma.employee", "leave"))
    dataset(store, audit, "ds-carl", ("carl.contractor", "leave"))
    first = registered(registry, audit, tmp_path, value=1.0, training=Training("ds-emma"))
    child = registered(registry, audit, tmp_path, value=2.0, training=Training("ds-carl", parent=first))
    other = registered(registry, audit, tmp_path, value=3.0, training=Training("ds-carl"))
    held = data.held("emma.employee")
    assert (held.questions, held.reports, held.adapters) == (2, 1, (first, child))
    done = data.erase("emma.employee", actor="emma.employee")
    assert (done.turns, done.adapters, done.datasets) == (2, (first, child), ("ds-emma",))
    assert [bool(registry.get(name).blocked) for name in (first, child, other)] == [True, True, False]
    assert data.exported("emma.employee")["turns"] == data.exported("emma.employee")["feedback"] == []
    waiting = reviews.queue.items(RITA, QueueFilter())
    assert [item.turn_id for item in waiting] == [kept.turn_id]
    again = data.erase("emma.employee", actor="ada.admin")
    assert (again.turns, again.adapters) == (0, (first, child))


def test_the_batches_that_a_person_is_to_rate_are_exported_and_outlast_an_erasure(
    store: Store, data: PersonData, audit: Audit
) -> None:
    ratings, asked = Ratings(store, audit), answered(Turns(store))
    items = [NewItem(asked.turn_id, "", {"a": {"turn_id": asked.turn_id}})]
    batch_id = ratings.create("x", "single", [RatedRun("a", "the chat")], items, by="ada.admin", seed=1)
    ratings.name_raters(batch_id, ["emma.employee"], by="ada.admin")
    assert data.exported("emma.employee")["named_rater"] == [{"batch_id": batch_id, "person_id": "emma.employee"}]
    data.erase("emma.employee", actor="ada.admin")
    assert (ratings.batch(batch_id).items, ratings.batch(batch_id).named) == (0, ("emma.employee",))


def test_who_only_reviewed_takes_no_adapter_along(
    store: Store, data: PersonData, audit: Audit, registry: Registry, tmp_path: Path
) -> None:
    dataset(store, audit, "ds-emma", ("emma.employee", "leave"))
    name = registered(registry, audit, tmp_path, value=1.0, training=Training("ds-emma"))
    assert data.erase("rita.reviewer", actor="rita.reviewer").adapters == ()
    assert not registry.get(name).blocked


@pytest.mark.parametrize("act", ["held", "exported"])
def test_an_unknown_person_is_said(data: PersonData, act: str) -> None:
    with pytest.raises(NotFound, match="users list"):
        getattr(data, act)("nobody.here")
    with pytest.raises(NotFound):
        data.erase("nobody.here", actor="ada.admin")
