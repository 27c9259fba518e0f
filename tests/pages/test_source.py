"""The source view: the cited words are marked, wherever tags lie between them, and nothing else changes."""

from __future__ import annotations

import re
import time
from datetime import date

from assistant.pages import source
from core.records import QUOTE_GAP, Passage


def passage(text: str, ordinal: int = 0, section: str = "Carry-over", page: int | None = 2) -> Passage:
    return Passage(
        f"{ordinal:032d}",
        "hr-leave",
        3,
        ordinal,
        "Leave",
        section,
        page,
        text,
        "internal",
        "p@x.example",
        "en",
        date(2026, 1, 1),
    )


def test_the_cited_passage_is_boxed_and_its_quote_marked() -> None:
    parts = [passage("Leave is 27 days.", 0, "Entitlement", 1), passage("Up to 5 days. Take them by March.", 1)]
    page = source.passages_html(parts, parts[1].passage_id, "Up to 5 days.")
    assert page.count('class="ea-cited"') == 1
    assert "<mark>Up to 5 days.</mark> Take them" in page
    assert page.index("Page 1") < page.index("Entitlement") < page.index("Page 2") < page.index("Carry-over")


def test_a_quote_is_found_across_bold_words_and_table_cells() -> None:
    bold = source.quoted("<p>Up to <strong>5 days</strong> are kept.</p>", "Up to **5 days** are kept.")
    assert "".join(bold.split("<mark>")).replace("</mark>", "") == "<p>Up to <strong>5 days</strong> are kept.</p>"
    assert "<mark>5 days</mark>" in bold
    row = source.quoted("<tr>\n<td>Berlin</td>\n<td>120</td>\n</tr>", "| Berlin | 120 |")
    assert "<mark>Berlin</mark>" in row
    assert "<mark>120</mark>" in row


def test_each_part_of_a_quote_is_marked_and_not_what_lies_between() -> None:
    rows = "".join(
        f"<tr>\n<td>{city}</td>\n<td>{limit}</td>\n</tr>"
        for city, limit in (("London", 190), ("Bristol", 125), ("Hamburg", 150))
    )
    marked = source.quoted(rows, f"| London | 190 |{QUOTE_GAP}| Hamburg | 150 |")
    assert re.findall(r"<mark>(.*?)</mark>", marked) == ["London", "190", "Hamburg", "150"]


def test_a_quote_that_is_not_there_marks_nothing() -> None:
    assert source.quoted("<p>Up to 5 days.</p>", "Ten days") == "<p>Up to 5 days.</p>"
    assert source.quoted("<p>Up to 5 days.</p>", "") == "<p>Up to 5 days.</p>"


def test_a_document_with_scripts_is_shown_as_text() -> None:
    page = source.passages_html(
        [passage("<script>x</script> <img src=x onerror=y> ![a](http://e.example/b.png)")], "", ""
    )
    assert "<script" not in page
    assert "<img" not in page


def test_a_heading_that_the_section_repeats_is_shown_once() -> None:
    page = source.passages_html([passage("## Carry-over\nUp to 5 days.")], "", "")
    assert page.count("Carry-over") == 1


def test_a_masked_quote_marks_its_place_in_the_source_with_what_the_mask_hides() -> None:
    body = "<p>Pay to sort code 20-00-00 account 55779911. <strong>Nora</strong> was born on 14 March 1985 here.</p>"
    marked = source.quoted(body, "Pay to sort code <ACCOUNT>. Nora was born on <DATE OF BIRTH> here.")
    assert "".join(marked.split("<mark>")).replace("</mark>", "") == body
    assert "<mark>Pay to sort code 20-00-00 account 55779911. </mark>" in marked
    assert "<mark> was born on 14 March 1985 here.</mark>" in marked
    row = source.quoted("<tr>\n<td>billing</td>\n<td>hunter2hunter2</td>\n</tr>", "| billing | <SECRET> |")
    assert "<mark>billing</mark>" in row
    named = source.quoted("<p>Ask Nora Whitcombe today.</p>", "Ask <PERSON-KTZRWMBDPL> today.")
    assert named == "<p><mark>Ask Nora Whitcombe today.</mark></p>"


def test_a_quote_cut_off_within_a_mask_marks_what_is_before_it() -> None:
    assert source.quoted("<p>Born 14 March 1985.</p>", "Born <DATE OF BI") == "<p><mark>Born</mark> 14 March 1985.</p>"
    assert source.quoted("<p>Born 14 March 1985.</p>", "<DATE OF BIRTH>") == "<p>Born 14 March 1985.</p>"


def test_a_made_up_quote_of_many_masks_costs_no_time() -> None:
    began = time.monotonic()
    source.quoted("<p>" + "a " * 20_000 + "</p>", "a <ID> " * 80 + "b")
    assert time.monotonic() - began < 5
