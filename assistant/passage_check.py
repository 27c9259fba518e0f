"""The passage guards on what was retrieved: what carries instructions is dropped and counted, what is masked goes on masked.

The owner of a document hears of a passage that was dropped, here and not in the guards: a policy's dry run judges too.

A passage's id is a hash of its text, so its verdicts are kept: a passage is checked once per process, and
`assistant/checked_ahead.py` has most of them checked before anybody asks.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from assistant.release import GUARD_ERROR
from assistant.trace import Trace
from core.errors import AssistantError
from core.records import Passage, Verdict
from guardrails.guard import PASSAGES_AT_ONCE, Guard, GuardRun, run_beside
from guardrails.rails import Guards, Planted

log = logging.getLogger(__name__)

KEPT = 150_000
"""Passages whose verdicts are kept, newest used; about 130 bytes each, 1 kB more where something was masked."""


@dataclass(frozen=True, slots=True)
class _Checked:
    """`text` is None where the guards left the passage as it is; `verdicts` are those that are not `allow`."""

    text: str | None
    verdicts: tuple[Verdict, ...]

    @property
    def dropped_by(self) -> str:
        return next((v.guard for v in self.verdicts if not v.allowed), "")

    @property
    def failed(self) -> bool:
        """Whether a guard failed, which is no verdict on the passage."""
        return any(v.rule == GUARD_ERROR for v in self.verdicts)


_CLEAN = _Checked(None, ())
"""Nearly every passage's, so it is kept once."""


class PassageCheck:
    """Checks passages with the guards given, and tells of those that are dropped. Safe to use from several threads."""

    def __init__(self, guards: Sequence[Guard], planted: Planted | None = None) -> None:
        self._guards = tuple(guards)
        self._planted = planted
        self._known: OrderedDict[bytes, _Checked] = OrderedDict()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(PASSAGES_AT_ONCE, thread_name_prefix="passages")

    def __call__(self, passages: Sequence[Passage], trace: Trace) -> tuple[tuple[Passage, ...], str]:
        """The passages to go on with and "", or none and the reason why there may be no answer."""
        kept: list[Passage] = []
        for passage, checked in zip(passages, self._all_checked(passages, trace), strict=True):
            for verdict in checked.verdicts:
                trace.note(verdict)
                if verdict.rule == GUARD_ERROR:
                    return (), GUARD_ERROR
            if checked.dropped_by:
                trace.counts[f"dropped_by_{checked.dropped_by}"] += 1
            else:
                kept.append(passage if checked.text is None else replace(passage, text=checked.text))
        return tuple(kept), ""

    def close(self) -> None:
        """End the threads, after the checks under way, which their budgets bound."""
        self._pool.shutdown(cancel_futures=True)

    def ahead(self, passage: Passage) -> bool:
        """Check a passage that nobody has asked for; False where it is known already.

        What is dropped is not kept: the first question that meets it checks it again, and tells the document's owner.
        """
        key = _key(passage)
        with self._lock:
            if key in self._known:
                return False
        ((checked, _),) = self._checked([passage])
        if not checked.failed and not checked.dropped_by:
            self._keep(key, checked)
        return True

    @property
    def room(self) -> int:
        """How many more passages' verdicts could be kept without forgetting any."""
        with self._lock:
            return KEPT - len(self._known)

    def _all_checked(self, passages: Sequence[Passage], trace: Trace) -> list[_Checked]:
        """What is known of each passage; those that are new are checked side by side."""
        keys = [_key(p) for p in passages]
        found: dict[bytes, _Checked] = {}
        with self._lock:
            for key in keys:
                if key in self._known:
                    self._known.move_to_end(key)
                    found[key] = self._known[key]
        fresh = {key: p for key, p in zip(keys, passages, strict=True) if key not in found}
        for (key, passage), (checked, runs) in zip(fresh.items(), self._checked(list(fresh.values())), strict=True):
            for guard, run in zip(self._guards, runs, strict=False):  # a guard that says no is the last
                trace.ran(guard.name, run)
                if run.verdict.action == "drop":
                    self._tell(passage, run.verdict.rule)
            found[key] = checked
            if not checked.failed:
                self._keep(key, checked)
        return [found[key] for key in keys]

    def _keep(self, key: bytes, checked: _Checked) -> None:
        with self._lock:
            self._known[key] = _CLEAN if checked == _CLEAN else checked
            if len(self._known) > KEPT:
                self._known.popitem(last=False)

    def _checked(self, passages: Sequence[Passage]) -> list[tuple[_Checked, list[GuardRun]]]:
        all_runs = run_beside(self._guards, passages, self._pool)
        return [(_verdict(passage.text, runs), runs) for passage, runs in zip(passages, all_runs, strict=True)]

    def _tell(self, passage: Passage, rule: str) -> None:
        """A report that fails changes no verdict, and is logged by the passage's id."""
        if self._planted is None:
            return
        try:
            self._planted(passage, rule)
        except AssistantError as error:
            log.error("passage %s: its owner was not told (%s)", passage.passage_id, type(error).__name__)


def _key(passage: Passage) -> bytes:
    """What the guards read of a passage, its title and section too."""
    read = "\0".join((passage.passage_id, passage.title, passage.section))
    return hashlib.blake2b(read.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _verdict(text: str, runs: Sequence[GuardRun]) -> _Checked:
    verdicts = [run.verdict for run in runs]
    left = next((v.text for v in reversed(verdicts) if v.allowed), text)
    return _Checked(None if left == text else left, tuple(replace(v, text="") for v in verdicts if v.action != "allow"))


class Rails:
    """The guards of one policy, and the passages that they have checked already."""

    def __init__(self, guards: Guards) -> None:
        self.guards = guards
        self.check_passages = PassageCheck(guards.passage, guards.planted)

    def close(self) -> None:
        self.check_passages.close()
