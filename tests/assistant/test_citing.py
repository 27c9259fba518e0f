"""What a citation quotes: the passage's own words, from the first part that the answer says to the last."""

from __future__ import annotations

from assistant.citing import LONGEST_QUOTE, Cited
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
    assert quote_of("Notice is given in writing. [2]", "| K1 to K4 | 4 weeks [2] |") in NOTICE.text


def test_parts_that_lie_far_apart_are_not_spanned() -> None:
    far = passage(f"Claims are sent monthly. {'Nothing is said here. ' * 40}Receipts are kept ten years.")
    cited = Cited([far])
    cited.renumber("Claims are sent monthly. [1]")
    cited.renumber("Receipts are kept ten years. [1]")
    assert len(far.text) > LONGEST_QUOTE
    assert [c.quote for c in cited.citations()] == ["Claims are sent monthly."]
