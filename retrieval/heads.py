"""The small networks on the shared encoder, as they are trained: a reader and a reranker, each one a LoRA adapter with heads.

This file needs torch. Serving uses what `retrieval/compile.py` makes of a trained network.
"""

from __future__ import annotations

from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from core.errors import AdapterRefused
from retrieval.adapters import BASE_NAME, Adapter, base_folder


class ReaderNet(nn.Module):
    """Token logits for start and end (the null span sits on [CLS]) and one logit for "this passage answers it".

    Args:
        encoder: a BERT-like model whose output has `last_hidden_state` of shape (batch, tokens, hidden).
    """

    def __init__(self, encoder: nn.Module, hidden: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.span = nn.Linear(hidden, 2)
        self.answerable = nn.Sequential(nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, 1))

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Shapes: ids, mask and types (batch, tokens) -> start (batch, tokens), end (batch, tokens), answerable (batch,).

        Tokens that no answer may touch (question, separators, padding) have logit -1e4; [CLS] keeps its own.
        """
        state = self.encoder(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state
        start, end = self.span(state).float().unbind(-1)
        first = torch.arange(ids.shape[1], device=ids.device) == 0
        allowed = ((types == 1) & (mask == 1)) | first
        floor = torch.tensor(-1e4, device=start.device)
        answerable = self.answerable(state[:, 0]).float().squeeze(-1)
        return torch.where(allowed, start, floor), torch.where(allowed, end, floor), answerable


class RankerNet(nn.Module):
    """One logit for "this passage answers it", from the [CLS] state and the mean of all states."""

    def __init__(self, encoder: nn.Module, hidden: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.score = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.GELU(), nn.Linear(hidden, 1))

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor) -> tuple[Tensor]:
        """Shapes: ids, mask and types (batch, tokens) -> logit (batch,)."""
        state = self.encoder(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state
        weight = mask[..., None].to(state.dtype)
        mean = (state * weight).sum(1) / weight.sum(1)
        return (self.score(torch.cat([state[:, 0], mean], -1)).float().squeeze(-1),)


def new_encoder(**options: Any) -> Any:
    """The packaged embedder's encoder, without dropout and without a pooler."""
    from transformers import AutoModel
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    return AutoModel.from_pretrained(
        str(base_folder()),
        add_pooling_layer=False,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        **options,
    )


def load_net(adapter: Adapter) -> ReaderNet | RankerNet:
    """The adapter's network with its low-rank change added to the encoder's weights.

    Raises:
        AdapterRefused: a layer that this encoder does not have, or of another shape.
    """
    encoder = new_encoder()
    kind = ReaderNet if adapter.kind == "reader" else RankerNet
    net = kind(encoder, encoder.config.hidden_size)
    weights = {k: v.float() for k, v in load_file(adapter.folder / "adapter_model.safetensors").items()}
    layers = dict(encoder.named_parameters())
    for name, a in weights.items():
        if not name.endswith(".lora_A.weight"):
            continue
        layer = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight") + ".weight"
        change = weights[name.replace("lora_A", "lora_B")] @ a * adapter.scaling
        if layer not in layers or layers[layer].shape != change.shape:
            raise AdapterRefused(
                f"Adapter {adapter.adapter_id}: {layer} does not fit {BASE_NAME}; train it on that base."
            )
        layers[layer].data += change
    heads = {k: v.float() for k, v in load_file(adapter.folder / "heads.safetensors").items()}
    missing = set(net.state_dict()) - set(heads)
    unknown = set(heads) - set(net.state_dict())
    if unknown or any(not name.startswith("encoder.") for name in missing):
        raise AdapterRefused(f"Adapter {adapter.adapter_id}: its heads are not those of a {adapter.kind}.")
    net.load_state_dict(heads, strict=False)
    return net.eval()
