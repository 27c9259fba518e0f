"""Puts the pages on the web application: `mount_pages(app, assistant)`, called last, since they answer every other path.

The application's shield (assistant/web/security.py) adds the headers and leads people without a session to sign in.
"""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

from starlette.requests import Request

from assistant.web.sessions import current_person, require
from core.errors import NotSignedIn
from core.own_loop import with_own_loop

if TYPE_CHECKING:
    import gradio as gr
    from fastapi import FastAPI

    from assistant.bootstrap import Assistant


def build_pages(assistant: Assistant) -> gr.Blocks:
    """The Gradio application: chat at `/`, and the pages of `shell.pages_nav`, each at its own address."""
    import gradio as gr

    from assistant.pages.adapters import build_adapters
    from assistant.pages.chat import build_chat
    from assistant.pages.documents import build_documents
    from assistant.pages.guards import build_guards
    from assistant.pages.mine import build_mine
    from assistant.pages.ratings import build_ratings
    from assistant.pages.review import build_review
    from assistant.pages.usage import build_usage

    with gr.Blocks(
        title=f"Assistant · {assistant.settings.organisation}",
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(3600, 3600),
    ) as pages:
        build_chat(assistant, pages)
    with pages.route("Documents", "/library"):
        build_documents(assistant, pages)
    with pages.route("Review", "/review"):
        build_review(assistant, pages)
    with pages.route("Adapters", "/adapters"):
        build_adapters(assistant, pages)
    with pages.route("Ratings", "/ratings"):
        build_ratings(assistant, pages)
    with pages.route("Guards", "/guards"):
        build_guards(assistant, pages)
    with pages.route("Usage", "/usage"):
        build_usage(assistant, pages)
    with pages.route("My page", "/mine"):
        build_mine(assistant, pages)
    pages.queue(default_concurrency_limit=None, api_open=False)
    built: gr.Blocks = pages
    return built


def mount_pages(app: FastAPI, assistant: Assistant) -> None:
    """Add static files, sources, exports and the Gradio pages to the application."""
    # Uploads pass through a folder that only this user reads, not through the machine's shared /tmp.
    uploads = assistant.settings.home / "uploads"
    uploads.mkdir(mode=0o700, exist_ok=True)
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    from starlette.staticfiles import StaticFiles

    from assistant.pages.export import export_router
    from assistant.pages.source import source_router
    from assistant.pages.theme import STATIC

    app.mount("/pages/static", StaticFiles(directory=STATIC), name="pages-static")
    app.include_router(source_router(assistant))
    app.include_router(export_router(assistant))
    with warnings.catch_warnings():
        # Gradio says this of every application with two pages, even where rendering on the server is off already.
        warnings.filterwarnings("ignore", "SSR mode is not supported", UserWarning)
        with_own_loop(lambda: _mount(app, assistant))


def _mount(app: FastAPI, assistant: Assistant) -> None:
    import gradio as gr
    from fastapi import FastAPI as Application
    from starlette.middleware import Middleware
    from starlette.routing import Mount

    from assistant.pages.head import HeadFirst
    from assistant.pages.streams import StreamsClosed
    from assistant.pages.theme import build_theme, head

    gr.mount_gradio_app(
        app,
        build_pages(assistant),
        path="/",
        auth_dependency=_person_id,
        theme=build_theme(),
        footer_links=[],
        run_history=False,
        show_error=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        max_file_size=f"{assistant.settings.max_upload_mb}mb",
    )
    mounted = app.routes[-1]
    assert isinstance(mounted, Mount)
    assert isinstance(mounted.app, Application)
    mounted.app.user_middleware += [Middleware(HeadFirst, head=head()), Middleware(StreamsClosed)]


def _person_id(request: Request) -> str | None:
    """Gradio's question "who is this?"; None makes it answer 401.

    Raises:
        NotAllowed: a file for the upload folder from somebody whose role uploads nothing.
    """
    try:
        person = current_person(request)
    except NotSignedIn:
        return None
    if request.url.path.rstrip("/").endswith("/gradio_api/upload"):
        require(person, "support", "admin")
    return person.person_id
