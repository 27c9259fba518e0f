"""Brings a backup into an empty home folder and verifies it before anything is put in place.

    ASSISTANT_HOME=/srv/assistant python -m assistant restore assistant-2026-11-22.tar.gz

With DATABASE_URL set the rows go there (an empty database), whichever kind of database they came from. The next start
makes the index again; people sign in again.

JSON fields: home, rows, files.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import sqlalchemy as sa

from assistant.backup import FORMAT, HOME, MANIFEST, TABLES
from assistant.console import actor, add_json, say
from core.audit import Audit
from core.errors import BadInput, Conflict
from core.settings import Settings, load_settings
from core.store import Store

BATCH = 500


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("restore", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, metavar="FILE")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    settings = load_settings()
    rows, files = restore(settings, args.file)
    say(
        args,
        f"Restored {rows} rows and {files} files into {settings.home}; the audit log is whole. "
        "The next start makes the index again.",
        {"home": str(settings.home), "rows": rows, "files": files},
    )
    return 0


def restore(settings: Settings, file: Path) -> tuple[int, int]:
    """Restore into the settings' home folder and database; how many rows and files.

    Raises:
        BadInput: no backup, a damaged one, or one of a newer version.
        Conflict: the home folder or the database is not empty.
    """
    if not file.is_file():
        raise BadInput(f"{file}: there is no such file.")
    if any(settings.home.iterdir()):
        raise Conflict(f"{settings.home} is not empty: set ASSISTANT_HOME to an empty folder, nothing is overwritten.")
    with tempfile.TemporaryDirectory(dir=settings.home, prefix=".restore-") as name:
        folder = Path(name)
        manifest = _unpack(file, folder)
        rows = _load(settings, folder, manifest)
        for path in sorted((folder / HOME).iterdir()) if (folder / HOME).exists() else ():
            shutil.move(path, settings.home / path.name)
    files = sum(member.startswith(f"{HOME}/") for member in manifest["members"])
    with Store(settings.store_url) as store:
        audit = Audit(store, settings.home)
        if findings := audit.verify():
            raise BadInput(
                f"The backup's audit log is not whole (row {findings[0].seq}: {findings[0].problem}). Everything is in "
                "place; look at it with: python -m assistant audit verify"
            )
        audit.append(actor(), "restore", file.name, backup=manifest["created"])
    return rows, files


def _unpack(file: Path, folder: Path) -> dict[str, Any]:
    """Every member into the folder, each checked against the manifest, which is the last one."""
    found: dict[str, str] = {}
    manifest: dict[str, Any] | None = None
    try:
        with tarfile.open(file, "r:gz") as archive:
            for member in archive:
                content = archive.extractfile(member)
                path = PurePosixPath(member.name)
                if content is None or path.is_absolute() or ".." in path.parts:
                    raise BadInput(f"{file}: holds {member.name[:100]!r}, which no backup has.")
                if member.name == MANIFEST:
                    manifest = json.load(content)
                    continue
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                with target.open("wb") as out:
                    target.chmod(0o600)
                    shutil.copyfileobj(content, out)
                with target.open("rb") as written:
                    found[member.name] = hashlib.file_digest(written, "sha256").hexdigest()
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise BadInput(f"{file}: is not a backup, or is damaged ({type(error).__name__}).") from None
    if manifest is None:
        raise BadInput(f"{file}: has no manifest: it is no backup, or was cut off while it was written.")
    if manifest.get("format") != FORMAT:
        raise BadInput(f"{file}: was made by another version ({manifest.get('version')}): install that one.")
    wrong = sorted(n for n in manifest["members"].keys() | found.keys() if manifest["members"].get(n) != found.get(n))
    if wrong:
        raise BadInput(f"{file}: is damaged: {', '.join(wrong[:5])} differ from what was written.")
    return manifest


def _load(settings: Settings, folder: Path, manifest: dict[str, Any]) -> int:
    """The rows into an empty database at the backup's schema, which opening the store then brings up to date."""
    with Store.at_schema(settings.store_url, manifest["schema"]) as store:
        tables = sa.MetaData()
        with store.begin() as connection:
            tables.reflect(connection)
            for table in tables.sorted_tables:
                source = folder / TABLES / f"{table.name}.jsonl"
                if source.exists():
                    _insert(connection, table, source)
    with Store(settings.store_url):
        return sum(manifest["tables"].values())


def _insert(connection: sa.Connection, table: sa.Table, source: Path) -> None:
    convert = {column.name: _converter(column) for column in table.columns}
    batch: list[dict[str, Any]] = []
    for row in _rows(source):
        batch.append({name: None if value is None else convert[name](value) for name, value in row.items()})
        if len(batch) == BATCH:
            connection.execute(table.insert(), batch)
            batch = []
    if batch:
        connection.execute(table.insert(), batch)


def _rows(source: Path) -> Iterator[dict[str, Any]]:
    with source.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _converter(column: sa.Column[Any]) -> Callable[[Any], Any]:
    kind = column.type
    if isinstance(kind, sa.DateTime):
        return datetime.fromisoformat
    if isinstance(kind, sa.Date):
        return date.fromisoformat
    if isinstance(kind, sa.LargeBinary):
        return base64.b64decode
    return lambda value: value
