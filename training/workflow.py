"""Retraining as a durable workflow, by DBOS on SQLite or PostgreSQL: a worker that dies anywhere is gone on from, by any other.

    with Worker(here) as worker:
        worker.run()                    until it is told to stop

The table `job` says who works on what (core/jobs.py): a worker claims a job under a lease, then starts its workflow, or resumes
it where another worker left it, on a queue that only this process serves. DBOS keeps which steps are done and refuses what a
stale execution records; the lease's fence refuses what it would write to the store. docs/design/retraining.md
"""

from __future__ import annotations

import logging
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, cast

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID, StepOptions
from dbos import error as dbos_errors
from sqlalchemy.exc import SQLAlchemyError

from assistant.bases import open_registry
from assistant.console import Opened
from core.errors import AssistantError, Conflict, SettingsError, StoreUnavailable, Unavailable
from core.jobs import STEPS, Job, Jobs, Lease, StaleLease, Status, Step
from core.retraining import ask, due_by_count
from core.settings import Settings
from training.retraining import Steps, decided, require_gate

log = logging.getLogger(__name__)

NAME: Final = "enterprise-assistant-training"
VERSION: Final = "1"
"""Of the workflow: raised where its steps change, so that no worker goes on with what one of another version began."""
SCHEDULE: Final = "retrain"
LEASE: Final = timedelta(seconds=60)
POLL_S: Final = 2.0
LET_GO_S: Final = 4.0
"""What is under way has this long to see that the worker stops."""
ATTEMPTS: Final = 3
GONE_ON: Final = ("PENDING", "ENQUEUED", "DELAYED", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
"""Statuses of a workflow that can be resumed."""


@dataclass
class Held:
    """A job that this process works on. `lost` is set where it is another's; `parked` where its thread waits for the process to end."""

    job: Job
    lease: Lease
    lost: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    parked: threading.Event = field(default_factory=threading.Event)


class _Serving:
    """DBOS calls functions by their names and arguments alone: which worker of this process they are for."""

    worker: Worker | None = None


@DBOS.workflow(name="retrain")
def retrain(job_id: str) -> str:
    """The steps of a job in order; the status in which it ends."""
    worker = _Serving.worker
    assert worker, "a workflow runs only where a worker is open"
    return worker.work(job_id)


@DBOS.workflow(name="retrain-schedule")
def on_schedule(_at: datetime, _context: Any) -> None:
    """Ask for a retraining; DBOS calls it once for each time of the schedule, however many workers there are."""
    if _Serving.worker:
        _Serving.worker.ask("schedule")


class Worker:
    """One process that works on retrainings. One a process; several processes and machines may run.

    Args:
        lease: how long another worker waits before it takes over what this one has left.
        allow_dirty: train although the source tree has changes, in the retrainings that this worker starts by itself.
        reached: told each point at which a crash may come, for the tests of crashes.
    """

    def __init__(
        self,
        here: Opened,
        *,
        lease: timedelta = LEASE,
        allow_dirty: bool = False,
        reached: Callable[[str], None] = lambda _point: None,
    ) -> None:
        self.name = f"{socket.gethostname()[:40]}-{secrets.token_hex(4)}"
        self._here = here
        self._length = lease
        self._allow_dirty = allow_dirty
        self._reached = reached
        self._jobs = Jobs(here.store, here.audit)
        self._registry = open_registry(here.settings, here.store, here.audit)
        self._stop = threading.Event()
        self._beat = threading.Thread(target=self._keep_leases, name="leases", daemon=True)
        self._held: Held | None = None
        self._holds: dict[str, Held] = {}
        self.given_back = ""

    def __enter__(self) -> Worker:
        """Raises StoreUnavailable where the workflow's database cannot be opened, SettingsError for a wrong schedule or gate."""
        require_gate(self._here.settings)
        DBOS(config=_config(self._here.settings, self.name))
        _Serving.worker = self
        with ExitStack() as stack:
            stack.callback(self._destroy)
            with _answering():
                DBOS.listen_queues([self._queue])
                DBOS.launch()
                DBOS.register_queue(self._queue, polling_interval_sec=0.2)
                self._set_schedule()
            self._beat.start()
            stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._held and not self._held.ended.is_set():
            self._held.parked.wait(LET_GO_S)  # what looks for a stop has ended by then, as the gate's process
            self.given_back = self._give_back(self._held)
        self._beat.join()
        with suppress(SQLAlchemyError):
            DBOS.delete_queue(self._queue)
        self._destroy()

    def stop(self) -> None:
        """Let `run` return; what is under way is given back for another worker to go on with.

        A thread in the middle of it cannot be ended from outside: the process is to end, as `worker_command.py` sees to.
        """
        self._stop.set()

    def run(self, *, once: bool = False, poll: float = POLL_S) -> None:
        """Work until told to stop; with `once`, until nothing is asked for any more."""
        while not self._stop.is_set():
            try:
                busy = self.tick()
            except Unavailable as error:
                log.warning("%s", error)
                busy = True
            if once and not busy:
                return
            self._stop.wait(poll)

    def tick(self) -> bool:
        """Look once at what is to do; whether something is under way or was started."""
        for job_id, status in decided(self._registry, self._jobs):
            log.info("%s is %s", job_id, status)
        if self._held and not self._held.ended.is_set():
            return True
        if new := due_by_count(self._here, self._jobs):
            log.info("%d newly approved items", new)
            self.ask("count")
        taken = self._jobs.claim(self.name, self._length)
        if taken is None:
            return bool(self._jobs.all("queued", "running", limit=1))
        self._reached("claimed")
        if self._held:
            self._held.lost.set()
        self._held = held = self._holds[taken[0].job_id] = Held(*taken)
        try:
            with _answering():
                self._start(held)
        except StoreUnavailable:  # nothing works on it: whoever can start it may, this worker too
            held.ended.set()
            self._give_back(held)
            raise
        return True

    def ask(self, trigger: Any) -> None:
        """Ask for a retraining on the worker's own account; one that is under way is enough."""
        try:
            job = ask(self._here, self._jobs, trigger, actor=f"worker:{trigger}", allow_dirty=self._allow_dirty)
            log.info("%s was asked for by %s", job.job_id, trigger)
        except Conflict as error:
            log.info("%s", error)
        except AssistantError as error:
            log.error("no retraining by %s: %s", trigger, error)

    def work(self, job_id: str) -> str:
        """The workflow's body, in a thread of DBOS."""
        held = self._holds[job_id]
        try:
            for step in STEPS:
                tries: StepOptions = {"name": step, "retries_allowed": True, "max_attempts": ATTEMPTS}
                failed = DBOS.run_step(tries | {"interval_seconds": 2.0}, self._do, held, step)
                if failed:
                    return self._end(held, "failed", failed)
            return self._end(held, "waiting")
        finally:
            held.ended.set()

    def _do(self, held: Held, step: Step) -> str:
        """Do a step; why the job cannot go on, or "". Raises Unavailable where another try may help.

        What is raised here would be kept as the step's result and met again by whoever resumes the job: so only that which
        stops this execution alone is.
        """
        try:
            return self._done(held, step)
        finally:
            if self._stop.is_set():
                self._park(held)

    def _done(self, held: Held, step: Step) -> str:
        try:
            Steps(self._here, held.lease, lost=lambda: self._is_over(held), reached=self._reached).do(step)
        except StaleLease:
            held.lost.set()
            raise dbos_errors.DBOSWorkflowConflictIDError(held.job.job_id) from None
        except AssistantError as error:
            tried = DBOS.step_status
            if isinstance(error, Unavailable) and tried and (tried.current_attempt or 0) + 1 < ATTEMPTS:
                raise
            return str(error)
        except Exception as error:  # a library failed in its own way: the job says so, and is not tried for ever
            log.exception("%s: %s failed", held.job.job_id, step)
            return f"{step} failed with {type(error).__name__}: the worker's log says more."
        return ""

    def _is_over(self, held: Held) -> bool:
        return held.lost.is_set() or self._stop.is_set()

    @staticmethod
    def _park(held: Held) -> None:
        """Wait until the process ends. DBOS would keep what comes back as the step's result, or wait for another worker's."""
        held.parked.set()
        threading.Event().wait()

    def _give_back(self, held: Held) -> str:
        """Let another worker go on at once; the job's id, "" where it is not free."""
        held.lost.set()
        try:
            self._jobs.give_back(held.lease)
            return held.job.job_id
        except StaleLease:
            log.info("%s is another worker's, or has ended", held.job.job_id)
        except AssistantError as problem:
            log.warning("%s is not given back, and free after its lease: %s", held.job.job_id, problem)
        return ""

    def _end(self, held: Held, status: Status, error: str = "") -> str:
        try:
            self._jobs.end(held.lease, status, error)
        except StaleLease:
            raise dbos_errors.DBOSWorkflowConflictIDError(held.job.job_id) from None
        self._reached("ended")
        log.info("%s is %s. %s", held.job.job_id, status, error)
        return status

    @staticmethod
    def _destroy() -> None:
        DBOS.destroy()
        _Serving.worker = None

    @property
    def _queue(self) -> str:
        return f"retrain-{self.name}"

    def _start(self, held: Held) -> None:
        """Begin the job's workflow, or go on with it where another worker left it."""
        job, lease = held.job, held.lease
        known = DBOS.list_workflows(
            workflow_id_prefix=job.job_id, sort_desc=True, limit=1, load_input=False, load_output=False
        )
        log.info("%s: claimed for the %d. time", job.job_id, lease.fence)
        if known and known[0].status in GONE_ON:
            DBOS.resume_workflow(known[0].workflow_id, queue_name=self._queue)
            return
        # One that ended without the job's having ended could not say so, as on a full disk: its steps are kept with the job.
        name = f"{job.job_id}.{lease.fence}" if known else job.job_id
        with SetWorkflowID(name):
            DBOS.enqueue_workflow(self._queue, retrain, job.job_id)

    def _keep_leases(self) -> None:
        """Renew what is held, three times a lease."""
        while not self._stop.wait(self._length.total_seconds() / 3):
            held = self._held
            if held is None or held.ended.is_set() or held.lost.is_set():
                continue
            try:
                if not self._jobs.renew(held.lease):
                    held.lost.set()
            except Unavailable as error:
                log.warning("the lease of %s is not renewed: %s", held.job.job_id, error)

    def _set_schedule(self) -> None:
        cron = self._here.settings.retrain_schedule
        if not cron:
            if DBOS.get_schedule(SCHEDULE):
                DBOS.delete_schedule(SCHEDULE)
            return
        try:
            DBOS.apply_schedules(
                [{"schedule_name": SCHEDULE, "workflow_fn": on_schedule, "schedule": cron, "automatic_backfill": True}]
            )
        except dbos_errors.DBOSException as error:
            raise SettingsError(f"ASSISTANT_RETRAIN_SCHEDULE={cron!r}: {error.message}") from None


@contextmanager
def _answering() -> Iterator[None]:
    """Says in one line that the workflows' database does not answer."""
    try:
        yield
    except (dbos_errors.DBOSException, SQLAlchemyError) as error:
        raise StoreUnavailable(
            f"The database of the workflows does not answer ({type(error).__name__}): free some space, or start its server."
        ) from None


def _config(settings: Settings, name: str) -> DBOSConfig:
    """On the store's PostgreSQL, in a schema of its own, or in a file beside the store's; nothing is reported to anybody."""
    url = settings.store_url
    return cast(
        DBOSConfig,
        {
            "name": NAME,
            "system_database_url": url
            if url.startswith("postgresql")
            else f"sqlite:///{settings.home / 'workflows.db'}",
            "executor_id": name,
            "application_version": VERSION,
            "serializer": DBOSPortableJSONSerializer(),
            "enable_otlp": False,
            "log_level": "WARNING",
            "scheduler_polling_interval_sec": 5.0,
        },
    )
