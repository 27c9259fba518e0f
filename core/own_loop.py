"""Builds what leaves event loops behind: `with_own_loop(lambda: LLMRails(config))`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


def with_own_loop(build: Callable[[], T]) -> T:
    """What `build` returns or raises, run inside an event loop of its own, in a thread of its own.

    NeMo Guardrails and Gradio make an event loop wherever none runs, put it in the place of the thread's own one, and
    never close it: a file and two sockets each, until the garbage collection finds them.
    """

    async def run() -> T:
        return build()

    with ThreadPoolExecutor(1, "own-loop") as pool:
        return pool.submit(copy_context().run, asyncio.run, run()).result()
