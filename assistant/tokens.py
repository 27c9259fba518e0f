"""Tokens by the tokenizer of the packaged encoder: what an answer's usage is counted in, and its longest length."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache

from tokenizers import Tokenizer

_BETWEEN_WORDS = re.compile(r"(?=\s)|(?<=[\u2e80-\u9fff])|(?=[\u2e80-\u9fff])")
"""Chinese and Japanese are written without spaces: there, words end at each character."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that were read and written for one answer."""

    prompt_tokens: int
    completion_tokens: int


def count_tokens(texts: Iterable[str]) -> int:
    return sum(map(_count, texts))


def fitting(text: str, most: int) -> int:
    """The length of the longest beginning of a text that has at most so many tokens and ends with a whole word."""
    ends = _ends(text)
    if len(ends) <= most:
        return len(text)
    last = ends[most - 1]
    return max((m.start() for m in _BETWEEN_WORDS.finditer(text, 0, last + 1) if m.start() <= last), default=0)


@lru_cache(maxsize=4096)
def _count(text: str) -> int:
    """Remembered, since the same passages are read again and again."""
    return len(_ends(text))


def _ends(text: str) -> list[int]:
    """Where each token ends, in characters."""
    whole = text.encode("utf-8", "replace").decode()  # half a character is none that a tokenizer takes
    return [end for _, end in _tokenizer().encode(whole, add_special_tokens=False).offsets]


@cache
def _tokenizer() -> Tokenizer:
    from retrieval.windows import open_tokenizer

    return open_tokenizer()
