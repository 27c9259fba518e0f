"""The steps of a retraining: dataset, train, register, gate, and then a person's approval. Each may be done again.

Every step is told what those before it brought (`core/jobs.py` keeps it) and works under a lease: where another worker has
taken the job over, the transaction that would keep the result refuses. `training/workflow.py` runs them durably.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from assistant.bases import open_registry
from assistant.console import Opened
from core.errors import BadInput, Conflict, SettingsError
from core.gate import read_report
from core.jobs import Job, Jobs, Lease, StaleLease, Step
from core.registry import Registry
from core.retraining import gate_words, named_suite
from core.run_config import CONFIGS, RunConfig
from core.settings import Settings
from core.suites import SUITE_FILE
from training.dataset import Options, Sources, build
from training.recipe import Step as Progress
from training.runs import FOLDER, Done, Run, prepare, register, train

log = logging.getLogger(__name__)

LOOK_S: Final = 0.5
PUT_AWAY_S: Final = 2.0
TOGETHER_S: Final = 1.0
BY_SIGNAL: Final = (-signal.SIGTERM, -signal.SIGINT, 130)
"""Exit codes of a process that was told to stop; the last is a command's of ours after Ctrl-C."""
NOT_WAITED: Final = "Another worker goes on with it: the gate is not waited for."
Result = dict[str, Any]


class GateClosed(Conflict):
    """The adapter may not serve: the gate's report says no."""


def require_gate(settings: Settings) -> None:
    """Return where the gate that the settings name can decide: else hours of training end before a closed door.

    Raises:
        SettingsError: the suite or the file of thresholds is not there, has problems, or the suite is too small for them.
    """
    words = gate_words(named_suite(settings.retrain_suite), settings.retrain_gate)
    if not words:
        return
    asked = [sys.executable, "-m", "eval", "gate", "--check", "--json", *words]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        why = lines[-1]["message"] if lines else done.stderr.strip()[-500:]
        raise SettingsError(f"The gate of ASSISTANT_RETRAIN_SUITE and ASSISTANT_RETRAIN_GATE cannot decide: {why}")


