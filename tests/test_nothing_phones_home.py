"""The main job and the libraries under it run without one attempt to leave this machine.

Two guards at once. In every Python process an audit hook notes and refuses each look-up and connection to another host.
Where the kernel lets a user make a network of their own, everything also runs in one that has only a loopback, and the
kernel's count of packets without a route covers native code (ONNX Runtime reports from C++). Both are shown to work first.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).parent / "phone_home"
OWN_NETWORK = ["unshare", "--map-root-user", "--net"]
ALONE = (
    shutil.which("unshare") is not None
    and subprocess.run([*OWN_NETWORK, "true"], capture_output=True, check=False).returncode == 0
)
KEPT = ("PATH", "LANG", "LD_LIBRARY_PATH", "TMPDIR", "PYTHONWARNINGS", "OMP_NUM_THREADS")
"""The rest of the environment goes: a test run's own switches (CI, DO_NOT_TRACK) must not do the product's work."""


def guarded(tmp_path: Path, *command: str, timeout: float = 580, **extra: str) -> tuple[str, str]:
    """Standard output of a Python command in the guarded network, and what it tried to reach."""
    record, own = tmp_path / "attempts.txt", tmp_path / "user"
    record.touch()
    own.mkdir(exist_ok=True)
    environment = {name: os.environ[name] for name in KEPT if name in os.environ} | {
        "HOME": str(own),
        "PYTHONPATH": f"{HERE / 'guard'}:{ROOT}",
        "PHONE_HOME_RECORD": str(record),
        "PHONE_HOME_ALONE": "1" if ALONE else "0",
        **extra,
    }
    done = subprocess.run(
        [*(OWN_NETWORK if ALONE else []), sys.executable, *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return done.stdout, record.read_text()


@pytest.mark.parametrize(
    "reach",
    [
        "socket.create_connection(('192.0.2.1', 80), 2)",
        "socket.getaddrinfo('example.com', 443)",
        "urllib.request.urlopen('https://example.com', timeout=2)",
        "subprocess.run([sys.executable, '-c', 'import socket; socket.create_connection((\"192.0.2.1\", 80), 2)'], check=True)",
    ],
)
def test_the_guard_sees_and_refuses_an_attempt(tmp_path: Path, reach: str) -> None:
    code = f"import contextlib, socket, subprocess, sys, urllib.request\nwith contextlib.suppress(Exception): {reach}"
    _, attempts = guarded(tmp_path, "-c", code)
    assert "192.0.2.1" in attempts or "example.com" in attempts


@pytest.mark.skipif(not ALONE, reason="this kernel gives a user no network of their own")
def test_the_kernel_counts_what_native_code_attempts(tmp_path: Path) -> None:
    native = (
        "import ctypes, socket, struct\n"
        "from tests.phone_home.space import raise_loopback, without_route\n"
        "raise_loopback(); assert without_route() == 0\n"
        "address = struct.pack('!HH4s8x', socket.htons(socket.AF_INET), 80, socket.inet_aton('192.0.2.1'))\n"
        "libc = ctypes.CDLL(None); libc.connect(libc.socket(socket.AF_INET, socket.SOCK_STREAM, 0), address, 16)\n"
        "print(without_route())"
    )
    out, attempts = guarded(tmp_path, "-c", native)
    assert (int(out), attempts) == (1, "")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_library_reports_or_fetches_when_it_is_imported(tmp_path: Path) -> None:
    out, attempts = guarded(tmp_path, str(HERE / "imports.py"))
    assert attempts == ""
    assert int(out.split()[-1]) == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_without_the_switches_the_same_libraries_are_caught(tmp_path: Path) -> None:
    _, attempts = guarded(tmp_path, str(HERE / "imports.py"), PHONE_HOME_LOUD="1")
    for host in ("www.google-analytics.com", "api.gradio.app", "publicsuffix.org", "events.telemetry.data.nvidia.com"):
        assert host in attempts


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_main_job_never_leaves_the_loopback(tmp_path: Path) -> None:
    out, attempts = guarded(tmp_path, str(HERE / "main_job.py"), str(tmp_path / "home"))
    told = json.loads(out.splitlines()[-1])
    assert attempts == ""
    assert told["without_route"] == 0
    assert told["hosts"] == [], "the pages refer to other hosts"
    assert "hours" in told["answer"]
    assert told["searched"] == 1
    assert told["alone"] == told["answer"]
    assert told["served"]
