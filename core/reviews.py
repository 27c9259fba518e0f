"""What reviewers do with the queue: take an item, decide it, hand it on; and what training may learn from.

An item goes open -> (second) -> (adjudicate) -> done. Who takes it holds it for a while and loses it when that is over.
Decisions that the settings name need two reviewers, who decide without seeing each other's; where they disagree, a third
settles it, and all three decisions are kept. Nobody decides on an answer to their own question.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from core.audit import Audit
from core.consent import Consent
from core.document_tasks import open_task, target
from core.errors import Conflict, NotAllowed, NotFound
from core.people import principal
from core.records import Decision, Principal, Triage, Turn
from core.review_items import feedback_of
from core.review_queue import LONGEST_LEASE, STAFF, Queue, refusal, reviews_of
from core.review_records import STEPS, Approved, Item, Judgement, QueueFilter, Step
from core.review_rules import agree, settled, sound
from core.settings import Settings
from core.store import Store
from core.tables import feedback, person, review, review_item, training_consent, turn
from core.turns import new_id, turn_of

LEASE = timedelta(minutes=30)
TWICE: frozenset[Decision] = frozenset({"train"})
BLANK = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""What `str.strip` takes away, for a database to do the same."""
_STEPS: dict[str, Step] = {"open": "first", "assigned": "first", "second": "second", "adjudicate": "adjudication"}


