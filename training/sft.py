"""Recipe `sft`: an adapter on a causal model learns the reviewed answers word by word.

    python -m training run training/configs/sft.yaml --dataset ds-1a2b3c4d5e6f

The loss is taken on the answer alone: the prompt is what the model will be given, not what it is to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from core.run_config import CausalConfig, SftConfig
from training import causal
from training.causal import Base, Examples
from training.causal_rows import Example, answer_of, drawn, prompt_of, said
from training.recipe import Progress
from training.rows import Row, Rows


def train(config: SftConfig, rows: Rows, folder: Path, progress: Progress) -> Path:
    """Train in `folder` and return the sealed adapter in it; goes on from its last checkpoint.

    Raises:
        BadInput: too few rows with an answer, or a base that cannot be read.
    """
    base = causal.open_base(config)
    taught = [(example, row.weight) for row in rows.training if (example := example_of(row)) is not None]
    found = causal.examples(taught, held_out(rows.validation), base, config, what="rows with an answer")
    return learn(config, base, found, folder, progress)


def example_of(row: Row) -> Example | None:
    """The row's prompt and its answer; None where it does not say one."""
    answer = answer_of(row)
    return {"prompt": prompt_of(row), "completion": said(answer)} if answer else None


def held_out(rows: Sequence[Row]) -> list[Example]:
    return [example for row in rows if (example := example_of(row)) is not None]


def learn(
    config: CausalConfig, base: Base, found: Examples, folder: Path, progress: Progress, *,
    counts: Mapping[str, float] | None = None,
) -> Path:  # fmt: skip
    """Train on prompts and completions; `distil` does so on its teacher's, with `counts` of its own for the scores."""
    from trl import SFTConfig, SFTTrainer  # type: ignore[attr-defined]

    folder.mkdir(parents=True, exist_ok=True)
    order = drawn(found.training, found.weights, config.epochs, config.seed)
    trainer = SFTTrainer(
        model=causal.load_model(config),
        args=SFTConfig(**causal.arguments(config, folder, len(order)), completion_only_loss=True, packing=False),
        train_dataset=causal.table(order),
        eval_dataset=causal.table(found.held) if found.held else None,
        processing_class=base.tokenizer,
        peft_config=causal.adapter(config),
    )
    return causal.run(trainer, found, base, config, folder, progress=progress, counts=counts)
