"""Copies of an index: a shard's files are 250 MB of which 2 MB hold something, and the rest need not be written."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

PIECE = 1 << 20


def copy_data(source: str | Path, target: str | Path) -> str:
    """Copy a file as `shutil.copy2` does, but leave its holes out: for `shutil.copytree(..., copy_function=copy_data)`."""
    if not hasattr(os, "SEEK_DATA"):
        return str(shutil.copy2(source, target))
    with Path(source).open("rb") as read, Path(target).open("wb") as write:
        size, at = os.fstat(read.fileno()).st_size, 0
        while at < size:
            try:
                at = os.lseek(read.fileno(), at, os.SEEK_DATA)
            except OSError:  # nothing but a hole is left
                break
            end = min(size, os.lseek(read.fileno(), at, os.SEEK_HOLE))
            while at < end:
                at += os.pwrite(write.fileno(), os.pread(read.fileno(), min(PIECE, end - at), at), at)
        write.truncate(size)
    shutil.copystat(source, target)
    return str(target)
