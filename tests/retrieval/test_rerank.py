"""The reranker: windows, calibration and order on a network that counts shared words, and the shipped one on real sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import AdapterRefused
from core.settings import load_settings
from retrieval.adapters import SHIPPED
from retrieval.collection import Collection, CorpusDocument
from retrieval.embed import HashEmbedder
from retrieval.evaluate import evaluate
from retrieval.evidence import Signals, evidence
from retrieval.rerank import (
    MAX_TOKENS,
    CrossEncoder,
    best_logits,
    heading_of,
    open_reranker,
    pair_windows,
    rank_score,
)
from retrieval.windows import Logits, Window, open_tokenizer

SETTINGS = {"scale": 2.0, "offset": -1.0, "fused_weight": 1.0}
PARKING = "Visitors may park in bays 1 to 12 for up to four hours."


class SharedWords:
    """A network whose logit is the number of the question's tokens that the passage holds: windows without a model."""

    def __init__(self) -> None:
        self.tokenizer = open_tokenizer()
        self.seen: list[Window] = []

    def run(self, windows: Sequence[Window]) -> list[tuple[Logits, ...]]:
        self.seen += windows
        return [(np.float32(len(set(w.ids[1 : w.first - 1]) & set(w.ids[w.first : -1]))),) for w in windows]  # type: ignore[misc]


@pytest.fixture
def network() -> SharedWords:
    return SharedWords()


def test_probability_is_the_calibrated_logit(network: SharedWords) -> None:
    found = CrossEncoder(network, SETTINGS).score_texts("park bays", [("", PARKING), ("", "Nothing of it.")])
    assert found == [pytest.approx(1 / (1 + math.exp(-(2 * 2 - 1)))), pytest.approx(1 / (1 + math.exp(1)))]


def test_long_passage_counts_as_its_best_window(network: SharedWords) -> None:
    filler = "lorem ipsum " * 400
    scores = CrossEncoder(network, SETTINGS).score_texts(
        "visitors park bays", [("", filler + PARKING), ("", PARKING), ("", filler)]
    )
    assert scores[0] == scores[1] > scores[2]
    assert max(len(w.ids) for w in network.seen) <= MAX_TOKENS
    assert sum(w.passage == 0 for w in network.seen) > 3


def test_no_word_of_a_long_passage_is_left_out(network: SharedWords) -> None:
    text = " ".join(str(n) for n in range(900))
    windows = pair_windows(network.tokenizer, "which number?", [("Numbers", text)])
    read = {token for w in windows for token in w.ids}
    assert read >= set(network.tokenizer.encode(text, add_special_tokens=False).ids)


def test_every_window_stands_under_its_heading(network: SharedWords) -> None:
    windows = pair_windows(network.tokenizer, "how long?", [(heading_of("Site rules", "Parking"), "word " * 900)])
    assert len(windows) > 2
    assert all("site rules parking" in network.tokenizer.decode(w.ids) for w in windows)
    assert heading_of("Site rules", "") == "Site rules"


def test_question_of_5000_words_is_cut_and_nothing_gives_nothing(network: SharedWords) -> None:
    reranker = CrossEncoder(network, SETTINGS)
    (score,) = reranker.score_texts("park " * 5000, [("long heading " * 200, PARKING)])
    assert 0 < score < 1
    assert max(len(w.ids) for w in network.seen) <= MAX_TOKENS
    assert reranker.score_texts("park", []) == []
    assert len(reranker.score_texts("", [("", ""), ("", PARKING)])) == 2


def test_order_adds_what_the_first_stage_held_against_a_passage() -> None:
    assert rank_score(0.7, 1.0, 5.0) == pytest.approx(0.7)
    assert rank_score(0.7, 0.4, 5.0) < rank_score(0.7, 0.8, 5.0) < 0.7
    assert rank_score(0.7, 0.4, 0.0) == pytest.approx(0.7)
    assert 0 < rank_score(0.0, 0.0, 40.0) < rank_score(1.0, 1.0, 40.0) < 1


def test_best_logits_are_those_of_each_text() -> None:
    windows = [Window([1], 0, [], number) for number in (0, 0, 1)]
    assert best_logits(windows, [0.5, 2.0, -1.0], 2) == [2.0, -1.0]


def test_evaluation_reads_the_first_passages_again(network: SharedWords) -> None:
    documents = tuple(CorpusDocument(f"d{n}", f"Rule {n}", f"Bay {n} is for team {n}.") for n in range(30))
    collection = Collection(documents, {"q": "who parks in bay 7, team 7?"}, {"q": {"d7": 1}})
    rows = dict(evaluate(collection, HashEmbedder(), ["hybrid", "rerank"], CrossEncoder(network, SETTINGS)))
    assert list(rows) == ["hybrid", "rerank"]
    assert rows["rerank"]["recall@100"] == rows["hybrid"]["recall@100"] == 1
    assert rows["rerank"]["ndcg@10"] == 1


def test_evidence_with_a_reranker_rises_with_its_answer() -> None:
    middle = Signals(0.5, 0.5, 0.5, 0.5, answer=0.5)
    assert evidence(replace(middle, answer=0.95)) > evidence(middle) > evidence(replace(middle, answer=0.05))
    for field in ("cosine", "coverage", "agreement", "focus"):
        assert evidence(replace(middle, **{field: 0.9})) >= evidence(middle)


def test_folder_without_an_intact_reranker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AdapterRefused):
        open_reranker(load_settings(home=tmp_path), tmp_path)
    with pytest.raises(AdapterRefused, match="reader"):
        open_reranker(load_settings(home=tmp_path), SHIPPED / "reader-1")


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> CrossEncoder:
    return open_reranker(load_settings(home=tmp_path_factory.mktemp("home")))


QUESTIONS = [
    ("How long may a visitor park?", PARKING, "Visitors sign in at reception and wear a badge."),
    (
        "Who approves travel abroad?",
        "Travel outside the country is approved by the head of the department.",
        "Travel inside the country needs no approval if it costs less than 200 euros.",
    ),
    (
        "When was the bridge opened?",
        "The bridge, which took nine years to build, was opened in 1894.",
        "The bridge is 244 metres long and carries a road and two footpaths.",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("question", "answer", "other"), QUESTIONS)
def test_shipped_reranker_tells_what_answers_from_what_is_on_topic(
    shipped: CrossEncoder, question: str, answer: str, other: str
) -> None:
    good, bad = shipped.score_texts(question, [("", answer), ("", other)])
    assert good > 0.5 > bad


@pytest.mark.slow
def test_shipped_reranker_gives_the_same_score_alone_and_among_others(shipped: CrossEncoder) -> None:
    texts = [("", text) for _, one, other in QUESTIONS for text in (one, other)]
    question = QUESTIONS[0][0]
    together = shipped.score_texts(question, texts)
    alone = [shipped.score_texts(question, [text])[0] for text in texts]
    assert together == pytest.approx(alone, abs=0.05)
