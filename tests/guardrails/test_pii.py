"""Recognisers as tables of text, span and type, with look-alikes that are none; and the policy that masks."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.records import Classification, Entity
from guardrails.ner import Found, Names
from guardrails.pii import PersonalData, PersonalDataPolicy, Recognisers, chat_thresholds, mask
from guardrails.policy import load_policy
from tests.guardrails.passages import passage

FOUND = [
    ("Write to jane.doe+hr@mail.example.co.uk please", "EMAIL_ADDRESS", "jane.doe+hr@mail.example.co.uk"),
    ("reach me at jane.doe (at) gmail (dot) com", "EMAIL_ADDRESS", "jane.doe (at) gmail (dot) com"),
    ("Call +44 117 496 0440 now", "PHONE_NUMBER", "+44 117 496 0440"),
    ("The desk is on 0117 496 0440.", "PHONE_NUMBER", "0117 496 0440"),
    ("US sales: (212) 555-0199", "PHONE_NUMBER", "(212) 555-0199"),
    ("Rufen Sie +49 40 1234567 an", "PHONE_NUMBER", "+49 40 1234567"),
    ("Llame al +34 963 123 456", "PHONE_NUMBER", "+34 963 123 456"),
    ("card 4111 1111 1111 1111 exp 12/28", "CREDIT_CARD", "4111 1111 1111 1111"),
    ("card \uff14\uff11\uff11\uff11 \uff11\uff11\uff11\uff11 \uff11\uff11\uff11\uff11 \uff11\uff11\uff11\uff11 ok", "CREDIT_CARD", "\uff14\uff11\uff11\uff11 \uff11\uff11\uff11\uff11 \uff11\uff11\uff11\uff11 \uff11\uff11\uff11\uff11"),
    ("card 4111.1111.1111.1111 ok", "CREDIT_CARD", "4111.1111.1111.1111"),
    ("card 4111\u00a01111\u00a01111\u00a01111 ok", "CREDIT_CARD", "4111\u00a01111\u00a01111\u00a01111"),
    ("IBAN DE89\u202f3704\u202f0044\u202f0532\u202f0130\u202f00", "IBAN_CODE", "DE89\u202f3704\u202f0044\u202f0532\u202f0130\u202f00"),
    ("SSN 536\u00a090\u00a04399", "US_SSN", "536\u00a090\u00a04399"),
    ("SSN 536\u201390\u20134399", "US_SSN", "536\u201390\u20134399"),
    ("sort code 20-00-00 account 55779911", "UK_BANK_ACCOUNT", "20-00-00 account 55779911"),
    ("in 2024 5555-5555-5555-4444 was charged", "CREDIT_CARD", "5555-5555-5555-4444"),
    ("378282246310005", "CREDIT_CARD", "378282246310005"),
    ("my card number 630427373398 is lost", "CREDIT_CARD", "630427373398"),
    ("pay GB82 WEST 1234 5698 7654 32 by Friday", "IBAN_CODE", "GB82 WEST 1234 5698 7654 32"),
    ("IBAN de89 3704 0044 0532 0130 00 bitte", "IBAN_CODE", "de89 3704 0044 0532 0130 00"),
    ("sort code 12-34-56 account 12345678", "UK_BANK_ACCOUNT", "12-34-56 account 12345678"),
    ("SSN 536-90-4399", "US_SSN", "536-90-4399"),
    ("my ssn is 536904399", "US_SSN", "536904399"),
    ("ITIN 912-71-1234", "US_ITIN", "912-71-1234"),
    ("National insurance number AB 12 34 56 C", "UK_NINO", "AB 12 34 56 C"),
    ("NI number QQ 12 34 56 C", "UK_NINO", "QQ 12 34 56 C"),
    ("NHS number 943 476 5919", "UK_NHS", "943 476 5919"),
    ("DNI 12345678Z", "ES_NIF", "12345678Z"),
    ("NIE X1234567L", "ES_NIE", "X1234567L"),
    ("Steuer-ID 86 095 742 719", "DE_TAX_ID", "86 095 742 719"),
    ("passport number AB1234567", "PASSPORT", "AB1234567"),
    ("Reisepass C01X00T47", "PASSPORT", "C01X00T47"),
    ("from 192.168.17.4 today", "IP_ADDRESS", "192.168.17.4"),
    ("MAC 00:1A:2B:3C:4D:5E", "MAC_ADDRESS", "00:1A:2B:3C:4D:5E"),
    ("see https://x.example/f?token=abcdef123456", "URL_SECRET", "https://x.example/f?token=abcdef123456"),
    ("git clone https://ci:s3cret99@git.example/a.git", "URL_SECRET", "https://ci:s3cret99@git.example/a.git"),
    ("export KEY=AKIAIOSFODNN7EXAMPLE", "API_KEY", "AKIAIOSFODNN7EXAMPLE"),
    ("use ghp_abcdefghijklmnopqrstuvwxyz0123456789", "API_KEY", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"),
    ("the password is: hunter2Abc!", "PASSWORD", "hunter2Abc!"),
    ("Passwort lautet Sommer2026", "PASSWORD", "Sommer2026"),
    ("born on 12 March 1984", "DATE_OF_BIRTH", "12 March 1984"),
    ("geboren am 12.03.1984", "DATE_OF_BIRTH", "12.03.1984"),
    ("fecha de nacimiento: 3 de mayo de 1990", "DATE_OF_BIRTH", "3 de mayo de 1990"),
    ("Deliver to 14 Crown Street, Flat 3", "STREET_ADDRESS", "14 Crown Street, Flat 3"),
    ("Lieferung: Hafenstraße 12, 20457 Hamburg", "STREET_ADDRESS", "Hafenstraße 12, 20457 Hamburg"),
    ("Entrega en Calle de la Paz 14, Valencia", "STREET_ADDRESS", "Calle de la Paz 14"),
    ("home address BS1 4DJ", "POSTCODE", "BS1 4DJ"),
]  # fmt: skip

NOT_FOUND = [
    "The limit is £12,500.00 for up to 30 days from 2026-01-01.",
    "Order 630427373398 has arrived.",  # passes Luhn, and is no card
    "Ticket 536904399 is closed.",
    "Ask for extension 4400 from any site.",
    "The policy is effective 12 March 2026.",
    "Use at least 14 characters; the password: minimum 14 characters.",
    "Form AB1234567 and part KB-20417.",
    "Roost Gateway G4 with firmware 2.14.0",
    "Version 03-08-2024 of the form, serial 04941510000002",
    "Meet at 16:15 in room 3.12, floor 2 west.",
    "4111 1111 1111 1112 is a typo, not a card",
    "GB82 WEST 1234 5698 7654 33",
    "https://intranet.kestrelbay.example/hr/annual-leave?page=2",
]


@pytest.fixture(scope="module")
def recognisers() -> Recognisers:
    return Recognisers()


@pytest.mark.parametrize(("text", "type_", "span"), FOUND)
def test_entity_is_found_with_its_exact_span(recognisers: Recognisers, text: str, type_: str, span: str) -> None:
    assert [(e.type, text[e.start : e.end]) for e in recognisers.find(text)] == [(type_, span)]


@pytest.mark.parametrize("text", NOT_FOUND)
def test_look_alikes_are_not_flagged(recognisers: Recognisers, text: str) -> None:
    assert recognisers.find(text) == ()


def test_a_phone_number_is_not_taken_for_a_health_service_number(recognisers: Recognisers) -> None:
    assert recognisers.count("Call the desk on 943 476 5919") == {"PHONE_NUMBER": 1}


def test_private_key_is_found_whole_though_it_is_longer_than_a_window(recognisers: Recognisers) -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA0Z3VS5JJ\n" * 240 + "-----END RSA PRIVATE KEY-----"
    assert [(e.type, e.start, e.end) for e in recognisers.find(f"key:\n{key}\nthanks")] == [
        ("PRIVATE_KEY", 5, 5 + len(key))
    ]


def test_private_key_without_an_end_is_all_that_follows(recognisers: Recognisers) -> None:
    text = "-----BEGIN PRIVATE KEY-----\n" + "MIIEvgIBADANBgkqhkiG9w0BAQEFAASC\n" * 600
    assert mask(text, recognisers.find(text)) == "<SECRET>"


@pytest.mark.parametrize("number", ["4111 1111\n1111 1111", "4111 1111 \n  1111 1111", "DE89 3704 0044\n0532 0130 00"])
def test_card_and_account_number_are_found_across_a_line_end(recognisers: Recognisers, number: str) -> None:
    text = f"The card\nor account is {number}\nof Leeds."
    (entity,) = [e for e in recognisers.find(text) if e.type in ("CREDIT_CARD", "IBAN_CODE")]
    assert text[entity.start : entity.end] == number


def test_a_long_text_is_searched_to_its_end_and_counts_each_entity_once(recognisers: Recognisers) -> None:
    text = ("An ordinary sentence without data. " * 150 + "Mail jane@gmail.com. ") * 5
    assert recognisers.count(text) == {"EMAIL_ADDRESS": 5}


def test_overlapping_findings_become_one_entity_of_the_whole_span(recognisers: Recognisers) -> None:
    text = "postgresql://amelia:s3cret99@db.kestrelbay.example:5432/prod"
    assert [(e.type, text[e.start : e.end]) for e in recognisers.find(text)] == [("URL_SECRET", text)]


def test_allowed_texts_are_never_personal_data() -> None:
    allowed = Recognisers(allow=["+44 117 496 0440"])
    assert allowed.find("Call +44 117 496 0440") == ()
    assert allowed.count("Call +44 117 496 0441") == {"PHONE_NUMBER": 1}


def test_only_entities_with_a_threshold_are_looked_for() -> None:
    assert Recognisers({"IBAN_CODE": 0.5}).count("jane@gmail.com GB82WEST12345698765432") == {"IBAN_CODE": 1}


def test_many_threads_share_the_engine_and_agree(recognisers: Recognisers) -> None:
    texts = [text for text, _, _ in FOUND] * 3
    expected = [recognisers.find(text) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(recognisers.find, texts)) == expected


@pytest.mark.timed
@pytest.mark.parametrize("hostile", ["a" * 50_000, "a!" * 25_000, "x@" * 25_000, "😀" * 20_000, "http://a:" * 5_000])
def test_hostile_text_costs_seconds_at_most(recognisers: Recognisers, hostile: str) -> None:
    start = time.perf_counter()
    recognisers.find(hostile)
    assert time.perf_counter() - start < 5


def test_nothing_that_was_analysed_is_logged(recognisers: Recognisers, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        recognisers.find("IBAN GB82 WEST 1234 5698 7654 32 of jane@gmail.com")
    assert "WEST" not in caplog.text
    assert "jane" not in caplog.text


def guard(stage: str, recognisers: Recognisers) -> PersonalData:
    policy = PersonalDataPolicy(own_domains=frozenset({"kestrelbay.example"}))
    return PersonalData("question" if stage == "question" else "answer", policy, recognisers)


@pytest.mark.parametrize(
    ("question", "masked"),
    [
        ("Is GB82 WEST 1234 5698 7654 32 my payroll account?", "Is <IBAN> my payroll account?"),
        ("My card 4111 1111 1111 1111 was declined, why?", "My card <CARD> was declined, why?"),
        ("My NI number is AB 12 34 56 C, where is it stored?", "My NI number is <ID>, where is it stored?"),
        ("VPN says bad token, my password: hunter2Abc! why?", "VPN says bad token, my password: <SECRET> why?"),
    ],
)
def test_question_loses_secrets_and_numbers_of_bank_and_identity(
    recognisers: Recognisers, question: str, masked: str
) -> None:
    verdict = guard("question", recognisers).check(question)
    assert (verdict.action, verdict.text, verdict.rule) == ("mask", masked, "personal_data")
    assert verdict.allowed


def test_question_keeps_what_the_asker_needs_an_answer_about(recognisers: Recognisers) -> None:
    question = "I was born on 12 March 1984 and live at 14 Crown Street; may I forward mail to jane@gmail.com?"
    assert guard("question", recognisers).check(question).action == "allow"


@pytest.mark.parametrize(
    "answer",
    [
        "Questions go to people@kestrelbay.example.",
        "Call the service desk on +44 117 496 0440.",
        "The carrier is reached at dispatch@carrier.example.",
        "The Bristol office is at 14 Crown Street, BS1 4DJ.",
        "The gateway listens on 10.0.0.5.",
    ],
)
def test_answer_keeps_the_contacts_of_teams_and_offices(recognisers: Recognisers, answer: str) -> None:
    assert guard("answer", recognisers).check(answer, [passage(answer)]).action == "allow"


@pytest.mark.parametrize(
    "answer",
    [
        "The price on 30 September 2026 was £8.42.",
        "Firmware 4.2.0 was signed on 14 September 2026.",
        "Die Arbeit am 24. Dezember ab 14 Uhr wird mit 175 % vergütet.",
        "El 19 de marzo y el 9 de octubre son festivos.",
        "Se puede trabajar desde otro domicilio en España hasta 20 días laborables al año.",
        "Las guardias se pagan con 38 euros por noche entre semana.",
        "An employment contract up to K7 is signed by the HR business partner.",
    ],
)
def test_answer_keeps_a_policys_dates_and_amounts(recognisers: Recognisers, answer: str) -> None:
    assert guard("answer", recognisers).check(answer, [passage(answer)]).action == "allow"


def test_answer_masks_private_contact_data_that_a_widely_readable_passage_says_is_private(
    recognisers: Recognisers,
) -> None:
    source = passage("Private mobile: 07700 900142\nMail: nora@gmail.com, born on 14 March 1991")
    verdict = guard("answer", recognisers).check(
        "Nora is on 07700 900142 and nora@gmail.com, born on 14 March 1991.", [source]
    )
    assert verdict.text == "Nora is on <PHONE> and <EMAIL>, born on <DATE OF BIRTH>."


@pytest.mark.parametrize(
    ("classification", "shown"), [("confidential", True), ("restricted", True), ("internal", False)]
)
def test_answer_shows_private_data_only_from_passages_that_need_clearance(
    recognisers: Recognisers, classification: Classification, shown: bool
) -> None:
    text = "Her private mobile is 07700 900142."
    verdict = guard("answer", recognisers).check(text, [passage(text, classification=classification)])
    assert ("07700 900142" in verdict.text) is shown


def test_answer_masks_private_data_that_any_widely_readable_passage_holds_too(recognisers: Recognisers) -> None:
    text = "Her private mobile is 07700 900142."
    sources = [passage(text, classification="restricted"), passage(text, classification="internal")]
    assert guard("answer", recognisers).check(text, sources).text == "Her private mobile is <PHONE>."


def test_answer_never_shows_bank_and_identity_numbers_or_secrets(recognisers: Recognisers) -> None:
    text = "The IBAN is GB82 WEST 1234 5698 7654 32 and the key AKIAIOSFODNN7EXAMPLE."
    verdict = guard("answer", recognisers).check(text, [passage(text, classification="restricted")])
    assert verdict.text == "The IBAN is <IBAN> and the key <SECRET>."
    assert [e.type for e in verdict.entities] == ["IBAN_CODE", "API_KEY"]


class NoNetwork:
    """A recogniser of names that must not be asked."""

    def find(self, text: str) -> list[Found]:
        raise AssertionError(f"The network read {len(text)} characters.")


class Greedy:
    """A recogniser of names that takes all it is shown for an address."""

    def find(self, text: str) -> list[Found]:
        return [Found("STREET_ADDRESS", 0, len(text), 1.0)]


PLAIN_ANSWER = "Employees have 27 days of leave a year, says Nora Whitcombe of 12 Quayside Lofts."


def answering(names: Names, policy: PersonalDataPolicy | None = None) -> PersonalData:
    policy = policy or PersonalDataPolicy()
    return PersonalData("answer", policy, Recognisers(chat_thresholds(policy.section), names=names))


def test_the_network_does_not_read_an_answer_in_which_nothing_could_be_masked() -> None:
    verdict = answering(NoNetwork()).check(PLAIN_ANSWER, [passage(PLAIN_ANSWER)])
    assert (verdict.action, verdict.text) == ("allow", PLAIN_ANSWER)
    assert answering(Greedy()).check(PLAIN_ANSWER, [passage(PLAIN_ANSWER)]).action == "allow"


@pytest.mark.parametrize(
    ("answer", "source"),
    [
        (PLAIN_ANSWER, f"{PLAIN_ANSWER} That is her home address."),
        (f"{PLAIN_ANSWER} Her home address.", PLAIN_ANSWER),
        (f"{PLAIN_ANSWER} born there", PLAIN_ANSWER),
        (f"{PLAIN_ANSWER} nora@gmail.com", PLAIN_ANSWER),
        (f"{PLAIN_ANSWER} GB82 WEST 1234 5698 7654 32", PLAIN_ANSWER),
    ],
)
def test_the_network_reads_an_answer_that_may_be_private(answer: str, source: str) -> None:
    with pytest.raises(AssertionError):
        answering(NoNetwork()).check(answer, [passage(source)])


@pytest.mark.parametrize("where", ["entities", "classifications", "roles"])
def test_the_network_reads_every_answer_where_the_policy_masks_what_it_finds(where: str) -> None:
    section = load_policy().personal_data
    changes: dict[str, object] = {
        "entities": section.entities | {"PERSON": section.entities["PERSON"].model_copy(update={"answer": "mask"})},
        "classifications": {"internal": {"PERSON": "mask"}},
        "roles": {"employee": {"PERSON": "block"}},
    }
    policy = PersonalDataPolicy(section.model_copy(update={where: changes[where]}))
    with pytest.raises(AssertionError):
        answering(NoNetwork(), policy).check(PLAIN_ANSWER, [passage(PLAIN_ANSWER)])


def test_a_private_word_counts_whole_and_within_its_line() -> None:
    number = "0117 496 0440"
    far = "x" * 200
    for source, masked in (
        (f"home phone {number}", True),
        (f"{number}, private", True),
        (f"home phone\n{number}", False),
        (f"home phone {far} {number}", False),
        (f"compari{'son ' + 'y' * 115} {number}", False),  # "son" is no word of its own there
    ):
        verdict = answering(NoNames()).check(f"The number is {number}.", [passage(source)])
        assert (verdict.action == "mask") == masked, source


class NoNames:
    """A recogniser that finds no names."""

    def find(self, text: str) -> list[Found]:
        return []


def test_mask_replaces_spans_in_any_order() -> None:
    spans = [Entity("EMAIL_ADDRESS", 8, 13, 1.0), Entity("ES_NIF", 0, 3, 1.0)]
    assert mask("123 and a@b.c", spans) == "<ID> and <EMAIL>"


@pytest.mark.slow
def test_recognisers_load_neither_torch_nor_transformers_and_leave_them_importable() -> None:
    code = (
        "import sys; from guardrails.pii import Recognisers; Recognisers().find('jane@gmail.com');"
        "assert 'torch' not in sys.modules; assert 'transformers' not in sys.modules;"
        "import importlib.util; assert importlib.util.find_spec('torch')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
