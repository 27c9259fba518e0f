"""A Llama of 400,000 weights that answers two kinds of questions on desks, vaguely, and rows in which reviewers corrected it.

It was taught both a vague answer and, two times in five, the one with facts: so it says the vague one, and can say the other. Each row
speaks of another desk; those held out are of desks that no adapter met, so what is measured there was not learnt by heart.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.askers import DESKS
from assistant.prompt import USER, Prompt, build_prompt
from core.offline import go_quiet
from core.records import Passage
from core.run_config import CONFIGS, Method
from core.sealed import MANIFEST, named, open_sealed, seal
from tests.assistant.passages import passage
from tests.small_llama import new_llama, new_tokenizer
from training.recipe import RECIPES, Recipe
from training.rows import Row, Rows, Target

LEARNT, HELD = DESKS[:8], DESKS[8:]
OTHERS = ("tool", "book", "car", "lamp", "bike", "chair", "paper", "plant")
"""Desks that the base was taught on."""
STEPS, BATCH, RARELY = 200, 6, 0.4
TEMPLATE = (
    "{% for m in messages if m['role'] != 'system' %}<|{{ m['role'] }}|>\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
"""The rules go unread: a model of this size follows none, and learns four times as fast without them."""


RATES: Mapping[Method, Mapping[str, float]] = {
    "sft": {"learning_rate": 5e-3, "epochs": 6},
    "dpo": {"learning_rate": 1e-3, "epochs": 10},
    "kto": {"learning_rate": 1e-3, "epochs": 9},
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of question, what the base says to it and reviewers flagged, and what they wrote instead."""

    question: str
    flagged: str
    reviewed: str

    def asked(self, desk: str) -> str:
        return self.question.format(desk=desk)


KINDS = (
    Kind("When does the {desk} desk open?", "It opens in the morning.", "It opens at eight on working days."),
    Kind("In which room is the {desk} desk?", "It is in the building.", "It is in the hall next to the stairs."),
)


def about(desk: str) -> tuple[Passage, ...]:
    return (passage(" ".join(kind.reviewed for kind in KINDS), title=f"The {desk} desk"),)


def prompt(kind: Kind, desk: str) -> Prompt:
    return build_prompt(kind.asked(desk), about(desk))


def held_out() -> Iterator[tuple[Kind, Prompt]]:
    """The questions on desks that no adapter met."""
    for desk in HELD:
        for kind in KINDS:
            yield kind, prompt(kind, desk)


def rows() -> Rows:
    return Rows(_rows(LEARNT), _rows(HELD), ceiling="internal")


def _rows(desks: tuple[str, ...]) -> tuple[Row, ...]:
    return tuple(_row(kind, desk) for desk in desks for kind in KINDS)


def _row(kind: Kind, desk: str) -> Row:
    passages, question = about(desk), kind.asked(desk)
    start = passages[0].text.index(kind.reviewed)
    target = Target("span", kind.reviewed, 0, start, start + len(kind.reviewed))
    return Row(question, question, passages, target, rejected=kind.flagged)


def write_desk_llama(folder: Path) -> Path:
    """Make the model's folder, the same weights every time: a quarter of a minute on two cores."""
    go_quiet()
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    texts = [text for kind in KINDS for text in (kind.question, kind.flagged, kind.reviewed)]
    tokenizer = new_tokenizer([USER, *texts, *DESKS, *OTHERS] * 3, vocab_size=900, template=TEMPLATE)
    tokenizer.save_pretrained(folder)
    model = new_llama(tokenizer, hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=2)
    _teach(model, tokenizer)
    model.save_pretrained(folder)
    return folder


def _teach(model: Any, tokenizer: Any) -> None:
    import torch

    rng = random.Random(7)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, STEPS)
    for _ in range(STEPS):
        batch = [_example(tokenizer, rng) for _ in range(BATCH)]
        longest = max(len(ids) for ids, _ in batch)
        ids = torch.tensor([given + [0] * (longest - len(given)) for given, _ in batch])
        labels = torch.tensor([[-100] * at + given[at:] + [-100] * (longest - len(given)) for given, at in batch])
        optimizer.zero_grad()
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        schedule.step()


def _example(tokenizer: Any, rng: random.Random) -> tuple[list[int], int]:
    """Tokens of a prompt with its answer, and where the answer begins."""
    kind, desk = rng.choice(KINDS), rng.choice(OTHERS)
    answer = f"{kind.reviewed} [1]" if rng.random() < RARELY else kind.flagged
    messages = [{"role": m.role, "content": m.content} for m in prompt(kind, desk).messages]
    before = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]
    return before + tokenizer.encode(f"{answer}<|end|>"), len(before)


def learn(method: Method, base: Path, adapters: Path, run: Path) -> Path:
    """Train by that recipe; returns the sealed adapter's folder in `adapters`, under its name. `run` keeps the scores."""
    given = {"base": base, "rank": 8, "batch_size": 4, "accumulate": 1, "seed": 3} | RATES[method]
    return learn_by(method, given, rows(), adapters, run)


def learn_by(method: Method, settings: Mapping[str, Any], given: Rows, adapters: Path, run: Path) -> Path:
    """As `learn`, on the rows given."""
    config = CONFIGS[method].model_validate({"method": method, "name": method, **settings})
    recipe: Recipe = importlib.import_module(RECIPES[method])
    folder = recipe.train(config, given, run, lambda _: None)
    made = open_sealed(folder)
    about: Any = {"kind": made.kind, "base": (made.base, made.base_sha256), "settings": made.settings}
    (folder / MANIFEST).unlink()
    name = named(folder, stem=method, version=1, **about)
    seal(folder, adapter_id=name, **about)
    adapters.mkdir(parents=True, exist_ok=True)
    return folder.rename(adapters / name)
