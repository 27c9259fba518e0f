"""What happens on the tab Retraining of the adapters page. Every handler asks for the role itself: hiding a button protects nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr

from assistant.pages.parts import word_of
from assistant.pages.person import signed_in, told
from assistant.pages.retraining_views import Shown, retraining_html
from assistant.web.sessions import require
from core.errors import BadInput
from core.gate import read_report
from core.jobs import Job, Jobs
from core.records import Principal
from core.retraining import ask_where_it_may, outlook
from core.turns import now
from core.workers import last_seen, running

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

SHOWN_JOBS = 30


class RetrainingEvents:
    """The tab's handlers, one object for everybody. A worker does what is asked for here: pages train nothing."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._jobs = Jobs(assistant.store, assistant.audit)

    @told
    def shown(self, request: gr.Request) -> str:
        return self._view() if signed_in(self._assistant, request).has_role("admin") else ""

    @told
    def ask(self, request: gr.Request) -> str:
        """What `python -m training retrain` asks for, in this administrator's name."""
        job = ask_where_it_may(self._assistant, self._jobs, actor=self._admin(request).person_id)
        gr.Info(f"{job.job_id} is asked for.", duration=4)
        return self._view()

    @told
    def cancel(self, event: gr.EventData, request: gr.Request) -> str:
        self._jobs.cancel(word_of(event, "job"), actor=self._admin(request).person_id)
        gr.Info("Taken back.", duration=3)
        return self._view()

    def _admin(self, request: gr.Request) -> Principal:
        return require(signed_in(self._assistant, request), "admin")

    def _view(self) -> str:
        here, store = self._assistant, self._assistant.store
        jobs = [_with_gate(job) for job in self._jobs.all(limit=SHOWN_JOBS)]
        return retraining_html(outlook(here, self._jobs), running(store), jobs, at=now(), last_seen=last_seen(store))


def _with_gate(job: Job) -> Shown:
    shown = Shown(job)
    if not shown.gate_closed:
        return shown
    try:
        report = read_report(Path(str(job.results["gate"].get("report", ""))))
    except (
        BadInput
    ):  # the worker's disk is another one, or the file was deleted: the names of the checks are kept with the job
        return shown
    return Shown(job, [check for check in report.checks if not check.passed])
