"""Starts real vLLM servers on the CPU for the tests, and kills them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

ENVIRONMENT = Path(__file__).parents[2] / ".venv-vllm"
VLLM = ENVIRONMENT / "bin" / "vllm"
START_SECONDS = 280
WITH_ADAPTERS = ("--enable-lora", "--max-lora-rank", "16")

NEEDS_VLLM = [
    pytest.mark.vllm,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not (ENVIRONMENT / ".installed").exists(), reason="no .venv-vllm: build it with `make vllm`"),
]


@dataclass(frozen=True)
class Vllm:
    process: subprocess.Popen[bytes]
    url: str
    port: int

    def kill(self) -> None:
        """As a crash or an operator's kill -9 does: the server and all its workers."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@contextmanager
def serving(model: Path, log: Path, *options: str, port: int = 0) -> Iterator[Vllm]:
    """A vLLM server in a process group of its own, ready to answer; adapters can be loaded where the options allow it."""
    port = port or free_port()
    server = start(model, log, port, options)
    try:
        wait(server, log)
        yield server
    finally:
        server.kill()


def start(model: Path, log: Path, port: int, options: Sequence[str] = ()) -> Vllm:
    """Start a server that is not ready yet."""
    address = ["--host", "127.0.0.1", "--port", str(port)]
    command = [str(VLLM), "serve", str(model), "--served-model-name", "tiny", *address]
    quiet = {"VLLM_NO_USAGE_STATS": "1", "VLLM_DO_NOT_TRACK": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"}
    needed = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1"}
    environment = os.environ | quiet | needed | {"PATH": f"{VLLM.parent}:{os.environ['PATH']}"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            # Compiling a model of 3 million weights takes longer than all that the tests ask of it.
            [*command, "--max-model-len", "8192", "--enforce-eager", *options],
            stdout=out,
            stderr=out,
            env=environment,
            start_new_session=True,
            cwd=log.parent,
        )
    return Vllm(process, f"http://127.0.0.1:{port}/v1", port)


def wait(server: Vllm, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.process.poll() is None:
        try:
            if httpx2.get(f"{server.url}/models", timeout=2, trust_env=False).status_code == 200:
                return
        except httpx2.HTTPError:
            time.sleep(1)
    pytest.fail(f"vLLM did not start:\n{log.read_text(errors='replace')[-3000:]}")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
