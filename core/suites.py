"""Which files of an evaluation suite hold its cases, and the questions in them: what training has to keep away from.

`eval` reads cases whole (eval/casefile.py). Training may not import it, and needs nothing but the questions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from core.errors import BadInput

SUITE_FILE: Final = "suite.yaml"
PINS_FILE: Final = "documents.yaml"
SHIPPED_SUITES: Final = Path(__file__).parents[1] / "eval" / "suites"
LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The C parser where it is built in: it is faster, and takes a question mark inside a list as text."""


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
    top = _read(folder / SUITE_FILE)
    named = top.get("questions") or [] if isinstance(top, dict) else []
    listed = [(folder / str(name)).resolve() for name in ([named] if isinstance(named, str) else named)]
    people = (folder / str(top.get("people", ""))).resolve() if isinstance(top, dict) else folder
    found: dict[str, None] = {}
    for path in [*case_files(folder, [people, *listed]), *listed]:
        found |= dict.fromkeys(_questions(path))
    if not found:
        raise BadInput(f"{folder} holds no evaluation case.")
    return SuiteQuestions(folder.name, tuple(found))


def _questions(path: Path) -> Iterator[str]:
    data = _read(path)
    entries = data.get("cases") if isinstance(data, dict) else data
    if not isinstance(entries, list):
        raise BadInput(f"{path} holds no list of cases. Check it with: python -m eval cases check")
    for entry in entries:
        if not isinstance(entry, dict) or not str(entry.get("question", "")).strip():
            raise BadInput(f"{path} has an entry without a question. Check it with: python -m eval cases check")
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
        raise BadInput(f"{path} is not valid YAML. Check it with: python -m eval cases check") from None
