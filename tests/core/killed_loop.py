"""A process for `test_killed_loop.py` to kill: people flag, reviewers decide, adapters are registered, approved, promoted and
rolled back, and each act that was acknowledged is written down. It kills itself at the n-th point at which something reaches the disk.
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
from core.people import People
from core.records import Correction
from core.registry import Registry, Training
from core.review_records import Judgement, QueueFilter
from core.reviews import Reviews
from core.rollouts import Rollouts
from core.store import Store
from core.turns import Turns
from tests.core.adapters import DEFAULTS, gate_report, sealed_folder
from tests.core.queue import answered, flag

FILES = {"os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.link", "shutil.copyfile", "shutil.copytree", "shutil.rmtree"}  # fmt: skip
TRAIN = Judgement("train", Correction("span", "25 days of annual leave"), seconds=12.5)
ACKNOWLEDGED = "acknowledged.jsonl"


class Loop:
    """The acts, on one home folder. Each returns what it may be held to after a restart, or None where there was nothing to do."""

    def __init__(self, home: Path, seed: int) -> None:
        self.home, self.random, self.seed = home, random.Random(seed), seed
        self.store = Store(f"sqlite:///{home / 'assistant.db'}")
        self.audit = Audit(self.store, home)
        self.registry = Registry(self.store, self.audit, home=home)
        self.rollouts = Rollouts(self.store, self.audit, self.registry)
        self.rollouts.begin(DEFAULTS)
        self.turns, self.reviews = Turns(self.store), Reviews(self.store, self.audit)
        self.people = People(self.store, self.audit)

    def acts(self) -> Iterator[Callable[[], Any]]:
        """Every act at least once in ten, in a random order, without end."""
        every = [self.flag, self.triage, self.register, self.stage, self.request, self.approve, self.promote, self.rollback]  # fmt: skip
        while True:
            yield from self.random.sample(every, len(every))

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

    def stage(self) -> Any:
        return self._moved("dev", lambda one: self.registry.stage(one.adapter_id, gate_report(one, self.audit), actor="tess", reason="open"))  # fmt: skip

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

    def _moved(self, stage: Any, move: Callable[[Any], Any]) -> Any:
        found = self.registry.all(stage)
        if not found:
            return None
        done = move(found[0])
        return {"adapter": done.adapter_id, "stage": done.stage}

    @staticmethod
    def _rolled(row: Any) -> Any:
        return {"rollout": row.rollout_id, "production": row.production}


def work(home: Path, seed: int, kill_at: int) -> None:
    """Act until the n-th point is reached: a file of the home folder made, moved or opened to be written, a commit begun or done."""
    loop = Loop(home, seed)
    _die_at(home, loop.store, kill_at)
    with (home.parent / ACKNOWLEDGED).open("ab", buffering=0) as kept:
        for act in loop.acts():
            done = act()
            if done is not None:
                kept.write(json.dumps({"act": act.__name__, **done}).encode() + b"\n")


def _die_at(home: Path, store: Store, kill_at: int) -> None:
    left = kill_at

    def point(*_: object) -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def look(name: str, given: tuple[Any, ...]) -> None:
        if name == "open" and isinstance(given[0], str | Path) and str(given[0]).startswith(str(home)):
            writes = isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR)
            if writes:
                point()
        elif name in FILES and any(str(one).startswith(str(home)) for one in given):
            point()

    sys.addaudithook(look)
    event.listen(store.engine, "commit", point)
    event.listen(store.engine.pool, "checkin", point)
