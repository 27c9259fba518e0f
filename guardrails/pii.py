"""Personal and secret data in text: found by Presidio's patterns (no model, no network), masked by a stated policy.

What happens to what is found (`PersonalDataPolicy`; the mask is the label in angle brackets):

    entity                                          label             in a question   in an answer
    API_KEY PASSWORD PRIVATE_KEY URL_SECRET         SECRET            mask            mask
    CREDIT_CARD IBAN_CODE UK_BANK_ACCOUNT           CARD IBAN ACCOUNT mask            mask
    US_SSN US_ITIN UK_NINO UK_NHS ES_NIF ES_NIE
    DE_TAX_ID DE_SOCIAL_SECURITY PASSPORT           ID PASSPORT       mask            mask
    DATE_OF_BIRTH                                   DATE OF BIRTH     allow           mask if private
    EMAIL_ADDRESS PHONE_NUMBER                      EMAIL PHONE       allow           mask if private
    STREET_ADDRESS POSTCODE                         ADDRESS           allow           mask if private
    IP_ADDRESS MAC_ADDRESS                          IP MAC            allow           allow

A question keeps what the asker needs an answer about (their own address, a phone number to look up); numbers that
open an account or prove an identity never reach retrieval, the model or the store. In an answer, contact data are
`private` unless the address is at one of the organisation's own domains or is a team mailbox, and only where something
says so: a free-mail domain, or a word such as "home", "private" or "next of kin" near the datum in the answer or in a cited passage.
A service desk's number or an office's address is an ordinary answer. A birth date is always private. Private data are
shown where every passage that holds them is confidential or restricted: whoever gets that passage is cleared for it
(the retriever has checked twice), and it was labelled so because of what it holds. Secrets, identity and bank numbers
are masked even then; the citation opens the source.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from core.records import Entity, Passage, Verdict, clearance_rank

Handling = Literal["allow", "mask", "mask_private"]

THRESHOLDS: Mapping[str, float] = {
    "API_KEY": 0.8,
    "CREDIT_CARD": 0.6,
    "DATE_OF_BIRTH": 0.5,
    "DE_SOCIAL_SECURITY": 0.6,
    "DE_TAX_ID": 0.6,
    "EMAIL_ADDRESS": 0.6,
    "ES_NIE": 0.5,
    "ES_NIF": 0.5,
    "IBAN_CODE": 0.5,
    "IP_ADDRESS": 0.6,
    "MAC_ADDRESS": 0.6,
    "PASSPORT": 0.4,
    "PASSWORD": 0.8,
    "PHONE_NUMBER": 0.5,
    "POSTCODE": 0.6,
    "PRIVATE_KEY": 0.8,
    "STREET_ADDRESS": 0.6,
    "UK_BANK_ACCOUNT": 0.7,
    "UK_NHS": 0.7,
    "UK_NINO": 0.5,
    "URL_SECRET": 0.8,
    "US_ITIN": 0.5,
    "US_SSN": 0.4,
}
"""Lowest score at which an entity counts; an entity that is not here is not looked for."""

LABELS: Mapping[str, str] = {
    "API_KEY": "SECRET",
    "PASSWORD": "SECRET",
    "PRIVATE_KEY": "SECRET",
    "URL_SECRET": "SECRET",
    "CREDIT_CARD": "CARD",
    "IBAN_CODE": "IBAN",
    "UK_BANK_ACCOUNT": "ACCOUNT",
    "PASSPORT": "PASSPORT",
    "DATE_OF_BIRTH": "DATE OF BIRTH",
    "EMAIL_ADDRESS": "EMAIL",
    "PHONE_NUMBER": "PHONE",
    "STREET_ADDRESS": "ADDRESS",
    "POSTCODE": "ADDRESS",
    "IP_ADDRESS": "IP",
    "MAC_ADDRESS": "MAC",
}
"""What the mask says; the identity numbers, which are not here, say ID."""

SECRETS = frozenset({"API_KEY", "PASSWORD", "PRIVATE_KEY", "URL_SECRET"})
BANK = frozenset({"CREDIT_CARD", "IBAN_CODE", "UK_BANK_ACCOUNT"})
IDENTITY = frozenset({"US_SSN", "US_ITIN", "UK_NINO", "UK_NHS", "ES_NIF", "ES_NIE", "DE_TAX_ID", "DE_SOCIAL_SECURITY", "PASSPORT"})  # fmt: skip
CONTACT = frozenset({"DATE_OF_BIRTH", "EMAIL_ADDRESS", "PHONE_NUMBER", "STREET_ADDRESS", "POSTCODE"})

_FREE_MAIL = re.compile(
    r"@(?:g(?:oogle)?mail|hotmail|outlook|live|msn|y(?:ahoo|mail)|icloud|me|mac|aol|gmx|web|t-online|freenet|posteo|mailbox|"
    r"proton(?:mail)?|pm|tutanota|mail|btinternet|sky|virginmedia|talktalk|fastmail|zoho|terra|comcast|verizon|att)"
    r"\.(?:com?(?:\.\w\w)?|net|org|de|es|fr|it|me|uk)$",
    re.IGNORECASE,
)
"""Mail domains that people have privately."""
_PRIVATE_WORDS = re.compile(
    r"\b(?:private|privately|personal (?:mobile|phone|number|e-?mail|mail|address)|home (?:address|phone|number|tel\w*)|lives (?:at|in)|next of kin|emergency contact|"
    r"spouse|wife|husband|partner|daughter|son|mother|father|privat\w*|privatadresse|wohnhaft|wohnt|ehe(?:frau|mann|partner\w*)|notfallkontakt|angehörige\w*|"
    r"domicilio|particular|privad[oa]|personal:|cónyuge|esposa|marido|contacto de emergencia|vive en)\b",
    re.IGNORECASE,
)
_NEAR = 120
"""Characters on either side of a datum in which a word makes it private."""
WINDOW, OVERLAP = 4_000, 300
"""Longer texts are analysed in windows of this many characters, so that no pattern sees more."""


_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?P<kind>[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?)-----(?:.{0,16000}?-----END (?P=kind)-----|.{0,4000})"
    r"|PuTTY-User-Key-File-\d: .{0,8000}",
    re.DOTALL,
)
"""Looked for in the whole text, because a key is longer than a window."""


class Recognisers:
    """Finds entities. All instances share one Presidio engine, built by the first (about 1 s); safe in threads.

    Args:
        thresholds: entity to the lowest score that counts; entities not named are not looked for.
        allow: texts (product and policy names, published numbers) that are never personal data, whatever their case.
    """

    def __init__(self, thresholds: Mapping[str, float] = THRESHOLDS, allow: Sequence[str] = ()) -> None:
        with _building:
            self._engine = _engine()
        self._thresholds = dict(thresholds)
        self._patterned = sorted(self._thresholds.keys() - {"PRIVATE_KEY"})
        self._allow = frozenset(text.casefold() for text in allow)

    def find(self, text: str) -> tuple[Entity, ...]:
        """The entities of a text in order, none overlapping: a longer span takes in those that it overlaps."""
        found = [e for e in self._raw(text) if text[e.start : e.end].casefold() not in self._allow]
        return _resolved(found)

    def count(self, text: str) -> dict[str, int]:
        """How many entities of each type a text holds, as a document's record keeps it."""
        return dict(Counter(e.type for e in self.find(text)))

    def _raw(self, text: str) -> list[Entity]:
        found = [Entity("PRIVATE_KEY", m.start(), m.end(), 1.0) for m in _PRIVATE_KEY.finditer(text)]
        found = found if "PRIVATE_KEY" in self._thresholds else []
        for start in range(0, max(1, len(text) - OVERLAP), WINDOW - OVERLAP):
            window = text[start : start + WINDOW]
            for result in self._engine.analyze(window, language="en", entities=self._patterned):
                if result.score >= self._thresholds[result.entity_type]:
                    begin, end = start + result.start, start + result.end
                    found.append(Entity(result.entity_type, begin, end, round(float(result.score), 3)))
        return found


