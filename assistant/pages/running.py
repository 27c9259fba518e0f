"""Which answers are being written right now, so that the person who asked can stop them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Running:
    """Stop signals by (person, run). Another person's run cannot be reached: their id is half of the key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stops: dict[tuple[str, str], threading.Event] = {}

    @contextmanager
    def started(self, person_id: str, run_id: str) -> Iterator[threading.Event]:
        stop = threading.Event()
        with self._lock:
            self._stops[person_id, run_id] = stop
        try:
            yield stop
        finally:
            with self._lock:
                del self._stops[person_id, run_id]

    def stop(self, person_id: str, run_id: str) -> None:
        """Signal the run to end after its current sentence; an unknown or finished run is left alone."""
        with self._lock:
            stop = self._stops.get((person_id, run_id))
        if stop is not None:
            stop.set()
