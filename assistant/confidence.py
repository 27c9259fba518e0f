"""How sure the embedded answer models are that the passages answer: what it says where it is not is in assistant/refusals.py.

Fitted by `scripts/fit_quote.py` on questions that the demo's documents and two handbooks answer and questions that they do not, as the
chance that what would be quoted is right.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from assistant.words import content_words
from core.records import Passage
from retrieval.glossary import Glossary

if TYPE_CHECKING:
    from assistant.prompt import Prompt
    from assistant.quote import Scored

WEIGHTS: Mapping[str, float] = {"closeness": 0.9, "covered": 0.4, "evidence": 1.9, "spread": -0.9, "offset": -0.5}
READ_WEIGHTS: Mapping[str, float] = {
    "closeness": 0.58,
    "covered": 0.35,
    "evidence": 1.43,
    "spread": -0.68,
    "offset": -1.0,
    "margin": 1.28,
}
"""Where a reader has read, too."""
LEAST = 0.35
"""Below this nothing is answered. By weights fitted on the other half of the demo's questions and on handbooks, 12 % of the right answers to
one half fall below it, and 57 % of those to questions that nothing answers; on handbooks held out, 16 % and 49 %."""
LEAST_CLOSENESS = 0.2
"""Below this cosine to the question no part answers it, whatever words they share."""
_CODE = re.compile(r"\b(?!Q[1-4]\b|H[12]\b)([A-Z]{1,4})-?(\d{1,4})([A-Z]?)\b")
_MODEL = re.compile(r"\b([A-Z][a-z]{2,})[ -](?!(?:19|20)\d\d\b)(\d{2,4})\b")


def signals(
    question: str,
    scored: Sequence[Scored],
    passages: Sequence[Passage],
    *,
    evidence: float,
    glossary: Glossary,
    margin: float | None = None,
) -> dict[str, float]:
    """By the names of WEIGHTS: cosine of the best part, share of the question's words in its passage, the retriever's evidence,
    and the entropy of the chances, in nats, the rows of one table being one part: which of them answers is asked back. `margin` is
    what a reader adds to them: how far all its spans together lie above "no answer"."""
    best = scored[0]
    passage = passages[best.passage]
    asked = set(content_words(glossary.plain(question)))
    said = set(content_words(glossary.plain(f"{passage.title} {passage.section} {passage.text}")))
    return {
        "closeness": best.closeness,
        "covered": len(asked & said) / max(1, len(asked)),
        "evidence": evidence,
        "spread": _spread(scored),
        "offset": 1.0,
    } | ({} if margin is None else {"margin": margin})


def _spread(scored: Sequence[Scored]) -> float:
    together: defaultdict[tuple[object, ...], float] = defaultdict(float)
    for nth, s in enumerate(scored):
        together[(s.document_id, s.unit.head) if s.unit.kind == "row" else (nth,)] += s.chance
    return -sum(chance * math.log(chance) for chance in together.values() if chance > 0)


def sure_enough(prompt: Prompt, scored: Sequence[Scored], glossary: Glossary, margin: float | None = None) -> bool:
    """Whether the best parts are likely enough to answer a prompt's question to be said; `margin` as in `signals`."""
    if max((s.closeness for s in scored), default=0.0) < LEAST_CLOSENESS or names_another(
        prompt.question, prompt.passages
    ):
        return False
    found = confidence(
        prompt.question, scored, prompt.passages, evidence=prompt.evidence, glossary=glossary, margin=margin
    )
    return found >= LEAST


def names_another(question: str, passages: Sequence[Passage]) -> bool:
    """Whether a question is about a code or a model that no passage names: "E99" among E1 to E60, or "Tern 300" beside "Tern 200"."""
    said = " ".join(f"{p.title} {p.section} {p.text}" for p in passages).casefold()
    if any(not _holds(said, *code) for code in _CODE.findall(question)):
        return True
    models = [(name.casefold(), number) for name, number in _MODEL.findall(question)]
    return any(
        re.search(rf"\b{re.escape(name)} {number}\b", said) is None and re.search(rf"\b{re.escape(name)} \d", said)
        for name, number in models
    )


def _holds(said: str, letters: str, number: str, ending: str) -> bool:
    """Whether a text in small letters names a code, with its hyphen or without, or a range that it lies in."""
    first = rf"\b{letters.casefold()}-?"
    if re.search(rf"{first}{number}{ending.casefold()}\b", said):
        return True
    ranges = re.findall(
        rf"{first}(\d+) ?(?:to|bis|a|and|und|y|-|–) ?(?:{letters.casefold()}-?(\d+)|above|more|höher|higher|más)", said
    )
    return any(int(low) <= int(number) <= int(high or 10**9) for low, high in ranges)


def confidence(
    question: str,
    scored: Sequence[Scored],
    passages: Sequence[Passage],
    *,
    evidence: float,
    glossary: Glossary,
    margin: float | None = None,
) -> float:
    """The chance that the best parts answer the question; 0 where there is none. `margin` as in `signals`."""
    if not scored:
        return 0.0
    weights = WEIGHTS if margin is None else READ_WEIGHTS
    found = signals(question, scored, passages, evidence=evidence, glossary=glossary, margin=margin)
    return 1 / (1 + math.exp(-sum(weights[name] * value for name, value in found.items())))
