"""A company's own phrases: one that could stand still the process is refused with its line, and none runs unbounded."""

from __future__ import annotations

import time

import pytest

from core.errors import SettingsError
from guardrails.guard import run_guard
from guardrails.phrases import LONGEST, SECONDS, Phrase, check_phrase
from guardrails.policy import TopicPolicy, read_policy
from guardrails.topics import Topics

ENDLESS = [
    r"(a+)+$",
    r"(a|a)*$",
    r"(\w+\s?)+$",
    r"(\d+)*x",
    r"(x+x+)+y",
    r"strike (a|a)*$",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"(?:strike|ballot) (é|é)*$",
]
SOUND = [
    r"\bstrike (vote|ballot)\b",
    r"(?:works|council)\b.{0,40}\b(?:vote|wahl)",
    r"\bbetriebsrat(s|e)?\b",
    r"\b(lead|leads|led)\b.*\bunion\b",
    r"(?:\w+ ){0,4}?union",
    r"\w+@\w+\.com",
]


@pytest.mark.parametrize("phrase", ENDLESS)
def test_phrase_that_backtracks_without_end_is_refused_with_what_to_do(phrase: str) -> None:
    with pytest.raises(ValueError, match=r"takes too long over some texts.*bounded"):
        check_phrase(phrase)


@pytest.mark.parametrize("phrase", SOUND)
def test_sound_phrase_holds_as_it_is(phrase: str) -> None:
    assert check_phrase(phrase) == phrase


def test_policy_names_the_line_of_each_phrase_that_does_not_hold() -> None:
    text = (
        "topics:\n  strike:\n    action: refuse\n    phrases:\n      - '\\bstrike\\b'\n      - '(a+)+$'\n"
        "    unless:\n      - '('\n    texts: {en: 'No.'}\n"
    )
    with pytest.raises(SettingsError) as raised:
        read_policy(text, "own.yaml")
    said = str(raised.value)
    assert said.startswith("own.yaml: 2 mistakes:")
    assert "line 6: topics.strike.phrases.1: '(a+)+$' takes too long" in said
    assert "line 8: topics.strike.unless.0: '(' is no regular expression" in said


def test_a_trial_ends_and_a_long_phrase_is_refused() -> None:
    began = time.monotonic()
    check_phrase(r"(?i)(foo|bar).*(baz|qux).*(one|two)")
    assert time.monotonic() - began < 20
    with pytest.raises(ValueError, match="at most"):
        check_phrase("a" * (LONGEST + 1))


def test_a_phrase_that_holds_is_stopped_all_the_same_and_its_rail_refuses() -> None:
    with pytest.raises(TimeoutError):
        Phrase("(a+)+$").search("a" * 5000 + "!")
    endless = TopicPolicy.model_construct(
        action="refuse", contact="", review=False, phrases=("(a+)+$",), unless=(), texts={}
    )
    began = time.monotonic()
    run = run_guard(Topics({"endless": endless}), "a" * 5000 + "!")
    assert (run.failed, run.verdict.rule) == ("timeout", "guard_error")
    assert time.monotonic() - began < 40 * SECONDS
