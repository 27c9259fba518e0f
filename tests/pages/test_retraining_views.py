"""What the tab Retraining shows: every text escaped, each state in words, and what to do where something is to be done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from assistant.pages.retraining_views import STATES, Shown, retraining_html
from core.gate import GateCheck
from core.jobs import Job
from core.retraining import Outlook
from core.workers import Seen

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
HOSTILE = '<img src=x onerror="window.hacked=1"> ${window.hacked=1} {{#each value}}'
NEXT = Outlook(approved=20, gathered=12, wanted=50, scheduled=AT, unread="", job=None)
RUNNING = [Seen("host-1", AT, AT)]


def job(status: Any, **given: Any) -> Job:
    values: dict[str, Any] = {
        "job_id": "retrain-1",
        "kind": "retrain",
        "trigger": "hand",
        "status": status,
        "step": "train",
        "details": {"results": {}},
        "error": "",
        "lease_owner": "",
        "lease_until": None,
        "fence": 0 if status == "queued" else 1,
        "requested_by": "ana",
        "created_at": AT,
        "finished_at": None,
    }
    return Job(**values | given)


def html(*jobs: Shown, found: Outlook = NEXT, workers: list[Seen] = RUNNING, last_seen: datetime | None = None) -> str:
    return retraining_html(found, workers, jobs, at=AT, last_seen=last_seen)


def test_texts_are_escaped_everywhere() -> None:
    results = {
        "dataset": {"dataset_id": HOSTILE},
        "register": {"adapter": HOSTILE},
        "gate": {"rate": 0.5, "n": HOSTILE},
    }
    closed = {"register": {"adapter": HOSTILE}, "gate": {"passed": False, "run_id": HOSTILE, "broken": [HOSTILE]}}
    shown = html(
        Shown(job("failed", error=HOSTILE, requested_by=HOSTILE, step=HOSTILE, details={"results": results})),
        Shown(job("failed", details={"results": closed})),
        Shown(job("failed", details={"results": closed}), [GateCheck(HOSTILE, False, HOSTILE)]),
        Shown(job("waiting", requested_by=HOSTILE.replace(":", ""))),
        found=Outlook(20, 12, 50, None, HOSTILE, job("queued", job_id=HOSTILE)),
        workers=[Seen(HOSTILE, AT, AT)],
    )
    shown += html(found=Outlook(20, 12, 50, None, HOSTILE, job("queued", job_id=HOSTILE)), workers=[])
    for live in ("<img src=x", "${", "{{"):
        assert live not in shown


@pytest.mark.parametrize("status", list(STATES))
def test_each_state_has_its_word_and_only_what_waits_for_a_worker_can_be_cancelled(status: Any) -> None:
    shown = html(Shown(job(status)))
    assert f">{STATES[status]}</span>" in shown
    assert ('data-event="retrain_cancel"' in shown) == (status == "queued")
    assert ("aria-current=step" in shown) == (status == "running")


def test_what_a_stopped_worker_gave_back_says_where_it_goes_on_and_what_cancelling_it_leaves() -> None:
    shown = html(Shown(job("queued", fence=1)))
    assert ">waits to go on</span>" in shown and "goes on at the step training" in shown
    assert "aria-current=step" in shown and "Nothing was made of it yet." in shown
    assert "before a worker begins it" not in shown
    made = {"dataset": {"dataset_id": "ds-1"}, "register": {"adapter": "reader-v1"}}
    late = html(Shown(job("queued", fence=1, step="gate", trigger="count", details={"results": made})))
    assert "Its dataset and its adapter stay as they are. The approved items stay, and as many" in late
    found = Outlook(20, 12, 50, None, "", job("queued", fence=1))
    assert "A retraining waits to go on at the step train: retrain-1." in html(found=found)


def test_how_near_the_next_one_is_and_how_it_could_start_by_itself() -> None:
    assert "12 of 50 new ones that start a retraining by themselves" in html()
    assert "2026-11-20 09:30 UTC" in html()
    never = html(found=Outlook(20, 12, 0, None, "", None))
    assert "ASSISTANT_RETRAIN_AFTER is 0" in never and "ASSISTANT_RETRAIN_SCHEDULE is empty" in never
    assert "No time can be read in ASSISTANT_RETRAIN_SCHEDULE=0 25 1 1 *" in html(found=Outlook(20, 12, 0, None, "0 25 1 1 *", None))  # fmt: skip


def test_without_a_worker_it_says_what_waits_for_one() -> None:
    assert "No worker runs" not in html()
    assert "neither the number of items nor the schedule starts a retraining" in html(workers=[])
    assert "enough items have gathered" in html(found=Outlook(60, 50, 50, AT, "", None), workers=[])
    shown = html(found=Outlook(20, 12, 50, AT, "", job("queued")), workers=[], last_seen=AT)
    assert "retrain-1 waits for one" in shown and "The last one was seen at" in shown


def test_a_button_that_can_only_fail_is_off_and_says_why() -> None:
    assert "disabled" not in html()
    assert "disabled" in html(found=Outlook(7, 7, 50, AT, "", None))
    assert "approved 7 items so far" in html(found=Outlook(7, 7, 50, AT, "", None))
    assert "A retraining is queued already: retrain-1." in html(found=Outlook(20, 12, 50, AT, "", job("queued")))


def test_a_lease_that_is_over_says_that_the_worker_is_gone() -> None:
    over, held = (job("running", lease_until=AT + by) for by in (timedelta(0), timedelta(seconds=1)))
    for said in ("Its worker gives no sign any more", 'data-event="retrain_cancel"', "no worker is at it now"):
        assert said in html(Shown(over))
        assert said not in html(Shown(held))


def test_a_closed_gate_is_told_also_where_its_report_cannot_be_read() -> None:
    closed = {"gate": {"passed": False, "run_id": "run-1", "broken": ["pass rate"]}}
    failed = job("failed", error="The gate is closed. Report: /srv/x.json", details={"results": closed})
    assert "<li>pass rate</li>" in html(Shown(failed))
    assert "<li><strong>pass rate</strong>: 78% of 220; at least 85%</li>" in html(
        Shown(failed, [GateCheck("pass rate", False, "78% of 220; at least 85%")])
    )
    assert "gate closed</span>" in html(Shown(failed)) and "/srv/x.json" not in html(Shown(failed))


def test_who_may_approve_is_said_of_what_waits() -> None:
    assert "Any administrator but ana, who asked for it, may approve it" in html(Shown(job("waiting")))
    assert "Any administrator may approve it" in html(
        Shown(job("waiting", trigger="count", requested_by="worker:count"))
    )
