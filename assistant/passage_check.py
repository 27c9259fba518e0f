"""The passage guards on what was retrieved: what carries instructions is dropped and counted, what is masked goes on masked.

The owner of a document hears of a passage that was dropped, here and not in the guards: a policy's dry run judges too.

A passage's id is a hash of its text, so its verdicts are kept: a popular passage is checked once per process.
"""

from __future__ import annotations

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
from guardrails.guard import PASSAGES_AT_ONCE, Guard, GuardRun, run_guard
from guardrails.rails import Guards, Planted

log = logging.getLogger(__name__)

KEPT = 20_000
"""Passages whose verdicts are kept, newest used; about 1 kB each where something was masked, less otherwise."""


@dataclass(frozen=True, slots=True)
class _Checked:
    """`text` is None where the guards left the passage as it is; `verdicts` are those that are not `allow`."""

    text: str | None
    verdicts: tuple[Verdict, ...]

    @property
    def dropped_by(self) -> str:
        return next((v.guard for v in self.verdicts if not v.allowed), "")


class PassageCheck:
    """Checks passages with the guards given, and tells of those that are dropped. Safe to use from several threads."""

    def __init__(self, guards: Sequence[Guard], planted: Planted | None = None) -> None:
        self._guards = tuple(guards)
        self._planted = planted
        self._known: OrderedDict[tuple[str, str, str], _Checked] = OrderedDict()
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

    def _all_checked(self, passages: Sequence[Passage], trace: Trace) -> list[_Checked]:
        """What is known of each passage; those that are new are checked side by side."""
        keys = [(p.passage_id, p.title, p.section) for p in passages]
        found: dict[tuple[str, str, str], _Checked] = {}
        with self._lock:
            for key in keys:
                if key in self._known:
                    self._known.move_to_end(key)
                    found[key] = self._known[key]
        fresh = {key: p for key, p in zip(keys, passages, strict=True) if key not in found}
        for key, (checked, runs) in zip(fresh, self._pool.map(self._check, fresh.values()), strict=True):
            for name, run in runs:
                trace.ran(name, run)
            found[key] = checked
            if not any(v.rule == GUARD_ERROR for v in checked.verdicts):  # a failure is no verdict on the passage
                self._keep(key, checked)
        return [found[key] for key in keys]

    def _keep(self, key: tuple[str, str, str], checked: _Checked) -> None:
        with self._lock:
            self._known[key] = checked
            if len(self._known) > KEPT:
                self._known.popitem(last=False)

    def _check(self, passage: Passage) -> tuple[_Checked, list[tuple[str, GuardRun]]]:
        text, verdicts, runs = passage.text, [], []
        for guard in self._guards:
            run = run_guard(guard, text, (replace(passage, text=text),))
            runs.append((guard.name, run))
            verdict = run.verdict
            if verdict.action != "allow":
                verdicts.append(replace(verdict, text=""))
            if verdict.action == "drop":
                self._tell(passage, verdict.rule)
            if not verdict.allowed:
                break
            text = verdict.text
        return _Checked(None if text == passage.text else text, tuple(verdicts)), runs

    def _tell(self, passage: Passage, rule: str) -> None:
        """A report that fails changes no verdict, and is logged by the passage's id."""
        if self._planted is None:
            return
        try:
            self._planted(passage, rule)
        except AssistantError as error:
            log.error("passage %s: its owner was not told (%s)", passage.passage_id, type(error).__name__)


class Rails:
    """The guards of one policy, and the passages that they have checked already."""

    def __init__(self, guards: Guards) -> None:
        self.guards = guards
        self.check_passages = PassageCheck(guards.passage, guards.planted)

    def close(self) -> None:
        self.check_passages.close()
