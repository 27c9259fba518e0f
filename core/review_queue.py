"""The review queue as one reviewer sees it: which items there are, what each was asked and answered from, what is theirs.

Nobody sees words from a document that they may not read, nor another reviewer's decision before their own. Who has a gold
item before them sees nothing of the closed item that it was made from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from core.consent import Consent
from core.errors import NotAllowed, NotFound
from core.people import principal
from core.records import (
    CLASSIFICATIONS,
    Classification,
    Correction,
    Decision,
    Principal,
    Triage,
    clearance_rank,
    may_read,
)
from core.review_items import feedback_of
from core.review_records import DUE, STEPS, Case, Evidence, Item, QueueFilter
from core.review_rules import settled
from core.store import Store
from core.tables import document, feedback, passage, person, review, review_item, turn
from core.turns import turn_of, without_text

AT_ONCE = 500
LONGEST_LEASE = timedelta(days=1)
"""The longest that the settings allow. A hold that lasts longer from now on was taken before the clock jumped back, and is over."""
STAFF = frozenset({"support", "admin"})
NO_REVIEWER = "Reviewing needs the role support or admin. Ask your administrator."

Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Source:
    """What of a document version decides who may see its words; a version that is not known any more is for nobody."""

    title: str
    owner: str
    classification: Classification
    allowed: frozenset[str]
    denied: frozenset[str]

    def readable_by(self, who: Principal) -> bool:
        return may_read(who, self.classification, self.allowed, self.denied)


UNKNOWN = Source("", "", CLASSIFICATIONS[-1], frozenset(), frozenset())


class Queue:
    """Reads the queue; `core/reviews.py` changes it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def items(self, reviewer: Principal | None, wanted: QueueFilter, *, at: datetime | None = None) -> list[Item]:
        """All that matches, in the order of what is due first; what is done, newest first.

        Args:
            reviewer: who looks; None is the operator at the command line, who sees every status as it is, and no words.
        """
        now = at or datetime.now(UTC)
        rows = self._rows(_stored(wanted), reviewer)
        found = self._views(rows, reviewer, now)
        chosen = [item for item in found if matches(item, wanted, reviewer, now)]
        waiting = sorted((i for i in chosen if i.status != "done"), key=lambda i: (i.due, i.item_id))
        done = [i for i in chosen if i.status == "done"]
        return waiting + sorted(done, key=lambda i: (i.closed_at or i.created_at, i.item_id), reverse=True)

    def item(self, item_id: str, reviewer: Principal | None, *, at: datetime | None = None) -> Item:
        """Raises NotFound, also for what a gold item was made from that this reviewer has yet to decide."""
        rows = self._rows([review_item.c.item_id == item_id], reviewer)
        if not rows:
            raise NotFound("There is no such review item: its answer may have been deleted by the person who asked.")
        return self._views(rows, reviewer, at or datetime.now(UTC))[0]

    def named(self, item_ids: Sequence[str], reviewer: Principal | None, *, at: datetime | None = None) -> list[Item]:
        """Those of the items that are still there and that this reviewer may know of, in the order of their ids given."""
        rows = self._rows([], reviewer, item_ids)
        found = {item.item_id: item for item in self._views(rows, reviewer, at or datetime.now(UTC))}
        return [found[item_id] for item_id in item_ids if item_id in found]

    def require_readable(self, item_ids: Sequence[str], reviewer: Principal) -> None:
        """Return where the reviewer may read every source of the items: who may not decides on none. Raises NotAllowed."""
        if any(not item.allowed for item in self.named(item_ids, reviewer)):
            raise NotAllowed("You may not read all sources of this item: a reviewer who may decides on it.")

    def case(self, item_id: str, reviewer: Principal, *, at: datetime | None = None) -> Case:
        """Everything that this reviewer may see of an item; of one whose sources they may not all read, no words.

        Raises:
            NotFound: no such item.
            NotAllowed: the person is no reviewer.
        """
        if not reviewer.roles & STAFF:
            raise NotAllowed(NO_REVIEWER)
        now = at or datetime.now(UTC)
        item = self.item(item_id, reviewer, at=now)
        with self._store.snapshot() as connection:
            row = connection.execute(sa.select(review_item).where(review_item.c.item_id == item_id)).one()
            asked = turn_of(connection.execute(sa.select(turn).where(turn.c.turn_id == row.turn_id)).one())
            said = connection.execute(sa.select(feedback).where(feedback.c.feedback_id == row.feedback_id)).first()
            reviews = reviews_of(connection, item_id)
            may_train = asked.person_id not in Consent.opted_out_in(connection)
        given = feedback_of(said) if said is not None else None
        why_not = refusal(item, row, asked.person_id, reviewer)
        passages = self.evidence(asked.passages, reviewer)
        if not item.allowed:
            asked = replace(without_text(asked), citations=(), passages=())
            given = replace(given, comment="", expected="") if given else None
        mine = [one for one in reviews if one.reviewer == reviewer.person_id]
        settles = row.status == "adjudicate"
        shown = reviews if item.allowed and row.gold is None and (mine or row.status == "done" or settles) else mine
        return Case(
            item=item,
            turn=asked,
            feedback=given,
            passages=passages,
            reviews=shown,
            may_decide=not why_not,
            adjudicates=settles,
            why_not=why_not,
            readers=() if item.allowed else self.readers(item_id),
            may_train=may_train,
        )

    def evidence(self, wanted: Sequence[Mapping[str, Any]], reviewer: Principal) -> list[Evidence]:
        """Passages, named as a turn names them (`passage_id`, `document_id`, `version`, `score`), in that order.

        They are without words where the reviewer may not read them, and where they are gone.
        """
        with self._store.read() as connection:
            ids = [str(one["passage_id"]) for one in wanted]
            rows = {r.passage_id: r for r in _chunked(connection, sa.select(passage), passage.c.passage_id, ids)}
            keys = {_key(one) for one in wanted} | {(r.document_id, r.version) for r in rows.values()}
            sources = sources_of(connection, keys)
        found = []
        for one in wanted:
            row = rows.get(str(one["passage_id"]))
            key = _key(one) if row is None else (row.document_id, row.version)
            source = sources[key]
            reads = source.readable_by(reviewer)
            found.append(
                Evidence(
                    passage_id=str(one["passage_id"]),
                    document_id=key[0] if reads else "",
                    version=key[1] if reads else 0,
                    title=source.title if reads else "",
                    section=row.section if row is not None and reads else "",
                    text=row.text if row is not None and reads else "",
                    owner=source.owner if reads else "",
                    classification=source.classification,
                    score=float(one.get("score", 0.0)),
                )
            )
        return found

    def questions(self, items: Sequence[Item]) -> dict[str, str]:
        """Item id to the question, of those items whose words their reviewer may see."""
        ids = [item.item_id for item in items if item.allowed]
        query = sa.select(review_item.c.item_id, turn.c.question).join(turn, turn.c.turn_id == review_item.c.turn_id)
        with self._store.read() as connection:
            found = _chunked(connection, query, review_item.c.item_id, ids)
        return {row.item_id: row.question for row in found if row.question.strip()}

    def readers(self, item_id: str) -> list[str]:
        """Ids of the active reviewers who may read every source of an item and did not ask it themselves."""
        (row,) = self._rows([review_item.c.item_id == item_id], None)
        with self._store.read() as connection:
            staff = [principal(p) for p in connection.execute(sa.select(person).where(person.c.active.is_(True)))]
            sources = sources_of(connection, _keys([row]))
        cleared = [
            p
            for p in staff
            if p.roles & STAFF and p.person_id != row.person_id and all(s.readable_by(p) for s in sources.values())
        ]
        return sorted(p.person_id for p in cleared)

    def within(self, connection: sa.Connection, item_id: str, reviewer: Principal, now: datetime) -> tuple[Item, Any]:
        """An item and its row as a transaction sees them that is about to change it. Raises NotFound."""
        rows = list(connection.execute(_joined([review_item.c.item_id == item_id])))
        if not rows:
            raise NotFound("The person who asked has deleted this answer meanwhile.")
        return _views(connection, rows, reviewer, now)[0], rows[0]

    def _rows(
        self,
        where: Sequence[sa.ColumnElement[bool]],
        reviewer: Principal | None,
        item_ids: Sequence[str] | None = None,
    ) -> list[Any]:
        """The rows that this reviewer may know of; None may know of all. With `item_ids`, only theirs."""
        with self._store.snapshot() as connection:
            query = _joined(where)
            if item_ids is None:
                rows = list(connection.execute(query))
            else:
                rows = _chunked(connection, query, review_item.c.item_id, item_ids)
            secret = _secret(connection, reviewer)
        return [row for row in rows if row.item_id not in secret]

    def _views(self, rows: Sequence[Any], reviewer: Principal | None, now: datetime) -> list[Item]:
        with self._store.read() as connection:
            return _views(connection, rows, reviewer, now)


