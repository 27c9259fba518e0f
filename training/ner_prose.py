"""Real text for the recogniser of names: handbooks and policies (CC0), and questions that people typed (CC BY 3.0).

    prose(DATA, "learnt")       pieces of documents as lists of words, each with its label or "" where nobody knows it
    typed(DATA, "learnt")       questions

Nobody marked names in these texts, so only what is surely none is labelled: words in lower case, words of every day, figures
and signs. A capital word that may be a name has no label, and the network is not told anything about it. Templates alone make
a network that takes "18F projects" for a street; what it sees here is what an organisation's documents really look like.
"""

from __future__ import annotations

import json
import random
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.errors import BadInput
from guardrails.ner import tokens
from training.ner_data import Part
from training.ner_lists import word_lists

UNKNOWN = ""
"""spaCy's label of a word that teaches nothing."""
HELD_BACK = 5
"""One of so many documents only measures."""
LINES = (1, 6)
"""Lines of a document in one text, at least and at most."""

Labelled = tuple[Sequence[str], Sequence[str]]
"""Words, and the label of each."""

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_ADDRESS = re.compile(
    r"\b(?:street|st|avenue|ave|road|rd|suite|floor|box|drive|blvd|plaza|nw|ne|sw|se|zip|postal|postcode|mail stop)\b",
    re.I,
)
_BIRTH = re.compile(r"\b(?:born|birth|birthday)\b", re.IGNORECASE)


def documents(data: Path, part: Part) -> list[str]:
    """The texts of the documents of a part, without what stands before them for machines.

    Raises:
        BadInput: the folder is not there.
    """
    folder = data / "documents"
    if not folder.is_dir():
        raise BadInput(f"{folder} is not there; name the folder that holds documents/ and reading/ with --data.")
    files = sorted(p for p in folder.rglob("*.md") if (_number(p.name) % HELD_BACK == 0) == (part == "held out"))
    return [_FRONT_MATTER.sub("", file.read_text(encoding="utf-8")) for file in files]


def prose(data: Path, part: Part) -> list[Labelled]:
    """The pieces of a part's documents."""
    rng = random.Random(f"prose {part}")  # noqa: S311 - seeded sampling, no secret
    return [labelled(piece) for text in documents(data, part) for piece in pieces(text, rng)]


def typed(data: Path, part: Part) -> list[str]:
    """Questions that people typed to a helper (CLINC150), as they are."""
    rows = json.loads((data / "reading" / "clinc_train.json").read_text(encoding="utf-8"))["train"]
    return [text for text, _ in rows if (_number(text) % HELD_BACK == 0) == (part == "held out")]


def pieces(text: str, rng: random.Random) -> Iterator[str]:
    """The text in runs of a few lines, each at most a few hundred words long."""
    lines = [line for line in text.splitlines() if line.strip()]
    at = 0
    while at < len(lines):
        count = rng.randint(*LINES)
        yield "\n".join(lines[at : at + count])[:1500]
        at += count


def labelled(text: str) -> Labelled:
    """The words of a text with "O" where it is sure that no name stands, else UNKNOWN."""
    words = [word for word, _ in tokens(text)]
    open_to = [_may_name(word, n == 0 or words[n - 1] in ".!?\n:") for n, word in enumerate(words)]
    figures = _ADDRESS.search(text) is not None or _BIRTH.search(text) is not None
    labels = []
    for n, word in enumerate(words):
        near = any(open_to[max(0, n - 2) : n + 3])
        between = any(open_to[max(0, n - 1) : n]) and any(open_to[n + 1 : n + 2])
        unknown = open_to[n] or between or (figures and near and any(c.isdigit() for c in word))
        labels.append(UNKNOWN if unknown else "O")
    return words, labels


def _may_name(word: str, begins: bool) -> bool:
    """Whether a word may be (part of) a name: a capital word that is none of every day, or a listed name in any case."""
    marks = word_lists().marks(word)
    if not word[0].isupper():
        return bool(set(marks) & set("fst")) and "c" not in marks
    if begins and "c" in marks:
        return False
    return "c" not in marks or bool(set(marks) & set("fst"))


def _number(text: str) -> int:
    return zlib.crc32(text.encode())
