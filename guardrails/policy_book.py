"""The policies that administrators saved, and the one in force; in the home folder, below `policies/`.

    book = PolicyBook(settings.home / "policies", settings.policy, audit)
    saved = book.save(text, actor="ada.admin", why="Ask the works council about strikes")
    book.put_in_force(saved.number, actor="ada.admin", why=saved.why)

A version is never changed: `0007.yaml` holds its text and `0007.json`, written last, who saved it, when and why, and the
text's hash. `in_force.json` names the version in force. Without it the installed policy holds, number 0: the file of
ASSISTANT_POLICY, or the packaged one.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from core.audit import Audit
from core.errors import BadInput, NotFound, SettingsError
from core.settings import Settings
from core.store import UNSTORABLE
from guardrails.policy import PACKAGED, Policy, read_policy

INSTALLED = 0
"""The number of the policy that the installation came with."""
LONGEST = 200_000
"""Characters of a policy's text; the packaged one has about 7,000."""


@dataclass(frozen=True, slots=True)
class SavedPolicy:
    """One saved version. `sha256` is of its text, `policy_sha256` of what it means over the packaged policy."""

    number: int
    saved_at: datetime
    saved_by: str
    why: str
    sha256: str
    policy_sha256: str


@dataclass(frozen=True, slots=True)
class InForce:
    """The policy in force. `at` is None for an installed policy, which holds from the start on."""

    number: int
    name: str
    policy: Policy
    at: datetime | None = None
    by: str = ""
    why: str = ""


class PolicyBook:
    """Saves, reads and puts in force. Safe to use from several threads of the process that owns the home.

    Args:
        folder: where the versions lie; made on the first save.
        installed: the operator's own file (ASSISTANT_POLICY); None for the packaged policy.
        audit: keeps who saved and applied what; a book that is only read needs none.
    """

    def __init__(self, folder: Path, installed: Path | None, audit: Audit | None = None) -> None:
        self._folder = folder
        self._installed = installed or PACKAGED
        self._audit = audit
        self._lock = threading.Lock()

    @property
    def _log(self) -> Audit:
        if self._audit is None:
            raise TypeError("this book is only read: nothing would be audited")
        return self._audit

    def versions(self) -> list[SavedPolicy]:
        """What was saved, newest first."""
        return [self._record(path) for path in sorted(self._folder.glob("[0-9]*.json"), reverse=True)]

    def name(self, number: int) -> str:
        if number != INSTALLED:
            return f"version {number}"
        return "the packaged policy" if self._installed == PACKAGED else f"ASSISTANT_POLICY={self._installed}"

    def text(self, number: int) -> str:
        """A version's text, as it was saved.

        Raises:
            NotFound: no such version.
            SettingsError: the file cannot be read, or is not what was saved.
        """
        path = self._installed if number == INSTALLED else self._file(number, "yaml")
        if number != INSTALLED and not self._file(number, "json").exists():
            raise NotFound(f"There is no version {number} of the policy.")
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"The policy {path} cannot be read ({type(error).__name__}).") from None
        if number != INSTALLED and _sha256(text) != self._record(self._file(number, "json")).sha256:
            raise SettingsError(
                f"{path} was changed after it was saved. Put the saved text back, or remove {self._folder / 'in_force.json'} "
                "to go back to the installed policy."
            )
        return text

    def policy(self, number: int) -> Policy:
        """A version, checked anew: a newer program may know less or more than the one that saved it."""
        return read_policy(self.text(number), self.name(number))

    def in_force(self) -> InForce:
        """Raises SettingsError where the version in force is not sound any more; the message says how to go back."""
        place = self._folder / "in_force.json"
        if not place.exists():
            return InForce(INSTALLED, self.name(INSTALLED), self.policy(INSTALLED))
        try:
            row = json.loads(place.read_text(encoding="utf-8"))
            number, at = int(row["number"]), datetime.fromisoformat(row["at"])
            return InForce(number, self.name(number), self.policy(number), at, str(row["by"]), str(row["why"]))
        except (OSError, ValueError, KeyError, TypeError, NotFound) as error:
            raise SettingsError(
                f"{place} does not name a saved policy ({type(error).__name__}); remove it to go back to the installed policy."
            ) from None

    def save(self, text: str, *, actor: str, why: str) -> SavedPolicy:
        """Keep a sound policy as the next version; audited.

        Raises:
            SettingsError: the policy has mistakes, each named with its line; nothing is saved.
            BadInput: no reason is given, or the text is far too long.
        """
        text, why = text.replace("\r\n", "\n").replace("\r", "\n"), " ".join(why.split())[:500]
        if not why:
            raise BadInput("Say why, in a few words: the versions are listed by their reasons.")
        if len(text) > LONGEST or UNSTORABLE.search(text):
            raise BadInput(f"A policy is text of at most {LONGEST:,} characters.")
        log, policy = self._log, read_policy(text, "This policy")
        with self._lock:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            number = max((saved.number for saved in self.versions()), default=0) + 1
            saved = SavedPolicy(number, datetime.now(UTC), actor, why, _sha256(text), policy.sha256)
            # The folder first, the log second: a version that nobody logged is not applied, a logged one is there.
            _write(self._file(number, "yaml"), text)
            _write(self._file(number, "json"), json.dumps(asdict(saved), default=str, indent=1))
        log.append(actor, "policy.save", str(number), why=why, sha256=saved.sha256)
        return saved

    def put_in_force(self, number: int, *, actor: str, why: str) -> InForce:
        """Let a version hold from now on, for this process's next start too; audited. Build its rails before, as the caller must."""
        policy = self.policy(number)
        with self._lock, self._log.recorded(actor, "policy.apply", str(number), why=why, policy=policy.sha256):
            now = datetime.now(UTC)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            row = {"number": number, "at": now.isoformat(), "by": actor, "why": why}
            _write(self._folder / "in_force.json", json.dumps(row))
        return InForce(number, self.name(number), policy, now, actor, why)

    def _file(self, number: int, suffix: str) -> Path:
        return self._folder / f"{number:04d}.{suffix}"

    def _record(self, path: Path) -> SavedPolicy:
        try:
            row = json.loads(path.read_text(encoding="utf-8"))
            return SavedPolicy(**(row | {"saved_at": datetime.fromisoformat(row["saved_at"])}))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SettingsError(f"{path} is no record of a saved policy ({type(error).__name__}).") from None


def policy_in_force(settings: Settings) -> Policy:
    """The policy that the assistant of these settings holds: the version that an administrator put in force, or the installed one."""
    return PolicyBook(settings.home / "policies", settings.policy).in_force().policy


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _write(path: Path, text: str) -> None:
    """The file is there whole, or not at all."""
    temporary = path.with_suffix(f"{path.suffix}.tmp")
    with temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
