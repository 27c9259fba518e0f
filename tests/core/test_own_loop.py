"""What is built with a loop of its own leaves none behind, and leaves the thread's own one alone."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from contextvars import ContextVar

import pytest

from core.own_loop import with_own_loop

pytestmark = pytest.mark.slow

asker: ContextVar[str] = ContextVar("asker")


def build_rails() -> object:
    from guardrails.nemo import build

    return build("output", ["markup"])


def build_page() -> object:
    import gradio as gr
    from fastapi import FastAPI

    def page() -> object:
        with gr.Blocks(analytics_enabled=False) as pages:
            gr.Markdown("Welcome")
        return gr.mount_gradio_app(FastAPI(), pages, path="/", footer_links=[], ssr_mode=False)

    return with_own_loop(page)


@pytest.mark.parametrize("build", [build_rails, build_page])
def test_no_event_loop_is_left_open(build: Callable[[], object]) -> None:
    before = {id(one) for one in _open_loops()}
    kept = build()
    assert [one for one in _open_loops() if id(one) not in before] == []
    del kept


def test_the_result_the_error_and_the_context_pass_through() -> None:
    asker.set("ana")
    assert with_own_loop(asker.get) == "ana"
    assert with_own_loop(asyncio.get_running_loop).is_closed()
    with pytest.raises(ZeroDivisionError):
        with_own_loop(lambda: 1 / 0)


def _open_loops() -> list[asyncio.AbstractEventLoop]:
    gc.collect()
    # By type(): isinstance asks what claims to be an object, too, and some of them warn of it.
    loops = [one for one in gc.get_objects() if issubclass(type(one), asyncio.AbstractEventLoop)]
    return [one for one in loops if not one.is_closed()]
