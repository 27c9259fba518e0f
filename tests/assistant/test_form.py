"""What is said about the form is not looked up, and the answer has that form."""

from __future__ import annotations

import pytest

from assistant.compose import written
from assistant.form import asked_form, in_form, matter
from assistant.quote import Scored
from assistant.units import units
from retrieval.glossary import open_glossary
from tests.assistant.passages import passage

STEPS = passage("When a badge is lost:\n\n- call the desk\n- tell your manager\n- ask for a new badge", title="Badges")
RATINGS = passage("| Rating | Bonus |\n|---|---|\n| Strong | 100% |\n| Below | 0% |", title="Ratings")


@pytest.mark.parametrize(
    ("question", "looked_up"),
    [
        ("In one sentence, when is a certificate needed?", "when is a certificate needed?"),
        ("Please answer in Spanish, how many remote days may I take?", "how many remote days may I take?"),
        ("Bitte antworte auf Deutsch, wie viele Überstunden sind erlaubt?", "wie viele Überstunden sind erlaubt?"),
        ("Just the number please, how many seats does the hall have?", "how many seats does the hall have?"),
        ("Show the notice periods as a table.", "Show the notice periods."),
        ("List the red flags as bullet points.", "List the red flags."),
        ("Give me numbered steps for when my laptop is stolen.", "my laptop is stolen."),
        ("Nenne die Regeln in Stichpunkten.", "Nenne die Regeln."),
        ("How do I answer a customer, and in which language?", "How do I answer a customer, and in which language?"),
        ("In two weeks, what happens to my badge?", "In two weeks, what happens to my badge?"),
        ("As a table.", "As a table."),
    ],
)
def test_instruction_on_the_form_is_taken_off(question: str, looked_up: str) -> None:
    assert matter(question) == looked_up


def written_for(question: str, text: str, at: tuple[int, ...]) -> str:
    source = passage(text)
    scored = [Scored(units(text)[n], source.document_id, 0, n, 0.6, 0.4) for n in at]
    return "".join(written(question, scored, [source], spans={}, glossary=open_glossary()))


def test_list_is_numbered_through_where_steps_are_wanted() -> None:
    answer = written_for("Give me numbered steps for a lost badge.", STEPS.text, (1, 2))
    assert "1. call the desk [1]\n2. tell your manager [1]\n3. ask for a new badge [1]" in answer
    assert list(in_form(["- a\n- b", "\n\n- c"], "numbered")) == ["1. a\n2. b", "\n\n3. c"]
    assert list(in_form(["- a"], "bullets")) == ["- a"]


def test_rows_become_items_where_bullets_are_wanted() -> None:
    answer = written_for("Name every rating with its bonus, one per line.", RATINGS.text, (0, 1))
    assert answer == "- **Strong** — Bonus: 100% [1]\n- **Below** — Bonus: 0% [1]"
    assert asked_form("Wie geht das Schritt für Schritt?") == "numbered"
    assert asked_form("What is the bonus?") == ""
