"""What the adapters page shows: every text escaped, plots that hold what they say, and only the steps that may come next."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from assistant.pages import adapters_plots, adapters_views, rollout_views
from assistant.rollout_results import RATES, ArmResult, Day
from core.adapter_events import AdapterEvent
from core.audit import Audit
from core.canary import Judgement
from core.gate import Demand
from core.rates import wilson
from core.records import AdapterRecord, Rollout, TrialArm
from core.registry import Registry
from core.standing import Standing
from core.store import Store
from tests.core.adapters import gate_report, packaged_demand, registered

HOSTILE = '<img src=x onerror="window.hacked=1"> ${window.hacked=1} {{#each value}}'
AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
OFFERED: dict[str, list[str]] = {"groups": ["hr"], "departments": []}
ROW = Rollout(7, AT, "ana", "promote", HOSTILE, "reader-v1-1a2b3c4d", "t" * 64, 0.35, 0.5, base="quote-v1")


def arm(name: str, turns: int, flagged: int) -> ArmResult:
    rates = {measure: wilson(flagged if measure == "flagged" else 0, turns) for measure in RATES}
    days = (Day(date(2026, 11, 19), turns, flagged), Day(date(2026, 11, 20), 0, 0))
    return ArmResult(name, name != "production", 3, turns, rates, 100.0, 200.0, days)


def test_reasons_and_names_are_escaped_everywhere() -> None:
    trial = replace(ROW, mode="canary", arms=(TrialArm("reader-v2-1a2b3c4d", 0.05, (HOSTILE,)),), step=1)
    judged = [Judgement(1, 7, AT, HOSTILE, "hold", HOSTILE, {"trial_turns": HOSTILE})]
    found = rollout_views.Results(AT, (arm(HOSTILE, 10, 1), arm("b", 10, 1)))
    shown = [
        rollout_views.serving_html(Standing(trial, {}, (HOSTILE,)), replace(ROW, production=HOSTILE)),
        rollout_views.live_html(Standing(trial), found, judged),
        rollout_views.history_html([trial, ROW], trial, frozenset({7})),
        adapters_views.diff_html(HOSTILE, "b", [adapters_views.Difference(HOSTILE, HOSTILE, "-")]),
        adapters_views.card_html(f"# Card\n\n{HOSTILE}"),
    ]
    for html in shown:
        assert "<img src=x" not in html
        assert "${" not in html
        assert "{{" not in html


def test_plot_shows_each_arm_in_its_own_shape_and_says_its_figures() -> None:
    svg = adapters_plots.rates([arm("production", 200, 16), arm("second", 100, 2), arm("third", 0, 0)])
    assert "8.0% of 200" in svg
    assert "2.0% of 100" in svg
    assert svg.count("no answers yet") == len(adapters_plots.SHOWN)
    assert svg.count("<circle") == svg.count("<rect") == len(adapters_plots.SHOWN)
    assert svg.count("<polygon") == 0  # nothing to draw of nobody
    assert 'aria-label="Shares of the answers. production: flagged 8.0%' in svg
    places = [float(x) for x in re.findall(r'cx="([\d.]+)"', svg)]
    assert all(adapters_plots.LABEL <= x <= adapters_plots.WIDTH - adapters_plots.NUMBERS for x in places)
    assert max(places) > adapters_plots.LABEL


def test_days_are_drawn_to_one_scale_for_all_arms() -> None:
    full = adapters_plots.days(arm("production", 40, 10), 0, 40)
    half = adapters_plots.days(arm("second", 20, 0), 1, 40)
    tall = [max(map(float, re.findall(r'height="([\d.]+)"', one))) for one in (full, half)]
    assert tall == [adapters_plots.DAYS_HEIGHT, adapters_plots.DAYS_HEIGHT / 2]
    assert "40 in all, 10 flagged" in full


@pytest.fixture
def registry(store: Store, audit: Audit, home: Path) -> Registry:
    return Registry(store, audit, home=home)


def panel(record: AdapterRecord, history: list[AdapterEvent], person: str, **given: object) -> str:
    waiting = adapters_views.Waiting(given.pop("waiting", None), given.pop("demand", Demand()))  # type: ignore[arg-type]
    values: dict[str, object] = {"others": (), "waiting": waiting, "problem": "", "standing": Standing(ROW)} | given
    return adapters_views.detail_html(record, history, person_id=person, **values)  # type: ignore[arg-type]


def steps(record: AdapterRecord, history: list[AdapterEvent], person: str, **given: object) -> set[str]:
    """The acts that are offered to that person."""
    return set(re.findall(r'data-do="(\w+)"', panel(record, history, person, **given)))


def test_only_what_may_come_next_is_offered(registry: Registry, audit: Audit, tmp_path: Path) -> None:
    dev = registry.get(registered(registry, audit, tmp_path, value=1.0))
    assert steps(dev, registry.history(dev.adapter_id), "ada.admin") == {"block", "archive"}
    closed, opened = (gate_report(dev, audit, passed=passed) for passed in (False, True))
    assert "stage" not in steps(dev, registry.history(dev.adapter_id), "ada.admin", waiting=closed)
    assert "stage" in steps(dev, registry.history(dev.adapter_id), "ada.admin", waiting=opened)
    registry.stage(dev.adapter_id, opened, actor="tess.trainer", reason="open")
    staged = registry.get(dev.adapter_id)
    assert steps(staged, registry.history(dev.adapter_id), "ada.admin") == {"request", "block", "archive"}
    registry.request(dev.adapter_id, actor="rob.requester", reason="better")
    history = registry.history(dev.adapter_id)
    assert "approve" in steps(staged, history, "ada.admin")
    for own in ("tess.trainer", "rob.requester"):
        assert "approve" not in steps(staged, history, own)
    registry.approve(dev.adapter_id, actor="ada.admin", reason="read it")
    done = registry.get(dev.adapter_id)
    assert "promote" in steps(done, registry.history(dev.adapter_id), "ada.admin")
    assert "stage" not in steps(done, registry.history(dev.adapter_id), "ada.admin", waiting=opened)
    newer = replace(opened, created_at="2026-11-28T06:00:00+00:00")
    assert {"promote", "stage"} <= steps(done, registry.history(dev.adapter_id), "ada.admin", waiting=newer)
    serving = Standing(replace(ROW, production=dev.adapter_id))
    assert steps(done, registry.history(dev.adapter_id), "ada.admin", standing=serving) == {"block"}
    registry.block(dev.adapter_id, actor="ada.admin", reason="erasure")
    blocked = registry.get(dev.adapter_id)
    assert steps(blocked, registry.history(dev.adapter_id), "ada.admin") == {"unblock", "archive"}


def test_adapter_whose_report_does_not_count_any_more_waits_for_a_newer_one(
    registry: Registry, audit: Audit, tmp_path: Path
) -> None:
    name = registered(registry, audit, tmp_path, value=1.0, stage="staging")
    registry.request(name, actor="rob.requester", reason="better")
    record, history = registry.get(name), registry.history(name)
    demand = replace(packaged_demand(), guard_policy_sha256="3" * 64)
    known = gate_report(record, audit)
    assert "approve" in steps(record, history, "ada.admin", waiting=known, demand=packaged_demand())
    assert not {"approve", "stage"} & steps(record, history, "ada.admin", waiting=known, demand=demand)
    newer = replace(known, guard_policy_sha256="3" * 64)
    offered = steps(record, history, "ada.admin", waiting=newer, demand=demand)
    assert "stage" in offered and "approve" not in offered
    html = panel(record, history, "ada.admin", waiting=known, demand=demand)
    assert f"another guard policy than counts here now. Run: python -m eval gate --adapter {name}" in html


def test_trial_is_offered_only_where_none_is_under_way_and_something_can_be_tried(
    registry: Registry, audit: Audit, tmp_path: Path
) -> None:
    one = registry.get(registered(registry, audit, tmp_path, value=1.0, stage="staging"))
    assert 'class="ad-form"' in rollout_views.start_html([one], ROW, **OFFERED)
    assert "tab Adapters" in rollout_views.start_html([], ROW, **OFFERED)
    assert rollout_views.start_html([one], replace(ROW, mode="shadow"), **OFFERED) == ""


def test_a_department_is_offered_where_a_group_has_its_name_and_named_where_none_has(
    registry: Registry, audit: Audit, tmp_path: Path
) -> None:
    one = registry.get(registered(registry, audit, tmp_path, value=1.0, stage="staging"))
    shown = rollout_views.start_html([one], ROW, groups=["hr"], departments=["HR", "Product support"])
    assert 'name="ad-departments" value="HR"' in shown
    assert 'value="Product support"' not in shown
    assert "No group has the name of Product support: choose the group that its people are in." in shown
    assert "No group has the name" not in rollout_views.start_html([one], ROW, groups=["hr"], departments=["HR"])
