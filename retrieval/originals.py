"""The original files of documents, in one folder, each named by its sha256 and written whole or not at all.

A file is written before the row that names it, and goes after it. In between it is in doubt, and an empty file beside it
says so: what a crash leaves is settled at the next start.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

from core.errors import NotFound, StoreUnavailable

DOUBT: Final = ".doubt-"


class Originals:
    """Keeps files.

    Args:
        max_bytes: larger files are not to be ingested (`retrieval/sources.py` refuses them unread).
        min_free_bytes: with less space left on the disk nothing is written: the embedded index beside this folder maps
            its files into memory, and a disk that fills up under such a map ends the process.
    """

    def __init__(self, folder: Path, *, max_bytes: int = 50 * 2**20, min_free_bytes: int = 128 * 2**20) -> None:
        self._folder = folder
        self.max_bytes = max_bytes
        self._min_free_bytes = min_free_bytes

    def keep(self, sha256: str, data: bytes) -> None:
        """Store a file under its hash, in doubt until it is settled; one that is there already is left alone.

        Raises:
            StoreUnavailable: the disk is full, or the folder cannot be written.
        """
        target = self._folder / sha256
        if target.exists():
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            free = shutil.disk_usage(self._folder).free
            if free < self._min_free_bytes + 2 * len(data):
                raise OSError(errno.ENOSPC, f"{free // 2**20} MB are left")
            self._doubt(sha256).touch()
            self._write(target, data)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            what = (
                f"the disk is full, {error.strerror}: free some space" if full else f"{error.strerror}: check its owner"
            )
            raise StoreUnavailable(
                f"Files cannot be stored in {self._folder} ({what}); nothing acknowledged is lost."
            ) from None

    def path(self, sha256: str) -> Path:
        """Raises NotFound."""
        path = self._folder / sha256
        if not path.is_file():
            raise NotFound("The original file of this document version is not held.")
        return path

    def holds(self, sha256: str) -> bool:
        return (self._folder / sha256).is_file()

    def doubt(self, hashes: Collection[str]) -> None:
        """Before the rows change that name these files."""
        for sha256 in filter(self.holds, hashes):
            with suppress(OSError):  # a disk that is full must not keep anybody from deleting
                self._doubt(sha256).touch()

    def in_doubt(self) -> list[str]:
        return [note.name.removeprefix(DOUBT) for note in self._folder.glob(f"{DOUBT}*")]

    def settle(self, hashes: Collection[str], *, needed: Collection[str]) -> None:
        """After the rows changed: remove those of these files that are not needed."""
        for sha256 in hashes:
            if sha256 not in needed:
                (self._folder / sha256).unlink(missing_ok=True)
            self._doubt(sha256).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what a crash left half written."""
        for part in self._folder.glob(".part-*"):
            part.unlink(missing_ok=True)

    def _doubt(self, sha256: str) -> Path:
        return self._folder / f"{DOUBT}{sha256}"

    def _write(self, target: Path, data: bytes) -> None:
        descriptor, temporary = tempfile.mkstemp(dir=self._folder, prefix=".part-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