def _resolved(found: Sequence[Entity]) -> tuple[Entity, ...]:
    """One entity for each run of overlapping ones: the whole run's span, the type of the surest, then the longest."""
    runs: list[list[Entity]] = []
    end = -1
    for entity in sorted(found, key=lambda e: (e.start, -e.end)):
        if entity.start < end:
            runs[-1].append(entity)
        else:
            runs.append([entity])
        end = max(end, entity.end)
    return tuple(_merged(run) for run in runs)


def _merged(run: Sequence[Entity]) -> Entity:
    best = max(run, key=lambda e: (e.type in SECRETS, e.score, e.end - e.start))
    return Entity(best.type, min(e.start for e in run), max(e.end for e in run), best.score)


_building = threading.Lock()


@lru_cache(maxsize=1)
def _engine() -> Any:
    """The process's one AnalyzerEngine. It keeps nothing of a text between calls, so threads may share it."""
    # Its messages may quote what was analysed ("Failed to validate text ..."), and people's text is never logged.
    logging.getLogger("presidio-analyzer").disabled = True
    with _not_imported("torch", "transformers", "stanza", "tensorflow", "mxnet", "cupy"):
        from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
        from presidio_analyzer.context_aware_enhancers import LemmaContextAwareEnhancer

        from guardrails.patterns import Words, recognisers

    return AnalyzerEngine(
        registry=RecognizerRegistry(recognizers=recognisers(), supported_languages=["en"]),
        nlp_engine=Words(),
        supported_languages=["en"],
        context_aware_enhancer=LemmaContextAwareEnhancer(
            context_prefix_count=6, context_suffix_count=3, context_matching_mode="whole_word"
        ),
    )


