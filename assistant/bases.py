"""Which base adapters go on here, and the registry that refuses those of another one: `open_registry(settings, store, audit)`.

It promotes on gate reports by the thresholds and the suite that the settings name, asked under the guard policy in force, and
measured beside the adapter that serves now and the one that the training started from.
The embedded adapters go on the packaged encoder. What the model servers run is known here by the sha256 that MODEL_SHA256 names:
a server does not tell it.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from core.audit import Audit
from core.errors import Conflict, SettingsError
from core.gate import THRESHOLDS, Demand
from core.registry import Registry
from core.rollouts import Rollouts
from core.sealed import file_sha256
from core.settings import Settings
from core.standing import Standing
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

    def demand(adapter_id: str) -> Demand:
        return demanded(settings, store, audit, adapter_id)

    return Registry(store, audit, home=settings.home, check=check, base_of=base_of, demand=demand)


def demanded(settings: Settings, store: Store, audit: Audit, adapter_id: str) -> Demand:
    """What a promotion here asks of that adapter's gate report now.

    Raises:
        SettingsError: the thresholds, the suite or the guard policy cannot be read.
    """
    thresholds, named = settings.retrain_gate or THRESHOLDS, settings.retrain_suite or DEMO
    suite = next((place for place in suite_places(named, settings.home) if (place / SUITE_FILE).is_file()), None)
    if suite is None or not thresholds.is_file():
        raise SettingsError("ASSISTANT_RETRAIN_SUITE or ASSISTANT_RETRAIN_GATE names what is not there any more.")
    guards = PolicyBook(settings.home / "policies", settings.policy, audit).in_force().policy.sha256
    registry = Registry(store, audit, home=settings.home)
    against = serving_now(settings, store, audit, registry)
    serves = registry.find(against)
    return Demand(
        policy_sha256=file_sha256(thresholds),
        suite_files_sha256=suite_files_sha256(suite),
        guard_policy_sha256=guards,
        against=against,
        against_sha256=serves.sha256 if serves else "",
        base=trained_from(settings, registry, adapter_id),
    )


def standing_now(store: Store, audit: Audit, registry: Registry) -> Standing | None:
    """What is rolled out; None before the assistant's first start."""
    try:
        return Rollouts(store, audit, registry).standing()
    except Conflict:
        return None


def serving_now(settings: Settings, store: Store, audit: Audit, registry: Registry) -> str:
    """The adapter that serves whoever is on no trial, as the rollout in force says; whom the settings name before the first start."""
    from assistant.models import base_name

    standing = standing_now(store, audit, registry)
    return standing.serving if standing else base_name(settings)


def trained_from(settings: Settings, registry: Registry, adapter_id: str) -> str:
    """Where the adapter's training started: the first of the adapters that it goes back to, as the registry knows them.

    What the settings alone name where it goes back to none, and for an adapter of a served model, whose base that model is. Never
    what is in production: a little forgotten from each to the next would add up unseen.
    """
    from assistant.models import base_name

    record, first = registry.find(adapter_id), ""
    while record is not None and record.parent and record.kind != "causal":
        first = record.parent
        record = registry.find(first)
    return first or base_name(settings)
