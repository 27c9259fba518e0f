"""What people are asked to rate: answers of evaluation runs or of the chat, and gold examples from a file.

A file of gold has one JSON object a line: `question`, `answers` (the text, or the two texts), what was agreed (`preferred`:
a, b, both or neither, of the answers in that order; or `scores`: criterion to value), and `why`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from core.audit import Audit
from core.consent import Consent
from core.errors import BadInput
from core.rating_records import Gold, NewItem, RatedRun, RatingKind
from core.store import Store
from core.tables import turn
from eval.cases import Case, Suite
from eval.lineage import Lineage
from eval.runner import Result, read_results

NEWEST = 5000
"""Turns among which the chat's sample is drawn."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A finished run as it lies on disk."""

    lineage: Lineage
    results: tuple[Result, ...]

    @property
    def name(self) -> str:
        return self.lineage.adapter if self.lineage.system == "assistant" else self.lineage.system


@dataclass(frozen=True, slots=True)
class Drawn:
    """Items for a batch, and how many were left out for which reason."""

    items: list[NewItem]
    left_out: Mapping[str, int]


def read_run(folder: Path, audit: Audit) -> RunFolder:
    """A run's folder, as `python -m eval run --out` leaves it.

    Raises:
        BadInput: it is none, or holds no result whose seal holds.
    """
    try:
        said = json.loads((folder / "lineage.json").read_text(encoding="utf-8"))
        lineage = Lineage(**{one.name: said[one.name] for one in fields(Lineage)})
    except (OSError, ValueError, KeyError, TypeError):
        raise BadInput(
            f"{folder} is no run's folder: name one that python -m eval run has written, with its lineage.json."
        ) from None
    results = tuple({one.case_id: one for one in read_results(folder, lineage, audit)}.values())
    if not results:
        raise BadInput(f"{folder} holds no result that this home folder has sealed: run the suite again.")
    return RunFolder(lineage, results)


def rated_runs(runs: Sequence[RunFolder]) -> list[RatedRun]:
    """One or two runs as the figures name them: two of one adapter, as before and after other settings, by their ids too."""
    alike = len({run.name for run in runs}) < len(runs)
    return [
        RatedRun(
            key,
            f"{run.name} ({run.lineage.run_id[:8]})" if alike else run.name,
            run.lineage.run_id,
            run.lineage.adapter_sha256,
        )
        for key, run in zip("ab", runs, strict=False)
    ]


def pair_items(suite: Suite, first: RunFolder, second: RunFolder) -> Drawn:
    """The cases on which two runs answered differently; the same words cannot be told apart."""
    theirs = {one.case_id: one for one in second.results}
    cases = {case.case_id: case for case in suite.cases}
    items, left = [], {"changed or in one run only": 0, "same answer": 0}
    for ours in first.results:
        other, case = theirs.get(ours.case_id), cases.get(ours.case_id)
        if other is None or case is None or not case.sha256 == ours.case_sha256 == other.case_sha256:
            left["changed or in one run only"] += 1
        elif ours.answer.split() == other.answer.split():
            left["same answer"] += 1
        else:
            items.append(NewItem(case.case_id, _question(case), {"a": _answer(ours), "b": _answer(other)}))
    return Drawn(items, left)


def single_items(suite: Suite, runs: Sequence[RunFolder]) -> Drawn:
    """Every answer of the runs, each an item of its own."""
    cases = {case.case_id: case for case in suite.cases}
    items, changed = [], 0
    for key, run in zip("ab", runs, strict=False):
        for one in run.results:
            case = cases.get(one.case_id)
            if case is None or case.sha256 != one.case_sha256:
                changed += 1
            else:
                items.append(NewItem(case.case_id, _question(case), {key: _answer(one)}))
    return Drawn(items, {"changed": changed})


def turn_items(store: Store, adapter: str = "") -> Drawn:
    """Answers of the chat that kept their words; nobody's who said no to training."""
    wanted = [turn.c.status == "answered", turn.c.temporary.is_(False), turn.c.question != ""]
    if adapter:
        wanted.append(turn.c.adapter == adapter)
    columns = sa.select(turn.c.turn_id, turn.c.person_id).where(*wanted).order_by(turn.c.created_at.desc())
    with store.snapshot() as connection:
        opted_out = Consent.opted_out_in(connection)
        rows = connection.execute(columns.limit(NEWEST)).all()
    kept = [row for row in rows if row.person_id not in opted_out]
    items = [NewItem(row.turn_id, "", {"a": {"turn_id": row.turn_id}}) for row in kept]
    return Drawn(items, {"person said no": len(rows) - len(kept)})


def sampled(items: list[NewItem], limit: int | None, seed: int) -> list[NewItem]:
    """At most `limit` of them, drawn by the seed, in their order."""
    if limit is None or len(items) <= limit:
        return items
    chosen = sorted(random.Random(seed).sample(range(len(items)), limit))  # noqa: S311 - a draw, no secret
    return [items[n] for n in chosen]


def read_gold(path: Path, kind: RatingKind) -> list[NewItem]:
    """Gold examples from a file of JSON lines; raises BadInput, which names the line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise BadInput(f"{path}: cannot be read as a text file in UTF-8.") from None
    return [_gold(f"{path}:{n}", line, kind) for n, line in enumerate(lines, 1) if line.strip()]


def _gold(where: str, line: str, kind: RatingKind) -> NewItem:
    try:
        said = json.loads(line)
    except ValueError:
        said = None
    if not isinstance(said, dict) or not isinstance(said.get("question"), str):
        raise BadInput(f"{where}: a line is a JSON object with question, answers, what was agreed, and why.")
    answers = said.get("answers")
    texts = [answers] if isinstance(answers, str) else answers
    wanted = 2 if kind == "pair" else 1
    if not isinstance(texts, list) or len(texts) != wanted or not all(isinstance(one, str) for one in texts):
        raise BadInput(f"{where}: answers: give {wanted} text{'s' if wanted > 1 else ''}.")
    agreed = {"preferred": str(said.get("preferred", ""))} if kind == "pair" else {"scores": said.get("scores")}
    if kind == "single" and not isinstance(agreed["scores"], dict):
        raise BadInput(f'{where}: scores: give criterion to value, such as {{"correct": 2}}.')
    given: dict[str, Any] = {**agreed, "why": str(said.get("why", ""))}
    made = {key: {"text": text, "citations": []} for key, text in zip("ab", texts, strict=False)}
    return NewItem(str(said.get("id", where)), said["question"], made, Gold(**given))


def _question(case: Case) -> str:
    return "\n".join([*(f"Before: {earlier}" for earlier in case.turns), case.question])


def _answer(result: Result) -> dict[str, object]:
    return {"text": result.answer, "citations": [dict(one) for one in result.citations]}
