"""Adapters move from stage to stage only with the gate's report for their content and a second person's word."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import core.registry
from core.adapter_card import card, diff
from core.audit import Audit
from core.datasets import DatasetRecord, Datasets, LineageRow
from core.errors import AdapterRefused, BadInput, Conflict, NotAllowed, NotFound, StoreUnavailable
from core.gate import Demand, newest_report, read_report, report_path, sign_report, write_report
from core.registry import Registry, Training
from core.sealed import MANIFEST, seal
from core.store import Store
from core.turns import now
from tests.core.adapters import decision, gate_report, packaged_demand, registered, sealed_folder
from tests.core.lineage import keep
from tests.full_disk import full_disk


@pytest.fixture
def registry(store: Store, audit: Audit, home: Path) -> Registry:
    return Registry(store, audit, home=home)


def dataset(store: Store, audit: Audit, dataset_id: str, *rows: tuple[str, str]) -> None:
    """A dataset of rows (person, document); the questions that it was made of are there."""
    record = DatasetRecord(
        dataset_id, dataset_id * 4, f"datasets/{dataset_id}", len(rows), "confidential", {}, "ana", now()
    )
    lineage = [
        LineageRow(f"row{n}", "train", f"{dataset_id}-{n}", "", "", "", person, "rita.reviewer", document, 1)
        for n, (person, document) in enumerate(rows)
    ]
    keep(store, lineage)
    Datasets(store, audit).add(record, lineage)


def test_registered_adapter_lies_under_its_name_and_waits_in_dev(
    registry: Registry, audit: Audit, tmp_path: Path
) -> None:
    folder = sealed_folder(tmp_path / "out", value=1.0)
    record = registry.register(folder, actor="tess.trainer", training=Training(ceiling="internal"), reason="60 rows")
    assert record == registry.get(folder.name)
    assert (record.stage, record.folder, record.ceiling) == ("dev", f"adapters/{folder.name}", "internal")
    assert registry.verified(folder.name).sha256 == record.sha256
    assert [(e.actor, e.action, e.to_stage, e.reason) for e in registry.history(folder.name)] == [
        ("tess.trainer", "register", "dev", "60 rows")
    ]
    assert audit.verify() == []
    assert next(audit.rows(limit=1)).action == "adapter.register"


def test_name_that_does_not_say_its_content_is_refused(registry: Registry, tmp_path: Path) -> None:
    folder = sealed_folder(tmp_path / "out", value=1.0)
    for name in ("reader", "reader-v1", "reader-v1-00000000", "reader-v0-12345678", "../x-v1-12345678"):
        seal(folder, adapter_id=name, kind="reader", base=("tiny", "0" * 64), settings={"offset": 1.0})
        with pytest.raises(AdapterRefused, match=r"core\.sealed\.named"):
            registry.register(folder, actor="tess.trainer")
    assert registry.all() == []
    assert not (registry.home / "adapters").exists()


def test_name_and_content_are_never_used_again(registry: Registry, audit: Audit, tmp_path: Path) -> None:
    name = registered(registry, audit, tmp_path / "a", value=1.0)
    with pytest.raises(Conflict, match="never used again"):
        registry.register(tmp_path / "a" / name, actor="tess.trainer")
    registry.archive(name, actor="ada.admin", reason="replaced")
    with pytest.raises(Conflict, match="never used again"):
        registry.register(tmp_path / "a" / name, actor="tess.trainer")


def test_adapter_of_another_base_is_refused_at_admission_and_at_every_step(
    registry: Registry, audit: Audit, store: Store, tmp_path: Path
) -> None:
    served = {"reader": "1" * 64, "causal": ""}  # what the model servers run is not known here
    strict = Registry(store, audit, home=registry.home, base_of=lambda kind: served[kind])
    other = sealed_folder(tmp_path / "other", value=1.0, base_sha256="2" * 64)
    with pytest.raises(AdapterRefused, match=rf"{other.name} was trained on another base .*2{{12}}.*train it again"):
        strict.register(other, actor="tess.trainer")
    assert strict.all() == []
    assert not (registry.home / "adapters").exists()
    own, causal = (
        strict.register(sealed_folder(tmp_path, value=2.0, kind=kind, base_sha256=base), actor="tess.trainer")
        for kind, base in (("reader", "1" * 64), ("causal", "2" * 64))
    )  # fmt: skip
    served["causal"] = "1" * 64
    served["reader"] = "3" * 64
    for record in (own, causal):
        with pytest.raises(AdapterRefused, match="another base"):
            strict.stage(record.adapter_id, gate_report(record, audit), actor="tess.trainer", reason="open")
        assert strict.get(record.adapter_id).stage == "dev"
        assert "Made by a test" in card(strict, Datasets(store, audit), record.adapter_id)
    with pytest.raises(AdapterRefused, match="MODEL_SHA256"):
        strict.verified(causal.adapter_id)


def test_versions_are_counted_by_stem(registry: Registry, audit: Audit, tmp_path: Path) -> None:
    assert registry.next_version("reader") == 1
    registered(registry, audit, tmp_path, value=1.0)
    assert registry.next_version("reader") == 2
    assert registry.next_version("causal") == 1


@pytest.mark.parametrize("damage", ["cut", "added", "missing", "changed"])
def test_damaged_folder_is_refused_at_every_step(registry: Registry, audit: Audit, tmp_path: Path, damage: str) -> None:
    name = registered(registry, audit, tmp_path, value=1.0)
    weights = registry.home / "adapters" / name / "adapter_model.safetensors"
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-7])
    elif damage == "added":
        (weights.parent / "run.py").write_text("print()")
    elif damage == "missing":
        weights.unlink()
    else:
        manifest = weights.parent / MANIFEST
        manifest.write_text(manifest.read_text().replace('"offset": 1.0', '"offset": 2.0'))
    with pytest.raises(AdapterRefused, match=name):
        registry.verified(name)
    with pytest.raises(AdapterRefused):
        registry.stage(name, gate_report(registry.get(name), audit), actor="ana", reason="the gate is open")
    assert registry.get(name).stage == "dev"


def test_staging_takes_a_passing_report_of_this_content_signed_here(
    registry: Registry, audit: Audit, store: Store, tmp_path: Path
) -> None:
    name = registered(registry, audit, tmp_path, value=1.0)
    record = registry.get(name)
    stranger = Audit(store, tmp_path)  # another installation's key
    for report, said in (
        (gate_report(record, audit, sha256="9" * 64), "another content"),
        (gate_report(record, audit, passed=False), "closed"),
        (replace(gate_report(record, audit, passed=False), passed=True), "changed since"),
        (gate_report(record, stranger), "not signed by this installation"),
    ):
        with pytest.raises(Conflict, match=said):
            registry.stage(name, report, actor="ana", reason="please")
    assert registry.get(name).stage == "dev"
    assert registry.stage(name, gate_report(record, audit), actor="ana", reason="open").stage == "staging"
    assert registry.report(name) == gate_report(record, audit)


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("policy_sha256", "other thresholds .ASSISTANT_RETRAIN_GATE."),
        ("suite_files_sha256", "another suite .ASSISTANT_RETRAIN_SUITE."),
        ("guard_policy_sha256", "another guard policy"),
    ],
)
def test_report_by_other_rules_than_are_in_force_promotes_nothing_and_a_newer_one_is_taken_in_staging(
    registry: Registry, audit: Audit, store: Store, tmp_path: Path, field: str, said: str
) -> None:
    asked = [packaged_demand()]
    pinned = Registry(store, audit, home=registry.home, demand=lambda _name: asked[0])
    name = registered(pinned, audit, tmp_path, value=1.0)
    record = pinned.get(name)
    for other in ("2" * 64, ""):  # "": of a program that did not say it yet
        lenient = sign_report(replace(decision(record), **{field: other}), audit)
        with pytest.raises(Conflict, match=rf"{said} than counts here now. Run: python -m eval gate --adapter {name}"):
            pinned.stage(name, lenient, actor="ana", reason="please")
    assert pinned.stage(name, gate_report(record, audit), actor="ana", reason="open").stage == "staging"
    pinned.request(name, actor="ana", reason="better")
    asked[0] = replace(asked[0], **{field: "3" * 64})  # the rules change before anybody has approved
    with pytest.raises(Conflict, match=said):
        pinned.approve(name, actor="ada.admin", reason="read it")
    again = sign_report(replace(decision(record), **{field: "3" * 64}), audit)
    assert pinned.stage(name, again, actor="ana", reason="asked again").stage == "staging"
    with pytest.raises(Conflict, match="adapters request"):
        pinned.approve(name, actor="ada.admin", reason="the request was for another report")
    pinned.request(name, actor="ana", reason="better, by the new rules")
    assert pinned.approve(name, actor="ada.admin", reason="read it").stage == "production"
    assert pinned.report(name) == again


BESIDE: list[tuple[dict[str, str], str]] = [
    ({"against": "reader-v8-99999999"}, "compares with quote-v1, while reader-v8-99999999 serves now"),
    ({"against_sha256": "9" * 64}, "compares with another content of quote-v1 than serves now"),
    ({"base": "reader-5"}, "measures forgetting against quote-v1, while the training started from reader-5"),
]


@pytest.mark.parametrize(("changed", "said"), BESIDE)
def test_report_beside_another_adapter_than_serves_is_refused_at_staging_request_and_approval(
    registry: Registry, audit: Audit, store: Store, tmp_path: Path, changed: dict[str, str], said: str
) -> None:
    served = replace(packaged_demand(), against="quote-v1", against_sha256="4" * 64, base="quote-v1")
    asked = [served]
    pinned = Registry(store, audit, home=registry.home, demand=lambda _name: asked[0])
    name = registered(pinned, audit, tmp_path, value=1.0)
    record = pinned.get(name)

    def refused(act: Callable[[], object]) -> None:
        asked[0] = replace(served, **changed)  # another one serves from here on
        with pytest.raises(Conflict, match=rf"{said}\. Run: python -m eval gate --adapter {name}"):
            act()
        asked[0] = served

    refused(lambda: pinned.stage(name, gate_report(record, audit), actor="ana", reason="please"))
    assert pinned.stage(name, gate_report(record, audit), actor="ana", reason="open").stage == "staging"
    refused(lambda: pinned.request(name, actor="ana", reason="please"))
    assert pinned.open_request(name) is None
    pinned.request(name, actor="ana", reason="better")
    refused(lambda: pinned.approve(name, actor="ada.admin", reason="read it"))
    assert pinned.get(name).stage == "staging"
    assert pinned.approve(name, actor="ada.admin", reason="read it").stage == "production"


def test_report_of_an_older_program_is_read_and_promotes_nothing_where_it_is_asked_what_it_compared_with(
    registry: Registry, audit: Audit, store: Store, tmp_path: Path
) -> None:
    name = registered(registry, audit, tmp_path, value=1.0)
    older = sign_report(replace(decision(registry.get(name)), against_sha256="", base=""), audit)
    path = tmp_path / "older.json"
    write_report(older, path)
    assert b"base" not in older.body() and b"against_sha256" not in older.body()
    assert read_report(path) == older
    pinned = Registry(
        store, audit, home=registry.home, demand=lambda _name: Demand(against="quote-v1", base="quote-v1")
    )
    with pytest.raises(
        Conflict, match=r"older program, which did not sign what it compared with\. Run: python -m eval gate"
    ):
        pinned.stage(name, older, actor="ana", reason="please")


def test_newest_report_is_the_newest_that_is_asked_for_whatever_was_tried_out_since(
    registry: Registry, audit: Audit, tmp_path: Path
) -> None:
    record = registry.get(registered(registry, audit, tmp_path, value=1.0))
    tried = {"policy_sha256": "2" * 64, "run_id": "run-2", "created_at": "2026-11-26T06:00:00+00:00"}
    own, other = (sign_report(replace(decision(record), **changes), audit) for changes in ({}, tried))
    for report in (own, other):
        path = report_path(registry.home, report)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_report(report, path)
    assert newest_report(registry.home, record.sha256, packaged_demand()) == own
    assert newest_report(registry.home, record.sha256) == other
    assert newest_report(registry.home, record.sha256, Demand(guard_policy_sha256="9" * 64)) == other


def test_report_of_an_older_program_keeps_its_signature(registry: Registry, audit: Audit, tmp_path: Path) -> None:
    record = registry.get(registered(registry, audit, tmp_path, value=1.0))
    later = {"suite_files_sha256": "", "guard_policy_sha256": "", "against_sha256": "", "base": ""}
    older = replace(decision(record), **later)
    assert b"sha256" in older.body() and b"suite_files" not in older.body() and b"guard_policy" not in older.body()
    assert registry.stage(record.adapter_id, sign_report(older, audit), actor="ana", reason="open").stage == "staging"


def test_production_takes_a_request_and_another_persons_approval(
    registry: Registry, audit: Audit, tmp_path: Path
) -> None:
    name = registered(registry, audit, tmp_path, value=1.0, stage="staging")
    with pytest.raises(Conflict, match="adapters request"):
        registry.approve(name, actor="ada.admin", reason="ok")
    registry.request(name, actor="rob.requester", reason="better on leave")
    with pytest.raises(Conflict, match="waits for approval"):
        registry.request(name, actor="ana", reason="again")
    for own in ("tess.trainer", "rob.requester", "cli:tess.trainer"):
        with pytest.raises(NotAllowed, match="another person"):
            registry.approve(name, actor=own, reason="mine is good")
    assert registry.get(name).stage == "staging"
    assert registry.approve(name, actor="ada.admin", reason="read it").stage == "production"
    assert [e.action for e in registry.history(name)] == ["register", "stage", "request", "approve"]
    assert [e.report is not None for e in registry.history(name)] == [False, True, False, True]
    refused = [row for row in audit.rows() if row.action == "adapter.approve_refused"]
    assert [row.actor for row in refused] == ["tess.trainer", "rob.requester", "cli:tess.trainer"]
    assert audit.verify() == []


def test_declined_request_is_closed(registry: Registry, audit: Audit, tmp_path: Path) -> None:
    name = registered(registry, audit, tmp_path, value=1.0, stage="staging")
    with pytest.raises(Conflict, match="Nobody has asked"):
        registry.decline(name, actor="ada.admin", reason="no")
    registry.request(name, actor="ana", reason="better")
    registry.decline(name, actor="ada.admin", reason="too few cases")
    assert registry.open_request(name) is None
    with pytest.raises(Conflict, match="Nobody has asked"):
        registry.approve(name, actor="ada.admin", reason="after all")


def test_no_step_is_left_out_and_each_has_a_reason(registry: Registry, audit: Audit, tmp_path: Path) -> None:
    name = registered(registry, audit, tmp_path, value=1.0)
    with pytest.raises(Conflict, match="in dev"):
        registry.request(name, actor="ana", reason="hurry")
    with pytest.raises(BadInput, match="Say why"):
        registry.stage(name, gate_report(registry.get(name), audit), actor="ana", reason=" ")
    registry.archive(name, actor="ada.admin", reason="not needed")
    with pytest.raises(Conflict, match="archived"):
        registry.stage(name, gate_report(registry.get(name), audit), actor="ana", reason="back")
    with pytest.raises(NotFound, match="adapters list"):
        registry.get("reader-v9-12345678")


def test_blocked_adapter_goes_no_further_until_it_is_unblocked(
    registry: Registry, audit: Audit, tmp_path: Path
) -> None:
    name = registered(registry, audit, tmp_path, value=1.0)
    registry.block(name, actor="ada.admin", reason="poisoned rows")
    registry.block(name, actor="ada.admin", reason="again")
    with pytest.raises(Conflict, match="poisoned rows"):
        registry.stage(name, gate_report(registry.get(name), audit), actor="ana", reason="open")
    registry.unblock(name, actor="ada.admin", reason="it was another dataset")
    registry.stage(name, gate_report(registry.get(name), audit), actor="ana", reason="open")
    assert [e.action for e in registry.history(name)] == ["register", "block", "unblock", "stage"]


def test_erasure_blocks_what_was_trained_on_it_and_what_went_on_from_there(
    registry: Registry, audit: Audit, store: Store, tmp_path: Path
) -> None:
    dataset(store, audit, "ds-one", ("emma.employee", "leave"), ("otto.other", "travel"))
    dataset(store, audit, "ds-two", ("otto.other", "vpn"))
    first = registered(registry, audit, tmp_path, value=1.0, training=Training("ds-one"))
    other = registered(registry, audit, tmp_path, value=2.0, training=Training("ds-two"))
    child = registered(registry, audit, tmp_path, value=3.0, training=Training("ds-two", parent=first))
    assert registry.block_trained_on(actor="ada.admin", reason="erasure of a person", person_id="emma.employee") == [
        first,
        child,
    ]
    assert [bool(registry.get(name).blocked) for name in (first, other, child)] == [True, False, True]
    assert registry.block_trained_on(actor="ada.admin", reason="erased document", document_id="vpn") == [other, child]
    reviewed = registry.block_trained_on(actor="ada.admin", reason="a reviewer left", person_id="rita.reviewer")
    assert sorted(reviewed) == sorted([first, other, child])
    assert registry.block_trained_on(actor="ada.admin", reason="nobody", person_id="nobody") == []
    with pytest.raises(BadInput):
        registry.block_trained_on(actor="ada.admin", reason="neither")
    with pytest.raises(Conflict, match="blocked"):
        registered(registry, audit, tmp_path, value=4.0, training=Training("ds-two", parent=first))


def test_ceiling_is_the_highest_of_all_that_went_in_and_unknown_rows_are_restricted(
    registry: Registry, audit: Audit, store: Store, tmp_path: Path
) -> None:
    dataset(store, audit, "ds-one", ("emma.employee", "leave"))
    unknown = registered(registry, audit, tmp_path, value=1.0, training=Training())
    told = registered(registry, audit, tmp_path, value=2.0, training=Training(ceiling="public"))
    data = registered(registry, audit, tmp_path, value=3.0, training=Training("ds-one", ceiling="public"))
    child = registered(registry, audit, tmp_path, value=4.0, training=Training(parent=data, ceiling="public"))
    ceilings = [registry.get(name).ceiling for name in (unknown, told, data, child)]
    assert ceilings == ["restricted", "public", "confidential", "confidential"]
    with pytest.raises(NotFound, match="dataset"):
        registered(registry, audit, tmp_path, value=5.0, training=Training("ds-gone"))


def test_shipped_adapter_is_registered_once_and_may_serve(registry: Registry, tmp_path: Path) -> None:
    folder = sealed_folder(tmp_path, value=1.0).rename(tmp_path / "reader-1")
    seal(folder, adapter_id="reader-1", kind="reader", base=("tiny", "0" * 64), settings={})
    record = registry.register_shipped(folder)
    assert (record.stage, record.created_by, record.ceiling) == ("production", "system", "public")
    assert registry.register_shipped(folder) == record
    assert registry.verified("reader-1").folder == registry.home / "adapters" / "reader-1"


def test_shipped_adapter_whose_files_are_gone_is_put_back_by_its_own_content_alone(
    registry: Registry, tmp_path: Path
) -> None:
    folder = sealed_folder(tmp_path, value=1.0).rename(tmp_path / "reader-1")
    seal(folder, adapter_id="reader-1", kind="reader", base=("tiny", "0" * 64), settings={})
    record = registry.register_shipped(folder)
    shutil.rmtree(registry.folder(record))
    other = sealed_folder(tmp_path / "other", value=2.0).rename(tmp_path / "other" / "reader-1")
    seal(other, adapter_id="reader-1", kind="reader", base=("tiny", "0" * 64), settings={})
    assert registry.register_shipped(other) == record
    with pytest.raises(AdapterRefused):
        registry.verified("reader-1")
    assert registry.register_shipped(folder) == record
    assert registry.verified("reader-1").sha256 == record.sha256


def test_full_disk_registers_nothing_says_what_to_do_and_the_same_call_succeeds_later(
    registry: Registry, tmp_path: Path
) -> None:
    folder = sealed_folder(tmp_path, value=1.0)
    size = (folder / "adapter_model.safetensors").stat().st_size
    with full_disk(size - 10), pytest.raises(StoreUnavailable, match=r"free some space.*nothing of it is registered"):
        registry.register(folder, actor="tess.trainer")
    assert registry.all() == []
    assert list((registry.home / "adapters").iterdir()) == []
    record = registry.register(folder, actor="tess.trainer")
    assert registry.verified(folder.name).sha256 == record.sha256


def test_half_copied_folder_of_a_crash_is_no_obstacle(registry: Registry, tmp_path: Path) -> None:
    folder = sealed_folder(tmp_path, value=1.0)
    place = registry.home / "adapters" / folder.name
    place.mkdir(parents=True)
    (place / "README.md").write_text("half")
    assert registry.register(folder, actor="tess.trainer").stage == "dev"
    assert registry.verified(folder.name)


def test_clock_that_jumps_back_changes_neither_order_nor_stage(
    registry: Registry, audit: Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = registered(registry, audit, tmp_path, value=1.0, stage="staging")
    monkeypatch.setitem(vars(core.registry), "now", lambda: now() - timedelta(days=400))
    registry.request(first, actor="ana", reason="better")
    registry.approve(first, actor="ada.admin", reason="read it")
    second = registered(registry, audit, tmp_path, value=2.0)
    assert registry.get(first).stage == "production"
    assert [e.action for e in registry.history(first)] == ["register", "stage", "request", "approve"]
    assert [one.adapter_id for one in registry.all()] == [first, second]


def test_card_and_difference_say_what_is_known(registry: Registry, audit: Audit, store: Store, tmp_path: Path) -> None:
    dataset(store, audit, "ds-one", ("emma.employee", "leave"))
    first = registered(registry, audit, tmp_path, value=1.0, stage="production")
    second = registered(registry, audit, tmp_path, value=2.0, training=Training("ds-one", run_id="run-7", parent=first))
    text = card(registry, Datasets(store, audit), first)
    for said in (
        "## Approved uses",
        "## Limits",
        "## Data",
        "## Scores",
        "90.0% of 220 cases",
        "Made by a test",
        "ada.admin",
    ):
        assert said in text
    assert "cleared for confidential" in card(registry, Datasets(store, audit), second)
    changed = {one.field: (one.before, one.after) for one in diff(registry, first, second)}
    assert changed["setting offset"] == ("1", "2")
    assert changed["stage"] == ("production", "dev")
    assert changed["parent"] == ("-", first)
    assert changed["gate"][1] == "-"
    assert "peft r" not in changed
    assert diff(registry, first, first) == []
