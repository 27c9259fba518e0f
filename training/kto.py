"""Recipe `kto`: an adapter on a causal model learns from answers that were good or bad, unpaired (Ethayarajh et al. 2024).

    python -m training run training/configs/kto.yaml --dataset ds-1a2b3c4d5e6f

Reviewed and confirmed answers are desirable, flagged ones are not. There are rarely as many of the one as of the other: their
weights are balanced as the paper advises. How far the adapter has gone from the base is estimated within a batch, from each
prompt with another one's answer; so a batch holds no prompt twice while others are left.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from core.run_config import KTO_BALANCE, KtoConfig
from training import causal
from training.causal_rows import Example, answer_of, drawn, marked, prompt_of, said
from training.recipe import Progress, require_rows
from training.rows import Row, Rows

log = logging.getLogger(__name__)


def train(config: KtoConfig, rows: Rows, folder: Path, progress: Progress) -> Path:
    """Train in `folder` and return the sealed adapter in it; goes on from its last checkpoint.

    Raises:
        BadInput: too few answers, none of one sort, or a base that cannot be read.
    """
    from trl import KTOConfig, KTOTrainer  # type: ignore[attr-defined]

    base = causal.open_base(config)
    judged = [(one, row.weight) for row in rows.training for one in judged_of(row)]
    held = [one for row in rows.validation for one in judged_of(row)]
    found = causal.examples(judged, held, base, config, what="judged answers")
    good = sum(one["label"] for one in found.training)
    require_rows(good, 1, "answers judged good")
    require_rows(len(found.training) - good, 1, "answers judged bad")
    desirable, undesirable = weights(config, good, len(found.training) - good)
    folder.mkdir(parents=True, exist_ok=True)
    order = apart(drawn(found.training, found.weights, config.epochs, config.seed), config.batch_size)
    trainer = KTOTrainer(
        model=causal.load_model(config),
        args=KTOConfig(
            **causal.arguments(config, folder, len(order)),
            beta=config.beta,
            desirable_weight=desirable,
            undesirable_weight=undesirable,
        ),
        train_dataset=causal.table(order),
        eval_dataset=causal.table(found.held) if len(found.held) > 1 else None,
        processing_class=base.tokenizer,
        peft_config=causal.adapter(config),
    )
    counts = {"desirable": good, "desirable_weight": desirable, "undesirable_weight": undesirable}
    return causal.run(trainer, found, base, config, folder, progress=progress, counts=counts)


def judged_of(row: Row) -> list[Example]:
    """The row's answers, each with its prompt and whether it was good."""
    chosen, rejected = answer_of(row), marked(row.rejected, row.passages)
    both = ((chosen, True), (rejected if rejected != chosen else "", False))
    return [{"prompt": prompt_of(row), "completion": said(text), "label": good} for text, good in both if text]


def weights(config: KtoConfig, good: int, bad: int) -> tuple[float, float]:
    """The weights of desirable and undesirable answers: the configuration's, or those nearest to 1 that balance them."""
    if config.desirable_weight is not None and config.undesirable_weight is not None:
        return config.desirable_weight, config.undesirable_weight
    least, most = KTO_BALANCE
    if good / bad < least:
        return least * bad / good, 1.0
    return 1.0, max(1.0, good / bad / most)


def apart(order: Sequence[Example], size: int) -> list[Example]:
    """The same examples, nearly in their order, so that no batch of `size` holds a prompt twice while others are left.

    A last batch of one goes: it has no other answer to be compared with.
    """
    waiting = deque(order)
    batches: list[list[Example]] = []
    while waiting:
        batch: list[Example] = []
        passed: list[Example] = []
        while waiting and len(batch) < size:
            one = waiting.popleft()
            twice = any(one["prompt"] == other["prompt"] for other in batch)
            (passed if twice else batch).append(one)
        batch += passed[: size - len(batch)] if not waiting else []
        taken = {id(one) for one in batch}
        waiting.extendleft(one for one in reversed(passed) if id(one) not in taken)
        batches.append(batch)
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches.pop()
    return [one for batch in batches for one in batch]
