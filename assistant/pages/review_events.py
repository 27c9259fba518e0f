"""What happens on the review page. Every handler asks for the role itself: hiding a button protects nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from assistant.pages import review_case, review_figures, review_list
from assistant.pages.parts import sent, word_of
from assistant.pages.person import signed_in, told
from assistant.pages.render import language_choices
from assistant.pages.review_held import held_line
from assistant.pages.review_held_events import HeldEvents
from assistant.web.sessions import require
from core.errors import Conflict, NotAllowed, NotFound
from core.records import Principal
from core.review_file import judgement_from
from core.review_records import WANTED, Item, QueueFilter, Wanted
from core.turns import now

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

SAID = {
    "done": "Kept: this item is closed.",
    "second": "Kept: another reviewer decides next.",
    "adjudicate": "Kept: the two decisions differ, a third person settles it.",
}


class ReviewEvents:
    """The review page's handlers, one object for everybody. `values` are the filters' fields, in their order."""

    def __init__(self, assistant: Assistant, held: HeldEvents) -> None:
        self._assistant = assistant
        self._held = held
        self._reviews = assistant.reviews

    @told
    def load(self, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        """The filters' choices, the queue, the item that the address names; whether figures are shown, what is held."""
        who = self._reviewer(request)
        every = self._reviews.queue.items(who, QueueFilter(status=""))
        wanted = str(request.query_params.get("item", ""))
        case = ""
        if wanted:
            try:
                case = self._open(who, wanted)
            except NotFound:
                gr.Info("That item does not exist any more.")
        return (
            _choices("All departments", [item.department for item in every]),
            gr.update(choices=language_choices(item.language for item in every)),
            _choices("Any adapter", [item.adapter for item in every]),
            *self._lists(who, values),
            case,
            gr.update(visible=who.has_role("admin")),
            self._held.tab(len(self._held.held(who))),
        )

    @told
    def filter(self, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        return (*self._lists(self._reviewer(request), values), gr.skip())

    @told
    def refresh(self, request: gr.Request, *values: Any) -> tuple[str, str]:
        """The queue as it is by now."""
        return self._lists(self._reviewer(request), values)

    @told
    def review_open(self, event: gr.EventData, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        """Take the item, where it is this reviewer's to decide, and show it."""
        who = self._reviewer(request)
        case = self._open(who, word_of(event, "item"))
        return (*self._lists(who, values), case)

    @told
    def review_close(self, event: gr.EventData, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        """Give the item back and return to the queue."""
        who = self._reviewer(request)
        self._reviews.release(word_of(event, "item"), who)
        return (*self._lists(who, values), "")

    @told
    def review_skip(self, event: gr.EventData, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        """Give the item back and take the one that follows it in the queue."""
        who = self._reviewer(request)
        skipped = word_of(event, "item")
        self._reviews.release(skipped, who)
        queue = [item.item_id for item in self._reviews.queue.items(who, _wanted(values))]
        after = queue[queue.index(skipped) + 1 :] if skipped in queue else queue
        return self._next(who, values, after)

    @told
    def review_decide(self, event: gr.EventData, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        """Keep the decision, say what becomes of the item, and show the next one."""
        who = self._reviewer(request)
        given = _judgement(event)
        item = self._reviews.decide(word_of(event, "item"), who, judgement_from(given))
        gr.Info(SAID.get(item.status, "Kept."), duration=4)
        waiting = self._reviews.queue.items(who, _wanted(values))
        return self._next(who, values, [one.item_id for one in waiting])

    @told
    def review_hand_on(self, event: gr.EventData, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        who = self._reviewer(request)
        item = self._reviews.assign(word_of(event, "item"), word_of(event, "to"), by=who)
        gr.Info(f"Handed to {item.assigned_to}.", duration=4)
        return (*self._lists(who, values), "")

    @told
    def figures(self, request: gr.Request) -> str:
        return self._figures(require(signed_in(self._assistant, request), "admin"))

    @told
    def gold_add(self, event: gr.EventData, request: gr.Request) -> str:
        who = require(signed_in(self._assistant, request), "admin")
        self._assistant.gold.add(word_of(event, "item"), by=who)
        return self._figures(who)

    @told
    def gold_remove(self, event: gr.EventData, request: gr.Request) -> str:
        who = require(signed_in(self._assistant, request), "admin")
        self._assistant.gold.remove(word_of(event, "item"), by=who)
        return self._figures(who)

    def _reviewer(self, request: gr.Request) -> Principal:
        return require(signed_in(self._assistant, request), "support", "admin")

    def _lists(self, who: Principal, values: tuple[Any, ...]) -> tuple[str, str]:
        queue, wanted = self._reviews.queue, _wanted(values)
        items = queue.items(who, wanted)
        line = held_line(len(self._held.held(who)))
        listing = review_list.listing(items, queue.questions(review_list.shown(items)), who, now())
        return line + listing, review_list.exports(wanted)

    def _open(self, who: Principal, item_id: str) -> str:
        queue = self._reviews.queue
        if queue.case(item_id, who).may_decide:
            try:
                self._reviews.claim(item_id, who)
            except Conflict as taken:
                gr.Info(str(taken), duration=4)
        case = queue.case(item_id, who)
        colleagues = [one for one in queue.readers(item_id) if one != who.person_id]
        low = self._assistant.settings.low_evidence
        passages = [one.passage_id for one in case.passages]
        recipients = self._assistant.tasks.recipients(case.turn, passages) if case.may_decide else {}
        return review_case.case_html(case, colleagues, now(), low_evidence=low, recipients=recipients)

    def _next(self, who: Principal, values: tuple[Any, ...], candidates: list[str]) -> tuple[Any, ...]:
        """The first of the candidates that this reviewer may decide; the queue where there is none."""
        queue = self._reviews.queue
        for item_id in candidates:
            item: Item = queue.item(item_id, who)
            if item.status == "done" or item.mine or not item.allowed:
                continue
            try:
                self._reviews.claim(item_id, who)
            except (Conflict, NotAllowed, NotFound):
                continue
            return (*self._lists(who, values), self._open(who, item_id))
        gr.Info("Nothing else of this list waits for you.", duration=4)
        return (*self._lists(who, values), "")

    def _figures(self, who: Principal) -> str:
        gold = self._assistant.gold
        closed = review_list.shown(self._reviews.queue.items(who, QueueFilter(status="done")))
        questions = self._reviews.queue.questions(closed)
        return review_figures.figures(gold.agreement(who), gold.listed(who), closed, questions)


def _wanted(values: tuple[Any, ...]) -> QueueFilter:
    given = dict(zip(review_list.FILTERS, values, strict=True))
    status: Wanted = next((word for word in WANTED if word == given["status"]), "waiting")
    if given["decision"] and status == "waiting":
        status = "done"  # what waits has none yet
    words: dict[str, Any] = {name: str(given[name] or "") for name in review_list.FILTERS[1:-2]}
    older = int(given["older_than_days"] or 0)
    return QueueFilter(status, **words, older_than_days=older, overdue=bool(given["overdue"]))


def _judgement(event: gr.EventData) -> dict[str, Any]:
    """The form's values as the API takes them."""
    data = sent(event)
    kind = word_of(event, "kind")
    correction: dict[str, Any] | None = None
    if kind:
        correction = {"kind": kind, "answer": word_of(event, "answer"), "passage_id": word_of(event, "passage")}
        correction |= {"start": data.get("start") or 0, "end": data.get("end") or 0}
    return {
        "decision": word_of(event, "decision"),
        "correction": correction,
        "note": word_of(event, "note"),
        "seconds": data.get("seconds") or 0.0,
    }


def _choices(every: str, found: list[str]) -> Any:
    return gr.update(choices=[(every, ""), *sorted(set(found) - {""})])
