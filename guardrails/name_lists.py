"""Which lists a word stands in: ordinary words, first names, surnames, towns. Kept as hashes: 260 kB, and nobody reads a name off.

    lists = load_lists(folder)
    lists.marks("Nora")        "f": a first name; "" for a word of no list

`training/ner_lists.py` makes the file.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MARKS = "cofst"
"""Lists by letter: c common words, o other ordinary words, f first names, s surnames, t words of towns' names."""
FILE = "lists.npz"
_CONTRACTED = re.compile(r"(?:n?['’]t|['’]\w+)$", re.IGNORECASE)
"""What "don't" and "we'll" end in."""


@dataclass(frozen=True, slots=True)
class Lists:
    """Hashes of the words of each list, by its letter."""

    hashes: Mapping[str, frozenset[int]]

    def marks(self, word: str) -> str:
        """The letters of the lists that hold the word, whatever its case, in the order of MARKS."""
        key = hash_of(_CONTRACTED.sub("", word))
        return "".join(mark for mark in MARKS if key in self.hashes[mark])


def hash_of(word: str) -> int:
    return zlib.crc32(word.casefold().encode())


def lists_of(words: Mapping[str, Sequence[str]]) -> Lists:
    """The lists of these words, by letter."""
    return Lists({mark: frozenset(map(hash_of, words[mark])) for mark in MARKS})


def save_lists(lists: Lists, folder: Path) -> None:
    arrays = {mark: np.array(sorted(lists.hashes[mark]), np.uint32) for mark in MARKS}
    np.savez_compressed(folder / FILE, **arrays)  # type: ignore[arg-type]


def load_lists(folder: Path) -> Lists:
    with (folder / FILE).open("rb") as file, np.load(file, allow_pickle=False) as kept:
        return Lists({mark: frozenset(kept[mark].tolist()) for mark in MARKS})
