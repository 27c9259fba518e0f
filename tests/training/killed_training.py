"""A process for `test_killed_training.py` to fork, again and again, from one that has everything imported and read: an item is
approved, a dataset built of all of them, an adapter trained on it and registered, round after round, and what was acknowledged is
written down. Each fork kills itself at the n-th point of one act at which something reaches the disk.
"""

from __future__ import annotations

import gc
import json
import os
import random
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from assistant.bases import open_registry
from assistant.console import Opened
from core.audit import Audit
from core.datasets import Datasets
from core.people import People
from core.registry import Registry
from core.sealed import MANIFEST as SEALED
from core.sealed import open_sealed
from core.settings import Settings
from core.store import Store
from core.tables import adapter_event, review, review_item
from retrieval.embed import HashEmbedder
from tests.core.killed_loop import ACKNOWLEDGED, FILES, KILLED
from tests.training.queue_home import approve, furnish, store_of
from tests.training.tiny_causal import config, write_tiny_causal
from training import runs
from training.dataset import Options, Sources, build
from training.dataset_manifest import FOLDER, MANIFEST, id_of, read_manifest, sha256, verify
from training.runs import DONE, Run, prepare, register, train

IMPORTED = (
    "tests.training.killed_training",
    "training.sft",
    "trl.trainer.sft_trainer",
    "mlflow.store.tracking.sqlalchemy_store",
    "presidio_analyzer",
)
POINTS = {"train": 100, "register": 40, "dataset": 26}
"""How many points an act passes; one that goes on passes fewer, and the rest are the next round's."""
ORDER = ("train", "train", "register", "dataset", "dataset", "dataset")
"""What is killed, one after the other: a training that was cut off goes on in the next fork, and is cut off again or ends."""
Point = Callable[[str], None]
Acts = list[dict[str, Any]]


def work(home: Path, seed: int, kills: int) -> None:
    """Furnish a home, fork and kill so many times, look at what is left each time, and let one fork come to an end."""
    os.environ |= {"ASSISTANT_HOME": str(home), "ASSISTANT_REVIEW_TWICE": "none"}
    import torch

    torch.set_num_threads(1)  # the forks have no other threads
    home.parent.mkdir()
    furnish(home, 8)
    write_tiny_causal(home.parent / "base")
    sources = warmed(home)
    gc.freeze()  # what is read stays shared with the forks
    drawn = random.Random(seed)
    for number in range(kills):
        act = ORDER[number % len(ORDER)]
        at = drawn.randint(1, POINTS[act])
        ended = forked(lambda act=act, at=at, number=number: rounds(home, sources, number, killed_at(home, act, at)))  # type: ignore[misc]
        assert ended == -signal.SIGKILL, f"kill {number}: {act} {at}"
        check(home, f"kill {number}: {act} {at}")
    assert forked(lambda: rounds(home, sources, kills, lambda _: None, last=True)) == 0
    check(home, "the end")
    for dataset_id in interrupted(home)[:3]:
        assert forked(lambda of=dataset_id: trained_whole(home, of)) == 0, dataset_id  # type: ignore[misc]


def warmed(home: Path) -> Sources:
    """What the forks have read already: suites, recognisers, the sources' hashes."""
    with store_of(home) as store:
        sources = Sources.open(Settings(home=home), store, Audit(store, home), embedder=HashEmbedder())
        made = build(sources, Options(least=2), actor="test")
    assert made.record.rows == 8
    runs._code()
    return sources


