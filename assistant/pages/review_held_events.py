"""What happens on the tab of held items. What may be done, and by whom, `core.datasets` decides, as for the command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from assistant.pages.parts import word_of
from assistant.pages.person import signed_in, told
from assistant.pages.review_held import HeldItem, held_case, held_list
from assistant.web.sessions import require
from core.datasets import Hold
from core.errors import BadInput, NotFound
from core.records import Principal

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

GONE = "This item is not held any more: go back to what is held."


class HeldEvents:
    """The tab's handlers, one object for everybody. Each gives the list, the case and the tab with its number."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant

    def held(self, who: Principal) -> list[HeldItem]:
        """What is held of the items that this reviewer may know of, held longest first."""
        holds: dict[str, list[Hold]] = {}
        for one in self._assistant.datasets.holds():
            holds.setdefault(one.item_id, []).append(one)
        items = self._assistant.reviews.queue.named(list(holds), who)
        return [HeldItem(item, tuple(holds[item.item_id])) for item in items if item.decision in (None, "train")]

    def tab(self, count: int) -> Any:
        return gr.update(label=f"Held back ({count})" if count else "Held back")

    @told
    def held_load(self, request: gr.Request) -> tuple[Any, ...]:
        return self._shown(self._reviewer(request))

    @told
    def held_open(self, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        who = self._reviewer(request)
        return self._shown(who, word_of(event, "item"))

    @told
    def held_close(self, request: gr.Request) -> tuple[Any, ...]:
        return self._shown(self._reviewer(request))

    @told
    def held_decide(self, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """Release an item, or reject it, with a note."""
        who = self._reviewer(request)
        item_id, act, note = (word_of(event, name) for name in ("item", "act", "note"))
        self._one(who, item_id)
        self._assistant.reviews.queue.require_readable([item_id], who)
        if act not in ("release", "reject"):
            raise BadInput("The page sent neither a release nor a rejection: reload it.")
        decide = self._assistant.datasets.release if act == "release" else self._assistant.datasets.reject
        decide([item_id], actor=who.person_id, note=note)
        said = "Released: the next dataset may have it." if act == "release" else "Rejected: it is never trained on."
        gr.Info(said, duration=4)
        return self._shown(who)

    def _shown(self, who: Principal, item_id: str = "") -> tuple[Any, ...]:
        held = self.held(who)
        questions = self._assistant.reviews.queue.questions([one.item for one in held])
        return held_list(held, questions), self._case(who, item_id) if item_id else "", self.tab(len(held))

    def _case(self, who: Principal, item_id: str) -> str:
        one = self._one(who, item_id)
        case = self._assistant.reviews.queue.case(item_id, who)
        involved = who.person_id in self._assistant.datasets.involved([item_id])
        return held_case(one, case, involved=involved, low_evidence=self._assistant.settings.low_evidence)

    def _one(self, who: Principal, item_id: str) -> HeldItem:
        found = next((one for one in self.held(who) if one.item.item_id == item_id), None)
        if found is None:
            raise NotFound(GONE)
        return found

    def _reviewer(self, request: gr.Request) -> Principal:
        return require(signed_in(self._assistant, request), "support", "admin")
