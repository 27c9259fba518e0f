"""GET /health (the process answers), GET /ready (store, index and model answer) and GET /metrics (Prometheus)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from assistant.web.metrics import Metrics
from assistant.web.sessions import current_caller, identity
from core.errors import AssistantError, NotAllowed

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant


def health_routes(assistant: Assistant, metrics: Metrics) -> APIRouter:
    router = APIRouter(tags=["operation"])
    started = time.monotonic()

    @router.get("/health")
    def health() -> dict[str, object]:
        return {"status": "ok", "uptime_seconds": round(time.monotonic() - started, 1)}

    @router.get("/ready")
    def ready() -> Response:
        parts = {"store": _state(assistant.store.ping), "index": _state(assistant.index.count)}
        parts["model"] = _state(assistant.answerer.ready)
        good = all(state == "ok" for state in parts.values())
        body = {"status": "ready" if good else "not_ready", **parts}
        return JSONResponse(body, 200 if good else 503)

    @router.get("/metrics")
    def exposition(request: Request) -> Response:
        if not identity(request).is_local(request):
            caller = current_caller(request, "metrics")
            if caller.via == "session" and not caller.person.has_role("admin"):
                raise NotAllowed("The metrics are for administrators, and for API keys with the scope 'metrics'.")
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return router


def _state(check: object) -> str:
    """ok, or the error's code: an address that anybody may ask names no host and no path."""
    assert callable(check)
    try:
        check()
    except AssistantError as error:
        return error.code
    return "ok"
