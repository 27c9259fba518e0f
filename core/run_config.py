"""What a training run is told: one YAML file, checked whole before anything is loaded.

A recipe gets the checked record and turns it into flat arguments; no class of ours or of a library is made from a config.
Every problem is named with the line that it stands in.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from core.errors import BadInput
from core.records import Classification

Method = Literal["reader", "sft", "dpo", "kto", "pretrain", "distil"]
METHODS: Final[tuple[Method, ...]] = get_args(Method)
LARGEST_BATCH: Final = 32
"""Examples that one step may learn from. Low-rank adapters lose more than full fine-tuning does when batches grow."""
KTO_BALANCE: Final = (1.0, 4 / 3)
"""Where the weight of desirable answers over that of undesirable ones must lie (Ethayarajh et al. 2024, section 4.2)."""

C = TypeVar("C", bound="RunConfig")


class RunConfig(BaseModel):
    """What every run has.

    Attributes:
        name: the adapter's name starts with it; its content's hash follows.
        dataset: id of a dataset of the home folder, or its folder; `--dataset` overrides it.
        least_rows: with fewer training rows the run is refused.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Method
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    dataset: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 11
    least_rows: Annotated[int, Field(ge=1)] = 8


class CausalConfig(RunConfig):
    """An adapter on a causal language model, by TRL and peft.

    Attributes:
        base: folder of the model and its tokenizer, with a chat template.
        targets: the layers that learn: `all-linear`, or their names.
        learning_rate: at its highest; about ten times what full fine-tuning takes.
        steps: optimiser steps; 0 for as many as `epochs` make.
        accumulate: batches whose gradients make one step.
        max_length: tokens of the longest example; longer ones are left out and counted, never cut.
        precision: `auto` is bfloat16 on a GPU that has it and float32 elsewhere.
    """

    base: Path
    adapter: Literal["lora", "rslora", "dora", "prompt"] = "lora"
    rank: Annotated[int, Field(ge=1, le=512)] = 16
    alpha: Annotated[float, Field(gt=0)] = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    targets: Literal["all-linear"] | tuple[str, ...] = "all-linear"
    virtual_tokens: Annotated[int, Field(ge=1, le=1000)] = 20
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 2e-4
    epochs: Annotated[float, Field(gt=0)] = 3
    steps: Annotated[int, Field(ge=0)] = 0
    batch_size: Annotated[int, Field(ge=1)] = 4
    accumulate: Annotated[int, Field(ge=1)] = 2
    max_length: Annotated[int, Field(ge=16)] = 4096
    schedule: Literal["cosine", "linear", "constant_with_warmup"] = "cosine"
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.05
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    recompute: bool = False
    """Activations are computed again on the way back: a fifth slower, in a fraction of the memory."""
    checkpoint_every: Annotated[int, Field(ge=1)] = 50

    @field_validator("base", mode="after")
    @classmethod
    def _expand(cls, value: Path) -> Path:
        return value.expanduser()

    @model_validator(mode="after")
    def _batch_is_small(self) -> CausalConfig:
        if self.batch_size * self.accumulate > LARGEST_BATCH:
            raise ValueError(f"batch_size times accumulate is at most {LARGEST_BATCH} for an adapter")
        return self


class SftConfig(CausalConfig):
    """Learn the reviewed answers word by word."""

    method: Literal["sft"]


class DpoConfig(CausalConfig):
    """Learn to prefer the reviewed answer to the flagged one. `beta`: how closely the base is kept to."""

    method: Literal["dpo"]
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 1e-5
    beta: Annotated[float, Field(gt=0)] = 0.1
    epochs: Annotated[float, Field(gt=0)] = 1


class KtoConfig(CausalConfig):
    """Learn from answers that were good or bad, unpaired.

    Attributes:
        desirable_weight, undesirable_weight: set both, or neither, to have them balanced within 1:1 and 4:3.
    """

    method: Literal["kto"]
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 1e-5
    beta: Annotated[float, Field(gt=0)] = 0.1
    epochs: Annotated[float, Field(gt=0)] = 1
    batch_size: Annotated[int, Field(ge=2)] = 4
    """At least 2: the distance to the base is estimated from the other answers of a batch."""
    desirable_weight: Annotated[float, Field(gt=0)] | None = None
    undesirable_weight: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> KtoConfig:
        if (self.desirable_weight is None) != (self.undesirable_weight is None):
            raise ValueError("desirable_weight and undesirable_weight go together: set both, or neither")
        return self


