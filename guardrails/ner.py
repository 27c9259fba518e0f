"""The trained recogniser of names, places, addresses and organisations: a small spaCy network over hashed words and name lists.

    model = open_names()                       the committed network (about 4 MB); one for the process
    model.find("Ask Nora Whitcombe")           [Found("PERSON", 4, 18, 0.98)]

`python -m training ner --out DIR` makes it; `guardrails/heads/names/README.md` is its card. Every token gets a probability for each
kind of entity; the best lawful sequence is read off, and an entity's score is the mean probability of its tokens, so that
the policy's thresholds mean something. A text's words are forgotten when it is done: spaCy's vocabulary would keep them.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from core.errors import SettingsError
from guardrails.name_lists import Lists, load_lists

FOLDER = Path(__file__).parent / "heads" / "names"
KINDS = ("PERSON", "LOCATION", "STREET_ADDRESS", "POSTCODE", "ORGANIZATION", "NATIONALITY", "DATE_OF_BIRTH")
LABELS = ("O", *(f"{place}-{kind}" for kind in KINDS for place in "BI"))
"""The network's outputs in order: none, then the beginning and the inside of each kind."""
MAX_TOKENS = 1200
LONG, DENSE = 1000, 0.45
"""Characters from which a text is long, and the tokens for each character from which it is no prose, which has about 0.2."""
OUTSIDE_BIAS = -0.7
"""Added to the log-probability of `none`: a missed name counts more than a false alarm, and the score says how sure it is."""

_TOKEN = re.compile(r"\n|[^\W\d_]+(?:['’](?:t|re|ll|ve|m|d)\b)?|\d+|[^\w\s]|_", re.IGNORECASE)
_ALNUM = re.compile(r"[^\W_]")
_INSIDE = frozenset(
    {
        "room",
        "floor",
        "hall",
        "gate",
        "desk",
        "bay",
        "aisle",
        "shelf",
        "level",
        "locker",
        "raum",
        "etage",
        "sala",
        "planta",
    }
)
_MEASURED = (
    "until bis hasta day days week weeks month months year years hours minutes euros euro pounds dollars kg km miles Tage Tagen Wochen Monate Monaten Jahre Jahren Stunden Minuten Euro "
    "día días semana semanas mes meses año años horas minutos noche noches enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"
)
"""Words beside an amount, a range or in a date, as they are written in running text: a street named after a day has capital letters."""
_MEASURES = frozenset(_MEASURED.split())
_SHORTEST_POSTCODE = 3
_SURROGATE = re.compile("[\ud800-\udfff]")
_NEVER = -1e9


@dataclass(frozen=True, slots=True)
class Found:
    """One entity of a text."""

    kind: str
    start: int
    end: int
    score: float


def tokens(text: str) -> list[tuple[str, int]]:
    """Words, runs of digits, single signs and line ends, each with its place."""
    return [(m.group(), m.start()) for m in _TOKEN.finditer(text)]


class Names(Protocol):
    """What finds names: the packaged network, or a model of a company's choice (guardrails/names_model.py)."""

    def find(self, text: str) -> Sequence[Found]:
        """The entities of a text in order."""
        ...

    def __hash__(self) -> int:
        """The process keeps one engine for each."""
        ...


