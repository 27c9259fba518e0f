"""Questions written on the reading sets' paragraphs: answerable ones and ones that only look it, kept apart by article."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import training.written
from retrieval.windows import open_tokenizer
from training.reader import Data, Recipe, sample_order
from training.reading_data import Kind, ReadingExample
from training.reading_scores import ALTERED, HALF, score
from training.written import FILE, written

PASSAGES = [
    "Vol 1 of the town's register was kept by Anna Reyes from 1901 to 1911, when the fire destroyed the hall and Tom Ibarra took over.",
    "The mill at Arden closed in 1931, two years after its owner, Lena Marsh, had moved to Hull; the bridge beside it stood until 1954.",
]
LINES = (
    "A Who kept the register before the fire? | Anna Reyes",
    "U Who put out the fire in the hall? | Tom Ibarra",
)


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty-four articles of two paragraphs, and two written questions on the first paragraph of each."""
    articles, blocks = [], []
    for number in range(24):
        own = [f"{text} It is article {number}." for text in PASSAGES]
        asked = [{"id": f"{number}-{n}", "question": "When did it close?", "answers": [{"text": "19", "answer_start": text.index("19")}]} for n, text in enumerate(own)]  # fmt: skip
        articles.append({"title": f"Article {number}", "paragraphs": [{"context": text, "qas": [qa]} for text, qa in zip(own, asked, strict=True)]})  # fmt: skip
        blocks.append("\n".join([f"@ {training.written._name(own[0])}", *LINES]))
    folder = tmp_path / "reading"
    (folder / "squadshifts").mkdir(parents=True)
    (folder / "squadshifts" / "new_wiki_v1.0.json").write_text(json.dumps({"data": articles}))
    (tmp_path / "written.txt").write_text("\n".join(blocks))
    monkeypatch.setattr(training.written, "FILE", tmp_path / "written.txt")
    return folder


def test_the_file_holds_both_sorts_in_one_voice_with_the_words_that_tempt() -> None:
    lines = [line for line in FILE.read_text(encoding="utf-8").splitlines() if not line.startswith("@ ")]
    assert all(line[:2] in ("A ", "U ") and line.count(" | ") == 1 for line in lines)
    lengths = {sort: [len(line.split(" | ")[0].split()) for line in lines if line.startswith(sort)] for sort in "AU"}
    assert len(lengths["U"]) > len(lengths["A"]) > 1000
    means = [sum(found) / len(found) for found in lengths.values()]
    assert abs(means[0] - means[1]) < 2, "length alone would tell which questions have no answer"


def test_written_questions_stay_on_the_side_of_their_article(sets: Path) -> None:
    data = Data.load(sets, 7)
    asked = [e for e in data.training if e.source == "written"]
    held = [e for e in data.held_out if e.source == "written"]
    assert (len(asked), len(data.unanswerable["written"]), len(held)) == (21, 21, 6), (
        "three articles of 24 are held out"
    )
    assert not {e.article for e in asked} & {e.article for e in held}
    assert {e.passage[e.answers[0][0] : e.answers[0][1]] for e in asked} == {"Anna Reyes"}
    assert all(not e.answers for e in data.unanswerable["written"])


def test_nearly_half_of_the_unanswerable_questions_that_are_learnt_from_are_written_ones(sets: Path) -> None:
    data = Data.load(sets, 7)
    order = sample_order(data.training, data.unanswerable, Recipe(data="", seed=3))
    drawn = [next(order) for _ in range(2000)]
    kinds = [e.kind for e in drawn if not e.answers]
    assert len(kinds) > 500
    assert 0.4 < kinds.count("written") / len(kinds) < 0.9, "these paragraphs give few questions of the other kinds"


def test_a_paragraph_that_is_not_in_the_sets_is_passed_over() -> None:
    assert written([]) == []


def test_the_decision_is_fitted_on_both_sorts_of_written_questions() -> None:
    """A network that knows nothing is told how many questions have an answer: the written ones that have count, too."""

    def knows_nothing(ids: NDArray[Any], *_: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        return np.zeros(ids.shape, np.float32), np.zeros(ids.shape, np.float32), np.zeros(len(ids), np.float32)

    def some(count: int, source: str, kind: Kind) -> list[ReadingExample]:
        spans = ((0, 3),) if kind == "answerable" else ()
        return [
            ReadingExample(
                f"{source}/{kind}/{n}", "When did it close?", PASSAGES[1], spans, source, f"Article {n}", kind
            )
            for n in range(count)
        ]

    made = [one for kind in ALTERED for one in some(2, "new_wiki", kind)]
    asked = some(12, "new_wiki", "answerable") + some(6, "written", "answerable")
    found = score(knows_nothing, open_tokenizer(), [*asked, *made, *some(8, "written", "written")])
    settings = found[HALF]["settings"]
    chance = 1 / (1 + np.exp(-settings["offset"]))
    assert chance == pytest.approx((12 + 6) / (12 + 12 + 6 + 8), abs=0.02)
