"""Words that mean the same: a question finds a document that says it in other words, or in another language.

    glossary = open_glossary()
    glossary.plain("Wie viel Urlaub habe ich?")     # "wie viel annual-leave habe ich?"
    glossary.added("Wie viel Urlaub habe ich?")     # "annual leave"

The packaged words are those of any workplace; a company adds its own file (ASSISTANT_GLOSSARY).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

from core.errors import SettingsError

PACKAGED = Path(__file__).with_name("glossary.yaml")
LONGEST = 60
"""Characters of a word or phrase."""
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_PART = re.compile(_WORD.pattern + r"\*?")


@dataclass(frozen=True, slots=True)
class _Phrase:
    """A known word or phrase, word by word, and the meaning that it stands for."""

    parts: tuple[str, ...]
    name: str

    def at(self, words: Sequence[str], place: int) -> bool:
        said = words[place : place + len(self.parts)]
        return len(said) == len(self.parts) and all(
            word.startswith(part[:-1]) if part.endswith("*") else word == part
            for word, part in zip(said, self.parts, strict=True)
        )


class Glossary:
    """Meanings and the words for them. `meanings` maps each meaning's name to its words; a word may end in `*`."""

    def __init__(self, meanings: Mapping[str, Sequence[str]]) -> None:
        phrases = [
            _Phrase(tuple(_PART.findall(word.lower())), name.lower())
            for name, said in meanings.items()
            for word in (name, *said)
        ]
        self._by_first: dict[str, list[_Phrase]] = defaultdict(list)
        for phrase in sorted(phrases, key=lambda p: (-len(p.parts), -len("".join(p.parts)))):
            self._by_first[phrase.parts[0]].append(phrase)
        self._stems = sorted({len(first) - 1 for first in self._by_first if first.endswith("*")}, reverse=True)

    def plain(self, text: str) -> str:
        """The text in lower case with each known word replaced by its meaning, written as one word."""
        low = text.lower()
        said, end = [], 0
        for start, stop, name in self._found(low):
            said += [low[end:start], name.replace(" ", "-")]
            end = stop
        return "".join([*said, low[end:]])

    def added(self, text: str) -> str:
        """The meanings of a text's words that the text does not say itself, to be searched beside them."""
        low = text.lower()
        return " ".join(name for name in dict.fromkeys(name for _, _, name in self._found(low)) if name not in low)

    def _found(self, low: str) -> Iterator[tuple[int, int, str]]:
        """Start, end and meaning of each known word of a text in lower case, left to right."""
        places = [(m.group(), m.start(), m.end()) for m in _WORD.finditer(low)]
        words = [word for word, _, _ in places]
        place = 0
        while place < len(words):
            phrase = self._phrase(words, place)
            if phrase is None:
                place += 1
                continue
            last = place + len(phrase.parts) - 1
            yield places[place][1], places[last][2], phrase.name
            place = last + 1

    def _phrase(self, words: Sequence[str], place: int) -> _Phrase | None:
        """The longest known phrase that begins at a word."""
        word = words[place]
        keys = [word, *(f"{word[:n]}*" for n in self._stems if n <= len(word))]
        fitting = (p for key in keys for p in self._by_first.get(key, ()) if p.at(words, place))
        return max(fitting, key=lambda p: len(p.parts), default=None)


def read_glossary(path: Path) -> dict[str, list[str]]:
    """A file of meanings.

    Raises:
        SettingsError: it cannot be read, or a line is not `meaning: [word, word]`; the message names the line's meaning.
    """
    try:
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The glossary {path} cannot be read ({type(error).__name__}).") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise SettingsError(f"The glossary {path}{f':{mark.line + 1}' if mark else ''} is no YAML.") from None
    if not isinstance(read, dict):
        raise SettingsError(f"The glossary {path} must hold lines of the form `meaning: [word, word]`.")
    for name, said in read.items():
        whole = isinstance(name, str) and isinstance(said, list) and all(isinstance(word, str) for word in said)
        if not whole or not all(0 < len(word.strip("* ")) <= LONGEST for word in (name, *said)):
            raise SettingsError(
                f"The glossary {path}: `{str(name)[:40]}` must be followed by a list of words, as in `{str(name)[:20]}: [word, other*]`; "
                "put a word that YAML reads as something else (yes, no, 12) in quotes."
            )
    return read


@lru_cache(maxsize=4)
def open_glossary(own: Path | None = None) -> Glossary:
    """The packaged words, with a company's own file over them: a meaning named in both has the own words."""
    return Glossary(read_glossary(PACKAGED) | (read_glossary(own) if own else {}))
