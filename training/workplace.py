"""Questions on made-up companies' documents: what a retrained reader goes on practising, so that it forgets nothing.

The text files of training/data, in the repository: one passage a heading, and after a line the questions that it answers ("?") and
those that it only seems to ("!"). A file named `_de` or `_es` is German or Spanish. The questions of one title in eight are held out:
nothing learns from them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

from assistant.units import units
from core.records import Passage
from training.employee_questions import is_held_out

FILES = tuple(
    Path(__file__).parent / "data" / f"{name}.txt"
    for name in (
        *("workplace", "tables", "people", "money", "computing", "sites", "policies"),
        *("policies_de", "policies_es"),
    )
)

ASKED = ("? ", "! ")


@dataclass(frozen=True, slots=True)
class WorkplaceQuestion:
    """A question, its passage's place among the passages, the unit of it that answers, and whether nothing may learn from it.

    `unit` is None where the passage looks as if it answered and does not.
    """

    question: str
    passage: int
    unit: int | None
    held_out: bool

    @property
    def right(self) -> frozenset[tuple[int, int]]:
        """Passage and unit that answer, where the question's own passage is read first."""
        return frozenset() if self.unit is None else frozenset({(0, self.unit)})


@lru_cache(maxsize=1)
def workplace() -> tuple[tuple[Passage, ...], tuple[WorkplaceQuestion, ...]]:
    """Every passage and every question of the files."""
    passages: list[Passage] = []
    questions: list[WorkplaceQuestion] = []
    sections = ((file, *section) for file in FILES for section in _sections(file.read_text(encoding="utf-8")))
    for source, heading, lines in sections:
        text = "\n".join(_markdown([line for line in lines if not line.startswith(ASKED)]))
        title, _, section = heading.partition(" > ")
        held_out = is_held_out(title)
        unit = -1
        for line in lines:
            if line.startswith(ASKED):
                answers = max(unit, 0) if line.startswith("?") else None
                questions.append(WorkplaceQuestion(line[1:].strip(), len(passages), answers, held_out))
            else:
                unit = _unit_of(text, line, unit)
        passages.append(_passage(title, section, text, source.stem.partition("_")[2] or "en"))
    return tuple(passages), tuple(questions)


def _sections(text: str) -> Iterator[tuple[str, list[str]]]:
    heading, held = "", list[str]()
    for line in [*text.splitlines(), "## "]:
        if line.startswith("## "):
            if held:
                yield heading, held
            heading, held = line.removeprefix("## "), []
        elif line and not line.startswith("#"):
            held.append(line)


def _markdown(lines: list[str]) -> Iterator[str]:
    """The lines, with the rule that a table needs under its head."""
    before = ""
    for line in lines:
        yield line
        if line.startswith("|") and not before.startswith("|"):
            yield "|---" * line.strip("|").count("|") + "|---|"
        before = line


def _unit_of(text: str, line: str, before: int) -> int:
    """The unit that a line of the passage is, or ends; the one before it where the line is a table's head."""
    found = [n for n, unit in enumerate(units(text)) if n > before and unit.text in line]
    return found[-1] if found else before


def _passage(title: str, section: str, text: str, language: str) -> Passage:
    return Passage(
        passage_id=hashlib.sha256(f"{title}{section}{text}".encode()).hexdigest()[:32],
        document_id=f"workplace-{hashlib.sha256(title.encode()).hexdigest()[:8]}",
        version=1,
        ordinal=0,
        title=title,
        section=section,
        page=None,
        text=text,
        classification="public",
        owner="",
        language=language,
        effective=date(2026, 1, 1),
    )
