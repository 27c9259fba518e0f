"""What the recipes for causal language models share: the base, the adapter on it, the run, and the sealed folder that comes out.

TRL's trainers do the learning and peft the adapters; `accelerate launch` starts the same recipe on several processes, of which
the first alone writes. Nothing is fetched and nothing is reported. docs/training.md, "Adapters on a causal model".
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from transformers import PrinterCallback, TrainerCallback

from core.errors import BadInput
from core.offline import go_quiet
from core.run_config import CausalConfig
from core.sealed import CARD, CONFIG, MANIFEST, WEIGHTS, file_sha256, seal
from training.causal_rows import Example, lengths
from training.recipe import Progress, Step, Taken, processes, rank, require_rows, write_scores, write_taken

if TYPE_CHECKING:
    from peft import PeftConfig

log = logging.getLogger(__name__)

CHECKPOINTS: Final = "checkpoints"
STATE: Final = "trainer_state.json"
"""What a checkpoint writes last."""
OPENING: Final = 5
"""Steps whose mean is the loss at the start, and at the end."""
LOGGED: Final = ("mean_token_accuracy", "grad_norm", "learning_rate", "rewards/chosen", "rewards/rejected",
                 "rewards/margins", "rewards/accuracies", "kl")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Base:
    """The model that the adapter goes on. `sha256` is of its weights; of their list where they are several files."""

    folder: Path
    name: str
    sha256: str
    tokenizer: Any


@dataclass(frozen=True, slots=True)
class Examples:
    """What is trained and measured on, how many examples were left out as too long, and the tokens of those that are trained on."""

    training: Sequence[Example]
    weights: Sequence[float]
    held: Sequence[Example]
    too_long: int
    tokens: int


def open_base(config: CausalConfig, *, chat: bool = True) -> Base:
    """Read the tokenizer and hash the weights.

    Raises:
        BadInput: the folder holds no model, no safetensors, or no chat template where one is needed.
    """
    go_quiet()
    from datasets import disable_progress_bars  # type: ignore[import-untyped]
    from transformers import AutoTokenizer
    from transformers.utils import logging as spoken

    disable_progress_bars()
    spoken.disable_progress_bar()  # type: ignore[no-untyped-call]
    folder = config.base
    weights = sorted(folder.glob("*.safetensors"))
    if not (folder / "config.json").is_file() or not weights:
        raise BadInput(f"base: {folder} holds no model: config.json and *.safetensors are needed, and a tokenizer.")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError):
        raise BadInput(f"base: {folder} holds no tokenizer that can be read.") from None
    if chat and not tokenizer.chat_template:
        raise BadInput(f"base: {folder} has no chat template: take the instruction-tuned variant of the model.")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    hashes = [file_sha256(path) for path in weights]
    sha256 = hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    return Base(folder, folder.resolve().name, sha256, tokenizer)


def examples(training: Sequence[tuple[Example, float]], held: Sequence[Example], base: Base, config: CausalConfig, /,
             *, what: str = "rows to train on") -> Examples:  # fmt: skip
    """Leave out what is too long; refuse where too little stays.

    Raises:
        BadInput: with both numbers, and how many were too long.
    """
    sizes = [lengths(base.tokenizer, one) for one, _ in training]
    fits = [max(size) <= config.max_length for size in sizes]
    kept = [one for one, short in zip(training, fits, strict=True) if short]
    tokens = sum(sum(size) for size, short in zip(sizes, fits, strict=True) if short)
    checked = [one for one in held if max(lengths(base.tokenizer, one)) <= config.max_length]
    long = len(training) - len(kept)
    if long:
        log.info("%d of %d examples have more than %d tokens and are left out", long, len(training), config.max_length)
    require_rows(len(kept), config.least_rows, what + (f" ({long} more are longer than max_length)" if long else ""))
    return Examples([one for one, _ in kept], [weight for _, weight in kept], checked, long, tokens)


def load_model(config: CausalConfig) -> Any:
    """The base in the precision that it is trained in, on one device; every process its own."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(config.base, dtype=precision(config), local_files_only=True)
    if config.adapter != "prompt" and config.targets != "all-linear":
        layers = {name.rpartition(".")[2] for name, part in model.named_modules() if isinstance(part, torch.nn.Linear)}
        if unknown := sorted(set(config.targets) - layers):
            raise BadInput(f"targets: the base has no layer {unknown[0]}; it has {', '.join(sorted(layers))}.")
        if "lm_head" in config.targets:
            raise BadInput("targets: lm_head cannot learn: the loss is computed without its adapter. Take the others.")
    return model


def precision(config: CausalConfig) -> torch.dtype:
    """`auto` is bfloat16 on a GPU that has it."""
    if config.precision == "auto":
        able = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if able else torch.float32
    return torch.bfloat16 if config.precision == "bfloat16" else torch.float32


def adapter(config: CausalConfig) -> PeftConfig:
    """LoRA, rsLoRA or DoRA on the layers named, or a soft prompt."""
    from peft import LoraConfig, PromptTuningConfig, TaskType

    if config.adapter == "prompt":
        return PromptTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=config.virtual_tokens)
    return LoraConfig(
        task_type=TaskType.CAUSAL_LM,
        r=config.rank,
        lora_alpha=config.alpha,  # type: ignore[arg-type]  # any number does
        lora_dropout=config.dropout,
        target_modules=config.targets if config.targets == "all-linear" else list(config.targets),
        use_rslora=config.adapter == "rslora",
        use_dora=config.adapter == "dora",
    )


