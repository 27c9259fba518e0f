"""Fine-tuning of a small network on the shared encoder, and the low-rank cut of what it learnt.

A network has an `encoder` and heads beside it. A stage can be stopped at any time: the next call goes on from its last
checkpoint, with the same stream of batches.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from core.errors import BadInput

log = logging.getLogger(__name__)

T = TypeVar("T")
Loss = Callable[[Any, Sequence[T], torch.dtype], Tensor]
"""The loss of a network on one batch, in the precision that it is trained in."""

LINEAR_LAYERS = ["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"]
REPORT_EVERY = 50
PRECISION_TRIES = 3
LEAST_VARIED = 1e-3
"""So much of the mean variance of a layer's inputs is taken for that of each, at least."""
RECIPE = "recipe.json"
"""In a run's folder: what it was asked for."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One run of the loop: `total` examples at the rates given, which rise for a share `warmup` of it and then fall to 0."""

    name: str
    folder: Path
    total: int
    encoder_rate: float
    head_rate: float
    warmup: float = 0.06
    average_decay: float = 0.998
    checkpoint_every: int = 200

    @property
    def checkpoint(self) -> Path:
        return self.folder / f"{self.name}.checkpoint.pt"

    @property
    def curve(self) -> Path:
        return self.folder / f"{self.name}.loss.jsonl"


def trainable_linear_layers(encoder: nn.Module) -> None:
    """Only the linear layers learn: word embeddings, biases and norms stay as they are, so that the change has low rank."""
    for name, parameter in encoder.named_parameters():
        parameter.requires_grad_("embeddings" not in name and name.endswith("weight") and "LayerNorm" not in name)


