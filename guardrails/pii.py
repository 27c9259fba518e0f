"""Personal and secret data in text: found by patterns and a small trained network (Presidio, no download), masked by a stated policy.

What happens to what is found stands in guardrails/policy.yaml, entity by entity; the mask is the entity's label in angle
brackets (`guardrails/entities.py`), as `<IBAN>`. As packaged:

A question keeps what the asker needs an answer about (their own address, a phone number to look up); numbers that
open an account or prove an identity never reach retrieval, the model or the store. In an answer, contact data are
`private` unless the address is at one of the organisation's own domains or is a team mailbox, and only where something
says so: a free-mail domain, or a word such as "home", "private" or "next of kin" near the datum in the answer or in a cited passage.
A service desk's number or an office's address is an ordinary answer. A birth date is always private. Private data are
shown where every passage that holds them is confidential or restricted: whoever gets that passage is cleared for it
(the retriever has checked twice), and it was labelled so because of what it holds. Secrets, identity and bank numbers
are masked even then; the citation opens the source. An answer is judged with its passages: what is masked where it stands
there is masked wherever the answer repeats it (`guardrails/repeated.py`).
"""

from __future__ import annotations

import hashlib
import logging
import re
import sys
import threading
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal

from core.errors import SettingsError
from core.records import CLASSIFICATIONS, Action, Entity, Passage, Role, Verdict, clearance_rank
from guardrails.entities import ENTITIES, NAMES
from guardrails.ner import KINDS, Names, open_names
from guardrails.overlaps import joined_addresses as joined_addresses  # the training of names asks for it here
from guardrails.overlaps import plainly_spelt, resolved
from guardrails.policy import Handling, PersonalDataSection, load_policy
from guardrails.pseudonyms import Namer
from guardrails.repeated import Datum, may_repeat, readings, repeats

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
    r"(?:mi|su) domicilio|domicilio(?: particular| privado|:)|particular|privad[oa]|personal:|cónyuge|esposa|marido|contacto de emergencia|vive en)\b",
    re.IGNORECASE,
)
_BIRTH_WORDS = re.compile(
    r"\b(?:born|birth\w*|dob|d\.o\.b|geboren\w*|geburts\w*|geb|nacimiento|nacid[oa]|nací)\b", re.IGNORECASE
)
"""Without one of them near it a date is a policy's, and masking it would spoil the answer."""
_NEAR = 120
"""Characters on either side of a datum in which a word makes it private."""
_LONGEST_WORD = 60
"""Characters of such a word."""
WINDOW, OVERLAP = 4_000, 300
"""Longer texts are analysed in windows of this many characters, so that no pattern sees more."""
KEPT = 50_000
"""Passages whose personal data are known, newest used; about 150 bytes each, and what is found."""


_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?P<kind>[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?)-----(?:.{0,16000}?-----END (?P=kind)-----|.*)"
    r"|PuTTY-User-Key-File-\d: .{0,8000}",
    re.DOTALL,
)
"""Looked for in the whole text, because a key is longer than a window. One without an end is all that follows."""
_BROKEN = re.compile(r"(?<=[0-9A-Za-z])[ \t-]*\n[ \t]*(?=[A-Za-z]{0,4}\d)")
"""A line end within a number: cards and account numbers are looked for across it."""
_LONG_NUMBERS = frozenset({"CREDIT_CARD", "IBAN_CODE"})


