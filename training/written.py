"""Questions written for this project on paragraphs of the reading sets: three that the paragraph answers, four that it only seems to.

training/data/written.txt, in the repository (CC0). Both sorts were written in one voice, so that nothing but the paragraph tells
them apart: another name, figure, time or cause, a relation turned round, a condition that is not said. Where nothing answers, the
words that a careless reader would take stand there too. A program checked that all such words are the paragraph's; nobody labelled
the questions a second time. The paragraphs are not in the repository: each is named by the sha256 of its text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from training.reading_data import ReadingExample, find_words

FILE: Final = Path(__file__).parent / "data" / "written.txt"
SOURCE: Final = "written"


def written(examples: Iterable[ReadingExample]) -> list[ReadingExample]:
    """The file's questions on the passages that these examples read, of their articles."""
    read = {_name(example.passage): example for example in examples}
    return [one for name, lines in _paragraphs() if name in read for one in _questions(name, lines, read[name])]


def _name(passage: str) -> str:
    return hashlib.sha256(passage.encode()).hexdigest()[:12]


def _paragraphs() -> Iterator[tuple[str, list[str]]]:
    for block in FILE.read_text(encoding="utf-8").split("@ ")[1:]:
        name, *lines = block.strip().splitlines()
        yield name, lines


def _questions(name: str, lines: list[str], read: ReadingExample) -> Iterator[ReadingExample]:
    for number, line in enumerate(lines):
        asked, _, words = line[2:].partition(" | ")
        answers = tuple(islice(find_words(words, read.passage, re.NOFLAG), 1))
        if answers:
            told = (f"{SOURCE}/{name}/{number}", asked, read.passage)
            if line.startswith("A "):
                yield ReadingExample(*told, answers, SOURCE, read.article)
            else:
                yield ReadingExample(*told, (), SOURCE, read.article, "written")
