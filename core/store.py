"""The store: one SQLAlchemy engine on SQLite (WAL) or PostgreSQL, brought to the current schema when opened."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.errors import BadInput, Conflict, MissingExtra, SettingsError, StoreUnavailable

MIGRATIONS = Path(__file__).parent / "migrations"
CONNECTIONS = 32
"""Kept open to a SQLite file, and as many again for a moment: each thread that answers somebody reads and writes."""
TURN_S = 30.0
"""The longest that a writer waits for its turn among this process's writers."""
CONNECT_S = 10
"""The longest that a new connection to a PostgreSQL server takes; without it a server that swallows packets hangs a start for minutes."""
UNHEALTHY = re.compile("malformed|not a database")


class Store:
    """Opens the database, migrates it, and hands out transactions.

    Raises:
        SettingsError: the URL cannot be read.
        MissingExtra: the URL's driver is not installed.
        StoreUnavailable: the server is down, the file is locked or read-only, or the disk is full.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self._file = Path(self.engine.url.database or "") if _is_file(url) else None
        self._writers: AbstractContextManager[None] = (
            _Turns() if self.engine.dialect.name == "sqlite" else nullcontext()
        )
        with _translated(self.engine):
            _migrate(self.engine)

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with _translated(self.engine), self._writers, self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A read-only view that never waits for a writer on SQLite."""
        with _translated(self.engine), self.engine.connect().execution_options(write=False) as connection:
            with connection.begin():
                yield connection

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """Every table as it was at one moment, however long the reading takes."""
        level = {} if self.engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        with _translated(self.engine), self.engine.connect().execution_options(write=False, **level) as connection:
            with connection.begin():
                yield connection

    def schema(self) -> str:
        """The migration that the database stands at."""
        with self.read() as connection:
            return str(MigrationContext.configure(connection).get_current_revision())

    @classmethod
    def at_schema(cls, url: str, revision: str) -> Store:
        """A store on an empty database, brought to an older schema, to put a backup's rows in.

        Raises:
            Conflict: the database has tables.
            BadInput: a newer version of the program made that schema.
        """
        store = cls.__new__(cls)
        store.engine = _engine(url)
        store._file = None
        store._writers = nullcontext()  # nobody else has it yet
        with _translated(store.engine):
            if sa.inspect(store.engine).get_table_names():
                raise Conflict("The database of DATABASE_URL is not empty: name an empty one, nothing is overwritten.")
            if revision not in {script.revision for script in _scripts().walk_revisions()}:
                raise BadInput(f"A newer version made this (schema {revision}): install that version first.")
            _migrate(store.engine, revision)
        return store

    def ping(self) -> None:
        """Raise StoreUnavailable where a turn could not be read or stored now. A locked file says so after ten seconds."""
        if self._file is not None and not self._file.exists():  # open connections go on with a file that was deleted
            raise StoreUnavailable(
                f"The database {self._file} is gone: stop the assistant, then put the file back, or restore a backup with: "
                "python -m assistant restore FILE"
            )
        with self.begin() as connection:
            connection.execute(sa.text("select version_num from alembic_version"))

    def close(self) -> None:
        self.engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def insert_into(table: sa.Table, connection: sa.Connection) -> Any:
    """An insert that knows `on_conflict_do_nothing`, which both databases have under their own dialect."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgresql_insert

        return postgresql_insert(table)
    from sqlalchemy.dialects.sqlite import insert as sqlite_insert

    return sqlite_insert(table)


class _Turns:
    """SQLite's writers of one process, first come first served.

    SQLite lets them poll for its lock, and whoever looks at the right moment has it: with sixteen people who ask, a rollback was
    seen to wait for eleven seconds.
    """

    def __init__(self) -> None:
        self._waiting: deque[threading.Event] = deque()
        self._busy = False
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        mine = threading.Event()
        with self._lock:
            if not self._busy:
                self._busy = True
                return
            self._waiting.append(mine)
        if mine.wait(TURN_S):
            return
        with self._lock:
            if mine not in self._waiting:  # its turn came at the last moment
                return
            self._waiting.remove(mine)
        raise PoolTimeout("database is locked")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()  # the turn passes on
            else:
                self._busy = False


def _engine(url: str) -> sa.Engine:
    is_sqlite = url.startswith("sqlite")
    options: dict[str, Any] = {"pool_size": CONNECTIONS, "max_overflow": CONNECTIONS} if _is_file(url) else {}
    if url.startswith("postgresql") and "connect_timeout" not in url:
        options["connect_args"] = {"connect_timeout": CONNECT_S}
    try:
        # Errors reach logs: parameters, which are people's text, must not be in them.
        engine = sa.create_engine(url, pool_pre_ping=not is_sqlite, hide_parameters=True, **options)
    except ModuleNotFoundError as error:
        if not url.startswith("postgresql"):
            raise SettingsError(
                "DATABASE_URL must name SQLite or PostgreSQL: postgresql+psycopg://user@host/name"
            ) from None
        raise MissingExtra(f"DATABASE_URL needs the driver {error.name}: pip install '.[postgres]'") from None
    except (sa.exc.ArgumentError, NoSuchModuleError, ValueError) as error:  # ValueError: a port that is no number
        raise SettingsError(f"DATABASE_URL cannot be read: {error}") from None
    event.listen(engine, "before_cursor_execute", _storable, retval=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _sqlite_pragmas)
        event.listen(engine, "begin", _sqlite_begin)
    return engine


def _is_file(url: str) -> bool:
    return url.startswith("sqlite:///") and len(url) > len("sqlite:///") and ":memory:" not in url


UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _storable(
    _connection: sa.Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool
) -> tuple[str, Any]:
    """Replace what no database stores, NUL (PostgreSQL) and lone surrogates (both), by the replacement character."""
    return statement, [_clean(one) for one in parameters] if many else _clean(parameters)


def _clean(parameters: Any) -> Any:
    if isinstance(parameters, dict):
        return {name: _clean_text(value) for name, value in parameters.items()}
    return tuple(_clean_text(value) for value in parameters) if parameters else parameters


def _clean_text(value: object) -> object:
    return UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else value


def _sqlite_pragmas(connection: sqlite3.Connection, _record: Any) -> None:
    # The driver must not open transactions by itself: _sqlite_begin takes the write lock at once, so that
    # two writers wait for each other (busy_timeout) where a read transaction that turns writer would fail.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
        connection.execute(f"PRAGMA {pragma}")


def _sqlite_begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("write", True) else "BEGIN")


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def _migrate(engine: sa.Engine, revision: str | None = None) -> None:
    """Bring the database to a revision, the newest when None."""
    wanted = revision or _scripts().get_current_head()
    with engine.begin() as connection:
        if MigrationContext.configure(connection).get_current_revision() == wanted:
            return
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, wanted or "head")


@contextmanager
def _translated(engine: sa.Engine) -> Iterator[None]:
    """Say in our words what stopped the database, without its statement or its parameters."""
    try:
        yield
    except (OperationalError, PoolTimeout) as error:
        raise StoreUnavailable(_advice(engine, str(getattr(error, "orig", error)))) from None
    except DBAPIError as error:
        cause = "connection lost" if error.connection_invalidated else str(error.orig)
        if not error.connection_invalidated and not UNHEALTHY.search(cause):
            raise
        raise StoreUnavailable(_advice(engine, cause)) from None


def _advice(engine: sa.Engine, cause: str) -> str:
    place = engine.url.render_as_string(hide_password=True)
    text = cause.lower()
    if "locked" in text:
        return f"The database {place} is locked by another process: stop it, or try again in a moment."
    if "readonly" in text or "read-only" in text or "unable to open" in text:
        return f"The database {place} cannot be written: check that this user owns its folder."
    if "full" in text or "no space" in text:
        return f"The disk that holds {place} is full: free some space; nothing acknowledged is lost."
    if "i/o error" in text:
        return f"The disk that holds {place} refuses to write: check its free space and its health."
    if UNHEALTHY.search(text):
        return f"The file {place} is not a healthy database: restore a backup with: python -m assistant restore FILE"
    first = cause.strip().splitlines()[0] if cause.strip() else "no reason given"
    return f"The database {place} does not answer ({first}): start it, or correct DATABASE_URL."
