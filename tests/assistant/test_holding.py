"""What the model servers should hold follows from the registry's rows and from the rollouts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from assistant.holding import desired
from core.errors import AdapterRefused
from core.sealed import seal
from core.store import Store
from core.tables import adapter, rollout
from core.turns import now


def causal(folder: Path, name: str, *, value: float = 1.0) -> str:
    """A sealed folder as the causal recipes leave it; returns its sha256."""
    folder.mkdir(parents=True)
    (folder / "README.md").write_text(f"# {name}")
    (folder / "adapter_config.json").write_text("{}")
    save_file({"w": np.full(3, value, np.float32)}, folder / "adapter_model.safetensors")
    return seal(folder, adapter_id=name, kind="causal", base=("tiny", "0" * 64), settings={})


def register(store: Store, home: Path, name: str, *, kind: str = "causal", blocked: str = "") -> None:
    folder = home / "adapters" / name
    row = {
        "adapter_id": name,
        "sha256": causal(folder, name),
        "kind": kind,
        "base": "tiny",
        "base_sha256": "0" * 64,
        "folder": str(folder),
        "stage": "staging",
        "ceiling": "internal",
        "run_id": "",
        "parent": "",
        "blocked": blocked,
        "created_by": "test",
        "created_at": now(),
    }
    with store.begin() as connection:
        connection.execute(adapter.insert().values(**row))


def roll_out(store: Store, production: str, arms: Sequence[str] = ()) -> None:
    configuration = {"production": production, "arms": [{"adapter": name, "weight": 0.1} for name in arms]}
    row = {"at": now(), "actor": "test", "action": "start", "reason": "", "experiment_id": ""}
    with store.begin() as connection:
        connection.execute(rollout.insert().values(**row, configuration=configuration))


def names(store: Store, home: Path) -> list[str]:
    return [one.name for one in desired(store, home).wanted]


def test_without_a_rollout_nothing_is_wanted(store: Store, home: Path) -> None:
    register(store, home, "leave-v1")
    assert names(store, home) == []


def test_production_the_trial_and_what_served_before_are_wanted(store: Store, home: Path) -> None:
    for name in ("a-v1", "a-v2", "a-v3", "a-v4", "a-v5", "unused-v1"):
        register(store, home, name)
    for name in ("a-v1", "a-v2", "a-v3", "a-v3", "a-v4"):
        roll_out(store, name)
    roll_out(store, "a-v4", ["a-v5"])
    assert names(store, home) == ["a-v4", "a-v5", "a-v3", "a-v2"]


def test_readers_of_the_embedded_model_are_not_for_the_servers(store: Store, home: Path) -> None:
    register(store, home, "reader-9", kind="reader")
    register(store, home, "leave-v1")
    roll_out(store, "reader-9", ["leave-v1"])
    assert names(store, home) == ["leave-v1"]


def test_a_blocked_adapter_is_not_wanted_and_must_go(store: Store, home: Path) -> None:
    register(store, home, "leave-v1", blocked="an erasure reached its rows")
    roll_out(store, "tiny", ["leave-v1"])
    found = desired(store, home)
    assert (list(found.wanted), found.banned) == ([], frozenset({"leave-v1"}))


def test_an_adapter_of_another_base_than_the_servers_is_not_loaded(store: Store, home: Path) -> None:
    register(store, home, "leave-v1")
    roll_out(store, "leave-v1")
    for known in ("", "0" * 64):
        desired(store, home, base_sha256=known).wanted[0].check()
    with pytest.raises(AdapterRefused, match=r"leave-v1 was trained on another base \(tiny, 0{12}\).*MODEL_SHA256"):
        desired(store, home, base_sha256="1" * 64).wanted[0].check()


def test_the_folder_is_checked_against_the_registered_hash(store: Store, home: Path, tmp_path: Path) -> None:
    register(store, home, "leave-v1")
    roll_out(store, "leave-v1")
    (wanted,) = desired(store, home).wanted
    wanted.check()
    weights = wanted.folder / "adapter_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-4])
    with pytest.raises(AdapterRefused, match="cut short"):
        wanted.check()
    weights.write_bytes(whole)
    (wanted.folder / "manifest.json").unlink()
    for file in wanted.folder.iterdir():
        file.unlink()
    wanted.folder.rmdir()
    causal(wanted.folder, "leave-v1", value=2.0)  # sealed and whole, and another one
    with pytest.raises(AdapterRefused, match="another adapter"):
        wanted.check()
