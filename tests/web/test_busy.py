"""One person's many questions, or a model that hangs, keep nobody else from signing in, asking, or looking whether it lives."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import gradio as gr
import httpx2
import openai
import pytest

import assistant.web.app
import assistant.web.threads
from assistant.pages.chat_events import ChatEvents
from assistant.prompt import Prompt
from assistant.scripted import ScriptedModel
from core.errors import ModelUnavailable
from tests.web.conftest import ASK, Site, SiteMaker, ask

BODY = {"model": "assistant", "messages": [{"role": "user", "content": ASK}]}


class Hanging(ScriptedModel):
    """Says nothing, and that it is not ready, until it is let go."""

    def __init__(self) -> None:
        super().__init__([self._say])
        self.free = threading.Event()

    def _say(self, _prompt: Prompt) -> str:
        self.ready()
        return "Every employee has 25 days of annual leave a year. [1]"

    def ready(self) -> None:
        if not self.free.wait(60):
            raise ModelUnavailable("Nobody let it go.")

    def until_asked(self, count: int) -> None:
        until = time.monotonic() + 30
        while len(self.prompts) < count:
            assert time.monotonic() < until, f"{len(self.prompts)} of {count}"
            time.sleep(0.01)


@contextmanager
def asked(site: Site, person: str, count: int) -> Iterator[list[int]]:
    """So many questions of a person at the hanging model while the block runs; their statuses after it."""
    statuses: list[int] = []
    with site.keyed(person, "chat") as client, ThreadPoolExecutor(count) as pool:
        for number in range(count):
            body = BODY | {"stream": number % 2 == 1}
            pool.submit(lambda body=body: statuses.append(client.post("/v1/chat/completions", json=body).status_code))
        try:
            yield statuses
        finally:
            site.model.free.set()  # type: ignore[attr-defined]


def test_a_question_more_than_one_may_ask_at_once_is_refused_until_one_is_answered(own_site: SiteMaker) -> None:
    model = Hanging()
    with own_site(model=model, questions_at_once=2) as site, site.keyed("emma.employee", "chat") as emma:
        with asked(site, "emma.employee", 2) as statuses:
            model.until_asked(2)
            for stream in (False, True):
                refused = emma.post("/v1/chat/completions", json=BODY | {"stream": stream})
                assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
                error = refused.json()["error"]
                assert (error["code"], error["type"]) == ("too_many_at_once", "rate_limit_error")
                assert error["message"].startswith("2 of your questions are being answered: wait")
            shown = asyncio.run(views(site, "emma.employee"))
            assert "2 of your questions are being answered" in str(shown[-1])
            assert ASK in shown[-1], "the question is in the box again"
            with asked(site, "hana.hr", 1) as others:
                model.until_asked(3)
        assert (statuses, others) == ([200, 200], [200])
        with openai.OpenAI(base_url=f"{site.url}/v1", api_key=site.key("emma.employee", "chat")) as client:
            assert ask(client).choices[0].message.content
        assert len(site.assistant.turns.conversations("emma.employee")) == 3, "what was refused is not stored"
        assert "25 days" in str(asyncio.run(views(site, "emma.employee"))[-1])


async def views(site: Site, person: str) -> list[tuple[object, ...]]:
    """What the chat page shows a person who asks, one view after the other."""
    request = gr.Request(username=person)
    return [view async for view in ChatEvents(site.assistant).ask(ASK, "", None, request)]


def test_a_model_that_hangs_keeps_nobody_from_signing_in_or_reading_and_health_waits_for_no_thread(
    own_site: SiteMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vars(assistant.web.app), "THREADS", 4)
    monkeypatch.setitem(vars(assistant.web.threads), "ANSWERS", 4)
    model = Hanging()
    with own_site(model=model) as site, asked(site, "emma.employee", 6), site.client() as client:
        model.until_asked(4)
        with site.signed_in("hana.hr") as hana:
            assert hana.get("/conversations").status_code == 200
        with ThreadPoolExecutor(4) as pool:
            looks = [pool.submit(httpx2.get, f"{site.url}/ready", trust_env=False, timeout=60) for _ in range(4)]
            time.sleep(0.3)
            assert client.get("/health").json()["status"] == "ok"
            assert not any(look.done() for look in looks)
            model.free.set()
            assert {look.result().status_code for look in looks} == {200}
