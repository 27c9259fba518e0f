"""What retraining needs before a worker takes it up: the request, and whether it is time for one. Command, worker and page share it.

    job = ask(here, Jobs(here.store, here.audit), "hand", actor="ana")
    outlook(here, jobs).gathered                    items approved since the last one was asked for

`training/retraining.py` does what was asked for here; the table is `core/jobs.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from croniter import croniter
from croniter.croniter import CroniterError

from core.audit import Audit
from core.errors import BadInput, Conflict
from core.jobs import UNDER_WAY, Job, Jobs, Trigger
from core.reviews import open_reviews
from core.run_config import read_config
from core.settings import Settings
from core.store import Store
from core.suites import SUITE_FILE
from core.turns import now

PACKAGED: Final = Path(__file__).parents[1] / "training" / "configs" / "reader.yaml"
"""The run of a retraining where ASSISTANT_RETRAIN_CONFIG names no other."""
LEAST: Final = 8
"""Fewer rows make no dataset, unless somebody asks for one of fewer."""
FEWEST: Final = 2


class Here(Protocol):
    """An installation that is open: the console's, or the assistant that serves."""

    @property
    def settings(self) -> Settings: ...
    @property
    def store(self) -> Store: ...
    @property
    def audit(self) -> Audit: ...


@dataclass(frozen=True, slots=True)
class Outlook:
    """Whether the next retraining is near.

    Attributes:
        approved: items that may be trained on now.
        gathered: those of them that are new since the last retraining was asked for.
        wanted: so many new ones start a retraining; 0 where their number starts none.
        scheduled: when the schedule starts one in any case; None where there is none.
        unread: the setting of the schedule, where no time can be read in it.
        job: the one that is queued or running.
    """

    approved: int
    gathered: int
    wanted: int
    scheduled: datetime | None
    unread: str
    job: Job | None

    @property
    def refusal(self) -> str:
        """Why nobody can ask for one now, and what to do; "" where they can."""
        if self.job and self.job.to_go_on:
            return f"A retraining waits to go on at the step {self.job.to_go_on}: {self.job.job_id}."
        if self.job:
            return f"A retraining is {self.job.status} already: {self.job.job_id}."
        if self.approved < LEAST:
            return (
                f"Reviewers have approved {self.approved} items so far, and a dataset takes {LEAST} at least: "
                "decide more of the review queue with Train."
            )
        return ""


def outlook(here: Here, jobs: Jobs) -> Outlook:
    """How things stand now."""
    cron, every = here.settings.retrain_schedule, approved(here)
    scheduled = next_time(cron, now())
    return Outlook(
        approved=every,
        gathered=max(0, every - counted(jobs)),
        wanted=here.settings.retrain_after,
        scheduled=scheduled,
        unread=cron if cron and scheduled is None else "",
        job=next(iter(jobs.all(*UNDER_WAY, limit=1)), None),
    )


def next_time(cron: str, after: datetime) -> datetime | None:
    """The schedule's first time after that one; None where it names none. The worker's DBOS reads schedules with the same library."""
    try:
        return croniter(cron, after, second_at_beginning=True).get_next(datetime) if cron else None
    except CroniterError:
        return None


def ask(here: Here, jobs: Jobs, trigger: Trigger, *, actor: str, **options: Any) -> Job:
    """Ask for a retraining with the settings' run. Raises BadInput and Conflict."""
    return jobs.request(trigger, wanted(here.settings, here, **options), actor=actor)


def ask_where_it_may(here: Here, jobs: Jobs, *, actor: str) -> Job:
    """As `ask` by hand, for the page: what could only fail is refused now.

    Raises:
        Conflict: one is under way, or fewer items are approved than make a dataset. BadInput: the run's file has problems.
    """
    if why_not := outlook(here, jobs).refusal:
        raise Conflict(why_not)
    return ask(here, jobs, "hand", actor=actor)


def wanted(
    settings: Settings,
    here: Here,
    *,
    config: Path | None = None,
    allow_dirty: bool = False,
    least: int = LEAST,
) -> dict[str, Any]:
    """What a retraining is asked for with: the run's file is read and checked now, and counts as it is now.

    The gate's suite and thresholds are the settings': nothing is promoted by others.

    Raises:
        BadInput: the file has problems, or fewer rows are asked for than make a dataset.
    """
    if least < FEWEST:
        raise BadInput(f"A dataset has at least {FEWEST} rows to train on.")
    read = read_config(config or settings.retrain_config or PACKAGED)
    suite = named_suite(settings.retrain_suite)
    return {
        "config": read.model_dump(mode="json"),
        "least": least,
        "suite": suite,
        "gate": gate_words(suite, settings.retrain_gate),
        "allow_dirty": allow_dirty,
        "approved": approved(here),
    }


def named_suite(named: str) -> str:
    """A suite's name, or its folder wherever the worker runs."""
    folder = Path(named).expanduser()
    return str(folder.resolve()) if named and (folder / SUITE_FILE).is_file() else named


def gate_words(suite: str, policy: Path | None) -> list[str]:
    """The arguments of `python -m eval gate` for a suite and a file of thresholds."""
    return [*(["--suite", suite] if suite else []), *(["--policy", str(policy.resolve())] if policy else [])]


def approved(here: Here) -> int:
    """Items that may be trained on now."""
    return open_reviews(here.settings, here.store, here.audit).approved_count()


def due_by_count(here: Here, jobs: Jobs) -> int:
    """Items approved since the last retraining was asked for, where they are enough for another one; else 0."""
    wanted_items = here.settings.retrain_after
    if not wanted_items or jobs.all("queued", "running", limit=1):
        return 0
    new = approved(here) - counted(jobs)
    return new if new >= wanted_items else 0


def counted(jobs: Jobs) -> int:
    """The items that were approved when the last retraining was asked for.

    Counted, not timed: a clock that jumps starts nothing. One asked for by hand and taken back has used none of them; what started
    by itself and was taken back would start again at once, if its items counted as new.
    """
    known = [job for job in jobs.all() if (job.status, job.trigger) != ("cancelled", "hand")]
    # asked for under a clock that was ahead: the last one may be among them
    ahead = sum(job.created_at > now() for job in known)
    return max((int(job.details.get("approved", 0)) for job in known[: ahead + 1]), default=0)
