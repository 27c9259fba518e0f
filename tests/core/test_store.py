"""The store on both databases: the same schema from blank and from the oldest one, and words for what stops it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from core.errors import MissingExtra, SettingsError, StoreUnavailable
from core.store import MIGRATIONS, Store
from core.tables import access_group, metadata
from tests.core.conftest import Server


def differences(store: Store) -> list[object]:
    with store.engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))


def test_the_migrations_from_blank_build_the_tables_that_the_code_names(store: Store) -> None:
    assert differences(store) == []


def test_the_oldest_schema_with_rows_is_brought_to_the_newest(url: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    oldest = ScriptDirectory.from_config(config).get_base()
    assert oldest is not None
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, oldest)
        connection.execute(sa.text("insert into access_group (name, description) values ('kept', '')"))
    engine.dispose()
    for _ in range(2):  # opening again changes nothing
        with Store(url) as store:
            assert differences(store) == []
            with store.read() as connection:
                assert connection.scalars(sa.select(access_group.c.name)).all() == ["kept"]


def test_a_block_that_raises_leaves_nothing_behind(store: Store) -> None:
    with pytest.raises(RuntimeError), store.begin() as connection:  # noqa: PT012
        connection.execute(access_group.insert().values(name="gone", description=""))
        raise RuntimeError
    with store.read() as connection:
        assert connection.execute(sa.select(access_group)).all() == []


def test_text_that_databases_refuse_is_stored_with_replacement_characters(store: Store) -> None:
    with store.begin() as connection:
        connection.execute(access_group.insert().values(name="nul\x00here", description="half \ud83d pair, مرحبا, 👍"))
    with store.read() as connection:
        assert connection.execute(sa.select(access_group)).one() == ("nul\ufffdhere", "half \ufffd pair, مرحبا, 👍")


def test_two_threads_that_write_at_once_wait_for_each_other(store: Store) -> None:
    failures: list[BaseException] = []

    def write(worker: int) -> None:
        try:
            for i in range(25):
                with store.begin() as connection:
                    connection.execute(sa.select(access_group)).all()
                    connection.execute(access_group.insert().values(name=f"{worker}-{i}", description=""))
        except BaseException as error:  # noqa: BLE001 - reported by the main thread
            failures.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with store.read() as connection:
        assert len(connection.execute(sa.select(access_group)).all()) == 100


def test_an_unreadable_url_and_a_missing_driver_name_the_setting() -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        Store("not a url")
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        Store("nosuchdatabase://host/name")
    for url in ("mysql+pymysql://host/name", "postgresql+psycopg://u@host:abc/name"):
        with pytest.raises(SettingsError, match="DATABASE_URL"):
            Store(url)
    with pytest.raises(MissingExtra, match="pip install"):
        Store("postgresql+pg8000://host/name")


def test_a_server_that_is_down_is_named_without_its_password() -> None:
    with pytest.raises(StoreUnavailable, match=r"does not answer .*DATABASE_URL") as caught:
        Store("postgresql+psycopg://someone:hunter2@127.0.0.1:1/x")
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_no_database_is_told_how_to_be_restored(home: Path) -> None:
    (home / "assistant.db").write_bytes(b"this is not a database" * 100)
    with pytest.raises(StoreUnavailable, match="restore"):
        Store(f"sqlite:///{home / 'assistant.db'}")


def test_a_full_disk_is_named_and_what_was_acknowledged_stays(home: Path) -> None:
    with Store(f"sqlite:///{home / 'assistant.db'}") as store:
        with store.begin() as connection:
            connection.execute(access_group.insert().values(name="kept", description=""))

        @sa.event.listens_for(store.engine, "begin")
        def small_disk(connection: sa.Connection) -> None:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

        with pytest.raises(StoreUnavailable, match="full"), store.begin() as connection:  # noqa: PT012
            for i in range(1000):
                connection.execute(access_group.insert().values(name=f"n{i}", description="x" * 500))
        with store.read() as connection:
            assert connection.scalars(sa.select(access_group.c.name)).all() == ["kept"]


FILL = """
import sys
from core.errors import StoreUnavailable
from core.store import Store
from core.tables import access_group
try:
    store = Store(sys.argv[1])
    for i in range(5000):
        with store.begin() as c:
            c.execute(access_group.insert().values(name=f'n{i}', description='x' * 500))
        acknowledged = i
except StoreUnavailable as e:
    print(e)
    print(store.engine.connect().exec_driver_sql('select count(*) from access_group').scalar() - acknowledged - 1)
"""


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1.5 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if (
        os.getuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(folder)]).returncode
    ):
        pytest.skip("mounting a tiny file system needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def run(script: str, url: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", script, url], capture_output=True, text=True, timeout=60, check=False)
    assert not done.stderr, done.stderr
    return done.stdout.splitlines()


def test_a_really_full_disk_is_named_and_loses_nothing_acknowledged(tiny_disk: Path) -> None:
    told, lost = run(FILL, f"sqlite:///{tiny_disk / 'assistant.db'}")
    assert "is full: free some space" in told
    assert lost == "0"


OPEN = """
import os, sys
from core.errors import StoreUnavailable
from core.store import Store
Store("sqlite://").close()  # everything is imported before the rights to read it go
if os.getuid() == 0:
    os.setuid(65534)  # root may write anywhere
try:
    Store(sys.argv[1])
except StoreUnavailable as e:
    print(e)
"""


def test_a_read_only_folder_is_named() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        (told,) = run(OPEN, f"sqlite:///{folder / 'assistant.db'}")
        assert "cannot be written: check that this user owns its folder" in told


@pytest.mark.postgres
def test_a_server_that_stops_is_named_and_is_found_again(server: Server) -> None:
    with Store(server.database("stops")) as store:
        store.ping()
        server.stop()
        try:
            with pytest.raises(StoreUnavailable, match=r"does not answer|connection lost"):
                store.ping()
            with pytest.raises(StoreUnavailable), store.begin() as connection:
                connection.execute(access_group.insert().values(name="x", description=""))
        finally:
            server.start()
        store.ping()
