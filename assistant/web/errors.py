"""Every error becomes an HTTP answer here: JSON in OpenAI's form for programs, a plain page for people.

No answer carries a traceback. What was not foreseen gets a reference, under which the log has its place in the code
(never its message, which may hold people's text).
"""

from __future__ import annotations

import logging
import secrets
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.web.templates import page
from core.errors import AssistantError, BadInput, NotSignedIn, TooLarge, TooMany
from core.settings import Settings

log = logging.getLogger(__name__)

HEADINGS = {
    400: "This request cannot be read",
    401: "Sign in first",
    403: "This is not open to you",
    404: "There is nothing here",
    405: "This cannot be done here",
    409: "This does not fit what is there",
    413: "This is too large",
    422: "Something needs correcting",
    429: "Too many attempts",
    503: "Something that we need is not answering",
}
OPENAI = "/v1/"
"""Below it, errors are OpenAI's: a wrong request is 400, and `type` is one of theirs."""
UNSUPPORTED = "unsupported_parameter"
OURS = {400: BadInput().code, 413: TooLarge().code}
"""Codes of what the framework refuses below OPENAI."""
LONGEST_NAME, MOST_PROBLEMS = 80, 5
NO_OBJECT = 'The request is no JSON object in UTF-8 with the header "content-type: application/json".'


def wants_page(request: HTTPConnection) -> bool:
    """Whether a person's browser is navigating, and not a program calling."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(OPENAI)


def install_errors(app: FastAPI, settings: Settings) -> None:
    """Map our errors, wrong requests and unknown addresses to answers."""

    def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, AssistantError)
        if error.http_status >= 500:
            log.warning("%s on %s: %s", error.code, request.url.path, error)
        response = answer(request, settings, error.http_status, error.code, str(error))
        if isinstance(error, TooMany):
            response.headers["retry-after"] = str(error.retry_after_s)
        return response

    def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = HTTPStatus(error.status_code).name.lower()
        if request.url.path.startswith(OPENAI):
            code = OURS.get(error.status_code, code)
        return answer(request, settings, error.status_code, code, _sentence(request, error))

    def wrong(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        # Where and why, without the value: it may be what somebody wrote.
        if request.url.path.startswith(OPENAI):
            return wrong_openai(error)
        problems = [f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()]
        return answer(request, settings, 422, "bad_input", "; ".join(problems))

    app.add_exception_handler(AssistantError, ours)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, wrong)


def answer(
    request: HTTPConnection, settings: Settings, status: int, code: str, message: str, *, reference: str = ""
) -> Response:
    """The error as a page or as JSON."""
    response: Response
    if wants_page(request):
        heading = HEADINGS.get(status, "Something went wrong")
        response = page("error", settings, status=status, heading=heading, message=message, reference=reference)
    elif request.url.path.startswith(OPENAI):
        status = 400 if status == BadInput.http_status else status
        response = JSONResponse({"error": openai_error(status, code, message, reference=reference)}, status)
    else:
        response = JSONResponse({"error": error_body(code, message, reference)}, status)
    if status == NotSignedIn.http_status:
        response.headers["www-authenticate"] = "Bearer"
    return response


def error_body(code: str, message: str, reference: str = "") -> dict[str, object]:
    """The `error` object in the form of OpenAI's, with our stable code."""
    body: dict[str, object] = {"message": message, "type": code, "code": code, "param": None}
    return body | ({"reference": reference} if reference else {})


def openai_error(
    status: int, code: str, message: str, *, param: str | None = None, reference: str = ""
) -> dict[str, object]:
    """The `error` object below OPENAI: the type is OpenAI's, the code stays ours."""
    kind = "server_error" if status >= 500 else "rate_limit_error" if status == 429 else "invalid_request_error"
    return error_body(code, message, reference) | {"type": kind, "param": param}


def wrong_openai(error: RequestValidationError) -> Response:
    """A wrong request as OpenAI answers it: 400, with the first parameter that is wrong; the message names more."""
    found = [_problem(e) for e in error.errors()]
    code, param, _ = found[0]
    message = " ".join(f"{where}: {told}" if where else told for _, where, told in found[:MOST_PROBLEMS])
    return JSONResponse({"error": openai_error(400, code, message, param=param or None)}, 400)


def _problem(error: Mapping[str, Any]) -> tuple[str, str, str]:
    """The code, the parameter ("" for the whole request) and what is wrong about it."""
    if error["type"] == "json_invalid" or len(error["loc"]) == 1:
        return "bad_input", "", NO_OBJECT
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"][1:])
    where = where.removeprefix(".")[:LONGEST_NAME].encode("ascii", "backslashreplace").decode()
    if error["type"] == "extra_forbidden":
        return "unknown_parameter", where, "There is no such parameter."
    told = error["msg"].rstrip(".")
    return (UNSUPPORTED if error["type"] == UNSUPPORTED else "bad_input"), where, f"{told}."


class ErrorBoundary:
    """The outermost place of a request: what nobody caught becomes a 500 with a reference, and a line in the log."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:  # noqa: BLE001 - the request boundary
            response = report(HTTPConnection(scope), self._settings, error)
            if not started:
                await response(scope, receive, send)


def report(request: HTTPConnection, settings: Settings, error: Exception) -> Response:
    """Log where an unforeseen error arose, under a reference, and make the answer that carries the reference."""
    reference = secrets.token_hex(4)
    place = "".join(traceback.format_tb(error.__traceback__))
    log.error("[%s] %s on %s\n%s", reference, type(error).__name__, request.url.path, place)
    message = "Something went wrong on our side. Nothing that was confirmed to you is lost."
    return answer(request, settings, 500, "assistant_error", message, reference=reference)


def _sentence(request: Request, error: HTTPException) -> str:
    known = {404: "There is nothing at this address.", 405: "This address does not take that method."}
    if request.url.path.startswith(OPENAI):
        known[400] = NO_OBJECT
        known[404] += " Of OpenAI's API there are /v1/chat/completions and /v1/models."
    return known.get(error.status_code, str(error.detail))
