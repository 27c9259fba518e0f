"""The set of guards as the assistant gets it, and a guard that breaks."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.records import Passage, Verdict
from core.settings import Settings
from guardrails.guard import run_beside, run_guard
from guardrails.policy import read_policy
from guardrails.rails import build_guards
from tests.guardrails.passages import passage

guards = build_guards(Settings(), "You answer from the passages and you cite every one of them by number.")


class Broken:
    name = "broken"

    def check(self, text: str, passages: Sequence[Passage] = ()) -> Verdict:
        raise ValueError(f"cannot read {text}")


def test_guard_that_raises_refuses_and_logs_no_text(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        run = run_guard(Broken(), "my secret question")
    assert (run.verdict.action, run.verdict.rule, run.verdict.guard) == ("refuse", "guard_error", "broken")
    assert not run.verdict.allowed
    assert caplog.messages == ["guard broken failed with ValueError"]
    assert run.ms >= 0


def test_every_guard_has_a_name_of_its_own_and_says_it_in_its_verdict() -> None:
    everyone = (*guards.input, *guards.passage, *guards.output)
    assert len({guard.name for guard in everyone}) == len(everyone)
    source = passage("Employees have 27 days.")
    assert all(guard.check("Employees have 27 days.", [source]).guard == guard.name for guard in everyone)


def test_question_is_masked_and_not_refused() -> None:
    text = "Is my IBAN GB82 WEST 1234 5698 7654 32 on file?"
    for guard in guards.input:
        verdict = run_guard(guard, text).verdict
        assert verdict.allowed
        text = verdict.text
    assert text == "Is my IBAN <IBAN> on file?"


def test_sentence_goes_through_all_output_guards_in_order() -> None:
    source = passage("Her private mobile is 07700 900142, see https://www.gov.uk/x for more.")
    text = "Her private mobile is 07700 900142, see https://www.gov.uk/x for more. [1]"
    for guard in guards.output:
        verdict = run_guard(guard, text, [source]).verdict
        assert verdict.allowed, verdict
        text = verdict.text
    assert text == "Her private mobile is <PHONE>, see https://www.gov.uk/x for more. [1]"


def test_mail_at_the_support_contacts_domain_is_the_organisations_own() -> None:
    personal = guards.output[3]
    assert personal.check("Her private desk mail is nora@kestrelbay.example.").action == "allow"
    assert personal.check("Her private mail is nora@other.example.").action == "mask"


ASKED = "May Jürgen Öztürk, born 3 March 1988, living at 17 Mulberry Lane in York, use his card 4111 1111 1111 1111?"


@pytest.mark.parametrize(
    ("policy", "left"),
    [
        ("", ASKED.replace("4111 1111 1111 1111", "<CARD>")),
        (
            "personal_data: {entities: {PERSON: {question: mask}}}",
            ASKED.replace("4111 1111 1111 1111", "<CARD>").replace("Jürgen Öztürk", "<PERSON>"),
        ),
        (
            "personal_data: {entities: {STREET_ADDRESS: {question: mask}}}",
            ASKED.replace("4111 1111 1111 1111", "<CARD>").replace("17 Mulberry Lane in York", "<ADDRESS> in York"),
        ),
    ],
)
def test_question_loses_the_names_that_the_policy_masks_and_keeps_the_others(policy: str, left: str) -> None:
    (personal,) = [
        guard
        for guard in build_guards(Settings(), "A template.", policy=read_policy(policy)).input
        if guard.name == "personal_data_question"
    ]
    assert run_guard(personal, ASKED).verdict.text == left


def test_passages_go_through_the_guards_side_by_side_each_as_far_as_it_is_let() -> None:
    class Marks:
        name = "marks"

        def check(self, text: str, passages: Sequence[Passage] = ()) -> Verdict:
            assert [p.text for p in passages] == [text]  # the passage as the guard before left it
            if "stop" in text:
                return Verdict(self.name, "drop", text, rule="stop")
            return Verdict(self.name, "mask", f"{text}!", rule="mark")

    with ThreadPoolExecutor(2) as threads:
        runs = run_beside([Marks(), Marks()], [passage("one"), passage("stop"), passage("two")], threads)
        assert run_beside([Marks()], [], threads) == []
    assert [[run.verdict.text for run in each] for each in runs] == [["one!", "one!!"], ["stop"], ["two!", "two!!"]]
