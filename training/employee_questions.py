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
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

FILE = Path(__file__).parent / "data" / "employee_questions.jsonl"
FOLDERS = ("handbook-18f", "policies-github-site")
HELD_OUT = 8


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
        return int(hashlib.sha256(self.document.encode()).hexdigest(), 16) % HELD_OUT == 0


@lru_cache(maxsize=1)
def employee_questions() -> tuple[EmployeeQuestion, ...]:
    """Every question of the file, by document."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return tuple(EmployeeQuestion(**(line | {"also": tuple(line.get("also", ()))})) for line in map(json.loads, lines))
