"""The quoting model: passages in their parts, the right part chosen, and an answer that is laid out well."""

from __future__ import annotations

import re

import pytest

from assistant.layout import lay_out
from assistant.prompt import NO_ANSWER, build_prompt
from assistant.quote import QuotingModel
from assistant.quote_signals import quantities, range_fit
from assistant.units import units
from guardrails.grounding import Grounding
from retrieval.embed import HashEmbedder
from tests.assistant.passages import passage

SESSIONS = "The VPN ends a session after some time.\n\n| Who | Longest session | Idle |\n|---|---|---|\n| Employees | 12 hours | 45 minutes |\n| Contractors | 8 hours | 20 minutes |"
NOTICE = "| Service | Notice period |\n|---|---|\n| Less than 2 years | 4 weeks |\n| 2 to 5 years | 8 weeks |\n| More than 5 years | 12 weeks |"
BRING = "Visitors must bring these things to the reception:\n\n- a photo identity card\n- the invitation e-mail\n- safety shoes for the workshop\n\nThe reception opens at 07:30."


def quoted(question: str, *texts: str, **fields: str) -> str:
    passages = [passage(text, **fields) for text in texts]  # type: ignore[arg-type]
    return "".join(QuotingModel(HashEmbedder()).stream(build_prompt(question, passages)))


def test_a_passage_is_read_in_sentences_items_and_rows() -> None:
    found = units(f"# Heading\n\nFirst sentence. Second one!\n\n{BRING}\n\n{SESSIONS}")
    assert [u.kind for u in found] == ["sentence"] * 2 + ["item"] * 3 + ["sentence"] * 2 + ["row"] * 2
    assert found[2].head == "Visitors must bring these things to the reception:"
    assert found[2].text == "a photo identity card"
    assert found[-1].said == "Who: Contractors; Longest session: 8 hours; Idle: 20 minutes"


@pytest.mark.parametrize("text", ["", "# Only a heading", "---", "| a | b |\n|---|---|", "***"])
def test_what_says_nothing_has_no_parts(text: str) -> None:
    assert units(text) == ()


def test_every_part_stands_in_the_passage_word_for_word() -> None:
    text = f"{BRING}\n\n{SESSIONS}\n\n1. First do this.\n2. Then do that,\n   and that."
    for unit in units(text):
        assert " ".join(unit.text.split()) in " ".join(text.split())


def test_a_table_row_is_quoted_under_its_head() -> None:
    answer = quoted(
        "How long may contractors stay in a VPN session?", SESSIONS, title="VPN standard", section="Sessions"
    )
    assert answer.startswith("According to **VPN standard**, “Sessions”:")
    assert "| Who | Longest session | Idle |\n|---|---|---|\n| Contractors | 8 hours | 20 minutes [1] |" in answer
    assert "Employees" not in answer


def test_a_row_of_a_wide_table_is_written_as_a_line() -> None:
    wide = "| Zone | A | B | C | D | E |\n|---|---|---|---|---|---|\n| Amber | 1 | 2 | 3 | 4 | 5 |"
    assert "- **Amber** — A: 1; B: 2; C: 3; D: 4; E: 5 [1]" in quoted("amber zone?", wide)


def test_the_row_whose_range_holds_the_amount_is_chosen() -> None:
    answer = quoted("What is my notice period of service after three years?", NOTICE)
    assert "8 weeks [1]" in answer
    assert "4 weeks" not in answer
    assert "12 weeks" not in answer


