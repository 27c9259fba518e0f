"""Our stylesheets and scripts in the first bytes of a page: Gradio would add them only once its own code runs."""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Gradio's template presents itself to link previews, with a picture from another host.
_FOREIGN = re.compile(rb'[ \t]*<meta\s+(?:property="og:|name="twitter:)[^>]*>\n?')


class HeadFirst:
    """ASGI wrapper around Gradio's application: puts `head` into its HTML pages.

    It belongs innermost, where pages are not compressed yet.
    """

    def __init__(self, app: ASGIApp, *, head: str) -> None:
        self._app = app
        self._head = head.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        held: list[Message] = []

        async def out(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_page(message):
                held.append(message)
            elif held:
                held.append(message)
                if not message.get("more_body"):
                    await self._send(held, send)
            else:
                await send(message)

        await self._app(scope, receive, out)

    async def _send(self, held: list[Message], send: Send) -> None:
        start, *parts = held
        body = b"".join(part.get("body", b"") for part in parts)
        body = _FOREIGN.sub(b"", body).replace(b"<head>", b"<head>" + self._head, 1)
        headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
        await send({**start, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})


def _is_page(start: Message) -> bool:
    kinds = [value for name, value in start["headers"] if name.lower() == b"content-type"]
    return any(kind.startswith(b"text/html") for kind in kinds)