def arguments(config: CausalConfig, folder: Path, count: int) -> dict[str, Any]:
    """What every trainer is told; `count` examples lie in the order in which they are to be met."""
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    cpu = not torch.cuda.is_available()
    batches = math.ceil(count / (config.batch_size * processes()))
    return {
        "output_dir": str(folder / CHECKPOINTS),
        "max_steps": config.steps or math.ceil(batches / config.accumulate),
        "per_device_train_batch_size": config.batch_size,
        "per_device_eval_batch_size": config.batch_size,
        "gradient_accumulation_steps": config.accumulate,
        "train_sampling_strategy": "sequential",
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": config.schedule,
        "warmup_steps": config.warmup,
        "weight_decay": config.weight_decay,
        "max_length": config.max_length,
        "activation_checkpointing": config.recompute,
        "gradient_checkpointing": None,  # its old name, which TRL still sets
        "bf16": precision(config) is torch.bfloat16,
        "use_cpu": cpu,
        "dataloader_pin_memory": not cpu,
        "ddp_backend": "gloo" if cpu and processes() > 1 else None,
        "ddp_find_unused_parameters": False if processes() > 1 else None,
        "seed": config.seed,
        "save_strategy": "steps",
        "save_steps": config.checkpoint_every,
        "save_total_limit": 2,
        "logging_steps": 1,
        "eval_strategy": "no",
        "disable_tqdm": True,
        "report_to": "none",
    }


def table(items: Sequence[Example]) -> Any:
    """The examples as the trainers read them, in memory."""
    from datasets import Dataset

    return Dataset.from_list([dict(one) for one in items])


def run(
    trainer: Any, found: Examples, base: Base, config: CausalConfig, folder: Path, *,
    progress: Progress, counts: Mapping[str, float] | None = None,
) -> Path:  # fmt: skip
    """Train, leave what was measured and counted in scores.json, and return the sealed adapter's folder."""
    if rank() == 0:
        write_taken(folder, Taken(len(found.training), len(found.held), found.tokens))
    scores = fit(trainer, folder, progress)
    if rank() == 0:
        seen = {"rows": len(found.training), "validation_rows": len(found.held), "too_long": found.too_long}
        write_scores(folder, scores | seen | dict(counts or {}))
    return publish(trainer, base, config, folder)


def fit(trainer: Any, folder: Path, progress: Progress) -> dict[str, float]:
    """Train from the last whole checkpoint on; returns losses and, where rows were held out, what was measured on them."""
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Told(progress))
    scores: dict[str, float] = {}
    # With several processes the model would be prepared for measuring, and their gradients never joined afterwards.
    if trainer.eval_dataset is not None and processes() == 1:
        scores |= _measured(trainer, "before")
    trainer.train(resume_from_checkpoint=_whole_checkpoint(folder / CHECKPOINTS))
    if trainer.eval_dataset is not None:
        scores |= _measured(trainer, "")
    logged = [line for line in trainer.state.log_history if "loss" in line]
    for name in ("loss", "rewards/margins"):
        values = [float(line[name]) for line in logged if name in line]
        if values:
            key = name.rpartition("/")[2]
            scores[f"{key}_first"] = _mean(values[:OPENING])
            scores[f"{key}_last"] = _mean(values[-OPENING:])
    return scores | {"steps": float(trainer.state.global_step)}


class Told(TrainerCallback):
    """Tells each logged step, by the first process alone."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._from: tuple[float, int] | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self._from = (time.monotonic(), state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ARG002
        logs: Mapping[str, float] = given.get("logs") or {}
        if rank() or self._from is None or "loss" not in logs:
            return
        began, done = self._from
        each = (time.monotonic() - began) / max(1, state.global_step - done)
        metrics = {name: float(logs[name]) for name in LOGGED if name in logs}
        left = each * (state.max_steps - state.global_step)
        self._progress(Step(state.global_step, state.max_steps, float(logs["loss"]), left, metrics))


def publish(trainer: Any, base: Base, config: CausalConfig, folder: Path) -> Path:
    """The adapter as it is registered and served; the checkpoints go."""
    saved, target = folder / "saved", folder / "adapter"
    trainer.save_model(str(saved))  # every process: a sharded model is gathered for it
    if rank() == 0:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        shutil.copyfile(saved / WEIGHTS, target / WEIGHTS)
        _write_config(saved / CONFIG, target / CONFIG, base.name)
        (target / CARD).write_text(f"# {config.name}\n", encoding="utf-8")
        (target / MANIFEST).unlink(missing_ok=True)
        seal(target, adapter_id=config.name, kind="causal", base=(base.name, base.sha256), settings={})
        shutil.rmtree(saved)
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    return target


def _write_config(saved: Path, target: Path, base: str) -> None:
    """peft's file without what differs from machine to machine: the place of the base, the order of a set."""
    given: dict[str, Any] = json.loads(saved.read_text(encoding="utf-8"))
    given["base_model_name_or_path"] = base
    if isinstance(given.get("target_modules"), list):
        given["target_modules"] = sorted(given["target_modules"])
    target.write_text(json.dumps(given, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _whole_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end; what a crash left of others goes."""
    for last in sorted(folder.glob("checkpoint-*"), key=lambda path: -int(path.name.rpartition("-")[2])):
        try:
            json.loads((last / STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            if rank() == 0:
                shutil.rmtree(last)
            continue
        return str(last)
    return None


def _measured(trainer: Any, when: str) -> dict[str, float]:
    """`validation_loss` and, for preferences, `validation_margins`; with `_before` at their end before any step."""
    found = trainer.evaluate()
    names = {"eval_loss": "validation_loss", "eval_rewards/margins": "validation_margins",
             "eval_mean_token_accuracy": "validation_accuracy"}  # fmt: skip
    end = f"_{when}" if when else ""
    return {f"{name}{end}": float(found[key]) for key, name in names.items() if key in found}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
