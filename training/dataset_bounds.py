"""Bounds against poisoning: what looks like an attempt to teach something is held until a person releases it.

    burst          flags of one account, or mostly of a few, close together in time
    outlier        a question that its own answer's passage has little to do with
    ungrounded     a written answer that the passages do not bear out
    injection      a written answer that speaks to the assistant
    contradiction  another row answers the same question differently from the same passages
    person_share   more of the set than one flagger may have
    group_share    more of the set than one access group may have

The first ones look at each row, the shares at what is left. Bursts are looked for among all flags, not only among those
that review approved: an attempt of which a tired reviewer let a tenth through is still one.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from core.datasets import HoldReason
from core.records import EVERYONE, Principal
from guardrails.grounding import Grounding
from guardrails.injection import Injection
from training.dataset_near import Encoder, contradictions
from training.dataset_rows import DatasetRow

Holds = dict[str, dict[HoldReason, str]]
"""Item to its reasons and their details, without anybody's words."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits; all of them stand in the manifest.

    Attributes:
        person_share, group_share: largest share of the rows of one flagger, of one access group. Where few people flag, one
            may have half as much again as an even share, and never more than half; a group half as much again as its share
            of the people: everybody's group is no suspect.
        floor: rows that anybody and any group may have, however small the set.
        burst_minutes: the window; `day_minutes` that for whoever takes their time, with a higher `day_person` and `day_flags`.
        burst_person: flags of one account in a window that are a burst, unless the others there flag nearly as much.
        burst_times: as many times what the others of the window flag, by their median, stands out.
        burst_flags, burst_accounts: so many flags in a window of which nine in ten come from so few accounts are one.
        outlier: cosine of a question to its answer's passage below which the row is one.
    """

    person_share: float = 0.2
    group_share: float = 0.4
    floor: int = 4
    burst_minutes: int = 60
    burst_person: int = 6
    burst_times: float = 2.5
    burst_flags: int = 8
    burst_accounts: int = 3
    day_minutes: int = 24 * 60
    day_person: int = 12
    day_flags: int = 24
    outlier: float = 0.12


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag as the store has it, whatever became of it."""

    turn_id: str
    person_id: str
    at: datetime


def bursts(flags: Sequence[Flag], bounds: Bounds) -> dict[str, str]:
    """Turns flagged in a burst, each with what was seen.

    A window of an hour and one of a day begin at every flag: with some minutes between two flags a few accounts would never have
    enough of them in an hour. In a day it takes more of them, for there is more to flag honestly, and what an hour explains is
    not counted again: it would drag along what else the account flagged that day. The three busiest accounts of a window are
    never what anybody is compared with, so that a few who work together do not hide each other; where a whole department flags
    after a bad release, nobody stands out.
    """
    hour = _in_windows(flags, bounds, bounds.burst_minutes, person=bounds.burst_person, few=bounds.burst_flags)
    rest = [flag for flag in flags if flag.turn_id not in hour]
    day = _in_windows(rest, bounds, bounds.day_minutes, person=bounds.day_person, few=bounds.day_flags)
    return day | hour


def _in_windows(flags: Sequence[Flag], bounds: Bounds, minutes: int, *, person: int, few: int) -> dict[str, str]:
    """Turns flagged in a burst of windows of that length: `person` flags of one account are one, or `few` of the busiest ones."""
    ordered = sorted(flags, key=lambda f: (f.at, f.turn_id))
    times = [f.at for f in ordered]
    found: dict[str, str] = {}
    for start, first in enumerate(ordered):
        window = ordered[start : bisect_left(times, first.at + timedelta(minutes=minutes))]
        counts = Counter(f.person_id for f in window)
        suspects = _suspects(counts, bounds, person, few)
        for flag in window:
            if flag.person_id in suspects:
                own = f"{counts[flag.person_id]} of this account"
                said = f"{len(window)} flags of {len(counts)} accounts in {minutes} min, {own}"
                found.setdefault(flag.turn_id, said)
    return found


