"""What a causal model is shown of a row: the serving prompt, the answer as the assistant expects it, as often as it weighs."""

from __future__ import annotations

from collections import Counter

from assistant.prompt import build_prompt
from tests.training.tiny_causal import DESK, LEAVE, ROWS
from training.causal_rows import answer_of, drawn, marked, prompt_of
from training.rows import Row, Target


def row(target: Target) -> Row:
    return Row("r", "Where do I get a desk?", (LEAVE, DESK), target)


def test_the_prompt_is_the_one_that_serves() -> None:
    messages = build_prompt(ROWS[0].question, ROWS[0].passages).messages
    assert prompt_of(ROWS[0]) == [{"role": m.role, "content": m.content} for m in messages]


def test_a_marked_answer_cites_the_passage_that_the_reviewer_marked() -> None:
    assert answer_of(ROWS[2]) == "Desks are booked in Seatfinder. [2]"


def test_a_written_answer_cites_what_bears_each_sentence_out() -> None:
    text = "Desks are booked in Seatfinder. Leave is asked for in Daybook."
    assert answer_of(row(Target("text", text))) == (
        "Desks are booked in Seatfinder. [2] Leave is asked for in Daybook. [1]"
    )


def test_markers_as_the_person_saw_them_are_put_anew() -> None:
    told = "Here is how:\n\n- Desks are booked in Seatfinder. [1]\n- Leave is asked for in Daybook. [2]"
    assert answer_of(row(Target("confirm", told))) == (
        "Here is how:\n\n- Desks are booked in Seatfinder. [2]\n- Leave is asked for in Daybook. [1]"
    )


def test_what_no_passage_bears_out_is_not_cited() -> None:
    assert marked("Moon trips cost nothing.", (LEAVE, DESK)) == "Moon trips cost nothing."


def test_a_refusal_and_a_question_back_are_written_as_the_assistant_reads_them() -> None:
    assert answer_of(row(Target("refuse"))) == "NOT_IN_PASSAGES"
    assert answer_of(row(Target("clarify", "Which desk?"))) == "ASK_BACK: Which desk?"
    assert answer_of(row(Target("clarify"))) == ""


def test_an_item_is_met_as_often_as_it_weighs() -> None:
    order = drawn(["half", "once", "twice"], [0.5, 1.0, 2.0], 10, seed=1)
    assert Counter(order) == {"half": 5, "once": 10, "twice": 20}
    assert drawn(list("abcdef"), [1.0] * 6, 2, seed=1) != drawn(list("abcdef"), [1.0] * 6, 2, seed=2)


def test_a_part_of_a_round_is_a_part_of_the_items() -> None:
    order = drawn(list("abcd"), [1.0] * 4, 1.5, seed=1)
    assert len(order) == 6
    assert len(set(order[4:])) == 2
