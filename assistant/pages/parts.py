"""What the pages' components and events share: options, what the bridge sends, and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from core.errors import BadInput

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


def sent(event: gr.EventData) -> Mapping[str, Any]:
    """What the page's bridge sent with an event; nothing where that is no object."""
    return event._data if isinstance(event._data, dict) else {}


def word_of(event: gr.EventData, name: str) -> str:
    """A text that the bridge sent, "" where it sent none; raises BadInput where it is something else."""
    value = sent(event).get(name, "")
    if not isinstance(value, str):
        raise BadInput("The page sent something else than text: reload it.")
    return value


def table_html(heads: Sequence[str], rows: str) -> str:
    """A table of rows in HTML, which scrolls by keyboard where it is wide."""
    head = "".join(f"<th>{one}</th>" for one in heads)
    return (
        f'<div class="ea-table" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )
