"""GET /model-servers (what each model server holds, for administrators) and POST /model-servers/reconcile (a round now).

The servers' own endpoints, those that load adapters among them, are nowhere passed through: people reach this application,
and this application alone reaches the servers.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assistant.web.sessions import current_person, identity, require
from core.errors import Conflict

if TYPE_CHECKING:
    from assistant.reconciler import Reconciler


def model_server_routes(reconciler: Reconciler | None) -> APIRouter:
    router = APIRouter(prefix="/model-servers", tags=["operation"])

    def administrator(request: Request) -> None:
        if not identity(request).is_local(request):
            require(current_person(request), "admin")

    @router.get("")
    def standings(request: Request) -> list[dict[str, Any]]:
        administrator(request)
        return [standing.row() for standing in reconciler.fleet.standings()] if reconciler else []

    @router.post("/reconcile")
    def reconcile(request: Request) -> Response:
        administrator(request)
        if reconciler is None:
            raise Conflict("This assistant answers by the embedded model: there is no model server to look at.")
        reconciler.round()
        lines = [json.dumps(standing.row()) + "\n" for standing in reconciler.fleet.standings()]
        return Response("".join(lines), media_type="application/jsonl")

    return router
