"""Synthetic paraphrases of real rows, by rules and without a model: optional, marked, and validated one by one.

A paraphrase stays only where the embedder finds it near its own question and no nearer to another row that is answered
differently, where every figure, code and name of the question stands in it, and where the answer still stands in the
passage. Rules know English, German and Spanish; rows of other languages get none.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from retrieval.embed import Vectors
from training.dataset_near import Encoder, EvaluationQuestions
from training.dataset_rows import DatasetRow

NEAREST: Final = 0.985
"""A paraphrase above this cosine is the question itself; below FARTHEST it asks something else."""
FARTHEST: Final = 0.75
_KEPT = re.compile(r"\b[A-Z][\w-]*\d[\w-]*|\d[\w.,-]*|(?<=[\w,] )[A-ZÄÖÜÁÉÍÓÚÑ][\w-]+|<[A-Z]+>")
"""What must survive: figures, codes, masks, and capitalised words that do not begin the question."""

Rule = tuple[re.Pattern[str], str]


def _rules(*pairs: tuple[str, str]) -> tuple[Rule, ...]:
    return tuple((re.compile(pattern, re.IGNORECASE), into) for pattern, into in pairs)


RULES: Final[Mapping[str, tuple[Rule, ...]]] = {
    "en": _rules(
        (r"^how many (\w+) (?:of (\w+) )?(?:do i|can i|may i) (.+)\?$", r"what is the number of \1 that i can \3?"),
        (r"^how many (.+)\?$", r"what number of \1?"),
        (r"^how much (.+)\?$", r"what amount \1?"),
        (r"^how long (.+)\?$", r"for what time \1?"),
        (r"^(?:may|can|am) i (?:allowed to )?(.+)\?$", r"is it allowed to \1?"),
        (r"^who (.+)\?$", r"which person \1?"),
        (r"^when (.+)\?$", r"at what time \1?"),
        (r"^where (.+)\?$", r"in which place \1?"),
        (r"^what is (.+)\?$", r"could you tell me \1?"),
        (r"^(?:what|which) (.+)\?$", r"please tell me what \1"),
        (r"^(.+)\?$", r"i would like to know: \1?"),
        (r"^(.+)\?$", r"a question from my team. \1?"),
        (r"\bholidays?\b|\bvacation\b", "annual leave"),
        (r"\blaptop\b", "notebook computer"),
        (r"\bemployees?\b", "staff"),
    ),
    "de": _rules(
        (r"^wie viele (.+)\?$", r"welche Anzahl \1?"),
        (r"^(?:darf|kann) ich (.+)\?$", r"ist es erlaubt: \1?"),
        (r"^wer (.+)\?$", r"welche Person \1?"),
        (r"^(.+)\?$", r"ich möchte wissen: \1?"),
        (r"^(.+)\?$", r"eine Frage aus dem Team: \1?"),
    ),
    "es": _rules(
        (r"^¿cuánt[oa]s (.+)\?$", r"¿qué número de \1?"),
        (r"^¿puedo (.+)\?$", r"¿está permitido \1?"),
        (r"^¿quién (.+)\?$", r"¿qué persona \1?"),
        (r"^¿(.+)\?$", r"quisiera saber: ¿\1?"),
        (r"^¿(.+)\?$", r"una pregunta de mi equipo: ¿\1?"),
    ),
}


def paraphrases(
    rows: Sequence[DatasetRow],
    count: int,
    encode: Encoder,
    away: EvaluationQuestions,
    others: Sequence[DatasetRow] = (),
) -> tuple[list[DatasetRow], Counter[str]]:
    """Up to `count` paraphrases of each row, and how many were refused, by reason.

    Args:
        rows: real training rows; their questions are what a paraphrase is validated against.
        others: real rows that get none, and that none may come nearer to than to its own.
        away: evaluation questions that no paraphrase may come near.
    """
    made: list[DatasetRow] = []
    refused: Counter[str] = Counter()
    if not count or not rows:
        return made, refused
    every = [*rows, *others]
    real = encode([row.question for row in every])
    taken = {row.question.casefold() for row in every}
    for n, row in enumerate(rows):
        kept = 0
        for text in _texts(row):
            if kept == count:
                break
            one = replace(row, question=text, origin="synthetic", parent=row.item_id, also=())
            reason = _refused(one, n, every, real, encode) or away.nearness(one, encode)
            if text.casefold() in taken or reason:
                refused[reason or "repeated"] += 1
                continue
            taken.add(text.casefold())
            made.append(one)
            kept += 1
    return made, refused


def _texts(row: DatasetRow) -> Iterator[str]:
    """The rules' wordings, in an order that differs from row to row."""
    rules = RULES.get(row.language, ())
    for _, (pattern, into) in sorted(enumerate(rules), key=lambda pair: _order(row.item_id, pair[0])):
        text = pattern.sub(into, row.question, count=1)
        if text != row.question:
            yield text[0].upper() + text[1:]


def _order(item_id: str, number: int) -> bytes:
    return hashlib.sha256(f"{item_id}/{number}".encode()).digest()


def _refused(one: DatasetRow, n: int, rows: Sequence[DatasetRow], real: Vectors, encode: Encoder) -> str:
    """Why a paraphrase is no good, "" where it is."""
    if Counter(_KEPT.findall(rows[n].question)) - Counter(_KEPT.findall(one.question)):
        return "lost_a_figure_or_name"
    at = one.target.passage
    if at is not None and one.passages[at].text[one.target.start : one.target.end].strip() == "":
        return "lost_the_answer"
    cosines = real @ encode([one.question])[0]
    if cosines[n] > NEAREST:
        return "too_near"
    if cosines[n] < FARTHEST:
        return "too_far"
    rivals = [m for m, row in enumerate(rows) if row.aim != rows[n].aim and cosines[m] >= cosines[n]]
    return "nearer_to_another" if rivals else ""
