"""The trained judgement of questions and passages: the rails `injection_classifier` and `injection_passage_classifier`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from core.records import Passage, Verdict
from guardrails.sieve import Sieve, load_sieve

OPERATING_POINT = 0.5
_ENGLISH_WORDS = "the that and of to you your is are with for this it from or not any all when if must be by as"
_OTHER_WORDS = (
    "der die das und ist nicht mit für von zu den dem des ein eine wird werden zwischen bei nach auf sind im am bis wenn "
    "el la los las de que y en un una por con para se del al es son le les du et dans pour il lo gli di che per não os"
)
"""Frequent words of German, Spanish, French, Italian and Portuguese that English does not have."""
_ENGLISH, _OTHERS = frozenset(_ENGLISH_WORDS.split()), frozenset(_OTHER_WORDS.split())


class Judge(Protocol):
    """What the composition root hands in: `retrieval.judge.TextJudge`."""

    def __call__(self, stage: Literal["question", "passage"], texts: Sequence[str]) -> Sequence[float]:
        """A score in [0, 1] for each text: how likely it is an attempt to steer the assistant. 0.5 is the operating point."""
        ...


class InjectionClassifier:
    """The guard of questions that read like an attempt, in words that no rule knows.

    Args:
        threshold: least score that refuses; 0.5 is the operating point on the judge's card.
    """

    name = "injection_classifier"

    def __init__(self, judge: Judge, threshold: float = OPERATING_POINT) -> None:
        self._judge = judge
        self._threshold = threshold

    def check(self, text: str, passages: Sequence[Passage] = ()) -> Verdict:  # noqa: ARG002
        (score,) = self._judge("question", [text])
        score = round(score, 4)
        if score >= self._threshold:
            return Verdict(self.name, "refuse", text, rule="classifier", score=score)
        return Verdict(self.name, "allow", text, score=score)


class PassageClassifier:
    """The guard of passages with a sentence that gives the assistant a task or an order.

    Sentences in other languages than English are left to the rules: the judge's encoder reads English, and it took one in six of
    the demo's German passages for an order.

    Args:
        sieve: picks the sentences that are judged; the committed one where none is given.
    """

    name = "injection_passage_classifier"

    def __init__(self, judge: Judge, threshold: float = OPERATING_POINT, sieve: Sieve | None = None) -> None:
        self._judge = judge
        self._threshold = threshold
        self._sieve = sieve or load_sieve()

    def check(self, text: str, passages: Sequence[Passage] = ()) -> Verdict:  # noqa: ARG002
        suspects = [sentence for sentence in self._sieve.suspects(text) if not _reads_foreign(sentence)]
        score = round(max(self._judge("passage", suspects), default=0.0), 4) if suspects else 0.0
        if score >= self._threshold:
            return Verdict(self.name, "drop", text, rule="classifier", score=score)
        return Verdict(self.name, "allow", text, score=score)


def _reads_foreign(sentence: str) -> bool:
    words = sentence.lower().split()
    return sum(word in _OTHERS for word in words) > sum(word in _ENGLISH for word in words)
