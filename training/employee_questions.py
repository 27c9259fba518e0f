"""Questions as employees ask them, on the handbooks of two real organisations, each with the part that answers it, or none.

training/data/employee_questions.jsonl, in the repository: written for this project by the rule "ask as one who has not read the
document", so most share few words with their answers. A program checked that each quote stands in its file; nobody labelled them a
second time. The documents are public (CC0) and not in the repository:
github.com/18F/handbook at 1e4955634d and github.com/github/site-policy at 12992597c5, as folders `handbook-18f` and
`policies-github-site`. One document in eight is held out: nothing learns from its questions.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.units import Unit, units
from core.errors import BadInput
from core.records import Passage, Principal

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

FILE = Path(__file__).parent / "data" / "employee_questions.jsonl"
FOLDERS = ("handbook-18f", "policies-github-site")
HELD_OUT = 8
WHO = Principal("reader", "Reader", "reader@example.com", frozenset(), "internal", frozenset({"employee"}))
GOVERNED = {"owner": "handbook@example.com", "classification": "internal", "allowed_groups": ["everyone"]}
LEAST_CHARS = 25
"""A unit that is only a part of a quote counts from so many characters on: a sentence may be cut otherwise than by its author."""


@dataclass(frozen=True, slots=True)
class EmployeeQuestion:
    """One question.

    Attributes:
        document: the file's path below the folder that holds FOLDERS.
        quote: the sentence, list item or table row that answers, as the file has it on one line; "" where nothing does.
        also: other parts that answer as well.
        near: where nothing answers, the part that a careless reader would take for the answer.
    """

    document: str
    question: str
    quote: str = ""
    also: tuple[str, ...] = ()
    near: str = ""

    @property
    def held_out(self) -> bool:
        return is_held_out(self.document)


def is_held_out(document: str) -> bool:
    """Whether nothing learns from a document's questions: one in HELD_OUT, by the hash of its name."""
    return int(hashlib.sha256(document.encode()).hexdigest(), 16) % HELD_OUT == 0


@lru_cache(maxsize=1)
def employee_questions() -> tuple[EmployeeQuestion, ...]:
    """Every question of the file, by document."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return tuple(EmployeeQuestion(**(line | {"also": tuple(line.get("also", ()))})) for line in map(json.loads, lines))


def require_folders(folder: Path) -> None:
    """Raises BadInput where a folder of the two handbooks is missing."""
    if missing := [str(folder / name) for name in FOLDERS if not (folder / name).is_dir()]:
        raise BadInput(
            f"{', '.join(missing)}: no such folder. training/employee_questions.py says where it comes from."
        )


def take_in(assistant: Assistant, folder: Path) -> dict[str, str]:
    """Ingest both handbooks of a folder, readable by WHO; gives each file's path below the folder its document's id."""
    require_folders(folder)
    results = assistant.ingest.run([folder / name for name in FOLDERS], actor="questions", defaults=GOVERNED)
    return {Path(one.path).relative_to(folder).as_posix(): one.document_id for one in results if one.document_id}


def plain(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text).lower().strip()


def answers(unit: Unit, wanted: Sequence[str]) -> bool:
    """Whether a unit holds one of the parts wanted, or is itself most of one."""
    said, text = plain(unit.said), plain(unit.text)
    return any(one in said or (len(text) >= LEAST_CHARS and text in one) for one in wanted)


def right_units(asked: EmployeeQuestion, passages: Sequence[Passage], document_id: str) -> set[tuple[int, int]]:
    """Passage and place of every unit that answers."""
    wanted = [plain(one) for one in (asked.quote, *asked.also) if plain(one)]
    return {
        (number, place)
        for number, passage in enumerate(passages)
        if passage.document_id == document_id
        for place, unit in enumerate(units(passage.text))
        if answers(unit, wanted)
    }
