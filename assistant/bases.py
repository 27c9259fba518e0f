"""Which base adapters go on here, and the registry that refuses those of another one: `open_registry(settings, store, audit)`.

The embedded adapters go on the packaged encoder. What the model servers run is known here by the sha256 that MODEL_SHA256 names:
a server does not tell it.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from core.audit import Audit
from core.registry import Registry
from core.settings import Settings
from core.store import Store
from retrieval.adapters import base_sha256


def open_registry(
    settings: Settings, store: Store, audit: Audit, *, check: Callable[[sa.Connection], None] | None = None
) -> Registry:
    """The registry of this installation. `check`: as `core.registry.Registry` takes it."""

    def base_of(kind: str) -> str:
        return settings.model_sha256 if kind == "causal" else base_sha256()

    return Registry(store, audit, home=settings.home, check=check, base_of=base_of)
