"""The tab Retraining: an administrator sees what is near, what runs and what failed, asks for a retraining and takes it back."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from core.audit import Audit
from core.gate import GateCheck, report_path, write_report
from core.jobs import STEPS, Job, Jobs, Status, Step
from core.registry import Registry, Training
from core.retraining import LEAST
from core.store import Store
from core.tables import job as jobs_table
from core.turns import now
from core.workers import present
from tests.assistant.readers import RIGHT, reader_folder
from tests.browser.conftest import SLOW, People, Server, start
from tests.browser.conftest import opened as browsers_on
from tests.core.adapters import gate_report
from tests.training import queue_home

pytestmark = pytest.mark.browser

FIRST = "grace.lin"
APPROVED = LEAST - 1
"""One fewer than a dataset takes."""
BROKEN = (
    GateCheck("pass rate", False, "78.2% of 220 cases; at least 85.0%"),
    GateCheck("forgetting", False, "6 of 90 cases that the adapter before passed are lost; at most 2"),
)


@dataclass
class Desk:
    server: Server
    store: Store
    jobs: Jobs
    adapter: str
    report: Path
    approved: int = APPROVED

    def enough(self) -> None:
        """One more item is approved, where that was not done yet: so many make a dataset."""
        queue_home.approve(self.server.home, range(self.approved, LEAST))
        self.approved = LEAST


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A served assistant whose reviewers have approved seven items, with an adapter whose gate is closed. No worker runs."""
    folder = tmp_path_factory.mktemp("retraining")
    (folder / "documents").mkdir()
    (folder / "documents" / "dock.md").write_text(SLOW, encoding="utf-8")
    home = folder / "home"
    home.mkdir()
    settings = {"EMBEDDER_BACKEND": "torch", "READER": "quote", "RERANKER": "", "REVIEW_TWICE": "none", "RETRAIN_AFTER": "10"}  # fmt: skip
    for server in start(home, folder / "documents", **{f"ASSISTANT_{name}": value for name, value in settings.items()}):
        queue_home.people(home)
        queue_home.approve(home, range(APPROVED))
        with Store(f"sqlite:///{home / 'assistant.db'}") as store:
            audit = Audit(store, home)
            registry = Registry(store, audit, home=home)
            brought = reader_folder(folder / "out", weight=RIGHT, version=2)
            record = registry.register(brought, actor="retrain:count", training=Training(ceiling="internal"), reason="7 corrections")  # fmt: skip
            report = replace(gate_report(record, audit, passed=False), checks=BROKEN)
            path = report_path(home, report)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_report(report, path)
            yield Desk(server, store, Jobs(store, audit), record.adapter_id, path)


@pytest.fixture
def people(chromium: Browser, desk: Desk) -> Iterator[People]:
    """Browsers on that assistant; afterwards no retraining was ever asked for."""
    yield from browsers_on(chromium, desk.server)
    with desk.store.begin() as connection:
        connection.execute(jobs_table.delete())


def tab(people: People, **options: Any) -> Page:
    page = people.open(FIRST, "/adapters", **options)
    page.get_by_role("tab", name="Retraining").click()
    expect(page.locator("#ad-retraining .ad-next")).to_be_visible()
    return page


def went(desk: Desk, trigger: Any, by: str, brought: Mapping[Step, Mapping[str, Any]], status: Status, error: str = "") -> Job:  # fmt: skip
    """A retraining that a worker did so far; `running` leaves it under way at the step after what it brought."""
    made = desk.jobs.request(trigger, {"approved": 0}, actor=by)
    found = desk.jobs.claim("worker-1", timedelta(minutes=1))
    assert found
    for step, result in brought.items():
        desk.jobs.begin_step(found[1], step)
        desk.jobs.record(found[1], step, result)
    desk.jobs.begin_step(found[1], STEPS[min(len(brought), len(STEPS) - 1)])
    if status != "running":
        desk.jobs.end(found[1], status, error)
    return made


def gated(desk: Desk, *, passed: bool) -> dict[Step, dict[str, Any]]:
    gate = {"passed": passed, "rate": 0.782, "n": 220, "run_id": "run-1", "broken": [] if passed else ["pass rate", "forgetting"]}  # fmt: skip
    return {
        "dataset": {"dataset_id": "ds-1a2b3c4d5e6f"},
        "train": {},
        "register": {"adapter": desk.adapter},
        "gate": gate | {"report": str(desk.report)},
    }


def test_an_administrator_asks_for_a_retraining_and_takes_it_back(people: People, desk: Desk) -> None:
    page = tab(people)
    expect(page.locator(".ad-next")).to_contain_text("7 of 10 new ones that start a retraining by themselves")
    expect(page.get_by_role("button", name="Retrain now")).to_be_disabled()
    expect(page.locator(".ad-next")).to_contain_text("approved 7 items so far, and a dataset takes 8 at least")
    page.evaluate("window.eaSend('retrain_ask', {})")
    expect(page.locator(".toast-body")).to_contain_text("a dataset takes 8 at least")
    assert desk.jobs.all() == []

    desk.enough()
    page = tab(people)
    expect(page.locator(".ad-next")).to_contain_text("8 of 10 new ones")
    page.get_by_role("button", name="Retrain now").click()
    expect(page.locator("#ea-confirm")).to_contain_text("8 items that reviewers approved, 8 of them new")
    page.locator("#ea-confirm [data-act=dismiss]").click()
    assert desk.jobs.all() == [], "it was not confirmed"
    page.get_by_role("button", name="Retrain now").click()
    page.locator("#ea-confirm [type=submit]").click()
    row = page.locator(".ad-job")
    expect(row).to_contain_text("waits for a worker")
    expect(row).to_contain_text(f"by {FIRST}")
    (made,) = desk.jobs.all()
    assert (made.status, made.trigger, made.requested_by) == ("queued", "hand", FIRST)
    expect(page.get_by_role("button", name="Retrain now")).to_be_disabled()
    expect(page.locator(".ad-next")).to_contain_text(f"A retraining is queued already: {made.job_id}.")

    row.get_by_role("button", name="Cancel").click()
    expect(page.locator("#ea-confirm-title")).to_have_text("Cancel this retraining?")
    page.get_by_role("button", name="Cancel it").click()
    expect(row).to_contain_text("taken back")
    expect(row.get_by_role("button")).to_have_count(0)
    assert desk.jobs.get(made.job_id).status == "cancelled"
    audit = [(one.action, one.actor, one.subject) for one in Audit(desk.store, desk.server.home).rows(limit=2)]
    assert audit == [("retrain.cancel", FIRST, made.job_id), ("retrain.request", FIRST, made.job_id)]


