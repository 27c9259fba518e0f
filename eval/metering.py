"""What a question costs: processor seconds of this process, and the tokens that a model server counted.

    meter = Meter()
    with meter.case(requests=2) as used:
        outcome = system.ask(case)
    used            {"requests": 2, "cpu_s": 0.31, "prompt_tokens": 1630, "completion_tokens": 77}

Cases that are asked at once share the time of the same processors: whatever was used while n were under way is an nth of each one's,
so that they add up to all that was used. What a model server uses on the same machine is its own process's and not in it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eval.runner import Result

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Spent:
    """Means of a request (a case with earlier turns is several); tokens are None where no model server counted any."""

    requests: int
    cpu_s: float
    prompt_tokens: float | None
    completion_tokens: float | None

    def token_cost(self, prices: tuple[float, float]) -> float | None:
        """Of a request, for what a million tokens cost, read and written."""
        if self.prompt_tokens is None or self.completion_tokens is None:
            return None
        return (self.prompt_tokens * prices[0] + self.completion_tokens * prices[1]) / MILLION


def spent(results: Sequence[Result]) -> Spent | None:
    """None where nothing was measured, as in results of an older program."""
    measured = [result.used for result in results if result.used]
    if not measured:
        return None
    requests = int(sum(used["requests"] for used in measured))
    counted = any("prompt_tokens" in used for used in measured)
    read, written = (
        round(sum(used.get(kind, 0) for used in measured) / requests, 1) if counted else None
        for kind in ("prompt_tokens", "completion_tokens")
    )
    return Spent(requests, round(sum(used["cpu_s"] for used in measured) / requests, 4), read, written)


class Meter:
    """Measures cases that may be asked at once, each in a thread of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens, self._counter = _tokens()
        self._under_way: list[dict[str, float]] = []
        self._seen = time.process_time()

    @contextmanager
    def case(self, requests: int) -> Iterator[dict[str, float]]:
        """What the block uses, complete at its end."""
        used: dict[str, float] = {"requests": requests, "cpu_s": 0.0}
        before = self._tokens.set(counter := self._counter())
        self._share(begins=used)
        try:
            yield used
        finally:
            self._share(ends=used)
            self._tokens.reset(before)
            used["cpu_s"] = round(used["cpu_s"], 4)
            for counted in counter.usage_metadata.values():
                used["prompt_tokens"] = used.get("prompt_tokens", 0) + counted["input_tokens"]
                used["completion_tokens"] = used.get("completion_tokens", 0) + counted["output_tokens"]

    def _share(self, *, begins: dict[str, float] | None = None, ends: dict[str, float] | None = None) -> None:
        with self._lock:
            now = time.process_time()
            for used in self._under_way:
                used["cpu_s"] += (now - self._seen) / len(self._under_way)
            self._seen = now
            if begins is not None:
                self._under_way.append(begins)
            self._under_way = [used for used in self._under_way if used is not ends]


@cache
def _tokens() -> tuple[ContextVar[Any], type[Any]]:
    """Where LangChain's models report their tokens, and what takes them up."""
    from langchain_core.callbacks import UsageMetadataCallbackHandler
    from langchain_core.tracers.context import register_configure_hook

    variable: ContextVar[Any] = ContextVar("used_tokens", default=None)
    register_configure_hook(variable, inheritable=True)
    return variable, UsageMetadataCallbackHandler
