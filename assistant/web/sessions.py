"""Who is asking: browser sessions by cookie, API keys and the command line's token by header.

A session is 32 random bytes in the cookie and their sha256 in the table, so sessions survive a restart and a stolen
database opens none. `current_person(request)` is what pages and API call.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import sqlalchemy as sa
from starlette.requests import HTTPConnection

from assistant.web.api_keys import SCOPES, ApiKeys, Scope
from core.errors import NotAllowed, NotSignedIn
from core.people import People, principal
from core.records import Principal, Role
from core.store import Store
from core.tables import person, session

SCOPE_KEY = "assistant.identity"
"""Where the application leaves its Identity in the ASGI scope; mounted applications (Gradio) inherit it."""
LOCAL_PREFIX = "local_"
AS_PERSON = "x-as-person"
"""Header by which the command line names the person it asks for, beside the local token."""


class Sessions:
    """Browser sessions in the store.

    Args:
        hours: a session ends this long after sign-in, whatever happens in between.
    """

    def __init__(self, store: Store, hours: int) -> None:
        self._store = store
        self.seconds = hours * 3600

    def start(self, person_id: str) -> str:
        """A new session's cookie value; sessions that have run out are cleared on the way."""
        token = secrets.token_urlsafe(32)
        now = datetime.now(UTC)
        values = {
            "session_hash": _hash(token),
            "person_id": person_id,
            "created_at": now,
            "expires_at": now + timedelta(seconds=self.seconds),
        }
        with self._store.begin() as connection:
            connection.execute(session.delete().where(session.c.expires_at <= now))
            connection.execute(session.insert().values(values))
        return token

    def find(self, token: str) -> Principal | None:
        """The active person of a session that has not run out, with today's groups, clearance and roles."""
        query = (
            sa.select(person)
            .join(session, session.c.person_id == person.c.person_id)
            .where(
                session.c.session_hash == _hash(token),
                session.c.expires_at > datetime.now(UTC),
                person.c.active.is_(True),
            )
        )
        with self._store.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else principal(row)

    def end(self, token: str) -> None:
        with self._store.begin() as connection:
            connection.execute(session.delete().where(session.c.session_hash == _hash(token)))


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request, how they proved it, and what the proof is good for."""

    person: Principal
    via: Literal["session", "key", "local"]
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True)
class Identity:
    """Recognises callers.

    Args:
        local_token: shared with the command line through `serve.json`; empty where nobody may use one.
    """

    sessions: Sessions
    keys: ApiKeys
    people: People
    cookie: str
    local_token: str = ""

    def caller(self, request: HTTPConnection) -> Caller | None:
        """The caller, or None where the request proves nothing. A wrong key never falls back to the cookie."""
        scheme, _, credential = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and credential:
            return self._bearer(request, credential.strip())
        token = request.cookies.get(self.cookie)
        who = self.sessions.find(token) if token else None
        return None if who is None else Caller(who, "session", frozenset(SCOPES))

    def _bearer(self, request: HTTPConnection, credential: str) -> Caller | None:
        if self.is_local(request):
            named = request.headers.get(AS_PERSON, "")
            return Caller(self.people.get(named), "local", frozenset(SCOPES)) if named else None
        found = self.keys.find(credential)
        return None if found is None else Caller(found[0], "key", found[1])

    def is_local(self, request: HTTPConnection) -> bool:
        """Whether the request carries the token that only this machine's command line can read."""
        given = request.headers.get("authorization", "").encode()
        wanted = f"Bearer {LOCAL_PREFIX}{self.local_token}".encode()
        return bool(self.local_token) and hmac.compare_digest(given, wanted)


def identity(request: HTTPConnection) -> Identity:
    found = request.scope[SCOPE_KEY]
    assert isinstance(found, Identity)
    return found


def current_caller(request: HTTPConnection, scope: Scope | None = None) -> Caller:
    """The caller of a request, with how they proved who they are.

    Args:
        scope: what an API key must be good for; None accepts no API key, as on the pages.

    Raises:
        NotSignedIn: nobody, or a session or key that has run out or was revoked.
        NotAllowed: an API key without that scope.
    """
    caller = identity(request).caller(request)
    if caller is None and "authorization" in request.headers:
        raise NotSignedIn(
            "This API key is unknown, was revoked or has run out. Make one with: python -m assistant keys add PERSON --scope SCOPE"
        )
    if caller is None:
        raise NotSignedIn("Sign in first: this page or call needs a session or an API key that is still valid.")
    if caller.via == "key" and (scope is None or scope not in caller.scopes):
        needed = f"needs the scope {scope!r}" if scope else "is for people's browsers, not for API keys"
        raise NotAllowed(f"This call {needed}. Make a key with: python -m assistant keys add PERSON --scope SCOPE")
    return caller


def current_person(request: HTTPConnection, scope: Scope | None = None) -> Principal:
    """The signed-in person; raises as `current_caller`.

    Pages pass the Starlette request (`gr.Request.request`), and name no scope.
    """
    return current_caller(request, scope).person


def require(person: Principal, *roles: Role) -> Principal:
    """The person, where they have one of the roles; NotAllowed otherwise."""
    if not any(person.has_role(role) for role in roles):
        raise NotAllowed(f"This needs the role {' or '.join(roles)}. Ask your administrator.")
    return person


def cookie_name(secure: bool) -> str:
    """With https the __Host- prefix makes browsers refuse a cookie that another host or path has set."""
    return "__Host-assistant_session" if secure else "assistant_session"


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
