"""The frozen records that every part passes around; the store's columns carry the same names.

Times are timezone-aware UTC. Scores are in [0, 1] unless a field says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, get_args

Classification = Literal["public", "internal", "confidential", "restricted"]
DocumentStatus = Literal["draft", "approved", "retired"]
IndexState = Literal["pending", "indexed", "duplicate", "quarantined", "removed"]
Role = Literal["employee", "support", "admin"]
Action = Literal["allow", "mask", "drop", "refuse"]
TurnStatus = Literal["answered", "refused", "no_answer", "failed", "stopped"]
FeedbackKind = Literal["up", "down", "flag"]
Arm = Literal["production", "trial", "fallback"]
"""Who answered a turn: the production adapter, one on trial, or production because the trial adapter failed."""
Decision = Literal["train", "fix_document", "fix_retrieval", "fix_guard", "fix_prompt", "reject"]
ReviewStatus = Literal["open", "assigned", "second", "adjudicate", "done"]
Stage = Literal["dev", "staging", "production", "archived"]

DECISIONS: tuple[Decision, ...] = get_args(Decision)
STAGES: tuple[Stage, ...] = get_args(Stage)
CLASSIFICATIONS: tuple[Classification, ...] = get_args(Classification)
ROLES: tuple[Role, ...] = get_args(Role)
EVERYONE = "everyone"
"""The built-in access group that holds every active person."""


def clearance_rank(level: Classification) -> int:
    """Order of the classifications: 0 for public up to 3 for restricted."""
    return CLASSIFICATIONS.index(level)


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in person, as every access decision sees them."""

    person_id: str
    name: str
    email: str
    groups: frozenset[str]
    clearance: Classification
    roles: frozenset[Role]

    @property
    def access_groups(self) -> frozenset[str]:
        """The person's groups and the built-in one, which allow and deny rules are matched against."""
        return self.groups | {EVERYONE}

    def has_role(self, role: Role) -> bool:
        return role in self.roles


def may_read(
    person: Principal, classification: Classification, allowed: frozenset[str], denied: frozenset[str]
) -> bool:
    """The access rule: clearance covers the label, no denied group, at least one allowed group."""
    groups = person.access_groups
    covered = clearance_rank(classification) <= clearance_rank(person.clearance)
    return covered and not (groups & denied) and bool(groups & allowed)


@dataclass(frozen=True, slots=True)
class Document:
    """One version of a governed document. `(document_id, version)` is its identity."""

    document_id: str
    version: int
    title: str
    owner: str
    department: str
    classification: Classification
    allowed_groups: frozenset[str]
    denied_groups: frozenset[str]
    effective: date
    status: DocumentStatus
    sha256: str
    path: str
    language: str
    expires: date | None = None
    review: date | None = None
    legal_hold: bool = False
    source: str = ""
    state: IndexState = "pending"
    reason: str = ""
    duplicate_of: str = ""
    near_duplicates: tuple[str, ...] = ()
    personal_data: Mapping[str, int] = field(default_factory=dict)
    chunks: int = 0

    def in_force(self, today: date) -> bool:
        """Approved, already effective and not yet expired on that day (the expiry day itself still answers)."""
        return self.status == "approved" and self.effective <= today and (self.expires is None or today <= self.expires)

    def readable_by(self, person: Principal) -> bool:
        return may_read(person, self.classification, self.allowed_groups, self.denied_groups)

    def managed_by(self, person: Principal) -> bool:
        """Administrators manage every document (without reading its words), support reviewers those that they may read and
        files in quarantine, which nobody can read yet."""
        if person.has_role("admin"):
            return True
        return person.has_role("support") and (not self.version or self.readable_by(person))


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of one document version, as found for a question. `score` is the retriever's, higher is better."""

    passage_id: str
    document_id: str
    version: int
    ordinal: int
    title: str
    section: str
    page: int | None
    text: str
    classification: Classification
    owner: str
    language: str
    effective: date
    expires: date | None = None
    score: float = 0.0
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entity:
    """A span of personal or secret data: characters `[start, end)` of the checked text."""

    type: str
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a guard decided about one text, and the text to go on with (masked where it masks)."""

    guard: str
    action: Action
    text: str
    rule: str = ""
    score: float = 0.0
    entities: tuple[Entity, ...] = ()

    @property
    def allowed(self) -> bool:
        return self.action in ("allow", "mask")


@dataclass(frozen=True, slots=True)
class Message:
    """One earlier exchange's side, or one message of a prompt."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Question:
    """One question put by a person. `replaces` names the turn that a regenerate or an edit supersedes.

    `history` is given by a caller that keeps its own conversation (an API client), oldest first; when it is empty,
    the history is the stored one of `conversation_id`. The answer shown ends after `max_tokens` of the encoder's tokens and
    before the first text of `stop`, where they are given.
    """

    text: str
    person: Principal
    conversation_id: str | None = None
    temporary: bool = False
    replaces: str | None = None
    filters: Mapping[str, str] = field(default_factory=dict)
    history: tuple[Message, ...] = ()
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()


