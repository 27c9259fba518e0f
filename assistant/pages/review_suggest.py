"""What the correction form is filled with: the words of a passage that most likely answer, for the reviewer to judge."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from assistant.words import content_words, numbers
from core.errors import BadInput
from core.records import Correction
from core.review_records import Case, Evidence
from core.review_rules import located

_SENTENCE = re.compile(r"\S[^\n]*?(?:[.!?]+(?=\s|$)|(?=\n|$))")
SHARE, SHARED = 0.5, 2
"""A sentence is suggested where it has this share of the expected words, or this many words of the question."""


def suggestion(case: Case) -> Correction | None:
    """What the person expected, marked in a passage where it stands there; else the sentence nearest to the question.

    None where nothing is near. A good answer's suggestion is that it was good.
    """
    if case.item.source == "thumbs_up":
        return Correction("confirm")
    expected = case.feedback.expected.strip() if case.feedback else ""
    if expected:
        return _marked(expected, case.passages) or Correction("text", expected)
    return _nearest(case.turn.standalone_question or case.turn.question, case.turn.answer, case.passages)


def _marked(expected: str, passages: Sequence[Evidence]) -> Correction | None:
    try:
        return located(expected, passages)
    except BadInput:
        pass
    wanted, best, found = set(content_words(expected)), SHARE, None
    for one, start, end in _sentences(passages):
        said = one.text[start:end]
        share = len(wanted & set(content_words(said))) / max(1, len(wanted))
        if share > best and numbers(expected) <= numbers(said):
            best, found = share, Correction("span", said, one.passage_id, start, end)
    return found


def _nearest(question: str, answer: str, passages: Sequence[Evidence]) -> Correction | None:
    wanted, best, found = set(content_words(question)), SHARED - 1, None
    given = " ".join(answer.split())
    for one, start, end in _sentences(passages):
        said = one.text[start:end]
        shared = len(wanted & set(content_words(said)))
        if shared > best and " ".join(said.split()) not in given:
            best, found = shared, Correction("span", said, one.passage_id, start, end)
    return found


def _sentences(passages: Sequence[Evidence]) -> Iterator[tuple[Evidence, int, int]]:
    """Every sentence with its place; a heading is none."""
    for one in passages:
        for match in _SENTENCE.finditer(one.text):
            if not match[0].startswith("#"):
                yield one, match.start(), match.end()
