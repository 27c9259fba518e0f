"""Stores on both databases. PostgreSQL is a server of this run's own: made in a temporary folder, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.audit import Audit
from core.store import Store


def binaries() -> Path | None:
    """The folder of initdb and pg_ctl: on the path, or where Debian keeps them, newest version first."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name), reverse=True)
    return next((folder for folder in versions if (folder / "initdb").exists()), None)


class Server:
    """A PostgreSQL server on a Unix socket. The server refuses to run as root, so root hands it to the user `postgres`."""

    def __init__(self, folder: Path, tools: Path) -> None:
        self._tools = tools
        self._data = folder / "data"
        self._socket = folder / "socket"
        self._socket.mkdir()
        self._free: list[str] = []
        self._made = 0
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            for path in (folder, self._socket):
                os.chown(path, user.pw_uid, user.pw_gid)

    def run(self, tool: str, *arguments: str) -> None:
        command = [str(self._tools / tool), *arguments]
        if os.getuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=True, cwd=self._socket, stdout=subprocess.DEVNULL, timeout=60)

    def make(self) -> None:
        self.run("initdb", "-D", str(self._data), "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self.start()

    def start(self) -> None:
        options = f"-k {self._socket} -c listen_addresses='' -c fsync=off"
        self.run("pg_ctl", "-D", str(self._data), "-w", "-l", str(self._socket / "log"), "-o", options, "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop")

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://test@/{database}?host={self._socket}"

    def database(self, name: str) -> str:
        """The URL of a new empty database."""
        self._say(self.url(), f'create database "{name}"')
        return self.url(name)

    @contextmanager
    def lent(self) -> Iterator[str]:
        """The URL of an empty database, emptied again afterwards: making and deleting one is 300 files' work."""
        if not self._free:
            self._made += 1
            self._free.append(self.database(f"lent{self._made}"))
        url = self._free.pop()
        yield url
        others = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        self._say(url, others, "drop schema public cascade", "create schema public")
        self._free.append(url)

    def _say(self, url: str, *statements: str) -> None:
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))
        engine.dispose()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    tools = binaries()
    if tools is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    # Not pytest's folder: it is closed to other users, and a socket's path may have 107 characters only.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        made = Server(Path(folder), tools)
        made.make()
        yield made
        made.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, home: Path) -> Iterator[str]:
    """A new empty database on each of the two kinds."""
    if request.param == "sqlite":
        yield f"sqlite:///{home / 'assistant.db'}"
        return
    server: Server = request.getfixturevalue("server")
    with server.lent() as lent:
        yield lent


@pytest.fixture
def store(url: str, home: Path, migrated: Path) -> Iterator[Store]:
    if url.startswith("sqlite"):
        shutil.copy(migrated, home)
    with Store(url) as opened:
        yield opened


@pytest.fixture
def audit(store: Store, home: Path) -> Audit:
    return Audit(store, home)
