"""POST /feedback: a thumb or a flag on one's own answer, from programs; the chat page stores its own the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.requests import Request

from assistant.web.sessions import current_person
from core.records import Feedback, FeedbackKind
from core.turns import new_id, now

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

NO_WORDS = (
    "This answer is of a temporary chat: reviewers see neither its question nor its words, only what you write here."
)
Reason = Annotated[str, StringConstraints(min_length=1, max_length=80)]


class Given(BaseModel):
    model_config = ConfigDict(extra="forbid")
    turn_id: str = Field(max_length=36)
    kind: FeedbackKind
    reasons: list[Reason] = Field(default_factory=list, max_length=20)
    comment: str = Field("", max_length=4000)
    expected: str = Field("", max_length=8000, description="What the answer should have said.")


def feedback_routes(assistant: Assistant) -> APIRouter:
    router = APIRouter(tags=["feedback"])

    @router.post("/feedback", status_code=201)
    def give(request: Request, given: Given) -> dict[str, str]:
        person = current_person(request, "feedback")
        record = Feedback(
            feedback_id=new_id(),
            turn_id=given.turn_id,
            person_id=person.person_id,
            kind=given.kind,
            created_at=now(),
            reasons=tuple(given.reasons),
            comment=given.comment,
            expected=given.expected,
        )
        of = assistant.turns.add_feedback(record)
        note = {"note": NO_WORDS} if of.temporary else {}
        return {"feedback_id": record.feedback_id} | note

    return router