@contextmanager
def _not_imported(*packages: str) -> Iterator[None]:
    """Imports inside find these optional packages missing, unless they are loaded already.

    Presidio and spaCy import torch and transformers wherever they are installed, for recognisers that we do not use: five
    seconds and 400 MB at each start. The assistant is built in one thread, so no other import meets this.
    """
    hidden = [package for package in packages if package not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for package in hidden:
            sys.modules.pop(package, None)


def _handling(masked: frozenset[str], private: frozenset[str] = frozenset()) -> dict[str, Handling]:
    return {
        name: "mask" if name in masked else "mask_private" if name in private else "allow"
        for name in sorted(THRESHOLDS)
    }


@dataclass(frozen=True, slots=True)
class PersonalDataPolicy:
    """What is done to each entity; the table stands in the module's docstring.

    Attributes:
        questions: entity to handling in a question (`mask_private` means `mask` there).
        answers: entity to handling in an answer.
        own_domains: mail domains whose addresses are the organisation's own.
    """

    questions: Mapping[str, Handling] = field(default_factory=lambda: _handling(SECRETS | BANK | IDENTITY))
    answers: Mapping[str, Handling] = field(default_factory=lambda: _handling(SECRETS | BANK | IDENTITY, CONTACT))
    own_domains: frozenset[str] = frozenset()


class PersonalData:
    """The guard of questions and of answer sentences: masks by the policy, never refuses, never logs what it found."""

    def __init__(
        self, stage: Literal["question", "answer"], policy: PersonalDataPolicy, recognisers: Recognisers
    ) -> None:
        self.name = f"personal_data_{stage}"
        self._stage = stage
        self._policy = policy
        self._recognisers = recognisers

    def check(self, text: str, passages: Sequence[Passage] = ()) -> Verdict:
        """Mask what the policy says; the entities of the verdict are those masked, with their place in the text given."""
        masked = tuple(e for e in self._recognisers.find(text) if self._masks(e, text, passages))
        if not masked:
            return Verdict(self.name, "allow", text)
        score = max(e.score for e in masked)
        return Verdict(self.name, "mask", mask(text, masked), rule="personal_data", score=score, entities=masked)

    def _masks(self, entity: Entity, text: str, passages: Sequence[Passage]) -> bool:
        if self._stage == "question":
            return self._policy.questions.get(entity.type, "mask") != "allow"
        handling = self._policy.answers.get(entity.type, "mask")
        return handling == "mask" or (handling == "mask_private" and self._is_private(entity, text, passages))

    def _is_private(self, entity: Entity, text: str, passages: Sequence[Passage]) -> bool:
        value = text[entity.start : entity.end]
        holders = [p for p in passages if value in p.text]
        if holders and all(clearance_rank(p.classification) >= clearance_rank("confidential") for p in holders):
            return False
        domain = value.rpartition("@")[2].casefold() if entity.type == "EMAIL_ADDRESS" else ""
        if domain in self._policy.own_domains:
            return False
        if entity.type == "DATE_OF_BIRTH" or _FREE_MAIL.search(value):
            return True
        places = [(text, entity.start)]
        places += [(p.text, match.start()) for p in holders for match in re.finditer(re.escape(value), p.text)]
        return any(_said_private(body, at, len(value)) for body, at in places)


def _said_private(body: str, at: int, length: int) -> bool:
    """Whether a word near the datum, within its line, says that it is a person's own."""
    before = body[max(0, at - _NEAR) : at].rpartition("\n")[2]
    after = body[at + length : at + length + _NEAR].partition("\n")[0]
    return _PRIVATE_WORDS.search(before) is not None or _PRIVATE_WORDS.search(after) is not None


def mask(text: str, entities: Sequence[Entity]) -> str:
    """The text with each entity replaced by its label, as `<IBAN>`."""
    parts, at = [], 0
    for entity in sorted(entities, key=lambda e: e.start):
        parts += [text[at : entity.start], f"<{LABELS.get(entity.type, 'ID')}>"]
        at = entity.end
    return "".join(parts) + text[at:]
