"""The documents that continued pretraining reads: approved, in force, and open to those named in the configuration.

A model knows no groups: whoever it serves may be told what it has read. So a document that shuts a group out is left out whole, a
version that a newer one has replaced too, and a paragraph in which the chat would mask personal data.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from assistant.console import Opened
from core.records import Document, Principal
from core.run_config import PretrainConfig
from guardrails.names_model import names_of
from guardrails.pii import PersonalData, PersonalDataPolicy, Recognisers, chat_thresholds
from guardrails.policy_book import PolicyBook
from guardrails.rails import own_domains
from retrieval.catalogue import ANSWERING_STATES, Catalogue

_PARAGRAPH = re.compile(r"\n\s*\n")


@dataclass(frozen=True, slots=True)
class Text:
    """A document's title and what is read of it; `sha256` is of its file."""

    document_id: str
    version: int
    text: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Library:
    """What is read, by document id. `shut`: documents left out because they shut a group out; `personal`: paragraphs."""

    texts: tuple[Text, ...]
    shut: int
    personal: int

    @property
    def sha256(self) -> str:
        said = [[text.document_id, text.version, text.text] for text in self.texts]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def read_library(config: PretrainConfig, here: Opened, today: date) -> Library:
    """What people of `config.groups` with `config.clearance` may read on that day, each text once."""
    catalogue = Catalogue(here.store, here.audit)
    everything = catalogue.documents()
    reader = Principal("training", "", "", frozenset(config.groups), config.clearance, frozenset())
    readable = [one for one in everything if _serves(one, everything, today) and one.readable_by(reader)]
    open_to_all = [one for one in readable if not one.denied_groups]
    once = {one.sha256: one for one in reversed(open_to_all)}
    guard = _guard(here)
    texts, personal = [], 0
    for one in sorted(once.values(), key=lambda d: (d.document_id, d.version)):
        paragraphs = [p.strip() for p in _PARAGRAPH.split(catalogue.full_text(one.document_id, one.version))]
        kept = [p for p in paragraphs if p and guard.check(p).action == "allow"]
        personal += sum(bool(p) for p in paragraphs) - len(kept)
        if kept:
            texts.append(Text(one.document_id, one.version, "\n\n".join([one.title, *kept]), one.sha256))
    return Library(tuple(texts), len(readable) - len(open_to_all), personal)


def _serves(one: Document, everything: Sequence[Document], today: date) -> bool:
    """In force, and no approved newer version has taken its place."""
    newer = (
        other.document_id == one.document_id
        and other.version > one.version
        and other.status == "approved"
        and other.state in ANSWERING_STATES
        and other.effective <= today
        for other in everything
    )
    return one.state in ANSWERING_STATES and one.in_force(today) and not any(newer)


def _guard(here: Opened) -> PersonalData:
    section = (
        PolicyBook(here.settings.home / "policies", here.settings.policy, here.audit).in_force().policy.personal_data
    )
    handling = PersonalDataPolicy(section, frozenset(own_domains(here.settings)))
    return PersonalData(
        "answer", handling, Recognisers(chat_thresholds(section), section.allow, names=names_of(here.settings))
    )
