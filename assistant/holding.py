"""Which causal adapters the model servers should hold now, as the store says: `desired(store, home)`.

Those that serve (production, the arms of a trial) and those that served before, so that a rollback finds them warm. An adapter
that an erasure blocked is unloaded at once, whoever loaded it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from assistant.fleet import Fleet
from assistant.reconciler import Desired, Reconciler, Wanted
from core.errors import AdapterRefused
from core.sealed import open_sealed, require_base
from core.settings import Settings
from core.store import Store
from core.tables import adapter, rollout

EARLIER = 2
"""Production adapters before this one that are kept warm."""
LOOK_BACK = 100


def keeper(settings: Settings, store: Store, fleet: Fleet) -> Reconciler:
    """The reconciler of an assistant that answers by a served model; not started."""
    return Reconciler(
        fleet,
        lambda: desired(store, settings.home, base_sha256=settings.model_sha256),
        adapters=settings.home / "adapters",
        mounted=settings.model_adapters,
        every_s=settings.reconcile_s,
    )


def desired(store: Store, home: Path, *, base_sha256: str = "") -> Desired:
    """What should be held, each with the check that it passes before every load.

    Args:
        base_sha256: of the weights that the servers run; "" where it is not known.

    Raises:
        StoreUnavailable.
    """
    with store.read() as connection:
        found = connection.execute(sa.select(adapter).where(adapter.c.kind == "causal")).mappings().all()
        query = sa.select(rollout.c.configuration).order_by(rollout.c.rollout_id.desc()).limit(LOOK_BACK)
        configurations = list(connection.execute(query).scalars())
    known = {row["adapter_id"]: row for row in found}
    names = [name for name in _named(configurations) if name in known and not known[name]["blocked"]]
    wanted = tuple(_wanted(dict(known[name]), home, base_sha256) for name in names)
    return Desired(wanted, frozenset(name for name, row in known.items() if row["blocked"]))


def _named(configurations: list[Mapping[str, Any]]) -> list[str]:
    """Newest first: who serves, who is on trial, who answers in need, and who served before; each once."""
    if not configurations:
        return []
    now = configurations[0]
    serving = [now.get("production"), now.get("base"), *(arm.get("adapter") for arm in now.get("arms", ()))]
    earlier = dict.fromkeys(str(one.get("production")) for one in configurations[1:] if one.get("production"))
    before = [name for name in earlier if name != now.get("production")][:EARLIER]
    return list(dict.fromkeys([*(str(name) for name in serving if name), *before]))


def _wanted(row: Mapping[str, Any], home: Path, base_sha256: str) -> Wanted:
    name, sha256, folder = str(row["adapter_id"]), str(row["sha256"]), home / str(row["folder"])

    def check() -> None:
        sealed = open_sealed(folder)
        require_base(sealed, base_sha256)
        if sealed.sha256 != sha256:
            raise AdapterRefused(
                f"Adapter {name}: {folder} holds another adapter than the one registered; copy it again."
            )

    return Wanted(name, folder, sha256, check)
