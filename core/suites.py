"""Which files of an evaluation suite hold its cases, and the questions in them: what training has to keep away from.

`eval` reads cases whole (eval/casefile.py). Training may not import it, and needs nothing but the questions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from core.errors import BadInput
from core.yaml_text import LOADER

SUITE_FILE: Final = "suite.yaml"
PINS_FILE: Final = "documents.yaml"
DEMO: Final = "demo"
"""The suite that ships, of the demo organisation."""
SHIPPED_SUITES: Final = Path(__file__).parents[1] / "eval" / "suites"


@dataclass(frozen=True, slots=True)
class SuiteQuestions:
    """What a suite asks: each question once, earlier questions of a conversation included."""

    name: str
    questions: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Of the questions, whatever order they stand in."""
        return hashlib.sha256("\n".join(sorted(self.questions)).encode()).hexdigest()


def suite_places(named: str, home: Path) -> tuple[Path, ...]:
    """Where a suite of that name may lie: a folder, one that ships, or one that `python -m eval import` made."""
    return Path(named), SHIPPED_SUITES / named, home / "suites" / named


def case_files(folder: Path, others: Sequence[Path]) -> list[Path]:
    """The folder's YAML files that are neither the suite's own nor one of the `others` (people, question files)."""
    return sorted(set(folder.glob("*.yaml")) - {folder / SUITE_FILE, folder / PINS_FILE, *others})


def read_suite_questions(folder: Path) -> SuiteQuestions:
    """Every question of a suite folder.

    Raises:
        BadInput: a file cannot be read, is no YAML, or holds no cases; eval says more: python -m eval cases.
    """
    folder = folder.resolve()
    people, listed = _named(folder)
    found: dict[str, None] = {}
    for path in [*case_files(folder, [people, *listed]), *listed]:
        found |= dict.fromkeys(_questions(path))
    if not found:
        raise BadInput(f"{folder} holds no evaluation case.")
    return SuiteQuestions(folder.name, tuple(found))


def suite_files_sha256(folder: Path) -> str:
    """Hash of all that a suite's files say: who asks what of which documents, at what state, and what counts as right.

    Raises:
        BadInput: a file cannot be read.
    """
    folder = folder.resolve()
    people, listed = _named(folder)
    try:
        said = [
            [path.name, hashlib.sha256(path.read_bytes()).hexdigest()]
            for path in [*sorted(folder.glob("*.yaml")), *sorted({people, *listed} - {folder})]
        ]
    except OSError as error:
        raise BadInput(f"{error.filename} cannot be read ({error.strerror or type(error).__name__}).") from None
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _named(folder: Path) -> tuple[Path, list[Path]]:
    """The people file and the question files that a suite names; the folder itself where it names no people."""
    top = _read(folder / SUITE_FILE)
    if not isinstance(top, dict):
        return folder, []
    named = top.get("questions") or []
    listed = [(folder / str(name)).resolve() for name in ([named] if isinstance(named, str) else named)]
    return (folder / str(top.get("people", ""))).resolve(), listed


def _questions(path: Path) -> Iterator[str]:
    data = _read(path)
    entries = data.get("cases") if isinstance(data, dict) else data
    if not isinstance(entries, list):
        raise BadInput(f"{path} holds no list of cases. Check it with: python -m eval cases {path.parent}")
    for entry in entries:
        if not isinstance(entry, dict) or not str(entry.get("question", "")).strip():
            raise BadInput(f"{path} has an entry without a question. Check it with: python -m eval cases {path.parent}")
        turns = entry.get("turns") or []
        yield str(entry["question"]).strip()
        yield from (str(one).strip() for one in ([turns] if isinstance(turns, str) else turns))


def _read(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER) or {}  # noqa: S506 - a safe loader, either way
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise BadInput(f"{path} cannot be read ({reason}).") from None
    except yaml.YAMLError:
        raise BadInput(f"{path} is not valid YAML. Check it with: python -m eval cases {path.parent}") from None
