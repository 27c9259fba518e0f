"""The review page's layout: the queue with its filters, one item at work, what is held back, and the figures.

What happens: review_events.py and review_held_events.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from assistant.pages import review_list, shell
from assistant.pages.parts import PLAIN, QUIET, bridge_js
from assistant.pages.person import account_of
from assistant.pages.review_events import ReviewEvents
from assistant.pages.review_held_events import HeldEvents

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

REFRESH_S = 60
"""The queue under an open case is brought up to date as well; the case stays as it is."""
EVENTS = ("review_open", "review_close", "review_skip", "review_decide", "review_hand_on", "gold_add", "gold_remove")
HELD_EVENTS = ("held_open", "held_close", "held_decide")


def build_review(assistant: Assistant, page: gr.Blocks) -> None:
    """Lay out the review page inside `page`, which is being built."""
    held_events = HeldEvents(assistant)
    events = ReviewEvents(assistant, held_events)
    with gr.Row(elem_id="ea-shell", elem_classes="ea-review"):
        with gr.Column(elem_id="ea-side", scale=0, min_width=0):
            gr.HTML(shell.brand(assistant.settings) + shell.pages_nav("review"), **PLAIN)
            account = gr.HTML(elem_id="ea-account", **PLAIN)
        with gr.Column(elem_id="ea-main", scale=1, min_width=0):
            gr.HTML(shell.top("Review", only="support"), elem_id="ea-top", **PLAIN)
            with gr.Column(elem_id="ea-scroll"), gr.Column(elem_id="ea-page"):
                bridge = gr.HTML(
                    "", elem_id="ea-bridge", js_on_load=bridge_js(*EVENTS, *HELD_EVENTS), apply_default_css=False
                )
                with gr.Tabs(elem_id="ea-tabs"):
                    with gr.Tab("Queue", id="queue"), gr.Column(elem_id="ea-review"):
                        with gr.Column(elem_classes="rv-queue"):
                            filters = _filters()
                            listing = gr.HTML(elem_id="ea-queue", **PLAIN)
                            export = gr.HTML(**PLAIN)
                        case = gr.HTML(elem_id="ea-case", **PLAIN)
                    with gr.Tab("Held back", id="held") as held_tab, gr.Column(elem_id="ea-held"):
                        held = gr.HTML(elem_id="ea-held-list", **PLAIN)
                        held_case = gr.HTML(elem_id="ea-held-case", **PLAIN)
                    with gr.Tab("Figures", id="figures", visible=False) as figures_tab:
                        figures = gr.HTML(elem_id="ea-figures", **PLAIN)
        gr.HTML(shell.drawer(), elem_id="ea-drawer", **PLAIN)
    gr.HTML(shell.dialogs(), elem_id="ea-dialogs", **PLAIN)

    view = [listing, export, case]
    for one in filters:
        one.change(events.filter, filters, view, **QUIET)
    opened = [filters[2], filters[3], filters[4], *view, figures_tab, held_tab]
    gr.Timer(REFRESH_S).tick(events.refresh, filters, [listing, export], **QUIET)
    page.load(account_of(assistant), None, [account], **QUIET)
    page.load(events.load, filters, opened, **QUIET)
    for name in EVENTS[:5]:
        getattr(bridge, name)(getattr(events, name), filters, view, **QUIET)
    for name in HELD_EVENTS:
        getattr(bridge, name)(getattr(held_events, name), None, [held, held_case, held_tab], **QUIET)
    held_tab.select(held_events.held_load, None, [held, held_case, held_tab], **QUIET)
    bridge.gold_add(events.gold_add, None, [figures], **QUIET)
    bridge.gold_remove(events.gold_remove, None, [figures], **QUIET)
    figures_tab.select(events.figures, None, [figures], **QUIET)


def _filters() -> list[Any]:
    """The filters' fields, in the order of `review_list.FILTERS`."""
    choices: dict[str, tuple[str, list[Any], Any]] = {
        "status": ("Status", review_list.status_choices(), "waiting"),
        "source": ("Kind", review_list.source_choices(), ""),
        "department": ("Department", [("All departments", "")], ""),
        "language": ("Language", [("Any language", "")], ""),
        "adapter": ("Adapter", [("Any adapter", "")], ""),
        "reason": ("Reason", review_list.reason_choices(), ""),
        "assignee": ("Held by", [("Held by anybody", ""), ("Held by nobody", "nobody"), ("Held by me", "me")], ""),
        "decision": ("Decision", review_list.decision_choices(), ""),
        "older_than_days": ("Age", list(review_list.AGES), 0),
        "overdue": ("Due", list(review_list.DUES), ""),
    }
    with gr.Row(elem_classes="ea-filters"):
        return [
            gr.Dropdown(
                offered, value=value, label=name, show_label=False, container=False, elem_id=f"ea-filter-{field}"
            )
            for field, (name, offered, value) in choices.items()
        ]
