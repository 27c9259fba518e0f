"""The few server-rendered pages: sign-in, change of password, errors. Everything on them comes from this server."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from core.settings import Settings

FOLDER = Path(__file__).parent
STYLESHEET = "/sign-in/style.css"
POLICY = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"


@cache
def _templates() -> Environment:
    return Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)


@cache
def style() -> tuple[str, str]:
    """The stylesheet and its address, which changes with its content."""
    text = (FOLDER / "style.css").read_text(encoding="utf-8")
    return text, f"{STYLESHEET}?{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def page(name: str, settings: Settings, /, *, status: int = 200, **values: object) -> HTMLResponse:
    """The page `name`.html, never cached, with a policy that lets nothing in but our own stylesheet."""
    html = (
        _templates()
        .get_template(f"{name}.html")
        .render(organisation=settings.organisation, support=settings.support_contact, stylesheet=style()[1], **values)
    )
    return HTMLResponse(html, status, headers={"content-security-policy": POLICY, "cache-control": "no-store"})
