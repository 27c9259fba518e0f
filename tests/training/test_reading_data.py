from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from core.errors import BadInput
from training.reading_data import load, split
from training.unanswerable import make_unanswerable


def test_answers_stand_where_their_spans_say(reading_folder: Path) -> None:
    examples = load(reading_folder)
    assert len(examples) == 72
    assert all(e.answer_texts[0] in e.passage for e in examples)
    first = next(e for e in examples if e.example_id == "new_wiki/Arbor-0-0")
    assert first.answer_texts == ["Mary Ashdown"]


def test_whole_articles_are_held_out(reading_folder: Path) -> None:
    training, held = split(load(reading_folder))
    assert {e.article for e in held}.isdisjoint({e.article for e in training})
    assert len({e.article for e in held}) == 1
    assert split(load(reading_folder)) == (training, held)


def test_folder_without_a_reading_set_says_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no reading set"):
        load(tmp_path)


@pytest.mark.parametrize("said", ['{"data": [{"paragraphs": [{"qas": [{}]}]}]}', '{"data": [', '{"data": [1]}', "[]"])
def test_set_that_is_cut_or_of_another_form_is_named(tmp_path: Path, said: str) -> None:
    (tmp_path / "policyqa").mkdir()
    (tmp_path / "policyqa" / "train.json").write_text(said, encoding="utf-8")
    with pytest.raises(BadInput, match=r"policyqa/train\.json is not whole"):
        load(tmp_path)


def test_compressed_set_that_is_cut_short_is_named(tmp_path: Path) -> None:
    whole = gzip.compress(b'{"question": "q", "answers": ["a"], "ctxs": []}\n' * 500)
    (tmp_path / "nq").mkdir()
    (tmp_path / "nq" / "nq-open-oracle.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match=r"nq-open-oracle\.jsonl\.gz is not whole"):
        load(tmp_path)


def test_altered_questions_are_not_answered_by_their_passage(reading_folder: Path) -> None:
    examples = load(reading_folder)
    made = make_unanswerable(examples, seed=1)
    originals = {e.example_id: e for e in examples}
    for kind, found in made.items():
        assert found, kind
        for altered in found:
            before = originals[altered.example_id.partition("#")[0]]
            assert altered.answers == ()
            assert (altered.question, altered.passage) != (before.question, before.passage)
    for removed in made["removed"]:
        before = originals[removed.example_id.partition("#")[0]]
        assert before.answer_texts[0] not in removed.passage
    for altered in made["number"]:
        before = originals[altered.example_id.partition("#")[0]]
        assert altered.question != before.question
        assert len(altered.question) == len(before.question)


def test_same_seed_makes_the_same_questions(reading_folder: Path) -> None:
    examples = load(reading_folder)
    assert make_unanswerable(examples, seed=3) == make_unanswerable(examples, seed=3)
