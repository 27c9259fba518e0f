"""The embedded reader's network: a span head and an answerability head on the encoder that also embeds.

Training and serving share this file, so that a question meets the same windows and the same decoding in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

MAX_QUESTION_TOKENS = 64
MAX_ANSWER_TOKENS = 40


@dataclass(frozen=True, slots=True)
class Window:
    """One encoder input: `[CLS] question [SEP] piece of the passage [SEP]`.

    `offsets[i]` is the character span in the passage of token `first + i`; `passage` is the index of the passage.
    """

    ids: list[int]
    first: int
    offsets: list[tuple[int, int]]
    passage: int


@dataclass(frozen=True, slots=True)
class Reading:
    """The best span of one passage: characters `[start, end)`, its logit above the null span's, and the answerable logit."""

    passage: int
    start: int
    end: int
    margin: float
    answerable: float


class ReaderNet(nn.Module):
    """Token logits for start and end (the null span sits on [CLS]) and one logit for "this passage answers it".

    Args:
        encoder: a BERT-like model whose output has `last_hidden_state` of shape (batch, tokens, hidden).
    """

    def __init__(self, encoder: nn.Module, hidden: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.span = nn.Linear(hidden, 2)
        self.answerable = nn.Sequential(nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, 1))

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Shapes: ids, mask and types (batch, tokens) -> start (batch, tokens), end (batch, tokens), answerable (batch,).

        Tokens that no answer may touch (question, separators, padding) have logit -1e4; [CLS] keeps its own.
        """
        state = self.encoder(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state
        start, end = self.span(state).float().unbind(-1)
        allowed = (types == 1) & (mask == 1)
        allowed[:, 0] = True
        floor = torch.tensor(-1e4, device=start.device)
        answerable = self.answerable(state[:, 0]).float().squeeze(-1)
        return torch.where(allowed, start, floor), torch.where(allowed, end, floor), answerable


def question_tokens(tokenizer: Any, question: str) -> list[int]:
    """The question's token ids, cut to MAX_QUESTION_TOKENS, without the tokenizer's marks."""
    ids: list[int] = tokenizer(question, add_special_tokens=False, truncation=True, max_length=MAX_QUESTION_TOKENS)[
        "input_ids"
    ]
    return ids


def build_windows(
    tokenizer: Any, question: str, passages: Sequence[str], *, max_tokens: int = 320, stride: int = 96
) -> list[Window]:
    """Windows over every passage; a long passage gets several that overlap by `stride` tokens."""
    asked = question_tokens(tokenizer, question)
    windows: list[Window] = []
    for number, passage in enumerate(passages):
        encoded = tokenizer(passage, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        windows += _windows(tokenizer, asked, encoded, number, (max_tokens, stride))
    return windows


def _windows(tokenizer: Any, asked: list[int], encoded: Any, number: int, size: tuple[int, int]) -> list[Window]:
    room = size[0] - len(asked) - 3
    step = max(1, room - size[1])
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
    return [
        make_window(tokenizer, asked, ids[low : low + room], offsets[low : low + room], number)
        for low in range(0, max(1, len(ids) - size[1]), step)
    ]


def make_window(
    tokenizer: Any, asked: list[int], piece: list[int], offsets: Sequence[tuple[int, int]], number: int = 0
) -> Window:
    """The question's tokens and a piece of passage `number`, with the tokenizer's marks around them."""
    whole = [tokenizer.cls_token_id, *asked, tokenizer.sep_token_id, *piece, tokenizer.sep_token_id]
    return Window(whole, len(asked) + 2, [(a, b) for a, b in offsets], number)


def collate(windows: Sequence[Window], pad_id: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Pad to the longest: ids, mask and types, each (batch, tokens). The closing [SEP] is masked from answers by type 0."""
    longest = max(len(w.ids) for w in windows)
    ids = torch.full((len(windows), longest), pad_id)
    mask = torch.zeros_like(ids)
    types = torch.zeros_like(ids)
    for row, window in enumerate(windows):
        ids[row, : len(window.ids)] = torch.tensor(window.ids)
        mask[row, : len(window.ids)] = 1
        types[row, window.first : window.first + len(window.offsets)] = 1
    return ids, mask, types


def decode(windows: Sequence[Window], start: Tensor, end: Tensor, answerable: Tensor) -> list[Reading]:
    """The best span of every passage over its windows, best passage first.

    A span is at most MAX_ANSWER_TOKENS long. Its margin is its summed logit less the null span's of that window.
    """
    best: dict[int, Reading] = {}
    for row, window in enumerate(windows):
        count = len(window.offsets)
        if not count:
            continue
        low = window.first
        scores = start[row, low : low + count, None] + end[row, None, low : low + count]
        scores = scores.masked_fill(~_band(count), -1e9)
        place = int(scores.argmax())
        i, j = divmod(place, count)
        margin = float(scores.view(-1)[place] - start[row, 0] - end[row, 0])
        found = Reading(window.passage, window.offsets[i][0], window.offsets[j][1], margin, float(answerable[row]))
        if window.passage not in best or margin > best[window.passage].margin:
            best[window.passage] = found
    return sorted(best.values(), key=lambda r: -r.margin)


def _band(count: int) -> Tensor:
    """(count, count) mask of the spans with start <= end < start + MAX_ANSWER_TOKENS."""
    full = torch.ones(count, count, dtype=torch.bool)
    return full.triu() & full.tril(MAX_ANSWER_TOKENS - 1)
