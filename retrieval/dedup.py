"""Which documents say the same: exactly (hash of the normalised text), nearly (MinHash), and nearly but not the same.

Two policies may share 95 % of their words and differ in the number of days, or in the site they are for. So a near
duplicate counts as saying the same only where one adds a few harmless words to the other (a banner, a footer) or spells
them differently; the other near duplicates are indexed as well, and linked for the owner.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

import numpy as np
from numpy.typing import NDArray

SIMILAR: Final = 0.85
"""Estimated Jaccard similarity of three-word shingles from which two documents are near duplicates."""
PERMUTATIONS: Final = 128
SHINGLE_WORDS: Final = 3
MAX_DIFFERENCE: Final = 0.02
"""Share of words that may differ between two documents that say the same."""

_WORD = re.compile(r"\w+", re.UNICODE)
_MATTERS: Final = frozenset(
    word
    for words in (
        "no not never none nor without except unless only until before after must shall should may can cannot",
        "required forbidden allowed prohibited optional mandatory",
        "nicht kein keine keinen nie niemals ohne außer nur muss müssen darf dürfen kann können soll sollen",
        "nunca ningún ninguna sin salvo excepto solo sólo debe deben puede pueden",
        "ne pas jamais aucun aucune sans sauf seulement doit doivent peut peuvent",
    )
    for word in words.split()
)

Signature = NDArray[np.uint32]
"""Shape (PERMUTATIONS,)."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What two texts are compared by: hash of the normalised text, and its MinHash."""

    text_sha256: str
    minhash: Signature


def fingerprint(text: str) -> Fingerprint:
    words = words_of(text)
    return Fingerprint(hashlib.sha256(" ".join(words).encode()).hexdigest(), _minhash(words))


def words_of(text: str) -> list[str]:
    """Lower-case words without punctuation, layout or markdown: what two copies in different formats share."""
    return _WORD.findall(text.casefold())


def similarities(one: Signature, others: Sequence[Signature]) -> NDArray[np.float64]:
    """Estimated Jaccard similarity of one text to each of the others, shape (others,)."""
    if not others:
        return np.zeros(0)
    shares: NDArray[np.float64] = (np.stack(others) == one).mean(axis=1)
    return shares


def says_the_same(one: str, other: str) -> bool:
    """Whether two similar texts differ in nothing but a few harmless words: no digit, no negation, no word of duty."""
    first, second = words_of(one), words_of(other)
    ours = list((Counter(first) - Counter(second)).elements())
    theirs = list((Counter(second) - Counter(first)).elements())
    if any(map(_weighs, [*ours, *theirs])) or [w for w in first if _weighs(w)] != [w for w in second if _weighs(w)]:
        return False
    if len(ours) + len(theirs) > MAX_DIFFERENCE * max(len(first), len(second)):
        return False
    return all(any(_spellings(word, match) for match in theirs) for word in ours) if ours and theirs else True


def _spellings(one: str, other: str) -> bool:
    """organisation and organization; not unpaid and paid, nor Bristol and Hamburg."""
    return one[:2] == other[:2] and SequenceMatcher(None, one, other).ratio() >= 0.85


def _weighs(word: str) -> bool:
    return word in _MATTERS or any(c.isdigit() for c in word)


def _minhash(words: Sequence[str]) -> Signature:
    from datasketch import MinHash

    shingles = {" ".join(words[i : i + SHINGLE_WORDS]).encode() for i in range(max(1, len(words) - SHINGLE_WORDS + 1))}
    sketch = MinHash(num_perm=PERMUTATIONS, seed=1)
    sketch.update_batch(sorted(shingles))
    return np.asarray(sketch.hashvalues, dtype=np.uint32)
