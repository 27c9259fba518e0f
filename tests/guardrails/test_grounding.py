"""A sentence of an answer against the passages that it cites."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from core.records import Passage
from guardrails.grounding import THRESHOLD, Grounding
from tests.guardrails.passages import passage

HOTELS = passage(
    "Hotels are booked in the travel portal.\n\n| City | Limit per night |\n|---|---|\n| London | £180 |\n| Paris | £150 |",
    section="Hotels",
)
LEAVE = passage(
    "Full-time employees have 27 days of paid annual leave a year. Employees may carry over up to 5 days until 31 March. "
    "Contractors are not entitled to paid leave. Approval by the manager is needed no later than 14 days before the leave.",
    title="Annual leave policy",
)
HAMBURG = passage(
    "Grundlage ist die Betriebsvereinbarung 2025/07. Die Regelung gilt ab dem 1. Januar 2026 für alle Beschäftigten in Hamburg. "
    "Die Pausen sind unbezahlt."
)
KINDER = passage("Für Kinder unter 12 Jahren gibt es 10 Tage Kinderkrankengeld. Ein Attest ist nicht erforderlich.")

grounding = Grounding()


@pytest.mark.parametrize(
    ("sentence", "source"),
    [
        ("Full-time employees have 27 days of paid annual leave a year. [1]", LEAVE),
        ("You have **27 days** of paid annual leave a year [1].", LEAVE),
        ("Up to five days may be carried over until 31 March.", LEAVE),
        ("Contractors do not get paid leave.", LEAVE),
        ("Approval by the manager is needed 14 days before the leave.", LEAVE),
        ("The hotel limit in London is £180 per night [2].", HOTELS),
        ("Ein Attest ist nicht erforderlich.", KINDER),
        ("Here is what the policy says:", LEAVE),
        ("Die Regelung gilt ab dem 1. Januar 2026 für alle Beschäftigten in Hamburg.", HAMBURG),
        ("Ab dem 1. Januar 2026 gilt die Regelung für alle Beschäftigten [1].", HAMBURG),
    ],
)
def test_supported_sentence_passes(sentence: str, source: object) -> None:
    assert grounding.check(sentence, [source]).action == "allow"  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("sentence", "source", "rule"),
    [
        ("Full-time employees have 28 days of paid annual leave.", LEAVE, "number"),
        ("Employees may carry over up to 5 weeks until 31 March.", LEAVE, "number"),
        ("The hotel limit in London is £150 per night.", HOTELS, "number"),
        ("The hotel limit in London is €180 per night.", HOTELS, "number"),
        ("Contractors are entitled to paid leave.", LEAVE, "negation"),
        ("Employees may not carry over 5 days until 31 March.", LEAVE, "negation"),
        ("Ein Attest ist erforderlich.", KINDER, "negation"),
        ("Die Regelung gilt ab dem 1. Januar 2027 für alle Beschäftigten in Hamburg.", HAMBURG, "number"),
        ("Employees receive a company car after two years of service.", LEAVE, "overlap"),
        ("Hotels in Rome offer free breakfast to employees.", HOTELS, "overlap"),
    ],
)
def test_unsupported_sentence_is_withheld_by_a_named_rule(sentence: str, source: object, rule: str) -> None:
    verdict = grounding.check(sentence, [source])  # type: ignore[list-item]
    assert (verdict.action, verdict.rule) == ("drop", rule)


def test_statement_without_a_citation_is_withheld() -> None:
    assert grounding.check("Employees have 27 days of leave.").rule == "uncited"


def test_sentence_may_draw_on_several_cited_passages() -> None:
    sentence = "Contractors are not entitled to paid leave; hotels are booked in the travel portal."
    assert grounding.check(sentence, [LEAVE, HOTELS]).action == "allow"
    assert grounding.check(sentence, [LEAVE]).rule == "overlap"


def test_threshold_is_the_share_of_content_words_covered() -> None:
    source = passage("alpha bravo charlie delta echo foxtrot golf", title="", section="")
    seven_of_ten = "Alpha bravo charlie delta echo foxtrot golf hotel india juliett."
    assert grounding.check(seven_of_ten, [source]).score == THRESHOLD
    assert grounding.check(seven_of_ten, [source]).allowed
    assert not Grounding(threshold=0.71).check(seven_of_ten, [source]).allowed


@pytest.mark.parametrize(
    ("said", "written"),
    [("1,250.50", "1.250,50"), ("12,500", "12 500"), ("2.5", "2,5"), ("10000", "10,000"), ("0.32", "0,32")],
)
def test_one_number_in_two_spellings_is_the_same(said: str, written: str) -> None:
    assert grounding.check(f"The limit is £{said} today.", [passage(f"The limit today: £{written}.")]).allowed


def test_quote_with_a_negation_elsewhere_is_supported() -> None:
    quote = "A rating can go up or stay the same after an appeal, and it cannot go down."
    assert grounding.check(quote, [passage(f"Appeals are heard in May. {quote} The result is final.")]).allowed


PARAPHRASE = "Unused holiday: you may carry over at most 5 days, until 31 March."


def test_paraphrase_is_supported_where_the_cross_encoder_says_so() -> None:
    asked: list[tuple[str, int]] = []

    def support(sentence: str, passages: Sequence[Passage]) -> list[float]:
        asked.append((sentence, len(passages)))
        return [0.1, 0.9][: len(passages)]

    guard = Grounding(threshold=0.9, support=support)
    assert guard.check(PARAPHRASE, [HOTELS, LEAVE]).allowed
    assert guard.check(PARAPHRASE, [LEAVE]).rule == "overlap"  # the first score says no
    assert Grounding(threshold=0.9).check(PARAPHRASE, [HOTELS, LEAVE]).rule == "overlap"
    assert asked == [(PARAPHRASE.lower(), 2), (PARAPHRASE.lower(), 1)]


def test_cross_encoder_is_not_asked_about_quotes_nor_believed_about_numbers_and_negations() -> None:
    def support(sentence: str, passages: Sequence[Passage]) -> list[float]:
        raise AssertionError("asked")

    guard = Grounding(support=support)
    assert guard.check("Contractors are not entitled to paid leave.", [LEAVE]).allowed
    sure = Grounding(threshold=0.9, support=lambda sentence, passages: [1.0])
    assert sure.check(PARAPHRASE.replace("5 days", "6 days"), [LEAVE]).rule == "number"
    assert sure.check("Contractors are entitled to holidays that are paid.", [LEAVE]).rule == "negation"
    assert sure.check("Employees receive a company car after two years of service.", [LEAVE]).rule == "overlap"


def test_number_of_a_lists_item_needs_no_support_and_that_of_a_date_does() -> None:
    assert grounding.check("7. Hotels are booked in the travel portal.", [HOTELS]).allowed
    assert grounding.check("1. Januar 2026 gilt die Regelung für alle Beschäftigten in Hamburg.", [HAMBURG]).allowed
    assert not grounding.check("3. Januar 2026 gilt die Regelung für alle Beschäftigten in Hamburg.", [HAMBURG]).allowed


def test_short_answer_before_a_quoted_sentence_with_a_negation_is_supported() -> None:
    boxes = passage("Swollen batteries go into the steel box at the goods-in desk, never into a bin.")
    quoted = "Swollen batteries go into the steel box at the goods-in desk, never into a bin. [1]"
    assert grounding.check(f"**Goods-in desk.** {quoted}", [boxes]).allowed
    assert not grounding.check(f"**Any bin.** {quoted.replace(', never into a bin', '')}", [boxes]).allowed
    assert not grounding.check(f"**Kitchen.** {quoted}", [boxes]).allowed


def test_whether_it_is_allowed_may_lead_a_quoted_sentence_that_says_so() -> None:
    """Yes, no and "under conditions" stand in no passage themselves; `assistant/yes_no.py` takes them from the sentence."""
    drinks = passage("Alcohol can be claimed only with a customer meal.")
    for lead in ("Under conditions", "Yes", "Con condiciones", "Unter Bedingungen"):
        assert grounding.check(
            f"**{lead}.** Alcohol can be claimed only with a customer meal. [1]", [drinks]
        ).allowed, lead
    assert not grounding.check(
        "**Under conditions.** Alcohol can be claimed with every meal on a trip. [1]", [drinks]
    ).allowed
