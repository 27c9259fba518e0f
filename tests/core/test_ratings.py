"""Blind ratings: sides are drawn and stored, one rating for each person and item, nobody sees what is not theirs, figures are right."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import sqlalchemy as sa

from core.audit import Audit
from core.errors import BadInput, Conflict, NotAllowed, NotFound
from core.people import People
from core.rating_figures import exported, figures
from core.rating_records import RUBRIC, Given, Gold, NewItem, RatedRun
from core.ratings import Ratings
from core.store import Store
from core.tables import rating_item
from core.turns import Turns
from tests.conftest import make_person
from tests.core.queue import LEAVE, PAY, answered, shelve

RUNS = [RatedRun("a", "quote-v1", "run-a"), RatedRun("b", "reader-v2", "run-b")]
SAM, RITA = (make_person(f"{name}.support", ("everyone",), roles=("support",)) for name in ("sam", "rita"))
EMMA = make_person("emma.employee", ())
ADA = make_person("ada.admin", ("everyone",), clearance="restricted", roles=("admin",))
BEST = dict.fromkeys([one.key for one in RUBRIC], 2)


def pair(n: int, document: str = "leave", gold: Gold | None = None) -> NewItem:
    cited = [{"n": 1, "document_id": document, "version": 1, "title": "Leave", "section": "Days", "quote": "25 days"}]
    answers = {key: {"text": f"{key} says {n}", "citations": cited} for key in "ab"}
    return NewItem(f"case-{n}", f"Question {n}?", answers, gold)


def single(n: int, run: str = "a", gold: Gold | None = None) -> NewItem:
    return NewItem(f"case-{n}", f"Question {n}?", {run: {"text": f"{run} says {n}", "citations": []}}, gold)


@pytest.fixture
def ratings(store: Store, audit: Audit) -> Ratings:
    people = People(store, audit)
    people.add(EMMA, actor="test")
    shelve(store, "leave", LEAVE)
    shelve(store, "pay", PAY, "restricted", ("board",))
    return Ratings(store, audit)


def prefer(ratings: Ratings, batch_id: str, who: object, run: str) -> None:
    """Rate everything that is left: the answer of this run is better."""
    while item := ratings.next(batch_id, who):  # type: ignore[arg-type]
        place = "first" if item.answers[0].text.startswith(run) else "second"
        ratings.rate(item.item_id, who, Given(place, seconds=4.0))  # type: ignore[arg-type]


def test_sides_are_drawn_by_the_seed_and_stored(store: Store, ratings: Ratings) -> None:
    def sides(batch_id: str) -> dict[str, str]:
        with store.read() as connection:
            rows = connection.execute(sa.select(rating_item).where(rating_item.c.batch_id == batch_id)).all()
        return {row.case_id: row.answers[0]["run"] for row in rows}

    items = [pair(n) for n in range(60)]
    one, again, other = (sides(ratings.create("x", "pair", RUNS, items, by="ada", seed=seed)) for seed in (1, 1, 2))
    assert one == again != other
    assert 15 < Counter(one.values())["a"] < 45


def test_a_rater_meets_gold_first_is_told_and_then_every_item_once(store: Store, ratings: Ratings) -> None:
    gold = Gold("a", None, "It has the number.")
    batch_id = ratings.create("x", "pair", RUNS, [pair(1), pair(2), pair(3, gold=gold)], by="ada", seed=3)
    item = ratings.next(batch_id, SAM)
    assert item and item.calibration and item.question == "Question 3?"
    assert (item.place, item.of) == (1, 3)
    assert "run" not in str(item.answers) and "quote-v1" not in str(item)
    place = "first" if item.answers[0].text.startswith("b") else "second"
    kept = ratings.rate(item.item_id, SAM, Given(place))
    assert (kept.same, kept.gold) == (False, gold)
    with pytest.raises(Conflict, match="already"):
        ratings.rate(item.item_id, SAM, Given(place))
    seen = []
    while item := ratings.next(batch_id, SAM):
        seen.append(item.question)
        assert ratings.rate(item.item_id, SAM, Given("both")).gold is None
    assert sorted(seen) == ["Question 1?", "Question 2?"]
    assert figures(store, ratings, batch_id).accuracy["sam.support"].passed == 0


def test_a_skipped_item_comes_back_after_the_others(ratings: Ratings) -> None:
    batch_id = ratings.create("x", "pair", RUNS, [pair(1), pair(2)], by="ada", seed=1)
    first = ratings.next(batch_id, SAM)
    assert first
    second = ratings.next(batch_id, SAM, after=first.item_id)
    assert second and second.item_id != first.item_id
    assert ratings.next(batch_id, SAM, after=second.item_id) == first


def test_what_has_the_fewest_ratings_comes_first(ratings: Ratings) -> None:
    batch_id = ratings.create("x", "pair", RUNS, [pair(n) for n in range(4)], by="ada", seed=1)
    first = ratings.next(batch_id, SAM)
    assert first
    ratings.rate(first.item_id, SAM, Given("both"))
    other = ratings.next(batch_id, RITA)
    assert other and other.item_id != first.item_id


@pytest.mark.parametrize("given", [Given(""), Given("a"), Given("third"), Given("first", comment="x" * 4001)])
def test_a_rating_off_the_scale_is_refused(ratings: Ratings, given: Given) -> None:
    batch_id = ratings.create("x", "pair", RUNS, [pair(1)], by="ada", seed=1)
    item = ratings.next(batch_id, SAM)
    assert item
    with pytest.raises(BadInput):
        ratings.rate(item.item_id, SAM, given)


@pytest.mark.parametrize("scores", [None, {}, BEST | {"correct": 3}, BEST | {"correct": "2"}, BEST | {"nice": 1}])
def test_scores_that_miss_the_rubric_are_refused(ratings: Ratings, scores: dict[str, int] | None) -> None:
    batch_id = ratings.create("x", "single", RUNS[:1], [single(1)], by="ada", seed=1)
    item = ratings.next(batch_id, SAM)
    assert item
    with pytest.raises(BadInput):
        ratings.rate(item.item_id, SAM, Given(scores=scores))


@pytest.mark.parametrize(
    ("kind", "items"),
    [
        ("pair", []),
        ("pair", [single(1)]),
        ("single", [pair(1)]),
        ("pair", [pair(1, gold=Gold("c"))]),
        ("single", [single(1, gold=Gold(scores={"correct": 9}))]),
        ("single", [single(1, run="z")]),
    ],
)
def test_a_batch_that_cannot_be_rated_is_not_made(ratings: Ratings, kind: str, items: list[NewItem]) -> None:
    with pytest.raises(BadInput):
        ratings.create("x", kind, RUNS, items, by="ada", seed=1)  # type: ignore[arg-type]
    assert ratings.batches() == []


def test_nobody_rates_what_they_may_not_read_or_without_the_role(ratings: Ratings) -> None:
    batch_id = ratings.create("x", "pair", RUNS, [pair(1, "pay"), pair(2, "unknown-document")], by="ada", seed=1)
    assert ratings.next(batch_id, SAM) is None
    item = ratings.next(batch_id, ADA)
    assert item and item.question == "Question 2?"  # of a suite's own documents, to administrators
    with pytest.raises(NotAllowed):
        ratings.rate(item.item_id, SAM, Given("both"))
    with pytest.raises(NotAllowed):
        ratings.next(batch_id, EMMA)
    with pytest.raises(NotFound):
        ratings.next("no-such-batch", SAM)


def test_whom_a_batch_names_rates_that_batch_and_only_what_they_may_read(ratings: Ratings, audit: Audit) -> None:
    hers, other = (ratings.create(n, "pair", RUNS, [pair(1), pair(2, "pay")], by="ada", seed=1) for n in "xy")
    assert ratings.open_to(EMMA) == [] and not ratings.waits_for(EMMA)
    ratings.name_raters(hers, ["emma.employee"], by="ada.admin")
    ratings.name_raters(hers, ["emma.employee"], by="ada.admin")  # again: nothing changes
    named = [(row.actor, row.subject, row.details) for row in audit.rows() if row.action == "ratings.name"]
    assert named == [("ada.admin", hers, '{"raters": ["emma.employee"]}')]
    assert [one.batch_id for one in ratings.open_to(EMMA)] == [hers] and ratings.waits_for(EMMA)
    assert {one.batch_id for one in ratings.open_to(SAM)} == {hers, other}
    assert ratings.readable(hers, EMMA) == 1
    before = ratings.batch(hers)
    assert before.named == before.rated_nothing == ("emma.employee",)
    item = ratings.next(hers, EMMA)
    assert item and item.question == "Question 1?"
    ratings.rate(item.item_id, EMMA, Given("both"))
    assert ratings.next(hers, EMMA) is None and not ratings.waits_for(EMMA)  # the other rests on what she may not read
    assert ratings.batch(hers).named == ("emma.employee",) and ratings.batch(hers).rated_nothing == ()
    theirs = ratings.next(other, SAM)
    assert theirs
    for refused in (lambda: ratings.next(other, EMMA), lambda: ratings.rate(theirs.item_id, EMMA, Given("both"))):
        with pytest.raises(NotAllowed, match="names you"):
            refused()
    ratings.remove(hers, by="ada.admin")
    assert ratings.open_to(EMMA) == []
    with pytest.raises(NotFound):
        ratings.name_raters(hers, ["emma.employee"], by="ada.admin")


def test_an_answer_of_the_chat_is_nobodys_own_to_rate_and_goes_with_its_turn(store: Store, ratings: Ratings) -> None:
    turns = Turns(store)
    kept, secret = answered(turns), answered(turns, document_id="pay")
    items = [NewItem(one.turn_id, "", {"a": {"turn_id": one.turn_id}}) for one in (kept, secret)]
    batch_id = ratings.create("x", "single", RUNS[:1], items, by="ada", seed=1)
    item = ratings.next(batch_id, SAM)
    assert item and item.question == kept.question and item.answers[0].text == kept.answer
    assert item.answers[0].sources[0][1] == "Leave"
    assert ratings.next(batch_id, SAM, after=item.item_id) == item  # the other's sources are not theirs
    asker = replace(EMMA, roles=frozenset({"support"}))
    assert ratings.next(batch_id, asker) is None
    ratings.rate(item.item_id, SAM, Given(scores=BEST, comment="She means her own leave."))
    other = answered(turns)
    ratings.create(
        "y", "single", RUNS[:1], [NewItem(other.turn_id, "", {"a": {"turn_id": other.turn_id}})], by="a", seed=1
    )
    turns.delete(other.conversation_id, "emma.employee")
    with store.read() as connection:
        stored = connection.execute(sa.select(rating_item.c.question, rating_item.c.answers)).all()
    assert len(stored) == 2 and all(kept.answer not in str(row) and not row.question for row in stored)
    turns.erase("emma.employee")
    assert ratings.next(batch_id, SAM) is None
    assert list(exported(store, ratings, batch_id)) == [], "what was said of it went with it"


def test_preference_agreement_and_disagreements_of_pairs(store: Store, ratings: Ratings) -> None:
    batch_id = ratings.create("x", "pair", RUNS, [pair(n) for n in range(10)], by="ada", seed=1)
    prefer(ratings, batch_id, SAM, "b")
    odd = ratings.next(batch_id, RITA)
    assert odd
    ratings.rate(odd.item_id, RITA, Given("first" if odd.answers[0].text.startswith("a") else "second"))
    prefer(ratings, batch_id, RITA, "b")
    found = figures(store, ratings, batch_id)
    assert (found.items_rated, found.raters) == (10, ("rita.support", "sam.support"))
    assert found.preferred == {"a": 0, "both": 0, "neither": 0, "b": 9, "": 1}
    assert (found.a_wins.passed, found.a_wins.n) == (0, 9)
    (on,) = found.agreement
    assert [one.item for one in on.disagreements] == [odd.item_id]
    assert set(on.pairs) == {("rita.support", "sam.support")}
    assert found.first_wins.n == 20 and 0 < found.first_wins.passed < 20
    rows = list(exported(store, ratings, batch_id))
    assert len(rows) == 20
    assert Counter(row["preferred"] for row in rows) == {"reader-v2": 19, "quote-v1": 1}


def test_means_of_single_answers_by_run(store: Store, ratings: Ratings) -> None:
    items = [single(n, run) for n in range(4) for run in "ab"]
    batch_id = ratings.create("x", "single", RUNS, items, by="ada", seed=1)
    for who in (SAM, RITA):
        while item := ratings.next(batch_id, who):
            good = item.answers[0].text.startswith("a")
            ratings.rate(item.item_id, who, Given(scores=BEST if good else BEST | {"correct": 0}))
    found = figures(store, ratings, batch_id)
    correct = {one.run: one for one in found.scores if one.criterion == "correct"}
    assert (correct["quote-v1"].mean, correct["reader-v2"].mean) == (2.0, 0.0)
    assert correct["quote-v1"].n == 4 and correct["quote-v1"].highest == 2
    agreement = {one.on: one for one in found.agreement}
    assert agreement["correct"].alpha.value == 1.0
    assert agreement["clear"].alpha.value is None  # everybody always said the same
    assert ratings.of_run("run-b")[0].batch_id == batch_id
    assert ratings.of_run("run-c") == []
    ratings.remove(batch_id, by="ada")
    assert ratings.batches() == []
