"""Keeps a page from waiting for ever for what one of its events returned.

A page reads the results of all its events from one stream, which Gradio's server closes when none is pending. An event sent while
that word is under way goes wrong: the page takes the closing stream for its own, opens no other, and shows the result only after
the next event. So the answer to such an event is held back until the page has surely heard that its stream is closed.
"""

from __future__ import annotations

import asyncio
import json
import time

from starlette.datastructures import QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEARD_SECONDS = 0.1
"""How long after the server's word a page may still think that its stream is open."""


class StreamsClosed:
    """ASGI wrapper around Gradio's application. It belongs innermost, where the stream is not compressed yet."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._closed: dict[str, float] = {}
        """Gradio's session of a page to when its stream was closed, in monotonic seconds; the last moments' only."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].endswith("/queue/data"):
            await self._stream(scope, receive, send)
        elif scope["type"] == "http" and scope["path"].endswith("/queue/join"):
            await self._join(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        session = QueryParams(scope["query_string"]).get("session_hash", "")

        async def out(message: Message) -> None:
            if b'"msg":"close_stream"' in message.get("body", b""):
                now = time.monotonic()
                self._closed = {name: at for name, at in self._closed.items() if now - at < HEARD_SECONDS}
                self._closed[session] = now
            await send(message)

        await self._app(scope, receive, out)

    async def _join(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytearray()

        async def read() -> Message:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        async def out(message: Message) -> None:
            if message["type"] == "http.response.start":
                closed = self._closed.get(_session(bytes(body)))
                if closed is not None:
                    await asyncio.sleep(closed + HEARD_SECONDS - time.monotonic())
            await send(message)

        await self._app(scope, read, out)


def _session(body: bytes) -> str:
    """The session that an event belongs to; "" where the body says none: Gradio has refused it then."""
    try:
        return str(json.loads(body)["session_hash"])
    except (ValueError, TypeError, KeyError):
        return ""
