"""The guards page's layout, for administrators: what each rail did, what it stopped, and the policy. What happens: guards_events.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from assistant.pages import guards_views, shell
from assistant.pages.guards_events import GuardsEvents
from assistant.pages.parts import PLAIN, QUIET, bridge_js
from assistant.pages.person import account_of

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

EVENTS = ("guard_report", "guard_decide", "policy_apply", "policy_load")
DRY_RUNS = (50, 200, 1000)


def build_guards(assistant: Assistant, page: gr.Blocks) -> None:
    """Lay out the guards page inside `page`, which is being built."""
    events = GuardsEvents(assistant)
    with gr.Row(elem_id="ea-shell", elem_classes="ea-guards"):
        with gr.Column(elem_id="ea-side", scale=0, min_width=0):
            gr.HTML(shell.brand(assistant.settings) + shell.pages_nav("guards"), **PLAIN)
            account = gr.HTML(elem_id="ea-account", **PLAIN)
        with gr.Column(elem_id="ea-main", scale=1, min_width=0):
            gr.HTML(shell.top("Guards", only="admin"), elem_id="ea-top", **PLAIN)
            with gr.Column(elem_id="ea-scroll"), gr.Column(elem_id="ea-page"):
                bridge = gr.HTML("", elem_id="ea-bridge", js_on_load=bridge_js(*EVENTS), apply_default_css=False)
                with gr.Tabs(elem_id="ea-tabs"):
                    with gr.Tab("Rails", id="rails"):
                        with gr.Row(elem_classes="ea-filters"):
                            days = _choice(guards_views.PERIODS, 7, "Period", "gd-days")
                        rails = gr.HTML(elem_id="gd-rails", **PLAIN)
                    with gr.Tab("Stopped", id="stopped") as stopped_tab:
                        with gr.Row(elem_classes="ea-filters"):
                            rail = _choice([("Every rail", "")], "", "Rail", "gd-rail")
                        stopped = gr.HTML(elem_id="gd-stopped", **PLAIN)
                    with gr.Tab("Reports", id="reports") as reports_tab:
                        reports = gr.HTML(elem_id="gd-reports", **PLAIN)
                    with gr.Tab("Policy", id="policy"):
                        editor = PolicyEditor()
        gr.HTML(shell.drawer(), elem_id="ea-drawer", **PLAIN)
    gr.HTML(shell.dialogs(), elem_id="ea-dialogs", **PLAIN)

    policy = [editor.head, editor.versions]
    page.load(account_of(assistant), None, [account], **QUIET)
    page.load(events.load, days, [rails, rail, *policy, editor.text], **QUIET)
    days.change(events.rails, days, rails, **QUIET)
    rail.change(events.stopped, rail, stopped, **QUIET)
    stopped_tab.select(events.stopped, rail, stopped, **QUIET)
    reports_tab.select(events.reports, None, reports, **QUIET)
    bridge.guard_report(events.guard_report, rail, [stopped, reports], **QUIET)
    bridge.guard_decide(events.guard_decide, None, [reports], **QUIET)
    bridge.policy_load(events.policy_load, None, [editor.text, editor.said], **QUIET)
    bridge.policy_apply(events.policy_apply, None, [*policy, editor.said], **QUIET)
    editor.check.click(events.check, editor.text, editor.said, **QUIET)
    editor.dry_run.click(events.dry_run, [editor.text, editor.last], editor.said, show_progress="minimal", api_visibility="private")  # fmt: skip
    editor.save.click(events.save, [editor.text, editor.why], [editor.versions, editor.said, editor.why], **QUIET)


class PolicyEditor:
    """The parts of the policy's tab."""

    def __init__(self) -> None:
        self.head = gr.HTML(elem_id="gd-in-force", **PLAIN)
        self.text = gr.Code(
            language="yaml", label="Policy", lines=18, max_lines=26, elem_id="gd-policy", interactive=True
        )
        with gr.Row(elem_classes="gd-actions"):
            self.check = gr.Button("Check", size="sm", elem_id="gd-check")
            self.last = _choice([(f"the last {n} turns", n) for n in DRY_RUNS], DRY_RUNS[0], "Turns", "gd-last")
            self.dry_run = gr.Button("Dry run", size="sm", elem_id="gd-dry-run")
        self.said = gr.HTML(elem_id="gd-said", **PLAIN)
        with gr.Row(elem_classes="gd-actions"):
            self.why = gr.Textbox(
                placeholder="Why is it changed?",
                label="Why",
                show_label=False,
                container=False,
                max_lines=1,
                elem_id="gd-why",
            )
            self.save = gr.Button("Save as a version", size="sm", variant="primary", elem_id="gd-save")
        self.versions = gr.HTML(elem_id="gd-versions", **PLAIN)


def _choice(choices: Any, value: Any, label: str, elem_id: str) -> gr.Dropdown:
    return gr.Dropdown(list(choices), value=value, label=label, show_label=False, container=False, elem_id=elem_id)