def refusal(item: Item, row: Any, asked_by: str, reviewer: Principal) -> str:
    """Why the next decision on an item is not this reviewer's; empty where it is."""
    if not reviewer.roles & STAFF:
        return NO_REVIEWER
    if asked_by == reviewer.person_id:
        return "You asked this question yourself: another person reviews it."
    if not item.allowed:
        return f"Its sources are {item.needs}, and you may not read all of them: hand it to a reviewer who may."
    if row.status == "done":
        return "This item is closed."
    if item.mine:
        return "You have decided this item already: another person takes it from here."
    if item.assigned_to not in ("", reviewer.person_id):
        until = f"{item.held_until:%H:%M} UTC" if item.held_until else "later"
        return f"{item.assigned_to} is reviewing this item until {until}."
    return ""


def matches(item: Item, wanted: QueueFilter, reviewer: Principal | None, now: datetime) -> bool:
    """Whether an item, as its reviewer sees it, meets every condition of a filter."""
    me = reviewer.person_id if reviewer else ""
    assignee = {"nobody": "", "me": me}.get(wanted.assignee, wanted.assignee)
    return (
        (wanted.status in ("", item.status) or (wanted.status == "waiting" and item.status != "done"))
        and wanted.source in ("", item.source)
        and wanted.department in ("", item.department)
        and wanted.language in ("", item.language)
        and wanted.adapter in ("", item.adapter)
        and (not wanted.assignee or assignee == item.assigned_to)
        and (not wanted.reason or wanted.reason in item.reasons)
        and (not wanted.older_than_days or item.created_at <= now - timedelta(days=wanted.older_than_days))
        and (not wanted.overdue or item.overdue(now))
        and wanted.decision in ("", item.decision)
    )


