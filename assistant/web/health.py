"""GET /health (the process answers), GET /ready (store, index, model and guards work) and GET /metrics (Prometheus)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from assistant.web.metrics import Metrics
from assistant.web.sessions import current_caller, identity
from core.errors import AssistantError, GuardUnavailable, NotAllowed
from guardrails.rails import Guards, failing_rails

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

log = logging.getLogger(__name__)

SHARED_S = 1.0
"""What was seen is told again for this long."""
PROBLEMS: Mapping[str, str] = {
    "store": "The database cannot be read and written: its server must run, its file be in its place and unlocked, its disk have room.",
    "index": "Nothing can be found: the Qdrant server must run, or the folder of the embedded index be whole.",
    "model": "Nothing can be answered: the model server must run and hold the model.",
    "guards": "Every question is refused: a check fails or is too slow on a plain text.",
}
"""What an operator has to see to, for each part; the log says more."""


def health_routes(assistant: Assistant, metrics: Metrics) -> APIRouter:
    router = APIRouter(tags=["operation"])
    started = time.monotonic()

    @router.get("/health")
    async def health() -> dict[str, object]:  # in the event loop: it waits for no thread
        return {"status": "ok", "uptime_seconds": round(time.monotonic() - started, 1)}

    readiness = Readiness(assistant)

    @router.get("/ready")
    def ready() -> Response:
        body = readiness.look()
        return JSONResponse(body, 200 if body["status"] == "ready" else 503)

    @router.get("/metrics")
    def exposition(request: Request) -> Response:
        if not identity(request).is_local(request):
            caller = current_caller(request, "metrics")
            if caller.via == "session" and not caller.person.has_role("admin"):
                raise NotAllowed("The metrics are for administrators, and for API keys with the scope 'metrics'.")
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return router


class Readiness:
    """What `/ready` says. Who asks at the same time, or a moment later, shares one look: anybody may ask, and a look costs."""

    def __init__(self, assistant: Assistant) -> None:
        self._checks: Mapping[str, Callable[[], object]] = {
            "store": assistant.store.ping,
            "index": assistant.index.count,
            "model": assistant.answerer.ready,
            "guards": lambda: _guards(assistant.guards),
        }
        self._lock = threading.Lock()
        self._seen: dict[str, object] = {}
        self._until = 0.0
        self._told: dict[str, str] = {}

    def look(self) -> dict[str, object]:
        """`status`, each part as `ok` or the error's code, and `problems`: for each part that is down, what to see to.

        No host and no path is named here; the log names them, once for each change.
        """
        with self._lock:
            if time.monotonic() >= self._until:
                found = {part: _error(check) for part, check in self._checks.items()}
                self._tell({part: str(error) for part, error in found.items() if error})
                states = {part: error.code if error else "ok" for part, error in found.items()}
                problems = {part: PROBLEMS[part] for part, error in found.items() if error}
                status = "not_ready" if problems else "ready"
                self._seen = {"status": status, **states} | ({"problems": problems} if problems else {})
                self._until = time.monotonic() + SHARED_S
            return self._seen

    def _tell(self, down: dict[str, str]) -> None:
        for part, what in down.items():
            if self._told.get(part) != what:
                log.warning("not ready, %s: %s", part, what)
        for part in self._told.keys() - down.keys():
            log.info("ready again: %s", part)
        self._told = down


def _error(check: Callable[[], object]) -> AssistantError | None:
    try:
        check()
    except AssistantError as error:
        return error
    return None


def _guards(guards: Guards) -> None:
    """Every guard must give a verdict on a plain text: one that fails refuses every question.

    Those that a served model judges are not tried: anybody may ask here, and `model` says whether its server answers.
    """
    if failing := failing_rails(guards, served=False):
        raise GuardUnavailable(f"{', '.join(failing)} fails on a plain text, or takes longer than its budget_ms.")
