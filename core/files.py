"""Files that are there whole or not at all; a full disk is told in one line that says what to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import StoreUnavailable


@contextmanager
def writing(place: Path, then: str) -> Iterator[None]:
    """Around what writes to a file or folder.

    Args:
        then: what the same command does when it is given again, as "nothing is registered yet".

    Raises:
        StoreUnavailable: the disk is full, or the place may not be written.
    """
    try:
        yield
    except OSError as error:
        why = f" ({os.strerror(error.errno)})" if error.errno else ""
        raise StoreUnavailable(
            f"{place} cannot be written{why}: free some space, or let this user write there, and give the command again; {then}."
        ) from None


def write_whole(path: Path, text: str, then: str) -> None:
    """Write a text file, its folder made where there is none. Raises StoreUnavailable as `writing` does; what stood there stays."""
    temporary = path.with_suffix(".tmp")
    with writing(path, then):
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
