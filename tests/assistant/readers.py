"""Adapters of the embedded reader that tell each other apart, made in a moment: the shipped one's weights, other settings.

What is compiled of the shipped adapter serves them too, since their networks are the same; a real one is compiled once, in a minute.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from core.sealed import named, seal
from core.settings import load_settings
from retrieval.adapters import BASE_NAME, SHIPPED, base_sha256, open_adapter
from retrieval.network import compiled_name, open_network

ANSWERS, SILENT = 6.0, -60.0
"""Offsets of the calibrated probability: one adapter answers where the shipped one may doubt, the other never answers."""


def reader_folder(parent: Path, *, offset: float, version: int = 1) -> Path:
    """A sealed reader adapter of that offset under its own name, ready to be registered."""
    shipped = open_adapter(SHIPPED / "reader-1", "reader")
    folder = parent / f"unnamed-{version}-{offset}"
    shutil.copytree(shipped.folder, folder)
    settings = {**shipped.settings, "offset": offset}
    of = (BASE_NAME, base_sha256())
    name = named(folder, stem="reader", version=version, kind="reader", base=of, settings=settings)
    seal(folder, adapter_id=name, kind="reader", base=of, settings=settings)
    folder = folder.rename(parent / name)
    _compiled_as(shipped.folder, folder)
    return folder


def _compiled_as(shipped: Path, folder: Path) -> None:
    models = load_settings().models_folder
    known, new = open_adapter(shipped, "reader"), open_adapter(folder, "reader")
    open_network(known, load_settings())
    if not (models / compiled_name(new)).exists():
        shutil.copytree(models / compiled_name(known), models / compiled_name(new), copy_function=os.link)
