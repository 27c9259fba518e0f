"""A worker that is told to stop ends at once, in a line, and leaves its job to the next one: a real process, in the middle of its gate."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from core.audit import Audit
from core.jobs import Job, Jobs
from core.registry import Registry
from core.store import Store
from tests.core.adapters import sealed_folder

STEM = f"stop{os.getpid()}"
PATIENCE = 120.0
"""Seconds for a worker to come to its gate: a machine may be shared with a whole test run."""
PROMPT = 20.0
"""Seconds for it to end: two or three where nothing else runs."""


def jobs_of(home: Path, store: Store) -> Jobs:
    return Jobs(store, Audit(store, home))


@pytest.fixture
def job_id(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A retraining whose adapter is registered: a worker begins with its gate, which loads for some seconds before it decides."""
    monkeypatch.setenv("ASSISTANT_HOME", str(home))
    monkeypatch.setenv("ASSISTANT_EMBEDDER_BACKEND", "torch")
    monkeypatch.setenv("ASSISTANT_RETRAIN_AFTER", "0")
    with Store(f"sqlite:///{home / 'assistant.db'}") as store:
        registry = Registry(store, Audit(store, home), home=home)
        record = registry.register(sealed_folder(tmp_path, value=1.0, stem=STEM), actor="retrain:ana")
        jobs = jobs_of(home, store)
        jobs.request("hand", {"gate": []}, actor="ana")
        taken = jobs.claim("earlier", timedelta(seconds=60))
        assert taken
        job, lease = taken
        jobs.record(lease, "dataset", {"dataset_id": "ds-1"})
        jobs.record(lease, "train", {"key": "k"})
        jobs.record(lease, "register", {"adapter": record.adapter_id})
        jobs.give_back(lease)
        yield job.job_id


@pytest.fixture
def workers() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for one in started:
        with suppress(ProcessLookupError):
            os.killpg(one.pid, signal.SIGKILL)
    for pid in gates():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def started() -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "training", "worker", "--once", "--allow-dirty", "--lease", "5"]
    return subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True)


def gates() -> list[int]:
    """The processes that ask the gate about this test's adapter."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if b"gate" in words and any(word.startswith(f"{STEM}-v1".encode()) for word in words):
                found.append(int(folder.name))
    return found


def until(found: Callable[[], object], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.1)


def told(worker: subprocess.Popen[str], number: signal.Signals, whom: str) -> None:
    """Signal the worker, its group, or as a service manager does every process of it, the gate first."""
    if whom == "all":
        for pid in gates():
            os.kill(pid, number)
        time.sleep(0.2)
    if whom == "group":
        os.killpg(worker.pid, number)
    else:
        worker.send_signal(number)


def job_of(home: Path, job_id: str) -> Job:
    with Store(f"sqlite:///{home / 'assistant.db'}") as store:
        return jobs_of(home, store).get(job_id)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_worker_that_is_stopped_in_its_gate_ends_in_a_line_and_the_next_one_goes_on(
    home: Path, job_id: str, workers: list[subprocess.Popen[str]]
) -> None:
    """Each signal to the one who was left the job by the one before, and once more as systemd sends it: to every process."""
    ways = ((signal.SIGTERM, "group"), (signal.SIGINT, "group"), (signal.SIGTERM, "worker"), (signal.SIGTERM, "all"))
    for number, (sent, whom) in enumerate(ways, 2):
        worker = started()
        workers.append(worker)
        until(gates, PATIENCE)
        time.sleep(0.3)
        told(worker, sent, whom)
        _, said = worker.communicate(timeout=PROMPT)
        case = f"{sent.name} to {whom}: {said}"
        assert worker.returncode == 0, case
        assert "Traceback" not in said, case
        assert said.splitlines()[-1] == f"Stopped. {job_id} is free: the next worker goes on with it.", case
        assert gates() == [], case
        job = job_of(home, job_id)
        assert (job.status, job.step, job.error, job.fence) == ("queued", "gate", "", number), case


def test_a_job_that_was_given_back_is_free_at_once_and_nothing_more_is_written_to_it(home: Path, job_id: str) -> None:
    from core.jobs import StaleLease

    with Store(f"sqlite:///{home / 'assistant.db'}") as store:
        jobs = jobs_of(home, store)
        taken = jobs.claim("first", timedelta(seconds=60))
        assert taken
        jobs.give_back(taken[1])
        with pytest.raises(StaleLease):
            jobs.record(taken[1], "gate", {"passed": True})
        assert not jobs.renew(taken[1])
        again = jobs.claim("second", timedelta(seconds=60))
        assert again
        assert "gate" not in again[0].results
        assert again[0].job_id == job_id
