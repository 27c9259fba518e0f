"""Recipe `dpo`: an adapter on a causal model learns to prefer the reviewed answer to the flagged one (Rafailov et al. 2023).

    python -m training run training/configs/dpo.yaml --dataset ds-1a2b3c4d5e6f

Rows whose answer was flagged make pairs; the base itself, without the adapter, is what `beta` keeps the adapter near to.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.run_config import DpoConfig
from training import causal
from training.causal_rows import Example, answer_of, drawn, marked, prompt_of, said
from training.recipe import Progress
from training.rows import Row, Rows


def train(config: DpoConfig, rows: Rows, folder: Path, progress: Progress) -> Path:
    """Train in `folder` and return the sealed adapter in it; goes on from its last checkpoint.

    Raises:
        BadInput: too few rows with a flagged answer, or a base that cannot be read.
    """
    from trl import DPOConfig, DPOTrainer  # type: ignore[attr-defined]

    base = causal.open_base(config)
    pairs = [(pair, row.weight) for row in rows.training if (pair := pair_of(row)) is not None]
    found = causal.examples(pairs, held_out(rows.validation), base, config, what="rows with a flagged answer")
    folder.mkdir(parents=True, exist_ok=True)
    order = drawn(found.training, found.weights, config.epochs, config.seed)
    trainer = DPOTrainer(
        model=causal.load_model(config),
        args=DPOConfig(**causal.arguments(config, folder, len(order)), beta=config.beta),
        train_dataset=causal.table(order),
        eval_dataset=causal.table(found.held) if found.held else None,
        processing_class=base.tokenizer,
        peft_config=causal.adapter(config),
    )
    return causal.run(trainer, found, base, config, folder, progress=progress)


def pair_of(row: Row) -> Example | None:
    """The row's prompt with the reviewed and the flagged answer; None where it lacks one, or both say the same."""
    chosen, rejected = answer_of(row), marked(row.rejected, row.passages)
    if not chosen or not rejected or chosen == rejected:
        return None
    return {"prompt": prompt_of(row), "chosen": said(chosen), "rejected": said(rejected)}


def held_out(rows: Sequence[Row]) -> list[Example]:
    return [pair for row in rows if (pair := pair_of(row)) is not None]
