"""Where an answer ends that its caller limits, whatever pieces it comes in."""

from __future__ import annotations

import pytest

from assistant.ending import Ending
from assistant.scripted import ScriptedModel
from assistant.tokens import count_tokens, fitting
from assistant.trace import CUT_LENGTH, CUT_STOP
from tests.assistant.conftest import MakeDesk

ASKED = "How many days of annual leave does an employee have?"
TWO = "Every employee has 25 days of annual leave a year. [1] Carried-over days of leave lapse on 31 March. [2]"


def shown(text: str, size: int, *, max_tokens: int | None = None, stop: tuple[str, ...] = ()) -> tuple[str, str]:
    ending = Ending(max_tokens, stop)
    parts = []
    for start in range(0, len(text), size):
        parts.append(ending.take(text[start : start + size]))
        if ending.cut:
            break
    else:
        parts.append(ending.rest())
    assert "".join(parts) == ending.shown
    return ending.shown, ending.cut


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize(
    ("stop", "text", "cut"),
    [
        (("over",), "Days carry", CUT_STOP),
        (("nothing", "carry over"), "Days", CUT_STOP),
        (("over", "carry"), "Days", CUT_STOP),
        (("\n\n",), "Days carry over.", CUT_STOP),
        (("Days",), "", CUT_STOP),
        (("over!",), "Days carry over.\n\nUntil March.", ""),
        (("March.!",), "Days carry over.\n\nUntil March.", ""),
        ((), "Days carry over.\n\nUntil March.", ""),
    ],
)
def test_a_text_ends_before_the_first_stop_whatever_its_pieces(
    size: int, stop: tuple[str, ...], text: str, cut: str
) -> None:
    assert shown("Days carry over.\n\nUntil March.", size, stop=stop) == (text, cut)


@pytest.mark.parametrize(
    ("text", "most", "fits"),
    [
        ("Every employee has 25 days.", 3, "Every employee has"),
        ("Every employee has 25 days.", 5, "Every employee has 25"),
        ("Every employee has 25 days.", 6, "Every employee has 25 days."),
        ("**£190.** a night", 3, ""),
        ("25 days [1] a year", 4, "25 days"),
        ("25 days [1] a year", 5, "25 days [1]"),
        ("休暇は二十日", 2, "休暇"),
        ("", 1, ""),
        ("half \ud800 a character", 9, "half \ud800 a character"),
    ],
)
def test_a_text_is_cut_at_whole_words(text: str, most: int, fits: str) -> None:
    assert text[: fitting(text, most)] == fits
    assert count_tokens([fits]) <= most


def test_the_earlier_of_two_ends_counts() -> None:
    assert shown("Every employee has 25 days.", 9, max_tokens=3, stop=("days",)) == ("Every employee has", CUT_LENGTH)
    assert shown("Every employee has 25 days.", 9, max_tokens=5, stop=("has",)) == ("Every employee", CUT_STOP)


@pytest.mark.parametrize(
    ("limits", "text", "cited", "count"),
    [
        ({"max_tokens": 17}, "Every employee has 25 days of annual leave a year. [1] Carried-over", 1, CUT_LENGTH),
        ({"max_tokens": 8}, "Every employee has 25 days of annual leave", 0, CUT_LENGTH),
        ({"max_tokens": 400}, TWO, 2, ""),
        ({"stop": ("lapse",)}, "Every employee has 25 days of annual leave a year. [1] Carried-over days of leave", 1, CUT_STOP),
        ({"stop": ("year. [1] Carried",)}, "Every employee has 25 days of annual leave a", 0, CUT_STOP),
        ({"stop": ("[2] and more",)}, TWO, 2, ""),
    ],
)  # fmt: skip
def test_the_turn_tells_what_was_shown_and_cites_what_remains(
    make_desk: MakeDesk, limits: dict[str, object], text: str, cited: int, count: str
) -> None:
    desk = make_desk([TWO])
    answer = desk.ask(ASKED, **limits)
    turn = desk.turn(answer)
    assert answer.text == turn.answer
    assert (answer.status, len(answer.citations)) == ("answered", cited)
    assert [c.n for c in answer.citations] == list(range(1, cited + 1))
    assert turn.citations == answer.citations
    assert {name for name in (CUT_LENGTH, CUT_STOP) if turn.counts.get(name)} == ({count} if count else set())
    assert answer.text == text


def test_a_model_whose_answer_is_cut_is_stopped(make_desk: MakeDesk) -> None:
    model = ScriptedModel(["Every employee has 25 days of annual leave a year. [1] " * 40], fails_after=30)
    answer = make_desk(says=model).ask(ASKED, max_tokens=20)
    assert answer.text.endswith("[1] Every employee has 25 days of")
    assert (answer.status, model.closed) == ("answered", 1)
