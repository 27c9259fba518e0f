"""What is watched over time, added up by day, so that any split of the days into two windows is judged at once."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from eval.use import Flags, Floats, Integers, Use

TOPICS = 8
GRID = 200
"""Places at which two distributions are compared."""
PSI_LIMIT = 0.1
"""Population stability index: above 0.1 a moderate change, above 0.25 a large one (Siddiqi 2006)."""
RATE_LIMIT = 0.03
SHIFT_LIMIT = 0.02
"""Share of the questions' spread that the windows' distance is."""


class Signal(Protocol):
    """Something watched. A split is a row of booleans over the days, True where a day counts as current."""

    name: str
    test: str
    limit: float

    def statistic(self, splits: Flags) -> Floats:
        """How different the two windows are for their numbers of turns, for each split; (splits, days) to (splits,)."""

    def size(self, split: Flags) -> float:
        """How large the change is, on the scale of `limit`."""

    def levels(self, split: Flags) -> tuple[float, float]:
        """The reference's and the current window's level, NaN where one number does not say it."""

    def detail(self, split: Flags) -> str:
        """What moved most, or ""."""


def signals(use: Use, seed: int = 0) -> list[Signal]:
    """Everything that can be watched in this use: a signal without any value is left out."""
    days = len(use.current)
    spreads = {name: getattr(use, name) for name in ("evidence", "top_score", "answer_chars", "latency_ms")}
    rates = {"refusal_rate": use.refused, "no_answer_rate": use.unanswered}
    rates |= {"error_rate": use.failed, "flag_rate": use.flagged}
    found: list[Signal] = []
    found += [Spread(name, use.day, values, days) for name, values in spreads.items() if np.isfinite(values).any()]
    found += [Rate(name, use.day, happened, days) for name, happened in rates.items()]
    if len(use.embedded) >= 10 * TOPICS:
        found += [Questions(use), Topics(use, seed)]
    return found


class Rate:
    """A share of the turns, judged by the difference of the windows' shares."""

    test, limit = "difference", RATE_LIMIT

    def __init__(self, name: str, day: Integers, happened: Flags, days: int) -> None:
        self.name = name
        self._counts = _by_day(day, happened.astype(np.int64), days, 2)

    def statistic(self, splits: Flags) -> Floats:
        windows = _windows(splits, self._counts)
        reference, current = (_shares(window)[:, 1] for window in windows)
        return np.abs(current - reference) * np.sqrt(_weight(*windows))

    def size(self, split: Flags) -> float:
        reference, current = self.levels(split)
        return abs(current - reference)

    def levels(self, split: Flags) -> tuple[float, float]:
        reference, current = (_shares(window)[0, 1] for window in _windows(split[None], self._counts))
        return float(reference), float(current)

    def detail(self, split: Flags) -> str:  # noqa: ARG002
        return ""


class Spread:
    """A number that each turn has, judged by the Kolmogorov-Smirnov distance and sized by PSI over the reference's deciles."""

    test, limit = "KS", PSI_LIMIT

    def __init__(self, name: str, day: Integers, values: Floats, days: int) -> None:
        self.name = name
        kept = np.isfinite(values)
        self._day, self._values, self._days = day[kept], values[kept], days
        # Distributions are compared at values that occur, all of them where they are few.
        places = np.unique(np.quantile(self._values, np.linspace(0, 1, GRID), method="lower"))
        self._counts = _by_day(self._day, np.searchsorted(places, self._values, "right") - 1, days, len(places))

    def statistic(self, splits: Flags) -> Floats:
        windows = _windows(splits, self._counts)
        reference, current = (np.cumsum(_shares(window), axis=1) for window in windows)
        distance: Floats = np.abs(current - reference).max(axis=1)
        return distance * np.sqrt(_weight(*windows))

    def size(self, split: Flags) -> float:
        old = self._values[~split[self._day]]
        if not len(old):
            return 0.0
        edges = np.unique(np.quantile(old, np.linspace(0.1, 0.9, 9), method="lower"))
        counts = _by_day(self._day, np.searchsorted(edges, self._values, "right"), self._days, len(edges) + 1)
        return float(_psi(*_windows(split[None], counts))[0])

    def levels(self, split: Flags) -> tuple[float, float]:
        current = split[self._day]
        reference, now = (
            float(np.median(v)) if len(v) else np.nan for v in (self._values[~current], self._values[current])
        )
        return reference, now

    def detail(self, split: Flags) -> str:  # noqa: ARG002
        return ""


