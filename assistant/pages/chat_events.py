"""What happens on the chat page. The person always comes from the signed-in request, the conversations from the store.

The browser's word is taken for nothing else: a conversation or turn id in an event is looked up in the person's own
name, and a temporary chat lives in the tab's session state, under the name of the person who opened it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import aclosing, closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast, get_args

import gradio as gr

from assistant.answerer import Finished, Sentence, Started
from assistant.pages import render, shell
from assistant.pages.chat_state import KEEP, TEMPORARY, PrivateChat, View, Writing
from assistant.pages.parts import sent
from assistant.pages.person import UNFORESEEN, noted, signed_in, told
from assistant.pages.running import Running
from assistant.pages.welcome import suggestions, welcome
from assistant.web.threads import each
from core.errors import AssistantError, BadInput
from core.records import Feedback, FeedbackKind, Message, Principal, Question, Turn
from core.turns import new_id, now

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant


class ChatEvents:
    """The chat page's handlers. One object serves everybody, so it holds nobody's text."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._running = Running()

    @told
    def load(self, request: gr.Request) -> tuple[Any, ...]:
        """The page as it opens: the conversation that the address names, or the empty state."""
        person = signed_in(self._assistant, request)
        wanted = str(request.query_params.get("c", ""))
        try:
            view = self._conversation_view(person, "" if wanted == TEMPORARY else wanted)
        except AssistantError:
            gr.Info("That conversation does not exist any more.")
            view = self._conversation_view(person, "")
        return view.values()

    @told
    def open(self, words: str, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """A conversation; the list stays filtered as it was."""
        person = signed_in(self._assistant, request)
        chat_id = _word(event, "id")
        view = self._conversation_view(person, chat_id)
        return replace(view, listing=self._listing(person, chat_id, words), search=KEEP).values()

    @told
    def fresh(self, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """An empty chat, a temporary one where asked for."""
        person = signed_in(self._assistant, request)
        chat_id = TEMPORARY if event._data.get("temporary") is True else ""
        return self._conversation_view(person, chat_id).values()

    @told
    def search(self, words: str, chat_id: str, request: gr.Request) -> str:
        return self._listing(signed_in(self._assistant, request), chat_id, words)

    @told
    def rename(self, chat_id: str, words: str, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        person = signed_in(self._assistant, request)
        title = _word(event, "title").strip()
        if not title:
            raise BadInput("Type a title.")
        self._assistant.turns.rename(_word(event, "id"), person.person_id, title)
        return self._listing(person, chat_id, words), self._top(person, chat_id)

    @told
    def remove(self, chat_id: str, words: str, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        person = signed_in(self._assistant, request)
        gone = _word(event, "id")
        self._assistant.turns.delete(gone, person.person_id)
        self._assistant.audit.append(person.person_id, "conversation.delete", gone)
        if gone == chat_id:
            return self._conversation_view(person, "").values()
        return View(listing=self._listing(person, chat_id, words)).values()

    @told
    def feedback(self, chat_id: str, event: gr.EventData, request: gr.Request) -> str:
        """Keep a thumb or a flag, and draw it pressed."""
        person = signed_in(self._assistant, request)
        kind = _kind(_word(event, "kind"))
        reasons = tuple(r for r in event._data.get("reasons", ()) if r in shell.FLAG_REASONS)
        comment, expected = _word(event, "comment")[:2000].strip(), _word(event, "expected")[:4000].strip()
        if kind == "flag" and not (reasons or comment or expected):
            raise BadInput("Choose a reason, or write a comment.")
        self._assistant.turns.add_feedback(
            Feedback(new_id(), _word(event, "turn"), person.person_id, kind, now(), reasons, comment, expected)
        )
        gr.Info("Thank you: a reviewer will read your report." if kind == "flag" else "Thank you.", duration=3)
        return self._transcript(self._stored(person, chat_id), chat_id)

    @told
    def stop(self, event: gr.EventData, request: gr.Request) -> None:
        self._running.stop(signed_in(self._assistant, request).person_id, _word(event, "run"))

    async def ask(
        self, text: str, chat_id: str, private: PrivateChat | None, request: gr.Request
    ) -> AsyncIterator[tuple[Any, ...]]:
        async with aclosing(each(self._answered(text, chat_id, private, request))) as views:
            async for view in views:
                yield view

    async def again(
        self, chat_id: str, private: PrivateChat | None, event: gr.EventData, request: gr.Request
    ) -> AsyncIterator[tuple[Any, ...]]:
        """Answer the last question again, as it was or as edited."""
        text, turn_id = _word(event, "text"), _word(event, "turn")
        async with aclosing(each(self._answered(text, chat_id, private, request, replaces=turn_id))) as views:
            async for view in views:
                yield view

    def _answered(
        self, text: str, chat_id: str, private: PrivateChat | None, request: gr.Request, *, replaces: str = ""
    ) -> Generator[tuple[Any, ...]]:
        try:
            person = signed_in(self._assistant, request)
            before = self._exchanges(person, chat_id, private)
            if replaces:
                text = text.strip() or _last(before, replaces).question
                before = before[:-1]
            if unfit := _unfit(text, self._assistant.settings.max_question_chars):
                yield View(box=text, live=render.unsent(unfit), announce=unfit).values()
                return
            yield from self._write(_question(text, person, chat_id, replaces, before), chat_id, before)
        except AssistantError as error:
            yield View(box=text, live=render.problem(text, str(error)), announce="This did not work.").values()
        except Exception as error:  # noqa: BLE001 - the request's boundary
            noted(error, "chat.answer")
            yield View(box=text, live=render.problem(text, UNFORESEEN), announce=UNFORESEEN).values()

    def _write(self, question: Question, chat_id: str, before: list[render.Shown]) -> Iterator[tuple[Any, ...]]:
        writing = Writing(question)
        yield View(
            box="",
            transcript=self._transcript(before, chat_id, open_ended=True),
            live=render.waiting(question.text, (), writing.run_id),
            announce="Searching the documents.",
        ).values()
        with (
            self._running.started(question.person.person_id, writing.run_id) as stop,
            closing(self._assistant.answerer.stream_of_share(question)) as stream,
        ):
            for event in stream:
                if said := self._take(writing, event):
                    yield View(
                        live=render.waiting(question.text, writing.pieces, writing.run_id), announce=said
                    ).values()
                if stop.is_set():
                    break
        yield self._finished(writing, chat_id, before).values()

    def _take(self, writing: Writing, event: Started | Sentence | Finished) -> str:
        """Note one event of the stream; returns the text to read out, if any."""
        if isinstance(event, Started):
            writing.turn_id, writing.adapter = event.turn_id, event.adapter
            writing.conversation_id = event.conversation_id or ""
        elif isinstance(event, Sentence):
            writing.pieces.append(event.text)
            return render.spoken(event.text)
        else:
            writing.answer = event.answer
        return ""

    def _finished(self, writing: Writing, chat_id: str, before: list[render.Shown]) -> View:
        person = writing.question.person
        if chat_id == TEMPORARY:
            exchanges = [*before, writing.shown()]
            return View(
                transcript=self._transcript(exchanges, chat_id),
                live="",
                announce=render.summary(exchanges[-1]),
                private=PrivateChat(person.person_id, tuple(exchanges)),
            )
        chat_id = writing.conversation_id
        exchanges = self._stored(person, chat_id)
        return View(
            transcript=self._transcript(exchanges, chat_id),
            live="",
            announce=render.summary(exchanges[-1]) if exchanges else "",
            chat_id=chat_id,
            listing=self._listing(person, chat_id),
            top=self._top(person, chat_id),
            search="",
        )

    def _conversation_view(self, person: Principal, chat_id: str) -> View:
        return View(
            transcript=self._transcript(self._stored(person, chat_id), chat_id, person=person),
            live="",
            announce="",
            chat_id=chat_id,
            private=PrivateChat(person.person_id) if chat_id == TEMPORARY else None,
            listing=self._listing(person, chat_id),
            top=self._top(person, chat_id),
            search="",
        )

    def _exchanges(self, person: Principal, chat_id: str, private: PrivateChat | None) -> list[render.Shown]:
        if chat_id != TEMPORARY:
            return self._stored(person, chat_id)
        return list(private.exchanges) if private is not None and private.person_id == person.person_id else []

    def _stored(self, person: Principal, chat_id: str) -> list[render.Shown]:
        if chat_id in ("", TEMPORARY):
            return []
        turns: list[Turn] = self._assistant.turns.of_conversation(chat_id, person.person_id)
        given = self._assistant.turns.feedback_on([t.turn_id for t in turns])
        pairs = [(f.turn_id, f.kind) for f in given if f.person_id == person.person_id]
        return [render.shown_turn(t, self._assistant.settings.low_evidence, pairs) for t in turns]

    def _transcript(
        self,
        exchanges: list[render.Shown],
        chat_id: str,
        *,
        open_ended: bool = False,
        person: Principal | None = None,
    ) -> str:
        """The conversation as HTML; `open_ended` while a newer question is being answered below it."""
        temporary = chat_id == TEMPORARY
        if not exchanges:
            return (
                welcome(person, self._assistant.settings, suggestions(self._assistant, person), temporary=temporary)
                if person
                else ""
            )
        last = None if open_ended else exchanges[-1].turn_id
        return "".join(render.exchange(e, last=e.turn_id == last, temporary=temporary) for e in exchanges)

    def _listing(self, person: Principal, chat_id: str, words: str = "") -> str:
        found = self._assistant.turns.conversations(person.person_id, words)
        return shell.conversations(found, chat_id, searched=bool(words.strip()), today=datetime.now(UTC).date())

    def _top(self, person: Principal, chat_id: str) -> str:
        if chat_id == TEMPORARY:
            return shell.top("Temporary chat", note="Not kept: it leaves no history and cannot be reported.")
        title = shell.titled(self._assistant.turns.conversation(chat_id, person.person_id)) if chat_id else ""
        return shell.top(title)


def _unfit(text: str, limit: int) -> str:
    """Why the text is not sent, "" where it is: it stays in the box, so that whoever typed it can go on from there."""
    if not any(c.isprintable() and not c.isspace() for c in text):
        return "Type a question first."
    if len(text) > limit:
        return f"Your text has {len(text):,} characters, and a question may have {limit:,}: shorten it, then send it again."
    return ""


def _question(text: str, person: Principal, chat_id: str, replaces: str, before: list[render.Shown]) -> Question:
    if chat_id != TEMPORARY:
        return Question(text, person, conversation_id=chat_id or None, replaces=replaces or None)
    said = [m for e in before if e.status in ("answered", "stopped") for m in _messages(e)]
    return Question(text, person, temporary=True, replaces=replaces or None, history=tuple(said))


def _messages(shown: render.Shown) -> tuple[Message, Message]:
    return Message("user", shown.question), Message("assistant", shown.answer)


def _last(exchanges: list[render.Shown], turn_id: str) -> render.Shown:
    if not exchanges or exchanges[-1].turn_id != turn_id:
        raise BadInput("Only the last question can be asked again. Reload the page to see the newest answer.")
    return exchanges[-1]


def _word(event: gr.EventData, name: str) -> str:
    value = sent(event).get(name, "")
    return value if isinstance(value, str) else ""


def _kind(word: str) -> FeedbackKind:
    for kind in get_args(FeedbackKind):
        if kind == word:
            return cast(FeedbackKind, kind)
    raise BadInput("Feedback is a thumb or a flag.")
