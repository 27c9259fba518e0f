"""The table `job`: retrainings that were asked for, who holds which under a lease, and what each step has brought.

    queued -> running -> waiting (for a person's approval) -> approved | declined
            <-         -> failed
    queued -> cancelled

What a stopped worker gave back is queued again, with the steps that are done.

A lease is a number that grows with every claim (the fence). What a step brings is written where the fence is still the claimant's,
in the same transaction: a worker that slept through its lease finishes nothing, and two workers never both do.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, get_args

import sqlalchemy as sa

from core.audit import Audit
from core.errors import Conflict, NotFound
from core.store import Store
from core.tables import job
from core.turns import now

Trigger = Literal["hand", "count", "schedule"]
Status = Literal["queued", "running", "waiting", "approved", "declined", "failed", "cancelled"]
Step = Literal["dataset", "train", "register", "gate", "approval"]
STEPS: Final[tuple[Step, ...]] = get_args(Step)
UNDER_WAY: Final[tuple[Status, ...]] = ("queued", "running")
KIND: Final = "retrain"
LISTED: Final = "List them with: python -m training retrain --list"
LONGEST_LEASE: Final = timedelta(hours=1)
"""A lease that lasts longer from now on was set before the clock jumped back: nobody may be left to end it."""


class StaleLease(Conflict):
    """Another worker has taken this job over: nothing of this one's work counts any more."""


@dataclass(frozen=True, slots=True)
class Job:
    """A retraining.

    Attributes:
        step: the one that is being done, or that was done last.
        details: what was asked for: `config` (of the run), `least` (rows of the dataset), `suite` (that the gate asks, "" for the
            demo's), `gate` (its arguments), `allow_dirty`; `approved`, the items that were approved by then; and `results`, by step.
        error: why it failed, for a person; empty otherwise.
        fence: grows with each claim.
    """

    job_id: str
    kind: str
    trigger: Trigger
    status: Status
    step: str
    details: Mapping[str, Any]
    error: str
    lease_owner: str
    lease_until: datetime | None
    fence: int
    requested_by: str
    created_at: datetime
    finished_at: datetime | None

    @property
    def to_go_on(self) -> str:
        """The step at which a worker will go on with what another one gave back; "" of what none has begun, or what does not wait."""
        return self.step if self.status == "queued" and self.fence else ""

    @property
    def results(self) -> Mapping[str, Mapping[str, Any]]:
        found: Mapping[str, Mapping[str, Any]] = self.details.get("results", {})
        return found


@dataclass(frozen=True, slots=True)
class Lease:
    """One worker's hold of one job."""

    job_id: str
    owner: str
    fence: int
    length: timedelta = field(compare=False)

    def check(self, connection: sa.Connection) -> None:
        """For a transaction that writes what the job brought. Raises StaleLease where another worker has the job now."""
        query = sa.select(job.c.fence, job.c.status).where(job.c.job_id == self.job_id).with_for_update()
        row = connection.execute(query).first()
        if row is None or row.fence != self.fence or row.status != "running":
            raise StaleLease(f"Another worker has taken over {self.job_id}, or it has ended: this one stops.")


