"""Which code, libraries and machine made a result: what a training run and its adapter's card say of their origin."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from core.errors import Conflict

ROOT: Final = Path(__file__).resolve().parents[1]
CODE_FILES: Final = (".py", ".yaml", ".yml", ".co", ".json", ".txt")
CHANGES: Final = "+changes"


@dataclass(frozen=True, slots=True)
class Code:
    """The program's source.

    Attributes:
        revision: git's commit, with CHANGES behind it where the tree differs; "" where there is no git or no checkout.
        sha256: of the source files themselves, committed or not.
    """

    revision: str
    sha256: str

    @property
    def dirty(self) -> bool:
        return self.revision.endswith(CHANGES)

    @classmethod
    def read(cls, packages: Sequence[str], root: Path = ROOT) -> Code:
        return cls(code_revision(root), sources_sha256(packages, root))


def require_clean(code: Code) -> None:
    """Raises Conflict where the tree differs from its commit: nobody could say later what was run."""
    if code.dirty:
        raise Conflict(
            "The source tree differs from its commit: commit the changes first, so that the run can be repeated, or give "
            "--allow-dirty, which the adapter's lineage then says."
        )


def code_revision(root: Path = ROOT) -> str:
    try:
        head = _git(root, "rev-parse", "HEAD")
        return head + (CHANGES if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def sources_sha256(packages: Iterable[str], root: Path = ROOT) -> str:
    """Of the packages' source files, each by its path; an evaluation's cases are none."""
    said = []
    for package in packages:
        for file in sorted((root / package).rglob("*")):
            place = file.relative_to(root)
            if file.suffix in CODE_FILES and "suites" not in place.parts and file.is_file():
                said.append([place.as_posix(), hashlib.sha256(file.read_bytes()).hexdigest()])
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The installed versions; packages that are missing are left out."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, str]:
    """The machine, without its name: processor, cores that this process may use, memory."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"processor": _processor(), "cores": str(cores), "memory_gib": f"{memory:.0f}", "system": platform.system()}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()
