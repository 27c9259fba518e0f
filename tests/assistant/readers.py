"""Adapters of the embedded reader that tell each other apart, made in a moment: the shipped one's weights, other settings.

What is compiled of the shipped adapter serves them too, since their networks are the same; a real one is compiled once, in a minute.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from assistant.embedded import SPAN_WEIGHT
from assistant.reader import DEFAULT
from core.sealed import named, seal
from core.settings import load_settings
from retrieval.adapters import BASE_NAME, SHIPPED, base_sha256, open_adapter
from retrieval.network import compiled_name, open_network
from retrieval.scope import Scope, save_scope

RIGHT, CONTRARY = 0.2, -60.0
"""Weights of what is read among the signals: one adapter answers as the shipped one does, the other says what it would read last."""


def reader_folder(parent: Path, *, weight: float, version: int = 1, scope: Scope | None = None) -> Path:
    """A sealed reader adapter that weighs so what it reads, under its own name, ready to be registered."""
    shipped = open_adapter(SHIPPED / DEFAULT, "reader")
    folder = parent / f"unnamed-{version}-{weight}"
    shutil.copytree(shipped.folder, folder)
    if scope is not None:
        save_scope(scope, folder)
    settings = {**shipped.settings, SPAN_WEIGHT: weight + version / 1000}
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
