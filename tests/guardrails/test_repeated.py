"""An answer is judged with its source: what is masked where it stands there is masked in a lead, a cell, an item, a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from core.records import Role
from core.settings import Settings
from guardrails.pii import PersonalData, PersonalDataPolicy, Recognisers, chat_thresholds
from guardrails.policy import load_policy, read_policy
from guardrails.rails import build_guards
from guardrails.repeated import Datum, may_repeat, readings, repeats
from tests.guardrails.passages import passage

SERVER = """The deploy key of the billing server is:

-----BEGIN RSA PRIVATE KEY----- MIIEpAIBAAKCAQEA1c7+9z5Pad7OejecsQ0bu3aumVqQ2sVtmVwPcZ0T5CJYoGQ4 qk3yZbKXeRYyBkAf -----END RSA PRIVATE KEY-----

| Server | Password |
|---|---|
| billing server | hunter2hunter2 |
| mail server | Tr0ub4dor99 |

Pay invoices of the billing server to sort code 20-00-00 account 55779911. The desk answers on 0117 496 0440."""
NORA = """Nora Whitcombe was born on 14 March 1985 and her home address is 12 High Street, Leeds LS1 4AP.
The company was founded in 1969 and has 27 days of leave.
The private mobile of Nora Whitcombe is +44 7911 123456.

