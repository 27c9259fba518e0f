"""A dataset's folder under kill -9, a full disk and tampering: whole under its name or not there, and every change seen."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.audit import Audit
from core.datasets import DatasetRecord, Datasets
from core.errors import BadInput, Conflict, StoreUnavailable
from core.store import Store
from tests.training.small_set import CARD_TEXT, DATA, ROWS, recorded
from training.dataset_manifest import CARD, FOLDER, MANIFEST, Problem, id_of, read_manifest, verify, write

POINTS = ("before train.jsonl", "before validation.jsonl", "before README.md", "before manifest.json", "before naming")


@pytest.fixture
def datasets(store: Store, audit: Audit) -> Datasets:
    return Datasets(store, audit)


def problems(home: Path, datasets: Datasets) -> list[Problem]:
    (record,) = datasets.all()
    return verify(home, record, datasets.lineage(record.dataset_id))


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_any_point_leaves_nothing_under_the_name_and_the_next_build_is_whole(
    point: str, home: Path, datasets: Datasets
) -> None:
    code = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from tests.training.small_set import ROWS, CARD_TEXT, DATA, write\n"
        "def reached(at):\n    if at == sys.argv[2]: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write(Path(sys.argv[1]), ROWS, CARD_TEXT, DATA, reached=reached)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(home), point], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (home / FOLDER / id_of(DATA)).exists()
    recorded(home, datasets)
    assert problems(home, datasets) == []
    assert [path.name for path in (home / FOLDER).iterdir()] == [id_of(DATA)], "what the killed build left is gone"


def test_a_full_disk_is_said_and_leaves_nothing_behind(home: Path) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
            write(home, ROWS, CARD_TEXT, DATA)
        except StoreUnavailable as error:
            os._exit(7 if "free some space" in str(error) else 8)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert list((home / FOLDER).iterdir()) == []


def test_the_same_rows_are_one_folder_and_one_record(home: Path, datasets: Datasets) -> None:
    first = recorded(home, datasets)
    assert recorded(home, datasets) == first
    assert len(datasets.all()) == 1
    with pytest.raises(Conflict, match="another content"):
        datasets.add(DatasetRecord(**{**{n: getattr(first, n) for n in DatasetRecord.__slots__}, "sha256": "0"}), [])


def test_every_change_on_disk_and_in_the_store_is_named(home: Path, datasets: Datasets) -> None:
    record = recorded(home, datasets)
    folder = home / record.folder
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}

    def found(name: str, data: bytes) -> list[str]:
        (folder / name).write_bytes(data)
        told = [f"{one.where}:{one.line} {one.problem}" for one in problems(home, datasets)]
        (folder / name).write_bytes(whole[name]) if name in whole else (folder / name).unlink()
        assert problems(home, datasets) == []
        return told

    train = whole["train.jsonl"]
    lines = train.splitlines(keepends=True)
    assert found("train.jsonl", train.replace(b"desk 3 is 3", b"desk 3 is 4"))[:2] == [
        "train.jsonl:0 was changed: its hash differs from the manifest's",
        "train.jsonl:4 its id is not the hash of what it holds",
    ]
    assert "train.jsonl:2 is no row of a dataset" in found("train.jsonl", lines[0] + b"{}\n" + b"".join(lines[2:]))
    assert any("holds 5 rows" in one for one in found("train.jsonl", b"".join(lines[:-1])))
    assert any("lacks" not in one and "dataset_row" in one for one in found("train.jsonl", b"".join(lines[:-1])))
    assert found(CARD, b"# Harmless\n") == ["README.md:0 was changed: its hash differs from the manifest's"]
    assert found("extra.pkl", b"x") == ["extra.pkl:0 is no file of the manifest"]
    lower = json.dumps(json.loads(whole[MANIFEST]) | {"ceiling": "public"}).encode()
    assert any("hash differs from the store's" in one for one in found(MANIFEST, lower))
    assert found(MANIFEST, b"[]")[-1] == "manifest.json:0 is no manifest"


def test_lineage_that_was_taken_out_of_the_store_is_missed(home: Path, datasets: Datasets, store: Store) -> None:
    from core.tables import dataset_row

    recorded(home, datasets)
    with store.begin() as connection:
        connection.execute(dataset_row.delete().where(dataset_row.c.document_id == "doc-2"))
    (problem,) = problems(home, datasets)
    assert problem.where == "dataset_row"
    assert "to doc-2 v1" in problem.problem


def test_a_folder_without_a_manifest_says_what_to_do(home: Path) -> None:
    with pytest.raises(BadInput, match="python -m training dataset build"):
        read_manifest(home)
