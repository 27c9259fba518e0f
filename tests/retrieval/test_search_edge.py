"""The embedded index as a folder: one opener, and what a kill leaves behind. Real processes, real kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.errors import IndexUnavailable
from retrieval.edge import EdgeIndex
from tests.retrieval.points import EMBEDDER, OPEN, make_point

CHILD = """
import sys
from pathlib import Path
from retrieval.edge import EdgeIndex
from tests.retrieval.points import EMBEDDER, make_point
index = EdgeIndex(Path(sys.argv[1]), EMBEDDER.dimension)
for n in range(50):
    index.upsert([make_point(f"passage {n} of the killed process")])
print("acknowledged", flush=True)
sys.stdin.read()
"""


def start_child(folder: Path) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder)],
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline().strip() == "acknowledged"
    return child


def kill(child: subprocess.Popen[str]) -> None:
    child.send_signal(signal.SIGKILL)
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()


def test_second_process_is_told_which_process_has_the_index_and_a_kill_frees_it_with_every_point(
    tmp_path: Path,
) -> None:
    child = start_child(tmp_path / "index")
    try:
        with pytest.raises(IndexUnavailable, match=rf"open in process {child.pid}.*stop it"):
            EdgeIndex(tmp_path / "index", EMBEDDER.dimension)
    finally:
        kill(child)
    index = EdgeIndex(tmp_path / "index", EMBEDDER.dimension)
    assert index.count() == 50
    index.close()


def test_second_opener_in_the_same_process_is_refused_too(tmp_path: Path) -> None:
    index = EdgeIndex(tmp_path / "index", EMBEDDER.dimension)
    with pytest.raises(IndexUnavailable, match=f"process {os.getpid()}"):
        EdgeIndex(tmp_path / "index", EMBEDDER.dimension)
    index.close()
    EdgeIndex(tmp_path / "index", EMBEDDER.dimension).close()


def test_half_made_shard_of_a_killed_first_start_is_no_obstacle(tmp_path: Path) -> None:
    leftover = tmp_path / "index" / "shard.new"
    leftover.mkdir(parents=True)
    (leftover / "edge_config.json").write_text("{", encoding="utf-8")
    index = EdgeIndex(tmp_path / "index", EMBEDDER.dimension)
    assert index.count() == 0
    index.close()


def test_vectors_of_another_model_are_refused_with_what_to_do(tmp_path: Path) -> None:
    EdgeIndex(tmp_path / "index", 64, model="one").close()
    with pytest.raises(IndexUnavailable, match="ASSISTANT_EMBEDDER"):
        EdgeIndex(tmp_path / "index", 64, model="two")
    with pytest.raises(IndexUnavailable, match="384 numbers"):
        EdgeIndex(tmp_path / "index", 384)
    EdgeIndex(tmp_path / "index", 64, model="one").close()


def test_damaged_shard_points_to_the_backup(tmp_path: Path) -> None:
    index = EdgeIndex(tmp_path / "index", 64)
    index.upsert([make_point("a passage")])
    index.close()
    (tmp_path / "index" / "shard" / "edge_config.json").write_text("{", encoding="utf-8")
    with pytest.raises(IndexUnavailable, match="assistant restore"):
        EdgeIndex(tmp_path / "index", 64)


def test_closed_index_says_so_and_closes_twice(tmp_path: Path) -> None:
    index = EdgeIndex(tmp_path / "index", 64)
    index.close()
    index.close()
    with pytest.raises(IndexUnavailable, match="closed"):
        index.count()


def test_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(IndexUnavailable, match="cannot be written"):
        EdgeIndex(tmp_path / "file" / "index", 64)


def test_writers_and_searchers_share_one_index(tmp_path: Path) -> None:
    index = EdgeIndex(tmp_path / "index", EMBEDDER.dimension)
    failures: list[Exception] = []

    def write(writer: int) -> None:
        try:
            for n in range(20):
                index.upsert([make_point(f"writer {writer} passage {n}", document_id=f"d{writer}")])
            index.set_payload(f"d{writer}", 1, OPEN)
        except IndexUnavailable as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        index.count()
    for thread in threads:
        thread.join()
    assert failures == []
    assert index.count() == 80
    index.close()
