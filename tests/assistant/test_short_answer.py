"""The few words that lead an answer: whole phrases, with what limits them, of the case that was asked about."""

from __future__ import annotations

import pytest

from assistant.short_answer import only_cell, short_answer
from assistant.units import Unit, units

BUY_OR_SELL = "Employees may buy up to 5 additional days or sell up to 3 days for the following year."
BREAKS = "After more than 6 hours a break of 30 minutes is taken, after more than 9 hours one of 45 minutes."
AIDERS = "Bristol has 14 first aiders, Hamburg has 22, Valencia has 6 and Denver has 4."


def sentence(text: str) -> Unit:
    return Unit("sentence", text, "", 0)


@pytest.mark.parametrize(
    ("question", "text", "span", "lead"),
    [
        ("How many days?", "In each year up to 5 days of unused leave may be carried over.", "5 days", "Up to 5 days."),
        ("How long before?", "A calibration is booked at least 10 working days before.", "10 working", "At least 10 working."),
        ("How long do I wait?", "After a night flight work starts no earlier than 12 hours after landing.", "12", "No earlier than 12 hours."),
        ("How much is paid?", "A transfer by taxi to the hotel is paid up to £45 for each journey.", "£45", "Up to £45."),
        ("How many?", "Desde casa se puede trabajar hasta 20 días laborables al año en España.", "20", "Hasta 20 días."),
        ("What do visitors use?", "Public networks may be used only with KBI Connect switched on.", "KBI", "KBI Connect."),
        ("Who decides?", "The offer is signed by the Finance Director of the whole group.", "Director", "Finance Director."),
        ("Was ist erlaubt?", "Erlaubt sind in der Halle nur Schuhe Klasse S3 mit Kappe.", "Schuhe", "Schuhe."),
    ],
)  # fmt: skip
def test_a_short_answer_is_a_whole_phrase_with_what_limits_it(question: str, text: str, span: str, lead: str) -> None:
    assert short_answer(question, sentence(text), (3.0, span)) == lead


@pytest.mark.parametrize(
    ("question", "text", "span", "lead"),
    [
        ("How many extra days can I buy?", BUY_OR_SELL, "3 days", ""),
        ("How many days can I sell?", BUY_OR_SELL, "3 days", "Up to 3 days."),
        ("How long is the break after 9 hours?", BREAKS, "30 minutes", ""),
        ("How long is the break after 6 hours?", BREAKS, "30 minutes", "30 minutes."),
        ("How many first aiders are there in Hamburg?", AIDERS, "14", ""),
        ("How many first aiders are there in Bristol?", AIDERS, "14", "14."),
        ("How many clicked in the third quarter of 2026?", "In the third quarter of 2026, 3.8% clicked and 61% reported it.", "3.8%", "3.8%."),
        ("How many days after 5 years?", "After 5 years of service, a person receives 27 days of leave.", "27 days", "27 days."),
    ],
)  # fmt: skip
def test_a_figure_of_another_case_is_no_short_answer(question: str, text: str, span: str, lead: str) -> None:
    assert short_answer(question, sentence(text), (3.0, span)) == lead


@pytest.mark.parametrize(
    ("question", "table", "lead"),
    [
        ("How many days for a move?", "| Occasion | Paid days |\n|---|---|\n| Move | 3 |", "3 days."),
        ("How many days for a move?", "| Occasion | Paid days |\n|---|---|\n| Move | 1 |", "1 day."),
        ("How many for a move?", "| Occasion | Number |\n|---|---|\n| Move | 3 |", "3."),
        ("Who approves £800?", "| Total | Approver |\n|---|---|\n| £501 to £900 | Head of department |", "Head of department."),
        ("How many days for a move?", "| Occasion | Days |\n|---|---|\n| Move | As agreed |", ""),
        ("How many days?", "| Occasion | Days | Weeks |\n|---|---|---|\n| Move | 3 | 1 |", ""),
        ("Can I have a day?", "| Occasion | Paid days |\n|---|---|\n| Move | 3 |", ""),
    ],
)  # fmt: skip
def test_a_row_of_two_columns_says_its_second_with_its_unit(question: str, table: str, lead: str) -> None:
    assert only_cell(question, units(table)[0]) == lead
