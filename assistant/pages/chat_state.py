"""What the chat page's handlers pass around: the parts of the page, a temporary chat, an answer on its way."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, fields
from typing import Any

import gradio as gr

from assistant.pages import render
from core.records import Answer, Question

KEEP: Any = object()
TEMPORARY = "temporary"
"""The conversation id of a temporary chat in the browser; the store never sees it."""


@dataclass(frozen=True, slots=True)
class PrivateChat:
    """A temporary chat: only this browser tab holds it, and only its person sees it."""

    person_id: str
    exchanges: tuple[render.Shown, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """The page's changeable parts, in the order of chat.py's `view` list; KEEP leaves a part as it is."""

    box: Any = KEEP
    transcript: Any = KEEP
    live: Any = KEEP
    announce: Any = KEEP
    chat_id: Any = KEEP
    private: Any = KEEP
    listing: Any = KEEP
    top: Any = KEEP
    search: Any = KEEP

    def values(self) -> tuple[Any, ...]:
        parts = (getattr(self, part.name) for part in fields(self))
        return tuple(gr.skip() if part is KEEP else part for part in parts)


@dataclass(slots=True)
class Writing:
    """One answer on its way to the page."""

    question: Question
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    pieces: list[str] = field(default_factory=list)
    turn_id: str = ""
    conversation_id: str = ""
    adapter: str = ""
    answer: Answer | None = None

    def shown(self) -> render.Shown:
        """What a temporary chat keeps: the finished answer, or what was there when it was stopped."""
        if self.answer is not None:
            return render.shown_answer(self.question, self.answer)
        text = "".join(self.pieces)
        return render.Shown(self.turn_id, self.question.text, text, "stopped", "", (), self.adapter, 0.0, False)
