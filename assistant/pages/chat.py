"""The chat page's layout: sidebar, transcript, composer and source panel. What happens in it: chat_events.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gradio as gr

from assistant.pages import shell
from assistant.pages.chat_events import ChatEvents
from assistant.pages.parts import PLAIN, QUIET, bridge_js
from assistant.pages.person import account_of

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

EVENTS = ("again", "halt", "open", "fresh", "rename", "remove", "feedback")


NOTICE = (
    '<p id="ea-notice">AI answers may be wrong: check the sources.'
    '<span class="ea-keys"> Enter sends · Shift+Enter new line · Esc stops · / focuses</span></p>'
)


class Side:
    """The sidebar: new chats, the list of conversations, the signed-in person."""

    def __init__(self, assistant: Assistant) -> None:
        with gr.Column(elem_id="ea-side", scale=0, min_width=0):
            gr.HTML(shell.brand(assistant.settings) + shell.pages_nav("chat"), **PLAIN)
            with gr.Row(elem_id="ea-new-row"):
                self.fresh = gr.Button("New chat", elem_id="ea-new", size="sm")
                self.temporary = gr.Button("Temporary", elem_id="ea-temporary", size="sm")
            self.search = gr.Textbox(
                placeholder="Search conversations",
                label="Search conversations",
                show_label=False,
                container=False,
                elem_id="ea-search",
                max_lines=1,
            )
            self.listing = gr.HTML(elem_id="ea-list", **PLAIN)
            self.account = gr.HTML(elem_id="ea-account", **PLAIN)


class Centre:
    """Transcript, the exchange being written, and the composer."""

    def __init__(self) -> None:
        with gr.Column(elem_id="ea-main", scale=1, min_width=0):
            self.top = gr.HTML(elem_id="ea-top", **PLAIN)
            with gr.Column(elem_id="ea-scroll"):
                self.transcript = gr.HTML(elem_id="ea-transcript", **PLAIN)
                self.live = gr.HTML(elem_id="ea-live", **PLAIN)
            with gr.Column(elem_id="ea-composer"):
                with gr.Row(elem_id="ea-box"):
                    self.box = gr.Textbox(
                        placeholder="Ask a question",
                        label="Your question",
                        show_label=False,
                        container=False,
                        lines=1,
                        max_lines=8,
                        elem_id="ea-question",
                        autofocus=True,
                    )
                    self.send = gr.Button("Send", variant="primary", elem_id="ea-send", size="sm")
                    self.halt = gr.Button("Stop", elem_id="ea-stop", size="sm")
                gr.HTML(NOTICE, **PLAIN)


def build_chat(assistant: Assistant, page: gr.Blocks) -> None:
    """Lay out the chat page inside `page`, which is being built."""
    with gr.Row(elem_id="ea-shell", elem_classes="ea-chat"):
        side, centre = Side(assistant), Centre()
        gr.HTML(shell.drawer(), elem_id="ea-drawer", **PLAIN)
    gr.HTML(shell.dialogs(), elem_id="ea-dialogs", **PLAIN)
    announce = gr.HTML(
        "", elem_id="ea-announce", html_template='<p role="status" aria-live="polite">${value}</p>', **PLAIN
    )
    bridge = gr.HTML("", elem_id="ea-bridge", js_on_load=bridge_js(*EVENTS), apply_default_css=False)
    chat_id = gr.Textbox("", visible=False)
    private = gr.State(None)

    events = ChatEvents(assistant)
    view = [
        centre.box,
        centre.transcript,
        centre.live,
        announce,
        chat_id,
        private,
        side.listing,
        centre.top,
        side.search,
    ]
    for trigger in (centre.send.click, centre.box.submit):
        trigger(events.ask, [centre.box, chat_id, private], view, **QUIET)
    bridge.again(events.again, [chat_id, private], view, **QUIET)
    bridge.halt(events.stop, None, None, **QUIET)
    bridge.open(events.open, [side.search], view, **QUIET)
    bridge.fresh(events.fresh, None, view, **QUIET)
    bridge.rename(events.rename, [chat_id, side.search], [side.listing, centre.top], **QUIET)
    bridge.remove(events.remove, [chat_id, side.search], view, **QUIET)
    bridge.feedback(events.feedback, [chat_id], [centre.transcript], **QUIET)
    side.search.input(events.search, [side.search, chat_id], [side.listing], trigger_mode="always_last", **QUIET)
    side.fresh.click(None, js="() => window.eaFresh(false)")
    side.temporary.click(None, js="() => window.eaFresh(true)")
    centre.halt.click(None, js="() => window.eaStop && window.eaStop()")
    chat_id.change(None, [chat_id], None, js="(id) => window.eaAddress && window.eaAddress(id)")
    page.load(events.load, None, view, **QUIET)
    page.load(account_of(assistant), None, [side.account], **QUIET)