def forked(act: Callable[[], None]) -> int:
    """The exit code of a fork that does it."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            if code:
                traceback.print_exc()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@contextmanager
def opened(home: Path) -> Iterator[Opened]:
    with Store(f"sqlite:///{home / 'assistant.db'}") as store:
        audit = Audit(store, home)
        yield Opened(Settings(home=home), store, audit, People(store, audit))


def rounds(home: Path, sources: Sources, number: int, doing: Point, *, last: bool = False) -> None:
    """Approve, build, train, register, and so on; `doing` is told each act as it begins. With `last`, one round without a new item."""
    item = 100 * (number + 1)
    with (home.parent / ACKNOWLEDGED).open("ab", buffering=0) as kept, opened(home) as here:

        def done(**what: object) -> None:
            kept.write(json.dumps(what).encode() + b"\n")

        while True:
            made = built(here, sources, doing, done)
            learnt(here, made, doing, done)
            if last:
                return
            doing("approve")
            approve(home, range(item, item + 1))
            done(item=item)
            item += 1


def built(here: Opened, sources: Sources, doing: Point, done: Callable[..., None]) -> str:
    doing("dataset")
    made = build(replace(sources, store=here.store, audit=here.audit), Options(least=2), actor="test").record
    done(dataset=made.dataset_id, sha256=made.sha256)
    return made.dataset_id


def learnt(here: Opened, dataset_id: str, doing: Point, done: Callable[..., None]) -> None:
    doing(f"train {dataset_id}")
    run = prepared(here, dataset_id, here.settings.home.parent / "base")
    made = train(run, here.settings, lambda _: None)
    done(trained=dataset_id, sha256=made.adapter_sha256)
    doing("register")
    record = register(run, made, open_registry(here.settings, here.store, here.audit), actor="test")
    done(adapter=record.adapter_id, sha256=record.sha256)


def prepared(here: Opened, dataset_id: str, base: Path) -> Run:
    """Three steps, each with a checkpoint, which meet every row."""
    wanted = config("sft", base, dataset=dataset_id, checkpoint_every=1, steps=3, batch_size=8)
    return prepare(wanted, here, allow_dirty=True)


def killed_at(home: Path, act: str, left: int) -> Point:
    """Die at the n-th point of that act: a file of the home opened to be written, made, moved or removed, a commit begun or done."""
    here = ""

    def point(kind: str) -> None:
        nonlocal left
        left -= here.startswith(act)
        if left == 0:
            left = -1  # what is written here is no point
            with (home.parent / KILLED).open("a") as told:
                told.write(json.dumps({"act": act, "point": kind, "of": here.partition(" ")[2]}) + "\n")
            os.kill(os.getpid(), signal.SIGKILL)

    def look(name: str, given: tuple[Any, ...]) -> None:
        place = next((one for one in map(str, given) if one.startswith(f"{home}{os.sep}")), "") if given else ""
        writes = name == "open" and isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR)
        if place and (writes or name in FILES):
            point(f"{name} {Path(place).relative_to(home).parts[0]}")

    def doing(what: str) -> None:
        nonlocal here
        here = what

    sys.addaudithook(look)
    event.listen(sa.engine.Engine, "commit", lambda *_: point("commit"))  # the tracking's database, too
    event.listen(sa.pool.Pool, "checkin", lambda *_: point("checkin"))
    return doing


def check(home: Path, when: str) -> None:
    """Nothing that was acknowledged is lost, and nothing is there by half."""
    acts = lines(home, ACKNOWLEDGED)
    with opened(home) as here:
        assert here.audit.verify() == [], when
        datasets = Datasets(here.store, here.audit)
        records = {one.dataset_id: one for one in datasets.all()}
        for one in records.values():
            assert verify(home, one, datasets.lineage(one.dataset_id)) == [], when
        assert {(one["dataset"], one["sha256"]) for one in acts if "dataset" in one} <= {(k, r.sha256) for k, r in records.items()}, when  # fmt: skip
        registry = Registry(here.store, here.audit, home=home)
        registered = {one.adapter_id: registry.verified(one.adapter_id).sha256 for one in registry.all()}
        assert {(one["adapter"], one["sha256"]) for one in acts if "adapter" in one} <= set(registered.items()), when
        with here.store.read() as connection:
            events = set(connection.scalars(sa.select(adapter_event.c.adapter_id)))
            approved = connection.scalar(sa.select(sa.func.count()).where(review.c.item_id == review_item.c.item_id))
        assert events == set(registered), when
        assert (approved or 0) >= 8 + sum("item" in one for one in acts), when
    whole(home, set(records), when)


def whole(home: Path, recorded: set[str], when: str) -> None:
    """Each folder under its name is whole: datasets that the store does not know yet, too, adapters, and runs that are done."""
    for folder in (home / FOLDER).glob("ds-*"):
        assert id_of((folder / MANIFEST).read_bytes()) == folder.name, when
        files = read_manifest(folder)["files"]
        assert {name: sha256((folder / name).read_bytes()) for name in files} == {name: one["sha256"] for name, one in files.items()}, when  # fmt: skip
    assert all((home / FOLDER / name).is_dir() for name in recorded), when
    for folder in (home / "adapters").glob("[!.]*"):
        assert (folder / SEALED).is_file(), when
    for file in (home / "training").glob(f"*/{DONE}"):
        said = json.loads(file.read_text())
        assert open_sealed(file.parent / said["adapter"]).sha256 == said["adapter_sha256"], when


def interrupted(home: Path) -> list[str]:
    """Datasets on which a training was killed and came to its end later, those that were killed most often first."""
    ended = {one["trained"] for one in lines(home, ACKNOWLEDGED) if "trained" in one}
    killed = [one["of"] for one in lines(home, KILLED) if one["act"] == "train"]
    return sorted(ended & set(killed), key=lambda one: (-killed.count(one), one))


def trained_whole(home: Path, dataset_id: str) -> None:
    """The same run once more, in a home where nothing interrupts it: the same bytes."""
    elsewhere = home.parent / f"whole-{dataset_id}" / "home"
    elsewhere.mkdir(parents=True)
    for path in home.glob("*.*"):  # the store, the audit log's key, the tracking's tables
        shutil.copy(path, elsewhere)
    shutil.copytree(home / FOLDER, elsewhere / FOLDER)
    with opened(elsewhere) as here:
        made = train(prepared(here, dataset_id, home.parent / "base"), here.settings, lambda _: None)
    known = {one["sha256"] for one in lines(home, ACKNOWLEDGED) if one.get("trained") == dataset_id}
    assert known == {made.adapter_sha256}


def lines(home: Path, file: str) -> Acts:
    """What was written down; a line that the kill cut off was not."""
    path = home.parent / file
    found = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in found if line.endswith(b"\n")]
