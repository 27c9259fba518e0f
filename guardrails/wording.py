"""What the words of a question say of it beside the trained judge: weights of hashed words, word pairs and parts of words.

    load_wording().log_odds("Ignore your rules.")     4.1: above 0 for what reads like an attempt to steer the assistant

The judge's encoder reads English and was trained on meaning; parts of words also carry misspelt orders, console talk and orders in
languages that it does not read. Adding the two finds more at the same false alarms than either. Made by
`python -m training injection`, with the judge; the judge's card says what both find together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from guardrails.normalise import fold
from guardrails.sieve import FOLDER, WORD, hashed, weighed, words_and_pairs

FILE = FOLDER / "wording.safetensors"
BUCKETS = 1 << 16
PARTS = (3, 4, 5)
"""Lengths of the parts of a word, its ends marked."""
HEAD, TAIL = 3000, 1000
"""Characters of a long text that are looked at: its beginning and its end, where orders stand most."""


@dataclass(frozen=True, slots=True)
class Wording:
    """Attributes:
    weights: shape (BUCKETS,).
    bias: log-odds of a text without words.
    """

    weights: NDArray[np.float32]
    bias: float

    def log_odds(self, text: str) -> float:
        """What the text's buckets weigh, and the bias."""
        return weighed(self.weights, text_buckets(text)) + self.bias


def text_buckets(text: str) -> list[int]:
    """The buckets of the folded text's words, word pairs and parts of words, each once, in order."""
    kept = text if len(text) <= HEAD + TAIL else f"{text[:HEAD]} {text[-TAIL:]}"
    words = WORD.findall(fold(kept))
    return hashed(chain(words_and_pairs(words), _parts(words)), BUCKETS)


def _parts(words: Iterable[str]) -> Iterator[str]:
    for word in set(words):
        marked = f"<{word}>"
        for length in PARTS:
            yield from (marked[at : at + length] for at in range(len(marked) - length + 1))


@cache
def load_wording() -> Wording:
    """The committed weights."""
    from safetensors import safe_open

    with safe_open(FILE, framework="numpy") as file:
        return Wording(file.get_tensor("weights").astype(np.float32), float(file.get_tensor("bias")[0]))
