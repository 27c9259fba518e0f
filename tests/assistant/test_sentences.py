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


PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA1c7\nqk3yZbKXeRYyBkAf. No end yet!\n\nlSLfGpVl6IG9\n-----END RSA PRIVATE KEY-----"
PUTTY = "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 1\nAAAA\nPrivate-MAC: 0a1b2c"


@pytest.mark.parametrize("chunk", [1, 7, 1000])
@pytest.mark.parametrize("key", [PEM, PUTTY, PEM.replace("RSA PRIVATE KEY", "PGP PRIVATE KEY BLOCK")])
@pytest.mark.parametrize("before", ["", "The key is: ", "- ", "> "])
def test_a_private_key_is_one_piece_to_its_end(before: str, key: str, chunk: int) -> None:
    found = [p.text for p in split(f"One.\n\n{before}{key}\nTwo.", chunk)]
    assert found[-1] == "Two."
    assert key in found[-2]


@pytest.mark.parametrize("chunk", [1, 1000])
def test_a_private_key_without_an_end_is_one_piece_with_all_that_follows(chunk: int) -> None:
    cut = PEM.partition("-----END")[0]
    assert [p.text for p in split(f"One. {cut}", chunk)] == ["One.", cut.rstrip()]


@pytest.mark.parametrize("chunk", [1, 1000])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The card is 4111 1111\n1111 1111 now.\nTwo", ["The card is 4111 1111\n1111 1111 now.", "Two"]),
        ("- card 4111-1111-\n  1111-1111\n- two", ["- card 4111-1111-\n  1111-1111", "- two"]),
        ("IBAN DE89 3704\n0044 0532\n0130 00", ["IBAN DE89 3704\n0044 0532\n0130 00"]),
        ("GB82\nWEST 1234 5698", ["GB82\nWEST 1234 5698"]),
        ("Since 2024\nit is 25", ["Since 2024", "it is 25"]),
        ("See part 2024\n1. One\n2. Two", ["See part 2024", "1. One", "2. Two"]),
        ("It was 2024.\n2025 came.", ["It was 2024.", "2025 came."]),
        ("It costs 12\n30 more", ["It costs 12", "30 more"]),
    ],
)
def test_a_long_number_stays_whole_where_a_line_end_breaks_it(text: str, expected: list[str], chunk: int) -> None:
    assert [p.text for p in split(text, chunk)] == expected


TEXT = st.text(alphabet="ab.!?: \n|-#*[]1 2,`>A", max_size=120)


@given(text=TEXT, chunk=st.integers(1, 9))
@settings(max_examples=300, deadline=None)
def test_pieces_are_the_text_whatever_the_chunks(text: str, chunk: int) -> None:
    found = split(text, chunk)
    assert "".join("".join((p.lead + p.text).split()) for p in found) == "".join(text.split())
    assert found == split(text, 1)


BROKEN = st.text(alphabet="1234 -\n.aA|", max_size=60)


@given(text=BROKEN, chunk=st.integers(1, 9))
@settings(max_examples=200, deadline=None)
def test_broken_numbers_are_the_same_pieces_whatever_the_chunks(text: str, chunk: int) -> None:
    assert split(text, chunk) == split(text, 1)
