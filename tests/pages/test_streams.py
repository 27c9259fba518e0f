"""An event that is sent while a page's stream is being closed is answered only once the page knows that it is closed."""

from __future__ import annotations

import asyncio
import json
import time

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from assistant.pages.streams import HEARD_SECONDS, StreamsClosed

CLOSED = b'data: {"msg":"close_stream"}\n\n'


async def gradio(scope: Scope, receive: Receive, send: Send) -> None:
    """As Gradio does: a stream that ends with its word, and an answer to each event as soon as its body was read."""
    if scope["method"] == "POST":
        while (await receive()).get("more_body"):
            pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": CLOSED if scope["path"].endswith("data") else b"{}"})


@pytest.mark.parametrize(
    ("session", "held"),
    [("a", True), ("another", False)],
    ids=["the session whose stream was closed", "another session"],
)
def test_an_event_waits_until_the_page_has_heard_that_its_stream_is_closed(session: str, held: bool) -> None:
    async def joined(sent: bytes, after: float = 0.0) -> float:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(StreamsClosed(gradio)), base_url="http://a") as page:
            stream = await page.get("/gradio_api/queue/data", params={"session_hash": "a"})
            assert stream.content == CLOSED
            await asyncio.sleep(after)
            began = time.monotonic()
            assert (await page.post("/gradio_api/queue/join", content=sent)).status_code == 200
            return time.monotonic() - began

    event = json.dumps({"session_hash": session, "data": []}).encode()
    assert (asyncio.run(joined(event)) > HEARD_SECONDS * 0.9) is held
    assert asyncio.run(joined(event, after=HEARD_SECONDS)) < HEARD_SECONDS * 0.9
    for nonsense in (b"", b"[]", b"{}", b"\xff"):
        assert asyncio.run(joined(nonsense)) < HEARD_SECONDS * 0.9
