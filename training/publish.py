"""A trained network becomes an adapter folder that can be committed, verified and served."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from core.sealed import MANIFEST
from retrieval.adapters import BASE_NAME, AdapterKind, write_manifest
from retrieval.scope import SCOPE, Scope, save_scope


def publish(
    net: Any,
    folder: Path,
    *,
    adapter_id: str,
    kind: AdapterKind,
    settings: Mapping[str, float],
    card: str,
    scope: Scope | None = None,
) -> str:
    """Write the adapter's files, weights in float16 and the manifest last; returns the adapter's sha256.

    Args:
        net: a reader or reranker whose `encoder` is a peft model with one LoRA adapter.
        card: the README.md.
        scope: the questions that a reader was taught; every question is its own where there is none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    fresh = folder.with_suffix(".peft")
    net.encoder.save_pretrained(fresh)
    config = json.loads((fresh / "adapter_config.json").read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = f"sentence-transformers/{BASE_NAME}"
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    _save_half(load_file(fresh / "adapter_model.safetensors"), folder / "adapter_model.safetensors")
    _save_half(heads_of(net), folder / "heads.safetensors")
    (folder / "README.md").write_text(card, encoding="utf-8")
    shutil.rmtree(fresh)
    (folder / SCOPE).unlink(missing_ok=True)
    if scope is not None:
        save_scope(scope, folder)
    return write_manifest(folder, adapter_id, kind, settings)


def heads_of(net: nn.Module) -> dict[str, torch.Tensor]:
    """The weights that stand on top of the encoder."""
    return {k: v for k, v in net.state_dict().items() if not k.startswith("encoder.")}


def _save_half(tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    save_file({k: v.detach().cpu().half().contiguous() for k, v in tensors.items()}, path)
