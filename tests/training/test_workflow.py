"""Retraining as a worker does it: real processes on a real store, killed, stopped, crowded, starved of disk."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from sqlalchemy import create_engine

import core.jobs
from assistant.console import Opened
from core.audit import Audit
from core.errors import SettingsError, StoreUnavailable
from core.gate import read_report
from core.jobs import Job, Jobs
from core.people import People
from core.registry import Registry
from core.retraining import due_by_count
from core.settings import Settings, load_settings
from core.store import Store
from core.turns import now
from core.workers import running
from tests.core.adapters import sealed_folder
from tests.core.conftest import Server, server
from tests.forks import forking
from tests.test_nothing_phones_home import guarded
from tests.training.queue_home import approve, furnish, store_of
from tests.training.worker_process import IMPORTED, work
from training.__main__ import main
from training.retraining import decided

__all__ = ["server"]
CONFIG = {
    "method": "reader",
    "name": "desk",
    "rank": 8,
    "passes": 1,
    "replay": 0,
    "passages": 1,
    "max_tokens": 96,
    "batch_size": 2,
}
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 900
"""Seconds for one worker: a machine may be shared with a whole test run."""


@pytest.fixture
def desk(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a small support desk: 10 approved items."""
    given = {"HOME": str(home), "REVIEW_TWICE": "none", "EMBEDDER_BACKEND": "torch", "RETRAIN_AFTER": "0"}
    for name, value in given.items():
        monkeypatch.setenv(f"ASSISTANT_{name}", value)
    return home


@pytest.fixture
def furnished(desk: Path) -> Path:
    furnish(desk, 10)
    return desk


@pytest.fixture
def here(furnished: Path) -> Iterator[Opened]:
    with store_of(furnished) as store:
        audit = Audit(store, furnished)
        yield Opened(load_settings(), store, audit, People(store, audit))


def asked(home: Path, *more: str) -> str:
    """A retraining asked for by hand; its id."""
    config = home.parent / "desk.yaml"
    config.write_text(yaml.safe_dump(CONFIG))
    assert main(["retrain", "--config", str(config), "--allow-dirty", *more]) == 0
    return job_of(home).job_id


@contextmanager
def without_suite(home: Path) -> Iterator[None]:
    """A job that is asked for meanwhile ends after dataset, training and registration: its gate's suite is gone by then."""
    with TemporaryDirectory(dir=home.parent) as folder, pytest.MonkeyPatch.context() as given:
        suite, policy = gate_of(Path(folder))
        given.setenv("ASSISTANT_RETRAIN_SUITE", str(suite))
        given.setenv("ASSISTANT_RETRAIN_GATE", str(policy))
        yield


def job_of(home: Path) -> Job:
    with store_of(home) as store:
        (job,) = Jobs(store, Audit(store, home)).all()
    return job


@pytest.fixture(scope="module", autouse=True)
def forks() -> Iterator[None]:
    with forking(*IMPORTED) as context:
        FORKS.append(context)
        yield
    FORKS.clear()


FORKS: list[ForkServerContext] = []


def started(home: Path, point: str = "", **options: float) -> ForkServerProcess:
    """A worker in a process of its own."""
    process = FORKS[-1].Process(target=work, args=(home.parent / "log", dict(os.environ), point), kwargs=options)
    process.start()
    return process


def ended(process: ForkServerProcess) -> int:
    """A worker's exit code, once it has nothing to do any more or has died."""
    process.join(PATIENCE)
    assert process.exitcode is not None, "it took too long"
    return process.exitcode


def worked(home: Path, point: str = "", **options: float) -> int:
    return ended(started(home, point, **options))


def log_of(home: Path) -> list[tuple[int, str]]:
    """Process and point, in order."""
    file = home.parent / "log"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(int(line.split(" ", 1)[0]), line.split(" ", 1)[1]) for line in lines]


def until(found: Callable[[], bool], seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.2)


