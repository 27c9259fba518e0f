"""A person's own conversation as a file: `GET /conversations/{id}/export?format=md|json`; all that is kept of them:
`GET /my-data`. Recorded in the audit log."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from assistant.pages.render import place
from assistant.web.sessions import current_person
from core.records import Conversation, Turn

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant


def export_router(assistant: Assistant) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/conversations/{conversation_id}/export")
    def export(request: Request, conversation_id: str, format: Literal["md", "json"] = "md") -> Response:
        person = current_person(request)
        conversation = assistant.turns.conversation(conversation_id, person.person_id)
        turns = assistant.turns.of_conversation(conversation_id, person.person_id)
        assistant.audit.append(person.person_id, "conversation.export", conversation_id, format=format)
        text = as_markdown(conversation, turns) if format == "md" else as_json(conversation, turns)
        name = re.sub(r"[^a-z0-9]+", "-", conversation.title.lower()).strip("-")[:60] or "conversation"
        media = "text/markdown" if format == "md" else "application/json"
        headers = {"content-disposition": f'attachment; filename="{name}.{format}"', "cache-control": "no-store"}
        return Response(text, media_type=f"{media}; charset=utf-8", headers=headers)

    @router.get("/my-data")
    def mine(request: Request) -> Response:
        person = current_person(request)
        text = json.dumps(assistant.person_data.exported(person.person_id), ensure_ascii=False, indent=1)
        headers = {"content-disposition": 'attachment; filename="my-data.json"', "cache-control": "no-store"}
        return Response(text, media_type="application/json; charset=utf-8", headers=headers)

    return router


def as_markdown(conversation: Conversation, turns: Sequence[Turn]) -> str:
    parts = [f"# {conversation.title}\n", f"Conversation of {conversation.created_at:%Y-%m-%d}\n"]
    for turn in turns:
        sources = [
            f"- [{c.n}] {place(c)} (version {c.version}, {c.owner}, effective {c.effective})" for c in turn.citations
        ]
        parts += [f"## {turn.question}\n", f"{turn.answer}\n"]
        parts += ["Sources:\n", *sources, ""] if sources else []
        parts.append(f"_{turn.status} by {turn.adapter or 'no adapter'}, evidence {turn.evidence:.2f}_\n")
    return "\n".join(parts)


def as_json(conversation: Conversation, turns: Sequence[Turn]) -> str:
    data = {
        "conversation_id": conversation.conversation_id,
        "title": conversation.title,
        "created_at": conversation.created_at.isoformat(),
        "turns": [
            {
                "turn_id": turn.turn_id,
                "created_at": turn.created_at.isoformat(),
                "question": turn.question,
                "answer": turn.answer,
                "status": turn.status,
                "reason": turn.reason,
                "evidence": turn.evidence,
                "adapter": turn.adapter,
                "citations": [
                    {
                        "n": c.n,
                        "document_id": c.document_id,
                        "version": c.version,
                        "title": c.title,
                        "section": c.section,
                        "page": c.page,
                        "quote": c.quote,
                        "owner": c.owner,
                    }
                    for c in turn.citations
                ],
            }
            for turn in turns
        ],
    }
    return json.dumps(data, ensure_ascii=False, indent=2)
