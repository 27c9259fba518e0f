"""The reranker: reads question and passage together, and says how likely the passage is to answer.

    reranker = open_reranker(settings)
    reranker.score("How much leave do I get?", passages)    # probabilities, in the passages' order

A cross-encoder on the embedder's own encoder (`python -m training reranker`). What it says is calibrated on held-out
articles, half of whose questions the passage answers. The order of a result adds the first stage's score to it, with a
weight chosen on training queries: see `rank_score`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tokenizers import Tokenizer

from core.records import Passage
from core.settings import Settings
from retrieval.adapters import adapter_folder, open_adapter
from retrieval.network import open_network
from retrieval.windows import Logits, Window, make_window, passage_tokens, question_tokens

DEFAULT = "reranker-1"
"""Read where the settings want search without a reranker and a command asks for one."""
RERANKED = 20
"""Candidates that the reranker reads, at least."""
MAX_TOKENS = 320
STRIDE = 64
MAX_HEADING_TOKENS = 40
LEAST = 1e-9
"""Probabilities stay this far from 0 and 1, so that their log-odds are finite."""

Text = tuple[str, str]
"""A passage as it is read: the heading it stands under (title and section, may be empty) and its text."""


class Reads(Protocol):
    """The part of `retrieval.network.Network` that reranking needs."""

    tokenizer: Tokenizer

    def run(self, windows: Sequence[Window]) -> list[tuple[Logits, ...]]: ...


class CrossEncoder:
    """Scores passages for a question. Safe to use from several threads.

    Args:
        settings: the adapter's `scale` and `offset` (log-odds = scale * logit + offset) and `fused_weight`.
    """

    def __init__(self, network: Reads, settings: Mapping[str, float]) -> None:
        self._network = network
        self._scale, self._offset = settings["scale"], settings["offset"]
        self.fused_weight = settings["fused_weight"]

    def score(self, question: str, passages: Sequence[Passage]) -> list[float]:
        """How likely each passage is to answer, in (0, 1), in their order."""
        return self.score_texts(question, [(heading_of(p.title, p.section), p.text) for p in passages])

    def score_texts(self, question: str, texts: Sequence[Text]) -> list[float]:
        """As `score`, of headings and texts. A text that is too long for one window counts as its best window does."""
        windows = pair_windows(self._network.tokenizer, question, texts)
        logits = best_logits(windows, [float(output[-1]) for output in self._network.run(windows)], len(texts))
        return [probability(self._scale * logit + self._offset) for logit in logits]


def open_reranker(settings: Settings, folder: Path | None = None) -> CrossEncoder:
    """The reranker of an adapter's folder (else the one that the settings name), compiled for this processor the first time.

    Raises:
        NotFound: the settings name an adapter that is not there.
        AdapterRefused: the folder holds no intact reranker.
    """
    adapter = open_adapter(folder or adapter_folder(settings.home, settings.reranker or DEFAULT), "reranker")
    return CrossEncoder(open_network(adapter, settings), adapter.settings)


def rank_score(answers: float, fused: float, weight: float) -> float:
    """What orders a reranked list, in (0, 1): log-odds of `answers`, less `weight` for what the first stage held against it.

    Args:
        answers: the reranker's probability.
        fused: the first stage's score, 1 where meaning and words both put the passage first.
    """
    kept = min(max(answers, LEAST), 1 - LEAST)
    return probability(math.log(kept / (1 - kept)) + weight * (min(fused, 1.0) - 1))


def probability(log_odds: float) -> float:
    kept = min(max(log_odds, -30.0), 30.0)
    return min(max(1 / (1 + math.exp(-kept)), LEAST), 1 - LEAST)


def heading_of(title: str, section: str) -> str:
    return "\n".join(filter(None, (title, section)))


def pair_windows(tokenizer: Tokenizer, question: str, texts: Sequence[Text]) -> list[Window]:
    """`[CLS] question [SEP] heading, piece of the text [SEP]`: a long text gets several windows that overlap by STRIDE."""
    asked = question_tokens(tokenizer, question)
    windows = []
    for number, (heading, text) in enumerate(texts):
        lead, ids = heading_tokens(tokenizer, heading), passage_tokens(tokenizer, text)[0]
        room = MAX_TOKENS - len(asked) - len(lead) - 3
        pieces = [ids[low : low + room] for low in range(0, max(1, len(ids) - STRIDE), room - STRIDE)]
        windows += [pair_window(asked, lead + piece, number) for piece in pieces]
    return windows


def heading_tokens(tokenizer: Tokenizer, heading: str) -> list[int]:
    return passage_tokens(tokenizer, heading)[0][:MAX_HEADING_TOKENS]


def pair_window(asked: list[int], passage: list[int], number: int = 0) -> Window:
    return make_window(asked, passage, [(0, 0)] * len(passage), number)


def best_logits(windows: Sequence[Window], logits: Sequence[float], count: int) -> list[float]:
    """The highest logit among each text's windows."""
    best = [-math.inf] * count
    for window, logit in zip(windows, logits, strict=True):
        best[window.passage] = max(best[window.passage], logit)
    return best