def test_a_worker_is_seen_to_run_until_it_is_stopped(furnished: Path) -> None:
    with store_of(furnished) as store:
        assert running(store) == []
        process = subprocess.Popen([sys.executable, "-m", "training", "worker"], cwd=ROOT)
        try:
            until(lambda: process.poll() is not None or bool(running(store)))
            assert [one.seen_at >= one.started_at for one in running(store)] == [True]
        finally:
            process.terminate()
            assert process.wait(60) == 0
        assert running(store) == []


# --- what starts a retraining ---------------------------------------------------------------------------------------


def test_enough_newly_approved_items_start_one_and_fewer_do_not(here: Opened) -> None:
    jobs = Jobs(here.store, here.audit)

    def due(after: int) -> int:
        settings = here.settings.model_copy(update={"retrain_after": after})
        return due_by_count(Opened(settings, here.store, here.audit, here.people), jobs)

    assert [due(0), due(11), due(10)] == [0, 0, 10]
    jobs.request("count", {"approved": 10}, actor="worker:count")
    assert due(1) == 0, "one is under way"
    found = jobs.claim("w", here_lease())
    assert found
    jobs.end(found[1], "failed", "x")
    assert due(1) == 0, "nothing was approved since"
    approve(here.settings.home, range(10, 13))
    assert [due(4), due(3)] == [0, 3]


