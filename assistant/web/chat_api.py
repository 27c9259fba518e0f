"""The OpenAI-compatible part of the API: POST /v1/chat/completions (streaming too) and GET /v1/models.

    client = openai.OpenAI(base_url="http://127.0.0.1:7860/v1", api_key="ea_...")

The last user message is the question, the ones before it are its history; system messages of the caller are not
followed, since the assistant answers from documents under its own rules. `metadata={"conversation_id": ...}` (or the
header X-Conversation-Id) goes on with a stored conversation, `metadata={"temporary": "true"}` leaves no text behind.
What OpenAI's form has no place for (citations, turn id, evidence) is in the field `assistant` of the choice.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Header
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from assistant.answerer import Answerer, Finished, Sentence, Started
from assistant.tokens import Usage, count_tokens
from assistant.web.chat_request import MODEL, ChatRequest, known_model
from assistant.web.errors import openai_error, report
from assistant.web.sessions import current_person
from assistant.web.threads import each, in_thread
from core.errors import AssistantError
from core.records import Answer, Principal, Question
from core.settings import Settings
from core.turns import now

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

Event = Started | Sentence | Finished
REQUEST_ID = "x-request-id"
"""The header in which OpenAI's clients look for a request's id: ours is the turn's."""
ConversationHeader = Annotated[str | None, Header(alias="X-Conversation-Id")]


def _asker(request: Request) -> Principal:
    """Who asks: settled before the request's body is judged."""
    return current_person(request, "chat")


Asker = Annotated[Principal, Depends(_asker)]


def chat_routes(assistant: Assistant) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["chat"])
    started_at = int(now().timestamp())

    @router.get("/models")
    def models(_person: Asker) -> dict[str, object]:
        return {"object": "list", "data": [_model(assistant, started_at)]}

    @router.get("/models/{model_id}")
    def model(_person: Asker, model_id: str) -> dict[str, object]:
        known_model(model_id)
        return _model(assistant, started_at)

    @router.post("/chat/completions", response_model=None)
    async def completions(
        request: Request, person: Asker, asked: ChatRequest, conversation: ConversationHeader = None
    ) -> Response:
        question = asked.question(person, conversation)
        if not asked.stream:
            return await in_thread(_whole, assistant.answerer, question)
        events = each(assistant.answerer.stream_of_share(question))
        # What goes wrong before the first event still gets a status of its own.
        first = await anext(events)
        assert isinstance(first, Started)
        headers = {REQUEST_ID: first.turn_id, "cache-control": "no-cache", "x-accel-buffering": "no"}
        body = _sent(first, events, request, assistant.settings, usage=asked.include_usage)
        return StreamingResponse(body, media_type="text/event-stream", headers=headers)

    return router


def _whole(answerer: Answerer, question: Question) -> Response:
    with closing(answerer.stream_of_share(question)) as events:
        finished = next(event for event in events if isinstance(event, Finished))
    return JSONResponse(completion(finished), headers={REQUEST_ID: finished.answer.turn_id})


def completion(finished: Finished) -> dict[str, object]:
    """A whole answer in OpenAI's form."""
    answer = finished.answer
    message = {"role": "assistant", "content": answer.text, "refusal": None}
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": _finish(finished),
        "logprobs": None,
        "assistant": extension(answer),
    }
    head = _head(answer.turn_id, "chat.completion", int(now().timestamp()))
    return head | {"choices": [choice], "usage": usage(finished)}


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


def usage(finished: Finished) -> dict[str, int]:
    """Tokens as the served model tells them, else counted: of the texts that were read, and of the answer."""
    used = finished.told or Usage(count_tokens(finished.read), count_tokens([finished.answer.text]))
    return asdict(used) | {"total_tokens": used.prompt_tokens + used.completion_tokens}


class Chunks:
    """Turns the events of one answer into the chunks of OpenAI's stream.

    Args:
        usage: whether a last chunk tells the usage; each other one has the field then, too, empty.
    """

    def __init__(self, *, usage: bool) -> None:
        self._usage: dict[str, object] = {"usage": None} if usage else {}
        self._created = int(time.time())
        self._id = ""

    def of(self, event: Event) -> dict[str, object]:
        if isinstance(event, Started):
            self._id = event.turn_id
            given = {"turn_id": event.turn_id, "conversation_id": event.conversation_id, "adapter": event.adapter}
            return self._chunk({"role": "assistant", "content": ""}, given=given)
        if isinstance(event, Sentence):
            return self._chunk({"content": event.text})
        return self._chunk({}, given=extension(event.answer), finish=_finish(event))

    def last(self, finished: Finished) -> dict[str, object]:
        """The chunk of the usage alone."""
        return _head(self._id, "chat.completion.chunk", self._created) | {"choices": [], "usage": usage(finished)}

    def _chunk(
        self, delta: Mapping[str, object], *, given: Mapping[str, object] | None = None, finish: str | None = None
    ) -> dict[str, object]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        choice |= {"assistant": given} if given is not None else {}
        return _head(self._id, "chat.completion.chunk", self._created) | {"choices": [choice]} | self._usage


async def _sent(
    first: Event, events: AsyncGenerator[Event], request: Request, settings: Settings, *, usage: bool
) -> AsyncIterator[bytes]:
    """The stream as server-sent events. A client that goes away stops the answer, and its turn says so."""
    chunks = Chunks(usage=usage)
    try:
        yield _line(chunks.of(first))
        async for event in events:
            yield _line(chunks.of(event))
            if usage and isinstance(event, Finished):
                yield _line(await in_thread(chunks.last, event))
    except AssistantError as error:
        yield _line({"error": openai_error(error.http_status, error.code, str(error))})
    except Exception as error:  # noqa: BLE001 - the request boundary: the response has begun
        report(request, settings, error)
        yield _line({"error": openai_error(500, "assistant_error", "The answer broke off; ask again.")})
    finally:
        await events.aclose()
    yield b"data: [DONE]\n\n"


def _line(data: Mapping[str, object]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode("utf-8", "replace")


def _finish(finished: Finished) -> str:
    if finished.answer.status == "refused":
        return "content_filter"
    return "length" if finished.ran_out else "stop"


def _head(turn_id: str, kind: str, created: int) -> dict[str, object]:
    return {"id": f"chatcmpl-{turn_id}", "object": kind, "created": created, "model": MODEL}


def _model(assistant: Assistant, created: int) -> dict[str, object]:
    return {"id": MODEL, "object": "model", "created": created, "owned_by": assistant.settings.organisation}


def _jsonable(values: Mapping[str, object]) -> dict[str, object]:
    return {k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in values.items()}
