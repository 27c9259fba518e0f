"""The web application: `create_app(assistant)` puts sign-in, API, health and the pages behind one shield.

python -m assistant serve
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.routing import Mount

from assistant.web.api_keys import ApiKeys
from assistant.web.chat_api import chat_routes
from assistant.web.conversations_api import conversation_routes
from assistant.web.documents_api import document_routes
from assistant.web.drift_metrics import DriftMetrics
from assistant.web.errors import ErrorBoundary, install_errors
from assistant.web.feedback_api import feedback_routes
from assistant.web.health import health_routes
from assistant.web.metrics import Metrics
from assistant.web.model_metrics import ModelServers
from assistant.web.model_servers_api import model_server_routes
from assistant.web.passwords import Accounts
from assistant.web.reviews_api import review_routes
from assistant.web.security import Shield
from assistant.web.sessions import Identity, Sessions, cookie_name
from assistant.web.sign_in import sign_in_routes
from core.drift_checks import DriftChecks

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

THREADS = 100
"""For everything but answers, which have their own (assistant/web/threads.py)."""


def create_app(assistant: Assistant, *, local_token: str = "", accounts: Accounts | None = None) -> FastAPI:
    """The application that serves people and programs.

    Args:
        local_token: what this machine's commands prove themselves with; empty lets none in.
        accounts: how local passwords are checked; argon2 with the library's parameters when None.
    """
    settings = assistant.settings
    metrics = Metrics(assistant.catalogue.counts)
    assistant.turns.watch(metrics.turn_saved)
    assistant.ingest.watch(metrics.file_ingested)
    metrics.registry.register(DriftMetrics(DriftChecks(assistant.store)))
    if assistant.reconciler:
        metrics.registry.register(ModelServers(assistant.reconciler.fleet))
    accounts = accounts or Accounts(assistant.people, assistant.audit, per_minute=settings.sign_in_per_minute)
    app = FastAPI(title="Assistant", docs_url=None, redoc_url=None, lifespan=_lifespan)
    app.include_router(sign_in_routes(settings, accounts, assistant.audit))
    if settings.oidc_issuer:
        from assistant.web.oidc import Provider, oidc_routes

        provider = Provider(settings, assistant.people, assistant.audit, signing_key(settings.home))
        app.include_router(oidc_routes(settings, provider, assistant.audit))
    app.include_router(chat_routes(assistant))
    app.include_router(feedback_routes(assistant))
    app.include_router(review_routes(assistant))
    app.include_router(conversation_routes(assistant))
    app.include_router(document_routes(assistant))
    app.include_router(health_routes(assistant, metrics))
    app.include_router(model_server_routes(assistant.reconciler))
    _mount_pages(app, assistant)
    for part in [app, *(route.app for route in app.routes if isinstance(route, Mount))]:
        if isinstance(part, FastAPI):
            install_errors(part, settings)
    identity = Identity(
        Sessions(assistant.store, settings.session_hours),
        ApiKeys(assistant.store, assistant.audit),
        assistant.people,
        cookie_name(settings.secure_cookies),
        local_token,
    )
    # Added last is outermost: the shield's headers are on error pages too.
    app.add_middleware(ErrorBoundary, settings=settings)
    app.add_middleware(Shield, settings=settings, identity=identity)
    return app


def signing_key(home: Path) -> bytes:
    """The key that signs short-lived cookies, made on first use, readable by its owner only."""
    path = home / "cookie.key"
    if not path.exists():
        with os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
    return path.read_bytes()


def _mount_pages(app: FastAPI, assistant: Assistant) -> None:
    from assistant.pages.mount import mount_pages

    async def mount() -> None:
        mount_pages(app, assistant)

    # Inside a running loop Gradio makes its locks there; outside it leaves an open event loop behind for each of them.
    # The loop has a thread of its own, because the caller's thread may run one already.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, mount()).result()


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    from anyio.to_thread import current_default_thread_limiter

    current_default_thread_limiter().total_tokens = THREADS
    yield
