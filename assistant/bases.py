"""Which base adapters go on here, and the registry that refuses those of another one: `open_registry(settings, store, audit)`.

It promotes on gate reports by the thresholds and the suite that the settings name, asked under the guard policy in force.
The embedded adapters go on the packaged encoder. What the model servers run is known here by the sha256 that MODEL_SHA256 names:
a server does not tell it.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from core.audit import Audit
from core.errors import SettingsError
from core.gate import THRESHOLDS, Demand
from core.registry import Registry
from core.sealed import file_sha256
from core.settings import Settings
from core.store import Store
from core.suites import DEMO, SUITE_FILE, suite_files_sha256, suite_places
from guardrails.policy_book import PolicyBook
from retrieval.adapters import base_sha256


def open_registry(
    settings: Settings, store: Store, audit: Audit, *, check: Callable[[sa.Connection], None] | None = None
) -> Registry:
    """The registry of this installation. `check`: as `core.registry.Registry` takes it."""

    def base_of(kind: str) -> str:
        return settings.model_sha256 if kind == "causal" else base_sha256()

    def demand() -> Demand:
        return demanded(settings, audit)

    return Registry(store, audit, home=settings.home, check=check, base_of=base_of, demand=demand)


def demanded(settings: Settings, audit: Audit) -> Demand:
    """What a promotion here asks of a gate report now.

    Raises:
        SettingsError: the thresholds, the suite or the guard policy cannot be read.
    """
    thresholds, named = settings.retrain_gate or THRESHOLDS, settings.retrain_suite or DEMO
    suite = next((place for place in suite_places(named, settings.home) if (place / SUITE_FILE).is_file()), None)
    if suite is None or not thresholds.is_file():
        raise SettingsError("ASSISTANT_RETRAIN_SUITE or ASSISTANT_RETRAIN_GATE names what is not there any more.")
    guards = PolicyBook(settings.home / "policies", settings.policy, audit).in_force().policy.sha256
    return Demand(file_sha256(thresholds), suite_files_sha256(suite), guards)
