"""Answers wait in threads of their own: where a model hangs, signing in, /ready and everything else still have theirs.

whole = await in_thread(function, argument)
async with aclosing(each(generator)) as items:      each item is made in such a thread
"""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable, Generator
from typing import TypeVar, TypeVarTuple

import anyio.to_thread
from anyio import CancelScope, CapacityLimiter
from anyio.lowlevel import RunVar

ANSWERS = 100
"""Answers that are being made or waited for at once; more of them wait without a thread."""
_PLACES: RunVar[CapacityLimiter] = RunVar("answers")

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


async def in_thread(function: Callable[[*Ts], T], *args: *Ts) -> T:
    """What the function returns, in a thread for answers."""
    return await anyio.to_thread.run_sync(function, *args, limiter=_places())


async def each(items: Generator[T]) -> AsyncGenerator[T]:
    """The items, none of which is None. Closing it waits for the item that is being made, then closes the generator.

    A server that stops cuts a request off while its thread waits for the model; the turn is stored as stopped all the same.
    """
    lock = threading.Lock()

    def following() -> T | None:
        with lock:
            return next(items, None)

    def close() -> None:
        with lock:
            items.close()

    try:
        while (item := await in_thread(following)) is not None:
            yield item
    finally:
        with CancelScope(shield=True):
            # Where answers have taken all their threads, Gradio's lock must not wait for one.
            await anyio.to_thread.run_sync(close)


def _places() -> CapacityLimiter:
    """The running event loop's."""
    try:
        return _PLACES.get()
    except LookupError:
        made = CapacityLimiter(ANSWERS)
        _PLACES.set(made)
        return made
