"""A worker that says where it is and dies there, in a process of its own.

`log` gets a line `PID POINT` at each point at which a crash may come; at `point` the process is killed with SIGKILL, as by the
kernel.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from assistant.console import opened
from core.offline import go_quiet

IMPORTED = (
    "tests.training.worker_process",
    "training.workflow",
    "training.runs",
    "training.retrain",
    "mlflow",
    "presidio_analyzer",
    "sentence_transformers",
    "spacy",
)
"""What a worker imports sooner or later."""


def work(
    log: Path, environment: Mapping[str, str], point: str = "", *, lease: float = 60.0, slow: float = 0.0, disk: int = 0
) -> None:
    """Do what there is to do, until it is done or `point` is reached.

    Args:
        lease: seconds.
        slow: seconds to wait in each training step, so that another worker can come.
        disk: bytes that a file may have; all that the disk holds unless given.
    """
    os.environ.clear()
    os.environ.update(environment)
    go_quiet()
    if disk:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (disk, disk))

    def reached(here: str) -> None:
        with log.open("a") as told:
            told.write(f"{os.getpid()} {here}\n")
        if here == point:
            os.kill(os.getpid(), signal.SIGKILL)
        if here == "train step":
            time.sleep(slow)

    from training.workflow import Worker

    with opened() as here, Worker(here, lease=timedelta(seconds=lease), allow_dirty=True, reached=reached) as worker:
        worker.run(once=True, poll=0.2)
