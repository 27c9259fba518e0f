"""Personal data in documents, counted by kind when they are taken in, as the policy in force says.

    scan = DocumentScan(policies.in_force().policy)
    scan("Call +44 117 496 0440")          {"PHONE_NUMBER": 1}

The policy's `documents: count` says what is counted, its thresholds from which score on, its allow list what never is. Names,
places and organisations need the trained network, which reads a handbook at a tenth of the patterns' speed: it reads documents
where the policy counts one of those, and only there.
"""

from __future__ import annotations

import threading
from typing import Literal

from core.audit import Audit
from core.settings import Settings
from guardrails.entities import NAMES
from guardrails.names_model import names_of
from guardrails.ner import KINDS, Names
from guardrails.pii import Recognisers
from guardrails.policy import Policy
from guardrails.policy_book import PolicyBook


class DocumentScan:
    """Counts the personal data of a text by the policy that holds now. Safe in threads; the recognisers are built for the first text.

    Args:
        names: the recogniser of names (`names_of`), for a policy that counts them.
    """

    def __init__(self, policy: Policy, names: Names | Literal["packaged"] = "packaged") -> None:
        self._policy = policy
        self._names = names
        self._recognisers: Recognisers | None = None
        self._lock = threading.Lock()

    def use(self, policy: Policy) -> None:
        """Count every text from now on as this policy says."""
        with self._lock:
            self._policy, self._recognisers = policy, None

    def __call__(self, text: str) -> dict[str, int]:
        """How many entities of each kind the text holds.

        Raises:
            SettingsError: the policy counts an entity that no recogniser finds, or the network of names cannot be read.
        """
        with self._lock:
            if self._recognisers is None:
                self._recognisers = _recognisers(self._policy, self._names)
            recognisers = self._recognisers
        return recognisers.count(text)


def open_scan(settings: Settings, audit: Audit) -> DocumentScan:
    """The scan by the policy in force in this home.

    Raises:
        SettingsError: the policy is not sound, or ASSISTANT_NAMES_MODEL cannot be read.
    """
    policy = PolicyBook(settings.home / "policies", settings.policy, audit).in_force().policy
    return DocumentScan(policy, names_of(settings))


def _recognisers(policy: Policy, names: Names | Literal["packaged"]) -> Recognisers:
    counted = policy.thresholds(documents=True)
    named = bool(counted.keys() & NAMES & set(KINDS))
    return Recognisers(counted, policy.personal_data.allow, names=names if named else None)
