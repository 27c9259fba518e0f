"""Work that a model needs once on a machine, done by a process of its own, by one process at a time."""

from __future__ import annotations

import fcntl
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

log = logging.getLogger(__name__)

TIMEOUT_S = 900
T = TypeVar("T")


def prepare_once(name: str, folder: Path, command: Sequence[str], read: Callable[[Path], T | None]) -> T | None:
    """What `read(folder)` finds; where it finds nothing, `python -m command` is run first. None where that failed."""
    known = read(folder)
    if known is not None:
        return known
    with _alone(folder) as lock:
        return read(folder) or _prepare(name, folder, command, read, lock=lock)


def _prepare(
    name: str, folder: Path, command: Sequence[str], read: Callable[[Path], T | None], *, lock: IO[str]
) -> T | None:
    log.info("preparing %s for this processor, once", name)
    started = time.perf_counter()
    with (folder / "prepare.log").open("wb") as output:
        try:
            done = subprocess.run(
                [sys.executable, "-m", *command],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                timeout=TIMEOUT_S,
                cwd=Path(__file__).parents[1],
                check=False,
                # It holds the lock, too: where we are stopped or killed meanwhile, the next start waits for its result.
                pass_fds=(lock.fileno(),),
            )
        except subprocess.TimeoutExpired:
            return None
    log.info("%s: prepared in %.0f s, exit %d", name, time.perf_counter() - started, done.returncode)
    return read(folder)


@contextmanager
def _alone(folder: Path) -> Iterator[IO[str]]:
    """One process prepares; another that starts meanwhile waits for it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