class Recognisers:
    """Finds entities. All instances share one Presidio engine, built by the first (about 2 s); safe in threads.

    Args:
        thresholds: entity to the lowest score that counts; entities not named are not looked for. Without any, those that
            the packaged policy counts in documents.
        allow: texts (product and policy names, published numbers) that are never personal data, whatever their case.
        names: the recogniser of names and places (`guardrails.names_model.names_of` gives the settings'); None leaves them to patterns and lists, at a tenth of the time.

    Raises:
        SettingsError: an entity that no recogniser finds, or the trained recogniser cannot be read.
    """

    def __init__(
        self,
        thresholds: Mapping[str, float] | None = None,
        allow: Sequence[str] = (),
        *,
        names: Names | Literal["packaged"] | None = "packaged",
    ) -> None:
        self._thresholds = load_policy().thresholds(documents=True) if thresholds is None else dict(thresholds)
        with _building:
            self._engine = _engine(names if self._thresholds.keys() & set(KINDS) else None)
        missing = sorted(self._thresholds.keys() - self._engine.get_supported_entities() - {"PRIVATE_KEY"})
        if missing:
            raise SettingsError(
                f"The policy looks for {', '.join(missing)}, which no recogniser finds: take it out of `entities`, or install what finds it."
            )
        self.looks_for = frozenset(self._thresholds)
        self._patterned = sorted(self._thresholds.keys() - {"PRIVATE_KEY"})
        self._allow = frozenset(text.casefold() for text in allow)
        self._bare: Recognisers | None = None
        self._known: OrderedDict[bytes, tuple[Datum, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def without_names(self) -> Recognisers:
        """The same, without the network of names; one and the same each time, because it remembers."""
        if self._bare is None:
            self._bare = Recognisers(self._thresholds, sorted(self._allow), names=None)
        return self._bare

    def data_of(self, text: str, section: str = "") -> tuple[Datum, ...]:
        """What a passage holds, its tables, lists and forms read with their labels. The newest passages are kept read."""
        key = hashlib.blake2b(f"{section}\0{text}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        found = dict.fromkeys(datum for reading in readings(text, section) for datum in self._data(reading))
        with self._lock:
            self._known[key] = tuple(found)
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        return tuple(found)

    def _data(self, text: str) -> Iterator[Datum]:
        for e in self.find(text):
            value, words = text[e.start : e.end], _BIRTH_WORDS if e.type == "DATE_OF_BIRTH" else _PRIVATE_WORDS
            yield Datum(e.type, value, e.score, _said(words, text, e.start, len(value)))

    def find(self, text: str) -> tuple[Entity, ...]:
        """The entities of a text in order, none overlapping."""
        found = [e for e in self.raw(text) if text[e.start : e.end].casefold() not in self._allow]
        return joined_addresses(text, resolved(text, found))

    def count(self, text: str) -> dict[str, int]:
        """How many entities of each type a text holds, as a document's record keeps it."""
        return dict(Counter(e.type for e in self.find(text)))

    def raw(self, text: str) -> list[Entity]:
        """All that is found, also what is always allowed, what overlaps, and what is part of something else."""
        text = plainly_spelt(text)
        found = [Entity("PRIVATE_KEY", m.start(), m.end(), 1.0) for m in _PRIVATE_KEY.finditer(text)]
        found = found if "PRIVATE_KEY" in self._thresholds else []
        return [*found, *self._analysed(self._engine, text, self._patterned), *self._across_lines(text)]

    def _analysed(self, engine: Any, text: str, kinds: Sequence[str]) -> Iterator[Entity]:
        for start in range(0, max(1, len(text) - OVERLAP), WINDOW - OVERLAP):
            window = text[start : start + WINDOW]
            for result in engine.analyze(window, language="en", entities=list(kinds)):
                if result.score >= self._thresholds[result.entity_type]:
                    begin, end = start + result.start, start + result.end
                    yield Entity(result.entity_type, begin, end, round(float(result.score), 3))

    def _across_lines(self, text: str) -> Iterator[Entity]:
        """Long numbers that a line end breaks in two."""
        kinds = sorted(_LONG_NUMBERS & self._thresholds.keys())
        breaks = list(_BROKEN.finditer(text)) if kinds and "\n" in text else []
        if not breaks:
            return
        places: list[int] = []
        for before, match in zip([0, *(m.end() for m in breaks)], breaks, strict=False):
            places += range(before, match.start() + 1)
        places += range(breaks[-1].end(), len(text))
        for entity in self._analysed(_engine(None), _BROKEN.sub(" ", text), kinds):
            start, end = places[entity.start], places[entity.end - 1] + 1
            if "\n" in text[start:end]:
                yield replace(entity, start=start, end=end)


_building = threading.Lock()


@lru_cache(maxsize=4)
def _engine(names: Names | Literal["packaged"] | None) -> Any:
    """The process's one AnalyzerEngine with these names. It keeps nothing of a text between calls, so threads may share it."""
    # Its messages may quote what was analysed ("Failed to validate text ..."), and people's text is never logged.
    logging.getLogger("presidio-analyzer").disabled = True
    with _not_imported("torch", "transformers", "stanza", "tensorflow", "mxnet", "cupy"):
        from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
        from presidio_analyzer.context_aware_enhancers import LemmaContextAwareEnhancer

        from guardrails.language import Words
        from guardrails.patterns import recognisers

        model = open_names() if names == "packaged" else names
    return AnalyzerEngine(
        registry=RecognizerRegistry(recognizers=recognisers(), supported_languages=["en"]),
        nlp_engine=Words(model),
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


@dataclass(frozen=True, slots=True)
class PersonalDataPolicy:
    """What is done to each entity.

    Attributes:
        section: the policy file's part on personal data; the packaged one where none is given.
        own_domains: mail domains whose addresses are the organisation's own.
        roles: of the person who reads the answer; the mildest handling that one of them has holds.
    """

    section: PersonalDataSection = field(default_factory=lambda: load_policy().personal_data)
    own_domains: frozenset[str] = frozenset()
    roles: frozenset[Role] = frozenset()

    def in_question(self, entity: str) -> Handling:
        known = self.section.entities.get(entity)
        return known.question if known else "mask"

    def mild(self, entities: Collection[str]) -> bool:
        """Whether answers allow these entities, or mask them only where they are private, whatever the passages' label and the role."""
        tables = (*self.section.classifications.values(), *self.section.roles.values())
        handlings = [table[entity] for entity in entities for table in tables if entity in table]
        handlings += [self.section.entities[e].answer if e in self.section.entities else "mask" for e in entities]
        return all(handling in ("allow", "mask_private") for handling in handlings)

    def in_answer(self, entity: str, holders: Sequence[Passage]) -> Handling:
        """Handling by entity, by the lowest label of the cited passages that hold the datum, then by role."""
        known = self.section.entities.get(entity)
        handling: Handling = known.answer if known else "mask"
        lowest = min((clearance_rank(p.classification) for p in holders), default=-1)
        for label in CLASSIFICATIONS[: lowest + 1]:
            handling = self.section.classifications.get(label, {}).get(entity, handling)
        by_role = [self.section.roles[r][entity] for r in self.roles if entity in self.section.roles.get(r, {})]
        return min(by_role, key=_SEVERITY.index) if by_role else handling


_WORDY = (NAMES | {"HEALTH"}) - {"WEB_ADDRESS", "AGE"}
"""Kinds that need no digit."""
_SEVERITY: tuple[Handling, ...] = ("allow", "mask_private", "pseudonymise", "mask", "block")


def chat_thresholds(section: PersonalDataSection) -> dict[str, float]:
    """The entities that the chat looks for: all but those that are allowed everywhere and not counted in documents either."""
    overrides = [*section.classifications.values(), *section.roles.values()]
    return {
        name: e.threshold
        for name, e in section.entities.items()
        if e.documents == "count"
        or (e.question, e.answer) != ("allow", "allow")
        or any(table.get(name, "allow") != "allow" for table in overrides)
    }


class PersonalData:
    """The guard of questions and of answer sentences: masks, renames or blocks by the policy, never logs what it found.

    Args:
        namer: gives pseudonyms; without one an entity that the policy pseudonymises is masked.
    """

    def __init__(
        self,
        stage: Literal["question", "answer"],
        policy: PersonalDataPolicy,
        recognisers: Recognisers,
        *,
        namer: Namer | None = None,
    ) -> None:
        self.name = f"personal_data_{stage}"
        self._stage = stage
        self._policy = policy
        self._recognisers = recognisers
        self._patterns = recognisers.without_names() if stage == "answer" else None
        self._namer = namer
        self._wordy = not policy.mild(recognisers.looks_for & _WORDY)

    def check(self, text: str, passages: Sequence[Passage] = ()) -> Verdict:
        """Mask what the policy says; the entities of the verdict are those masked, with their place in the text given.

        An answer is judged together with its source: what is masked where it stands in a cited passage is masked wherever the
        answer repeats it. Where one of them is to be blocked, a question is refused and a sentence withheld, masked all the same.
        """
        told = self._told_again(text, passages)
        if not told and self._patterns and self._nothing_private(self._patterns, text, passages):
            return Verdict(self.name, "allow", text)
        handled = [(e, self._handling(e, text, passages)) for e in self._recognisers.find(text)]
        told += self._said_twice(text, handled)
        handled = _together([*handled, *told])
        masked = tuple(e for e, _ in handled)
        if not masked:
            return Verdict(self.name, "allow", text)
        score = max(e.score for e in masked)
        blocked = any(handling == "block" for _, handling in handled)
        # what is refused or withheld is masked: nothing of it goes on, so nothing of it needs a name
        named = {} if blocked else self._named(text, handled)
        refused: Action = "refuse" if self._stage == "question" else "drop"
        return Verdict(
            self.name,
            refused if blocked else "mask",
            mask(text, masked, named),
            rule="personal_data",
            score=score,
            entities=masked,
        )

    def _told_again(self, text: str, passages: Sequence[Passage]) -> list[tuple[Entity, Handling]]:
        """What the answer repeats of its passages, or of its own table and labels, as far as the policy does not allow it."""
        if self._stage == "question" or not (may_repeat(text) or self._wordy):
            return []
        held = [(passage, self._data_of(passage)) for passage in passages]
        data = dict.fromkeys(datum for _, found in held for datum in found)
        if "**" in text or ("|" in text and "\n" in text):
            data |= dict.fromkeys(self._reader(text).data_of(text))
        found: list[tuple[Entity, Handling]] = []
        for repeat in repeats(text, list(data)):
            datum = repeat.datum
            holders = [p for p, known in held if datum in known or datum.value in p.text]
            handling = self._policy.in_answer(datum.type, holders)
            if handling == "mask_private":
                handling = "mask" if self._is_private(datum) else "allow"
            if handling != "allow":
                found.append((repeat.entity, handling if repeat.whole or handling == "block" else "mask"))
        return found

    def _said_twice(self, text: str, handled: Sequence[tuple[Entity, Handling]]) -> list[tuple[Entity, Handling]]:
        """What is masked in one place of an answer, in its others: the short answer before its sentence has no word that says what it is."""
        if self._stage == "question":
            return []
        masked = {
            Datum(e.type, text[e.start : e.end], e.score): handling for e, handling in handled if handling != "allow"
        }
        again = [(r, masked[r.datum]) for r in repeats(text, list(masked))]
        return [(r.entity, handling if r.whole or handling == "block" else "mask") for r, handling in again]

    def _data_of(self, passage: Passage) -> tuple[Datum, ...]:
        return self._reader(passage.text).data_of(passage.text, passage.section)

    def _reader(self, text: str) -> Recognisers:
        """The recognisers that a source needs: the network only where what it finds could be masked."""
        if self._patterns is None or not self._policy.mild(self._recognisers.looks_for & set(KINDS)):
            return self._recognisers
        private = any(words.search(text) for words in (_PRIVATE_WORDS, _BIRTH_WORDS))
        return self._recognisers if private else self._patterns

    def _nothing_private(self, patterns: Recognisers, text: str, passages: Sequence[Passage]) -> bool:
        """Whether nothing in an answer could be masked, whatever the network of names found in it, which is most of the time.

        All that the network finds, and all that the patterns found, is masked at most where a word or a free-mail address says
        that it is private, and neither stands in the answer or its passages.
        """
        if "@" in text or not self._policy.mild(patterns.looks_for & set(KINDS)):
            return False
        bodies = (text, *(passage.text for passage in passages))
        if any(words.search(body) for words in (_PRIVATE_WORDS, _BIRTH_WORDS) for body in bodies):
            return False
        return self._policy.mild({entity.type for entity in patterns.raw(text)})

    def _named(self, text: str, handled: Sequence[tuple[Entity, Handling]]) -> dict[Entity, str]:
        """The pseudonyms of the entities that the policy pseudonymises."""
        if self._namer is None:
            return {}
        return {e: self._namer.name(e.type, text[e.start : e.end]) for e, how in handled if how == "pseudonymise"}

    def _handling(self, entity: Entity, text: str, passages: Sequence[Passage]) -> Handling:
        if self._stage == "question":
            return self._policy.in_question(entity.type)
        value = text[entity.start : entity.end]
        holders = [p for p in passages if value in p.text]
        handling = self._policy.in_answer(entity.type, holders)
        if handling != "mask_private":
            return handling
        words = _BIRTH_WORDS if entity.type == "DATE_OF_BIRTH" else _PRIVATE_WORDS
        places = [(text, entity.start)]
        places += [(p.text, match.start()) for p in holders for match in re.finditer(re.escape(value), p.text)]
        private = any(_said(words, body, at, len(value)) for body, at in places)
        return "mask" if self._is_private(Datum(entity.type, value, entity.score, private)) else "allow"

    def _is_private(self, datum: Datum) -> bool:
        domain = datum.value.rpartition("@")[2].casefold() if datum.type == "EMAIL_ADDRESS" else ""
        if domain in self._policy.own_domains:
            return False
        return datum.private or _FREE_MAIL.search(datum.value) is not None


def _together(handled: Sequence[tuple[Entity, Handling]]) -> list[tuple[Entity, Handling]]:
    """What is not allowed, in order; findings that overlap are one, named after the longest and handled as it, or as the sternest."""
    kept: list[tuple[Entity, Handling]] = []
    for entity, handling in sorted((h for h in handled if h[1] != "allow"), key=lambda h: (h[0].start, -h[0].end)):
        if kept and entity.start < kept[-1][0].end:
            last, how = kept[-1]
            longer, inside = max(last, entity, key=lambda e: e.end - e.start), entity.end <= last.end
            joined = replace(longer, start=last.start, end=max(last.end, entity.end))
            sternest = max(how, handling, key=_SEVERITY.index)
            kept[-1] = joined, how if inside and sternest != "block" else sternest
        else:
            kept.append((entity, handling))
    return kept


def _said(words: re.Pattern[str], body: str, at: int, length: int) -> bool:
    """Whether one of the words begins near the datum, within its line."""
    end = at + length
    first = max(at - _NEAR, body.rfind("\n", 0, at) + 1)
    line_end = body.find("\n", end, end + _NEAR)
    last = end + _NEAR if line_end < 0 else line_end
    starts = (match.start() for match in words.finditer(body, first, last + _LONGEST_WORD))
    return any(first <= start < at or end <= start < last for start in starts)


def mask(text: str, entities: Sequence[Entity], named: Mapping[Entity, str] | None = None) -> str:
    """The text with each entity replaced by its label, as `<IBAN>`, or by its name in `named`, as `<PERSON-KTZRWMBDPL>`."""
    parts, at = [], 0
    for entity in sorted(entities, key=lambda e: e.start):
        parts += [text[at : entity.start], f"<{(named or {}).get(entity) or ENTITIES.get(entity.type, 'ID')}>"]
        at = entity.end
    return "".join(parts) + text[at:]
