"""How rare each word is among the points that a person may read, kept until the index changes.

An engine counts them over all points that a filter admits, for every word of every question: half of a search in 100,000
passages. They are the same until something is written, so each is asked for once a filter.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from retrieval.access import AccessFilter

FILTERS = 128
"""Filters whose words are kept, latest used: one for all people with the same groups and clearance, a new one each day."""
WORDS = 20_000
"""Words kept of one filter; about 150 bytes each."""


@dataclass(frozen=True, slots=True)
class Rarity:
    """`weight` is the inverse document frequency among the points admitted; `scale` times the word's frequency over all points is the same.

    `scale` is None where none of them holds the word.
    """

    weight: float
    scale: float | None


@dataclass(slots=True)
class _Admitted:
    """What was counted among the points that one filter admits; `points` is None until somebody wanted to know how many."""

    words: dict[int, Rarity] = field(default_factory=dict)
    points: int | None = None


class TermStatistics:
    """Remembers rarities by filter and word. Safe to use from several threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[AccessFilter, _Admitted] = OrderedDict()
        self._writes = 0
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Call it after every change of the index: what was counted before is dropped, and what is being counted is not kept."""
        with self._lock:
            self._writes += 1
            self._known.clear()

    def of(
        self, terms: Iterable[int], access: AccessFilter, count: Callable[[list[int]], dict[int, Rarity]]
    ) -> dict[int, Rarity]:
        """The rarity of each term, in their order; `count` is asked for those that are not known."""
        terms = list(terms)
        with self._lock:
            known, before = self._known.get(access, _Admitted()).words, self._writes
            found = {term: known[term] for term in terms if term in known}
        fresh = [term for term in terms if term not in found]
        if fresh:
            counted = count(fresh)
            found |= counted
            with self._lock:
                words = self._kept(access, before).words
                if len(words) + len(counted) > WORDS:
                    words.clear()
                words.update(counted)
        return {term: found[term] for term in terms}

    def points(self, access: AccessFilter, count: Callable[[], int]) -> int:
        """How many points the filter admits; `count` is asked where that is not known."""
        with self._lock:
            known, before = self._known.get(access, _Admitted()).points, self._writes
        if known is not None:
            return known
        counted = count()
        with self._lock:
            self._kept(access, before).points = counted
        return counted

    def _kept(self, access: AccessFilter, before: int) -> _Admitted:
        """The filter's record, made where there is none; one that nobody keeps where the index has changed since `before` writes.

        Call it with the lock held.
        """
        if self._writes != before:
            return _Admitted()
        admitted = self._known.setdefault(access, _Admitted())
        self._known.move_to_end(access)
        if len(self._known) > FILTERS:
            self._known.popitem(last=False)
        return admitted
