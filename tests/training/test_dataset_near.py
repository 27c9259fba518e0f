"""The threshold that keeps rows away from evaluation cases, on the demo suite's own wordings."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
import yaml

from core.suites import SHIPPED_SUITES
from retrieval.embed import Embedder
from training.dataset_near import NEAR_EVALUATION, Encoder, EvaluationQuestions
from training.dataset_rows import DatasetRow, Lineage
from training.rows import Target


@pytest.fixture(scope="module")
def wordings(embedder: Embedder) -> dict[str, list[str]]:
    """Eight questions, each in five wordings."""
    cases = yaml.safe_load((SHIPPED_SUITES / "demo" / "consistency.yaml").read_text())["cases"]
    found = defaultdict(list)
    for case in cases:
        found[case["group"]].append(case["question"])
    return dict(found)


def asked(question: str) -> DatasetRow:
    lineage = Lineage("t", "f", "i", "r", "rita", "ben.okafor")
    return DatasetRow(question, (), Target("refuse"), "negative", "en", "", "public", "2026-11-01", lineage)


def test_a_third_of_the_wordings_are_near_another_wording_and_none_is_near_another_question(
    wordings: dict[str, list[str]], embedder: Embedder
) -> None:
    encode = Encoder(embedder)
    vectors = {group: encode(questions) for group, questions in wordings.items()}
    own = np.concatenate([np.max(v @ v.T - 2 * np.eye(len(v)), axis=1) for v in vectors.values()])
    assert 0.25 <= float((own >= NEAR_EVALUATION).mean()) <= 0.4
    others = [float((vectors[a] @ vectors[b].T).max()) for a in vectors for b in vectors if a < b]
    assert max(others) < NEAR_EVALUATION


@pytest.mark.parametrize(
    ("question", "why"),
    [
        ("How many unused leave days can I carry over into next year?", "same_question"),
        ("how many UNUSED leave days can I carry over, into next year", "same_question"),
        ("Please, how many unused leave days can I carry over into next year?", "same_words"),
        ("Can I carry unused leave days over into next year, and how many?", "similar"),
        ("Who signs a contract of 40,000 euros?", ""),
    ],
)
def test_a_row_is_near_a_case_by_its_words_its_wording_or_its_meaning(
    question: str, why: str, wordings: dict[str, list[str]], embedder: Embedder
) -> None:
    encode = Encoder(embedder)
    away = EvaluationQuestions.of([q for group in wordings.values() for q in group], encode)
    assert away.nearness(asked(question), encode) == why


def test_without_an_evaluation_nothing_is_near(embedder: Embedder) -> None:
    encode = Encoder(embedder)
    assert EvaluationQuestions.of([], encode).nearness(asked("Anything?"), encode) == ""