def _secret(connection: sa.Connection, reviewer: Principal | None) -> set[str]:
    """The closed items that would tell a reviewer how a gold item was settled which they have yet to decide.

    That is every item of the same answer, and not only the one that became gold. Whoever decided one knows it already, and
    administrators, who make gold items, see all of them.
    """
    if reviewer is None or reviewer.has_role("admin"):
        return set()
    met = sa.select(review.c.item_id).where(review.c.reviewer == reviewer.person_id)
    gold = sa.select(review_item.c.turn_id, review_item.c.gold).where(
        review_item.c.gold.is_not(sa.null()), review_item.c.item_id.not_in(met)
    )
    ahead = {row.turn_id for row in connection.execute(gold) if reviewer.person_id not in row.gold["known_to"]}
    closed = sa.select(review_item.c.item_id).where(
        review_item.c.status == "done", review_item.c.gold.is_(sa.null()), review_item.c.item_id.not_in(met)
    )
    return {row.item_id for row in _chunked(connection, closed, review_item.c.turn_id, sorted(ahead))}


def _joined(where: Sequence[sa.ColumnElement[bool]]) -> sa.Select[Any]:
    columns = (turn.c.person_id, turn.c.adapter, turn.c.passages, turn.c.temporary, feedback.c.reasons)
    return (
        sa.select(review_item, *columns)
        .join(turn, turn.c.turn_id == review_item.c.turn_id)
        .outerjoin(feedback, feedback.c.feedback_id == review_item.c.feedback_id)
        .where(*where)
    )


def _views(connection: sa.Connection, rows: Sequence[Any], reviewer: Principal | None, now: datetime) -> list[Item]:
    sources = sources_of(connection, _keys(rows))
    mine: set[str] = set()
    if reviewer is not None:
        mine = set(connection.scalars(sa.select(review.c.item_id).where(review.c.reviewer == reviewer.person_id)))
    views = [_view(row, reviewer, sources, mine=row.item_id in mine, now=now) for row in rows]
    told = _decisions(connection, rows, reviewer.person_id if reviewer else "")
    return [
        replace(one, decision=told.get(one.item_id))
        if one.status == "done" and (one.allowed or reviewer is None)
        else one
        for one in views
    ]