class PretrainConfig(CausalConfig):
    """Read the organisation's documents on, before any question.

    Attributes:
        groups, clearance: whose eyes it reads with. The adapter serves only people cleared for `clearance`.
        held_out: share of the documents that it is measured on.
    """

    method: Literal["pretrain"]
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 1e-4
    epochs: Annotated[float, Field(gt=0)] = 1
    max_length: Annotated[int, Field(ge=16)] = 1024
    groups: tuple[str, ...] = ("everyone",)
    clearance: Classification = "internal"
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.1


class DistilConfig(CausalConfig):
    """Learn what a larger served model writes. `teacher` is its name on the server at `teacher_url`."""

    method: Literal["distil"]
    teacher_url: Annotated[str, Field(pattern=r"^https?://")]
    teacher: Annotated[str, Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=16, le=4096)] = 400


class ReaderConfig(RunConfig):
    """The embedded reader goes on from an adapter of its own, on a dataset's rows: training/retrain.py.

    Attributes:
        start: the adapter to go on from, by its id or its folder.
        rank: of the adapter; 0 fine-tunes every linear layer in full, to compare with.
        passes: how often each row is learnt from.
        replay: questions on made-up companies' documents (training/workplace.py) for each row and pass, against forgetting.
        passages: at most so many of a row's passages are read, as the answer path reads its best ones.
        learning_rate: at its highest, of the low-rank matrices; `head_learning_rate` of the heads.
        span_weight: what the adapter's view is worth among the signals that choose an answer (assistant/embedded.py).
    """

    method: Literal["reader"]
    start: str = "reader-5"
    rank: Annotated[int, Field(ge=0, le=384)] = 64
    passes: Annotated[int, Field(ge=1, le=100)] = 3
    replay: Annotated[float, Field(ge=0, le=20)] = 0.25
    passages: Annotated[int, Field(ge=1, le=10)] = 3
    max_tokens: Annotated[int, Field(ge=64, le=512)] = 192
    span_weight: Annotated[float, Field(ge=0, le=5)] = 0.8
    batch_size: Annotated[int, Field(ge=1, le=LARGEST_BATCH)] = 4
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 3e-4
    head_learning_rate: Annotated[float, Field(gt=0, lt=1)] = 5e-4
    answerable_weight: Annotated[float, Field(ge=0)] = 0.3


CONFIGS: Final[Mapping[Method, type[RunConfig]]] = {
    "reader": ReaderConfig,
    "sft": SftConfig,
    "dpo": DpoConfig,
    "kto": KtoConfig,
    "pretrain": PretrainConfig,
    "distil": DistilConfig,
}


def read_config(path: Path, **overrides: object) -> RunConfig:
    """Read and check a run's file.

    Args:
        overrides: keys given on the command line; None and "" leave the file's.

    Raises:
        BadInput: every problem, each with its line.
    """
    given, lines = _read(path)
    method = given.get("method")
    if method not in METHODS:
        where = f"{path}:{lines['method']}" if "method" in lines else str(path)
        raise BadInput(f"{where}: method: one of {', '.join(METHODS)}")
    model = CONFIGS[method]
    given |= {name: value for name, value in overrides.items() if value not in (None, "")}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        problems = [_problem(path, lines, model, one) for one in error.errors()]
        raise BadInput("\n".join(problems)) from None


def _read(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """The file's keys with their values, and the line of each."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise BadInput(f"{path} cannot be read; training/configs/ holds one file for each method.") from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        given = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadInput(f"{path}:{line}: is no YAML: {error.problem}") from None
    if not isinstance(node, yaml.MappingNode) or not all(isinstance(key, str) for key in given):
        raise BadInput(f"{path}:1: holds no `key: value` lines; training/configs/ shows one for each method.")
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if key.value in lines:
            raise BadInput(f"{path}:{key.start_mark.line + 1}: {key.value}: stands here twice")
        lines[key.value] = key.start_mark.line + 1
    return given, lines


def _problem(path: Path, lines: Mapping[str, int], model: type[RunConfig], error: Mapping[str, Any]) -> str:
    key = str(error["loc"][0]) if error["loc"] else ""
    where = f"{path}:{lines[key]}" if key in lines else str(path)
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, model.model_fields, 1)
        known = f"did you mean {near[0]}?" if near else f"this method knows {', '.join(model.model_fields)}"
        return f"{where}: {key}: unknown key; {known}"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{where}: {key}: {message}" if key else f"{where}: {message}"