def _suspects(counts: Counter[str], bounds: Bounds, person: int, of_the_few: int) -> set[str]:
    """The accounts of a window that flag more than the others there, and the few whom nearly all of it comes from."""
    few = counts.most_common(bounds.burst_accounts)
    rest = sorted(n for _, n in counts.most_common()[bounds.burst_accounts :])
    usual = rest[len(rest) // 2] if rest else 0
    suspects = {who for who, n in counts.items() if n >= person and n >= bounds.burst_times * usual}
    of_few = sum(n for _, n in few)
    if of_few >= of_the_few and of_few >= 0.9 * counts.total():
        suspects |= {who for who, n in few if n > 1}
    return suspects


def suspicious(rows: Sequence[DatasetRow], flags: Sequence[Flag], bounds: Bounds, encode: Encoder) -> Holds:
    """What is held for its own sake: bursts, outliers, written answers that nothing bears out, contradictions.

    A row that is held for another reason contradicts nobody: what an attempt says against a good row does not keep it out.
    """
    burst = bursts(flags, bounds)
    injection, grounding = Injection("passage"), Grounding()
    holds: Holds = {}
    for row, cosine in zip(rows, _cosines(rows, encode), strict=True):
        own = holds.setdefault(row.item_id, {})
        if row.lineage.turn_id in burst:
            own["burst"] = burst[row.lineage.turn_id]
        if cosine < bounds.outlier:
            own["outlier"] = f"cosine {cosine:.2f}, limit {bounds.outlier}"
        if row.target.kind == "text" and row.target.passage is None:
            passages = [p.passage(row.classification, row.language) for p in row.passages]
            if not (weighed := grounding.check(row.target.answer, passages)).allowed:
                own["ungrounded"] = weighed.rule
        if row.target.kind in ("text", "clarify") and not (told := injection.check(row.target.answer)).allowed:
            own["injection"] = told.rule
    for item_id in contradictions([row for row in rows if not holds[row.item_id]]):
        holds[item_id]["contradiction"] = "another item answers this question differently"
    return {item_id: reasons for item_id, reasons in holds.items() if reasons}


def _cosines(rows: Sequence[DatasetRow], encode: Encoder) -> list[float]:
    """Of each question to the passage that answers it; 1 where no passage is said to."""
    read = [n for n, row in enumerate(rows) if row.example == "answer"]
    cosines = [1.0] * len(rows)
    for n in read:
        row = rows[n]
        at = row.target.passage
        passages = [row.passages[at]] if at is not None else list(row.passages)
        vectors = encode([f"{p.title}\n{p.section}\n{p.text}" for p in passages])
        cosines[n] = float(np.max(vectors @ encode([row.question])[0]))
    return cosines


def shares(rows: Sequence[DatasetRow], people: Mapping[str, Principal], bounds: Bounds) -> Holds:
    """The rows, newest first, by which a flagger or an access group has more of the set than it may.

    What is held makes the set smaller, and with it what anybody may have: it is counted again until it holds.
    """
    holds: Holds = {}
    left = sorted(rows, key=lambda r: (r.asked_at, r.item_id))
    while more := _over_person(left, bounds) or _over_group(left, people, bounds):
        holds |= more
        left = [row for row in left if row.item_id not in more]
    return holds


def _over_person(rows: Sequence[DatasetRow], bounds: Bounds) -> Holds:
    by_person = _by(rows, lambda row: [row.lineage.person_id])
    share = max(bounds.person_share, min(0.5, 1.5 / max(1, len(by_person))))
    most = max(bounds.floor, math.floor(share * len(rows)))
    return {
        row.item_id: {"person_share": f"{len(own)} of {len(rows)} rows, at most {most}"}
        for own in by_person.values()
        for row in own[most:]
    }


def _over_group(rows: Sequence[DatasetRow], people: Mapping[str, Principal], bounds: Bounds) -> Holds:
    groups = {who: person.groups - {EVERYONE} for who, person in people.items()}
    sizes = Counter(group for own in groups.values() for group in own)
    holds: Holds = {}
    for group, own in _by(rows, lambda row: groups.get(row.lineage.person_id, frozenset())).items():
        share = max(bounds.group_share, 1.5 * sizes[group] / max(1, len(people)))
        most = max(bounds.floor, math.floor(min(1.0, share) * len(rows)))
        said = f"{len(own)} of {len(rows)} rows of group {group}, at most {most}"
        holds |= {row.item_id: {"group_share": said} for row in own[most:]}
    return holds


def _by(rows: Iterable[DatasetRow], keys: Callable[[DatasetRow], Collection[str]]) -> dict[str, list[DatasetRow]]:
    found: dict[str, list[DatasetRow]] = defaultdict(list)
    for row in rows:
        for key in sorted(keys(row)):
            found[key].append(row)
    return found
