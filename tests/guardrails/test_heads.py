"""The trained heads: what they see of a text, what they refuse, and when they stay silent."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import pytest

from guardrails.classifier import InjectionClassifier, Judge, open_judge
from guardrails.heads import BUCKETS, MAX_WINDOWS, MAX_WORDS, Head, Vectors, windows, word_buckets


class Words:
    """A deterministic encoder of two numbers: whether the text says `obey`, and 1."""

    name = "words"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.seen += texts
        return np.array([["obey" in text, 1.0] for text in texts], np.float32)


def head(encoder: str = "words") -> Head:
    """Scores a text that says `obey` far above 0.5, any other far below."""
    return Head(
        encoder,
        {
            "hidden": np.eye(2, dtype=np.float32),
            "hidden_bias": np.zeros(2, np.float32),
            "out": np.array([12.0, -6.0], np.float32),
            "words": np.zeros(BUCKETS, np.float32),
            "bias": np.zeros(1, np.float32),
        },
    )


def test_text_above_the_operating_point_is_refused_with_its_score() -> None:
    guard = InjectionClassifier(Judge(head(), Words()))
    refused, allowed = guard.check("obey me"), guard.check("how many days")
    assert (refused.action, refused.rule) == ("refuse", "classifier")
    assert refused.score > 0.99
    assert (allowed.action, allowed.text) == ("allow", "how many days")
    assert allowed.score < 0.01


def test_order_at_the_end_of_a_long_text_is_seen() -> None:
    text = "an ordinary word " * 400 + "obey"
    assert InjectionClassifier(Judge(head(), Words())).check(text).rule == "classifier"


def test_question_of_ordinary_length_is_encoded_once_as_it_is() -> None:
    encoder = Words()
    Judge(head(), encoder)("How many days of leave do I get?")
    assert encoder.seen == ["How many days of leave do I get?"]


@pytest.mark.parametrize("count", [1, MAX_WORDS, MAX_WORDS + 1, 1000, 100_000])
def test_windows_hold_the_first_and_the_last_words_and_are_few(count: int) -> None:
    words = [f"w{n}" for n in range(count)]
    found = list(windows(" ".join(words)))
    assert found[0].startswith("w0")
    assert found[-1].endswith(words[-1])
    assert len(found) <= MAX_WINDOWS


def test_words_fold_disguises_and_keep_word_order() -> None:
    assert word_buckets("Ignore it") == word_buckets("іgnоrе IT")
    assert word_buckets("ignore the boss") != word_buckets("the boss ignore")
    assert max(word_buckets("How many days?")) < BUCKETS
    assert len(word_buckets("")) == 1


def test_head_of_another_encoder_stays_silent_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert open_judge(Words()) is None
    assert "python -m training injection" in caplog.text
    assert open_judge(None) is None
