"""The adapters page's layout, for administrators: what serves whom, the registry, retraining, and every change.

What happens: adapters_events.py and retraining_events.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gradio as gr

from assistant.pages import shell
from assistant.pages.adapters_events import AdaptersEvents
from assistant.pages.parts import PLAIN, QUIET, bridge_js
from assistant.pages.retraining_events import RetrainingEvents

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

EVENTS = (
    "rollout_act",
    "rollout_start",
    "adapter_open",
    "adapter_act",
    "adapter_diff",
    "retrain_ask",
    "retrain_cancel",
)
REFRESH_S = 20
WHY = (
    '<dialog id="ea-why" aria-labelledby="ea-why-title"><form method="dialog"><h2 id="ea-why-title"></h2><p id="ea-why-text"></p>'
    '<label for="ea-why-reason">Why</label><input id="ea-why-reason" maxlength="1000" autocomplete="off">'
    '<p class="ea-form-error" role="alert" hidden>Say why: the reason is kept with the change.</p>'
    '<div class="ea-buttons"><button type="button" data-act="dismiss">Cancel</button><button type="submit" class="ea-primary" value="ok"></button>'
    "</div></form></dialog>"
)


def build_adapters(assistant: Assistant, page: gr.Blocks) -> None:
    """Lay out the adapters page inside `page`, which is being built."""
    events, retrain = AdaptersEvents(assistant), RetrainingEvents(assistant)
    with gr.Row(elem_id="ea-shell", elem_classes="ea-adapters"):
        with gr.Column(elem_id="ea-side", scale=0, min_width=0):
            gr.HTML(shell.brand(assistant.settings) + shell.pages_nav("adapters"), **PLAIN)
            account = gr.HTML(elem_id="ea-account", **PLAIN)
        with gr.Column(elem_id="ea-main", scale=1, min_width=0):
            gr.HTML(shell.top("Adapters", only="admin"), elem_id="ea-top", **PLAIN)
            with gr.Column(elem_id="ea-scroll"), gr.Column(elem_id="ea-page"):
                bridge = gr.HTML("", elem_id="ea-bridge", js_on_load=bridge_js(*EVENTS), apply_default_css=False)
                with gr.Tabs(elem_id="ea-tabs"):
                    with gr.Tab("In service", id="service"):
                        serving = gr.HTML(elem_id="ad-serving", **PLAIN)
                        live = gr.HTML(elem_id="ad-live", **PLAIN)
                        start = gr.HTML(elem_id="ad-start", **PLAIN)
                    with gr.Tab("Adapters", id="adapters"):
                        listing = gr.HTML(elem_id="ad-listing", **PLAIN)
                    with gr.Tab("Retraining", id="retraining"):
                        retraining = gr.HTML(elem_id="ad-retraining", **PLAIN)
                    with gr.Tab("Changes", id="changes"):
                        history = gr.HTML(elem_id="ad-history", **PLAIN)
        with gr.Column(elem_id="ea-manage", visible=False, scale=0, min_width=0) as panel:
            with gr.Row(elem_id="ea-manage-bar"):
                gr.HTML("<strong>Adapter</strong>", **PLAIN)
                close = gr.Button("Close", size="sm", elem_id="ea-manage-close")
            with gr.Column(elem_id="ea-manage-body"), gr.Tabs():
                with gr.Tab("Steps and history"):
                    detail = gr.HTML(elem_id="ad-detail", **PLAIN)
                    difference = gr.HTML(elem_id="ad-difference", **PLAIN)
                with gr.Tab("Card"):
                    told = gr.HTML(elem_id="ad-card", **PLAIN)
        gr.HTML(shell.drawer(), elem_id="ea-drawer", **PLAIN)
    gr.HTML(shell.dialogs() + WHY, elem_id="ea-dialogs", **PLAIN)

    views = [serving, live, start, listing, history]
    opened = [panel, detail, told, difference]
    page.load(events.load, None, [account, *views], **QUIET)
    page.load(retrain.shown, None, [retraining], **QUIET)
    timer = gr.Timer(REFRESH_S)
    timer.tick(events.live, None, [serving, live], **QUIET)
    timer.tick(retrain.shown, None, [retraining], **QUIET)
    bridge.rollout_act(events.rollout_act, None, [*views, panel], **QUIET)
    bridge.rollout_start(events.rollout_start, None, [*views, panel], **QUIET)
    bridge.adapter_open(events.adapter_open, None, opened, **QUIET)
    bridge.adapter_act(events.adapter_act, None, [*views, *opened], **QUIET)
    bridge.adapter_diff(events.adapter_diff, None, [difference], **QUIET)
    bridge.retrain_ask(retrain.ask, None, [retraining], **QUIET)
    bridge.retrain_cancel(retrain.cancel, None, [retraining], **QUIET)
    close.click(events.close, None, [panel], **QUIET)
