"""A stream of any chunking becomes the same pieces, and the pieces are the text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.sentences import Piece, pieces


def split(text: str, chunk: int = 3) -> list[Piece]:
    return list(pieces(text[i : i + chunk] for i in range(0, len(text), chunk)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Five days. [1] Ten days [2]. End.", ["Five days. [1]", "Ten days [2].", "End."]),
        ("Five days.[1][2] Ten. [1, 3]", ["Five days.[1][2]", "Ten. [1, 3]"]),
        ("It costs 3.50 pounds at 9.30. Done.", ["It costs 3.50 pounds at 9.30.", "Done."]),
        ("Ask e.g. the team, approx. 5 people. Then go.", ["Ask e.g. the team, approx. 5 people.", "Then go."]),
        ("Am 1. Januar gilt es. Danach nicht.", ["Am 1. Januar gilt es.", "Danach nicht."]),
        ("Das gilt z. B. im Werk. Sonst nicht.", ["Das gilt z. B. im Werk.", "Sonst nicht."]),
        ("Write to it@kestrelbay.example. Then wait.", ["Write to it@kestrelbay.example.", "Then wait."]),
        ('He said "no." Then he left.', ['He said "no."', "Then he left."]),
        ("The limit is 25. Employees may ask.", ["The limit is 25.", "Employees may ask."]),
        ("One line\nand another", ["One line", "and another"]),
        ("", []),
        ("   \n ", []),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, expected: list[str]) -> None:
    assert [p.text for p in split(text)] == expected


def test_markdown_blocks_stay_whole_and_say_what_they_are() -> None:
    text = "## Head\n\nYou need:\n\n- One thing. And more.\n- Two\n\n1. First\n2. Second\n\n| A | B |\n|---|---|\n| 1. x | 2 |\n\n```\na. b\n\nc\n```\nEnd."
    assert [(p.kind, p.text) for p in split(text)] == [
        ("heading", "## Head"),
        ("intro", "You need:"),
        ("item", "- One thing. And more."),
        ("item", "- Two"),
        ("item", "1. First"),
        ("item", "2. Second"),
        ("table_head", "| A | B |"),
        ("table_head", "|---|---|"),
        ("row", "| 1. x | 2 |"),
        ("code", "```\na. b\n\nc\n```"),
        ("sentence", "End."),
    ]


def test_a_bold_line_is_a_heading_and_bold_words_are_not() -> None:
    assert [p.kind for p in split("**Leave**\n\n**All** employees get 25 days.")] == ["heading", "sentence"]


def test_a_sentence_is_released_before_the_next_one_is_written() -> None:
    released: list[str] = []

    def tokens():  # type: ignore[no-untyped-def]
        yield "One is here. "
        yield "Two"
        assert released == ["One is here."]
        yield " comes."

    for piece in pieces(tokens()):
        released.append(piece.text)
    assert released == ["One is here.", "Two comes."]


TEXT = st.text(alphabet="ab.!?: \n|-#*[]1 2,`>A", max_size=120)


@given(text=TEXT, chunk=st.integers(1, 9))
@settings(max_examples=300, deadline=None)
def test_pieces_are_the_text_whatever_the_chunks(text: str, chunk: int) -> None:
    found = split(text, chunk)
    assert "".join("".join((p.lead + p.text).split()) for p in found) == "".join(text.split())
    assert found == split(text, 1)
