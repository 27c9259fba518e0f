"""Which rows are in the set: proportions of kinds, replay of earlier rows, and the split into training and validation.

Everything here is decided by hashes and order alone, so that the same rows give the same set.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from training.dataset_near import Encoder, together
from training.dataset_rows import DatasetRow, Example, Split

Proportions = Mapping[Example, float]
"""Rows of a kind for each row that answers, at most."""


def in_proportion(
    rows: Sequence[DatasetRow], most: Proportions, *, floor: int
) -> tuple[list[DatasetRow], Counter[str]]:
    """The rows with no more refusals, escalations and questions back than the answers bear, and what was left out.

    A set of refusals teaches to refuse, a set without any teaches never to. Of each kind `floor` rows always stay.
    """
    answers = sum(row.example == "answer" for row in rows)
    left_out: Counter[str] = Counter()
    kept: set[str] = set()
    for kind in sorted({row.example for row in rows}):
        own = sorted((row for row in rows if row.example == kind), key=lambda r: _rank(r.item_id))
        allowed = len(own) if kind not in most else max(floor, math.floor(most[kind] * answers))
        kept |= {row.item_id for row in own[:allowed]}
        left_out[kind] = len(own[allowed:])
    return [row for row in rows if row.item_id in kept], +left_out


def replayed(rows: Sequence[DatasetRow], earlier: Collection[str], share: float) -> tuple[list[DatasetRow], int]:
    """The new rows with some of the earlier ones beside them, against forgetting; and how many earlier ones stay out.

    Args:
        earlier: items that stand in the dataset that this one comes after.
        share: earlier rows for each new one, at most. They are taken in turn from each department and kind.
    """
    new = [row for row in rows if row.item_id not in earlier]
    old = [row for row in rows if row.item_id in earlier]
    queues: dict[tuple[str, str], list[DatasetRow]] = defaultdict(list)
    for row in sorted(old, key=lambda r: _rank(r.item_id)):
        queues[row.department, row.example].append(row)
    wanted = min(len(old), math.ceil(share * len(new)))
    places = sorted((place, key) for key, queue in queues.items() for place in range(len(queue)))
    chosen = [queues[key][place] for place, key in places[:wanted]]
    return [*new, *(replace(row, origin="replay") for row in chosen)], len(old) - wanted


def splits(rows: Sequence[DatasetRow], share: float, encode: Encoder) -> dict[str, Split]:
    """Item to its split. Rows that ask nearly the same, or are answered by the same words, stay together.

    Within each department and language the groups are taken in the order of time, and every so-many-th goes to
    validation: both splits span all departments, languages and times. Newer rows change nothing for the older ones.
    """
    numbers = together(rows, encode)
    groups: dict[int, list[DatasetRow]] = defaultdict(list)
    for number, row in zip(numbers, rows, strict=True):
        groups[number].append(row)
    strata: dict[tuple[str, str], list[list[DatasetRow]]] = defaultdict(list)
    for group in groups.values():
        first = min(group, key=_time)
        strata[first.department, first.language].append(sorted(group, key=_time))
    validation: set[str] = set()
    for key, members in strata.items():
        phase = _rank("/".join(key)) / 2**64
        for n, group in enumerate(sorted(members, key=lambda g: _time(g[0]))):
            if math.floor((n + 1) * share + phase) > math.floor(n * share + phase):
                validation |= {row.item_id for row in group}
    if not validation and len(groups) > 1:
        last = max(groups.values(), key=lambda g: (-len(g), max(map(_time, g))))
        validation = {row.item_id for row in last}
    return {row.item_id: "validation" if row.item_id in validation else "train" for row in rows}


def _time(row: DatasetRow) -> tuple[str, str]:
    return row.asked_at, row.item_id


def _rank(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
