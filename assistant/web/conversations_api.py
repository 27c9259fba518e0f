"""One's own conversations: list, export all, delete one, delete all. Nobody reaches another person's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, datetime
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from assistant.web.sessions import current_person
from core.records import Conversation, Turn

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

ALL = 100_000


def conversation_routes(assistant: Assistant) -> APIRouter:
    """GET /conversations, GET /conversations/export (JSON lines), DELETE /conversations and /conversations/{id}."""
    router = APIRouter(prefix="/conversations", tags=["conversations"])
    turns, audit = assistant.turns, assistant.audit

    @router.get("")
    def listed(request: Request, search: str = "", limit: int = 200) -> list[dict[str, object]]:
        person = current_person(request, "chat")
        found = turns.conversations(person.person_id, search, max(1, min(limit, 1000)))
        return [_plain(one) for one in found]

    @router.get("/export")
    def export(request: Request) -> Response:
        person = current_person(request, "chat")
        found = turns.conversations(person.person_id, limit=ALL)
        audit.append(person.person_id, "conversation.export", person.person_id, conversations=len(found))
        headers = {"content-disposition": 'attachment; filename="conversations.jsonl"', "cache-control": "no-store"}
        return StreamingResponse(_lines(person.person_id, found), media_type="application/jsonl", headers=headers)

    def _lines(person_id: str, found: list[Conversation]) -> Iterator[str]:
        for one in found:
            kept = turns.of_conversation(one.conversation_id, person_id)
            given = [asdict(f) for f in turns.feedback_on([t.turn_id for t in kept])]
            line = asdict(one) | {"turns": [_exported(t) for t in kept], "feedback": given}
            yield json.dumps(line, ensure_ascii=False, default=_iso) + "\n"

    @router.delete("/{conversation_id}", status_code=204)
    def delete(request: Request, conversation_id: str) -> None:
        person = current_person(request, "chat")
        turns.delete(conversation_id, person.person_id)
        audit.append(person.person_id, "conversation.delete", conversation_id)

    @router.delete("")
    def delete_all(request: Request) -> dict[str, int]:
        person = current_person(request, "chat")
        done = assistant.person_data.erase(person.person_id, actor=person.person_id)
        return {"deleted_turns": done.turns}

    return router


def _exported(turn: Turn) -> dict[str, object]:
    """What the person said and saw; the guards' and the retriever's working is not theirs to read."""
    hidden = ("passages", "verdicts", "template_sha256", "counts")
    return {k: v for k, v in asdict(turn).items() if k not in hidden}


def _plain(one: Conversation) -> dict[str, object]:
    return {k: _iso(v) if isinstance(v, datetime) else v for k, v in asdict(one).items() if k != "person_id"}


def _iso(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
