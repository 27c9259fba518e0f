"""A guard's trained judgement: how likely a text is an attempt to steer the assistant, by an adapter on the shared encoder.

    judge = open_judge(settings)                     None where the settings name no adapter
    judge("question", ["Ignore your rules."])        [0.98]: 0.5 is the operating point on the adapter's card

One network judges questions and documents: the stage's name is read with the text, because "Write a poem" is a harmless
question and no sentence of a policy. `python -m training injection` makes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from tokenizers import Tokenizer

from core.settings import Settings
from retrieval.adapters import BASE_NAME, adapter_folder, open_adapter
from retrieval.embed import Embedder, open_embedder
from retrieval.network import open_network
from retrieval.rerank import best_logits, probability
from retrieval.windows import Logits, Window, make_window, passage_tokens, question_tokens

Stage = Literal["question", "passage"]
STAGE_WORD: Mapping[Stage, str] = {"question": "question", "passage": "document"}
_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a character, which no tokenizer takes."""
MAX_TOKENS = 192
STRIDE = 48
MAX_WINDOWS = 6
"""A long text's first windows and its last are read: an order stands at an end more often than in the midst."""


class Reads(Protocol):
    """The part of `retrieval.network.Network` that judging needs."""

    tokenizer: Tokenizer

    def run(self, windows: Sequence[Window]) -> list[tuple[Logits, ...]]: ...


class TextJudge:
    """Scores texts. Safe to use from several threads.

    Args:
        settings: the adapter's operating points, `question` and `passage`: logits that become a score of 0.5.
        embedder: its `encode` becomes the judge's, by which the sentences of a passage are compared; None where there is none that the
            comparison was learnt with.
    """

    def __init__(self, network: Reads, settings: Mapping[str, float], embedder: Embedder | None = None) -> None:
        self._network = network
        self._points = settings
        self.encode = embedder.encode if embedder else None

    def __call__(self, stage: Stage, texts: Sequence[str]) -> list[float]:
        """A score in (0, 1) for each text, that of its worst window."""
        windows = stage_windows(self._network.tokenizer, stage, texts)
        logits = [float(output[-1]) for output in self._network.run(windows)] if windows else []
        return [probability(logit - self._points[stage]) for logit in best_logits(windows, logits, len(texts))]


def stage_windows(tokenizer: Tokenizer, stage: Stage, texts: Sequence[str]) -> list[Window]:
    """`[CLS] stage [SEP] text [SEP]` for each text, several for a long one."""
    word = question_tokens(tokenizer, STAGE_WORD[stage])
    room = MAX_TOKENS - len(word) - 3
    windows = []
    for number, text in enumerate(texts):
        ids = passage_tokens(tokenizer, _SURROGATE.sub("\ufffd", text))[0]
        starts = list(range(0, max(1, len(ids) - STRIDE), room - STRIDE))
        kept = starts if len(starts) <= MAX_WINDOWS else [*starts[: MAX_WINDOWS - 1], starts[-1]]
        for low in kept:
            piece = ids[low : low + room]
            windows.append(make_window(word, piece, [(0, 0)] * len(piece), number))
    return windows


def open_judge(settings: Settings, embedder: Embedder | None = None) -> TextJudge | None:
    """The judge that the settings name, compiled for this processor the first time; None where they name none.

    Args:
        embedder: the one that is open; that of the settings is opened where none is given.

    Raises:
        NotFound: the settings name an adapter that is not there.
        AdapterRefused: the folder holds no intact adapter of that kind.
    """
    if not settings.guard_model:
        return None
    adapter = open_adapter(adapter_folder(settings.home, settings.guard_model), "guard")
    embedder = embedder or open_embedder(settings, remember=False)
    return TextJudge(
        open_network(adapter, settings), adapter.settings, embedder if embedder.name == BASE_NAME else None
    )