class Questions:
    """The questions' embeddings, judged by the squared distance of the windows' means (MMD with a linear kernel)."""

    name, test, limit = "questions", "embedding distance", SHIFT_LIMIT

    def __init__(self, use: Use) -> None:
        days = len(use.current)
        day, vectors = use.day[use.embedded], use.vectors.astype(np.float64)
        self._count = np.bincount(day, minlength=days)[:, None].astype(np.float64)
        self._sum = np.zeros((days, vectors.shape[1]))
        np.add.at(self._sum, day, vectors)
        self._spread = float(1 - (vectors.mean(axis=0) ** 2).sum())  # unit vectors: their variance about the mean

    def statistic(self, splits: Flags) -> Floats:
        return self._distance(splits) * _weight(*_windows(splits, self._count))

    def size(self, split: Flags) -> float:
        return float(self._distance(split[None])[0] / max(self._spread, 1e-9))

    def _distance(self, splits: Flags) -> Floats:
        (count, count_now), (total, total_now) = _windows(splits, self._count), _windows(splits, self._sum)
        distance: Floats = ((total_now / np.maximum(count_now, 1) - total / np.maximum(count, 1)) ** 2).sum(axis=1)
        return distance

    def levels(self, split: Flags) -> tuple[float, float]:  # noqa: ARG002
        return np.nan, np.nan

    def detail(self, split: Flags) -> str:  # noqa: ARG002
        return ""


class Topics:
    """The questions in clusters, judged and sized by PSI. A topic is named by the document that its answers cite most."""

    name, test, limit = "topics", "PSI", PSI_LIMIT

    def __init__(self, use: Use, seed: int) -> None:
        from scipy.cluster.vq import kmeans2

        self._day = use.day[use.embedded]
        self._documents = [use.document[place] for place in use.embedded]
        # Clustered over both windows together: made from one of them, the topics would tell the windows apart.
        _, self._topic = kmeans2(use.vectors.astype(np.float64), TOPICS, minit="++", rng=np.random.default_rng(seed))
        self._counts = _by_day(self._day, self._topic.astype(np.int64), len(use.current), TOPICS)

    def statistic(self, splits: Flags) -> Floats:
        windows = _windows(splits, self._counts)
        return _psi(*windows) * _weight(*windows)

    def size(self, split: Flags) -> float:
        return float(_psi(*_windows(split[None], self._counts))[0])

    def levels(self, split: Flags) -> tuple[float, float]:
        """The shares of the topic that grew most."""
        reference, current = (_shares(window)[0] for window in _windows(split[None], self._counts))
        grown = int((current - reference).argmax())
        return float(reference[grown]), float(current[grown])

    def detail(self, split: Flags) -> str:
        reference, current = (_shares(window)[0] for window in _windows(split[None], self._counts))
        grown = (self._topic == (current - reference).argmax()) & split[self._day]
        cited = Counter(self._documents[place] for place in np.flatnonzero(grown) if self._documents[place])
        return cited.most_common(1)[0][0] if cited else ""


def _by_day(day: Integers, bins: Integers, days: int, count: int) -> Floats:
    """How many turns of each day fall into each bin, shape (days, count)."""
    return np.bincount(day * count + bins, minlength=days * count).reshape(days, count).astype(np.float64)


def _windows(splits: Flags, per_day: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What each split's reference and current days add up to; (splits, days) and (days, k) to twice (splits, k)."""
    current = splits.astype(np.float64) @ per_day
    return per_day.sum(axis=0) - current, current


def _weight(reference: Floats, current: Floats) -> Floats:
    """Turns that a comparison of the two windows is worth: without it, splits of quiet days would look the most different."""
    old, new = reference.sum(axis=1), current.sum(axis=1)
    weight: Floats = old * new / np.maximum(old + new, 1)
    return weight


def _shares(counts: Floats) -> Floats:
    """Each row as shares of its sum; a row of nothing stays nothing."""
    shares: Floats = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares


def _psi(reference: Floats, current: Floats) -> Floats:
    """Population stability index of each row, half a turn added to every bin so that an empty one has a logarithm."""
    old, new = _shares(reference + 0.5), _shares(current + 0.5)
    index: Floats = ((new - old) * np.log(new / old)).sum(axis=1)
    return index
