"""The sign-in page, signing out, and changing one's own password."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from assistant.web.passwords import Accounts
from assistant.web.sessions import current_caller, identity
from assistant.web.templates import STYLESHEET, page, style
from core.audit import Audit
from core.errors import BadInput, Conflict, NotSignedIn, TooMany
from core.settings import Settings

Field = Annotated[str, Form(max_length=320)]


def sign_in_routes(settings: Settings, accounts: Accounts, audit: Audit) -> APIRouter:
    """GET and POST /sign-in, POST /sign-out, GET and POST /password."""
    router = APIRouter(include_in_schema=False)

    @router.get(STYLESHEET)
    def stylesheet() -> Response:
        return Response(style()[0], media_type="text/css", headers={"cache-control": "public, max-age=86400"})

    @router.get("/sign-in")
    def form(request: Request, next: str = "/", message: str = "") -> Response:
        if identity(request).caller(request) is not None:
            return RedirectResponse(local_path(next), 303)
        told = MESSAGES.get(message, "")
        return _form(settings, next, told)

    @router.post("/sign-in")
    def submit(request: Request, name: Field, password: Field, next: Field = "/") -> Response:
        try:
            person = accounts.sign_in(name, password, address(request))
        except (NotSignedIn, TooMany) as error:
            return _form(settings, next, str(error), name=name, status=error.http_status)
        return start_session(request, settings, person.person_id, next)

    @router.post("/sign-out")
    def out(request: Request) -> Response:
        known = identity(request)
        caller = known.caller(request)
        if caller is not None and caller.via == "session":
            known.sessions.end(request.cookies[known.cookie])
            audit.append(caller.person.person_id, "sign_out", caller.person.person_id)
        response = RedirectResponse("/sign-in", 303)
        _clear(response, request, settings)
        return response

    @router.get("/password")
    def password_form(request: Request) -> Response:
        person = current_caller(request).person
        told = "" if accounts.has_password(person) else ELSEWHERE.format(settings.oidc_name)
        return page("password", settings, message=told, name=person.person_id, form=not told)

    @router.post("/password")
    def password(request: Request, current: Field, new: Field) -> Response:
        person = current_caller(request).person
        try:
            accounts.change(person, current, new, address(request))
        except (BadInput, Conflict, NotSignedIn, TooMany) as error:
            told = "The current password is not right." if isinstance(error, NotSignedIn) else str(error)
            return page("password", settings, status=422, message=told, name=person.person_id, form=True)
        response = RedirectResponse("/sign-in?message=changed", 303)
        _clear(response, request, settings)
        return response

    return router


ELSEWHERE = "You sign in with {}: its password is changed there, not here."
MESSAGES = {
    "changed": "Your password is changed: sign in with the new one.",
    "provider": "The sign-in provider did not confirm who you are: try again.",
    "provider_down": "The sign-in provider does not answer: try again in a moment.",
}
"""What the page may say after a redirect, by the code in the address: nobody else's text can appear on it."""


def start_session(request: Request, settings: Settings, person_id: str, next_path: str) -> Response:
    """Send a person who has proved who they are to where they were going, with a new session's cookie."""
    known = identity(request)
    response = RedirectResponse(local_path(next_path), 303)
    response.set_cookie(
        known.cookie,
        known.sessions.start(person_id),
        max_age=known.sessions.seconds,
        secure=settings.secure_cookies,
        httponly=True,
        samesite="lax",
    )
    return response


def local_path(given: str) -> str:
    """A path on this server: anything that a browser could take for another host becomes the start page."""
    odd = any(ord(c) < 33 or c == "\\" for c in given)
    foreign = not given.startswith("/") or given.startswith("//") or bool(urlsplit(given).netloc)
    return "/" if odd or foreign or given.startswith(("/sign-in", "/sign-out")) else given


def address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _form(settings: Settings, next_path: str, message: str, *, name: str = "", status: int = 200) -> Response:
    target = local_path(next_path)
    return page(
        "sign_in",
        settings,
        status=status,
        message=message,
        next=target,
        next_query=urlencode({"next": target}),
        name=name,
        provider=settings.oidc_name if settings.oidc_issuer else "",
        # After a failed local attempt the local form is what the person is working with.
        local_first=bool(name),
    )


def _clear(response: Response, request: Request, settings: Settings) -> None:
    response.delete_cookie(identity(request).cookie, secure=settings.secure_cookies, httponly=True, samesite="lax")
