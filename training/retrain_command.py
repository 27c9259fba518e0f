"""Ask for a retraining by hand, and see those that were asked for. A worker does them: python -m training worker

    python -m training retrain                        with the run of ASSISTANT_RETRAIN_CONFIG, or training/configs/reader.yaml
    python -m training retrain --config FILE --as ana.silva      who may then not approve it
    python -m training retrain --list
    python -m training retrain --wait                 until it waits for approval, or has failed
    python -m training retrain --cancel JOB --as ana.silva       take back what waits for a worker, or whose worker died

A retraining builds a dataset of what reviewers approved, trains, registers, asks the gate, stages what the gate lets through, and
waits for a second person: python -m assistant adapters approve ADAPTER. It also starts by itself, after ASSISTANT_RETRAIN_AFTER newly
approved items and by ASSISTANT_RETRAIN_SCHEDULE. Its gate asks ASSISTANT_RETRAIN_SUITE (the demo's) by the thresholds of ASSISTANT_RETRAIN_GATE.
docs/training.md

to_go_on is the step at which what a stopped worker gave back waits for the next one, "" for all others.

JSON fields: job_id, trigger, status, step, to_go_on, error, requested_by, created_at, finished_at, dataset_id, adapter, passed, report.

Exit codes: 0 asked for (with --wait: it waits for approval), 1 with --wait: it failed, 2 wrong input, or one is under way (with --cancel: a
worker has it, or it has ended), 3 not allowed.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.console import acting, add_json, add_person, opened, say, table

if TYPE_CHECKING:
    from core.jobs import Job

POLL_S = 2.0


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "retrain",
        help="ask for a retraining, or see them",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="of the run, in place of the settings'")
    parser.add_argument("--least", type=int, default=8, metavar="N", help="fewest rows to train on (%(default)s)")
    parser.add_argument("--allow-dirty", action="store_true", help="train although the source tree has changes")
    add_person(parser, "who asks for it, and so may not approve it; without it nobody is known who may not")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--list", action="store_true", help="those that were asked for, newest first")
    instead.add_argument("--wait", action="store_true", help="until it waits for approval, or has failed")
    instead.add_argument("--cancel", default="", metavar="JOB", help="take back one that waits for a worker")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    from core.jobs import UNDER_WAY, Jobs
    from core.retraining import ask

    with opened() as here:
        jobs = Jobs(here.store, here.audit)
        if args.list:
            return _list(args, jobs.all())
        if args.cancel:
            jobs.cancel(args.cancel, actor=acting(here, args.person, "admin"))
            job = jobs.get(args.cancel)
            say(args, _told(job), fields(job))
            return 0
        wanted = {"config": args.config, "allow_dirty": args.allow_dirty, "least": args.least}
        job = ask(here, jobs, "hand", actor=acting(here, args.person), **wanted)
        while args.wait and job.status in UNDER_WAY:
            time.sleep(POLL_S)
            job = jobs.get(job.job_id)
        say(args, _told(job), fields(job))
        return int(job.status == "failed")


def _list(args: argparse.Namespace, jobs: list[Job]) -> int:
    if args.json:
        for one in jobs:
            say(args, "", fields(one))
        return 0
    rows = [
        (j.job_id, j.trigger, "to go on" if j.to_go_on else j.status, j.step, _adapter(j), j.error.split("\n")[0][:80])
        for j in jobs
    ]
    head = ("retraining", "by", "status", "step", "adapter", "why")
    say(args, table([head, *rows]) if rows else "No retraining was asked for yet.", {})
    return 0


def _told(job: Job) -> str:
    match job.status:
        case "queued" if job.to_go_on:
            return (
                f"{job.job_id} waits to go on at the step {job.to_go_on}. A worker does it: python -m training worker"
            )
        case "cancelled":
            return f"{job.job_id} is taken back: no worker does any more of it."
        case "queued" | "running":
            return f"{job.job_id} is {job.status}. A worker does it: python -m training worker"
        case "failed":
            return f"{job.job_id} failed at {job.step}: {job.error}"
        case "waiting":
            return f"{job.job_id}: {_adapter(job)} waits for approval: python -m assistant adapters approve {_adapter(job)}"
        case _:
            return f"{job.job_id} is {job.status}."


def fields(job: Job) -> dict[str, object]:
    """A job as --json prints it."""
    gate = job.results.get("gate", {})
    return {
        "job_id": job.job_id,
        "trigger": job.trigger,
        "status": job.status,
        "step": job.step,
        "to_go_on": job.to_go_on,
        "error": job.error,
        "requested_by": job.requested_by,
        "created_at": job.created_at.isoformat(),
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
        "dataset_id": job.results.get("dataset", {}).get("dataset_id"),
        "adapter": _adapter(job) or None,
        "passed": gate.get("passed"),
        "report": gate.get("report"),
    }


def _adapter(job: Job) -> str:
    return str(job.results.get("register", {}).get("adapter", ""))
