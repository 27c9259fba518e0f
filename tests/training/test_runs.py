"""From a configuration file to a registered adapter: what is refused, what is kept, and that the same run is one run."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

import httpx
import pytest

from assistant.bases import open_registry
from assistant.console import opened
from core.audit import Audit
from core.consent import Consent
from core.datasets import DatasetRecord, Datasets
from core.errors import Conflict
from core.jobs import Jobs
from core.provenance import Code, require_clean
from core.registry import Registry
from core.run_config import read_config
from core.sealed import CARD
from core.settings import load_settings
from core.store import Store
from core.tracking_file import FILE
from core.turns import Turns
from retrieval.catalogue import Catalogue
from tests.core.adapters import sealed_folder
from tests.core.lineage import keep
from tests.training.small_set import recorded, rows
from training import run_command
from training.__main__ import main
from training.dataset_manifest import lineage_of
from training.recipe import Step
from training.retraining import Steps
from training.runs import Done, prepare, register
from training.tracking import Tracking

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's own, of SQLAlchemy
CONFIG = """# python -m training run desk.yaml
method: reader
name: desk
dataset: {dataset}
rank: 8
passes: 1
replay: 0
passages: 1
max_tokens: 96
batch_size: 2
"""
Typed = Callable[..., int]


@dataclass(frozen=True)
class Desk:
    """A home folder with one dataset and the configuration of a run on it."""

    home: Path
    record: DatasetRecord

    @property
    def config(self) -> Path:
        return self.home.parent / "desk.yaml"

    @property
    def runs(self) -> list[Path]:
        folder = self.home / "training"
        return sorted(folder.iterdir()) if folder.exists() else []


def furnished(home: Path, training: int) -> Desk:
    home.mkdir(exist_ok=True)
    with Store(f"sqlite:///{home / 'assistant.db'}") as store:
        made = rows(training, 2)
        record = recorded(home, Datasets(store, Audit(store, home)), made)
        keep(store, lineage_of(made))
    desk = Desk(home, record)
    desk.config.write_text(CONFIG.format(dataset=record.dataset_id))
    return desk


@pytest.fixture
def desk(home: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("ASSISTANT_HOME", str(home))
    return furnished(home, 10)


def typed(*words: object) -> int:
    return main([str(word) for word in words])


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What the command says in refusing, in one line."""
    assert typed("run", *words, "--allow-dirty") == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    return said


# --- what is refused before anything is loaded ----------------------------------------------------------------------


