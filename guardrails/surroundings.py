"""What a sentence's surroundings say of it beside the trained judge: a planted task is about something else than the text it stands in.

    load_surroundings().log_odds(text, ["What is the capital of Brazil?"], encode)     [1.9]: above 0 for what reads as planted

"How do I book leave?" is the judge's own kind of harmless question among sentences on leave, and a task that somebody hid among
sentences on pumps. The judge sees the sentence alone. Here are its marks of a request (a question mark, an order's first word, ...),
how near it is to the sentences around it by the search's own vectors, and how near those are to each other. Made by
`python -m training injection`, with the judge; the judge's card says what both find together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from guardrails.sieve import FOLDER, sentences

Encode = Callable[[Sequence[str]], NDArray[np.float32]]
"""Vectors of length 1 for texts, shape (texts, dimension)."""
FILE = FOLDER / "surroundings.safetensors"
AROUND = 8
"""Sentences before and after a suspect that it is compared with."""
REACH = 3.0
"""Log-odds that surroundings count at most, either way: they do not outvote a judge that is sure."""
USUAL = 0.4
"""How near a sentence usually is to its text, where there are too few to say."""
_ASKS = re.compile(
    r"(?i)\W*(?:who|what|when|where|which|why|how|is|are|do|does|did|can|could|will|would|should|was|were|has|have|am|may)\b"
)
_PLEASE = re.compile(r"(?i)\bplease\b")
_READER = re.compile(r"(?i)\byour?\b")
_WRITER = re.compile(r"(?i)\b(?:i|me|my|mine)\b")
_CONDITION = re.compile(r"(?i)\b(?:if|when|must|should|may|shall|only|before|after|unless|until)\b")
_WORD = re.compile(r"[A-Za-z']+")
_NO_ORDER_WORDS = (
    "the a an this that these those it its he she they we our their his her there here in on at by for from with as if when "
    "after before during all each every some any no both many most more other such one two and but or so to of i my you your "
    "not while since because although however also only"
)
_NO_ORDER = frozenset(_NO_ORDER_WORDS.split())
"""Words that an order does not begin with."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Attributes:
    weights: shape (features,), of what `features` gives.
    bias: log-odds where all of them are 0.
    shift: what is added in the end, so that 0 is the operating point of both as it is the judge's alone.
    """

    weights: NDArray[np.float32]
    bias: float
    shift: float = 0.0

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the most that `log_odds` says."""
        return self.shift - REACH, self.shift + REACH

    def log_odds(self, text: str, suspects: Sequence[str], encode: Encode) -> list[float]:
        """What each of some sentences of a text is worth by its surroundings; nothing where it stands alone."""
        found = list(sentences(text))
        if len(found) < 2:
            return [0.0 for _ in suspects]
        places = [found.index(suspect) for suspect in suspects]
        near = sorted({n for place in places for n in _window(place, len(found))})
        known = dict(zip(near, encode([found[n] for n in near]), strict=True))
        return [self._of_one(found, place, known) for place in places]

    def _of_one(self, found: Sequence[str], place: int, known: dict[int, NDArray[np.float32]]) -> float:
        window = _window(place, len(found))
        vectors = np.array([known[n] for n in window])
        weighed = float(features(found[place], vectors, window.index(place)) @ self.weights) + self.bias
        return min(max(weighed, -REACH), REACH) + self.shift


def features(sentence: str, vectors: NDArray[np.float32], at: int) -> NDArray[np.float32]:
    """The marks of a sentence and its relation to those around it, and the product of each two of them."""
    single = np.array([*marks(sentence), *relation(vectors, at)], np.float32)
    one, other = np.triu_indices(len(single), 1)
    return np.concatenate([single, single[one] * single[other]])


def marks(sentence: str) -> list[float]:
    """What can be seen of a sentence's form: does it ask, order, speak to its reader, set a condition?"""
    words = _WORD.findall(sentence.lower())
    asks, begins = sentence.rstrip(" \"'”’)").endswith("?"), bool(_ASKS.match(sentence))
    first = words[0] if words else "the"
    orders = not asks and not begins and first not in _NO_ORDER and not first.endswith(("ing", "ed", "ly", "s"))
    return [
        float(mark)
        for mark in (
            asks,
            begins,
            asks and begins,
            orders,
            _PLEASE.search(sentence) is not None,
            _READER.search(sentence) is not None,
            _WRITER.search(sentence) is not None,
            _CONDITION.search(sentence) is not None,
            np.log1p(len(words)),
            sentence.endswith((".", "?", "!", ":")),
            any(c.isdecimal() for c in sentence),
            sentence.startswith(("#", "*", "-", "|")),
        )
    ]


def relation(vectors: NDArray[np.float32], at: int) -> list[float]:
    """How near the sentence at `at` is to the others, to the nearest and to its neighbours, and compared with how near they are.

    The first number is 1 where there are no others, so that texts of one sentence do not bend what is learnt of the rest.

    Args:
        vectors: shape (sentences, dimension), of length 1.
    """
    others = np.delete(vectors, at, axis=0)
    if not len(others):
        return [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    own, total = vectors[at], others.sum(axis=0)
    near = float(own @ total / np.linalg.norm(total))
    neighbours = vectors[[n for n in (at - 1, at + 1) if 0 <= n < len(vectors)]]
    usual = np.array([USUAL])
    if len(others) > 1:
        rests = total - others
        usual = (others * rests).sum(axis=1) / np.maximum(np.linalg.norm(rests, axis=1), 1e-6)
    return [
        0.0,
        near,
        float((others @ own).max()),
        float((neighbours @ own).max()),
        near - float(usual.mean()),
        near - float(usual.min()),
        float(np.log(len(others))),
    ]


@cache
def load_surroundings() -> Surroundings:
    """The committed weights."""
    from safetensors import safe_open

    with safe_open(FILE, framework="numpy") as file:
        bias, shift = file.get_tensor("bias_and_shift")
        return Surroundings(file.get_tensor("weights"), float(bias), float(shift))


def _window(place: int, count: int) -> range:
    return range(max(0, place - AROUND), min(count, place + AROUND + 1))
