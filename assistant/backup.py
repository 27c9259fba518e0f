"""A backup of the whole home folder in one file, while an assistant serves it, too.

    python -m assistant backup assistant-2026-11-22.tar.gz
    python -m assistant restore assistant-2026-11-22.tar.gz          (assistant/restore.py)

It holds the database as rows (read at one moment, from SQLite or PostgreSQL, and restorable into either), the original
document files, and the keys. The index and the prepared models are left out: the first start after a restore makes them
again from the rows. Sessions are left out: people sign in again. The file holds secrets and people's text: keep it safe.

JSON fields: file, rows, files, bytes.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

import sqlalchemy as sa

from assistant.console import actor, add_json, opened, say
from core.errors import BadInput, StoreUnavailable
from core.settings import Settings
from core.store import Store
from core.tables import metadata, session

FORMAT = 1
MANIFEST = "manifest.json"
TABLES = "tables"
HOME = "home"
SQLITE_HEAD = b"SQLite format 3\x00"
LEFT_OUT = ("index", "models", "uploads", "assistant.db", "assistant.db-wal", "assistant.db-shm", "serve.json")
"""Entries of the home folder that are made again, or that belong to the running process; locks and .tmp files, too."""


@dataclass
class Manifest:
    """What a backup says of itself. It is written last: a backup that was cut off has none."""

    schema: str
    created: str
    version: str
    format: int = FORMAT
    tables: dict[str, int] = field(default_factory=dict)
    members: dict[str, str] = field(default_factory=dict)
    """Member name to sha256."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("backup", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, metavar="FILE", help="the file to write, ending in .tar.gz")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    with opened() as here:
        here.audit.append(actor(), "backup", args.file.name)
        manifest = write_backup(here.settings, here.store, args.file)
    size = args.file.stat().st_size
    files = sum(name.startswith(f"{HOME}/") for name in manifest.members)
    rows = sum(manifest.tables.values())
    say(
        args,
        f"{args.file}: {rows} rows, {files} files, {size / 1e6:.1f} MB. It holds secrets and people's text: keep it safe.",
        {"file": str(args.file), "rows": rows, "files": files, "bytes": size},
    )
    return 0


def write_backup(settings: Settings, store: Store, target: Path) -> Manifest:
    """Write the backup whole or not at all.

    Raises:
        BadInput: the file exists, or its folder does not.
        StoreUnavailable: the disk is full or the folder cannot be written.
    """
    if target.exists():
        raise BadInput(f"{target} exists already: name another file.")
    if not target.parent.is_dir():
        raise BadInput(f"{target.parent} is not a folder: make it first.")
    part = target.with_name(f"{target.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as out:
            with tarfile.open(fileobj=out, mode="w:gz", compresslevel=6) as archive:
                manifest = _fill(archive, settings, store)
            out.flush()
            os.fsync(out.fileno())
        part.replace(target)
    except OSError as error:
        raise StoreUnavailable(
            f"The backup cannot be written to {target} ({os.strerror(error.errno or 0)}): free some space, or name "
            "another place."
        ) from None
    finally:
        part.unlink(missing_ok=True)
    return manifest


def _fill(archive: tarfile.TarFile, settings: Settings, store: Store) -> Manifest:
    manifest = Manifest(
        schema=store.schema(), created=datetime.now(UTC).isoformat(), version=version("enterprise-assistant")
    )
    # The audit log's head before its rows: a head that lags behind the rows is whole, one that is ahead is an alarm.
    head = settings.home / "audit.head"
    if head.exists():
        _add(archive, manifest, f"{HOME}/audit.head", io.BytesIO(head.read_bytes()))
    with store.snapshot() as connection:
        for table in metadata.sorted_tables:
            if table is not session:
                _add_table(archive, manifest, table, connection)
    for path in _files(settings.home):
        _add_file(archive, manifest, path, f"{HOME}/{path.relative_to(settings.home).as_posix()}")
    text = json.dumps(manifest.__dict__, indent=1).encode()
    _add_member(archive, MANIFEST, io.BytesIO(text), len(text))
    return manifest


def _files(home: Path) -> Iterator[Path]:
    for path in sorted(home.rglob("*")):
        top = path.relative_to(home).parts[0]
        passing = path.suffix in (".lock", ".tmp", ".part") or path.name.startswith((".part-", "tmp"))
        sidecar = path.name.endswith(("-wal", "-shm", "-journal"))
        wanted = top not in LEFT_OUT and not passing and not sidecar and path != home / "audit.head"
        if wanted and path.is_file() and not path.is_symlink():
            yield path


def _add_table(archive: tarfile.TarFile, manifest: Manifest, table: sa.Table, connection: sa.Connection) -> None:
    """One JSON object a row, in the order of the primary key."""
    with tempfile.TemporaryFile() as rows:
        count = 0
        for row in connection.execution_options(yield_per=500).execute(sa.select(table).order_by(*table.primary_key)):
            line = json.dumps(dict(row._mapping), default=_plain, separators=(",", ":"))
            rows.write(line.encode() + b"\n")
            count += 1
        manifest.tables[table.name] = count
        rows.seek(0)
        _add(archive, manifest, f"{TABLES}/{table.name}.jsonl", rows)


def _add_file(archive: tarfile.TarFile, manifest: Manifest, path: Path, name: str) -> None:
    try:
        with path.open("rb") as file:
            is_database = file.read(len(SQLITE_HEAD)) == SQLITE_HEAD
            file.seek(0)
            if not is_database:
                _add(archive, manifest, name, file)
                return
    except FileNotFoundError:
        return  # its document was deleted since the folder was listed
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.db"
        # Another part's database, maybe in use: SQLite's own online backup takes it at one moment.
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        with copy.open("rb") as file:
            _add(archive, manifest, name, file)


def _add(archive: tarfile.TarFile, manifest: Manifest, name: str, content: BinaryIO) -> None:
    """Add a copy that cannot change while it is read, so that its size and hash are those of what is written."""
    with tempfile.TemporaryFile() as still:
        shutil.copyfileobj(content, still)
        size = still.tell()
        still.seek(0)
        manifest.members[name] = hashlib.file_digest(still, "sha256").hexdigest()
        still.seek(0)
        _add_member(archive, name, still, size)


def _add_member(archive: tarfile.TarFile, name: str, content: BinaryIO, size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    archive.addfile(info, content)


def _plain(value: object) -> str:
    if isinstance(value, date):  # datetime, too
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(bytes(value)).decode()
    raise TypeError(type(value).__name__)