@pytest.mark.parametrize(
    ("asked", "text", "fit"),
    [
        ("three years", "2 to 5 years", 1),
        ("12 years", "More than 10 years", 1),
        ("12 years", "Up to 10 years", -1),
        ("£1,800", "£501 to £2,500", 1),
        ("12,000 pounds", "£10,001 to £75,000", 1),
        ("12 days", "2 to 5 years", 0),
        ("12 years", "no range", 0),
        ("no amount", "2 to 5 years", 0),
        ("7 Jahre", "5 bis 10 Jahre", 1),
        ("a K6 engineer", "K5 to K7", 1),
        ("a K6 engineer", "K8 to K9", -1),
        ("a K6 engineer", "K6", 1),
        ("error KC-204", "KC-205", -1),
    ],
)
def test_amounts_fit_ranges(asked: str, text: str, fit: int) -> None:
    assert range_fit(quantities(asked), text) == fit


def test_a_list_is_quoted_with_its_intro() -> None:
    answer = quoted("What must visitors bring to the reception?", BRING)
    assert "Visitors must bring these things to the reception:\n\n- a photo identity card [1]" in answer


def test_a_sentence_that_leans_on_the_one_before_takes_it_along() -> None:
    text = "The gym card costs £30 a month. It is paid by salary deduction, for the gym card of employees only."
    answer = quoted("How is the gym card paid, by salary deduction of employees?", text)
    assert "The gym card costs £30 a month. [1] It is paid by salary deduction" in answer


def test_where_nothing_is_near_the_model_says_so() -> None:
    assert quoted("Quantum chromodynamics?", "The gym opens at six.") == NO_ANSWER
    assert quoted("Anything?") == NO_ANSWER


def test_the_source_is_named_in_the_language_of_the_question() -> None:
    assert quoted("¿Cuál es la longest session de los contractors?", SESSIONS).startswith("Según **")
    assert quoted("Wie lang ist die longest session der contractors?", SESSIONS).startswith("Aus **")


def test_every_sentence_quoted_is_grounded_in_the_passage_that_it_cites() -> None:
    texts = (SESSIONS, NOTICE, BRING)
    for question in ("How long is a session?", "What is the notice period?", "What do visitors bring?"):
        answer = quoted(question, *texts)
        for line in answer.splitlines():
            for n in re.findall(r"\[(\d)\]", line):
                assert Grounding().check(line, [passage(texts[int(n) - 1])]).allowed, line


def test_two_passages_of_one_section_are_introduced_once() -> None:
    passages = [passage(text, title="Gym card", section="Gym") for text in ("It costs £30.", "It opens at 6.")]
    read = [units(p.text) for p in passages]
    answer = "".join(lay_out([(read[0][0], 0), (read[1][0], 1)], passages, read=read, language="en"))
    assert answer == "According to **Gym card**, “Gym”:\n\nIt costs £30. [1]\n\nIt opens at 6. [2]"


def test_a_row_of_another_case_is_not_quoted_beside_the_right_one() -> None:
    second = "| Grade | Notice |\n|---|---|\n| K8 | 12 weeks |\n| K9 | 26 weeks |"
    answer = quoted(
        "What is the notice of grade K6?", "| Grade | Notice |\n|---|---|\n| K5 | 4 weeks |\n| K6 | 8 weeks |", second
    )
    assert "8 weeks [1]" in answer
    assert not any(other in answer for other in ("| 4 weeks", "12 weeks", "26 weeks"))


def test_a_passage_is_read_once() -> None:
    class Counting(HashEmbedder):
        encoded = 0

        def encode(self, texts):  # type: ignore[no-untyped-def]
            self.encoded += len(texts)
            return super().encode(texts)

    embedder = Counting()
    model = QuotingModel(embedder)
    prompt = build_prompt("How long is a session?", [passage(SESSIONS)])
    first = list(model.stream(prompt))
    once = embedder.encoded
    assert list(model.stream(prompt)) == first
    assert embedder.encoded == once + 1


def test_the_lines_of_a_form_are_parts_of_their_own() -> None:
    said = units("Name: Ida Brook\nDate of birth: 14 March 1991\nValid from: 1 December 2026")
    assert [unit.text for unit in said] == [
        "Name: Ida Brook",
        "Date of birth: 14 March 1991",
        "Valid from: 1 December 2026",
    ]
