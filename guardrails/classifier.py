"""The trained judgement of questions: the rail `injection_classifier`."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from core.records import Passage, Verdict
from guardrails.heads import Encoder, Head, load_head, windows

log = logging.getLogger(__name__)

OPERATING_POINT = 0.5


class Judge:
    """One head over an encoder: the score of a text's worst window.

    A text of up to 150 words is one window, encoded as it is: an embedder that remembers its latest texts has that vector
    at hand again when the same question is searched for.
    """

    def __init__(self, head: Head, encoder: Encoder) -> None:
        self._head = head
        self._encoder = encoder

    def __call__(self, text: str) -> float:
        """Probability in [0, 1]; 0.5 is the operating point on the head's card."""
        pieces = list(windows(text))
        if len(pieces) > 1:
            vectors = np.concatenate([self._encoder.encode([piece]) for piece in pieces])
        else:
            vectors = self._encoder.encode(pieces)
        return float(self._head.scores(pieces, vectors).max())


def open_judge(encoder: Encoder | None) -> Judge | None:
    """The committed head's judge; None where there is no encoder, or another one than the head was trained on.

    A head says nothing about another encoder's vectors. Its rail is then absent, which is logged, and the rules stand alone:
    `python -m training injection` trains a head for that encoder.
    """
    if encoder is None:
        return None
    head = load_head()
    if head.encoder != encoder.name:
        log.warning(
            "the injection head is trained on %s, not on %s: only the rules judge. Train one for it with "
            "`python -m training injection`",
            head.encoder,
            encoder.name,
        )
        return None
    return Judge(head, encoder)


class InjectionClassifier:
    """The guard of questions that read like an attempt, in words that no rule knows.

    Args:
        threshold: least score that refuses; 0.5 is the operating point on the card.
    """

    name = "injection_classifier"

    def __init__(self, judge: Judge, threshold: float = OPERATING_POINT) -> None:
        self._judge = judge
        self._threshold = threshold

    def check(self, text: str, passages: Sequence[Passage] = ()) -> Verdict:  # noqa: ARG002
        score = round(self._judge(text), 4)
        if score >= self._threshold:
            return Verdict(self.name, "refuse", text, rule="classifier", score=score)
        return Verdict(self.name, "allow", text, score=score)