class Jobs:
    """Reads and changes the table. Safe to use from several threads and processes."""

    def __init__(self, store: Store, audit: Audit) -> None:
        self._store = store
        self._audit = audit

    # --- reading -------------------------------------------------------------------------------------------------

    def get(self, job_id: str) -> Job:
        """Raises NotFound."""
        with self._store.read() as connection:
            row = connection.execute(sa.select(job).where(job.c.job_id == job_id)).first()
        if row is None:
            raise NotFound(f"There is no retraining {job_id[:80]!r}. {LISTED}")
        return Job(**row._mapping)

    def all(self, *statuses: Status, limit: int = 100) -> list[Job]:
        """Newest first; of every status where none is named."""
        query = sa.select(job).where(job.c.kind == KIND).order_by(job.c.created_at.desc(), job.c.job_id)
        if statuses:
            query = query.where(job.c.status.in_(statuses))
        with self._store.read() as connection:
            return [Job(**row._mapping) for row in connection.execute(query.limit(limit))]

    # --- asking --------------------------------------------------------------------------------------------------

    def request(self, trigger: Trigger, details: Mapping[str, Any], *, actor: str) -> Job:
        """Ask for a retraining; a worker takes it up.

        Raises:
            Conflict: one is under way.
        """
        made = Job(
            job_id=f"{KIND}-{now():%Y%m%d}-{uuid.uuid4().hex[:8]}",
            kind=KIND,
            trigger=trigger,
            status="queued",
            step="",
            details={**details, "results": {}},
            error="",
            lease_owner="",
            lease_until=None,
            fence=0,
            requested_by=actor,
            created_at=now(),
            finished_at=None,
        )
        with self._audit.recorded(actor, "retrain.request", made.job_id, trigger=trigger) as connection:
            if connection.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
                connection.execute(sa.text("lock table job in share row exclusive mode"))
            busy = sa.select(job.c.job_id, job.c.status).where(job.c.kind == KIND, job.c.status.in_(UNDER_WAY))
            if other := connection.execute(busy).first():
                raise Conflict(
                    f"A retraining is {other.status} already: {other.job_id}. See it with: python -m training retrain --list"
                )
            connection.execute(job.insert().values({name: getattr(made, name) for name in Job.__slots__}))
        return made

    def cancel(self, job_id: str, *, actor: str) -> None:
        """Take back what waits for a worker, or whose worker has died. What its steps have brought stays as it is.

        Raises:
            NotFound: there is no such retraining. Conflict: a worker has it, or it has ended.
        """
        with self._audit.recorded(actor, "retrain.cancel", job_id[:80]) as connection:
            mine, at = (job.c.job_id == job_id, job.c.kind == KIND), now()
            over = {"status": "cancelled", "finished_at": at, "lease_owner": "", "lease_until": None}
            if connection.execute(job.update().where(*mine, _free(at)).values(over)).rowcount:
                return
            status = connection.scalar(sa.select(job.c.status).where(job.c.job_id == job_id))
            if status is None:
                raise NotFound(f"There is no retraining {job_id[:80]!r}. {LISTED}")
            raise Conflict(f"{job_id} is {status}: only what waits for a worker can be cancelled.")

    # --- working -------------------------------------------------------------------------------------------------

    def claim(self, owner: str, length: timedelta) -> tuple[Job, Lease] | None:
        """Take a job that waits, or whose worker's lease has run out; None where there is none. One worker gets it.

        Args:
            length: of the lease, at most LONGEST_LEASE.
        """
        at = now()
        query = sa.select(job).where(job.c.kind == KIND, _free(at)).order_by(job.c.created_at, job.c.job_id).limit(1)
        with self._store.read() as connection:  # a worker that looks every few seconds takes no lock to see nothing
            if connection.execute(query).first() is None:
                return None
        with self._store.begin() as connection:
            row = connection.execute(query.with_for_update(skip_locked=True)).first()
            if row is None:
                return None
            taken = {"status": "running", "lease_owner": owner, "lease_until": at + length, "fence": row.fence + 1}
            connection.execute(job.update().where(job.c.job_id == row.job_id).values(taken))
        held = replace(Job(**row._mapping), **taken)
        return held, Lease(row.job_id, owner, row.fence + 1, length)

    def renew(self, lease: Lease) -> bool:
        """Keep the job for another lease; False where it is another's by now."""
        mine = (job.c.job_id == lease.job_id, job.c.fence == lease.fence, job.c.status == "running")
        with self._store.begin() as connection:
            values = {"lease_until": now() + lease.length}
            return bool(connection.execute(job.update().where(*mine).values(values)).rowcount)

    def begin_step(self, lease: Lease, step: Step) -> Mapping[str, Any] | None:
        """Say that the step is being done; what it brought already where a worker before was cut off after it.

        Raises:
            StaleLease: the job is another's by now.
        """
        with self._store.begin() as connection:
            lease.check(connection)
            details = connection.scalar(sa.select(job.c.details).where(job.c.job_id == lease.job_id)) or {}
            connection.execute(job.update().where(job.c.job_id == lease.job_id).values(step=step))
        known: Mapping[str, Any] | None = details.get("results", {}).get(step)
        return known

    def record(self, lease: Lease, step: Step, result: Mapping[str, Any]) -> None:
        """Keep what the step brought; raises StaleLease where the job is another's by now."""
        with self._store.begin() as connection:
            lease.check(connection)
            details = connection.scalar(sa.select(job.c.details).where(job.c.job_id == lease.job_id)) or {}
            results = {**details.get("results", {}), step: dict(result)}
            values = {"details": {**details, "results": results}, "lease_until": now() + lease.length}
            connection.execute(job.update().where(job.c.job_id == lease.job_id).values(values))

    def end(self, lease: Lease, status: Status, error: str = "") -> None:
        """Let go of the job in its new status; raises StaleLease where it is another's by now."""
        details = {"status": status, "error": error[:1000]}
        with self._audit.recorded(lease.owner, "retrain.end", lease.job_id, **details) as connection:
            lease.check(connection)
            _end(connection, lease.job_id, status, error)

    def give_back(self, lease: Lease) -> None:
        """Stop holding the job without ending it: another worker may go on at once, and this one writes nothing any more.

        Raises StaleLease where it is another's by now, or has ended.
        """
        free = {"status": "queued", "lease_owner": "", "lease_until": None}
        with self._store.begin() as connection:
            lease.check(connection)
            connection.execute(job.update().where(job.c.job_id == lease.job_id).values(free))

    def close(self, job_id: str, status: Status, *, actor: str) -> None:
        """A person has decided on what waits for them."""
        with self._audit.recorded(actor, "retrain.close", job_id, status=status) as connection:
            still = sa.select(job.c.job_id).where(job.c.job_id == job_id, job.c.status == "waiting").with_for_update()
            if connection.execute(still).first():
                _end(connection, job_id, status, "")


def _free(at: datetime) -> sa.ColumnElement[bool]:
    """It waits for a worker, or its worker's lease has run out."""
    over = sa.or_(job.c.lease_until <= at, job.c.lease_until > at + LONGEST_LEASE)
    return sa.or_(job.c.status == "queued", sa.and_(job.c.status == "running", over))


def _end(connection: sa.Connection, job_id: str, status: Status, error: str) -> None:
    values: dict[str, Any] = {"status": status, "error": error[:1000], "lease_owner": "", "lease_until": None}
    if status != "waiting":
        values["finished_at"] = now()
    connection.execute(job.update().where(job.c.job_id == job_id).values(values))
