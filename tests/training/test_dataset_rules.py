"""What keeps a row out of a dataset, or makes two of them one, on rows alone: outliers, groups, near repeats, proportions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.records import EVERYONE
from retrieval.embed import Embedder
from tests.conftest import make_person
from tests.training.small_set import row
from training.dataset import PROPORTIONS
from training.dataset_bounds import Bounds, Flag, bursts, shares, suspicious
from training.dataset_near import Encoder, merged
from training.dataset_rows import DatasetRow, Example
from training.dataset_split import in_proportion
from training.rows import Target

BOUNDS = Bounds()


def by(n: int, person_id: str, hour: int) -> DatasetRow:
    """Row n, flagged by that person, asked at that hour of the month."""
    asked_at = f"2026-11-{1 + hour // 24:02}T{hour % 24:02}:00:00+00:00"
    return replace(row(n), asked_at=asked_at, lineage=replace(row(n).lineage, person_id=person_id))


def test_a_question_that_its_answers_passage_has_nothing_to_do_with_is_held(embedder: Embedder) -> None:
    stray = replace(row(2), question="Who sang at the opening of the winter games?")
    refused = replace(row(3), question=stray.question, example="negative", target=Target("refuse"))
    found = suspicious([row(1), stray, refused], [], BOUNDS, Encoder(embedder))
    assert list(found) == [stray.item_id]
    assert list(found[stray.item_id]) == ["outlier"]
    assert "limit 0.12" in found[stray.item_id]["outlier"]
    assert suspicious([stray], [], replace(BOUNDS, outlier=-1.0), Encoder(embedder)) == {}


def flags_of(accounts: Sequence[str], count: int, minutes: float) -> list[Flag]:
    """So many flags of the accounts in turn, so far apart."""
    begin = datetime(2026, 11, 2, 8, tzinfo=UTC)
    return [Flag(f"{accounts[n % len(accounts)]}-{n}", accounts[n % len(accounts)], begin + n * timedelta(minutes=minutes)) for n in range(count)]  # fmt: skip


STAFF = [f"staff.{n}" for n in range(20)]


@pytest.mark.parametrize("minutes", [1, 8, 9, 20, 45])
def test_thirty_flags_of_three_accounts_are_a_burst_however_they_are_spread_over_a_day(minutes: int) -> None:
    made = flags_of(("a.one", "b.two", "c.three"), 30, minutes)
    assert set(bursts(made, BOUNDS)) == {flag.turn_id for flag in made}
    alone = flags_of(("a.one",), 14, minutes)
    beside = flags_of(STAFF, 40, minutes)  # others who flag now and then hide nobody
    assert set(bursts([*alone, *beside], BOUNDS)) == {flag.turn_id for flag in alone}


def test_a_group_that_is_busy_all_day_after_a_bad_release_is_no_burst() -> None:
    assert bursts(flags_of(STAFF, 300, 4), BOUNDS) == {}, "fifteen each of twenty people"
    assert bursts(flags_of(STAFF[:8], 96, 12), BOUNDS) == {}, "twelve each of eight people"
    assert bursts(flags_of(STAFF[:3], 20, 30), BOUNDS) == {}, "three who try a new assistant for a day"
    assert bursts(flags_of(STAFF[:3], 60, 24 * 60 / 20), BOUNDS) == {}, "twenty a day of three people, for three days"


def test_no_access_group_has_more_of_the_set_than_its_share_and_everybodys_group_is_no_suspect() -> None:
    sales = [f"sales.{n}" for n in range(4)]
    others = [f"other.{n}" for n in range(16)]
    people = {who: make_person(who, (EVERYONE, "sales" if who in sales else "staff")) for who in (*sales, *others)}
    rows = [by(n, sales[n % 4], n) for n in range(10)] + [by(50 + n, others[n], n) for n in range(8)]
    found = shares(rows, people, BOUNDS)
    assert {reason for own in found.values() for reason in own} == {"group_share"}
    assert sorted(found) == sorted(one.item_id for one in rows[5:10]), "the newest go, until five of thirteen are left"
    assert all("of group sales" in own["group_share"] for own in found.values())
    few = rows[:4] + rows[10:12]
    assert shares(few, people, BOUNDS) == {}, "so many rows anybody may have"
    assert shares([by(60 + n, others[n], n) for n in range(12)], people, BOUNDS) == {}, "most people are staff"


def test_a_question_that_is_nearly_repeated_is_one_row_with_the_lineage_of_both() -> None:
    asked = (
        "How much may desk 1 spend on new chairs for visitors in one financial year before anybody has to approve it"
    )
    first = replace(by(1, "ben.okafor", 1), question=f"{asked}?")
    same = replace(by(1, "carla.ruiz", 2), question=f"{asked.upper()}!", lineage=replace(row(2).lineage, person_id="carla.ruiz"))  # fmt: skip
    near = replace(by(1, "grace.lin", 3), question=f"{asked}, please?", lineage=replace(row(3).lineage, person_id="grace.lin"))  # fmt: skip
    other = replace(first, question=f"{asked}, please?", target=Target("refuse"), example="negative", lineage=row(4).lineage)  # fmt: skip
    far = replace(row(1), question="Has desk 1 a limit?", lineage=row(5).lineage)
    kept, exact, close = merged([near, far, other, same, first])
    assert (exact, close) == (1, 1)
    assert {one.item_id for one in kept} == {first.item_id, other.item_id, far.item_id}
    (stays,) = [one for one in kept if one.item_id == first.item_id]
    assert [one.person_id for one in stays.lineages] == ["ben.okafor", "carla.ruiz", "grace.lin"]


def test_escalations_and_questions_back_stay_in_proportion_to_answers() -> None:
    def of(kind: Example, start: int, count: int) -> list[DatasetRow]:
        return [replace(row(start + n), example=kind) for n in range(count)]

    def count(rows: list[DatasetRow]) -> Counter[str]:
        return Counter(one.example for one in rows)

    rows = of("answer", 0, 12) + of("escalation", 100, 7) + of("clarification", 200, 5) + of("negative", 300, 6)
    kept, left_out = in_proportion(rows, PROPORTIONS, floor=2)
    assert count(kept) == {"answer": 12, "escalation": 3, "clarification": 3, "negative": 6}
    assert left_out == {"escalation": 4, "clarification": 2}
    assert in_proportion(list(reversed(rows)), PROPORTIONS, floor=2)[0] == [one for one in reversed(rows) if one in kept]  # fmt: skip
    few, _ = in_proportion(rows[12:], PROPORTIONS, floor=2)
    assert count(few) == {"escalation": 2, "clarification": 2, "negative": 2}, "of each kind so many always stay"
