"""Work on retrainings: those asked for by hand, by the number of newly approved items, and by the schedule of the settings.

    python -m training worker                    until Ctrl-C or SIGTERM; what is under way is gone on from by the next worker
    python -m training worker --once             until nothing is asked for

Several workers may run, on several machines with one PostgreSQL: one of them does each retraining, and another goes on where one
has died, after the lease. docs/training.md

Exit codes: 0 stopped, 2 wrong settings, 4 the store does not answer.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from datetime import timedelta
from types import FrameType
from typing import TYPE_CHECKING

from assistant.console import opened

if TYPE_CHECKING:
    from training.workflow import Worker


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "worker",
        help="work on retrainings",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--once", action="store_true", help="end when nothing is asked for")
    parser.add_argument(
        "--lease",
        type=float,
        default=60.0,
        metavar="S",
        help="seconds after which another worker takes over (%(default)s)",
    )
    parser.add_argument(
        "--allow-dirty",
        action="store_true",
        help="train although the source tree has changes, in what it starts by itself",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    from assistant.stopping import leave_at_once
    from core.errors import BadInput
    from core.jobs import LONGEST_LEASE
    from core.workers import present
    from training.workflow import Worker

    if not 1 <= args.lease <= LONGEST_LEASE.total_seconds():
        raise BadInput(f"--lease is a number of seconds, from 1 to {LONGEST_LEASE.total_seconds():.0f}.")
    with opened() as here:
        with Worker(here, lease=timedelta(seconds=args.lease), allow_dirty=args.allow_dirty) as worker:
            stopped = _stop_by_signal(worker)
            with present(here.store, worker.name):
                worker.run(once=args.once)
    if stopped.is_set():
        free = f" {worker.given_back} is free: the next worker goes on with it." if worker.given_back else ""
        sys.stderr.write(f"Stopped.{free}\n")
        leave_at_once(0)  # a thread in the middle of a step, or that waits for another worker's, does not end by itself
    return 0


def _stop_by_signal(worker: Worker) -> threading.Event:
    """Ctrl-C and SIGTERM stop the worker; the event says that one came."""
    stopped = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopped.set()
        worker.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return stopped
