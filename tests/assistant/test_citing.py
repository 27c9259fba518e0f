"""What a citation quotes: the passage's own words, each part that the answer says."""

from __future__ import annotations

from assistant.citing import LONGEST_QUOTE, Cited
from core.records import QUOTE_GAP
from tests.assistant.passages import passage

NOTICE = passage(
    "Notice is given in writing.\n\n| Grade | Notice |\n|---|---|\n| K1 to K4 | 4 weeks |\n| K5 to K7 | 8 weeks |\n| K10 | 6 months |\n\n"
    "Garden leave is paid in full."
)


def quote_of(*pieces: str) -> str:
    cited = Cited([passage("Other words.", document_id="other"), NOTICE])
    for piece in pieces:
        cited.renumber(piece)
    (citation,) = cited.citations()
    return citation.quote


def test_one_part_is_quoted_alone() -> None:
    assert quote_of("| K5 to K7 | 8 weeks [2] |") == "| K5 to K7 | 8 weeks |"


def test_parts_of_one_passage_are_quoted_together_in_its_own_order() -> None:
    together = "| K1 to K4 | 4 weeks |\n| K5 to K7 | 8 weeks |"
    assert quote_of("| K5 to K7 | 8 weeks [2] |", "| K1 to K4 | 4 weeks [2] |") == together


def test_what_lies_between_two_parts_is_left_out_and_the_gap_shown() -> None:
    apart = f"| K1 to K4 | 4 weeks |{QUOTE_GAP}| K10 | 6 months |"
    assert quote_of("| K10 | 6 months [2] |", "| K1 to K4 | 4 weeks [2] |") == apart
    third = "| K1 to K4 | 4 weeks |\n| K5 to K7 | 8 weeks |\n| K10 | 6 months |"
    assert quote_of("| K10 | 6 months [2] |", "| K1 to K4 | 4 weeks [2] |", "| K5 to K7 | 8 weeks [2] |") == third


def test_parts_that_are_too_long_together_are_not_joined() -> None:
    claims = f"Claims are sent monthly {'by whoever paid ' * 25}."
    receipts = f"Receipts are kept ten years {'in the archive ' * 25}."
    cited = Cited([passage(f"{claims} Nothing is said here. {receipts}")])
    cited.renumber(f"{claims} [1]")
    cited.renumber(f"{receipts} [1]")
    assert len(claims) + len(receipts) > LONGEST_QUOTE
    assert [c.quote for c in cited.citations()] == [claims]