def test_a_run_names_its_dataset(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.config.write_text(CONFIG.replace("dataset: {dataset}\n", ""))
    assert "--dataset ID" in refused(capsys, desk.config)
    assert "There is no dataset 'ds-000'" in refused(capsys, desk.config, "--dataset", "ds-000")


def test_a_dataset_that_was_changed_is_not_trained_on(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    file = desk.home / desk.record.folder / "train.jsonl"
    file.write_bytes(file.read_bytes().replace(b"What may", b"How much"))
    said = refused(capsys, desk.config)
    assert "train.jsonl was changed" in said
    assert f"python -m training dataset verify {desk.record.dataset_id}" in said
    assert desk.runs == []


def erased(store: Store, audit: Audit) -> str:
    Turns(store).erase("ben.okafor")
    return "12 rows that may not be trained on any more (12 of questions that were erased)"


def opted_out(store: Store, audit: Audit) -> str:
    Consent(store, audit).set("ben.okafor", allowed=False)
    return "12 rows that may not be trained on any more (12 of people who have opted out of training)"


def document_gone(store: Store, audit: Audit) -> str:
    Catalogue(store, audit).erase(("doc-3", 1), actor="test")
    return "1 row that may not be trained on any more (1 on documents whose words were erased)"


@pytest.mark.parametrize("act", [erased, opted_out, document_gone])
def test_a_dataset_of_somebody_who_was_erased_or_opted_out_since_is_not_trained_on_and_verify_tells_it(
    act: Callable[[Store, Audit], str], desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    name = desk.record.dataset_id
    assert typed("dataset", "verify", name) == 0
    with Store(f"sqlite:///{desk.home / 'assistant.db'}") as store:
        lost = act(store, Audit(store, desk.home))
    capsys.readouterr()
    said = refused(capsys, desk.config)
    assert said.startswith(f"{name} holds {lost}")
    assert said.endswith("Build it anew: python -m training dataset build\n")
    assert typed("run", desk.config, "--dry-run") == 2
    assert desk.runs == []
    capsys.readouterr()
    assert typed("dataset", "verify", name) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"dataset_row holds {lost}",
        f"{name} may not be trained on any more: do not train on it, build it again.",
    ]


def test_somebody_who_is_erased_while_it_trains_leaves_no_adapter(desk: Desk) -> None:
    with opened() as here:
        run = prepare(read_config(desk.config), here, allow_dirty=True)
        run.folder.mkdir(parents=True)
        sealed = sealed_folder(run.folder, value=1.0)
        done = Done(run.folder.name, sealed.name, "", {}, "run-1", 1.0)
        registry = open_registry(here.settings, here.store, here.audit)
        Turns(here.store).erase("ben.okafor")
        with pytest.raises(Conflict, match=f"{desk.record.dataset_id} holds 12 rows .*erased"):
            register(run, done, registry, actor="ana")
        assert registry.all() == []
    assert not (desk.home / "adapters").exists()


@pytest.mark.parametrize("step", ["train", "register"])
def test_a_retraining_whose_person_was_erased_after_its_dataset_goes_no_further(
    step: Literal["train", "register"], desk: Desk
) -> None:
    with opened() as here:
        jobs = Jobs(here.store, here.audit)
        config = read_config(desk.config).model_dump(mode="json")
        jobs.request("hand", {"config": config, "allow_dirty": True}, actor="ana")
        taken = jobs.claim("worker", timedelta(seconds=60))
        assert taken
        job, lease = taken
        run = prepare(read_config(desk.config), here, allow_dirty=True)
        run.folder.mkdir(parents=True)
        trained = Done(run.folder.name, sealed_folder(run.folder, value=1.0).name, "", {}, "run-1", 1.0)
        jobs.record(lease, "dataset", {"dataset_id": desk.record.dataset_id})
        if step == "register":
            jobs.record(lease, "train", asdict(trained) | {"key": run.key})
        Turns(here.store).erase("ben.okafor")
        with pytest.raises(Conflict, match=f"{desk.record.dataset_id} holds 12 rows .*erased"):
            Steps(here, lease).do(step)
        assert open_registry(here.settings, here.store, here.audit).all() == []
        assert step not in jobs.get(job.job_id).results


@pytest.mark.parametrize("count", [0, 1, 7])
def test_too_few_rows_are_refused_with_the_number_needed(
    count: int, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASSISTANT_HOME", str(home))
    small = furnished(home, count)
    assert f"has {count} rows to train on, and at least 8 are needed" in refused(capsys, small.config)


def test_every_problem_of_a_file_is_named_with_its_line(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.config.write_text("method: reader\nname: Desk 1\npases: 3\nseed: -1\n")
    assert typed("run", desk.config) == 2
    said = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[0].rpartition(":")[2] for line in sorted(said)] == ["2", "3", "4"]
    assert "did you mean passes?" in "".join(said)


def test_a_tree_with_changes_is_refused_unless_it_is_allowed(tmp_path: Path) -> None:
    package = tmp_path / "training"
    package.mkdir()
    (package / "a.py").write_text("A = 1\n")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t.example", "-C", str(tmp_path)]
    for words in (["init", "-q"], ["add", "training"], ["commit", "-qm", "a"]):
        subprocess.run([*git, *words], check=True)
    clean = Code.read(["training"], tmp_path)
    require_clean(clean)
    (package / "a.py").write_text("A = 2\n")
    dirty = Code.read(["training"], tmp_path)
    assert dirty.revision == f"{clean.revision}+changes"
    assert dirty.sha256 != clean.sha256
    with pytest.raises(Conflict, match="--allow-dirty"):
        require_clean(dirty)


def test_a_folder_without_git_has_no_revision_and_still_a_hash(tmp_path: Path) -> None:
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "a.py").write_text("A = 1\n")
    code = Code.read(["training"], tmp_path)
    assert (code.revision, len(code.sha256), code.dirty) == ("", 64, False)


def test_a_tracking_server_that_is_down_is_said_in_one_line(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert typed("run", desk.config, "--allow-dirty") == 4
    assert "MLFLOW_TRACKING_URI does not answer" in capsys.readouterr().err.splitlines()[-1]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """An MLflow server of this test's own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = [
        "--backend-store-uri",
        f"sqlite:///{tmp_path / 'server.db'}",
        "--artifacts-destination",
        str(tmp_path / "art"),
    ]
    words = [
        Path(sys.executable).with_name("mlflow"),
        "server",
        *store,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    end = time.monotonic() + 200
    while time.monotonic() < end:
        try:
            httpx.get(f"{url}/health").raise_for_status()
            break
        except httpx.HTTPError:
            time.sleep(0.5)
    yield url
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.slow
def test_runs_are_kept_on_a_server_and_one_that_was_cut_off_goes_on_there(
    server: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    settings = load_settings(home=home)
    first = Tracking(settings, name="desk", key="k1", params={"seed": "11"})
    first.step(Step(1, 3, 0.9))
    again = Tracking(settings, name="desk", key="k1", params={"seed": "11"})
    other = Tracking(settings, name="desk", key="k2", params={"seed": "12"})
    assert again.run_id == first.run_id != other.run_id
    again.step(Step(2, 3, 0.5, metrics={"margin": 1.5}))
    again.finish({"right": 0.75}, {"content": "1a2b"})
    run = MlflowClient(tracking_uri=server).get_run(first.run_id)
    assert (run.info.status, run.data.params) == ("FINISHED", {"seed": "11"})
    assert run.data.metrics == {"loss": 0.5, "margin": 1.5, "right": 0.75}
    assert not (home / "mlflow.db").exists()
    assert capsys.readouterr().out == "", "what a command prints may be JSON lines"


@pytest.mark.slow
def test_a_tracking_file_whose_making_was_cut_off_is_made_anew(home: Path) -> None:
    home.mkdir(exist_ok=True)
    half = home / ".mlflow" / FILE
    half.parent.mkdir()
    half.write_bytes(b"SQLite format 3")
    assert Tracking(load_settings(home=home), name="desk", key="k1", params={"seed": "11"}).run_id
    assert (home / FILE).is_file()
    assert not half.parent.exists()


# --- a run ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_dry_run_says_what_it_would_take_and_keeps_nothing(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(desk.home.rglob("*"))
    assert typed("run", desk.config, "--dry-run", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["rows"], said["validation_rows"], said["steps"]) == (10, 2, 5)
    assert said["tokens"] == 10 * 40, "question and passage of each row in one window"
    assert 0.1 < said["memory_gib"] < 8
    assert said["seconds"] > 1
    assert [p for p in sorted(desk.home.rglob("*")) if p not in before] == []


@pytest.mark.slow
def test_a_run_registers_an_adapter_with_its_lineage_and_the_same_run_again_is_the_same_adapter(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("run", desk.config, "--allow-dirty", "--json") == 0
    *steps, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert steps[-1]["step"] == steps[-1]["steps"] == 5
    documented = dict(re.findall(r"^JSON fields(?: of ([^:]+))?: (.+)\.$", run_command.__doc__ or "", re.MULTILINE))
    assert [", ".join(steps[0]), ", ".join(last)] == [documented[""], documented["the last line"]]
    with Store(f"sqlite:///{desk.home / 'assistant.db'}") as store:
        registry = Registry(store, Audit(store, desk.home), home=desk.home)
        record = registry.get(last["adapter"])
        sealed = registry.verified(record.adapter_id)
        (event,) = registry.history(record.adapter_id)
    assert record.adapter_id == f"desk-v1-{sealed.content_sha256[:8]}"
    assert (record.stage, record.ceiling, record.dataset_id) == ("dev", "internal", desk.record.dataset_id)
    assert (record.sha256, record.run_id) == (last["sha256"], last["run_id"])
    assert last["dataset_sha256"] == desk.record.sha256
    assert last["config_sha256"][:12] in event.reason
    card = (sealed.folder / CARD).read_text()
    assert all(one in card for one in (desk.record.sha256, last["config_sha256"], "validation_right", "internal"))
    tracked(desk, last)
    assert typed("run", desk.config, "--allow-dirty", "--json") == 0
    (again,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert again == last, "nothing is trained again"
    assert len(desk.runs) == 1


def tracked(desk: Desk, last: dict[str, str]) -> None:
    """The run as MLflow has it: parameters, a loss for each step, what came out."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{desk.home / 'mlflow.db'}")
    run = client.get_run(last["run_id"])
    params = run.data.params
    assert run.info.status == "FINISHED"
    assert (params["dataset_sha256"], params["config.rank"], params["seed"]) == (desk.record.sha256, "8", "11")
    assert params["package.torch"]
    assert params["hardware.cores"]
    assert params["code_sha256"]
    assert [m.step for m in client.get_metric_history(last["run_id"], "loss")] == [1, 2, 3, 4, 5]
    assert run.data.metrics["validation_rows"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("limit_kib", [64, 2000])
def test_a_full_disk_is_said_and_registers_nothing(desk: Desk, limit_kib: int) -> None:
    """So small that the tracked run cannot be written, and so small that the adapter cannot."""
    if limit_kib > 1000:
        from core.settings import Settings

        Tracking(Settings(home=desk.home), name="x", key="x", params={})
        desk.config.write_text(desk.config.read_text().replace("rank: 8", "rank: 64"))

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_kib * 1024, limit_kib * 1024))

    words = [sys.executable, "-m", "training", "run", str(desk.config), "--allow-dirty"]
    done = subprocess.run(words, preexec_fn=limited, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 4, done.stderr
    assert "free some space" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    with Store(f"sqlite:///{desk.home / 'assistant.db'}") as store:
        assert Registry(store, Audit(store, desk.home), home=desk.home).all() == []
