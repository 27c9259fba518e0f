"""Keeps the adapters that should answer on every model server, through restarts: unique names, load, warm-up, then traffic.

    python -m assistant serve               does it in the background where MODEL_URL is set
    python -m assistant reconcile --once    one round, told line by line

A round asks each server what it holds, loads what is missing from a folder whose hashes were just checked, lets it answer one
token by that adapter (a load has said yes for a folder that is not there), and only then marks it as verified. A name is never
used for a second content: a server may answer from the old one's prefix cache. What is no longer wanted is unloaded a round later.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from assistant.fleet import Fleet, Listed, Replica
from core.errors import AssistantError, ModelUnavailable, StoreUnavailable

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 300.0
"""A load that fails is tried again after 5 s, then 10, 20 and so on up to this."""
STOP_S = 5.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """An adapter that should answer. `check` raises AdapterRefused where its files are not those that were registered."""

    name: str
    folder: Path
    sha256: str
    check: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Desired:
    """What the store says: the adapters that should be held, and those that no server may go on holding."""

    wanted: Sequence[Wanted]
    banned: frozenset[str] = frozenset()


@dataclass
class _Memory:
    """What a round remembers of one server: what we loaded there, what nobody wanted last time, and what failed until when."""

    loaded: set[str] = field(default_factory=set)
    unwanted: set[str] = field(default_factory=set)
    failures: dict[str, tuple[int, float]] = field(default_factory=dict)


class Reconciler:
    """One for a process. `round` may be called from any thread; `start` calls it in the background.

    Args:
        desired: asked at the start of each round.
        mounted: the folder under which the servers see `adapters`; empty where they see the same paths.
        adapters: the folder here that they mount.
    """

    def __init__(
        self,
        fleet: Fleet,
        desired: Callable[[], Desired],
        *,
        adapters: Path,
        mounted: str = "",
        every_s: float = 5.0,
    ) -> None:
        self.fleet = fleet
        self._desired = desired
        self._adapters, self._mounted = adapters, mounted
        self._every_s = every_s
        self._known: dict[str, str] = {}
        self._memory = {replica.name: _Memory() for replica in fleet.replicas}
        self._one = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def round(self) -> bool:
        """Look at every server at the same time and bring each to what is wanted; True where all of it is verified.

        Raises:
            StoreUnavailable: what is wanted cannot be read; the servers keep what they hold.
        """
        with self._one:
            desired = self._desired()
            with ThreadPoolExecutor(len(self.fleet.replicas), thread_name_prefix="reconcile") as pool:
                return all(list(pool.map(lambda replica: self._settle(replica, desired), self.fleet.replicas)))

    def start(self) -> None:
        """Go round in the background, every few seconds and whenever a request met a server that was not as it was seen."""
        self._thread = threading.Thread(target=self._keep, name="reconciler", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look now: what should be served has just changed."""
        self.fleet.changed.set()

    def close(self) -> None:
        self._stopped.set()
        self.wake()
        if self._thread:
            self._thread.join(STOP_S)

    def _keep(self) -> None:
        while not self._stopped.is_set():
            self.fleet.changed.clear()
            try:
                self.round()
            except StoreUnavailable as error:
                log.warning("the servers keep what they hold: %s", error)
            except Exception as error:  # noqa: BLE001 - the thread's boundary: a round that fails is followed by another
                log.error("a round of the reconciler failed with %s", type(error).__name__)
            self.fleet.changed.wait(self._every_s)

    def _settle(self, replica: Replica, desired: Desired) -> bool:
        """One server; never raises."""
        try:
            listed = replica.listed()
        except ModelUnavailable as error:
            if self.fleet.state(replica, self.fleet.base) != "down":
                log.warning("%s", error)
            self.fleet.silent(replica, str(error))
            self._memory[replica.name].failures.clear()
            return False
        good = self._base(replica, listed)
        for one in desired.wanted:
            good = self._hold(replica, one, one.name in listed) and good
        self._drop(replica, desired, listed)
        return good

    def _base(self, replica: Replica, listed: Mapping[str, Listed]) -> bool:
        base = self.fleet.base
        if base not in listed:
            why = f"{replica.name} has no model {base}: correct MODEL, or serve it there"
            self.fleet.note(replica, base, "missing", why)
            return False
        return self._verified(replica, base) or self._warm_up(replica, base, time.perf_counter())

    def _hold(self, replica: Replica, one: Wanted, there: bool) -> bool:
        """Bring one adapter to one server; `there` where it lists it already."""
        memory = self._memory[replica.name]
        if self._known.setdefault(one.name, one.sha256) != one.sha256:
            return self._failed(replica, one.name, "the name stood for another content before: register this one anew")
        if there and self._verified(replica, one.name):
            return True
        if memory.failures.get(one.name, (0, 0.0))[1] > time.monotonic():
            return False
        began, load_ms = time.perf_counter(), None
        if not there:
            if self._verified(replica, one.name):
                log.warning("%s has lost %s: it is loaded again", replica.name, one.name)
            self.fleet.note(replica, one.name, "loading")
            try:
                one.check()
                replica.load(one.name, self._path_there(one))
            except AssistantError as error:
                return self._failed(replica, one.name, str(error))
            load_ms = _ms(began)
            memory.loaded.add(one.name)
        if self._warm_up(replica, one.name, began, load_ms):
            log.info("%s answers by %s after %.0f ms", replica.name, one.name, _ms(began))
            return True
        self._unload(replica, one.name)  # it is listed and does not answer: the next try starts from nothing
        return False

    def _verified(self, replica: Replica, adapter: str) -> bool:
        return self.fleet.state(replica, adapter) == "verified"

    def _warm_up(self, replica: Replica, adapter: str, began: float, load_ms: float | None = None) -> bool:
        try:
            replica.warm_up(adapter)
        except ModelUnavailable as error:
            return self._failed(replica, adapter, str(error))
        self._memory[replica.name].failures.pop(adapter, None)
        self.fleet.note(replica, adapter, "verified", load_ms=load_ms, first_answer_ms=_ms(began))
        return True

    def _failed(self, replica: Replica, adapter: str, why: str) -> bool:
        failures = self._memory[replica.name].failures
        tries = failures.get(adapter, (0, 0.0))[0] + 1
        failures[adapter] = (tries, time.monotonic() + min(self._every_s * 2 ** (tries - 1), LONGEST_WAIT_S))
        self.fleet.note(replica, adapter, "failed", why)
        log.error("%s cannot answer by %s (try %d): %s", replica.name, adapter, tries, why)
        return False

    def _drop(self, replica: Replica, desired: Desired, listed: Mapping[str, Listed]) -> None:
        """Unload what this process loaded and nobody wants for the second round, and at once what may not serve.

        Adapters that others loaded (an evaluation, `--lora-modules`) are theirs.
        """
        memory = self._memory[replica.name]
        wanted = {one.name for one in desired.wanted}
        for standing in self.fleet.standings():
            if standing.replica == replica.name and standing.adapter not in {*wanted, self.fleet.base}:
                self.fleet.forget(replica, standing.adapter)  # no new request, from now on
        memory.unwanted -= wanted
        for name in [name for name, one in listed.items() if one.is_adapter and name not in wanted]:
            if name in desired.banned or name in memory.unwanted:
                self._unload(replica, name)
            elif name in memory.loaded:
                memory.unwanted.add(name)

    def _unload(self, replica: Replica, name: str) -> None:
        memory = self._memory[replica.name]
        try:
            replica.unload(name)
        except ModelUnavailable as error:
            log.warning("%s", error)
            return
        memory.loaded.discard(name)
        memory.unwanted.discard(name)
        log.info("%s no longer holds %s", replica.name, name)

    def _path_there(self, one: Wanted) -> str:
        """The adapter's folder as the server sees it."""
        if self._mounted and one.folder.is_relative_to(self._adapters):
            return str(PurePosixPath(self._mounted) / one.folder.relative_to(self._adapters).as_posix())
        return str(one.folder)


def _ms(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 1)