class Reviews:
    """Changes the queue; every change and its audit row commit together.

    Args:
        twice: the decisions that need two reviewers.
        lease: how long an item that somebody took stays theirs.
    """

    def __init__(
        self, store: Store, audit: Audit, *, twice: Collection[Decision] = TWICE, lease: timedelta = LEASE
    ) -> None:
        self._store = store
        self._audit = audit
        self._twice = frozenset(twice)
        self._lease = lease
        self.queue = Queue(store)

    def claim(self, item_id: str, reviewer: Principal, *, at: datetime | None = None) -> Item:
        """Take an item, or keep it for another lease; of two who take it at once one gets it.

        Raises:
            NotFound: no such item.
            NotAllowed: it is not this person's to decide.
            Conflict: it is closed, or somebody holds it.
        """
        now = at or datetime.now(UTC)
        self._require(self.queue.item(item_id, reviewer, at=now), reviewer)
        free = sa.or_(
            review_item.c.lease_until.is_(None),
            review_item.c.lease_until <= now,
            review_item.c.lease_until > now + LONGEST_LEASE,
            review_item.c.assigned_to.in_(("", reviewer.person_id)),
        )
        mine = sa.and_(review_item.c.item_id == item_id, review_item.c.status != "done", free)
        values = {"assigned_to": reviewer.person_id, "lease_until": now + self._lease, "updated_at": now}
        with self._store.begin() as connection:
            taken = connection.execute(review_item.update().where(mine).values(values)).rowcount
        item = self.queue.item(item_id, reviewer, at=now)
        if not taken:
            self._require(item, reviewer)
            raise Conflict("Somebody else was faster: take the next item.")
        return item

    def claim_next(self, reviewer: Principal, wanted: QueueFilter, *, at: datetime | None = None) -> Item | None:
        """Take what is due first of what this reviewer may decide; None where nothing is left."""
        now = at or datetime.now(UTC)
        for item in self.queue.items(reviewer, wanted, at=now):
            if (
                item.status == "done"
                or item.mine
                or not item.allowed
                or item.assigned_to not in ("", reviewer.person_id)
            ):
                continue
            try:
                return self.claim(item.item_id, reviewer, at=now)
            except (Conflict, NotAllowed, NotFound):
                continue  # taken or withdrawn a moment ago, or their own question
        return None

    def release(self, item_id: str, reviewer: Principal) -> None:
        """Give back an item that this person holds; nothing happens where they do not."""
        held = sa.and_(review_item.c.item_id == item_id, review_item.c.assigned_to == reviewer.person_id)
        with self._store.begin() as connection:
            connection.execute(review_item.update().where(held).values(assigned_to="", lease_until=None))

    def assign(self, item_id: str, to: str, *, by: Principal, at: datetime | None = None) -> Item:
        """Hand an item to a reviewer, who holds it from now on.

        Raises:
            NotAllowed: `by` is no reviewer, or somebody else's item is taken away by one who is no admin.
            NotFound: no such item or person.
            Conflict: it is not that person's to decide; says why.
        """
        now = at or datetime.now(UTC)
        if not by.roles & STAFF:
            raise NotAllowed("Handing on an item needs the role support or admin.")
        holder = self.queue.item(item_id, by, at=now).assigned_to
        if holder not in ("", by.person_id) and not by.has_role("admin"):
            raise NotAllowed(f"{holder} holds this item: only an administrator takes it from them.")
        with self._audit.recorded(by.person_id, "review.assign", item_id, to=to) as connection:
            row = connection.execute(
                sa.select(person).where(person.c.person_id == to, person.c.active.is_(True))
            ).first()
            if row is None:
                raise NotFound(
                    f"No active person has the id {to[:80]!r}. List them with: python -m assistant users list"
                )
            free = {"assigned_to": "", "lease_until": None, "updated_at": now}
            connection.execute(review_item.update().where(review_item.c.item_id == item_id).values(free))
            why_not = self._why_not(connection, item_id, principal(row), now)
            if why_not:
                raise Conflict(f"{to} cannot take this item: {why_not}")
            held = {"assigned_to": to, "lease_until": now + self._lease}
            connection.execute(review_item.update().where(review_item.c.item_id == item_id).values(held))
        return self.queue.item(item_id, by, at=now)

    def decide(self, item_id: str, reviewer: Principal, judgement: Judgement, *, at: datetime | None = None) -> Item:
        """Keep a reviewer's decision, and close the item where that settles it. The same decision again changes nothing.

        Raises:
            NotFound: no such item.
            BadInput: the judgement is not complete, or its correction does not fit; says what.
            NotAllowed: it is not this person's to decide.
            Conflict: it is closed, decided by this person already, or held by somebody else.
        """
        now = at or datetime.now(UTC)
        item = self.queue.item(item_id, reviewer, at=now)
        if item.mine and self._same(item_id, reviewer, judgement):
            return item
        self._require(item, reviewer)
        with self._store.read() as connection:
            asked = turn_of(connection.execute(sa.select(turn).where(turn.c.turn_id == item.turn_id)).one())
        judgement = self._sound(judgement, asked, reviewer)
        review_id = new_id()
        details = {"decision": judgement.decision, "review": review_id}
        with self._audit.recorded(reviewer.person_id, "review.decide", item_id, **details) as connection:
            row = connection.execute(
                sa.select(review_item).where(review_item.c.item_id == item_id).with_for_update()
            ).first()
            if row is None:
                raise NotFound("The person who asked has deleted this answer meanwhile.")
            if why_not := self._why_not(connection, item_id, reviewer, now):
                raise Conflict(why_not)
            made = Triage(
                review_id=review_id,
                item_id=item_id,
                reviewer=reviewer.person_id,
                step="first" if row.gold is not None else _STEPS[row.status],
                created_at=now,
                **{name: getattr(judgement, name) for name in ("decision", "correction", "note", "seconds")},
            )
            values = asdict(made) | {"correction": asdict(made.correction) if made.correction else {}}
            if made.decision == "fix_document":
                target(connection, made, asked)  # refused now, and not when a second reviewer agrees
            connection.execute(review.insert().values(values))
            self._advance(connection, row, asked, now)
        return self.queue.item(item_id, reviewer, at=now)

    def _advance(self, connection: sa.Connection, row: Any, asked: Turn, now: datetime) -> None:
        """Let go of the item, and bring it to where its decisions put it."""
        made = reviews_of(connection, row.item_id)
        status = "open" if row.gold is not None else self._status(made)
        values = {"status": status, "assigned_to": "", "lease_until": None, "updated_at": now}
        if status == "done":
            values["closed_at"] = now
        connection.execute(review_item.update().where(review_item.c.item_id == row.item_id).values(values))
        if status == "done" and (final := settled(made)).decision == "fix_document":
            open_task(connection, final, asked)

    def _status(self, made: Sequence[Triage]) -> str:
        if made[-1].step == "adjudication":
            return "done"
        if made[-1].step == "second":
            return "done" if agree(made[0], made[1]) else "adjudicate"
        return "second" if made[0].decision in self._twice else "done"

    def approved(self, since: datetime | None = None) -> Iterator[Approved]:
        """What a model may learn from: closed with `train`, oldest first, nobody's who opted out, nothing without words.

        Args:
            since: only what was closed at or after that time.
        """
        closed = [review_item.c.status == "done", review_item.c.gold.is_(sa.null())]
        if since is not None:
            closed.append(review_item.c.closed_at >= since)
        query = sa.select(review_item).where(*closed).order_by(review_item.c.closed_at, review_item.c.item_id)
        with self._store.snapshot() as connection:
            opted_out = Consent.opted_out_in(connection)
            for row in connection.execute(query).all():
                found = _approved(connection, row, opted_out)
                if found is not None:
                    yield found

    def approved_count(self) -> int:
        """How many `approved` gives, counted by the database: a page and a worker ask every few seconds."""
        final = sa.select(review, _final_is_first()).subquery()
        others = sa.exists().where(
            review.c.item_id == review_item.c.item_id,
            review.c.decision == "train",
            review.c.reviewer != turn.c.person_id,
        )
        opted_out = sa.exists().where(
            training_consent.c.person_id == turn.c.person_id, training_consent.c.allowed.is_(False)
        )
        rows = review_item.join(turn, turn.c.turn_id == review_item.c.turn_id)
        query = (
            sa.select(sa.func.count())
            .select_from(rows.join(final, final.c.item_id == review_item.c.item_id))
            .where(review_item.c.status == "done", review_item.c.gold.is_(sa.null()))
            .where(final.c.place == 1, final.c.decision == "train", final.c.correction["kind"].as_string().is_not(None))
            .where(others, ~opted_out, sa.func.ltrim(turn.c.question, BLANK) != "")
        )
        with self._store.read() as connection:
            return int(connection.scalar(query) or 0)

    def _sound(self, judgement: Judgement, asked: Turn, reviewer: Principal) -> Judgement:
        named = list(asked.passages)
        wanted = judgement.correction.passage_id if judgement.correction else ""
        if wanted and wanted not in {str(one["passage_id"]) for one in named}:
            named.append({"passage_id": wanted})
        return sound(judgement, asked, self.queue.evidence(named, reviewer))

    def _same(self, item_id: str, reviewer: Principal, judgement: Judgement) -> bool:
        """Whether this is the decision that this person has made already, sent again because its answer got lost."""
        with self._store.read() as connection:
            made = [one for one in reviews_of(connection, item_id) if one.reviewer == reviewer.person_id]
            asked = connection.execute(
                sa.select(turn)
                .join(review_item, review_item.c.turn_id == turn.c.turn_id)
                .where(review_item.c.item_id == item_id)
            ).first()
        if not made or asked is None:
            return False
        given = self._sound(judgement, turn_of(asked), reviewer)
        return (given.decision, given.correction, given.note) == (made[0].decision, made[0].correction, made[0].note)

    def _require(self, item: Item, reviewer: Principal) -> None:
        with self._store.read() as connection:
            row = connection.execute(
                sa.select(review_item.c.status, turn.c.person_id)
                .join(turn, turn.c.turn_id == review_item.c.turn_id)
                .where(review_item.c.item_id == item.item_id)
            ).first()
        if row is None:
            raise NotFound("The person who asked has deleted this answer meanwhile.")
        if why_not := refusal(item, row, row.person_id, reviewer):
            barred = not reviewer.roles & STAFF or row.person_id == reviewer.person_id or not item.allowed
            raise (NotAllowed if barred else Conflict)(why_not)

    def _why_not(self, connection: sa.Connection, item_id: str, reviewer: Principal, now: datetime) -> str:
        """As the reader's rule, inside the transaction that changes the item."""
        item, row = self.queue.within(connection, item_id, reviewer, now)
        return refusal(item, row, row.person_id, reviewer)