def test_what_to_type_is_said_where_no_worker_runs_and_only_there(people: People, desk: Desk) -> None:
    page = tab(people)
    expect(page.locator(".ad-idle")).to_contain_text("No worker runs")
    expect(page.locator(".ad-idle code")).to_have_text(
        ["python -m training worker", "docker compose -f deploy/compose.yaml --profile train up -d"]
    )
    printed = (desk.server.home / "serve.log").read_text()
    assert "No worker runs, so nothing is retrained. Start one beside this: python -m training worker\n" in printed
    with present(desk.store, "desk-1a2b3c4d"):
        page = tab(people)
        expect(page.locator(".ad-next")).to_contain_text("desk-1a2b3c4d, since")
        expect(page.locator(".ad-idle")).to_have_count(0)


def test_a_retraining_says_how_far_it_is_and_why_it_does_not_go_on(people: People, desk: Desk) -> None:
    went(desk, "count", "worker:count", gated(desk, passed=False), "failed", "The gate is closed. Report: /srv/report.json")  # fmt: skip
    went(desk, "schedule", "worker:schedule", {}, "failed", "The disk that holds it is full: free some space.")
    went(desk, "hand", FIRST, {"dataset": {"dataset_id": "ds-9f8e7d6c5b4a"}}, "running")
    page = tab(people)
    rows = page.locator(".ad-job")
    expect(rows.nth(0).locator("[aria-current=step]")).to_have_text("training")
    expect(rows.nth(0)).to_contain_text("ds-9f8e7d6c5b4a")
    expect(rows.nth(0).get_by_role("button", name="Cancel")).to_have_count(0)
    expect(rows.nth(1)).to_contain_text("by itself, by its schedule")
    expect(rows.nth(1)).to_contain_text("It failed at the step dataset. The disk that holds it is full: free some space.")  # fmt: skip
    closed = rows.nth(2)
    expect(closed.locator(".ea-badge")).to_have_text("gate closed")
    expect(closed).to_contain_text("forgetting: 6 of 90 cases that the adapter before passed are lost; at most 2")
    expect(closed).to_contain_text("have reviewers correct such answers")
    closed.get_by_role("button", name=desk.adapter).click()
    expect(page.locator("#ad-detail h2")).to_have_text(desk.adapter)


def test_nobody_but_administrators_sees_or_asks(people: People, desk: Desk) -> None:
    made = desk.jobs.request("hand", {"approved": 0}, actor=FIRST)
    page = people.open("carla.ruiz", "/adapters")
    expect(page.get_by_text("This page is for administrators")).to_be_visible()
    expect(page.locator(".ad-next")).to_have_count(0)
    page.evaluate("job => window.eaSend('retrain_cancel', { job })", made.job_id)
    expect(page.get_by_text("This needs the role admin")).to_be_visible()
    page.evaluate("window.eaSend('retrain_ask', {})")
    expect(page.get_by_text("This needs the role admin")).to_have_count(2)
    assert [one.status for one in desk.jobs.all()] == ["queued"]


@pytest.mark.parametrize(("scheme", "wide"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_pictures_in_light_and_dark_and_on_a_phone(
    people: People, desk: Desk, tmp_path: Path, scheme: str, wide: int
) -> None:
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    went(desk, "count", "worker:count", gated(desk, passed=False), "failed", "The gate is closed.")
    went(desk, "hand", FIRST, gated(desk, passed=True), "waiting")
    went(desk, "hand", "cli:grace", {"dataset": {"dataset_id": "ds-9f8e7d6c5b4a"}, "train": {}}, "running")
    screen = {"width": wide, "height": 1100 if wide > 400 else 844}
    with ExitStack() as works:
        for number in range(2):
            page = tab(people, color_scheme=scheme, viewport=screen)
            page.wait_for_timeout(400)
            file = folder / f"retraining-{scheme}-{wide}-{number}.png"
            page.screenshot(path=file, animations="disabled")
            assert file.stat().st_size > 10_000, "the page is blank"
            assert page.evaluate("document.documentElement.scrollWidth") <= wide
            works.enter_context(present(desk.store, "desk-1a2b3c4d"))
    page.locator(".ad-job").last.scroll_into_view_if_needed()
    page.screenshot(path=folder / f"retraining-{scheme}-{wide}-2.png", animations="disabled")
    with desk.store.begin() as connection:
        connection.execute(jobs_table.update().values(status="failed", finished_at=now()))
    desk.enough()
    page = tab(people, color_scheme=scheme, viewport=screen)
    page.get_by_role("button", name="Retrain now").click()
    page.wait_for_timeout(300)
    page.screenshot(path=folder / f"retraining-{scheme}-{wide}-3.png", animations="disabled")
