"""How sure the reader is: near and covered and clear speaks for an answer, and nothing found is no answer."""

from __future__ import annotations

from assistant.confidence import LEAST, confidence, names_another
from assistant.quote import Scored
from assistant.units import units
from core.records import Passage
from retrieval.glossary import open_glossary
from tests.assistant.passages import passage

LEAVE = passage("Employees receive 25 days of leave. Requests go through the portal.", title="Leave")
QUESTION = "How many days of leave do employees receive?"


def sure(
    question: str, chances: tuple[float, float], *, closeness: float, evidence: float, read: Passage = LEAVE
) -> float:
    scored = [
        Scored(unit, "leave", 0, at, closeness, chance)
        for at, (unit, chance) in enumerate(zip(units(read.text), chances, strict=True))
    ]
    return confidence(question, scored, [read], evidence=evidence, glossary=open_glossary())


def test_a_near_and_clear_answer_is_given() -> None:
    assert sure(QUESTION, (0.95, 0.05), closeness=0.8, evidence=0.95) > LEAST


def test_a_far_one_without_evidence_is_not() -> None:
    assert sure("Who won the cup?", (0.5, 0.5), closeness=0.1, evidence=0.2) < LEAST


def test_each_signal_counts_in_its_direction() -> None:
    base = sure(QUESTION, (0.7, 0.3), closeness=0.5, evidence=0.6)
    assert sure(QUESTION, (0.99, 0.01), closeness=0.5, evidence=0.6) > base
    assert sure(QUESTION, (0.7, 0.3), closeness=0.7, evidence=0.6) > base
    assert sure(QUESTION, (0.7, 0.3), closeness=0.5, evidence=0.9) > base
    assert sure("Does the canteen in Tokyo open on Sundays?", (0.7, 0.3), closeness=0.5, evidence=0.6) < base


def test_rows_of_one_table_do_not_make_it_unsure() -> None:
    """Which of them answers is asked back; that the table answers is not in doubt."""
    table = passage("| Site | Days |\n|---|---|\n| Bristol | 25 |\n| Denver | 20 |", title="Leave")
    assert sure(QUESTION, (0.5, 0.5), closeness=0.5, evidence=0.6, read=table) > sure(
        QUESTION,
        (0.5, 0.5),
        closeness=0.5,
        evidence=0.6,
        read=passage("Bristol has 25 days. Denver has 20.", title="Leave"),
    )


def test_nothing_found_is_no_answer() -> None:
    assert confidence(QUESTION, [], [], evidence=1.0, glossary=open_glossary()) == 0.0


def test_code_or_model_that_no_passage_names_is_another_matter() -> None:
    codes = passage("Code E41 means no contact. Grades K5 to K7 get 8 weeks, NDA-3 lasts 7 years.", title="Tern 200")
    for asked in (
        "What does E41 mean?",
        "What notice has a K6?",
        "What is NDA3?",
        "Is the Tern 200 loud?",
        "What of 2026?",
    ):
        assert not names_another(asked, [codes]), asked
    for asked in ("What does E99 mean?", "What notice has a K9?", "When does the Tern 300 come out?"):
        assert names_another(asked, [codes]), asked
    assert not names_another("What does the Plover 12 cost in May 2026?", [codes])  # nothing is said of any Plover
    assert not names_another("What notice has a K9?", [passage("K8 and above: 3 months.")])