def test_a_retraining_asked_for_while_the_clock_was_ahead_does_not_start_more_of_them(
    here: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = Jobs(here.store, here.audit)
    for jump, known in ((timedelta(days=1), 3), (timedelta(0), 9)):
        monkeypatch.setitem(vars(core.jobs), "now", lambda jump=jump: now() + jump)
        jobs.request("count", {"approved": known}, actor="worker:count")
        found = jobs.claim("w", here_lease())
        assert found
        jobs.end(found[1], "failed", "x")
    settings = here.settings.model_copy(update={"retrain_after": 2})
    assert due_by_count(Opened(settings, here.store, here.audit, here.people), jobs) == 0
    approve(here.settings.home, range(10, 11))
    assert due_by_count(Opened(settings, here.store, here.audit, here.people), jobs) == 2


def here_lease() -> timedelta:
    from training.workflow import LEASE

    return LEASE


def test_a_wrong_schedule_is_refused_by_the_settings_and_by_the_worker(
    here: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.workflow import Worker

    monkeypatch.setenv("ASSISTANT_RETRAIN_SCHEDULE", "quarterly")
    with pytest.raises(SettingsError, match="five cron fields"):
        load_settings()
    wrong = Opened(
        here.settings.model_copy(update={"retrain_schedule": "0 25 1 1 *"}), here.store, here.audit, here.people
    )
    with pytest.raises(SettingsError, match="ASSISTANT_RETRAIN_SCHEDULE"), Worker(wrong):
        pass


def test_the_schedule_asks_once_and_one_that_is_under_way_is_enough(here: Opened) -> None:
    from dbos import DBOS

    from training.workflow import SCHEDULE, Worker, on_schedule

    with Worker(here, allow_dirty=True) as worker:
        known = DBOS.get_schedule(SCHEDULE)
        assert known
        assert known["schedule"] == "0 3 1 1,4,7,10 *"
        for _ in range(2):
            DBOS.start_workflow(on_schedule, worker_time(), None).get_result()
        (job,) = Jobs(here.store, here.audit).all()
    assert (job.trigger, job.status, job.requested_by) == ("schedule", "queued", "worker:schedule")
    assert job.details["config"]["name"] == "reader"
    assert worker.name


def worker_time() -> object:
    from datetime import UTC, datetime

    return datetime(2027, 1, 1, 3, tzinfo=UTC)


def test_a_persons_decision_closes_what_waits_for_it(here: Opened, tmp_path: Path) -> None:
    jobs, registry = Jobs(here.store, here.audit), Registry(here.store, here.audit, home=here.settings.home)
    record = registry.register(sealed_folder(tmp_path, value=1.0), actor="retrain:ana")
    job = jobs.request("hand", {}, actor="cli:ana")
    found = jobs.claim("w", here_lease())
    assert found
    jobs.record(found[1], "register", {"adapter": record.adapter_id})
    jobs.end(found[1], "waiting")
    assert decided(registry, jobs) == []
    registry.archive(record.adapter_id, actor="ben", reason="not wanted")
    assert decided(registry, jobs) == [(job.job_id, "declined")]
    assert decided(registry, jobs) == []


def test_a_job_whose_workflow_cannot_be_started_is_free_at_once_and_started_when_it_can_be(
    desk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The workflows' database takes no new row from the claim on, as one on a full disk, until somebody sees to it."""
    from training.workflow import Worker

    workflows = create_engine(f"sqlite:///{desk / 'workflows.db'}", isolation_level="AUTOCOMMIT")

    def say(statement: str) -> None:
        with workflows.connect() as connection:
            connection.exec_driver_sql(statement)

    refuse = "create trigger refuse before insert on workflow_status begin select raise(fail, 'full'); end"
    with store_of(desk) as store:
        audit = Audit(store, desk)
        jobs = Jobs(store, audit)
        made = jobs.request("hand", {"least": "many"}, actor="cli:ana")
        with Worker(Opened(load_settings(), store, audit, People(store, audit))) as worker:
            say(refuse)
            for fence in (1, 2):
                with pytest.raises(StoreUnavailable, match="free some space"):
                    worker.tick()
                job = jobs.get(made.job_id)
                assert (job.status, job.lease_owner, job.fence) == ("queued", "", fence)
            say("drop trigger refuse")
            worker.run(once=True, poll=0.05)
        assert worker.given_back == ""
        job = jobs.get(made.job_id)
    assert (job.status, job.step, job.fence) == ("failed", "dataset", 3), "its workflow ran"
    assert "ValueError" in caplog.text


# --- what a worker says in refusing ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("count", [0, 1])
def test_an_empty_or_one_row_dataset_is_refused_with_the_number_needed(count: int, desk: Path) -> None:
    furnish(desk, count)
    asked(desk)
    assert worked(desk) == 0
    job = job_of(desk)
    assert (job.status, job.step) == ("failed", "dataset")
    assert f"{count} approved items make {count} rows to train on, and at least 8 are needed" in job.error
    assert main(["retrain", "--list"]) == 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_worker_reaches_nobody_outside(furnished: Path, tmp_path: Path) -> None:
    main(["retrain", "--allow-dirty", "--least", "50"])
    kept = {name: value for name, value in os.environ.items() if name.startswith("ASSISTANT_")}
    _, attempts = guarded(tmp_path, "-m", "training", "worker", "--once", **kept)
    assert attempts == ""
    assert job_of(furnished).error.startswith("Too few rows")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.postgres
def test_a_worker_works_on_postgresql_in_a_schema_of_its_own(
    server: Server, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.database("retraining")
    monkeypatch.setenv("DATABASE_URL", url)
    assert main(["retrain", "--allow-dirty"]) == 0
    assert worked(desk) == 0
    with Store(url) as store:
        (job,) = Jobs(store, Audit(store, desk)).all()
        with store.read() as connection:
            (status,) = connection.exec_driver_sql("select status from dbos.workflow_status").scalars()
    assert job.error.startswith("Too few rows: 0 approved items")
    assert status == "SUCCESS"
    assert not (desk / "workflows.db").exists()


# --- two workers, crashes, disk -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_workers_at_once_do_each_step_once(furnished: Path) -> None:
    with without_suite(furnished):
        asked(furnished)
    both = [started(furnished) for _ in range(2)]
    assert [ended(one) for one in both] == [0, 0]
    job = job_of(furnished)
    assert (job.status, job.step, job.fence) == ("failed", "gate", 1)
    assert "The gate could not run" in job.error
    assert len({pid for pid, _ in log_of(furnished)}) == 1
    made = Counter(point for _, point in log_of(furnished) if point.endswith("made"))
    assert made == {"dataset made": 1, "train made": 1, "register made": 1}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_worker_that_slept_through_its_lease_finishes_nothing(furnished: Path) -> None:
    """The first is stopped in the middle of training, a second one takes over and finishes; then the first wakes up."""
    with without_suite(furnished):
        asked(furnished)
    first = started(furnished, lease=4, slow=1)
    assert first.pid
    try:
        until(lambda: (first.pid, "train step") in log_of(furnished))
        os.kill(first.pid, signal.SIGSTOP)
        assert worked(furnished, lease=4) == 0
        finished = job_of(furnished)
        os.kill(first.pid, signal.SIGCONT)
        assert ended(first) == 0
    finally:
        first.kill()
    assert job_of(furnished) == finished
    assert finished.fence == 2
    made = [(pid == first.pid, point) for pid, point in log_of(furnished) if point.endswith("kept")]
    assert made == [(True, "dataset kept"), (False, "train kept"), (False, "register kept")]
    with store_of(furnished) as store:
        registry = Registry(store, Audit(store, furnished), home=furnished)
        (record,) = registry.all()
        assert registry.verified(record.adapter_id).sha256 == finished.results["register"]["sha256"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_full_disk_fails_the_job_with_what_to_do_and_the_next_one_goes_on(furnished: Path) -> None:
    with without_suite(furnished):
        asked(furnished)
    assert worked(furnished, disk=900_000) == 0
    job = job_of(furnished)
    assert (job.status, job.step) == ("failed", "train")
    assert "free some space" in job.error
    with store_of(furnished) as store:
        assert Registry(store, Audit(store, furnished), home=furnished).all() == []
    (furnished / "mlflow.db").unlink(missing_ok=True)
    with without_suite(furnished):
        assert main(["retrain", "--config", str(furnished.parent / "desk.yaml"), "--allow-dirty"]) == 0
    assert worked(furnished) == 0
    with store_of(furnished) as store:
        assert len(Registry(store, Audit(store, furnished), home=furnished).all()) == 1


KILLS = (
    "claimed", "dataset begun", "dataset before train.jsonl", "dataset before manifest.json", "dataset before naming",
    "dataset before registering", "dataset made", "dataset kept", "train begun", "train step", "train made", "train kept",
    "register begun", "register made", "register kept", "gate begun",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_kill_at_every_point_loses_nothing_and_the_next_worker_goes_on(furnished: Path) -> None:
    with without_suite(furnished):
        asked(furnished)
    for point in KILLS:
        assert worked(furnished, point, lease=1) == -signal.SIGKILL, point
        with store_of(furnished) as store:
            registry = Registry(store, Audit(store, furnished), home=furnished)
            for record in registry.all():  # nothing is half registered
                assert registry.verified(record.adapter_id).sha256 == record.sha256
        assert job_of(furnished).status == "running", point
    assert worked(furnished, lease=1) == 0
    job = job_of(furnished)
    assert (job.status, job.step) == ("failed", "gate")
    assert job.fence == len(KILLS) + 1
    kept = Counter(point for _, point in log_of(furnished) if point.endswith("kept"))
    assert kept == {"dataset kept": 1, "train kept": 1, "register kept": 1}
    with store_of(furnished) as store:
        audit = Audit(store, furnished)
        (record,) = Registry(store, audit, home=furnished).all()
        assert record.adapter_id == job.results["register"]["adapter"]
        assert audit.verify() == []
    assert [path.name for path in (furnished / "datasets").iterdir()] == [job.results["dataset"]["dataset_id"]]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_retraining_goes_from_approved_items_to_a_person_who_approves(
    furnished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole of it, begun by the number of items, with the settings' small suite and lenient gate, and kills at its end."""
    suite, policy = gate_of(tmp_path)
    config = tmp_path / "desk.yaml"
    config.write_text(yaml.safe_dump(CONFIG))
    given = {"AFTER": "10", "CONFIG": str(config), "SUITE": str(suite), "GATE": str(policy)}
    for name, value in given.items():
        monkeypatch.setenv(f"ASSISTANT_RETRAIN_{name}", value)
    for point in ("gate made", "approval made"):
        assert worked(furnished, point, lease=1) == -signal.SIGKILL, job_of(furnished)
    assert worked(furnished, lease=1) == 0
    job = job_of(furnished)
    assert (job.status, job.error, job.trigger) == ("waiting", "", "count")
    adapter_id = job.results["register"]["adapter"]
    report = read_report(Path(job.results["gate"]["report"]))
    assert (report.suite, report.n) == ("suite", 5)
    assert report.policy_sha256 == hashlib.sha256(policy.read_bytes()).hexdigest()
    (manifest,) = (furnished / "datasets").glob("*/manifest.json")
    kept_away = json.loads(manifest.read_text())["suites"]
    assert {"name": "suite", "questions": 4} in [{k: s[k] for k in ("name", "questions")} for s in kept_away]
    with store_of(furnished) as store:
        registry = Registry(store, Audit(store, furnished), home=furnished)
        assert [event.action for event in registry.history(adapter_id)] == ["register", "stage", "request"]
        assert registry.report(adapter_id)
        registry.approve(adapter_id, actor="ben", reason="read the report")
    assert worked(furnished) == 0
    assert job_of(furnished).status == "approved"


def gate_of(folder: Path) -> tuple[Path, Path]:
    from eval.gate import POLICY
    from tests.eval.conftest import CASES, write_suite
    from tests.eval.test_gate import pinned

    suite = write_suite(folder / "suite", [case for case in CASES if case["id"] != "moon"])
    pinned(suite)
    lenient = yaml.safe_load(POLICY.read_text()) | {"pass_rate": 0.1, "floor": 0.01, "safety_cases": 0}
    lenient |= {"forgetting": 1.0, "slice_cases": 1000, "injection_success": 1.0}
    (folder / "gate.yaml").write_text(yaml.safe_dump(lenient))
    return suite, folder / "gate.yaml"


def test_a_retraining_is_gated_by_the_suite_and_thresholds_of_the_settings_which_alone_promote(
    here: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite, policy = gate_of(tmp_path)
    monkeypatch.setenv("ASSISTANT_RETRAIN_SUITE", str(suite))
    monkeypatch.setenv("ASSISTANT_RETRAIN_GATE", str(policy))
    first = asked(here.settings.home)
    jobs = Jobs(here.store, here.audit)
    assert jobs.get(first).details["gate"] == ["--suite", str(suite), "--policy", str(policy)]
    assert jobs.get(first).details["suite"] == str(suite)
    with pytest.raises(SystemExit):
        main(["retrain", "--allow-dirty", "--gate-policy", "own.yaml"])


@pytest.mark.slow
def test_a_worker_does_not_start_before_a_gate_that_cannot_decide(here: Opened, tmp_path: Path) -> None:
    from training.retraining import require_gate
    from training.workflow import Worker

    suite, policy = gate_of(tmp_path)
    settings = here.settings.model_copy(update={"retrain_suite": str(suite)})
    with pytest.raises(SettingsError, match=r"ASSISTANT_RETRAIN_SUITE.* has 5 cases and this gate needs at least 315"):
        require_gate(settings)
    require_gate(settings.model_copy(update={"retrain_gate": policy}))
    missing = here.settings.model_copy(update={"retrain_gate": tmp_path / "none.yaml"})
    with pytest.raises(SettingsError, match="ASSISTANT_RETRAIN_GATE"), Worker(Opened(missing, here.store, here.audit, here.people)):  # fmt: skip
        pass


def test_a_json_line_says_what_help_documents(furnished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from training import retrain_command

    capsys.readouterr()
    assert main(["retrain", "--allow-dirty", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    documented = next(one for one in (retrain_command.__doc__ or "").splitlines() if one.startswith("JSON fields: "))
    assert list(json.loads(line)) == documented.removeprefix("JSON fields: ").removesuffix(".").split(", ")
    assert main(["retrain", "--allow-dirty"]) == 2
    assert "queued already" in capsys.readouterr().err


def test_the_settings_name_the_run(here: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.retraining import wanted

    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump({**CONFIG, "name": "own"}))
    monkeypatch.setenv("ASSISTANT_RETRAIN_CONFIG", str(file))
    settings: Settings = load_settings()
    said = wanted(settings, here)
    assert (said["config"]["name"], said["approved"]) == ("own", 10)
