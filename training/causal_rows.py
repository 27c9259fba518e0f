"""What a causal model is shown of a dataset's row: the prompt that serves, and the answer as the assistant expects it.

The prompt is `assistant.prompt.build_prompt`'s, turned into tokens by the base's own chat template, so that an adapter meets in
service what it has met in training. A marker of a stored answer counts passages as the person saw them; it is put anew, as the
prompt counts them. An example that is longer than the configuration allows is left out and counted, never cut.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from assistant.citing import attach_marker, best_passage, resolve_markers
from assistant.prompt import ASK_BACK, NO_ANSWER, build_prompt
from assistant.sentences import PieceKind, pieces
from core.records import Passage
from training.rows import Row

Message = dict[str, str]
Example = Mapping[str, Any]
"""Columns as TRL names them: `prompt` and `completion`, or `prompt`, `chosen` and `rejected`; each a list of messages."""
ANSWERS: Final = ("completion", "chosen", "rejected")
SAYS_NOTHING: Final[tuple[PieceKind, ...]] = ("heading", "intro", "table_head", "code")

T = TypeVar("T")


def prompt_of(row: Row) -> list[Message]:
    """The messages that the serving model would get for the row's question."""
    return [{"role": m.role, "content": m.content} for m in build_prompt(row.question, row.passages).messages]


def said(text: str) -> list[Message]:
    """An answer as the last message of a conversation."""
    return [{"role": "assistant", "content": text}]


def answer_of(row: Row) -> str:
    """What should have been said, as a model is to write it; "" where the row does not say."""
    target = row.target
    if target.kind == "refuse":
        return NO_ANSWER
    if target.kind == "clarify":
        return f"{ASK_BACK} {target.answer.strip()}" if target.answer.strip() else ""
    known = None if target.passage is None else target.passage + 1
    return marked(target.answer, row.passages, known, surely=target.kind == "span")


def marked(text: str, passages: Sequence[Passage], known: int | None = None, *, surely: bool = False) -> str:
    """The text with one marker after each sentence, item or row that a passage bears out.

    Args:
        known: the number of the passage that the reviewer marked.
        surely: every piece comes from that passage; else it is taken where no other one bears the piece out better.
    """
    written = ""
    for piece in pieces([text.strip()]):
        plain, _, _ = resolve_markers(piece.text, 0)
        n = None if piece.kind in SAYS_NOTHING else known if surely else best_passage(plain, passages) or known
        written += piece.lead + (plain if n is None else attach_marker(plain, n))
    return written


def lengths(tokenizer: Any, example: Example) -> list[int]:
    """Tokens of the example's prompt with each of its answers."""
    return [
        len(tokenizer.apply_chat_template(example["prompt"] + example[name], return_dict=True)["input_ids"])
        for name in ANSWERS
        if name in example
    ]


def drawn(items: Sequence[T], weights: Sequence[float], epochs: float, seed: int) -> list[T]:
    """The items in the order in which they are learnt from: `epochs` times each, by its weight, every round shuffled.

    An item of weight 0.5 is met in every second round, one of weight 2 twice in each. A last part of a round is cut.
    """
    rng = random.Random(seed)  # noqa: S311 - seeded sampling, no secret
    phase = [rng.random() for _ in items]
    order: list[T] = []
    whole = int(epochs) + (epochs % 1 > 0)
    for turn in range(whole):
        often = [int(w * (turn + 1) + p) - int(w * turn + p) for w, p in zip(weights, phase, strict=True)]
        met = [item for item, times in zip(items, often, strict=True) for _ in range(times)]
        rng.shuffle(met)
        order += met[: round(len(met) * (epochs - turn))] if epochs - turn < 1 else met
    return order
