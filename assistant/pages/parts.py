"""Options that the pages' components and events share."""

from __future__ import annotations

from typing import Any

PLAIN: dict[str, Any] = {"js_on_load": None, "apply_default_css": False}
"""For gr.HTML: what is rendered brings its own looks (static/*.css) and acts through the page's bridge."""

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""For events: the page shows progress in its own words, and Gradio's API offers none of them."""


def bridge_js(*names: str) -> str:
    """JavaScript of a page's bridge: `window.eaSend(name, data)` raises the Python event of that name.

    The data are a stranger's word: handlers take the person from the request, and look every id up in that
    person's name.
    """
    listed = ", ".join(f"'{name}'" for name in names)
    return f"const names = [{listed}]; window.eaSend = (name, data) => {{ if (names.includes(name)) trigger(name, data || {{}}); }};"
