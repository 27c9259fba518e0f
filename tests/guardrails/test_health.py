"""What is said of a person's health is found, and what a policy says of health is not, on a labelled file in three languages."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from guardrails.check_command import read_rows
from guardrails.evaluate_command import personal_data_lines
from guardrails.health import health_terms
from guardrails.pii import Recognisers

CASES = Path(__file__).with_name("health_cases.jsonl")
"""Written for this test, with their spans as presidio-research writes them: `python -m guardrails evaluate pii` reads it too."""
DEMO = Path(__file__).parents[2] / "demo"


def test_labelled_texts_are_found_and_policy_texts_are_left_alone() -> None:
    rows = list(read_rows(str(CASES), {"full_text": str, "spans": list}))
    assert sum(bool(row["spans"]) for row in rows) >= 60
    assert sum(not row["spans"] for row in rows) >= 60
    finder = Recognisers({"HEALTH": 0.6}, names=None)
    assert [row["full_text"] for row in rows if not row["spans"] and finder.find(row["full_text"])] == []
    found = next(line for line in personal_data_lines(rows, finder) if line["entity"] == "HEALTH")
    assert found["precision"] >= 0.98
    assert found["recall"] >= 0.95


def test_no_document_of_the_demo_says_anything_of_a_person_s_health() -> None:
    texts = [
        file.read_text(encoding="utf-8") for file in DEMO.rglob("*") if file.suffix in (".md", ".txt", ".html", ".csv")
    ]
    assert len(texts) > 40
    assert [list(health_terms(text)) for text in texts if list(health_terms(text))] == []


@pytest.mark.parametrize(
    "text", ["my " * 1300 + "cancer", "I have " + "very " * 800 + "cancer", "cancer " * 600, "I am pregnant. " * 300]
)
def test_hostile_text_costs_little(text: str) -> None:
    began = time.process_time()
    list(health_terms(text))
    assert time.process_time() - began < 0.5