def fit(net: nn.Module, stream: Iterator[Sequence[T]], loss_of: Loss[T], stage: Stage) -> None:
    """AdamW with clipping; the weights kept are an exponential average of the run's."""
    learning = {name: p for name, p in net.named_parameters() if p.requires_grad}
    encoder = [p for name, p in learning.items() if name.startswith("encoder.")]
    heads = [p for name, p in learning.items() if not name.startswith("encoder.")]
    rates = ((encoder, stage.encoder_rate), (heads, stage.head_rate))
    optimiser = torch.optim.AdamW(
        [{"params": part, "lr": rate, "top": rate} for part, rate in rates], weight_decay=0.01, fused=True
    )
    average = {name: p.detach().clone() for name, p in learning.items()}
    seen, precision = _resume(stage.checkpoint, net, optimiser, average) if stage.checkpoint.exists() else (0, None)
    began, drawn, losses = time.monotonic(), 0, []
    for batch in stream:
        drawn += len(batch)
        if drawn <= seen:
            continue  # a resumed run draws the same stream and passes over what it has learnt from
        if precision is None:
            precision = fastest_precision(net, batch, loss_of)
            log.info("%s: training in %s on %s", stage.name, precision, encoder[0].device)
        _set_rates(optimiser, drawn / stage.total, stage.warmup)
        loss = loss_of(net, batch, precision)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(learning.values(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        losses.append(float(loss.detach()))
        steps = drawn / len(batch)
        _move_average(average, learning, min(stage.average_decay, steps / (steps + 10)))
        if len(losses) % REPORT_EVERY == 0 or drawn >= stage.total:
            _report(stage, drawn, losses[-REPORT_EVERY:], (began, seen))
        if len(losses) % stage.checkpoint_every == 0:
            state = {"net": net.state_dict(), "optimiser": optimiser.state_dict(), "average": average}
            save_whole(stage.checkpoint, {**state, "seen": drawn, "precision": precision})
        if drawn >= stage.total:
            break
    net.load_state_dict(average, strict=False)
    stage.checkpoint.unlink(missing_ok=True)


def once(net: nn.Module, kept: Path, learn: Callable[[], None]) -> None:
    """Learn, and keep the weights in a file; where that was done before, they come from it."""
    if kept.exists():
        net.load_state_dict(torch.load(kept, weights_only=True, map_location=next(net.parameters()).device))
        return
    learn()
    save_whole(kept, net.state_dict())


def save_whole(path: Path, state: Mapping[str, Any]) -> None:
    """Under its name there is a whole file or none, whatever ends the process."""
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.replace(path)


def begin(folder: Path, recipe: Mapping[str, Any]) -> None:
    """Make a run's folder, with its settings in RECIPE.

    Raises:
        BadInput: a run with other settings began there, whose checkpoints this one would go on from.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / RECIPE
    before = json.loads(file.read_text(encoding="utf-8")) if file.exists() else recipe
    other = sorted(name for name in {*before, *recipe} if before.get(name) != recipe.get(name))
    if other:
        raise BadInput(f"{folder} holds a run with another {', '.join(other)}: name another folder with --out.")
    file.write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")


def fastest_precision(net: nn.Module, batch: Sequence[T], loss_of: Loss[T]) -> torch.dtype:
    """bfloat16 or float32, whichever takes a training step in less time here.

    Neither is always the faster: a processor may have bfloat16 instructions and still multiply float32 twice as fast.
    """
    seconds = {torch.bfloat16: math.inf, torch.float32: math.inf}
    # In turns, and the best of each: the first step also pays for the kernels being chosen, and others may use the machine.
    for _ in range(PRECISION_TRIES):
        for precision in seconds:
            began = time.perf_counter()
            loss_of(net, batch, precision).backward()  # type: ignore[no-untyped-call]
            seconds[precision] = min(seconds[precision], time.perf_counter() - began)
    net.zero_grad(set_to_none=True)
    return min(seconds, key=lambda p: seconds[p])


def input_moments(encoder: nn.Module, pass_through: Callable[[], object]) -> dict[str, Tensor]:
    """By linear layer, the sum of x xᵀ over the tokens x that reach it while `pass_through` runs: (inputs, inputs)."""
    sums: dict[str, Tensor] = {}

    def watch(name: str) -> Callable[..., None]:
        def keep(_: nn.Module, given: tuple[Tensor, ...], __: Tensor) -> None:
            tokens = given[0].detach().flatten(0, -2).float()
            sums[name] = sums.get(name, 0) + tokens.T @ tokens

        return keep

    layers = [(name, m) for name, m in encoder.named_modules() if name.endswith(tuple(LINEAR_LAYERS))]
    hooks = [layer.register_forward_hook(watch(name)) for name, layer in layers]
    try:
        pass_through()
    finally:
        for hook in hooks:
            hook.remove()
    return sums


def cut_to_rank(trained: nn.Module, base: nn.Module, rank: int, moments: Mapping[str, Tensor] | None = None) -> Any:
    """The base encoder with a LoRA adapter (peft) that holds the best rank-`rank` cut of the trained change, by SVD.

    Scaling is 1 (alpha = rank), so that `lora_B @ lora_A` is the change itself.

    Args:
        moments: as `input_moments` gives them, on any scale. The cut then loses least of what each layer gives out on such inputs, and not of its
            weights (Wang et al. 2024, arXiv:2403.07378).
    """
    from peft import LoraConfig, get_peft_model

    learnt = dict(trained.named_parameters())
    frozen = {name: p.detach().clone() for name, p in base.named_parameters()}
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=LINEAR_LAYERS, lora_dropout=0.0, bias="none")
    adapted = get_peft_model(base, config)
    layers: list[tuple[str, Any]] = [m for m in adapted.named_modules() if hasattr(m[1], "lora_A")]
    for full_name, module in layers:
        name = full_name.removeprefix("base_model.model.")
        change = learnt[f"{name}.weight"].detach() - frozen[f"{name}.weight"]
        root = _root(moments[name] if moments else torch.eye(change.shape[1], device=change.device))
        u, s, v = torch.linalg.svd(change @ root, full_matrices=False)
        share = s[:rank].sqrt()
        down = torch.linalg.solve_triangular(root, share[:, None] * v[:rank], upper=False, left=False)
        module.lora_A["default"].weight.data = down.contiguous()
        module.lora_B["default"].weight.data = (u[:, :rank] * share).contiguous()
    return adapted


def _root(moment: Tensor) -> Tensor:
    """The lower triangular L of `L Lᵀ`, a little of the identity added: some inputs hardly vary."""
    least = LEAST_VARIED * moment.diagonal().mean() * torch.eye(len(moment), device=moment.device)
    root: Tensor = torch.linalg.cholesky(moment + least)
    return root


def minutes_of(stage: Stage) -> float:
    """Training time of a stage that has ended: the sum over its curve, whatever interruptions it had."""
    lines = [json.loads(line) for line in stage.curve.read_text(encoding="utf-8").splitlines()]
    steps = zip([0, *(line["examples"] for line in lines)], lines, strict=False)
    return float(sum(max(0, line["examples"] - before) / line["per_second"] for before, line in steps)) / 60


def _set_rates(optimiser: torch.optim.Optimizer, progress: float, warmup: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = group["top"] * min(1.0, progress / warmup) * max(0.0, 1 - progress)


def _move_average(average: dict[str, Tensor], learning: dict[str, nn.Parameter], decay: float) -> None:
    with torch.no_grad():
        torch._foreach_lerp_(list(average.values()), [p.detach() for p in learning.values()], 1 - decay)


def _report(stage: Stage, drawn: int, losses: Sequence[float], since: tuple[float, int]) -> None:
    speed = (drawn - since[1]) / (time.monotonic() - since[0])
    left = max(0, stage.total - drawn) / speed / 60
    loss = sum(losses) / len(losses)
    line = {"stage": stage.name, "examples": drawn, "loss": round(loss, 4), "per_second": round(speed, 2)}
    with stage.curve.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    log.info(
        "%s: %d of %d examples, loss %.3f, %.1f/s, %.0f min left", stage.name, drawn, stage.total, loss, speed, left
    )


def _resume(
    path: Path, net: nn.Module, optimiser: torch.optim.Optimizer, average: dict[str, Tensor]
) -> tuple[int, torch.dtype | None]:
    """The examples seen, and the precision that they were seen in: a run goes on as it began, whatever is faster by now."""
    state = torch.load(path, weights_only=True, map_location=next(net.parameters()).device)
    net.load_state_dict(state["net"])
    optimiser.load_state_dict(state["optimiser"])
    average.update(state["average"])
    log.info("going on from %s: %d examples seen", path.name, state["seen"])
    return int(state["seen"]), state.get("precision")
