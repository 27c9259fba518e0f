"""Names, places and what says something about a person, found without a model; and what only looks like it."""

from __future__ import annotations

import pytest

from guardrails.pii import Recognisers
from guardrails.policy import load_policy

FOUND = [
    ("My name is Aantje Mourik.", "PERSON", "Aantje Mourik"),
    ("Dear Ruth R Montez, your card is here", "PERSON", "Ruth R Montez"),
    ("Please ask Dr. Holinka about it", "PERSON", "Holinka"),
    ("Ich heiße Jürgen Öztürk", "PERSON", "Jürgen Öztürk"),
    ("Timotea lives on a hill", "PERSON", "Timotea"),
    ("It was written by Emilie Johansen", "PERSON", "Emilie Johansen"),
    ("We moved here from Kenosha", "LOCATION", "Kenosha"),
    ("The office in Valencia is closed", "LOCATION", "Valencia"),
    ("He flew to New Zealand", "LOCATION", "New Zealand"),
    ("The Finnish team won", "NATIONALITY", "Finnish"),
    ("It belongs to Halden Components Ltd", "ORGANIZATION", "Halden Components Ltd"),
    ("This 79 year old female complains", "AGE", "79"),
    ("He just turned 46", "AGE", "46"),
    ("Mr. Baader waits", "TITLE", "Mr."),
    ("See https://older-song.example/x today", "WEB_ADDRESS", "https://older-song.example/x"),
    ("She was diagnosed with type 2 diabetes", "HEALTH", "type 2 diabetes"),
    ("Mein Kollege leidet an Epilepsie", "HEALTH", "Epilepsie"),
    ("Mi jefa tiene cáncer", "HEALTH", "cáncer"),
    ("account number 12345678 at the bank", "BANK_ACCOUNT", "12345678"),
    ("número de cuenta 1234567890", "BANK_ACCOUNT", "1234567890"),
    ("my zip code is 35350", "POSTCODE", "35350"),
    ("please return to 56539 Rua Cyro Franco 1213", "STREET_ADDRESS", "56539 Rua Cyro Franco 1213"),
]

NOT_FOUND = [
    "Everyone lives by the same rules.",
    "Ask the service desk about the travel policy.",
    "The diabetes awareness day is on 14 November.",
    "Order 30 sensors at 12 each, delivered in 5 days.",
    "Does the policy cover cancer screening?",
    "The account number on the form has eight digits.",
    "The gateway is 3 years older than the sensor.",
]


@pytest.fixture(scope="module")
def recognisers() -> Recognisers:
    return Recognisers(load_policy().thresholds(), names=None)


@pytest.mark.parametrize(("text", "kind", "span"), FOUND)
def test_name_or_fact_is_found_with_its_span(recognisers: Recognisers, text: str, kind: str, span: str) -> None:
    assert (kind, span) in [(e.type, text[e.start : e.end]) for e in recognisers.find(text)]


@pytest.mark.parametrize("text", NOT_FOUND)
def test_ordinary_sentence_is_not_flagged(recognisers: Recognisers, text: str) -> None:
    assert recognisers.find(text) == ()


def test_place_inside_an_address_belongs_to_the_address(recognisers: Recognisers) -> None:
    text = "Deliver to 12 London Road, Flat 3"
    assert [e.type for e in recognisers.find(text)] == ["STREET_ADDRESS"]


def test_names_are_not_counted_in_documents_until_a_policy_says_so() -> None:
    assert Recognisers().count("Dear Nora Whitcombe, she was diagnosed with diabetes.") == {"HEALTH": 1}
