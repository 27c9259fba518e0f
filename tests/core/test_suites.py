"""Training keeps away from an evaluation's questions without importing eval: the reader finds those that eval finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import BadInput
from core.suites import read_suite_questions
from eval.cases import load_suite

DEMO = Path(__file__).parents[2] / "eval" / "suites" / "demo"


def test_every_question_of_the_demo_suite_is_found() -> None:
    asked = {text for case in load_suite(DEMO).cases for text in (case.question, *case.turns)}
    assert set(read_suite_questions(DEMO).questions) == asked
    assert len(asked) > 300


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("cases.yaml", "cases: [", "not valid YAML"),
        ("cases.yaml", "cases: 3", "no list of cases"),
        ("cases.yaml", "cases: [{id: a}]", "without a question"),
        ("cases.yaml", "cases: []", "no evaluation case"),
    ],
)
def test_a_suite_that_cannot_be_read_is_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / "suite.yaml").write_text("documents: d\npeople: people.yaml\n")
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=said):
        read_suite_questions(tmp_path)


def test_a_folder_that_is_no_suite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_suite_questions(tmp_path)
