"""The trained judgement of questions and passages: the rails `injection_classifier` and `injection_passage_classifier`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Protocol

from core.records import Passage, Verdict
from guardrails.normalise import as_read
from guardrails.sieve import Sieve, load_sieve
from guardrails.surroundings import Encode, Surroundings, load_surroundings
from guardrails.wording import Wording, load_wording

OPERATING_POINT = 0.5
_LEAST = 1e-6
"""How near to 0 and 1 a judge's score counts: a network that is sure of nonsense must not outvote everything."""
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
        """A score in [0, 1] for each text: how likely it is an attempt to steer the assistant. 0.5 is the operating point, of a question
        when its wording's log-odds are added."""
        ...


class InjectionClassifier:
    """The guard of questions that read like an attempt, in words that no rule knows.

    Args:
        threshold: least score that refuses; 0.5 is the operating point on the judge's card.
        wording: judges beside the network; the committed one where none is given.
    """

    name = "injection_classifier"

    def __init__(self, judge: Judge, threshold: float = OPERATING_POINT, wording: Wording | None = None) -> None:
        self._judge = judge
        self._threshold = threshold
        self._wording = wording or load_wording()

    def check(self, text: str, passages: Sequence[Passage] = ()) -> Verdict:  # noqa: ARG002
        (judged,) = self._judge("question", [as_read(text)])
        score = round(together(judged, self._wording.log_odds(text)), 4)
        if score >= self._threshold:
            return Verdict(self.name, "refuse", text, rule="classifier", score=score)
        return Verdict(self.name, "allow", text, score=score)


class PassageClassifier:
    """The guard of passages with a sentence that gives the assistant a task or an order.

    Sentences in other languages than English are left to the rules: the judge's encoder reads English, and it took one in six of
    the demo's German passages for an order.

    Args:
        sieve: picks the sentences that are judged; the committed one where none is given.
        encode: gives the vectors of sentences by which one is compared with those around it; without it the judge stands alone.
        surroundings: what that comparison says; the committed weights where none are given.
    """

    name = "injection_passage_classifier"

    def __init__(
        self,
        judge: Judge,
        threshold: float = OPERATING_POINT,
        *,
        sieve: Sieve | None = None,
        encode: Encode | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        self._judge = judge
        self._threshold = threshold
        self._sieve = sieve or load_sieve()
        self._encode = encode
        self._surroundings = surroundings or load_surroundings()

    def check(self, text: str, passages: Sequence[Passage] = ()) -> Verdict:  # noqa: ARG002
        read = suspects(self._sieve, text)
        score = round(self._score(text, read), 4) if read else 0.0
        if score >= self._threshold:
            return Verdict(self.name, "drop", text, rule="classifier", score=score)
        return Verdict(self.name, "allow", text, score=score)

    def _score(self, text: str, read: Sequence[str]) -> float:
        """The worst sentence's score. Where its surroundings could not move it over the threshold, they are not looked at."""
        judged = self._judge("passage", read)
        worst = max(judged)
        if self._encode is None:
            return worst
        least, most = (together(worst, bound) for bound in self._surroundings.bounds)
        if least >= self._threshold or most < self._threshold:
            return least
        beside = self._surroundings.log_odds(text, read, self._encode)
        return max(together(score, odds) for score, odds in zip(judged, beside, strict=True))


def suspects(sieve: Sieve, text: str) -> list[str]:
    """The sentences of a passage that the judge reads."""
    return [sentence for sentence in sieve.suspects(text) if not _reads_foreign(sentence)]


def together(score: float, log_odds: float) -> float:
    """The score that the judge's score and the wording's log-odds make, added up as log-odds.

    Raises:
        ValueError: the judge's score is none.
    """
    if not 0 <= score <= 1:
        raise ValueError("the judge's score is no probability")
    kept = min(max(score, _LEAST), 1 - _LEAST)
    return 1 / (1 + math.exp(-(math.log(kept / (1 - kept)) + log_odds)))


def _reads_foreign(sentence: str) -> bool:
    words = sentence.lower().split()
    english = sum(word in _ENGLISH for word in words)
    return sum(word in _OTHERS for word in words) > english or (not english and _in_other_letters(sentence))


def _in_other_letters(sentence: str) -> bool:
    """Whether one letter in ten or more is none of the English alphabet's, also as people read it."""
    letters = [c for c in as_read(sentence) if c.isalpha()]
    return sum(not c.isascii() for c in letters) * 10 >= max(1, len(letters))
