"""Passages: cut at headings, tables by whole rows under their header, ids that stay."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from retrieval.chunk import Chunk, chunk, passage_id, searched_text
from retrieval.convert import Page


def cut(text: str, *, title: str = "Policy", words: int = 180) -> list[Chunk]:
    return chunk([Page(None, text)], title, max_words=words)


def test_each_section_is_a_chunk_under_its_path() -> None:
    found = cut("Before.\n\n# A\n\nIn A.\n\n## B\n\nIn B.\n\n# C\n\nIn C.")
    assert [(c.section, c.text) for c in found] == [
        ("", "Before."),
        ("A", "In A."),
        ("A > B", "In B."),
        ("C", "In C."),
    ]


def test_heading_that_repeats_the_title_is_not_in_the_path() -> None:
    assert cut("# The policy!\n\n## Who\n\nAll.", title="the Policy")[0].section == "Who"


def test_page_number_is_that_of_the_first_words() -> None:
    found = chunk([Page(1, "# A\n\none"), Page(2, "two\n\n# B\n\nthree")], "T")
    assert [(c.section, c.page, c.text) for c in found] == [("A", 1, "one\n\ntwo"), ("B", 2, "three")]


def test_long_table_is_cut_between_rows_and_repeats_its_header() -> None:
    rows = [f"| item {n} | {n} pounds |" for n in range(40)]
    found = cut("# T\n\n" + "\n".join(["| Item | Price |", "|---|---|", *rows]), words=60)
    assert len(found) > 2
    assert all(c.text.startswith("| Item | Price |\n|---|---|\n| item") for c in found)
    assert [line for c in found for line in c.text.split("\n")[2:]] == rows


def test_row_that_is_longer_than_a_chunk_stays_whole() -> None:
    long = f"| {'word ' * 100}| x |"
    assert long in [
        line for c in cut(f"| A | B |\n|---|---|\n| 1 | 2 |\n{long}", words=50) for line in c.text.split("\n")
    ]


def test_sentence_that_introduces_a_list_goes_with_it() -> None:
    text = f"{'filler ' * 40}\n\nYou need all of:\n\n- one {'word ' * 20}\n- two"
    assert cut(text, words=50)[1].text.startswith("You need all of:\n\n- one")


def test_long_paragraph_is_cut_between_sentences() -> None:
    sentences = [f"Sentence number {n} has exactly eight words here." for n in range(30)]
    found = cut(" ".join(sentences), words=40)
    assert all(c.text.startswith("Sentence number") and c.text.endswith("here.") for c in found)
    assert " ".join(c.text for c in found) == " ".join(sentences)


def test_headings_without_text_make_no_chunk() -> None:
    assert cut("# A\n\n## B\n") == []


@given(st.text(alphabet=st.sampled_from("ab .|#-\n1:"), max_size=300), st.integers(5, 40))
def test_no_word_is_lost_and_no_chunk_is_empty(text: str, words: int) -> None:
    found = cut(text, title="", words=words)
    said = " ".join(f"{c.section} {c.text}" for c in found)
    lost = {w for w in text.replace("|", " ").replace("#", " ").split() if any(ch in "ab1" for ch in w)} - set(
        said.replace("|", " ").replace("#", " ").split()
    )
    only_headings = {
        w for line in text.split("\n") if line.startswith("#") for w in line.replace("#", " ").replace("|", " ").split()
    }
    assert all(c.text.strip() for c in found)
    assert lost <= only_headings


def test_ids_depend_on_document_version_place_and_text_only() -> None:
    one = passage_id("hr-leave", 1, 0, "text")
    assert one == passage_id("hr-leave", 1, 0, "text")
    assert len(one) == 32
    assert int(one, 16) >= 0
    others = {
        passage_id("hr", 1, 0, "text"),
        passage_id("hr-leave", 2, 0, "text"),
        passage_id("hr-leave", 1, 1, "text"),
    }
    assert one not in others
    assert len(others) == 3


def test_searched_text_carries_title_and_section() -> None:
    assert searched_text("Leave", "", "25 days") == "Leave\n25 days"
    assert searched_text("Leave", "A > B", "25 days") == "Leave\nA > B\n25 days"
