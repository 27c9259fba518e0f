"""Where the question leaves its case open: the whole table is given and the case asked for; a question that names it is answered."""

from __future__ import annotations

import pytest

from assistant.compose import written
from assistant.depends import ask_what_is_meant
from assistant.prompt import ASK_BACK, NO_ANSWER
from assistant.quote import Scored
from assistant.units import units
from core.records import Passage
from retrieval.glossary import open_glossary
from tests.assistant.passages import passage

NOTICE = passage(
    "| Grade | Notice by either side |\n|---|---|\n| K1 to K4 | 4 weeks |\n| K5 to K7 | 8 weeks |\n| K10 | 6 months |",
    title="Probation and notice",
)
SITES = passage(
    "| Site | Certificate needed |\n|---|---|\n| Bristol | From day 8 |\n| Hamburg | From day 4 |", title="Sickness"
)


WARRANTY = passage(
    "| Product | United Kingdom | European Union | Rest of the world | Battery |\n|---|---|---|---|---|\n| Tern 200 | 36 months | 36 months | 18 months | yes |\n| Tern 300 | 36 months | 36 months | 36 months | yes |",
    title="Warranty",
)


def answered(
    question: str, *held: tuple[Passage, int, float], margin: float | None = None, span: str = "6 months"
) -> str:
    """What is written where these units are the likeliest, each with its chance; `span` is the first one's best, with its margin."""
    passages = list({p.passage_id: p for p, _, _ in held}.values())
    scored = [Scored(units(p.text)[at], p.document_id, passages.index(p), at, 0.6, chance) for p, at, chance in held]
    spans = {} if margin is None else {(0, held[0][1]): (margin, span)}
    return "".join(written(question, scored, passages, spans=spans, glossary=open_glossary()))


def test_a_question_that_names_no_row_gets_the_table_and_is_asked_back() -> None:
    answer = answered("How long is the notice period?", (NOTICE, 1, 0.8))
    assert all(f"| {notice} [1] |" in answer for notice in ("4 weeks", "8 weeks", "6 months"))
    assert answer.endswith(f"{ASK_BACK} Which grade do you mean?")


@pytest.mark.parametrize(
    ("question", "at", "lead"),
    [
        ("How long is the warranty on a Tern 200?", 0, ""),  # nobody said where
        ("How long is the warranty on a Tern 200 in the rest of the world?", 0, "**18 months.**"),
        ("How long is the warranty on a Tern 300?", 1, "**36 months.**"),  # wherever it is
    ],
)
def test_one_of_several_figures_of_a_row_leads_only_where_its_column_is_named(
    question: str, at: int, lead: str
) -> None:
    span = "36 months" if at else "18 months"
    answer = answered(question, (WARRANTY, at, 0.8), margin=4.0, span=span)
    assert answer.startswith(lead or "| Product |")
    assert f"| Tern {2 + at}00 | 36 months | 36 months | {'36' if at else '18'} months |" in answer


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("Wie lange ist die Kündigungsfrist?", "Um welchen Fall geht es (grade)?"),
        ("¿Cuánto dura el preaviso?", "¿A qué caso se refiere (grade)?"),
    ],
)
def test_the_case_is_asked_for_in_the_question_s_language(question: str, asked: str) -> None:
    assert answered(question, (NOTICE, 1, 0.8)).endswith(f"{ASK_BACK} {asked}")


@pytest.mark.parametrize(
    ("column", "asked"),
    [
        ("Years of service on 1 January", "Which years of service do you mean?"),
        ("Band 7 role", "Which of these cases do you mean?"),
        ("Site", "Which site do you mean?"),
    ],
)
def test_the_case_is_asked_for_without_a_figure(column: str, asked: str) -> None:
    """A question that is asked back cites nothing, so one with a figure would be withheld."""
    table = passage(f"| {column} | Days |\n|---|---|\n| Fewer | 25 |\n| More | 30 |", title="Leave")
    assert answered("How much leave is there?", (table, 0, 0.8)).endswith(f"{ASK_BACK} {asked}")


def test_a_sentence_that_the_reader_is_sure_of_goes_before_a_table_of_cases() -> None:
    review = passage(
        "The probation period is 6 months.\n\n| Review | When |\n|---|---|\n| First | Week 6 |\n| Last | Month 5 |",
        title="Probation",
    )
    assert "Which review" in answered("How long is probation?", (review, 0, 0.6))
    assert answered("How long is probation?", (review, 0, 0.6), margin=2.0).endswith("is 6 months. [1]")


@pytest.mark.parametrize(
    "question", ["What is the notice for K6?", "Notice period of a K5?", "How long is the notice for K10"]
)
def test_a_question_that_names_its_row_gets_that_row_alone(question: str) -> None:
    place = 2 if "K10" in question else 1
    answer = answered(question, (NOTICE, place, 0.8))
    assert ASK_BACK not in answer
    assert answer.count("[1]") == 1


def test_a_person_who_wants_the_whole_table_is_not_asked() -> None:
    answer = answered("Show all notice periods as a table", (NOTICE, 0, 0.8))
    assert ASK_BACK not in answer
    assert answer.count("[1]") == 3


def test_of_a_long_table_only_the_case_is_asked_for() -> None:
    rows = "\n".join(f"| E{n} | Fault number {n} |" for n in range(10, 40))
    codes = passage(f"| Code | Meaning |\n|---|---|\n{rows}", title="Error codes")
    assert answered("What does the error code mean?", (codes, 3, 0.9)) == f"{ASK_BACK} Which code do you mean?"


