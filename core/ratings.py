"""Blind ratings of answers by people: batches of pairs or single answers, one rating for each rater and item.

    ratings = Ratings(store, audit)
    batch_id = ratings.create("quote against reader", "pair", runs, items, by="grace.lin", seed=1)
    item = ratings.next(batch_id, rater)
    ratings.rate(item.item_id, rater, Given(preferred="first"))

Support and administrators rate any batch, everybody else the batches that name them. Which of the two stands first is drawn when
the batch is made, and stored. Nobody is shown an answer that cites a document which they may not read, nor one to their own
question, nor another's rating. An item of a chat's turn holds no words of its own: they are read from the turn, and whoever
deletes a conversation deletes the item, too, with what was said of it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from core.audit import Audit
from core.errors import BadInput, Conflict, NotAllowed, NotFound
from core.rating_records import (
    PREFERRED,
    RUBRIC,
    Batch,
    Criterion,
    Given,
    Gold,
    Kept,
    NewItem,
    RatedRun,
    RatingItem,
    RatingKind,
    ShownAnswer,
)
from core.records import Principal
from core.review_queue import STAFF, UNKNOWN, Source, sources_of
from core.store import Store
from core.tables import rating, rating_batch, rating_item, rating_rater, turn
from core.turns import new_id, now, turn_of

LONGEST_COMMENT = 4000
MOST_ITEMS = 2000
PLACES = ("first", "second")
Key = tuple[str, int]


class Ratings:
    """Makes batches, hands out items and keeps ratings. What they say: core/rating_figures.py."""

    def __init__(self, store: Store, audit: Audit) -> None:
        self._store = store
        self._audit = audit

    def create(
        self,
        name: str,
        kind: RatingKind,
        runs: Sequence[RatedRun],
        items: Sequence[NewItem],
        *,
        by: str,
        seed: int,
    ) -> str:
        """Keep a batch, in an order and with sides that are drawn by `seed`; returns its id.

        Raises:
            BadInput: no items, too many, an empty name, an item without an answer of every run, or gold off the scale.
        """
        name = " ".join(name.split())
        if not name or len(name) > 200:
            raise BadInput("Name the batch, in at most 200 characters.")
        if not items or len(items) > MOST_ITEMS:
            raise BadInput(f"A batch has 1 to {MOST_ITEMS} items, and this one would have {len(items)}.")
        for one in items:
            _sound_item(one, kind, runs, RUBRIC)
        lot = random.Random(seed)  # noqa: S311 - a draw that can be made again, no secret
        ordered = [one for one in items if one.gold] + _shuffled([one for one in items if not one.gold], lot)
        batch_id = new_id()
        values = {
            "batch_id": batch_id,
            "name": name,
            "kind": kind,
            "rubric": [asdict(one) for one in RUBRIC] if kind == "single" else [],
            "runs": [asdict(one) for one in runs],
            "created_by": by,
            "created_at": now(),
        }
        with self._audit.recorded(by, "ratings.create", batch_id, items=len(items), kind=kind) as connection:
            connection.execute(rating_batch.insert().values(values))
            rows = [_item_row(batch_id, n, one, lot) for n, one in enumerate(ordered)]
            connection.execute(rating_item.insert(), rows)
        return batch_id

    def name_raters(self, batch_id: str, raters: Sequence[str], *, by: str) -> None:
        """Ask these people (ids of accounts) to rate the batch: it is theirs to rate from now on, whatever their roles.

        Raises NotFound where there is no such batch.
        """
        known = self.batch(batch_id).named
        rows = [{"batch_id": batch_id, "person_id": one} for one in raters if one not in known]
        if rows:
            with self._audit.recorded(by, "ratings.name", batch_id, raters=sorted(raters)) as connection:
                connection.execute(rating_rater.insert(), rows)

    def remove(self, batch_id: str, *, by: str) -> None:
        """Delete a batch with its ratings. Raises NotFound."""
        with self._audit.recorded(by, "ratings.remove", batch_id) as connection:
            if not connection.execute(rating_batch.delete().where(rating_batch.c.batch_id == batch_id)).rowcount:
                raise NotFound("There is no such batch. List them with: python -m eval ratings show")

    def batches(self, rater: str = "") -> list[Batch]:
        """Every batch, newest first, with how far this rater is."""
        items = sa.select(rating_item.c.batch_id, sa.func.count().label("n")).group_by(rating_item.c.batch_id)
        made = sa.select(rating_item.c.batch_id, sa.func.count().label("n")).join(
            rating, rating.c.item_id == rating_item.c.item_id
        )
        with self._store.read() as connection:
            rows = connection.execute(sa.select(rating_batch).order_by(rating_batch.c.created_at.desc())).all()
            total = {row.batch_id: row.n for row in connection.execute(items)}
            every = {row.batch_id: row.n for row in connection.execute(made.group_by(rating_item.c.batch_id))}
            own = made.where(rating.c.rater == rater).group_by(rating_item.c.batch_id)
            mine = {row.batch_id: row.n for row in connection.execute(own)}
            named = connection.execute(_named()).all()
        return [
            _batch(
                row,
                (total.get(row.batch_id, 0), mine.get(row.batch_id, 0), every.get(row.batch_id, 0)),
                [one for one in named if one.batch_id == row.batch_id],
            )
            for row in rows
        ]

    def open_to(self, rater: Principal) -> list[Batch]:
        """The batches that this person rates, newest first: every one for support and administrators, else those that name them."""
        if rater.roles & STAFF:
            return self.batches(rater.person_id)
        mine = sa.select(rating_rater.c.batch_id).where(rating_rater.c.person_id == rater.person_id)
        with self._store.read() as connection:
            named = set(connection.scalars(mine))
        # Every page of every employee asks this, and nearly all of them are named nowhere.
        return [one for one in self.batches(rater.person_id) if one.batch_id in named] if named else []

    def waits_for(self, rater: Principal) -> bool:
        """Whether there is an item left that this person may rate."""
        left = (one.batch_id for one in self.open_to(rater) if one.rated < one.items)
        return any(self.next(batch_id, rater) for batch_id in left)

    def readable(self, batch_id: str, rater: Principal) -> int:
        """How many of a batch's items this person may see."""
        with self._store.snapshot() as connection:
            rows = connection.execute(sa.select(rating_item).where(rating_item.c.batch_id == batch_id)).all()
            return sum(shown(connection, row, rater) is not None for row in rows)

    def batch(self, batch_id: str, rater: str = "") -> Batch:
        """Raises NotFound."""
        found = next((one for one in self.batches(rater) if one.batch_id == batch_id), None)
        if found is None:
            raise NotFound("There is no such batch. List them with: python -m eval ratings show")
        return found

    def next(self, batch_id: str, rater: Principal, *, after: str = "") -> RatingItem | None:
        """The next item that this rater has not rated: gold first, then what has the fewest ratings; None where none is left.

        Args:
            after: an item that was skipped; what follows it comes first.

        Raises:
            NotFound: no such batch.
            NotAllowed: it is not this person's to rate.
        """
        with self._store.read() as connection:
            _require(connection, batch_id, rater)
        batch = self.batch(batch_id, rater.person_id)
        counts = sa.select(sa.func.count()).where(rating.c.item_id == rating_item.c.item_id).scalar_subquery()
        mine = sa.select(rating.c.item_id).where(rating.c.rater == rater.person_id)
        query = sa.select(rating_item, counts.label("n")).where(
            rating_item.c.batch_id == batch_id, rating_item.c.item_id.not_in(mine)
        )
        with self._store.snapshot() as connection:
            rows = sorted(connection.execute(query), key=lambda r: (r.gold is None, r.n, r.ordinal))
            skipped = next((row for row in rows if row.item_id == after), None)
            if skipped is not None:
                at = rows.index(skipped) + 1
                rows = rows[at:] + rows[:at]
            for row in rows:
                found = shown(connection, row, rater)
                if found is not None:
                    return RatingItem(
                        item_id=row.item_id,
                        batch_id=batch_id,
                        kind=batch.kind,
                        place=batch.rated + 1,
                        of=batch.items,
                        question=found[0],
                        answers=found[1],
                        rubric=batch.rubric,
                        calibration=row.gold is not None,
                    )
        return None

    def rate(self, item_id: str, rater: Principal, given: Given) -> Kept:
        """Keep a rating; of an item that calibrates, say what was agreed.

        Raises:
            NotFound: no such item, or its words are gone.
            NotAllowed: the batch is not this person's to rate, or they may not see this item.
            BadInput: the rating does not fit the batch.
            Conflict: this person has rated the item already.
        """
        with self._store.begin() as connection:
            joined = sa.select(rating_item, rating_batch.c.kind, rating_batch.c.rubric).join(
                rating_batch, rating_batch.c.batch_id == rating_item.c.batch_id
            )
            row = connection.execute(joined.where(rating_item.c.item_id == item_id)).first()
            if row is None:
                raise NotFound("There is no such item: its batch may have been removed.")
            _require(connection, row.batch_id, rater)
            if shown(connection, row, rater) is None:
                raise NotAllowed(
                    "This item is not yours to rate: its sources are not yours to read, or it is your own."
                )
            order = [str(one["run"]) for one in row.answers]
            values = _sound(given, row.kind, _rubric(row.rubric), order)
            mine = sa.and_(rating.c.item_id == item_id, rating.c.rater == rater.person_id)
            if connection.execute(sa.select(rating.c.item_id).where(mine)).first() is not None:
                raise Conflict("You have rated this item already: one rating for each person and item.")
            keys = {"item_id": item_id, "rater": rater.person_id, "created_at": now()}
            connection.execute(rating.insert().values(values | keys))
        gold = _gold(row.gold)
        if gold is None:
            return Kept()
        same = values["preferred"] == gold.preferred and values["scores"] == dict(gold.scores or {})
        agreed = PLACES[order.index(gold.preferred)] if gold.preferred in order else gold.preferred
        return Kept(gold, same, agreed)

    def of_run(self, run_id: str) -> list[Batch]:
        """The batches that hold an evaluation run's answers and have ratings."""
        return [one for one in self.batches() if one.ratings and run_id in {run.run_id for run in one.runs}]


