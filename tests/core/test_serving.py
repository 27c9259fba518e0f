"""How commands find the process that serves the home folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import Unavailable
from core.serving import FILE, Serving, announced, serving


def test_nobody_serves_an_empty_home_a_stale_file_or_a_half_written_one(home: Path) -> None:
    assert serving(home) is None
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with announced(home, Serving("http://127.0.0.1:1", "t", ended.pid)):
        assert serving(home) is None
    for text in ("", '{"url": "http', '{"url": "x"}', "[]"):
        (home / FILE).write_text(text)
        assert serving(home) is None


def test_a_running_process_is_found_while_it_runs_and_its_file_is_private(home: Path) -> None:
    here = Serving("http://127.0.0.1:1", "t", os.getpid())
    with announced(home, here):
        assert serving(home) == here
        assert (home / FILE).stat().st_mode & 0o777 == 0o600
    assert not (home / FILE).exists()


def test_a_call_to_a_process_that_does_not_answer_names_it() -> None:
    with pytest.raises(Unavailable, match="process 7"):
        list(Serving("http://127.0.0.1:1", "t", 7).post("/documents/ingest", {}))
