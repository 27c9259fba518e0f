"""A catalogue, an index and an ingester on a folder of their own, and an empty folder of documents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.retrieval.shelf import Shelf


@pytest.fixture
def shelf(home: Path) -> Iterator[Shelf]:
    opened = Shelf(home)
    yield opened
    opened.close()


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    return folder
