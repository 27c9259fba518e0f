"""The ratings page: answers are rated blind, one after the other; administrators see what raters said.

It is for support, for administrators, and for whom a batch names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gradio as gr

from assistant.pages import ratings_views, shell
from assistant.pages.parts import PLAIN, QUIET, bridge_js, sent, word_of
from assistant.pages.person import account_of, signed_in, told
from assistant.web.sessions import require
from core.rating_figures import figures
from core.rating_records import Given, Kept
from core.ratings import Ratings
from core.records import Principal

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

EVENTS = ("rating_start", "rating_save", "rating_skip", "rating_back", "rating_results")


def build_ratings(assistant: Assistant, page: gr.Blocks) -> None:
    """Lay out the ratings page inside `page`, which is being built."""
    events = RatingsEvents(assistant)
    with gr.Row(elem_id="ea-shell", elem_classes="ea-ratings"):
        with gr.Column(elem_id="ea-side", scale=0, min_width=0):
            gr.HTML(shell.brand(assistant.settings) + shell.pages_nav("ratings"), **PLAIN)
            account = gr.HTML(elem_id="ea-account", **PLAIN)
        with gr.Column(elem_id="ea-main", scale=1, min_width=0):
            gr.HTML(shell.top("Ratings"), elem_id="ea-top", **PLAIN)
            with gr.Column(elem_id="ea-scroll"), gr.Column(elem_id="ea-page"):
                bridge = gr.HTML("", elem_id="ea-bridge", js_on_load=bridge_js(*EVENTS), apply_default_css=False)
                view = gr.HTML(elem_id="ea-rating", **PLAIN)
        gr.HTML(shell.drawer(), elem_id="ea-drawer", **PLAIN)
    gr.HTML(shell.dialogs(), elem_id="ea-dialogs", **PLAIN)
    page.load(account_of(assistant), None, [account], **QUIET)
    page.load(events.load, None, [view], **QUIET)
    for name in EVENTS:
        getattr(bridge, name)(getattr(events, name), None, [view], **QUIET)


class RatingsEvents:
    """The page's handlers, one object for everybody."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._ratings = Ratings(assistant.store, assistant.audit)

    @told
    def load(self, request: gr.Request) -> str:
        return self._list(signed_in(self._assistant, request))

    @told
    def rating_start(self, event: gr.EventData, request: gr.Request) -> str:
        return self._next(signed_in(self._assistant, request), word_of(event, "batch"))

    @told
    def rating_save(self, event: gr.EventData, request: gr.Request) -> str:
        """Keep the rating and show the next item; after one that calibrates, what was agreed stands above it."""
        who = signed_in(self._assistant, request)
        data = sent(event)
        scores, seconds = data.get("scores"), data.get("seconds")
        given = Given(
            preferred=word_of(event, "preferred"),
            scores=scores if isinstance(scores, dict) else {},
            comment=word_of(event, "comment"),
            seconds=float(seconds) if isinstance(seconds, int | float) else 0.0,
        )
        kept = self._ratings.rate(word_of(event, "item"), who, given)
        return self._next(who, word_of(event, "batch"), kept=kept)

    @told
    def rating_skip(self, event: gr.EventData, request: gr.Request) -> str:
        return self._next(signed_in(self._assistant, request), word_of(event, "batch"), after=word_of(event, "item"))

    @told
    def rating_back(self, request: gr.Request) -> str:
        return self._list(signed_in(self._assistant, request))

    @told
    def rating_results(self, event: gr.EventData, request: gr.Request) -> str:
        """One batch in figures: for administrators, since it says whose answers were which."""
        require(signed_in(self._assistant, request), "admin")
        return ratings_views.results_html(figures(self._assistant.store, self._ratings, word_of(event, "batch")))

    def _list(self, who: Principal) -> str:
        return ratings_views.batches_html(self._ratings.open_to(who), who)

    def _next(self, who: Principal, batch_id: str, *, after: str = "", kept: Kept | None = None) -> str:
        item = self._ratings.next(batch_id, who, after=after)
        told_gold = ratings_views.calibrated_html(kept, self._ratings.batch(batch_id)) if kept else ""
        if item is None:
            return told_gold + ratings_views.finished_html(self._ratings.batch(batch_id, who.person_id))
        return told_gold + ratings_views.item_html(item)
