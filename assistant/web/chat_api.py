"""The OpenAI-compatible part of the API: POST /v1/chat/completions (streaming too) and GET /v1/models.

    client = openai.OpenAI(base_url="http://127.0.0.1:7860/v1", api_key="ea_...")

The last user message is the question, the ones before it are its history; system messages of the caller are not
followed, since the assistant answers from documents under its own rules. `metadata={"conversation_id": ...}` (or the
header X-Conversation-Id) goes on with a stored conversation, `metadata={"temporary": "true"}` leaves no text behind.
What OpenAI's form has no place for (citations, turn id, evidence) is in the field `assistant` of the choice.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import AsyncIterator, Generator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import anyio.to_thread
from anyio import CancelScope
from fastapi import APIRouter, Header
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from assistant.answerer import Finished, Sentence, Started
from assistant.web.errors import error_body, report
from assistant.web.sessions import current_person
from core.errors import AssistantError, BadInput, NotFound
from core.records import Answer, Message, Principal, Question
from core.settings import Settings
from core.turns import now

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

Event = Started | Sentence | Finished
MODEL = "assistant"
MAX_MESSAGES = 200
ConversationHeader = Annotated[str | None, Header(alias="X-Conversation-Id")]


class Part(BaseModel):
    model_config = ConfigDict(extra="ignore")
    type: str
    text: str = ""


class ChatMessage(BaseModel):
    model_config = ConfigDict(extra="ignore")
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None

    def plain(self) -> str:
        if isinstance(self.content, list):
            if any(part.type not in ("text", "input_text", "refusal") for part in self.content):
                raise BadInput("The assistant reads text only: leave images, audio and files out of the messages.")
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(BaseModel):
    model_config = ConfigDict(extra="ignore")
    include_usage: bool = False


class ChatRequest(BaseModel):
    """The part of OpenAI's request that has a meaning here; sampling parameters are accepted and not followed."""

    model_config = ConfigDict(extra="ignore")
    model: str = MODEL
    messages: list[ChatMessage] = Field(min_length=1, max_length=MAX_MESSAGES)
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: int | None = None
    metadata: dict[str, str] | None = None

    def question(self, person: Principal, conversation_id: str | None) -> Question:
        """The question with its history.

        Raises:
            BadInput: the last message is not the user's, or more than one answer is asked for.
            NotFound: another model than ours.
        """
        if self.model != MODEL:
            raise NotFound(f"There is no model {self.model[:80]!r} here. The one to name is {MODEL!r}.")
        if self.n not in (None, 1):
            raise BadInput("One answer is given to one question: leave n out.")
        if self.messages[-1].role != "user":
            raise BadInput("The last message must be the user's: it is the question.")
        given = self.metadata or {}
        temporary = given.get("temporary", "").lower() in ("true", "1")
        return Question(
            text=self.messages[-1].plain(),
            person=person,
            conversation_id=None if temporary else given.get("conversation_id") or conversation_id,
            temporary=temporary,
            history=tuple(
                Message("user" if m.role == "user" else "assistant", m.plain())
                for m in self.messages[:-1]
                if m.role in ("user", "assistant")
            ),
        )


def chat_routes(assistant: Assistant) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["chat"])
    started_at = int(now().timestamp())

    @router.get("/models")
    def models(request: Request) -> dict[str, object]:
        current_person(request, "chat")
        return {"object": "list", "data": [_model(assistant, started_at)]}

    @router.get("/models/{model_id}")
    def model(request: Request, model_id: str) -> dict[str, object]:
        current_person(request, "chat")
        if model_id != MODEL:
            raise NotFound(f"There is no model {model_id[:80]!r} here. The one to name is {MODEL!r}.")
        return _model(assistant, started_at)

    @router.post("/chat/completions", response_model=None)
    async def completions(request: Request, asked: ChatRequest, conversation: ConversationHeader = None) -> Response:
        person = await run_in_threadpool(current_person, request, "chat")
        question = asked.question(person, conversation)
        if not asked.stream:
            answer = await run_in_threadpool(assistant.answerer.answer, question)
            return JSONResponse(completion(answer))
        events = Events(assistant.answerer.stream(question))
        # What goes wrong before the first event still gets a status of its own.
        first = await anyio.to_thread.run_sync(events.next)
        usage = asked.stream_options is not None and asked.stream_options.include_usage
        body = _sent(first, events, request, assistant.settings, usage=usage)
        return StreamingResponse(
            body, media_type="text/event-stream", headers={"cache-control": "no-cache", "x-accel-buffering": "no"}
        )

    return router