class Steps:
    """What a worker does for one job under one lease.

    Args:
        reached: told each point at which a crash may come, for the tests of crashes.
        lost: whether the lease was seen to be lost, or this process is to stop; long work looks at it.
    """

    def __init__(
        self,
        here: Opened,
        lease: Lease,
        *,
        lost: Callable[[], bool] = lambda: False,
        reached: Callable[[str], None] = lambda _point: None,
    ) -> None:
        self._here = here
        self._lease = lease
        self._lost = lost
        self._reached = reached
        self._jobs = Jobs(here.store, here.audit)
        self._registry = open_registry(here.settings, here.store, here.audit, check=lease.check)

    def do(self, step: Step) -> Result:
        """Do a step, or take what it brought before a crash.

        Raises:
            StaleLease: the job is another worker's by now.
            BadInput, Conflict and others of ours: the step cannot be done; the message says why.
        """
        known = self._jobs.begin_step(self._lease, step)
        self._reached(f"{step} begun")
        if known is not None:
            return dict(known)
        works: Mapping[Step, Callable[[Job], Result]] = {
            "dataset": self._dataset,
            "train": self._train,
            "register": self._register,
            "gate": self._gate,
            "approval": self._approval,
        }
        result = works[step](self._jobs.get(self._lease.job_id))
        self._reached(f"{step} made")
        self._jobs.record(self._lease, step, result)
        self._reached(f"{step} kept")
        return result

    def _dataset(self, job: Job) -> Result:
        options = Options(least=int(job.details.get("least", 8)))
        suite = Path(str(job.details.get("suite", "")))  # one that lies elsewhere; those of the home folder are known
        suites = [suite] if (suite / SUITE_FILE).is_file() else []
        sources = Sources.open(self._here.settings, self._here.store, self._here.audit, suites=suites)
        made = build(sources, options, actor=_who(job), reached=lambda point: self._reached(f"dataset {point}"))
        return {"dataset_id": made.record.dataset_id, "sha256": made.record.sha256, **made.rows, "held": made.held}

    def _train(self, job: Job) -> Result:
        last = 0.0

        def told(at: Progress) -> None:
            nonlocal last
            if self._lost():
                raise StaleLease(f"Another worker has taken over {job.job_id}: this one stops.")
            self._reached("train step")
            if time.monotonic() - last > 30:
                last = time.monotonic()
                log.info("%s: step %d of %d", job.job_id, at.done, at.total)

        run = self._run(job)
        done = train(run, self._here.settings, told, aside=str(self._lease.fence))
        return asdict(done) | {"key": run.key}

    def _register(self, job: Job) -> Result:
        trained = {name: value for name, value in job.results["train"].items() if name != "key"}
        record = register(self._run(job), Done(**trained), self._registry, actor=_who(job))
        return {"adapter": record.adapter_id, "sha256": record.sha256, "ceiling": record.ceiling}

    def _gate(self, job: Job) -> Result:
        adapter_id = str(job.results["register"]["adapter"])
        said = self._asked_gate(adapter_id, [str(one) for one in job.details.get("gate", ())])
        if said.get("error"):
            raise BadInput(f"The gate could not run: {said.get('message')}")
        kept = ("passed", "against", "n", "rate", "low", "high", "run_id", "report", "seconds")
        return {name: said.get(name) for name in kept} | {"broken": said.get("broken", [])}

    def _approval(self, job: Job) -> Result:
        """Into staging by the gate's report, and a second person is asked for."""
        adapter_id, gate = str(job.results["register"]["adapter"]), job.results["gate"]
        report = read_report(Path(str(gate["report"])))
        if not gate["passed"]:
            raise GateClosed(
                f"The gate is closed for {adapter_id}: {', '.join(gate['broken'])}. Report: {gate['report']}"
            )
        why = f"retraining {job.job_id}: {gate['rate']:.1%} of {gate['n']} cases"
        if self._registry.get(adapter_id).stage == "dev":
            self._registry.stage(adapter_id, report, actor=_who(job), reason=why)
        if self._registry.get(adapter_id).stage == "staging" and self._registry.open_request(adapter_id) is None:
            self._registry.request(adapter_id, actor=_who(job), reason=why)
        return {"adapter": adapter_id}

    def _run(self, job: Job) -> Run:
        """The run as it was asked for, on the job's dataset. The same call gives the same run."""
        given = dict(job.details["config"]) | {"dataset": job.results["dataset"]["dataset_id"]}
        config: RunConfig = CONFIGS[given["method"]].model_validate(given)
        return prepare(config, self._here, allow_dirty=bool(job.details.get("allow_dirty")))

    def _asked_gate(self, adapter_id: str, more: list[str]) -> dict[str, Any]:
        """What `python -m eval gate` says, in a process of its own: training does not import eval."""
        words = [sys.executable, "-m", "eval", "gate", "--adapter", adapter_id, "--json", *more]
        said = self._here.settings.home / FOLDER / f"{self._lease.job_id}.gate.log"
        said.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (
            said.open("w") as errors,
            # a session of its own: Ctrl-C and a signal to the worker's group are the worker's, who ends it
            subprocess.Popen(
                words, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
            ) as process,
        ):
            while True:
                try:
                    out, _ = process.communicate(timeout=LOOK_S)
                    break
                except subprocess.TimeoutExpired:
                    if self._lost():
                        _end(process)
                        raise StaleLease(NOT_WAITED) from None
        if process.returncode in BY_SIGNAL and self._lost_soon():
            raise StaleLease(NOT_WAITED)
        lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        if not lines:
            return {"error": "failed", "message": f"exit code {process.returncode}; {said} says more."}
        broken = [line["check"] for line in lines if "check" in line and not line["passed"]]
        return {**lines[-1], "broken": broken}

    def _lost_soon(self) -> bool:
        """Whether this process is to stop as well: who stops a service signals all its processes, in any order."""
        until = time.monotonic() + TOGETHER_S
        while not (lost := self._lost()) and time.monotonic() < until:
            time.sleep(0.05)
        return lost


def _end(process: subprocess.Popen[str]) -> None:
    """Interrupt the process, so that it puts away what it has on the disk; all that is left of its session is killed."""
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(PUT_AWAY_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def decided(registry: Registry, jobs: Jobs) -> list[tuple[str, str]]:
    """Close the retrainings on whose adapters people have decided; their ids, with what was decided."""
    closed = []
    for job in jobs.all("waiting"):
        adapter_id = str(job.results["register"]["adapter"])
        record = registry.get(adapter_id)
        last = registry.history(adapter_id)[-1]
        if record.stage == "production":
            jobs.close(job.job_id, "approved", actor=last.actor)
            closed.append((job.job_id, "approved"))
        elif record.stage == "archived" or record.blocked or last.action == "decline":
            jobs.close(job.job_id, "declined", actor=last.actor)
            closed.append((job.job_id, "declined"))
    return closed


def _who(job: Job) -> str:
    """The person behind the job, as the registry knows them: they may not approve what was trained for them."""
    return f"{job.kind}:{job.requested_by.rpartition(':')[2]}"
