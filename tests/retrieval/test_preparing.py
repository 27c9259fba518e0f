"""What a model needs once on a machine is prepared by one process, and its result is used also where who asked has gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from retrieval.preparing import prepare_once

ROOT = Path(__file__).parents[2]
SLOW = """
import sys, time
from pathlib import Path
folder = Path(sys.argv[1])
(folder / "begun").write_text("")
time.sleep(3)
with (folder / "result").open("a") as file: file.write("prepared\\n")
"""
ASKS = """
import sys
from pathlib import Path
from retrieval.preparing import prepare_once
folder = Path(sys.argv[1])
prepare_once("a model", folder, ["slow_preparation", str(folder)], lambda at: None)
"""


def test_a_preparation_whose_asker_is_killed_is_waited_for_and_not_done_twice(tmp_path: Path) -> None:
    (tmp_path / "slow_preparation.py").write_text(SLOW)
    folder = tmp_path / "model"
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    asker = subprocess.Popen([sys.executable, "-c", ASKS, str(folder)], cwd=ROOT, env=environment)
    until = time.monotonic() + 60
    while not (folder / "begun").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    asker.send_signal(signal.SIGKILL)
    asker.wait()

    def read(at: Path) -> str | None:
        return (at / "result").read_text() if (at / "result").exists() else None

    assert prepare_once("a model", folder, ["no_such_module"], read) == "prepared\n"
