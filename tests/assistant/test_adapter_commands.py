"""The registry and the rollouts on the command line: by administrators, with reasons, in lines that scripts can read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import assistant.adapters_command
import assistant.rollout_command
from assistant.__main__ import main
from assistant.pages.rollout_views import serving_html
from core.audit import Audit
from core.datasets import DatasetRecord, Datasets, LineageRow
from core.gate import THRESHOLDS, report_path, write_report
from core.people import People
from core.registry import Registry, Training
from core.rollouts import Rollouts
from core.store import Store
from core.turns import now
from tests.conftest import make_person
from tests.core.adapters import DEFAULTS, gate_report, registered, sealed_folder
from tests.core.lineage import keep
from tests.test_json_fields import GIVEN

Row = dict[str, Any]
Run = Callable[..., list[Row]]
WHY = ["--reason", "a test"]


@pytest.fixture
def registry(store: Store, audit: Audit, home: Path, people: People, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setenv("ASSISTANT_HOME", str(home))
    roles = ("employee", "admin")
    for name in ("tess.trainer", "rob.requester"):
        people.add(make_person(name, roles=roles), actor="test")  # type: ignore[arg-type]
    return Registry(store, audit, home=home)


@pytest.fixture
def run(registry: Registry, capsys: pytest.CaptureFixture[str]) -> Run:
    """Types a command with --json; gives its lines, whose fields are those that its help names."""
    modules = {"adapters": assistant.adapters_command, "rollout": assistant.rollout_command}

    def typed(command: str, act: str, *words: str, code: int = 0) -> list[Row]:
        capsys.readouterr()
        assert main([command, act, *words, "--json"]) == code
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        named = {
            act: fields for acts, fields in GIVEN.findall(modules[command].__doc__ or "") for act in acts.split(", ")
        }
        if code == 0:
            assert {tuple(line) for line in lines} <= {tuple(without_notes(named[act]).split(", "))}
        return lines

    return typed


def without_notes(fields: str) -> str:
    return re.sub(r" \([^)]*\)", "", fields)


def test_adapter_goes_from_registration_to_production_by_three_people(
    run: Run, registry: Registry, audit: Audit, home: Path, tmp_path: Path
) -> None:
    folder = sealed_folder(tmp_path / "out", value=1.0)
    name = folder.name
    by = {who: ["--as", who, *WHY] for who in ("tess.trainer", "rob.requester", "ada.admin")}
    (made,) = run("adapters", "register", str(folder), "--ceiling", "internal", *by["tess.trainer"])
    assert made == {"adapter": name, "action": "register", "stage": "dev", "blocked": ""}
    (refused,) = run("adapters", "stage", name, *by["tess.trainer"], code=2)
    assert f"python -m eval gate --adapter {name}" in refused["message"]
    report = gate_report(registry.get(name), audit)
    path = report_path(home, report)
    path.parent.mkdir(parents=True)
    write_report(report, path)
    assert run("adapters", "stage", name, *by["tess.trainer"])[0]["stage"] == "staging"
    run("adapters", "request", name, *by["rob.requester"])
    assert run("adapters", "show", name)[0]["asked_by"] == "rob.requester"
    for own in ("tess.trainer", "rob.requester"):
        assert run("adapters", "approve", name, *by[own], code=3)[0]["error"] == "not_allowed"
    assert run("adapters", "approve", name, *by["ada.admin"])[0]["stage"] == "production"
    assert [(row["actor"], row["action"], row["gate_run"]) for row in run("adapters", "history", name)] == [
        ("tess.trainer", "register", ""),
        ("tess.trainer", "stage", "run-1"),
        ("rob.requester", "request", ""),
        ("ada.admin", "approve", "run-1"),
    ]
    (listed,) = run("adapters", "list")
    assert (listed["stage"], listed["passed"], listed["serves"]) == ("production", 0.9, "")
    assert run("adapters", "block", name, *by["ada.admin"])[0]["blocked"] == "a test"
    assert run("adapters", "unblock", name, *by["ada.admin"])[0]["blocked"] == ""
    assert f"# {name}" in run("adapters", "card", name)[0]["card"]
    assert run("adapters", "archive", name, *by["ada.admin"])[0]["stage"] == "archived"


def test_adapter_of_another_base_is_refused_by_the_command_and_told_of_one_that_is_registered(
    run: Run, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("--as", "tess.trainer", *WHY)
    reader = sealed_folder(tmp_path, value=1.0, base_sha256="1" * 64)
    assert "another base" in run("adapters", "register", str(reader), *given, code=2)[0]["message"]
    causal = sealed_folder(tmp_path, value=2.0, kind="causal")
    run("adapters", "register", str(causal), *given)
    monkeypatch.setenv("MODEL_SHA256", "1" * 64)
    (shown,) = run("adapters", "show", causal.name)
    assert not shown["verifies"]
    assert "MODEL_SHA256" in shown["problem"]
    assert [one.adapter_id for one in registry.all()] == [causal.name]


def test_erasure_blocks_what_was_trained_on_it(
    run: Run, registry: Registry, store: Store, audit: Audit, tmp_path: Path
) -> None:
    record = DatasetRecord("ds-1", "d" * 64, "datasets/ds-1", 1, "internal", {}, "ana", now())
    row = LineageRow("row1", "train", "turn1", "", "", "", "emma.employee", "rita.reviewer", "hr-leave", 1)
    Datasets(store, audit).add(record, [row])
    keep(store, [row])
    reached = registered(registry, audit, tmp_path, value=1.0, training=Training(dataset_id="ds-1"))
    spared = registered(registry, audit, tmp_path, value=2.0)
    by = ["--as", "ada.admin", *WHY]
    assert run("adapters", "block", "--person", "tess.trainer", *by) == []
    for wrong in ([], [reached, "--person", "emma.employee"], ["--person", "emma.employee", "--document", "hr-leave"]):
        assert run("adapters", "block", *wrong, *by, code=2)[0]["error"] == "bad_input"
    assert [one["adapter"] for one in run("adapters", "block", "--person", "emma.employee", *by)] == [reached]
    assert registry.get(reached).blocked == "a test"
    assert registry.get(spared).blocked == ""


def test_report_of_another_content_stages_nothing(run: Run, registry: Registry, audit: Audit, tmp_path: Path) -> None:
    first, second = (registered(registry, audit, tmp_path, value=value) for value in (1.0, 2.0))
    path = tmp_path / "report.json"
    write_report(gate_report(registry.get(first), audit), path)
    (said,) = run("adapters", "stage", second, "--report", str(path), "--as", "ada.admin", *WHY, code=2)
    assert "another content" in said["message"]
    assert registry.get(second).stage == "dev"


def test_report_by_other_thresholds_than_the_settings_name_stages_nothing(
    run: Run, registry: Registry, audit: Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = registered(registry, audit, tmp_path, value=1.0)
    path = tmp_path / "report.json"
    write_report(gate_report(registry.get(name), audit), path)
    lenient = tmp_path / "lenient.yaml"
    lenient.write_text(THRESHOLDS.read_text().replace("pass_rate: 0.95", "pass_rate: 0.93"))
    stage = ["stage", name, "--report", str(path), "--as", "ada.admin", *WHY]
    monkeypatch.setenv("ASSISTANT_RETRAIN_GATE", str(lenient))
    (said,) = run("adapters", *stage, code=2)
    assert "other thresholds (ASSISTANT_RETRAIN_GATE) than counts here now" in said["message"]
    assert said["message"].endswith(f"Run: python -m eval gate --adapter {name}")
    monkeypatch.delenv("ASSISTANT_RETRAIN_GATE")
    assert run("adapters", *stage)[0]["stage"] == "staging"


def test_two_adapters_are_compared_field_by_field(run: Run, registry: Registry, audit: Audit, tmp_path: Path) -> None:
    first, second = (registered(registry, audit, tmp_path, value=value) for value in (1.0, 2.0))
    found = {row["field"]: (row["before"], row["after"]) for row in run("adapters", "diff", first, second)}
    assert found["setting offset"] == ("1", "2")
    assert "file adapter_model.safetensors" in found
    assert "base" not in found


def test_damaged_adapter_is_shown_with_what_is_wrong(
    run: Run, registry: Registry, audit: Audit, tmp_path: Path
) -> None:
    name = registered(registry, audit, tmp_path, value=1.0)
    weights = registry.home / "adapters" / name / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-7])
    (shown,) = run("adapters", "show", name)
    assert shown["verifies"] is False
    assert "cut short" in shown["problem"]


@pytest.mark.parametrize("command", [["adapters", "block", "x"], ["rollout", "kill"]])
def test_acts_are_administrators(run: Run, command: list[str]) -> None:
    assert run(*command, "--as", "emma.employee", *WHY, code=3)[0]["error"] == "not_allowed"
    assert run(*command, "--as", "nobody", *WHY, code=2)[0]["error"] == "not_found"
    with pytest.raises(SystemExit):
        main([*command, *WHY])
    with pytest.raises(SystemExit):
        main([*command, "--as", "ada.admin"])


@pytest.fixture
def rollouts(store: Store, audit: Audit, registry: Registry) -> Rollouts:
    made = Rollouts(store, audit, registry)
    made.begin(DEFAULTS)
    return made


def test_canary_is_begun_advanced_and_stopped(
    run: Run, rollouts: Rollouts, registry: Registry, audit: Audit, tmp_path: Path
) -> None:
    name = registered(registry, audit, tmp_path, value=1.0, stage="staging")
    by = ["--as", "ada.admin", *WHY]
    (begun,) = run("rollout", "canary", name, "--group", "employees", *by)
    assert (begun["mode"], begun["share"], begun["arms"][0]["groups"]) == ("canary", 0.01, ["employees"])
    assert run("rollout", "advance", *by)[0]["share"] == 0.05
    assert run("rollout", "status")[0]["arms"][0]["adapter"] == name
    assert run("adapters", "list")[0]["serves"] == "5% of the people"
    (refused,) = run("rollout", "shadow", name, *by, code=2)
    assert "rollout stop" in refused["message"]
    assert run("rollout", "stop", *by)[0]["mode"] == "none"
    (beside,) = run("rollout", "shadow", name, "--share", "0.5", *by)
    assert (beside["mode"], beside["share"]) == ("shadow", 0.5)
    assert rollouts.current().mode == "shadow"


def test_trial_names_its_arms_with_their_shares(
    run: Run, rollouts: Rollouts, registry: Registry, audit: Audit, tmp_path: Path
) -> None:
    first, second = (registered(registry, audit, tmp_path, value=value, stage="staging") for value in (1.0, 2.0))
    by = ["--as", "ada.admin", *WHY]
    for wrong in (first, f"{first}=much", "=0.2"):
        assert "reader-v2-1a2b3c4d=0.2" in run("rollout", "trial", wrong, *by, code=2)[0]["message"]
    assert run("rollout", "trial", f"{first}=0.7", f"{second}=0.7", *by, code=2)[0]["error"] == "bad_input"
    (row,) = run("rollout", "trial", f"{first}=0.2", f"{second}=0.3", *by)
    assert [(arm["adapter"], arm["weight"]) for arm in row["arms"]] == [(first, 0.2), (second, 0.3)]


def test_promotion_takes_its_threshold_along_and_a_rollback_brings_both_back(
    run: Run, rollouts: Rollouts, registry: Registry, audit: Audit, tmp_path: Path
) -> None:
    name = registered(registry, audit, tmp_path, value=1.0, stage="production")
    by = ["--as", "ada.admin", *WHY]
    assert "between 0 and 1" in run("rollout", "promote", name, "--evidence-threshold", "7", *by, code=2)[0]["message"]
    (row,) = run("rollout", "promote", name, "--evidence-threshold", "0.6", *by)
    assert (row["production"], row["evidence_threshold"]) == (name, 0.6)
    (back,) = run("rollout", "rollback", *by)
    assert (back["production"], back["evidence_threshold"]) == ("quote-v1", DEFAULTS.evidence_threshold)
    assert run("rollout", "rollback", "--to", str(row["rollout_id"]), *by)[0]["production"] == name
    assert run("rollout", "kill", *by)[0]["production"] == "quote-v1"
    acts = [one["action"] for one in run("rollout", "history", "--limit", "4")]
    assert acts == ["kill", "rollback", "rollback", "promote"]
    assert rollouts.current().action == "kill"


def test_people_read_sentences(
    registry: Registry, rollouts: Rollouts, audit: Audit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = registered(registry, audit, tmp_path, value=1.0, stage="staging")
    assert main(["rollout", "canary", name, "--as", "ada.admin", *WHY]) == 0
    assert f"{name} serves 1% of the people. Step 1 of 6." in capsys.readouterr().out
    assert main(["rollout", "status"]) == 0
    assert "Without an adapter, quote-v1 answers." in capsys.readouterr().out
    assert main(["rollout", "history"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[0] == str(rollouts.current().rollout_id)
    for words in (["list"], ["show", name], ["history", name], ["card", name]):
        assert main(["adapters", *words]) == 0
        assert name in capsys.readouterr().out or words[0] == "history"


def test_status_says_who_answers_where_what_is_rolled_out_is_blocked(
    run: Run, rollouts: Rollouts, registry: Registry, audit: Audit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, tried = (
        registered(registry, audit, tmp_path, value=value, stage=stage)  # type: ignore[arg-type]
        for value, stage in ((1.0, "production"), (2.0, "staging"))
    )
    by = ["--as", "Ada.Admin", *WHY]
    run("rollout", "promote", name, *by)
    assert rollouts.current().actor == "ada.admin"
    run("rollout", "canary", tried, *by)
    assert run("rollout", "status")[0]["serving"] == name
    for one in (name, tried):
        run("adapters", "block", one, *by)
    assert run("rollout", "status")[0]["serving"] == "quote-v1"
    assert main(["rollout", "status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{name} is blocked or archived: quote-v1 answers in its place. {tried} serves 1%")
    assert lines[1] == f"{tried} meets nobody: it is blocked or archived."
    page = serving_html(rollouts.standing(), None)
    assert "quote-v1 answers in its place" in page and "serves everybody" not in page


def test_a_name_misspelt_blocks_nothing_and_says_so(run: Run) -> None:
    by = ["--as", "ada.admin", *WHY]
    for option in ("--person", "--document"):
        assert "check its spelling" in run("adapters", "block", option, "nobody.here", *by, code=2)[0]["message"]


def test_an_adapter_is_registered_with_a_reason(run: Run, tmp_path: Path) -> None:
    folder = sealed_folder(tmp_path / "out", value=7.0)
    blank = ["--as", "ada.admin", "--reason", " "]
    assert "Say why" in run("adapters", "register", str(folder), *blank, code=2)[0]["message"]
    assert run("adapters", "list") == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("most", "code"), [("600", 0), ("0.000001", 1)])
def test_drill_says_by_its_exit_code_whether_the_way_back_was_short_enough_and_is_kept(
    run: Run, audit: Audit, monkeypatch: pytest.MonkeyPatch, most: str, code: int
) -> None:
    monkeypatch.setenv("ASSISTANT_EMBEDDER_BACKEND", "torch")
    monkeypatch.setenv("ASSISTANT_RERANKER", "")
    words = ["--old", "quote-v1", "--new", "reader-2", "--askers", "2", "--most", most, "--as", "ada.admin"]
    (told,) = run("rollout", "drill", *words, code=code)
    assert told["passed"] is (code == 0)
    assert (told["failed"], told["wrong"], told["most_seconds"]) == (0, 0, float(most))
    assert told["n"] > 4
    assert told["seconds"] > 0
    (kept,) = [row for row in audit.rows() if row.action == "rollout.drill"]
    assert (kept.actor, kept.subject) == ("ada.admin", "reader-2")
    assert json.loads(kept.details) == {name: value for name, value in told.items() if name != "new"}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--old", "reader-2", "--new", "reader-2", "--as", "ada.admin"], 2),
        (["--askers", "0", "--as", "ada.admin"], 2),
        (["--as", "emma.employee"], 3),
    ],
)
def test_drill_that_is_refused_leaves_no_trace_of_one(run: Run, audit: Audit, words: list[str], code: int) -> None:
    run("rollout", "drill", *words, code=code)
    assert "rollout.drill" not in {row.action for row in audit.rows()}
