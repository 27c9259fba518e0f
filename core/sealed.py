"""Sealed adapter folders: weights whose manifest, written last, holds the sha256 of every other file.

    adapter_config.json        peft's
    adapter_model.safetensors  the weights; further *.safetensors where a kind has more
    README.md                  the card: data, licences, command, scores, limits
    manifest.json              written last: id, kind, base, settings, and the sha256 of every other file

The manifest's own sha256 names the adapter. Nothing is loaded from such a folder that could hold a program: a file that the
manifest does not list, a link, a folder, or a suffix that is not among SUFFIXES refuses the whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize

from core.errors import AdapterRefused

Kind = Literal["reader", "reranker", "causal"]
"""What serves it: the embedded reader, the reranker, or a model server with peft adapters such as vLLM."""
MANIFEST = "manifest.json"
CONFIG, WEIGHTS, CARD = "adapter_config.json", "adapter_model.safetensors", "README.md"
NEEDED = (CARD, CONFIG, WEIGHTS)
SUFFIXES = (".json", ".md", ".safetensors", ".jinja", ".txt")


@dataclass(frozen=True, slots=True)
class Sealed:
    """A folder that passed the checks.

    Attributes:
        sha256: of the manifest.
        files: file name to its sha256, without the manifest.
        settings: numbers that the network needs to be read, such as thresholds and calibration.
    """

    adapter_id: str
    kind: str
    base: str
    base_sha256: str
    folder: Path
    sha256: str
    files: Mapping[str, str] = field(hash=False)
    settings: Mapping[str, float] = field(hash=False)

    @property
    def content_sha256(self) -> str:
        """Of everything that decides what it answers, whatever it is called; its first 8 characters end its name."""
        return _content_sha256(self.kind, (self.base, self.base_sha256), self.files, self.settings)


def open_sealed(folder: Path, *, files: Sequence[str] | None = None) -> Sealed:
    """Verify a folder: every file is listed, whole and harmless, and every weight is a finite number.

    Args:
        files: the names that it must hold, no more and no fewer; None for what its manifest lists, NEEDED among it.

    Raises:
        AdapterRefused: the first thing that is wrong, with the file's name.
    """
    text = _manifest_text(folder)
    manifest = _manifest(folder, text)
    name = str(manifest.get("adapter_id") or folder.name)
    hashes = _listed(manifest, name)
    _check_files(folder, name, hashes, files if files is not None else sorted({*hashes, *NEEDED}))
    for file in sorted(hashes):
        if file.endswith(".safetensors"):
            _check_weights(folder / file, name)
    base = manifest.get("base")
    base = base if isinstance(base, dict) else {}
    return Sealed(
        adapter_id=name,
        kind=str(manifest.get("kind")),
        base=str(base.get("name")),
        base_sha256=str(base.get("sha256")),
        folder=folder,
        sha256=hashlib.sha256(text).hexdigest(),
        files=hashes,
        settings={key: float(value) for key, value in manifest.get("settings", {}).items()},
    )


def require_base(sealed: Sealed, base_sha256: str) -> None:
    """Return where the adapter goes on that base; "" for a base that nobody has named compares nothing.

    Raises:
        AdapterRefused: it was trained on another one; says what to do.
    """
    if base_sha256 and sealed.base_sha256 != base_sha256:
        hint = ", or correct MODEL_SHA256" if sealed.kind == "causal" else ""
        raise AdapterRefused(
            f"Adapter {sealed.adapter_id} was trained on another base ({sealed.base[:60]}, {sealed.base_sha256[:12]}) than "
            f"serves here ({base_sha256[:12]}): train it again on this one{hint}."
        )


def seal(folder: Path, *, adapter_id: str, kind: str, base: tuple[str, str], settings: Mapping[str, float]) -> str:
    """Write the manifest of a folder whose other files are complete; returns the adapter's sha256.

    Args:
        base: name and sha256 of the model that the weights go on.
    """
    found = sorted(path.name for path in folder.iterdir() if path.name != MANIFEST)
    manifest = {
        "adapter_id": adapter_id,
        "kind": kind,
        "base": {"name": base[0], "sha256": base[1]},
        "settings": dict(settings),
        "files": {file: file_sha256(folder / file) for file in found},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return file_sha256(folder / MANIFEST)


def named(
    folder: Path, *, stem: str, version: int, kind: str, base: tuple[str, str], settings: Mapping[str, float]
) -> str:
    """The name of a folder whose files are complete and not sealed yet: stem, version, and the start of its content's hash.

    What it says of the content is checked when the adapter is registered (core/registry.py).
    """
    files = {path.name: file_sha256(path) for path in folder.iterdir() if path.name != MANIFEST}
    return f"{stem}-v{version}-{_content_sha256(kind, base, files, settings)[:8]}"


def _content_sha256(kind: str, base: tuple[str, str], files: Mapping[str, str], settings: Mapping[str, float]) -> str:
    weights = {name: hashed for name, hashed in files.items() if name != CARD}
    said = [kind, *base, sorted(weights.items()), sorted((key, float(value)) for key, value in settings.items())]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _manifest_text(folder: Path) -> bytes:
    try:
        return (folder / MANIFEST).read_bytes()
    except OSError:
        raise AdapterRefused(f"{folder} holds no adapter: {MANIFEST} cannot be read.") from None


def _manifest(folder: Path, text: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(text)
    except ValueError:
        raise AdapterRefused(f"{folder / MANIFEST} is damaged: it is no JSON.") from None
    if not isinstance(manifest, dict):
        raise AdapterRefused(f"{folder / MANIFEST} is damaged: it holds no object.")
    return cast(dict[str, Any], manifest)


def _listed(manifest: Mapping[str, Any], name: str) -> dict[str, str]:
    files, settings = manifest.get("files", {}), manifest.get("settings", {})
    if not isinstance(files, dict) or not isinstance(settings, dict):
        raise AdapterRefused(f"Adapter {name}: {MANIFEST} is damaged: it lists no files.")
    if not all(isinstance(value, int | float) for value in settings.values()):
        raise AdapterRefused(f"Adapter {name}: {MANIFEST} is damaged: a setting is no number.")
    return {str(file): str(hashed) for file, hashed in files.items()}


def _check_files(folder: Path, name: str, hashes: Mapping[str, str], files: Sequence[str]) -> None:
    found = {path.name: path for path in folder.iterdir() if path.name != MANIFEST}
    for extra, path in sorted(found.items()):
        if extra not in files or path.suffix not in SUFFIXES or path.is_symlink() or not path.is_file():
            raise AdapterRefused(
                f"Adapter {name}: {extra} does not belong there. Weights are safetensors only: nothing else is loaded."
            )
    for file in files:
        if file not in found or file not in hashes:
            raise AdapterRefused(f"Adapter {name}: {file} is missing; copy the adapter again.")
        if file_sha256(folder / file) != hashes[file]:
            raise AdapterRefused(
                f"Adapter {name}: {file} was changed or cut short (its sha256 is not the manifest's); copy it again."
            )


def _check_weights(path: Path, name: str) -> None:
    try:
        tensors = deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
    except SafetensorError:
        raise AdapterRefused(f"Adapter {name}: {path.name} is no safetensors file.") from None
    for key, tensor in sorted(tensors):
        if not np.isfinite(_numbers(tensor["dtype"], tensor["data"])).all():
            raise AdapterRefused(f"Adapter {name}: {path.name} holds a number that is not finite, in {key}.")


def _numbers(dtype: str, data: bytes) -> NDArray[np.generic]:
    """A tensor's values; bfloat16, which numpy does not know, is the upper half of a float32."""
    if dtype == "BF16":
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    floats = {"F16": np.float16, "F32": np.float32, "F64": np.float64}
    return np.frombuffer(data, floats[dtype]) if dtype in floats else np.zeros(1)