def _require(connection: sa.Connection, batch_id: str, rater: Principal) -> None:
    mine = sa.and_(rating_rater.c.batch_id == batch_id, rating_rater.c.person_id == rater.person_id)
    if not rater.roles & STAFF and connection.execute(sa.select(rating_rater).where(mine)).first() is None:
        raise NotAllowed(
            "Rating these answers needs the role support or admin, or an administrator who names you as a rater."
        )


def _named() -> sa.Select[Any]:
    """Who is named in which batch, and whether they have rated any of it."""
    of_batch = rating_item.c.batch_id == rating_rater.c.batch_id
    done = sa.select(rating.c.item_id).join(rating_item, rating_item.c.item_id == rating.c.item_id).where(of_batch)
    began = done.where(rating.c.rater == rating_rater.c.person_id).exists()
    return sa.select(rating_rater, began.label("began")).order_by(rating_rater.c.person_id)


def _shuffled(items: list[NewItem], lot: random.Random) -> list[NewItem]:
    lot.shuffle(items)
    return items


def _item_row(batch_id: str, ordinal: int, one: NewItem, lot: random.Random) -> dict[str, object]:
    answers = [{"run": run, **answer} for run, answer in sorted(one.answers.items())]
    if len(answers) == 2 and lot.random() < 0.5:
        answers.reverse()
    return {
        "item_id": new_id(),
        "batch_id": batch_id,
        "ordinal": ordinal,
        "case_id": one.case_id,
        "question": one.question,
        "answers": answers,
        "gold": asdict(one.gold) if one.gold else None,
    }