class NameModel:
    """Finds entities with a trained pipeline. Safe in threads; texts are read one at a time, since a vocabulary has one memory zone."""

    def __init__(self, nlp: Any, lists: Lists) -> None:
        self._vocab = nlp.vocab
        self._lists = lists
        self._tagger = nlp.get_pipe("names")
        at = {label: n for n, label in enumerate(self._tagger.labels)}
        self._order = [at[label] for label in LABELS]
        self._lock = threading.Lock()

    def find(self, text: str) -> list[Found]:
        """The entities of a text in order, none overlapping. A text of many thousand words is read piece by piece.

        A long text of hardly anything but signs and single letters is not read: nobody writes names so, and it costs most.
        """
        read = tokens(text)
        found: list[Found] = []
        if len(text) > LONG and len(read) > DENSE * len(text):
            return found
        for at in range(0, len(read), MAX_TOKENS):
            found += self._piece(read[at : at + MAX_TOKENS])
        return found

    def _piece(self, read: Sequence[tuple[str, int]]) -> list[Found]:
        probabilities = self.probabilities([word for word, _ in read])
        path = best_path(probabilities)
        found: list[Found] = []
        at = 0
        while at < len(path):
            end = at + 1
            if path[at]:
                begin = path[at] - (path[at] + 1) % 2
                while end < len(path) and path[end] == begin + 1:
                    end += 1
                inner = [n for n in range(at, end) if _ALNUM.search(read[n][0])]
                if inner:  # signs at its ends are no part of a name, but for the full stop of "Inc." or "St."
                    score = float(probabilities[at:end, begin : begin + 2].sum(axis=1).mean())
                    dot = inner[-1] + 1 < end and read[inner[-1] + 1][0] == "."
                    last, start = read[inner[-1] + dot]
                    kind, words = KINDS[(begin - 1) // 2], [read[n][0] for n in inner]
                    if _may_be(kind, words):
                        found.append(Found(kind, read[inner[0]][1], start + len(last), min(1.0, score)))
            at = end
        return found

    def probabilities(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Probability of each of LABELS for each word, shape (words, labels)."""
        if not words:
            return np.zeros((0, len(LABELS)), np.float32)
        from spacy.tokens import Doc

        words = [_SURROGATE.sub("?", word) for word in words]
        marks = [self._lists.marks(word) for word in words]
        with self._lock, self._vocab.memory_zone():
            # spaCy's place for lemmas carries the lists' marks: the network needs no lemma.
            scores = self._tagger.model.predict([Doc(self._vocab, words=words, lemmas=marks)])[0]
            found: NDArray[np.float32] = np.asarray(scores)[:, self._order].astype(np.float32)
        return found


def _may_be(kind: str, words: Sequence[str]) -> bool:
    """What the network takes for an address has the form of one."""
    if kind == "POSTCODE":
        return len("".join(words)) >= _SHORTEST_POSTCODE
    return kind != "STREET_ADDRESS" or _may_be_street(words)


def _may_be_street(words: Sequence[str]) -> bool:
    """Not a word alone, nor a room, a ticket or an amount: more than one word or a figure, no figure longer than a house number."""
    if _MEASURES & set(words):
        return False
    if words[0].casefold() in _INSIDE or any(word.isdigit() and len(word) > 6 for word in words):
        return False
    return len(words) > 1 and any(not word.isdigit() for word in words)


def best_path(probabilities: NDArray[np.float32]) -> list[int]:
    """The likeliest sequence of labels in which an inside follows a beginning or an inside of its own kind (Viterbi)."""
    if not len(probabilities):
        return []
    logs = np.log(probabilities + 1e-9)
    logs[:, 0] += OUTSIDE_BIAS
    best, back = logs[0] + _STARTS, []
    for row in logs[1:]:
        steps = best[:, None] + _STEPS
        back.append(steps.argmax(axis=0))
        best = steps.max(axis=0) + row
    path = [int(best.argmax())]
    for came in reversed(back):
        path.append(int(came[path[-1]]))
    return path[::-1]


def _lawful() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What is added to a first label, and to a label after another: nothing where it is lawful."""
    inside = np.array([label.startswith("I-") for label in LABELS])
    steps = np.where(inside, _NEVER, 0.0)[None, :].repeat(len(LABELS), axis=0)
    for n in range(2, len(LABELS), 2):
        steps[n - 1, n] = steps[n, n] = 0.0
    return np.where(inside, _NEVER, 0.0), steps


_STARTS, _STEPS = _lawful()


@cache
def open_names(folder: Path = FOLDER) -> NameModel:
    """The network of a folder, read once. spaCy is imported here.

    Raises:
        SettingsError: it cannot be read. Patterns and lists alone miss most names, so nothing stands in for it.
    """
    try:
        import spacy

        return NameModel(spacy.load(folder, exclude=["vocab", "tokenizer"]), load_lists(folder))
    except (ImportError, OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        raise SettingsError(
            f"The rails personal_data_question and personal_data_answer lack their recogniser of names: {folder} cannot be read "
            f"({type(error).__name__}). Put that folder back as the installed version has it, from the product's source "
            "(`git checkout guardrails/heads/names`) or by installing the product again."
        ) from None
