"""How many questions of one person are answered at once: one person's programs leave room for everybody else."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import TooManyAtOnce


class Share:
    """`with share.of(person_id):` around each answer. Safe to use from several threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def of(self, person_id: str) -> Iterator[None]:
        """Raises TooManyAtOnce where so many questions of the person are being answered."""
        with self._lock:
            if self._counts[person_id] >= self._most:
                raise TooManyAtOnce(
                    f"{self._most} of your questions are being answered: wait until one of them is, then ask again."
                )
            self._counts[person_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._counts[person_id] -= 1
                self._counts += Counter()  # forgets who has none
