"""The end of `python -m assistant serve`: prompt, orderly, and never a crash of the interpreter.

    stop_by_signal(server)              Ctrl-C and SIGTERM stop the server, and interrupt nothing that is put away afterwards
    run_until_stopped(server, door)     serve; whatever was being answered is given a few seconds
    leave(0)                            end the process where a thread hangs in a library; else return

A thread cannot be stopped from outside. One that waits in a native library (a model server that sends nothing, an adapter that
is being compiled) while the interpreter takes itself apart brings the process down with a segmentation fault, so it is waited
for, and the process ends without taking the interpreter apart where that takes too long. All that was acknowledged is on the disk.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import uvicorn

log = logging.getLogger(__name__)

WORKER = "AnyIO worker thread"
"""The name of the threads in which the server waits for answers."""
CUT_OFF_S = 3.0
"""Answers that were cut off have this long to be stored as stopped."""
LEAVE_S = 2.0
"""Threads that are left have this long to end."""


def stop_by_signal(server: uvicorn.Server) -> None:
    """Ctrl-C and SIGTERM stop the server from now on, before it runs and after; while it runs it sees to them itself."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def run_until_stopped(server: uvicorn.Server, door: socket.socket) -> None:
    """Serve at the door until the server is told to stop. An answer whose thread hangs keeps nobody waiting."""
    logging.getLogger("uvicorn.error").addFilter(_not_cut_off)
    runner = asyncio.Runner(loop_factory=server.config.get_loop_factory())
    try:
        runner.run(server.serve(sockets=[door]))
    finally:
        if runner.run(_cut_off()):
            runner.close()
        answering = [thread for thread in threading.enumerate() if thread.name == WORKER]
        if cut := _left(answering, CUT_OFF_S):
            log.warning("answers did not end when they were cut off, and are not stored: %d threads wait", len(cut))


def _not_cut_off(record: logging.LogRecord) -> bool:
    """The server has said how many requests it cuts off: the place in the code at which each of them was says nothing more."""
    return not (record.exc_info and record.exc_info[0] and issubclass(record.exc_info[0], asyncio.CancelledError))


async def _cut_off() -> bool:
    """Cancel what still runs in the loop; whether all of it ended, so that closing the loop waits for nothing."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    return not tasks or not (await asyncio.wait(tasks, timeout=CUT_OFF_S))[1]


def _left(threads: Sequence[threading.Thread], seconds: float) -> list[threading.Thread]:
    """Wait so long for them to end; those that did not."""
    until = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return [thread for thread in threads if thread.is_alive()]


def leave(code: int) -> None:
    """End the process with the code where threads hang; return where none is left."""
    from guardrails.nemo import stop_nemo

    stop_nemo()
    others = [thread for thread in threading.enumerate() if thread is not threading.current_thread()]
    hanging = _left(others, LEAVE_S)
    if not hanging:
        return
    log.warning("left behind: %s", ", ".join(sorted(thread.name for thread in hanging)))
    leave_at_once(code)


def leave_at_once(code: int) -> NoReturn:
    """End the process with the code, whatever its threads do."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
