"""Windows cover every token of a passage, and a decoded span is the passage's own words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.windows import (
    GROUPS,
    MAX_QUESTION_TOKENS,
    SHORT_LENGTHS,
    build_windows,
    collate,
    decode,
    length_batches,
    open_tokenizer,
    shape_batches,
)

TOKENIZER = open_tokenizer()


@given(
    words=st.lists(st.sampled_from(["leave", "über", "25", "café", "…", "日本", "policy"]), min_size=1, max_size=700)
)
def test_windows_cover_a_passage_without_gaps(words: list[str]) -> None:
    passage = " ".join(words)
    windows = build_windows(TOKENIZER, "How many days?", [passage], max_tokens=128, stride=32)
    covered = {span for window in windows for span in window.offsets}
    assert covered == set(TOKENIZER.encode(passage, add_special_tokens=False).offsets)
    assert max(len(w.ids) for w in windows) <= 128


def test_long_question_is_cut_and_leaves_room_for_the_passage() -> None:
    (window,) = build_windows(TOKENIZER, "why " * 5000, ["The office closes at seven."])
    assert window.first == MAX_QUESTION_TOKENS + 2
    assert len(window.offsets) == 6


def test_padding_belongs_to_neither_passage_nor_mask() -> None:
    windows = build_windows(TOKENIZER, "When?", ["At nine.", "The office closes at seven every day."])
    ids, mask, types = collate(windows, multiple_of=32)
    assert ids.shape == (2, 32)
    assert mask.sum(1).tolist() == [len(w.ids) for w in windows]
    assert types.sum(1).tolist() == [len(w.offsets) for w in windows]
    assert not (types & (1 - mask)).any()


def test_best_window_of_a_long_passage_wins() -> None:
    passage = "Nothing here. " * 60 + "The gate opens at seven."
    windows = build_windows(TOKENIZER, "When?", [passage], max_tokens=64, stride=16)
    outputs = []
    for window in windows:
        start, end = np.zeros(len(window.ids), np.float32), np.zeros(len(window.ids), np.float32)
        for i, (a, b) in enumerate(window.offsets):
            if passage[a:b] == "seven":
                start[window.first + i] = end[window.first + i] = 5.0
        outputs.append((start, end, np.float32(1.0)))
    (best,) = decode(windows, outputs)
    assert passage[best.start : best.end] == "seven"
    assert best.margin == pytest.approx(10.0)


@given(lengths=st.lists(st.integers(1, 320), max_size=60))
def test_length_batches_hold_everything_once_and_stay_small(lengths: list[int]) -> None:
    batches = list(length_batches(lengths, 640))
    assert sorted(place for batch in batches for place in batch) == list(range(len(lengths)))
    assert all(len(batch) * max(lengths[p] for p in batch) <= 640 or len(batch) == 1 for batch in batches)


@given(lengths=st.lists(st.integers(1, 320), max_size=60))
def test_shape_batches_hold_everything_once_in_few_shapes_and_pad_little(lengths: list[int]) -> None:
    batches = list(shape_batches(lengths, 640))
    assert sorted(place for places, _ in batches for place in places) == list(range(len(lengths)))
    for places, length in batches:
        assert len(places) in GROUPS
        assert len(places) * length <= 640 or len(places) == 1
        assert length in SHORT_LENGTHS or length % 32 == 0
        assert all(length - 32 < lengths[p] <= length for p in places)
