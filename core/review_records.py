"""The frozen records of review: an item of the queue, what its reviewer sees, what a dataset is made of, an owner's task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from core.records import (
    Classification,
    Correction,
    Decision,
    Feedback,
    Principal,
    ReviewStatus,
    Triage,
    Turn,
)

Source = Literal["flag", "thumbs_up", "thumbs_down", "escalated"]
SOURCES: tuple[Source, ...] = get_args(Source)
Urgency = Literal["urgent", "normal", "low"]
Step = Literal["first", "second", "adjudication"]
STEPS: tuple[Step, ...] = get_args(Step)
Wanted = Literal["waiting", "open", "assigned", "second", "adjudicate", "done", ""]
WANTED: tuple[Wanted, ...] = get_args(Wanted)

DUE: Mapping[int, timedelta] = {3: timedelta(days=1), 2: timedelta(days=3), 1: timedelta(days=14)}
"""How long an item of a priority may wait. The queue is in the order of what is due first: that is how items age."""
URGENT_REASONS = frozenset({"unsafe_private"})
"""Reasons of a flag that make its item urgent."""
URGENCY: Mapping[int, Urgency] = {3: "urgent", 2: "normal", 1: "low"}


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """What of the queue is wanted; an empty field is no condition.

    Attributes:
        status: `waiting` is everything that is not done.
        assignee: a person's id, `me`, or `nobody`.
        older_than_days: items that have waited at least so long.
        reason: one of the flag's reasons.
        decision: what it was settled to, of what is done.
    """

    status: Wanted = "waiting"
    source: str = ""
    department: str = ""
    language: str = ""
    adapter: str = ""
    assignee: str = ""
    reason: str = ""
    older_than_days: int = 0
    overdue: bool = False
    decision: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the queue, as one reviewer sees it. It holds nobody's words.

    Attributes:
        status: as this reviewer may know it. An item whose lease has run out is open again; one that waits for a second
            reviewer looks open to whoever could be that reviewer, since its status would tell the first decision.
        assigned_to: who holds it now; empty for nobody.
        due: when it should be done.
        allowed: whether this reviewer may read every source of the answer; without that, not the item either.
        mine: whether this reviewer has decided it already.
        needs: the highest classification among its sources.
        held_until: when the reviewer who holds it loses it; None where nobody does.
        decision: what it was settled to, once it is done; of a gold item, what this reviewer said.
    """

    item_id: str
    turn_id: str
    feedback_id: str
    source: Source
    status: ReviewStatus
    priority: int
    department: str
    language: str
    adapter: str
    reasons: tuple[str, ...]
    assigned_to: str
    created_at: datetime
    due: datetime
    closed_at: datetime | None
    temporary: bool
    allowed: bool
    mine: bool
    needs: Classification
    held_until: datetime | None = None
    decision: Decision | None = None

    def overdue(self, at: datetime) -> bool:
        return self.status != "done" and at > self.due


@dataclass(frozen=True, slots=True)
class Evidence:
    """One passage that the answer was made from, with its words.

    `text` is empty where the version is gone by now; all but the label and the score, where this reviewer may not read it.
    """

    passage_id: str
    document_id: str
    version: int
    title: str
    section: str
    text: str
    owner: str
    classification: Classification
    score: float


@dataclass(frozen=True, slots=True)
class Case:
    """All that a reviewer sees of an item: what was asked and answered, from what, and what the person said of it.

    Attributes:
        reviews: others' decisions, only where this reviewer may see them: never before deciding themselves.
        may_decide: whether the next decision is this reviewer's to make; `why_not` says why not.
        adjudicates: whether that decision settles a disagreement, which is shown.
        readers: reviewers who may read every source, where this one may not.
        may_train: whether the person who asked lets their questions be used for training.
    """

    item: Item
    turn: Turn
    feedback: Feedback | None
    passages: Sequence[Evidence]
    reviews: Sequence[Triage]
    may_decide: bool
    adjudicates: bool
    why_not: str
    readers: Sequence[str] = ()
    may_train: bool = True


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a reviewer says of an item.

    Attributes:
        correction: what the answer should have been, for `train`; for `fix_document`, the span that is wrong in it.
        note: for the next reviewer; for `fix_document`, what the document's owner is asked to put right.
        seconds: how long it took, where the page measured it.
    """

    decision: Decision
    correction: Correction | None = None
    note: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Approved:
    """A reviewed answer that a model may learn from.

    Attributes:
        turn: with `question`, `standalone_question`, `answer`, `passages` (ids, document, version) and who asked.
        feedback: the flag or the thumb that brought it here; None where that was withdrawn.
        correction: what the answer should have been. `span` is exact: `passage text[start:end] == answer`.
        review_id: the review that the correction was taken from.
        reviews: every decision on the item, oldest first, also those that were overruled.
        reviewers: who decided, without repetition.
        agreed: whether two reviewers agreed; None where there was one, False where a third decided.
        approved_at: when the item was closed.
    """

    item_id: str
    source: Source
    turn: Turn
    feedback: Feedback | None
    decision: Decision
    correction: Correction
    review_id: str
    reviews: tuple[Triage, ...]
    reviewers: tuple[str, ...]
    agreed: bool | None
    department: str
    language: str
    approved_at: datetime

    @property
    def turn_id(self) -> str:
        return self.turn.turn_id

    @property
    def feedback_id(self) -> str:
        return self.feedback.feedback_id if self.feedback else ""

    @property
    def reviewer(self) -> str:
        """Who wrote the correction."""
        return next(one.reviewer for one in self.reviews if one.review_id == self.review_id)


@dataclass(frozen=True, slots=True)
class DocumentTask:
    """What a document's owner is asked to put right. `note` is the reviewer's; nobody's question stands in it."""

    task_id: str
    document_id: str
    version: int
    item_id: str | None
    owner: str
    opened_by: str
    note: str
    status: Literal["open", "closed"]
    created_at: datetime
    closed_at: datetime | None
    closed_by: str
    closing_note: str

    def owned_by(self, person: Principal) -> bool:
        return self.owner.lower() == person.email.lower()