def settle_anew(connection: sa.Connection, item_id: str, reviewer: str, note: str) -> None:
    """Settle a closed item to `reject`, whatever it was settled to: one more decision, and the last one holds."""
    at = max([datetime.now(UTC), *(one.created_at for one in reviews_of(connection, item_id))])
    made = Triage(new_id(), item_id, reviewer, "adjudication", "reject", at, note=note)
    connection.execute(review.insert().values(asdict(made) | {"correction": {}}))
    connection.execute(review_item.update().where(review_item.c.item_id == item_id).values(updated_at=at))


def open_reviews(settings: Settings, store: Store, audit: Audit) -> Reviews:
    """The review queue under the rules of the settings."""
    lease = timedelta(minutes=settings.review_lease_minutes)
    return Reviews(store, audit, twice=settings.reviewed_twice, lease=lease)


def _final_is_first() -> sa.Label[int]:
    """An item's decisions numbered as `core.review_rules.settled` chooses: 1 is the one that holds."""
    settles = review.c.step == "adjudication"
    order = (
        sa.case((settles, 0), (review.c.correction["kind"].as_string() == "span", 1), else_=2),
        sa.case((settles, review.c.created_at)).desc(),
        sa.case((settles, review.c.review_id)).desc(),
        sa.case(*((review.c.step == step, place) for place, step in enumerate(STEPS))),
        review.c.created_at,
        review.c.review_id,
    )
    return sa.func.row_number().over(partition_by=review.c.item_id, order_by=order).label("place")


def _approved(connection: sa.Connection, row: Any, opted_out: Collection[str]) -> Approved | None:
    made = reviews_of(connection, row.item_id)
    final = settled(made) if made else None
    if final is None or final.decision != "train" or final.correction is None:
        return None
    asked = turn_of(connection.execute(sa.select(turn).where(turn.c.turn_id == row.turn_id)).one())
    approvers = {one.reviewer for one in made if one.decision == "train"}
    if asked.person_id in opted_out or not asked.question.strip() or approvers <= {asked.person_id}:
        return None
    given = connection.execute(sa.select(feedback).where(feedback.c.feedback_id == row.feedback_id)).first()
    agreed = None if len(made) == 1 else made[-1].step != "adjudication"
    return Approved(
        item_id=row.item_id,
        source=row.source,
        turn=asked,
        feedback=feedback_of(given) if given is not None else None,
        decision=final.decision,
        correction=final.correction,
        review_id=final.review_id,
        reviews=tuple(made),
        reviewers=tuple(dict.fromkeys(one.reviewer for one in made)),
        agreed=agreed,
        department=row.department,
        language=row.language,
        approved_at=row.closed_at,
    )
