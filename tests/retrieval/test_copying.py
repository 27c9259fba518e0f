"""A copy holds what its original holds, and takes no more of the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from retrieval.copying import PIECE, copy_data


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [(0, b"")],
        [(0, b"begin")],
        [(7 * PIECE, b"end")],
        [(0, b"begin"), (3 * PIECE + 5, b"middle"), (9 * PIECE, os.urandom(PIECE + 17))],
        [(0, os.urandom(2 * PIECE + 1))],
    ],
)
@pytest.mark.parametrize("after", [0, 5 * PIECE])
def test_copy_is_the_same_bytes_and_leaves_holes_holes(
    tmp_path: Path, parts: list[tuple[int, bytes]], after: int
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as file:
        for at, content in parts:
            file.seek(at)
            file.write(content)
        file.truncate(file.tell() + after)
    source.chmod(0o640)
    assert copy_data(source, target) == str(target)
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_mode == source.stat().st_mode
    assert target.stat().st_blocks <= source.stat().st_blocks + 8


def test_longer_file_in_its_place_is_replaced(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"new")
    target.write_bytes(b"much longer than that")
    copy_data(source, target)
    assert target.read_bytes() == b"new"