QUOTE_GAP = " […] "
"""Stands in a citation's quote for what lies between two of its parts."""


@dataclass(frozen=True, slots=True)
class Citation:
    """Marker `[n]` of an answer, resolved from retrieval metadata and never from the model's words.

    Its quote is the passage's own words: what the answer says of it, in the passage's order, with QUOTE_GAP between parts that do not
    stand side by side.
    """

    n: int
    passage_id: str
    document_id: str
    version: int
    title: str
    section: str
    page: int | None
    quote: str
    score: float
    owner: str
    classification: Classification
    effective: date
    expires: date | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the person gets. `reason` is empty for an answer, and a stable code for a refusal or a failure."""

    turn_id: str
    conversation_id: str | None
    text: str
    status: TurnStatus
    reason: str
    citations: tuple[Citation, ...]
    adapter: str
    evidence: float
    low_evidence: bool
    timings_ms: Mapping[str, float]

    @property
    def refused(self) -> bool:
        return self.status in ("refused", "no_answer", "failed")


@dataclass(frozen=True, slots=True)
class Turn:
    """The stored trace of one question, on every path. A temporary chat's turn keeps no text.

    `policy_sha256` is of the guards' policy that it passed (`guardrails.policy.Policy.sha256`).
    """

    turn_id: str
    person_id: str
    conversation_id: str | None
    created_at: datetime
    question: str
    standalone_question: str
    answer: str
    status: TurnStatus
    reason: str
    evidence: float
    adapter: str
    model: str
    template_sha256: str
    passages: tuple[Mapping[str, object], ...]
    verdicts: tuple[Mapping[str, object], ...]
    citations: tuple[Citation, ...]
    timings_ms: Mapping[str, float]
    counts: Mapping[str, int] = field(default_factory=dict)
    temporary: bool = False
    replaces: str | None = None
    rollout_id: int | None = None
    arm: Arm = "production"
    policy_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    conversation_id: str
    person_id: str
    title: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Feedback:
    """A person's word on one turn: a thumb, or a flag with reasons and the answer they expected."""

    feedback_id: str
    turn_id: str
    person_id: str
    kind: FeedbackKind
    created_at: datetime
    reasons: tuple[str, ...] = ()
    comment: str = ""
    expected: str = ""


@dataclass(frozen=True, slots=True)
class Correction:
    """What an answer should have been, as a reviewer says it.

    Attributes:
        kind: `span` (characters `[start, end)` of a passage), `text` (written), `refuse` (the passages do not answer),
            `clarify` (the assistant should have asked back) or `confirm` (the answer was right as it stood).
        answer: the words of the span, the written answer, or the question to ask back.
    """

    kind: Literal["span", "text", "refuse", "clarify", "confirm"]
    answer: str = ""
    passage_id: str = ""
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Triage:
    """One reviewer's decision on one item; `note` is for the next reviewer or for the document's owner."""

    review_id: str
    item_id: str
    reviewer: str
    step: Literal["first", "second", "adjudication"]
    decision: Decision
    created_at: datetime
    correction: Correction | None = None
    note: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class AdapterRecord:
    """A registered adapter. Its name carries its version and the start of its hash, and is never used again.

    Attributes:
        sha256: of its manifest, which names every other file's.
        ceiling: the highest classification among the rows that it was trained on; it serves only people cleared for it.
        parent: the adapter that its training went on from, "" for none.
        blocked: why it may not serve, such as an erasure that reached its rows; empty where it may.
    """

    adapter_id: str
    sha256: str
    kind: str
    base: str
    base_sha256: str
    folder: str
    stage: Stage
    ceiling: Classification
    created_by: str
    created_at: datetime
    dataset_id: str | None = None
    run_id: str = ""
    parent: str = ""
    blocked: str = ""


@dataclass(frozen=True, slots=True)
class TrialArm:
    """An adapter on trial and who may meet it: a share of the people in these groups and departments (empty: all)."""

    adapter: str
    weight: float
    groups: tuple[str, ...] = ()
    departments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rollout:
    """What serves whom, from one moment until the next row.

    Attributes:
        mode: `none` (production alone), `ab` (fixed weights), `canary` (a share that grows) or `shadow` (the trial
            adapter answers beside, unseen).
        step: the canary's place in its ladder.
        template_sha256, template, evidence_threshold, low_evidence: what goes with the production adapter, and comes back
            with it; `template` holds the prompt's texts, so that they come back whatever the program's own have become.
        base: who answers where the production adapter may not: what the operator's settings name.
    """

    rollout_id: int
    at: datetime
    actor: str
    action: str
    reason: str
    production: str
    template_sha256: str
    evidence_threshold: float
    low_evidence: float
    mode: Literal["none", "ab", "canary", "shadow"] = "none"
    experiment_id: str = ""
    arms: tuple[TrialArm, ...] = ()
    step: int = 0
    restores: int | None = None
    base: str = ""
    template: Mapping[str, str] = field(default_factory=dict)
