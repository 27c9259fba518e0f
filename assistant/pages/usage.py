"""The usage page, for administrators: how much is asked, what becomes of it, how long it takes, and what drifts. No words, no names."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import gradio as gr

from assistant.pages import shell, usage_views
from assistant.pages.drift_views import drift_html
from assistant.pages.parts import PLAIN, QUIET
from assistant.pages.person import account_of, signed_in, told
from assistant.web.sessions import require
from core.drift_checks import DriftChecks
from core.errors import BadInput
from core.records import Principal
from core.retraining import next_time
from core.turns import now
from core.usage import adapters, usage

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

MOST_CHECKS = 400


def build_usage(assistant: Assistant, page: gr.Blocks) -> None:
    """Lay out the usage page inside `page`, which is being built."""
    events = UsageEvents(assistant)
    with gr.Row(elem_id="ea-shell", elem_classes="ea-usage"):
        with gr.Column(elem_id="ea-side", scale=0, min_width=0):
            gr.HTML(shell.brand(assistant.settings) + shell.pages_nav("usage"), **PLAIN)
            account = gr.HTML(elem_id="ea-account", **PLAIN)
        with gr.Column(elem_id="ea-main", scale=1, min_width=0):
            gr.HTML(shell.top("Usage", only="admin"), elem_id="ea-top", **PLAIN)
            with gr.Column(elem_id="ea-scroll"), gr.Column(elem_id="ea-page"):
                with gr.Row(elem_classes="ea-filters"):
                    days = _choice(usage_views.PERIODS, usage_views.PERIODS[1][1], "Period", "us-days")
                    adapter = _choice([("Every adapter", "")], "", "Adapter", "us-adapter")
                view = gr.HTML(elem_id="us-view", **PLAIN)
                drift = gr.HTML(elem_id="us-drift", **PLAIN)
        gr.HTML(shell.drawer(), elem_id="ea-drawer", **PLAIN)
    gr.HTML(shell.dialogs(), elem_id="ea-dialogs", **PLAIN)
    page.load(account_of(assistant), None, [account], **QUIET)
    page.load(events.load, [days, adapter], [adapter, view, drift], **QUIET)
    for one in (days, adapter):
        one.change(events.show, [days, adapter], [view, drift], **QUIET)


class UsageEvents:
    """The page's handlers, one object for everybody."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant

    @told
    def load(self, request: gr.Request, days: int, adapter: str) -> tuple[Any, ...]:
        self._admin(request)
        known = [("Every adapter", ""), *adapters(self._assistant.store)]
        return gr.update(choices=known), *self._views(days, adapter)

    @told
    def show(self, request: gr.Request, days: int, adapter: str) -> tuple[str, str]:
        self._admin(request)
        return self._views(days, adapter)

    def _admin(self, request: gr.Request) -> Principal:
        return require(signed_in(self._assistant, request), "admin")

    def _views(self, days: int, adapter: str) -> tuple[str, str]:
        """Usage, and drift in the same time."""
        if int(days) not in {n for _, n in usage_views.PERIODS}:
            raise BadInput("Choose a period from the list.")
        store, at, schedule = self._assistant.store, now(), self._assistant.settings.drift_schedule
        checks = DriftChecks(store).history(limit=MOST_CHECKS, since=at - timedelta(days=int(days)))
        drift = drift_html(checks, at=at, days=int(days), due_next=next_time(schedule, at))
        return usage_views.usage_html(usage(store, int(days), adapter=adapter or "")), drift


def _choice(choices: Any, value: Any, label: str, elem_id: str) -> gr.Dropdown:
    return gr.Dropdown(list(choices), value=value, label=label, show_label=False, container=False, elem_id=elem_id)
