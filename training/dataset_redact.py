"""Redaction of rows with the recognisers of the chat, names included; what is still seen afterwards keeps the row out.

People's words (the question, what a reviewer wrote) lose everything that is found. Words of documents and of the
assistant lose what the chat's policy would mask in an answer to somebody without special clearance.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

from core.records import Entity
from core.settings import Settings
from guardrails.decode import views
from guardrails.names_model import names_of
from guardrails.normalise import remove_invisible
from guardrails.pii import PersonalData, PersonalDataPolicy, Recognisers, chat_thresholds, mask
from guardrails.policy import Policy
from guardrails.rails import own_domains
from training.dataset_rows import DatasetRow

PERSON = 0.6
"""Least score of a name. The chat leaves names in questions; a set that is kept for years does not."""
KNOWN = 20_000
"""Texts of which the redaction remembers what it found."""
Find = Callable[[str], Sequence[Entity]]


class Redaction:
    """Masks rows. Building one costs about a second; it is safe to use from several threads.

    Each text is read once: rows share passages, and what holds nothing is the same text after masking.
    """

    def __init__(self, settings: Settings, policy: Policy) -> None:
        section = policy.personal_data
        thresholds = chat_thresholds(section)
        handling = PersonalDataPolicy(section, frozenset(own_domains(settings)))
        names = names_of(settings)
        once = lru_cache(maxsize=KNOWN)
        self._people: Find = once(Recognisers(thresholds | {"PERSON": PERSON}, section.allow, names=names).find)
        answers = PersonalData("answer", handling, Recognisers(thresholds, section.allow, names=names))
        self._documents: Find = once(lambda text: answers.check(text).entities)

    def row(self, row: DatasetRow) -> DatasetRow | str:
        """The masked row, or `personal_data_in_answer` or `still_detected`."""
        target, passages = row.target, row.passages
        texts = [self._masked(p.text, self._documents) for p in passages]
        written = target.passage is None and target.kind in ("text", "clarify")
        answer = self._masked(target.answer, self._people if written else self._documents)
        if answer != target.answer:
            return "personal_data_in_answer"  # it would teach to say a mask
        start, end = target.start, target.end
        if target.passage is not None:
            found = self._documents(passages[target.passage].text)
            if any(e.start < end and start < e.end for e in found):
                return "personal_data_in_answer"
            start, end = (_moved(place, passages[target.passage].text, found) for place in (start, end))
        masked = replace(
            row,
            question=self._masked(row.question, self._people),
            rejected=self._masked(row.rejected, self._documents),
            passages=tuple(replace(p, text=t) for p, t in zip(passages, texts, strict=True)),
            target=replace(target, start=start, end=end),
        )
        return "still_detected" if self._still(masked) else masked

    def _masked(self, text: str, find: Find) -> str:
        return mask(text, find(text))

    def _still(self, row: DatasetRow) -> bool:
        """Whether anything is found in the masked texts, as written or as a person or a decoder reads them."""
        documents = (row.rejected, row.target.answer, *(p.text for p in row.passages))
        decoded = [view.text for view in views(row.question)]
        return any(self._people(seen) for seen in (*_seen(row.question), *decoded)) or any(
            self._documents(seen) for text in documents for seen in _seen(text)
        )


def _seen(text: str) -> set[str]:
    """The text as it is written, and without what nobody sees."""
    return {text, unicodedata.normalize("NFKC", remove_invisible(text))}


def _moved(place: int, text: str, found: Sequence[Entity]) -> int:
    """Where a place of the text stands once everything found before it is masked."""
    before = [e for e in found if e.end <= place]
    return len(mask(text[:place], before))
