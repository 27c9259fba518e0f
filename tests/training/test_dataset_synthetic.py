"""Which paraphrases are kept: every way in which one can be no good, on vectors that are set by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import pytest

from retrieval.embed import Vectors
from tests.training.small_set import row
from training.dataset_near import Encoder, EvaluationQuestions
from training.dataset_rows import DatasetRow
from training.dataset_synthetic import paraphrases
from training.rows import Target

ASKED = replace(row(1), question="Who signs a contract of £500 with Tern GmbH?", language="en")
OTHER = replace(row(2), question="Where is the nearest canteen?", target=Target("refuse"), example="negative")
NOBODY = EvaluationQuestions(frozenset(), (), np.zeros((0, 2), np.float32))


def at(degrees: float) -> Vectors:
    return cast("Vectors", np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], np.float32))


def placed(paraphrase: float, other: float = 90) -> Encoder:
    """The row's question at 0 degrees, the other row's and every paraphrase where they are said to be."""
    known = {ASKED.question: at(0), OTHER.question: at(other)}

    def encode(texts: Sequence[str]) -> Vectors:
        return np.stack([known.get(text, at(paraphrase)) for text in texts])

    return cast("Encoder", encode)


def made_at(degrees: float, other: float = 90, asked: DatasetRow = ASKED) -> tuple[list[DatasetRow], Counter[str]]:
    return paraphrases([asked], 9, placed(degrees, other), NOBODY, [OTHER])


def test_what_lies_near_its_question_is_kept_marked_and_says_every_figure_and_name() -> None:
    made, refused = made_at(20)
    assert made
    assert not refused
    assert {one.origin for one in made} == {"synthetic"}
    assert {one.parent for one in made} == {ASKED.item_id}
    assert all(word in one.question for one in made for word in ("500", "Tern", "GmbH"))
    assert ASKED.question not in {one.question for one in made}


@pytest.mark.parametrize(
    ("degrees", "other", "reason"),
    [(2, 90, "too_near"), (60, 150, "too_far"), (20, 30, "nearer_to_another")],
)
def test_what_is_the_question_itself_or_another_is_refused_with_its_reason(
    degrees: float, other: float, reason: str
) -> None:
    made, refused = made_at(degrees, other)
    assert made == []
    assert set(refused) == {reason}


def test_a_rival_that_teaches_the_same_is_none() -> None:
    same = replace(ASKED, question=OTHER.question)
    made, refused = paraphrases([ASKED], 9, placed(20, 30), NOBODY, [same])
    assert made
    assert not refused


def test_a_paraphrase_without_its_answer_or_near_an_evaluation_is_refused() -> None:
    target = ASKED.target
    assert target.passage is not None
    blank = replace(ASKED.passages[target.passage], text=" " * len(ASKED.passages[target.passage].text))
    empty = replace(ASKED, passages=(*ASKED.passages[: target.passage], blank, *ASKED.passages[target.passage + 1 :]))
    assert set(made_at(20, asked=empty)[1]) == {"lost_the_answer"}
    evaluation = EvaluationQuestions(frozenset(), (), at(20)[None])
    made, refused = paraphrases([ASKED], 9, placed(20), evaluation, [OTHER])
    assert (made, set(refused)) == ([], {"similar"})


def test_no_more_than_asked_for_none_twice_and_the_same_each_time() -> None:
    made, _ = paraphrases([ASKED], 2, placed(20), NOBODY, [OTHER])
    assert len(made) == 2
    assert made == paraphrases([ASKED], 2, placed(20), NOBODY, [OTHER])[0]
    assert paraphrases([ASKED], 0, placed(20), NOBODY) == ([], Counter())
    twin = replace(ASKED, question=made[0].question)
    again, refused = paraphrases([ASKED], 9, placed(20), NOBODY, [twin])
    assert made[0].question not in {one.question for one in again}
    assert refused["repeated"] == 1
