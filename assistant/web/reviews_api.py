"""The review queue for programs: list, read, take, hand on, decide, export; owners' tasks; a person's own consent.

An API key needs the scope `review`, and its person the role support or admin; tasks and consent are everybody's own.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from assistant.web.sessions import current_person, require
from core.records import Decision, Principal
from core.review_file import as_csv, exported, judgement_from, plain_case, plain_item
from core.review_records import DocumentTask, QueueFilter, Wanted

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant


class Filters(BaseModel):
    model_config = ConfigDict(extra="forbid")
    status: Wanted = "waiting"
    source: str = ""
    department: str = ""
    language: str = ""
    adapter: str = ""
    assignee: str = ""
    reason: str = ""
    older_than_days: int = Field(0, ge=0, le=100_000)
    overdue: bool = False
    decision: Decision | Literal[""] = ""

    def wanted(self) -> QueueFilter:
        return QueueFilter(**{name: getattr(self, name) for name in QueueFilter.__slots__})


class Listed(Filters):
    limit: int = Field(1000, ge=1, le=1000)
    offset: int = Field(0, ge=0)


class Export(Filters):
    format: Literal["jsonl", "csv"] = "jsonl"


class Decided(BaseModel):
    model_config = ConfigDict(extra="forbid")
    decision: Decision
    correction: dict[str, Any] | None = Field(None, description="kind, answer, passage_id, start, end")
    note: str = ""
    seconds: float = Field(0, ge=0)


class To(BaseModel):
    model_config = ConfigDict(extra="forbid")
    person_id: str = Field(max_length=80)


class Note(BaseModel):
    model_config = ConfigDict(extra="forbid")
    note: str


class Allowed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    allowed: bool


def review_routes(assistant: Assistant) -> APIRouter:
    """/reviews..., /document-tasks and /training-consent."""
    router = APIRouter(tags=["reviews"])
    _reading(router, assistant)
    _deciding(router, assistant)
    _administering(router, assistant)
    _own(router, assistant)
    return router


def reviewer(request: Request) -> Principal:
    return require(current_person(request, "review"), "support", "admin")


def _reading(router: APIRouter, assistant: Assistant) -> None:
    queue = assistant.reviews.queue

    @router.get("/reviews")
    def listed(request: Request, response: Response, filters: Annotated[Listed, Query()]) -> list[dict[str, object]]:
        """A page of the queue; the header x-total-count says how many items there are."""
        found = queue.items(reviewer(request), filters.wanted())
        response.headers["x-total-count"] = str(len(found))
        return [plain_item(item) for item in found[filters.offset : filters.offset + filters.limit]]

    @router.get("/reviews/export")
    def export(request: Request, filters: Annotated[Export, Query()]) -> Response:
        who = reviewer(request)
        rows = list(exported(queue, who, filters.wanted()))
        assistant.audit.append(who.person_id, "review.export", "queue", items=len(rows), format=filters.format)
        name = f"reviews.{filters.format}"
        headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
        if filters.format == "csv":
            return Response("".join(as_csv(rows)), media_type="text/csv; charset=utf-8", headers=headers)
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return Response(text.encode("utf-8", "replace"), media_type="application/jsonl", headers=headers)

    @router.get("/reviews/{item_id}")
    def one(request: Request, item_id: str) -> dict[str, object]:
        return plain_case(queue.case(item_id, reviewer(request)))


def _deciding(router: APIRouter, assistant: Assistant) -> None:
    reviews = assistant.reviews

    @router.post("/reviews/{item_id}/claim")
    def claim(request: Request, item_id: str) -> dict[str, object]:
        return plain_item(reviews.claim(item_id, reviewer(request)))

    @router.post("/reviews/{item_id}/release")
    def release(request: Request, item_id: str) -> dict[str, object]:
        who = reviewer(request)
        reviews.release(item_id, who)
        return plain_item(reviews.queue.item(item_id, who))

    @router.post("/reviews/{item_id}/assign")
    def assign(request: Request, item_id: str, to: To) -> dict[str, object]:
        return plain_item(reviews.assign(item_id, to.person_id, by=reviewer(request)))

    @router.post("/reviews/{item_id}/decide", status_code=201)
    def decide(request: Request, item_id: str, given: Decided) -> dict[str, object]:
        return plain_item(reviews.decide(item_id, reviewer(request), judgement_from(given.model_dump())))


def _administering(router: APIRouter, assistant: Assistant) -> None:
    gold = assistant.gold

    @router.get("/review-gold")
    def listed(request: Request) -> list[dict[str, object]]:
        return [asdict(one) for one in gold.listed(reviewer(request))]

    @router.post("/review-gold/{item_id}", status_code=201)
    def add(request: Request, item_id: str) -> dict[str, str]:
        return {"item_id": gold.add(item_id, by=reviewer(request))}

    @router.delete("/review-gold/{item_id}", status_code=204)
    def remove(request: Request, item_id: str) -> None:
        gold.remove(item_id, by=reviewer(request))

    @router.get("/review-agreement")
    def agreement(request: Request) -> dict[str, object]:
        return asdict(gold.agreement(reviewer(request)))


def _own(router: APIRouter, assistant: Assistant) -> None:
    tasks, consent = assistant.tasks, assistant.consent

    @router.get("/document-tasks")
    def listed(request: Request, closed: bool = False) -> list[dict[str, object]]:
        return [_task(one) for one in tasks.listed(current_person(request, "documents"), closed=closed)]

    @router.post("/document-tasks/{task_id}/close")
    def close(request: Request, task_id: str, given: Note) -> dict[str, object]:
        return _task(tasks.close(task_id, current_person(request, "documents"), given.note))

    @router.get("/training-consent")
    def allowed(request: Request) -> dict[str, bool]:
        return {"allowed": consent.allowed(current_person(request, "feedback").person_id)}

    @router.put("/training-consent")
    def choose(request: Request, given: Allowed) -> dict[str, bool]:
        consent.set(current_person(request, "feedback").person_id, allowed=given.allowed)
        return {"allowed": given.allowed}


def _task(one: DocumentTask) -> dict[str, object]:
    """Without the item that it came from, which is the reviewers'."""
    return {name: value for name, value in asdict(one).items() if name != "item_id"}
