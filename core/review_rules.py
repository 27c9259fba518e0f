"""The rules of review that need no store: is a judgement sound, where does a marked answer stand, do two reviewers agree."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast, get_args

from core.errors import BadInput, Conflict
from core.records import DECISIONS, Correction, Decision, Triage, Turn
from core.review_records import Evidence, Judgement

CORRECTIONS = ("span", "text", "refuse", "clarify", "confirm")
LONGEST_ANSWER, LONGEST_NOTE = 8000, 4000
AGREE = 0.8
"""F1 of two answers' words from which they count as the same answer, where numbers and negations are the same too."""
NEGATIONS = frozenset(
    {"not", "no", "never", "without", "cannot", "neither", "nor"}
    | {"nicht", "kein", "keine", "keinen", "nie", "ohne"}
    | {"ni", "nunca", "sin", "tampoco"}
)


def sound(judgement: Judgement, turn: Turn, passages: Sequence[Evidence]) -> Judgement:
    """The judgement with its correction made exact: a span's answer is the passage's own words.

    Args:
        passages: what the reviewer may read of the turn's passages, and the one that the correction names.

    Raises:
        BadInput: something is missing or does not fit; says what.
        Conflict: the turn has no text to learn from, or the passage's text is gone.
    """
    if judgement.decision not in DECISIONS:
        raise BadInput(f"Choose one of: {', '.join(DECISIONS)}.")
    if len(judgement.note) > LONGEST_NOTE:
        raise BadInput(f"A note has at most {LONGEST_NOTE} characters.")
    seconds = judgement.seconds if math.isfinite(judgement.seconds) and judgement.seconds >= 0 else 0.0
    judgement = replace(judgement, note=judgement.note.strip(), seconds=min(seconds, 86_400.0))
    match judgement.decision, judgement.correction:
        case "train", None:
            raise BadInput("Say what the answer should have been: mark it in a passage, or write it.")
        case "train", correction if correction is not None:
            if not turn.question.strip():
                raise Conflict("Nothing was kept of this question: it was asked in a temporary chat, or deleted.")
            return replace(judgement, correction=_correction(correction, turn, passages))
        case "fix_document", correction:
            if not judgement.note:
                raise BadInput("Write in the note what the document's owner should put right.")
            if correction is None:
                return judgement
            return replace(judgement, correction=_span(replace(correction, kind="span"), passages))
        case _, None:
            return judgement
        case _:
            raise BadInput("A correction goes with the decision train (or marks what is wrong, with fix_document).")


def _correction(given: Correction, turn: Turn, passages: Sequence[Evidence]) -> Correction:
    if given.kind not in CORRECTIONS:
        raise BadInput(f"A correction is one of: {', '.join(CORRECTIONS)}.")
    if len(given.answer) > LONGEST_ANSWER:
        raise BadInput(f"An answer has at most {LONGEST_ANSWER} characters.")
    if given.kind == "span":
        return _span(given, passages)
    if given.kind in ("text", "clarify"):
        if not given.answer.strip():
            raise BadInput("Write the answer." if given.kind == "text" else "Write what should have been asked back.")
        return Correction(given.kind, given.answer.strip())
    if given.kind == "confirm" and turn.status not in ("answered", "no_answer"):
        raise BadInput("There is no answer to confirm: this question was refused, failed or was stopped.")
    return Correction(given.kind)


def _span(given: Correction, passages: Sequence[Evidence]) -> Correction:
    if not given.passage_id:
        return located(given.answer, passages)
    found = next((p for p in passages if p.passage_id == given.passage_id), None)
    if found is None or not found.text:
        raise Conflict(
            "The text of that passage is not held any more, or is not yours to read: choose another passage."
        )
    if given.end <= given.start:
        return located(given.answer, [found])
    said = found.text[given.start : given.end] if given.start >= 0 else ""
    if given.end > len(found.text) or not said.strip():
        raise BadInput("The marked place lies outside the passage: mark it again.")
    if given.answer and _plain(given.answer) != _plain(said):
        raise BadInput("The marked place does not hold these words: the passage has changed, mark it again.")
    start = given.start + len(said) - len(said.lstrip())
    return Correction("span", said.strip(), found.passage_id, start, start + len(said.strip()))


def located(answer: str, passages: Sequence[Evidence]) -> Correction:
    """The first passage and place where these words stand, whatever spaces and line ends lie between them.

    Raises BadInput where none has them.
    """
    words = answer.split()
    pattern = re.compile(r"\s+".join(re.escape(word) for word in words)) if words else None
    for one in passages:
        if pattern and (found := pattern.search(one.text)):
            return Correction("span", found[0], one.passage_id, found.start(), found.end())
    raise BadInput("These words stand in none of the passages: mark them there, or write the answer as text.")


def correction_from(given: Mapping[str, Any]) -> Correction:
    """A correction from JSON; BadInput for an unknown key or a value of another type."""
    if unknown := sorted(set(given) - set(Correction.__slots__)):
        raise BadInput(f"A correction has no {', '.join(unknown)[:80]}; it has {', '.join(Correction.__slots__)}.")
    if given.get("kind") not in CORRECTIONS:
        raise BadInput(f"A correction's kind is one of: {', '.join(CORRECTIONS)}.")
    texts = [given.get("answer", ""), given.get("passage_id", "")]
    places = [given.get("start", 0), given.get("end", 0)]
    if not all(isinstance(one, str) for one in texts) or not all(type(one) is int for one in places):
        raise BadInput("In a correction, answer and passage_id are texts, start and end whole numbers.")
    return Correction(given["kind"], *texts, *places)


def decision_from(word: object) -> Decision:
    if word not in get_args(Decision):
        raise BadInput(f"A decision is one of: {', '.join(DECISIONS)}.")
    return cast(Decision, word)


def settled(made: Sequence[Triage]) -> Triage:
    """The decision that holds. Of two that agree, the one that marks its words in a passage, which is exact."""
    if made[-1].step == "adjudication":
        return made[-1]
    spans = [one for one in made if one.correction is not None and one.correction.kind == "span"]
    return spans[0] if spans else made[0]


def agree(one: Triage, other: Triage) -> bool:
    """Whether two reviewers said the same: the same decision and, for `train`, the same answer."""
    if one.decision != other.decision:
        return False
    if one.decision != "train" or one.correction is None or other.correction is None:
        return True
    return same_answer(one.correction, other.correction)


def same_answer(one: Correction, other: Correction) -> bool:
    """Whether two corrections teach the same: marked or written, the same numbers, the same negations, nearly the same words."""
    written = ("span", "text")
    if one.kind != other.kind and not (one.kind in written and other.kind in written):
        return False
    if one.kind in ("refuse", "confirm"):
        return True
    mine, theirs = _words(one.answer), _words(other.answer)
    if _decisive(mine) != _decisive(theirs):
        return False
    common = (mine & theirs).total()
    return common > 0 and 2 * common / (mine.total() + theirs.total()) >= AGREE


def _words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+(?:[.,]\d+)*", text.casefold()))


def _decisive(words: Counter[str]) -> set[str]:
    return {word for word in words if word in NEGATIONS or any(c.isdigit() for c in word)}


def _plain(text: str) -> str:
    return " ".join(text.split())