| Person | Date of birth | Joined |
|---|---|---|
| Omar Said | 2 May 1990 | 3 June 2019 |"""
TOLD = [
    (SERVER, "**Hunter2hunter2.**", "**<SECRET>.**"),
    (SERVER, "| billing server | hunter2hunter2 [1] |", "| billing server | <SECRET> [1] |"),
    (SERVER, "- mail server: Tr0ub4dor99 [1]", "- mail server: <SECRET> [1]"),
    (SERVER, "**55779911.** Pay it.", "**<ACCOUNT>.** Pay it."),
    (SERVER, "Pay to account 55779911 at 20-00-00.", "Pay to account <ACCOUNT> at <ACCOUNT>."),
    (SERVER, "**MIIEpAIBAAKCAQEA1c7+9z5Pad7OejecsQ0bu3aumVqQ2sVtmVwPcZ0T5CJYoGQ4.** Use it.", "**<SECRET>.** Use it."),
    (NORA, "**14 March 1985.** Nora Whitcombe was born on 14 March 1985. [1]", "**<DATE OF BIRTH>.** Nora Whitcombe was born on <DATE OF BIRTH>. [1]"),
    (NORA, "**1985.** That is her year.", "**<DATE OF BIRTH>.** That is her year."),
    (NORA, "| Nora Whitcombe | 14  March 1985 |", "| Nora Whitcombe | <DATE OF BIRTH> |"),
    (NORA, "| Omar Said | 2 May 1990 | 3 June 2019 |", "| Omar Said | <DATE OF BIRTH> | 3 June 2019 |"),
    (NORA, "**+44 7911 123456.**", "**<PHONE>.**"),
    (NORA, "12 High Street", "<ADDRESS>"),
]  # fmt: skip
KEPT = [
    (SERVER, "The desk answers on 0117 496 0440. [1]"),
    (SERVER, "**0117 496 0440.** The desk answers there."),
    (NORA, "The company was founded in 1969 and has 27 days of leave. [1]"),
    (NORA, "**27 days.** That is the leave."),
    (NORA, "The form of 1985 has 14 pages, and March is its month. [1]"),
]


@pytest.fixture(scope="module")
def recognisers() -> Recognisers:
    return Recognisers(chat_thresholds(load_policy().personal_data))


def answers(recognisers: Recognisers, *roles: Role, section: Any = None) -> PersonalData:
    given = {"section": section} if section else {}
    return PersonalData("answer", PersonalDataPolicy(roles=frozenset(roles), **given), recognisers)


@pytest.mark.parametrize(("source", "answer", "shown"), TOLD)
def test_what_the_source_says_is_personal_is_masked_wherever_the_answer_repeats_it(
    recognisers: Recognisers, source: str, answer: str, shown: str
) -> None:
    assert answers(recognisers).check(answer, [passage(source)]).text == shown


@pytest.mark.parametrize(("source", "answer"), KEPT)
def test_what_the_policy_allows_in_the_source_stays(recognisers: Recognisers, source: str, answer: str) -> None:
    assert answers(recognisers).check(answer, [passage(source)]).action == "allow"


def test_a_lead_is_masked_as_its_own_sentence_is_whatever_the_passage_says(recognisers: Recognisers) -> None:
    said = (
        answers(recognisers).check("**Hunter2hunter2.** The password of the billing server is hunter2hunter2 [1].").text
    )
    assert said == "**<SECRET>.** The password of the billing server is <SECRET> [1]."


def test_a_table_in_the_answer_is_read_with_its_own_head(recognisers: Recognisers) -> None:
    table = "| Server | Password |\n|---|---|\n| billing | hunter2hunter2 |"
    assert "hunter2" not in answers(recognisers).check(table).text


def test_a_value_below_its_heading_or_bold_label_is_read_with_it(recognisers: Recognisers) -> None:
    below = passage("Ask the desk first.", section="Servers > Root password")
    guard = answers(recognisers)
    for source in ("## Root password\n\nhunter2hunter2", "The passwords are:\n\n- billing: hunter2hunter2", "**Password:** hunter2hunter2"):  # fmt: skip
        assert guard.check("**Hunter2hunter2.**", [passage(source)]).text == "**<SECRET>.**", source
    assert guard.check("**Hunter2hunter2.**", [passage("hunter2hunter2", section=below.section)]).text == "**<SECRET>.**"  # fmt: skip


def test_label_of_the_source_and_role_of_the_reader_decide_over_what_is_repeated(recognisers: Recognisers) -> None:
    cleared = passage(NORA, classification="confidential")
    assert answers(recognisers).check("**14 March 1985.**", [cleared]).action == "allow"
    assert answers(recognisers).check("**14 March 1985.**", [cleared, passage(NORA)]).action == "mask"
    section = read_policy("personal_data: {roles: {admin: {PASSWORD: allow}}}").personal_data
    assert answers(recognisers, "admin", section=section).check("**Hunter2hunter2.**", [passage(SERVER)]).action == "allow"  # fmt: skip
    assert answers(recognisers, section=section).check("**Hunter2hunter2.**", [passage(SERVER)]).action == "mask"


def test_allowed_text_stays_where_it_is_repeated() -> None:
    recognisers = Recognisers(chat_thresholds(load_policy().personal_data), allow=["hunter2hunter2"])
    assert answers(recognisers).check("**Hunter2hunter2.**", [passage(SERVER)]).action == "allow"


def test_entity_that_blocks_withholds_the_lead_that_repeats_it() -> None:
    policy = read_policy("personal_data: {entities: {PASSWORD: {answer: block}}}")
    (rail,) = [g for g in build_guards(Settings(), "x", policy=policy).output if g.name == "personal_data_answer"]
    verdict = rail.check("**Hunter2hunter2.**", [passage(SERVER)])
    assert (verdict.action, verdict.text) == ("drop", "**<SECRET>.**")


def test_a_passage_is_read_once(recognisers: Recognisers, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = Recognisers(chat_thresholds(load_policy().personal_data))
    read: list[str] = []
    find = Recognisers.find
    monkeypatch.setattr(Recognisers, "find", lambda self, text: read.append(text) or find(self, text))
    for day in range(20, 30):
        answers(fresh).check(f"There are {day} days of leave [1].", [passage(NORA)])
    assert sum("Whitcombe" in text for text in read) == 1


def test_a_question_is_not_judged_by_sources() -> None:
    guard = PersonalData("question", PersonalDataPolicy(), Recognisers())
    assert guard.check("**Hunter2hunter2.**", [passage(SERVER)]).action == "allow"


def test_readings_put_labels_beside_values() -> None:
    first, second = readings("| Name (login) | PIN |\n|---|---|\n| root | 12345678 |\n\n**Key:**\n- A1B2", "Access")
    assert "**" not in first
    assert second.splitlines() == ["PIN: 12345678", "root: 12345678", "Key: A1B2"]


def test_repeats_compare_letters_and_digits_and_stand_alone() -> None:
    card = Datum("CREDIT_CARD", "4111 1111 1111 1111", 1.0)

    def found(text: str) -> list[str]:
        return [text[r.entity.start : r.entity.end] for r in repeats(text, [card])]

    assert found("It is 4111-1111\u00a01111 1111 now.") == ["4111-1111\u00a01111 1111"]
    assert found("It is \uff14\uff11\uff11\uff11 1111 1111 1111.") == ["\uff14\uff11\uff11\uff11 1111 1111 1111"]
    assert found("Number 94111111111111111 is longer.") == []
    assert found("| a | 1111 1111 |") == ["1111 1111"]
    assert found("On page 1111 it says 1111 1111.") == []
    assert repeats("\u00df x", [Datum("PASSWORD", "!!!", 1.0)]) == []


def test_a_sentence_without_a_figure_repeats_no_number() -> None:
    assert not may_repeat("Ask your line manager. [12][3]")
    assert may_repeat("It is 14 March. [1]")
