"""A batch's figures on the page: disagreements can be settled by reading them, and what calibrates is not counted."""

from __future__ import annotations

import pytest

from assistant.pages.ratings_views import batches_html, results_html
from core.audit import Audit
from core.people import People
from core.rating_figures import figures
from core.rating_records import Given, Gold, NewItem, RatedRun, RatingKind
from core.ratings import Ratings
from core.records import Principal
from core.store import Store

RUNS = [RatedRun("a", "quote-v1"), RatedRun("b", "reader-v2")]
BEST = {"correct": 2, "complete": 2, "grounded": 2, "clear": 2}


def item(n: int, kind: RatingKind, gold: Gold | None = None) -> NewItem:
    answers = {key: {"text": f"{key}{n}", "citations": []} for key in ("ab" if kind == "pair" else "a")}
    return NewItem(f"case-{n}", f"Question <{n}>?", answers, gold)


@pytest.fixture
def ratings(store: Store, audit: Audit) -> Ratings:
    return Ratings(store, audit)


def raters(people: People) -> tuple[Principal, Principal]:
    return people.get("sam.support"), people.get("ada.admin")


def test_a_disagreement_names_question_runs_and_reasons(store: Store, ratings: Ratings, people: People) -> None:
    gold = item(9, "pair", Gold("a"))
    batch_id = ratings.create("x", "pair", RUNS, [gold, item(1, "pair")], by="ada", seed=1)
    for who, wanted in zip(raters(people), "ab", strict=True):
        while met := ratings.next(batch_id, who):
            place = "first" if met.answers[0].text.startswith(wanted) else "second"
            ratings.rate(met.item_id, who, Given(place, comment=f"<{wanted}> says it"))
    html = results_html(figures(store, ratings, batch_id))
    assert "1 of 1 items rated" in html
    assert "Question &lt;1&gt;?" in html
    assert "sam.support: quote-v1 · &lt;a&gt; says it" in html
    assert "ada.admin: reader-v2 · &lt;b&gt; says it" in html
    assert "Question &lt;9&gt;" not in html


def test_scores_that_differ_are_told_by_the_rubrics_words(store: Store, ratings: Ratings, people: People) -> None:
    batch_id = ratings.create("x", "single", RUNS[:1], [item(1, "single")], by="ada", seed=1)
    for who, correct in zip(raters(people), (0, 2), strict=True):
        met = ratings.next(batch_id, who)
        assert met
        ratings.rate(met.item_id, who, Given(scores=BEST | {"correct": correct}))
    html = results_html(figures(store, ratings, batch_id))
    assert "sam.support: wrong" in html and "ada.admin: right" in html


def test_administrators_alone_see_who_was_asked_and_who_has_not_begun(
    store: Store, ratings: Ratings, people: People
) -> None:
    batch_id = ratings.create("x", "single", RUNS[:1], [item(1, "single")], by="ada", seed=1)
    ratings.name_raters(batch_id, ["emma.employee", "hana.hr"], by="ada.admin")
    emma, carl, (sam, ada) = people.get("emma.employee"), people.get("carl.contractor"), raters(people)
    met = ratings.next(batch_id, emma)
    assert met
    ratings.rate(met.item_id, emma, Given(scores=BEST))
    told = "Asked to rate: emma.employee, hana.hr · nothing yet from hana.hr"
    assert told in batches_html(ratings.open_to(ada), ada)
    assert told in results_html(figures(store, ratings, batch_id))
    for who in (emma, sam):
        html = batches_html(ratings.open_to(who), who)
        assert "rt-batch" in html and "hana.hr" not in html
    assert "Nobody has asked you" in batches_html(ratings.open_to(carl), carl)
