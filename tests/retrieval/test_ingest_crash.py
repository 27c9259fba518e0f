"""A crash at any moment: nothing that was reported is lost, and no document answers from half of its passages."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from retrieval.catalogue import key_of
from retrieval.ingest import DELETED
from retrieval.originals import Originals
from tests.conftest import make_person
from tests.retrieval.shelf import FailingEmbedder, Power, Shelf, governed

pytestmark = pytest.mark.slow

EMPLOYEE = make_person("emma.employee")
ROOT = Path(__file__).parents[2]


def write(folder: Path, count: int) -> Path:
    """Documents of four sections each, all different."""
    folder.mkdir(exist_ok=True)
    for n in range(count):
        body = "\n\n".join(
            f"# Part {p}\n\nLeave rule {n * 31 + p} covers topic {n}x{p} and nothing else." for p in range(4)
        )
        (folder / f"d{n:03}.md").write_text(governed(f"d{n:03}", body, title=f"Rule {n}"))
    return folder


def assert_nothing_half_indexed(shelf: Shelf) -> None:
    for document in shelf.catalogue.documents(state="indexed"):
        wanted = {p.passage_id for p in shelf.catalogue.passages(*key_of(document))}
        assert shelf.index.passage_ids(*key_of(document)) == wanted, document.document_id
    for spelled in shelf.answers(EMPLOYEE, "leave rule"):
        assert shelf.catalogue.get(spelled.removesuffix(" v1"), 1).state == "indexed"


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.25, 0.5])
def test_kill_during_ingest_loses_nothing_reported_and_a_restart_finishes(
    home: Path, tmp_path: Path, delay: float
) -> None:
    docs = write(tmp_path / "docs", 120)
    command = [sys.executable, "-m", "tests.retrieval.killed_ingest", str(home), str(docs)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        reported = [process.stdout.readline().split()[0]]
        time.sleep(delay)
        process.kill()
        reported += [line.split()[0] for line in process.stdout if line.endswith("indexed\n")]
    shelf = Shelf(home)
    assert all(shelf.catalogue.get(document_id, 1).state == "indexed" for document_id in reported)
    assert_nothing_half_indexed(shelf)
    shelf.ingest.recover()
    assert shelf.catalogue.documents(state="pending") == []
    assert_nothing_half_indexed(shelf)
    shelf.run(docs)
    assert len(shelf.catalogue.documents(state="indexed")) == 120
    assert shelf.index.count() == 480
    assert shelf.audit.verify() == []
    shelf.close()


def test_version_whose_vectors_were_never_written_does_not_answer_until_recovered(home: Path, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", 3)
    shelf = Shelf(home, embedder=FailingEmbedder(0))
    with pytest.raises(Power):
        shelf.run(docs)
    shelf.close()
    shelf = Shelf(home)
    assert [d.state for d in shelf.catalogue.documents()] == ["pending"] * 3
    assert shelf.answers(EMPLOYEE, "leave rule") == {}
    assert shelf.ingest.recover() == 3
    assert len(shelf.answers(EMPLOYEE, "leave rule")) == 3
    assert {r.status for r in shelf.run(docs)} == {"unchanged"}
    shelf.close()


def test_new_version_cut_off_leaves_the_old_one_answering(home: Path, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a1.md").write_text(governed("a", "Leave is 20 days.", version=1))
    shelf = Shelf(home, embedder=FailingEmbedder(1))
    shelf.run(docs)
    (docs / "a2.md").write_text(governed("a", "Leave is 25 days.", version=2))
    with pytest.raises(Power):
        shelf.run(docs)
    assert shelf.answers(EMPLOYEE, "leave") == {"a v1": "Leave is 20 days."}
    shelf.close()
    shelf = Shelf(home)
    shelf.ingest.recover()
    assert shelf.answers(EMPLOYEE, "leave") == {"a v2": "Leave is 25 days."}
    shelf.close()


def test_deletion_that_was_cut_off_is_finished(home: Path, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", 2)
    shelf = Shelf(home)
    shelf.run(docs)
    # What a kill leaves behind between the two halves of `delete`: the row says removed, everything else is there.
    shelf.catalogue.set_state(
        ("d000", 1), "removed", actor="ada.admin", action="document.delete", reason=DELETED, status="retired"
    )
    shelf.close()
    shelf = Shelf(home)
    assert set(shelf.answers(EMPLOYEE, "leave rule")) == {"d001 v1"}
    shelf.ingest.recover()
    assert shelf.index.count() == 4
    assert shelf.catalogue.passages("d000", 1) == []
    shelf.close()


def test_files_that_a_crash_left_without_a_document_go_at_the_next_start(home: Path, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", 2)
    (docs / "apart.md").write_text("Nothing says who may read this.")
    shelf = Shelf(home)
    shelf.run(docs)
    before = {path.name for path in (home / "files").iterdir()}
    files = Originals(home / "files", min_free_bytes=0)
    (waiting,) = shelf.catalogue.documents(state="quarantined")
    files.keep("f" * 64, b"read, and never stored")
    files.doubt(before)  # as a replacement does whose transaction never came
    shelf.catalogue.erase(key_of(waiting), actor="ada.admin", whole=True)  # the first half of a deletion
    shelf.close()
    shelf = Shelf(home)
    shelf.ingest.recover()
    assert {path.name for path in (home / "files").iterdir()} == before - {waiting.sha256}
    shelf.close()


def test_deletion_of_a_document_without_words_is_finished(home: Path, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(governed("a", ""))
    shelf = Shelf(home)
    shelf.run(tmp_path / "a.md")
    shelf.catalogue.set_state(
        ("a", 1), "removed", actor="ada.admin", action="document.delete", reason=DELETED, status="retired"
    )
    shelf.ingest.recover()
    assert list((home / "files").iterdir()) == []
    shelf.close()


def test_lost_index_is_rebuilt_from_the_catalogue(home: Path, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", 5)
    shelf = Shelf(home)
    shelf.run(docs)
    shelf.close()
    (home / "index").rename(tmp_path / "lost")
    shelf = Shelf(home)
    shelf.ingest.recover()
    assert shelf.index.count() == 20
    assert len(shelf.answers(EMPLOYEE, "leave rule")) == 5
    shelf.close()


def test_passages_that_a_power_cut_took_from_the_index_are_put_back(home: Path, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", 5)
    shelf = Shelf(home)
    shelf.run(docs)
    # What a power cut leaves: the catalogue's commit reached the disk, the index's last writes did not.
    shelf.index.delete_document("d003", 1)
    assert set(shelf.answers(EMPLOYEE, "leave rule")) == {"d000 v1", "d001 v1", "d002 v1", "d004 v1"}
    shelf.ingest.recover()
    assert shelf.index.count() == 20
    assert len(shelf.answers(EMPLOYEE, "leave rule")) == 5
    shelf.close()
