"""Gold items and agreement: are reviewers careful, and do they judge alike.

A gold item is a closed item that is put into the queue again, where it looks like any other and everybody meets it once;
what they decide is compared with what it was settled to, and goes nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from core.audit import Audit
from core.errors import Conflict, NotAllowed, NotFound
from core.rates import Rate, wilson
from core.records import Correction, Decision, Principal, Triage
from core.review_queue import reviews_of, triage_of
from core.review_rules import agree, settled
from core.store import Store
from core.tables import review, review_item, turn
from core.turns import new_id, now

if TYPE_CHECKING:
    from core.agreement import Coefficient, Rating


@dataclass(frozen=True, slots=True)
class GoldItem:
    """One gold item: what it was settled to, and how many reviewers have met it."""

    item_id: str
    made_from: str
    decision: Decision
    made_by: str
    created_at: datetime
    answers: int


@dataclass(frozen=True, slots=True)
class Pair:
    """Two reviewers and Cohen's kappa of their decisions on what both decided without seeing the other's."""

    first: str
    second: str
    kappa: Coefficient


@dataclass(frozen=True, slots=True)
class Agreement:
    """How alike reviewers judge.

    Attributes:
        agreed: of the items that two decided, those on which decision and answer were the same.
        waiting: items on which two disagree and no third has decided yet.
        alpha: Krippendorff's, over everybody's decisions, gold items included.
        accuracy: reviewer to the share of gold items that they decided as it was settled.
    """

    agreed: Rate
    waiting: int
    pairs: tuple[Pair, ...]
    alpha: Coefficient
    accuracy: dict[str, Rate]


class Gold:
    """Makes and lists gold items, and computes the figures; all of it is administrators' business."""

    def __init__(self, store: Store, audit: Audit) -> None:
        self._store = store
        self._audit = audit

    def add(self, item_id: str, *, by: Principal) -> str:
        """Put a closed item into the queue again as gold; returns the new item's id.

        Raises:
            NotAllowed: `by` is no administrator.
            NotFound: no such item.
            Conflict: it is not closed, holds no words, or its answer is gold already.
        """
        _administrator(by)
        gold_id = new_id()
        with self._audit.recorded(by.person_id, "gold.add", gold_id, made_from=item_id) as connection:
            row = connection.execute(
                sa.select(review_item, turn.c.question)
                .join(turn, turn.c.turn_id == review_item.c.turn_id)
                .where(review_item.c.item_id == item_id)
            ).first()
            if row is None:
                raise NotFound("There is no such review item.")
            made = reviews_of(connection, item_id)
            if row.status != "done" or row.gold is not None or not made:
                raise Conflict(
                    "Only an item that is closed can become gold: its decision is what others are held against."
                )
            if not row.question.strip():
                raise Conflict("Nothing was kept of this question: it cannot become gold.")
            same = sa.and_(review_item.c.turn_id == row.turn_id, review_item.c.gold.is_not(sa.null()))
            if connection.execute(sa.select(review_item.c.item_id).where(same)).first() is not None:
                raise Conflict("This answer is a gold item already.")
            connection.execute(review_item.insert().values(_copy(row, gold_id, made, by)))
        return gold_id

    def remove(self, gold_id: str, *, by: Principal) -> None:
        """Take a gold item out of the queue, with what was decided on it. Raises NotAllowed, NotFound."""
        _administrator(by)
        gold = sa.and_(review_item.c.item_id == gold_id, review_item.c.gold.is_not(sa.null()))
        with self._audit.recorded(by.person_id, "gold.remove", gold_id) as connection:
            if not connection.execute(review_item.delete().where(gold)).rowcount:
                raise NotFound("There is no such gold item. List them with: python -m assistant reviews gold")

    def listed(self, by: Principal) -> list[GoldItem]:
        """Oldest first. Raises NotAllowed."""
        _administrator(by)
        answers = sa.select(sa.func.count()).where(review.c.item_id == review_item.c.item_id).scalar_subquery()
        query = sa.select(review_item, answers.label("answers")).where(review_item.c.gold.is_not(sa.null()))
        with self._store.read() as connection:
            rows = connection.execute(query.order_by(review_item.c.created_at)).all()
        return [
            GoldItem(r.item_id, r.gold["item_id"], r.gold["decision"], r.gold["made_by"], r.created_at, r.answers)
            for r in rows
        ]

    def agreement(self, by: Principal) -> Agreement:
        """The figures over everything that was decided. Raises NotAllowed."""
        _administrator(by)
        with self._store.snapshot() as connection:
            columns = sa.select(review, review_item.c.gold, review_item.c.status)
            rows = connection.execute(columns.join(review_item, review_item.c.item_id == review.c.item_id)).all()
        made: dict[str, list[Triage]] = {}
        hits: dict[str, list[bool]] = {}
        for row in rows:
            one = _triage(row)
            if row.gold is not None:
                hits.setdefault(one.reviewer, []).append(agree(one, _settled_to(row.gold, one)))
            elif one.step != "adjudication":
                made.setdefault(one.item_id, []).append(one)
        double = [pair for pair in made.values() if len(pair) == 2]
        ratings = _ratings([_triage(row) for row in rows if row.step != "adjudication"])
        return Agreement(
            agreed=wilson(sum(agree(*pair) for pair in double), len(double)),
            waiting=len({row.item_id for row in rows if row.status == "adjudicate"}),
            pairs=_pairs(ratings),
            alpha=_alpha(ratings),
            accuracy={who: wilson(sum(right), len(right)) for who, right in sorted(hits.items())},
        )


def _administrator(by: Principal) -> None:
    if not by.has_role("admin"):
        raise NotAllowed("Gold items and agreement are shown to administrators only.")


def _copy(row: Any, gold_id: str, made: Sequence[Triage], by: Principal) -> dict[str, object]:
    """The gold item's row. Who settled the item, and who made it gold, know it: they do not meet it again."""
    final = settled(made)
    kept = ("turn_id", "feedback_id", "source", "priority", "department", "language")
    gold = {
        "item_id": row.item_id,
        "decision": final.decision,
        "correction": asdict(final.correction) if final.correction else None,
        "made_by": by.person_id,
        "known_to": sorted({one.reviewer for one in made} | {by.person_id}),
    }
    at = now()
    return {name: getattr(row, name) for name in kept} | {
        "item_id": gold_id,
        "status": "open",
        "assigned_to": "",
        "gold": gold,
        "created_at": at,
        "updated_at": at,
    }


def _triage(row: Any) -> Triage:
    return triage_of({name: getattr(row, name) for name in Triage.__slots__})


def _settled_to(gold: Any, like: Triage) -> Triage:
    correction = Correction(**gold["correction"]) if gold["correction"] else None
    return Triage("", like.item_id, "", "first", gold["decision"], like.created_at, correction)


def _ratings(made: Sequence[Triage]) -> list[Rating]:
    from core.agreement import Rating

    return [Rating(one.item_id, one.reviewer, one.decision) for one in made]


def _pairs(ratings: Sequence[Rating]) -> tuple[Pair, ...]:
    from core.agreement import cohen
    from core.records import DECISIONS

    return tuple(Pair(*names, kappa) for names, kappa in sorted(cohen(ratings, DECISIONS).items()))


def _alpha(ratings: Sequence[Rating]) -> Coefficient:
    from core.agreement import krippendorff
    from core.records import DECISIONS

    return krippendorff(ratings, DECISIONS)
