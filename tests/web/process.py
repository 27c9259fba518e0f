"""`python -m assistant serve` as a process of its own, on a home folder and a free port: started, asked, stopped, killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.web.serving import free_port

ROOT = Path(__file__).parents[2]
STARTS_S = 400


@dataclass(frozen=True)
class ServeProcess:
    """A started assistant. `ended` waits for its exit code, or fails."""

    process: subprocess.Popen[str]
    url: str
    out: Path

    @property
    def said(self) -> str:
        return self.out.read_text()

    def client(self, key: str = "") -> httpx2.Client:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return httpx2.Client(base_url=self.url, trust_env=False, timeout=60, headers=headers)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def ended(self, within: float = 60) -> int:
        return self.process.wait(within)


@contextmanager
def serve_process(home: Path, *arguments: str, **environment: str) -> Iterator[ServeProcess]:
    """The process, once it answers; killed at the end where it still runs."""
    port, out = free_port(), home.parent / "serve.out"
    given: Mapping[str, str] = {
        "ASSISTANT_HOME": str(home),
        "ASSISTANT_PORT": str(port),
        "ASSISTANT_SUPPORT_CONTACT": "it@x.example",
    }
    (home / "serve.json").unlink(missing_ok=True)  # left over where the one before was killed
    with out.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-m", "assistant", "serve", *arguments],
            stdout=file, stderr=subprocess.STDOUT, text=True, cwd=ROOT, env=os.environ | given | environment,
        )  # fmt: skip
        try:
            until = time.monotonic() + STARTS_S
            while not (home / "serve.json").exists():
                assert process.poll() is None, out.read_text()
                assert time.monotonic() < until, out.read_text()
                time.sleep(0.05)
            yield ServeProcess(process, f"http://127.0.0.1:{port}", out)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