def test_a_short_question_that_two_documents_answer_is_asked_back() -> None:
    laptop = passage("A lost laptop is reported within 2 hours.", title="Laptops", document_id="laptop")
    card = passage("A lost card is reported to the bank at once.", title="Company card", document_id="card")
    answer = answered("Report the loss?", (laptop, 0, 0.45), (card, 0, 0.4))
    assert answer.endswith(f"{ASK_BACK} Do you mean “Laptops” or “Company card”?")
    assert "[1]" in answer
    assert "[2]" in answer


def test_few_words_are_given_where_few_are_wanted() -> None:
    answer = answered("In one sentence, when is a certificate needed in Hamburg?", (SITES, 1, 0.9), (SITES, 0, 0.3))
    assert answer.count("[1]") == 1
    assert "Bristol" not in answer


def test_nothing_near_is_no_answer() -> None:
    assert answered("Anything?") == NO_ANSWER


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("Who approves it and how long does that take?", "“it”"),
        ("How often does it have to be calibrated?", "“it”"),
        ("Wie lange muss das aufbewahrt werden?", "„das“"),
        ("¿Quién lo aprueba?", "«lo»"),
    ],
)
def test_first_question_about_something_that_nobody_named_is_asked_back(question: str, word: str) -> None:
    assert word in ask_what_is_meant(question)


@pytest.mark.parametrize(
    "question",
    [
        "How long does it take to get a badge?",
        "Is it allowed to smoke?",
        "I am getting married. How many paid days off is that?",
        "What happens to a badge if I lose it?",
        "I have lost my badge, what does it cost?",
        "Wie lange dauert das Onboarding?",
        "Gibt es Parkplätze?",
        "¿Qué es lo que tengo que hacer?",
        "What is the hotel limit?",
    ],
)
def test_question_that_names_its_matter_is_not(question: str) -> None:
    assert ask_what_is_meant(question) == ""


def test_table_of_what_a_short_question_names_is_told_before_a_sentence_on_an_exception() -> None:
    exception = passage("For sick leave abroad the certificate needed is a translated one.", title="Abroad")
    answer = answered("Is a certificate needed?", (exception, 0, 0.6), (SITES, 0, 0.1))
    assert "From day 8" in answer
    assert "translated" not in answer
    assert answer.endswith(f"{ASK_BACK} Which site do you mean?")


def test_longer_question_keeps_its_sentence() -> None:
    exception = passage("For sick leave abroad the certificate needed is a translated one.", title="Abroad")
    question = "Which certificate is needed for sick leave abroad after surgery?"
    assert "translated" in answered(question, (exception, 0, 0.6), (SITES, 0, 0.1))


def test_two_documents_that_disagree_are_both_told() -> None:
    guide = passage(
        "Visitor parking spaces must be booked at least two working days before the visit.", document_id="a"
    )
    rules = passage(
        "A visitor parking space must be booked at least one working day before the visit.",
        title="Visitors",
        document_id="b",
    )
    answer = answered("How early must a visitor parking space be booked by me?", (rules, 0, 0.8), (guide, 0, 0.05))
    assert "one working day" in answer
    assert "two working days" in answer


def test_same_amount_or_another_matter_is_no_disagreement() -> None:
    rules = passage("A visitor parking space must be booked at least one working day before.", document_id="b")
    same = passage("Visitor parking spaces must be booked at least 1 working day before.", document_id="a")
    other = passage("Lockers must be returned at least two working days before you leave.", document_id="c")
    for beside in (same, other):
        answer = answered("How early must I book parking for my visitor?", (rules, 0, 0.8), (beside, 0, 0.05))
        assert beside.text[:20] not in answer


def test_few_words_of_a_row_are_the_cell_whose_column_is_named() -> None:
    assert answered("Just the number of weeks of notice for a K10, please", (NOTICE, 2, 0.8)) == "6 months [1]."


EARLY = passage(
    "Laptops are replaced after four years. A laptop is replaced early in any of these cases:\n\n- the battery is worn out;\n- it had three repairs.",
    title="Laptop standard",
    section="When a laptop is replaced",
)
FLAGS = passage(
    "- The customer wants to pay in cash.\n- The quantity does not fit.\n\nStop when you see one red flag.",
    title="Export control",
    section="Briefing > Red flags",
)


@pytest.mark.parametrize(
    ("question", "held", "at", "whole"),
    [
        ("When is a laptop replaced early?", EARLY, 0, True),
        ("When are laptops replaced?", EARLY, 0, False),  # the list is of exceptions
        ("When is a screen replaced early?", EARLY, 0, False),
        ("List the red flags for export", FLAGS, 2, True),
        ("What do I do when I see a red flag?", FLAGS, 2, False),
    ],
)
def test_a_list_whose_intro_or_heading_says_what_is_asked_is_told_whole(
    question: str, held: Passage, at: int, whole: bool
) -> None:
    answer = answered(question, (held, at, 0.4))
    items = [unit.text for unit in units(held.text) if unit.kind == "item"]
    assert all(f"- {item} [1]" in answer for item in items) is whole


def test_a_few_words_are_no_answer_to_what_happens() -> None:
    invoices = passage(
        "An invoice without a number is sent back to the supplier within 3 working days.", title="Buying"
    )
    asked = "In at most 30 words, what happens when a number is missing on an invoice?"
    answer = answered(asked, (invoices, 0, 0.8), margin=4.0, span="3 working days")
    assert answer == f"{invoices.text} [1]"