def _decisions(connection: sa.Connection, rows: Sequence[Any], reviewer: str) -> dict[str, Decision]:
    """What each item that is done was settled to; of a gold item, what this reviewer decided on it."""
    gold = {row.item_id for row in rows if row.gold is not None}
    done = [row.item_id for row in rows if row.status == "done" or row.item_id in gold]
    made: dict[str, list[Triage]] = {}
    for row in _chunked(connection, sa.select(review), review.c.item_id, done):
        if row.item_id not in gold or row.reviewer == reviewer:
            made.setdefault(row.item_id, []).append(triage_of(dict(row._mapping)))
    return {item_id: settled(_in_order(found)).decision for item_id, found in made.items()}


def reviews_of(connection: sa.Connection, item_id: str) -> list[Triage]:
    """Every decision on an item, in the order of the steps: the clock may jump, and two may decide at once."""
    query = sa.select(review).where(review.c.item_id == item_id)
    return _in_order([triage_of(dict(row._mapping)) for row in connection.execute(query)])


def _in_order(made: Sequence[Triage]) -> list[Triage]:
    return sorted(made, key=lambda one: (STEPS.index(one.step), one.created_at, one.review_id))


def triage_of(row: Mapping[str, Any]) -> Triage:
    """The Triage in a row of the review table."""
    return Triage(**{**row} | {"correction": Correction(**row["correction"]) if row["correction"] else None})


def _stored(wanted: QueueFilter) -> list[sa.ColumnElement[bool]]:
    """What the database can leave out; the rest depends on who looks."""
    where = []
    if wanted.status == "done":  # a gold item is done for whoever has decided it
        where.append(sa.or_(review_item.c.status == "done", review_item.c.gold.is_not(sa.null())))
    elif wanted.status:
        where.append(review_item.c.status != "done")
    exact = ("source", "department", "language")
    where += [review_item.c[name] == getattr(wanted, name) for name in exact if getattr(wanted, name)]
    return where


def _view(row: Any, reviewer: Principal | None, sources: Mapping[Key, Source], *, mine: bool, now: datetime) -> Item:
    held = bool(row.assigned_to) and row.lease_until is not None and now < row.lease_until <= now + LONGEST_LEASE
    own = [sources[key] for key in _keys([row])]
    status = row.status
    mine = mine or (row.gold is not None and reviewer is not None and reviewer.person_id in row.gold["known_to"])
    if row.gold is not None and reviewer is not None:
        status = "done" if mine else status
    elif status == "second" and reviewer is not None and not mine:
        status = "open"
    if status in ("open", "assigned"):
        status = "assigned" if held else "open"
    return Item(
        item_id=row.item_id,
        turn_id=row.turn_id,
        feedback_id=row.feedback_id or "",
        source=row.source,
        status=status,
        priority=row.priority,
        department=row.department,
        language=row.language,
        adapter=row.adapter,
        reasons=tuple(row.reasons or ()),
        assigned_to=row.assigned_to if held else "",
        created_at=row.created_at,
        due=row.created_at + DUE[row.priority],
        closed_at=row.updated_at if row.gold is not None and mine else row.closed_at,
        temporary=row.temporary,
        allowed=reviewer is not None and all(source.readable_by(reviewer) for source in own),
        mine=mine,
        needs=max((source.classification for source in own), key=clearance_rank, default="public"),
        held_until=row.lease_until if held else None,
    )


def _keys(rows: Iterable[Any]) -> set[Key]:
    return {_key(one) for row in rows for one in row.passages}


def _key(one: Mapping[str, Any]) -> Key:
    return str(one.get("document_id", "")), int(one.get("version", 0))


def sources_of(connection: sa.Connection, keys: set[Key]) -> dict[Key, Source]:
    """Each key's source; a version that the store does not know is UNKNOWN."""
    names = ("title", "owner", "classification", "allowed_groups", "denied_groups")
    query = sa.select(document.c.document_id, document.c.version, *(document.c[name] for name in names))
    found = {
        (r.document_id, r.version): Source(
            r.title, r.owner, r.classification, frozenset(r.allowed_groups), frozenset(r.denied_groups)
        )
        for r in _chunked(connection, query, document.c.document_id, sorted({key[0] for key in keys}))
    }
    return {key: found.get(key, UNKNOWN) for key in keys}


def _chunked(connection: sa.Connection, query: Any, column: sa.Column[Any], values: Sequence[str]) -> list[Any]:
    return [
        row
        for start in range(0, len(values), AT_ONCE)
        for row in connection.execute(query.where(column.in_(values[start : start + AT_ONCE])))
    ]
