"""Backup and restore, on both databases and across them: everything comes back, and nothing damaged is put in place."""

from __future__ import annotations

import gzip
import sqlite3
import tarfile
import threading
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from assistant.backup import write_backup
from assistant.restore import restore
from core.audit import Audit
from core.errors import BadInput, Conflict
from core.people import People
from core.settings import Settings
from core.store import Store
from core.tables import metadata, session
from core.turns import Turns
from tests.core.conftest import Server, server
from tests.core.test_turns import turn
from tests.web.conftest import SiteMaker, add_everybody

__all__ = ["server"]


def fill(store: Store, home: Path) -> None:
    """People, a conversation with strange text, a file, another part's database, things that are left out."""
    add_everybody(People(store, Audit(store, home)), "hash")
    for i in range(3):
        Turns(store).save(turn(after=i, question=f"How long is it? 👍 {i}"))
    (home / "files").mkdir()
    (home / "files" / ("a" * 64)).write_bytes(b"\x00original\xff")
    (home / "index" / "segments").mkdir(parents=True)
    (home / "index" / "segments" / "big").write_bytes(b"x" * 1000)
    (home / "serve.json").write_text("{}")
    with closing(sqlite3.connect(home / "jobs.db")) as jobs:
        jobs.execute("create table job (name text)")
        jobs.execute("insert into job values ('train')")
        jobs.commit()


def content(store: Store) -> dict[str, list[sa.Row[object]]]:
    with store.read() as connection:
        return {
            t.name: list(connection.execute(sa.select(t).order_by(*t.primary_key)))
            for t in metadata.sorted_tables
            if t is not session and t.name != "audit"
        }


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "restored"
    folder.mkdir()
    return folder


@pytest.fixture
def saved(home: Path, store: Store, tmp_path: Path) -> Path:
    fill(store, home)
    write_backup(Settings(home=home), store, tmp_path / "backup.tar.gz")
    return tmp_path / "backup.tar.gz"


def url(kind: str, home: Path, request: pytest.FixtureRequest) -> str:
    if kind == "sqlite":
        return ""
    made: Server = request.getfixturevalue("server")
    return made.database(f"b{abs(hash((request.node.nodeid, str(home)))):x}")


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("sqlite", "sqlite"),
        pytest.param("sqlite", "postgresql", marks=pytest.mark.postgres),
        pytest.param("postgresql", "sqlite", marks=pytest.mark.postgres),
        pytest.param("postgresql", "postgresql", marks=pytest.mark.postgres),
    ],
)
def test_everything_comes_back_also_in_the_other_database(
    home: Path, empty: Path, tmp_path: Path, source: str, target: str, request: pytest.FixtureRequest
) -> None:
    before = Settings(home=home, database_url=url(source, home, request))
    after = Settings(home=empty, database_url=url(target, empty, request))
    with Store(before.store_url) as store:
        fill(store, home)
        manifest = write_backup(before, store, tmp_path / "b.tar.gz")
        original = content(store)
    counts = restore(after, tmp_path / "b.tar.gz")
    assert counts == (sum(manifest.tables.values()), 4)
    with Store(after.store_url) as store:
        assert content(store) == original
        log = Audit(store, empty)
        assert log.verify() == []
        assert next(log.rows(limit=1)).action == "restore"
        log.append("ada", "export", "x")
        assert log.verify() == []
    assert (empty / "files" / ("a" * 64)).read_bytes() == b"\x00original\xff"
    assert (empty / "audit.key").stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(empty / "jobs.db")) as jobs:
        assert jobs.execute("select name from job").fetchall() == [("train",)]
    kept = {path.name for path in empty.iterdir()} - {"assistant.db-wal", "assistant.db-shm", "audit.lock"}
    assert kept == {"audit.head", "audit.key", "files", "jobs.db"} | ({"assistant.db"} if target == "sqlite" else set())


def test_a_backup_is_readable_by_its_owner_only_and_overwrites_nothing(saved: Path, home: Path, store: Store) -> None:
    assert saved.stat().st_mode & 0o777 == 0o600
    with pytest.raises(BadInput, match="exists already"):
        write_backup(Settings(home=home), store, saved)
    with pytest.raises(BadInput, match="not a folder"):
        write_backup(Settings(home=home), store, home / "nosuch" / "b.tar.gz")


