"""Follow-up questions are made standalone: the share of right cases, and what the rules never do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from assistant.followup import standalone
from core.records import Message

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "followup_cases.yaml").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["ask"])
def test_follow_up_takes_up_its_subject_and_a_new_question_stays(case: dict[str, Any]) -> None:
    found = standalone(case["ask"], [Message("user", case["before"]), Message("assistant", "Some answer. [1]")])
    if case.get("same"):
        assert found == case["ask"]
        return
    missing = [w for w in case["has"] if w.lower() not in found.lower()]
    extra = [w for w in case.get("lacks", ()) if w.lower() in found.lower()]
    assert not missing and not extra, found


def test_a_question_without_history_is_left_as_it_is() -> None:
    assert standalone("And for contractors?", []) == "And for contractors?"


def test_a_second_follow_up_keeps_the_first_subject() -> None:
    history = [Message("user", "What is the hotel limit in Bristol?"), Message("user", "And in Denver?")]
    found = standalone("and in Hamburg?", history)
    assert "hotel limit" in found and "Hamburg" in found and "Denver" not in found


def test_a_case_by_itself_keeps_what_was_asked_of_the_one_before() -> None:
    found = standalone("And in Hamburg with a disability?", [Message("user", "How many days of leave do I get?")])
    assert "How many days" in found and "Hamburg" in found


def test_the_assistants_own_words_are_not_taken_up() -> None:
    history = [Message("user", "Is there a bicycle allowance?"), Message("assistant", "Unicorns are paid. [1]")]
    assert "Unicorn" not in standalone("How much is it?", history)
