"""The documents page's layout: the list, upload, what needs attention, the retrieval bench and the manage panel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from assistant.pages import shell
from assistant.pages.bench_page import build_bench
from assistant.pages.documents_events import DocumentsEvents
from assistant.pages.fields import governance_fields
from assistant.pages.library import STANDINGS
from assistant.pages.parts import PLAIN, QUIET, bridge_js
from assistant.pages.upload import build_upload

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

EVENTS = ("manage", "approve", "retire", "erase", "cancel_upload")


def build_documents(assistant: Assistant, page: gr.Blocks) -> None:
    """Lay out the documents page inside `page`, which is being built."""
    events = DocumentsEvents(assistant)
    with gr.Row(elem_id="ea-shell", elem_classes="ea-library"):
        with gr.Column(elem_id="ea-side", scale=0, min_width=0):
            gr.HTML(shell.brand(assistant.settings) + shell.pages_nav("library"), **PLAIN)
            account = gr.HTML(elem_id="ea-account", **PLAIN)
        with gr.Column(elem_id="ea-main", scale=1, min_width=0):
            gr.HTML(shell.top("Documents"), elem_id="ea-top", **PLAIN)
            with gr.Column(elem_id="ea-scroll"), gr.Column(elem_id="ea-page"):
                bridge = gr.HTML("", elem_id="ea-bridge", js_on_load=bridge_js(*EVENTS), apply_default_css=False)
                with gr.Tabs(elem_id="ea-tabs"):
                    with gr.Tab("Library", id="library"):
                        filters, listing = _list()
                    with gr.Tab("Needs attention", id="attention", visible=False) as attention_tab:
                        attention = gr.HTML(**PLAIN)
                    with gr.Tab("Upload", id="upload", visible=False) as upload_tab:
                        upload = build_upload(assistant, page, bridge)
                    with gr.Tab("Test retrieval", id="bench", visible=False) as bench_tab:
                        build_bench(assistant, page)
        with gr.Column(elem_id="ea-manage", visible=False, scale=0, min_width=0) as panel:
            manage = ManagePanel()
        gr.HTML(shell.drawer(), elem_id="ea-drawer", **PLAIN)
    gr.HTML(shell.dialogs(), elem_id="ea-dialogs", **PLAIN)

    lists = [listing, attention, attention_tab]
    words, *choices = filters
    words.input(events.filter, filters, lists, trigger_mode="always_last", **QUIET)
    for choice in choices:
        choice.change(events.filter, filters, lists, **QUIET)
    upload.finished(events.filter, filters, lists)
    page.load(events.load, None, [account, filters[1], filters[3], *lists, upload_tab, bench_tab], **QUIET)
    panel_parts = [panel, manage.key, manage.head, manage.preview, *manage.fields]
    bridge.manage(events.manage, None, panel_parts, **QUIET)
    for name, handler in (("approve", events.approve), ("retire", events.retire), ("erase", events.erase)):
        getattr(bridge, name)(handler, filters, [*lists, *panel_parts], **QUIET)
    manage.save.click(events.save, [manage.key, *manage.fields, *filters], [*lists, *panel_parts], **QUIET)
    manage.close.click(events.close, None, [panel], **QUIET)


def _list() -> tuple[list[Any], gr.HTML]:
    with gr.Row(elem_classes="ea-filters"):
        words = gr.Textbox(
            placeholder="Search title, id or owner", label="Search", show_label=False, container=False, max_lines=1
        )
        department = gr.Dropdown(
            [("All departments", "")], value="", label="Department", show_label=False, container=False
        )
        standing = gr.Dropdown(
            [("Any standing", ""), *((s.capitalize(), s) for s in STANDINGS)],
            value="",
            label="Standing",
            show_label=False,
            container=False,
        )
        language = gr.Dropdown([("Any language", "")], value="", label="Language", show_label=False, container=False)
    return [words, department, standing, language], gr.HTML(elem_id="ea-documents", **PLAIN)


class ManagePanel:
    """The manage panel's parts."""

    def __init__(self) -> None:
        with gr.Row(elem_id="ea-manage-bar"):
            gr.HTML("<strong>Manage</strong>", **PLAIN)
            self.close = gr.Button("Close", size="sm", elem_id="ea-manage-close")
        with gr.Column(elem_id="ea-manage-body"):
            self.key = gr.Textbox("", visible=False)
            self.head = gr.HTML(**PLAIN)
            with gr.Tabs():
                with gr.Tab("Metadata"):
                    self.fields = governance_fields("ea-manage")
                    self.save = gr.Button("Save metadata", variant="primary", elem_id="ea-manage-save")
                with gr.Tab("Passages"):
                    self.preview = gr.HTML(elem_id="ea-preview", **PLAIN)