def test_a_home_or_a_database_that_is_not_empty_is_refused(saved: Path, home: Path, empty: Path) -> None:
    with pytest.raises(Conflict, match="not empty"):
        restore(Settings(home=home), saved)
    with pytest.raises(Conflict, match="DATABASE_URL is not empty"):
        restore(Settings(home=empty, database_url=f"sqlite:///{home / 'assistant.db'}"), saved)
    assert list(empty.iterdir()) == []


def test_a_damaged_or_cut_backup_is_refused_and_leaves_nothing(saved: Path, empty: Path, tmp_path: Path) -> None:
    whole = saved.read_bytes()
    plain = gzip.decompress(whole)
    for name, data, told in (
        ("cut.tar.gz", whole[: len(whole) // 2], "damaged"),
        ("text.tar.gz", b"no archive at all", "not a backup"),
        ("changed.tar.gz", gzip.compress(plain.replace(b"How long is it", b"How short is i")), "differ"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BadInput, match=told):
            restore(Settings(home=empty), tmp_path / name)
        assert list(empty.iterdir()) == []


def test_an_archive_that_reaches_outside_or_has_no_manifest_is_refused(empty: Path, tmp_path: Path) -> None:
    for name, told in (("../evil", "which no backup has"), ("/evil", "which no backup has"), ("home/x", "no manifest")):
        file = tmp_path / "evil.tar.gz"
        with tarfile.open(file, "w:gz") as archive:
            archive.addfile(tarfile.TarInfo(name))
        with pytest.raises(BadInput, match=told):
            restore(Settings(home=empty), file)
        assert list(empty.iterdir()) == []
    assert not (tmp_path / "evil").exists()


def test_a_backup_of_a_newer_version_names_it(saved: Path, empty: Path, store: Store, tmp_path: Path) -> None:
    newer, here = tmp_path / "newer.tar.gz", f'"schema": "{store.schema()}"'.encode()
    known = gzip.decompress(saved.read_bytes())
    assert here in known
    newer.write_bytes(gzip.compress(known.replace(here, b'"schema": "9001"')))
    with pytest.raises(BadInput, match="newer version"):
        restore(Settings(home=empty), newer)


def test_a_backup_taken_while_people_write_is_one_moment(home: Path, store: Store, tmp_path: Path, empty: Path) -> None:
    fill(store, home)
    log, turns, stop = Audit(store, home), Turns(store), threading.Event()

    def write() -> None:
        count = 3
        while not stop.is_set():
            turns.save(turn(after=count))
            log.append("ada", "export", str(count))
            count += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for i in range(5):
            write_backup(Settings(home=home), store, tmp_path / f"b{i}.tar.gz")
    finally:
        stop.set()
        writer.join()
    for i in range(5):
        target = empty / str(i)
        target.mkdir()
        restore(Settings(home=target), tmp_path / f"b{i}.tar.gz")  # verifies the audit log


@pytest.mark.slow
def test_a_restored_assistant_answers_as_before_with_an_index_made_anew(
    own_site: SiteMaker, empty: Path, tmp_path: Path
) -> None:
    from assistant.bootstrap import build
    from assistant.scripted import ScriptedModel
    from core.records import Question
    from retrieval.embed import HashEmbedder

    question = "How many days of annual leave?"
    with own_site() as site:
        emma = site.assistant.people.get("emma.employee")
        before = site.assistant.answerer.answer(Question(question, emma))
        write_backup(site.assistant.settings, site.assistant.store, tmp_path / "b.tar.gz")
    chosen = Settings(home=empty, reranker="", evidence_threshold=0, low_evidence=0)
    restore(chosen, tmp_path / "b.tar.gz")
    with build(chosen, answer_model=ScriptedModel(), embedder=HashEmbedder()) as again:
        after = again.answerer.answer(Question(question, again.people.get("emma.employee")))
        assert (after.text, [c.passage_id for c in after.citations]) == (
            before.text,
            [c.passage_id for c in before.citations],
        )
        assert again.turns.get(before.turn_id, "emma.employee").answer == before.text
