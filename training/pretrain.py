"""Recipe `pretrain`: an adapter on a causal model reads the organisation's documents on, before any question.

    python -m training run training/configs/pretrain.yaml

It reads what training/causal_documents.py lets it, in pieces of `max_length` tokens; every word is learnt. A share of the
documents is kept out to measure on. What it learns is the organisation's language: answers still come from the passages.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assistant.console import opened
from core.errors import BadInput
from core.lineage import DocumentRead
from core.run_config import PretrainConfig
from training import causal
from training.causal import Examples
from training.causal_documents import Library, Text, read_library
from training.causal_rows import Example, drawn
from training.recipe import Progress, rank, write_documents
from training.rows import Rows

log = logging.getLogger(__name__)


def train(config: PretrainConfig, _rows: Rows, folder: Path, progress: Progress) -> Path:
    """Train in `folder` and return the sealed adapter in it; goes on from its last checkpoint.

    Raises:
        BadInput: too little that may be read, or a base that cannot be.
    """
    from trl import SFTConfig, SFTTrainer  # type: ignore[attr-defined]

    with opened() as here:
        library = read_library(config, here, datetime.now(UTC).date())
    base = causal.open_base(config, chat=False)
    learnt, held = split(library, config)
    pieces = pieces_of(learnt, base.tokenizer, config.max_length)
    if len(pieces) < config.least_rows:
        raise BadInput(
            f"Only {len(pieces)} pieces of {len(learnt)} documents may be read by {', '.join(config.groups)} with clearance "
            f"{config.clearance}, and at least {config.least_rows} are needed: approve more documents, or lower least_rows."
        )
    tokens = sum(len(piece["input_ids"]) for piece in pieces)
    found = Examples(pieces, [1.0] * len(pieces), pieces_of(held, base.tokenizer, config.max_length), 0, tokens)
    folder.mkdir(parents=True, exist_ok=True)
    if rank() == 0:
        write_documents(folder, read_of(library))
    order = drawn(found.training, found.weights, config.epochs, config.seed)
    trainer = SFTTrainer(
        model=causal.load_model(config),
        args=SFTConfig(**causal.arguments(config, folder, len(order)), packing=False),
        train_dataset=causal.table(order),
        eval_dataset=causal.table(found.held) if found.held else None,
        processing_class=base.tokenizer,
        peft_config=causal.adapter(config),
    )
    counts = {"documents": len(learnt), "validation_documents": len(held), "left_out_shut": library.shut,
              "left_out_personal_paragraphs": library.personal}  # fmt: skip
    return causal.run(trainer, found, base, config, folder, progress=progress, counts=counts)


def read_of(library: Library) -> list[DocumentRead]:
    """Every document that is read, those to measure on included: what the registry keeps of the adapter's origin."""
    return [DocumentRead(text.document_id, text.version, text.sha256) for text in library.texts]


def split(library: Library, config: PretrainConfig) -> tuple[list[Text], list[Text]]:
    """The documents to learn from and those to measure on; at least one is learnt from."""
    drawn_ = list(library.texts)
    random.Random(config.seed).shuffle(drawn_)  # noqa: S311 - seeded sampling, no secret
    held = min(round(config.held_out * len(drawn_)), max(0, len(drawn_) - 1))
    return drawn_[held:], drawn_[:held]


def pieces_of(texts: Sequence[Text], tokenizer: Any, most: int) -> list[Example]:
    """Each text's tokens and its end, in pieces of at most so many; none holds parts of two texts, or one token alone."""
    pieces: list[Example] = []
    for text in texts:
        ids = [*tokenizer(text.text, verbose=False)["input_ids"], tokenizer.eos_token_id]
        cut = [ids[low : low + most] for low in range(0, len(ids), most)]
        pieces += [{"input_ids": piece} for piece in cut if len(piece) > 1]
    return pieces
