"""A worker that says where it is and dies there: python -m tests.training.worker_process LOG [POINT] [--lease S] [--slow S].

LOG gets a line `PID POINT` at each point at which a crash may come; at POINT the process is killed with SIGKILL, as by the
kernel. --slow waits so long in each training step, so that another worker can come.
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from datetime import timedelta
from pathlib import Path

from assistant.console import opened
from core.offline import go_quiet


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("log", type=Path)
    parser.add_argument("point", nargs="?", default="")
    parser.add_argument("--lease", type=float, default=60.0)
    parser.add_argument("--slow", type=float, default=0.0)
    args = parser.parse_args()
    go_quiet()

    def reached(point: str) -> None:
        with args.log.open("a") as log:
            log.write(f"{os.getpid()} {point}\n")
        if point == args.point:
            os.kill(os.getpid(), signal.SIGKILL)
        if point == "train step":
            time.sleep(args.slow)

    from training.workflow import Worker

    with (
        opened() as here,
        Worker(here, lease=timedelta(seconds=args.lease), allow_dirty=True, reached=reached) as worker,
    ):
        worker.run(once=True, poll=0.2)


if __name__ == "__main__":
    main()
