"""What is rolled out when the assistant starts: the adapter that the settings name is registered, and serves from then on.

registry, rollouts = begun(settings, store, audit)
"""

from __future__ import annotations

from assistant.bases import open_registry
from core.audit import Audit
from core.errors import Conflict, SettingsError
from core.registry import Registry
from core.rollouts import Rollouts
from core.settings import Settings
from core.store import Store


def begun(settings: Settings, store: Store, audit: Audit, *, base: str = "") -> tuple[Registry, Rollouts]:
    """The registry and the rollouts, with what the settings say in force where it is new.

    Args:
        base: who answers by the settings alone, where a caller brings its own answer model.

    Raises:
        AdapterRefused, NotFound: the adapter that ASSISTANT_READER names.
        SettingsError: it is registered, and may not serve.
    """
    from assistant.models import QUOTING, base_name
    from assistant.routing import defaults

    registry = open_registry(settings, store, audit)
    rollouts = Rollouts(store, audit, registry)
    named = base or base_name(settings)
    if not base and not settings.model_url and named != QUOTING:
        _register(settings, registry)
    rollouts.begin(defaults(settings, named))
    return registry, rollouts


def in_force(settings: Settings, store: Store, audit: Audit) -> Settings:
    """The settings with whoever is in production as the adapter that they name: what an evaluation compares with."""
    try:
        row = Rollouts(store, audit, open_registry(settings, store, audit)).current()
    except Conflict:  # nothing has served here yet
        return settings
    if row.production == row.base:
        return settings
    return settings.model_copy(update={"model" if settings.model_url else "reader": row.production})


def _register(settings: Settings, registry: Registry) -> None:
    from retrieval.adapters import adapter_folder

    record = registry.register_shipped(adapter_folder(settings.home, settings.reader))
    if record.blocked or record.stage != "production":
        why = f"is blocked ({record.blocked})" if record.blocked else f"is in {record.stage}, not in production"
        raise SettingsError(
            f"ASSISTANT_READER={settings.reader}: this adapter {why}. Name another one, or quote; adapters that were approved "
            "are brought into service with: python -m assistant rollout promote ADAPTER"
        )