def _sound_item(one: NewItem, kind: RatingKind, runs: Sequence[RatedRun], rubric: Sequence[Criterion]) -> None:
    keys = {run.key for run in runs}
    if not set(one.answers) <= keys or len(one.answers) != (2 if kind == "pair" else 1):
        raise BadInput(
            f"{one.case_id[:80]}: an item of a {kind} batch has {'two answers' if kind == 'pair' else 'one answer'}."
        )
    if one.gold is not None:
        place = {"a": "first", "b": "second"}.get(one.gold.preferred, one.gold.preferred)
        _sound(Given(place, one.gold.scores), kind, rubric, ["a", "b"])


def _sound(given: Given, kind: str, rubric: Sequence[Criterion], order: Sequence[str]) -> dict[str, Any]:
    """The columns of a rating; places become the runs that stand there."""
    comment = given.comment.strip()
    if len(comment) > LONGEST_COMMENT:
        raise BadInput(f"A comment has at most {LONGEST_COMMENT} characters.")
    seconds = given.seconds if math.isfinite(given.seconds) and given.seconds >= 0 else 0.0
    values: dict[str, Any] = {"comment": comment, "seconds": min(seconds, 86_400.0), "scores": {}, "preferred": ""}
    if kind == "pair":
        run = order[PLACES.index(given.preferred)] if given.preferred in PLACES else given.preferred
        if run not in PREFERRED or given.preferred in ("a", "b"):
            raise BadInput("Say which answer is better: first, second, both or neither.")
        return values | {"preferred": run}
    scores = dict(given.scores or {})
    for one in rubric:
        if type(scores.get(one.key)) is not int or not 0 <= scores[one.key] < len(one.levels):
            raise BadInput(f"Score {one.name.lower()} from 0 to {len(one.levels) - 1}: {', '.join(one.levels)}.")
    if unknown := sorted(set(scores) - {one.key for one in rubric}):
        raise BadInput(f"The rubric has no {unknown[0][:40]!r}.")
    return values | {"scores": scores}