def completion(answer: Answer) -> dict[str, object]:
    """A whole answer in OpenAI's form."""
    message = {"role": "assistant", "content": answer.text, "refusal": None}
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": _finish(answer),
        "logprobs": None,
        "assistant": extension(answer),
    }
    head = _head(answer.turn_id, "chat.completion", int(now().timestamp()))
    return head | {"choices": [choice], "usage": NO_USAGE}


def extension(answer: Answer) -> dict[str, object]:
    """What OpenAI's form has no field for."""
    return {
        "turn_id": answer.turn_id,
        "conversation_id": answer.conversation_id,
        "status": answer.status,
        "refused": answer.refused,
        "reason": answer.reason,
        "evidence": answer.evidence,
        "low_evidence": answer.low_evidence,
        "adapter": answer.adapter,
        "citations": [_jsonable(asdict(citation)) for citation in answer.citations],
        "timings_ms": dict(answer.timings_ms),
    }


NO_USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
"""The embedded model counts no tokens and nothing is billed; clients that add usage up need the numbers to be there."""


class Chunks:
    """Turns the events of one answer into the chunks of OpenAI's stream."""

    def __init__(self) -> None:
        self._created = int(time.time())
        self._id = ""

    def of(self, event: Event) -> dict[str, object]:
        if isinstance(event, Started):
            self._id = event.turn_id
            given = {"turn_id": event.turn_id, "conversation_id": event.conversation_id, "adapter": event.adapter}
            return self._chunk({"role": "assistant", "content": ""}, given=given)
        if isinstance(event, Sentence):
            return self._chunk({"content": event.text})
        return self._chunk({}, given=extension(event.answer), finish=_finish(event.answer))

    def usage(self) -> dict[str, object]:
        return _head(self._id, "chat.completion.chunk", self._created) | {"choices": [], "usage": NO_USAGE}

    def _chunk(
        self, delta: Mapping[str, object], *, given: Mapping[str, object] | None = None, finish: str | None = None
    ) -> dict[str, object]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        choice |= {"assistant": given} if given is not None else {}
        return _head(self._id, "chat.completion.chunk", self._created) | {"choices": [choice]}


class Events:
    """The events of one answer, for a server's threads: `close` waits for the `next` that another of them is in.

    A server that stops cuts a request off while its thread waits for the model; the turn is stored as stopped all the same.
    """

    def __init__(self, events: Generator[Event]) -> None:
        self._events = events
        self._lock = threading.Lock()

    def next(self) -> Event | None:
        """The next event, None after the last."""
        with self._lock:
            return next(self._events, None)

    def close(self) -> None:
        with self._lock:
            self._events.close()


async def _sent(
    first: Event | None, events: Events, request: Request, settings: Settings, *, usage: bool
) -> AsyncIterator[bytes]:
    """The stream as server-sent events. A client that goes away stops the answer, and its turn says so."""
    chunks, event = Chunks(), first
    try:
        while event is not None:
            yield _line(chunks.of(event))
            event = await anyio.to_thread.run_sync(events.next)
        if usage:
            yield _line(chunks.usage())
    except AssistantError as error:
        yield _line({"error": error_body(error.code, str(error))})
    except Exception as error:  # noqa: BLE001 - the request boundary: the response has begun
        report(request, settings, error)
        yield _line({"error": error_body("assistant_error", "The answer broke off; ask again.")})
    finally:
        with CancelScope(shield=True):
            await anyio.to_thread.run_sync(events.close)
    yield b"data: [DONE]\n\n"


def _line(data: Mapping[str, object]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode("utf-8", "replace")


def _finish(answer: Answer) -> str:
    return "content_filter" if answer.status == "refused" else "stop"


def _head(turn_id: str, kind: str, created: int) -> dict[str, object]:
    return {"id": f"chatcmpl-{turn_id}", "object": kind, "created": created, "model": MODEL}


def _model(assistant: Assistant, created: int) -> dict[str, object]:
    return {"id": MODEL, "object": "model", "created": created, "owned_by": assistant.settings.organisation}


def _jsonable(values: Mapping[str, object]) -> dict[str, object]:
    return {k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in values.items()}
