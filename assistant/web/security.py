"""What every request passes: headers that keep foreign hosts out, the check of its origin, and the limit of its size."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.web.errors import answer, wants_page
from assistant.web.sessions import SCOPE_KEY, Identity
from core.settings import Settings

# Gradio's pages carry inline scripts and styles and build functions from text; nothing may come from another host.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
MEGABYTE = 1_000_000
BODY_LIMIT = 4 * MEGABYTE
"""Largest request that is no upload: a long conversation with an API client's whole history."""


class Shield:
    """ASGI wrapper: leaves the Identity in the scope, refuses foreign origins and huge bodies, adds the headers.

    A person whose browser navigates to a page without a session is sent to the sign-in page and back.
    """

    def __init__(self, app: ASGIApp, *, settings: Settings, identity: Identity) -> None:
        self._app = app
        self._settings = settings
        self._identity = identity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        scope[SCOPE_KEY] = self._identity
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        out = self._with_headers(request, send)
        if not same_origin(request, scope["method"], self._settings.public_url):
            text = "This request comes from another site and was refused. Open the assistant itself and try again."
            await answer(request, self._settings, 403, "not_allowed", text)(scope, receive, out)
            return
        limit = self._limit(request)
        if int(request.headers.get("content-length") or 0) > limit:
            await answer(request, self._settings, 413, "too_large", _too_large(limit))(scope, receive, out)
            return
        await self._app(scope, _limited(receive, limit), out)

    def _limit(self, request: HTTPConnection) -> int:
        path = request.url.path
        if path == "/documents" or path.endswith("/upload"):
            return (self._settings.max_upload_mb + 1) * MEGABYTE
        return BODY_LIMIT

    def _with_headers(self, request: HTTPConnection, send: Send) -> Send:
        redirect = request.scope["method"] == "GET" and wants_page(request)
        replaced = False

        async def out(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start":
                if message["status"] == 401 and redirect:
                    replaced = True
                    message = {"type": message["type"], "status": 303, "headers": _to_sign_in(request)}
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if self._settings.secure_cookies:
                    headers.setdefault("strict-transport-security", "max-age=31536000")
            elif replaced:
                message = {"type": message["type"], "body": b"", "more_body": message.get("more_body", False)}
            await send(message)

        return out


def same_origin(request: HTTPConnection, method: str, public_url: str) -> bool:
    """Whether a request may change something, as far as browsers tell where it comes from.

    The rule of Go's http.CrossOriginProtection: `Sec-Fetch-Site` decides where there is one, else `Origin` must name this
    host; a request with neither comes from no browser. A request with an Authorization header brings its own proof.
    """
    headers = request.headers
    if method in SAFE_METHODS or "authorization" in headers:
        return True
    site = headers.get("sec-fetch-site")
    if site is not None and site in ("same-origin", "none"):
        return True
    origin = headers.get("origin")
    if origin is None:
        return site is None
    host = urlsplit(origin).netloc
    trusted = {headers.get("host", "")} if site is None else set()
    return bool(host) and host in trusted | {urlsplit(public_url).netloc}


def _limited(receive: Receive, limit: int) -> Receive:
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            # FastAPI lets only this type through while it reads a body.
            raise HTTPException(413, _too_large(limit))
        return message

    return bounded


def _too_large(limit: int) -> str:
    told = f"The request is larger than {limit // MEGABYTE} MB"
    advice = ": send less at once." if limit == BODY_LIMIT else "; ASSISTANT_MAX_UPLOAD_MB sets the limit of uploads."
    return told + advice


def _to_sign_in(request: HTTPConnection) -> list[tuple[bytes, bytes]]:
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = "/sign-in" if path == "/" else f"/sign-in?next={quote(path, safe='')}"
    return RedirectResponse(target, 303).raw_headers
