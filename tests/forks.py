"""Processes to be killed, forked from one that has imported what they need: importing torch and the rest takes ten seconds each time."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext


@contextmanager
def forking(*modules: str) -> Iterator[ForkServerContext]:
    """A context whose processes start with the modules imported. A server of these modules alone runs until the block ends."""
    context = multiprocessing.get_context("forkserver")
    forkserver._forkserver._stop()  # type: ignore[attr-defined]  # it keeps the modules that it was first told
    context.set_forkserver_preload(list(modules))
    try:
        yield context
    finally:
        forkserver._forkserver._stop()  # type: ignore[attr-defined]