def shown(connection: sa.Connection, row: Any, rater: Principal) -> tuple[str, tuple[ShownAnswer, ...]] | None:
    """Question and answers, in their order; None where they are not this rater's to see, or are gone."""
    read = [_read(connection, answer) for answer in row.answers]
    if any(one is None for one in read):
        return None
    found = [one for one in read if one is not None]
    if rater.person_id in {one["person_id"] for one in found}:
        return None
    rests_on: set[Key] = {key for one in found for key in one["keys"]}
    sources = sources_of(connection, rests_on)
    if not all(_readable(sources[key], rater) for key in rests_on):
        return None
    question = row.question or next((one["question"] for one in found if one["question"]), "")
    answers = tuple(
        ShownAnswer(
            one["text"],
            [
                (int(c["n"]), str(c["title"]), str(c.get("section", "")), str(c.get("quote", "")))
                for c in one["citations"]
            ],
        )
        for one in found
    )
    return question, answers


def _readable(source: Source, rater: Principal) -> bool:
    """A suite's own documents are in no catalogue: administrators alone see what cites them."""
    return rater.has_role("admin") if source is UNKNOWN else source.readable_by(rater)


def _read(connection: sa.Connection, answer: Mapping[str, Any]) -> dict[str, Any] | None:
    """An answer's text, citations, question, who asked it and what it rests on; None where its turn is gone or keeps no text."""
    if "text" in answer:
        keys = [(str(c["document_id"]), int(c["version"])) for c in answer["citations"]]
        return {"text": answer["text"], "citations": answer["citations"], "question": "", "person_id": "", "keys": keys}
    row = connection.execute(sa.select(turn).where(turn.c.turn_id == answer["turn_id"])).first()
    if row is None or not row.question.strip():
        return None
    asked = turn_of(row)
    keys = [(str(one.get("document_id", "")), int(str(one.get("version", 0)))) for one in asked.passages]
    return {
        "text": asked.answer,
        "citations": [asdict(c) for c in asked.citations],
        "question": asked.question,
        "person_id": asked.person_id,
        "keys": keys,
    }


def _batch(row: Any, counts: tuple[int, int, int], named: Sequence[Any]) -> Batch:
    items, rated, ratings = counts
    return Batch(
        batch_id=row.batch_id,
        name=row.name,
        kind=row.kind,
        rubric=_rubric(row.rubric),
        runs=tuple(RatedRun(**one) for one in row.runs),
        created_by=row.created_by,
        created_at=row.created_at,
        items=items,
        rated=rated,
        ratings=ratings,
        named=tuple(one.person_id for one in named),
        rated_nothing=tuple(one.person_id for one in named if not one.began),
    )


def _rubric(stored: Sequence[Mapping[str, Any]]) -> tuple[Criterion, ...]:
    return tuple(Criterion(**{**one, "levels": tuple(one["levels"])}) for one in stored)


def _gold(stored: Mapping[str, Any] | None) -> Gold | None:
    return Gold(**stored) if stored else None
