"""A process for `test_killed_loop.py` to kill: people flag, reviewers decide, adapters are registered, gated, approved, promoted
and rolled back, and each act that was acknowledged is written down. It kills itself at the n-th point at which something reaches the
disk, and says before at which one of which act.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import event

from core.audit import Audit
from core.errors import AssistantError, Conflict
from core.gate import newest_report
from core.people import People
from core.records import Correction
from core.registry import Registry, Training
from core.review_records import Judgement, QueueFilter
from core.reviews import Reviews
from core.rollouts import Rollouts
from core.store import Store
from core.turns import Turns
from eval.gate_command import keep
from tests.core.adapters import DEFAULTS, decision, sealed_folder
from tests.core.queue import answered, flag

FILES = {"os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.link", "shutil.copyfile", "shutil.copytree", "shutil.rmtree"}  # fmt: skip
TRAIN = Judgement("train", Correction("span", "25 days of annual leave"), seconds=12.5)
ACKNOWLEDGED, KILLED = "acknowledged.jsonl", "killed.jsonl"


class Loop:
    """The acts, on one home folder. Each returns what it may be held to after a restart, or None where there was nothing to do."""

    def __init__(self, home: Path, seed: int) -> None:
        self.home, self.random, self.seed = home, random.Random(seed), seed
        self.doing = "begin"
        self.store = Store(f"sqlite:///{home / 'assistant.db'}")
        self.audit = Audit(self.store, home)
        self.registry = Registry(self.store, self.audit, home=home)
        self.rollouts = Rollouts(self.store, self.audit, self.registry)
        self.rollouts.begin(DEFAULTS)
        self.turns, self.reviews = Turns(self.store), Reviews(self.store, self.audit)
        self.people = People(self.store, self.audit)

    def acts(self) -> Iterator[Callable[[], Any]]:
        """Every act at least once in ten, in a random order, without end."""
        every = [self.flag, self.triage, self.register, self.gate, self.stage, self.request, self.approve, self.promote, self.rollback]  # fmt: skip
        while True:
            for act in self.random.sample(every, len(every)):
                self.doing = act.__name__
                yield act

    def flag(self) -> Any:
        return {"feedback": flag(self.turns, answered(self.turns)).feedback_id}

    def triage(self) -> Any:
        for name in ("sam.support", "ada.admin"):
            who = self.people.get(name)
            for item in self.reviews.queue.items(who, QueueFilter()):
                with suppress(AssistantError):
                    self.reviews.decide(item.item_id, who, TRAIN)
                    return {"item": item.item_id, "reviewer": name}
        return None

    def register(self) -> Any:
        number = self.random.randrange(1_000_000)
        folder = sealed_folder(self.home.parent / "out" / str(self.seed), value=float(number), base_sha256="0" * 64)
        training = Training(ceiling="internal")
        return {"adapter": self.registry.register(folder, actor="tess", training=training, reason="a test").adapter_id, "stage": "dev"}  # fmt: skip

    def gate(self) -> Any:
        waiting = [one for one in self.registry.all("dev") if newest_report(self.home, one.sha256) is None]
        if not waiting:
            return None
        report, path = keep(decision(waiting[0]), self.home, self.audit, actor="tess")
        return {"gated": report.adapter, "report": str(path)}

    def stage(self) -> Any:
        for one in self.registry.all("dev"):
            if report := newest_report(self.home, one.sha256):
                done = self.registry.stage(one.adapter_id, report, actor="tess", reason="open")
                return {"adapter": done.adapter_id, "stage": done.stage}
        return None

    def request(self) -> Any:
        for one in self.registry.all("staging"):
            with suppress(Conflict):
                self.registry.request(one.adapter_id, actor="tess", reason="better")
                return {"adapter": one.adapter_id, "stage": "staging"}
        return None

    def approve(self) -> Any:
        for one in self.registry.all("staging"):
            if self.registry.open_request(one.adapter_id):
                done = self.registry.approve(one.adapter_id, actor="ada", reason="read it")
                return {"adapter": done.adapter_id, "stage": done.stage}
        return None

    def promote(self) -> Any:
        found = [one.adapter_id for one in self.registry.all("production")]
        for name in self.random.sample(found, len(found)):
            with suppress(Conflict):
                return self._rolled(self.rollouts.promote(name, actor="ana", reason="better"))
        return None

    def rollback(self) -> Any:
        with suppress(Conflict):
            return self._rolled(self.rollouts.rollback(actor="ana", reason="worse"))
        return None

    @staticmethod
    def _rolled(row: Any) -> Any:
        return {"rollout": row.rollout_id, "production": row.production}


def work(home: Path, seed: int, kill_at: int, only: tuple[str, str] | None = None) -> None:
    """Act until the n-th point is reached: a file of the home folder made, moved or opened to be written, a commit begun or done.

    Args:
        only: the act and the point that count; all of them unless given.
    """
    loop = Loop(home, seed)
    _die_at(loop, kill_at, only)
    with (home.parent / ACKNOWLEDGED).open("ab", buffering=0) as kept:
        for act in loop.acts():
            done = act()
            if done is not None:
                kept.write(json.dumps({"act": act.__name__, **done}).encode() + b"\n")


def _die_at(loop: Loop, kill_at: int, only: tuple[str, str] | None) -> None:
    home, left = loop.home, kill_at

    def point(kind: str) -> None:
        nonlocal left
        left -= only is None or only == (loop.doing, kind)
        if left == 0:
            left = -1  # what is written here is no point
            with (home.parent / KILLED).open("a") as told:
                told.write(json.dumps({"act": loop.doing, "point": kind}) + "\n")
            os.kill(os.getpid(), signal.SIGKILL)

    def look(name: str, given: tuple[Any, ...]) -> None:
        place = next((one for one in map(str, given) if one.startswith(f"{home}{os.sep}")), "")
        writes = name == "open" and isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR)
        if place and (writes or name in FILES):
            point(f"{name} {Path(place).relative_to(home).parts[0]}")

    sys.addaudithook(look)
    event.listen(loop.store.engine, "commit", lambda *_: point("commit"))
    event.listen(loop.store.engine.pool, "checkin", lambda *_: point("checkin"))
