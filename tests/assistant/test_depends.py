"""Where the question leaves its case open: the whole table is given and the case asked for; a question that names it is answered."""

from __future__ import annotations

import pytest

from assistant.compose import written
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


def answered(question: str, *held: tuple[Passage, int, float]) -> str:
    """What is written where these units are the likeliest, each with its chance."""
    passages = list({p.passage_id: p for p, _, _ in held}.values())
    scored = [Scored(units(p.text)[at], p.document_id, passages.index(p), at, 0.6, chance) for p, at, chance in held]
    return "".join(written(question, scored, passages, spans={}, glossary=open_glossary()))


def test_a_question_that_names_no_row_gets_the_table_and_is_asked_back() -> None:
    answer = answered("How long is the notice period?", (NOTICE, 1, 0.8))
    assert all(f"| {notice} [1] |" in answer for notice in ("4 weeks", "8 weeks", "6 months"))
    assert answer.endswith(f"{ASK_BACK} Which grade do you mean?")


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
