"""Agreement of raters, on the worked examples that the coefficients were published with."""

from __future__ import annotations

import pytest

from core.errors import BadInput
from eval.agreement import Rating, cohen, disagreements, gold_accuracy, krippendorff

# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", section D: four observers, twelve units, gaps.
OBSERVERS = {
    "A": "1 2 3 3 2 1 4 1 2 . . .",
    "B": "1 2 3 3 2 2 4 1 2 5 . 3",
    "C": ". 3 3 3 2 3 4 2 2 5 1 .",
    "D": "1 2 3 3 2 4 4 1 2 5 1 .",
}
PUBLISHED = [
    Rating(f"unit-{unit}", observer, int(value))
    for observer, row in OBSERVERS.items()
    for unit, value in enumerate(row.split(), 1)
    if value != "."
]
SCALE = (1, 2, 3, 4, 5)


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815)])
def test_alpha_is_the_published_one(level: str, alpha: float) -> None:
    found = krippendorff(PUBLISHED, SCALE, level)  # type: ignore[arg-type]
    assert found.n == 11  # unit 12 has a single rating, which pairs with none
    assert found.value == pytest.approx(alpha, abs=5e-4)
    assert found.low is not None and found.high is not None
    assert found.low < alpha < found.high


def two_raters(counts: dict[tuple[str, str], int]) -> list[Rating]:
    ratings = []
    for (first, second), count in counts.items():
        for _ in range(count):
            item = f"answer-{len(ratings)}"
            ratings += [Rating(item, "ana", first), Rating(item, "ben", second)]
    return ratings


def test_kappa_is_the_textbooks() -> None:
    # 50 grant proposals, 20 yes by both, 15 no by both: observed 0.7, by chance 0.5, kappa 0.4 (Cohen's formula by hand).
    ratings = two_raters({("yes", "yes"): 20, ("yes", "no"): 5, ("no", "yes"): 10, ("no", "no"): 15})
    (found,) = cohen(ratings, ("no", "yes")).values()
    assert (found.n, found.value) == (50, pytest.approx(0.4))
    assert found.low is not None and found.high is not None
    assert 0.1 < found.low < 0.4 < found.high < 0.7


def test_kappa_and_alpha_nearly_agree_for_two_raters_of_everything() -> None:
    ratings = two_raters({("yes", "yes"): 400, ("yes", "no"): 60, ("no", "yes"): 70, ("no", "no"): 470})
    (kappa,) = cohen(ratings, ("no", "yes")).values()
    assert krippendorff(ratings, ("no", "yes")).value == pytest.approx(kappa.value, abs=0.005)


def test_an_order_makes_a_near_miss_count_less() -> None:
    scale = ("wrong", "partly", "right")
    near = two_raters(
        {("wrong", "wrong"): 20, ("right", "right"): 20, ("partly", "partly"): 20, ("partly", "right"): 10}
    )
    far = two_raters({("wrong", "wrong"): 20, ("right", "right"): 20, ("partly", "partly"): 20, ("wrong", "right"): 10})
    for coefficient in (
        lambda r: next(iter(cohen(r, scale, "ordinal").values())),
        lambda r: krippendorff(r, scale, "ordinal"),
    ):
        assert coefficient(near).value > coefficient(far).value + 0.1


def test_raters_who_guess_agree_by_chance_only() -> None:
    ratings = two_raters({("yes", "yes"): 25, ("yes", "no"): 25, ("no", "yes"): 25, ("no", "no"): 25})
    (kappa,) = cohen(ratings, ("no", "yes")).values()
    assert kappa.value == pytest.approx(0.0)
    assert krippendorff(ratings, ("no", "yes")).value == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize(
    "ratings",
    [
        [],
        [Rating("a", "ana", "yes")],
        two_raters({("yes", "yes"): 2}),
        two_raters({("yes", "yes"): 30}),
    ],
)
def test_too_few_ratings_or_only_one_value_give_no_number(ratings: list[Rating]) -> None:
    assert all(found.value is None for found in cohen(ratings, ("no", "yes")).values())
    assert krippendorff(ratings, ("no", "yes")).value is None


def test_gold_answers_tell_who_reads_the_rubric() -> None:
    gold = {f"gold-{n}": "right" for n in range(20)}
    ratings = [Rating(item, "ana", "right") for item in gold]
    ratings += [Rating(item, "ben", "right" if n % 2 else "wrong") for n, item in enumerate(gold)]
    ratings += [Rating("answer-1", "eve", "right")]
    found = gold_accuracy(ratings, gold)
    assert {rater: (one.passed, one.n) for rater, one in found.items()} == {"ana": (20, 20), "ben": (10, 20)}
    assert found["ben"].high < found["ana"].low + 0.1


def test_disagreements_are_listed_widest_first_with_who_said_what() -> None:
    found = disagreements(PUBLISHED, SCALE)
    assert [(one.item, one.distance) for one in found] == [("unit-6", 3), ("unit-2", 1), ("unit-8", 1)]
    assert found[0].values == {"A": 1, "B": 2, "C": 3, "D": 4}


def test_a_rating_off_the_scale_and_a_second_one_are_refused() -> None:
    with pytest.raises(BadInput, match="not on the rubric's scale"):
        krippendorff([Rating("a", "ana", 6)], SCALE)
    with pytest.raises(BadInput, match="twice"):
        cohen([Rating("a", "ana", 1), Rating("a", "ana", 2)], SCALE)
