"""Recipe `distil`: an adapter on a small causal model learns what a larger served model answers to the rows' questions.

    python -m training run training/configs/distil.yaml --dataset ds-1a2b3c4d5e6f

The teacher gets the prompt that serves. Its answer is kept only where every sentence is borne out by the passages, by the very
guard that the chat uses; that it cannot answer, or asks back, is kept where the reviewer said so too. The answers stay in the
run's folder, so that a run that goes on asks nothing twice. Only the loopback or a server of your own should be a teacher: it
reads the rows. A dry run asks it, too.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from assistant.citing import attach_marker, best_passage, resolve_markers
from assistant.prompt import ASK_BACK, NO_ANSWER, UNFINISHED, build_prompt
from assistant.sentences import pieces
from assistant.served import ServedModel
from core.run_config import DistilConfig
from core.settings import load_settings
from guardrails.grounding import Grounding
from training import causal
from training.causal_rows import SAYS_NOTHING, prompt_of, said
from training.recipe import Progress, rank, require_rows
from training.rows import Row, Rows
from training.sft import held_out, learn

log = logging.getLogger(__name__)

ANSWERS: Final = "teacher.json"
AT_ONCE: Final = 8
"""Questions that the teacher is asked at the same time."""
POLL_S: Final = 0.2
Outcome = Literal["kept", "ungrounded", "unfinished", "refused", "asked_back", "empty"]


@dataclass(frozen=True, slots=True)
class Judged:
    """What becomes of an answer. `text` is what is learnt, "" unless it is kept."""

    outcome: Outcome
    text: str = ""


def train(config: DistilConfig, rows: Rows, folder: Path, progress: Progress) -> Path:
    """Ask, judge, then train as `sft` does; returns the sealed adapter's folder.

    Raises:
        BadInput: too few answers are borne out, or a base that cannot be read. ModelUnavailable: the teacher does not answer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    base = causal.open_base(config)
    require_rows(len(rows.training), config.least_rows)
    answers = asked(config, rows.training, folder)
    judged = [judge(row, answers[row.row_id]) for row in rows.training]
    counts = Counter(one.outcome for one in judged)
    log.info("of %d answers of the teacher: %s", len(judged), ", ".join(f"{n} {name}" for name, n in counts.items()))
    taught = [
        ({"prompt": prompt_of(row), "completion": said(one.text)}, row.weight)
        for row, one in zip(rows.training, judged, strict=True)
        if one.outcome == "kept"
    ]
    found = causal.examples(taught, held_out(rows.validation), base, config, what="answers of the teacher that hold")
    return learn(config, base, found, folder, progress, counts={f"teacher_{name}": n for name, n in counts.items()})


def asked(config: DistilConfig, rows: Sequence[Row], folder: Path) -> Mapping[str, str]:
    """The teacher's answers by row; what an earlier call was told is read again. The first process alone asks."""
    path = folder / ANSWERS
    key = hashlib.sha256("\n".join([config.teacher, *(row.row_id for row in rows)]).encode()).hexdigest()
    while True:
        known = _read(path)
        if known.get("key") == key:
            return {str(row): str(text) for row, text in dict(known["answers"]).items()}  # type: ignore[call-overload]
        if rank() == 0:
            break
        time.sleep(POLL_S)
    settings = load_settings(model_url=config.teacher_url, model=config.teacher, max_tokens=config.max_tokens)
    teacher = ServedModel(settings)
    teacher.ready()

    def ask(row: Row) -> str:
        return "".join(teacher.stream(build_prompt(row.question, row.passages))).strip()

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="teacher") as pool:
        answers = dict(zip((row.row_id for row in rows), pool.map(ask, rows), strict=True))
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps({"key": key, "answers": answers}, ensure_ascii=False), encoding="utf-8")
    temporary.replace(path)
    return answers


def judge(row: Row, answer: str, guard: Grounding | None = None) -> Judged:
    """Keep the answer with the markers that it is served with, where the chat would show all of it."""
    if not answer:
        return Judged("empty")
    if answer.endswith(UNFINISHED):
        return Judged("unfinished")
    if NO_ANSWER in answer:
        return Judged("kept", NO_ANSWER) if row.target.kind == "refuse" else Judged("refused")
    guard = guard or Grounding()
    written = ""
    for piece in pieces([answer]):
        if piece.text.startswith(ASK_BACK):
            if row.target.kind != "clarify":
                return Judged("asked_back")
            written += piece.lead + piece.text
            continue
        text, cited, _ = resolve_markers(piece.text, len(row.passages))
        if piece.kind not in SAYS_NOTHING:
            if not cited and (found := best_passage(text, row.passages)):
                text, cited = attach_marker(text, found), (found,)
            if guard.check(text, [row.passages[n - 1] for n in cited]).action != "allow":
                return Judged("ungrounded")
        written += piece.lead + text
    return Judged("kept", written)


def _read(path: Path) -> Mapping[str, object]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
