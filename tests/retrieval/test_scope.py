"""What a retrained reader was taught: who is near, which passages count, and what its file may hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from core.errors import AdapterRefused
from retrieval.scope import SCOPE, Scope, chance, passage_key, read_scope, save_scope

LEAVE, PARKING = "Full-time employees receive 25 days of leave.", "The car park opens at 06:00."


def unit(*numbers: float) -> np.ndarray:
    vector = np.array(numbers, np.float32)
    return vector / np.linalg.norm(vector)


OTHER = "Visitors wear a badge."
SCOPE_OF_TWO = Scope.of([(unit(1, 0), LEAVE), (unit(0, 1), OTHER)])


def test_passage_counts_only_by_questions_that_it_answers() -> None:
    assert SCOPE_OF_TWO.chances(unit(1, 0), [LEAVE, PARKING]).tolist() == [chance(1.0), 0.0]
    assert SCOPE_OF_TWO.chances(unit(0, 1), [LEAVE, PARKING]).tolist() == [chance(0.0), 0.0]


def test_passage_that_was_changed_since_counts_no_longer() -> None:
    assert SCOPE_OF_TWO.chances(unit(1, 0), [LEAVE.replace("25", "26")]).tolist() == [0.0]


def test_nearer_question_gives_more_chance_and_none_gives_none() -> None:
    found = [chance(cosine) for cosine in (-1.0, 0.0, 0.4, 0.508, 0.7, 1.0)]
    assert found == sorted(found)
    assert (found[0], round(found[3], 6)) == (0.0, 0.5)
    assert Scope.of([]).chances(unit(1, 0), [LEAVE]).tolist() == [0.0]


def test_adapter_knows_what_the_one_before_it_knew() -> None:
    later = Scope.of([(unit(0, 1), PARKING)])
    both = later.and_earlier(SCOPE_OF_TWO)
    assert both.chances(unit(1, 0), [LEAVE]) == SCOPE_OF_TWO.chances(unit(1, 0), [LEAVE])
    assert both.chances(unit(0, 1), [PARKING]) == later.chances(unit(0, 1), [PARKING])
    assert later.and_earlier(None) is later
    assert Scope.of([]).and_earlier(later) is later


def test_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    save_scope(SCOPE_OF_TWO, tmp_path)
    found = read_scope(tmp_path, 2)
    assert found is not None
    assert found.questions.tolist() == SCOPE_OF_TWO.questions.tolist()
    assert found.passages.tolist() == [passage_key(LEAVE), passage_key(OTHER)]
    assert read_scope(tmp_path / "none", 2) is None


def test_file_of_something_else_is_refused(tmp_path: Path) -> None:
    save_file({"questions": np.zeros((2, 3), np.float16), "passages": np.zeros(2, np.int64)}, tmp_path / SCOPE)
    with pytest.raises(AdapterRefused, match="does not hold questions"):
        read_scope(tmp_path, 2)
    save_file({"weights": np.zeros(2, np.float16)}, tmp_path / SCOPE)
    with pytest.raises(AdapterRefused, match="does not hold questions"):
        read_scope(tmp_path, 2)
