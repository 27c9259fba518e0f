"""The source view: the cited words are marked, wherever tags lie between them, and nothing else changes."""

from __future__ import annotations

from datetime import date

from assistant.pages import source
from core.records import Passage


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
