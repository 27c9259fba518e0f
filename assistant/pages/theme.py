"""The look of the pages: one palette, the system's own fonts, and our stylesheet and scripts from this server."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradio.themes import Base

STATIC = Path(__file__).parent / "static"
FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]


def build_theme() -> Base:
    """Gradio's base theme in our palette. Plain font names only: Gradio would fetch its default fonts elsewhere."""
    from gradio.themes import Base
    from gradio.themes.utils import colors, sizes

    theme = Base(
        primary_hue=colors.teal,
        neutral_hue=colors.stone,
        radius_size=sizes.radius_md,
        text_size=sizes.text_md,
        font=FONTS,
        font_mono=MONO,
    )
    both = {
        "body_background_fill": "var(--ea-bg)",
        "body_text_color": "var(--ea-text)",
        "body_text_color_subdued": "var(--ea-muted)",
        "background_fill_primary": "var(--ea-bg)",
        "background_fill_secondary": "var(--ea-side)",
        "block_background_fill": "var(--ea-bg)",
        "block_label_background_fill": "var(--ea-bg)",
        "block_label_text_color": "var(--ea-muted)",
        "block_title_text_color": "var(--ea-text)",
        "block_info_text_color": "var(--ea-muted)",
        "block_border_color": "var(--ea-line)",
        "border_color_primary": "var(--ea-line)",
        "border_color_accent": "var(--ea-accent)",
        "color_accent_soft": "var(--ea-accent-soft)",
        "input_background_fill": "var(--ea-field)",
        "input_border_color": "var(--ea-line-strong)",
        "input_border_color_focus": "var(--ea-accent)",
        "input_placeholder_color": "var(--ea-muted)",
        "button_primary_background_fill": "var(--ea-accent)",
        "button_primary_background_fill_hover": "var(--ea-accent-strong)",
        "button_primary_text_color": "var(--ea-on-accent)",
        "button_secondary_background_fill": "var(--ea-bg)",
        "button_secondary_background_fill_hover": "var(--ea-hover)",
        "button_secondary_text_color": "var(--ea-text)",
        "button_secondary_border_color": "var(--ea-line-strong)",
        "button_cancel_background_fill": "var(--ea-bg)",
        "button_cancel_background_fill_hover": "var(--ea-danger-soft)",
        "button_cancel_text_color": "var(--ea-danger)",
        "button_cancel_border_color": "var(--ea-line-strong)",
        "checkbox_label_background_fill": "var(--ea-bg)",
        "checkbox_label_background_fill_hover": "var(--ea-hover)",
        "checkbox_label_text_color": "var(--ea-text)",
        "table_border_color": "var(--ea-line)",
        "table_odd_background_fill": "var(--ea-bg)",
        "table_even_background_fill": "var(--ea-side)",
    }
    # What the dark palette changes lies behind the variables, so both modes take the same names.
    known = set(vars(theme))
    dark = {f"{name}_dark": value for name, value in both.items() if f"{name}_dark" in known}
    return theme.set(**{k: v for k, v in both.items() if k in known}, **dark)


def head() -> str:
    """Links to our stylesheet and scripts; the content's hash in the address makes a new release show at once."""
    scripts = "".join(
        f'<script defer src="{static_url(name)}"></script>'
        for name in ("shell.js", "chat.js", "documents.js", "review.js", "ratings.js", "guards.js", "adapters.js")
    )
    icon = f'<link rel="icon" type="image/svg+xml" href="{static_url("mark.svg")}">'
    sheets = "".join(
        f'<link rel="stylesheet" href="{static_url(name)}">'
        for name in ("base.css", "chat.css", "documents.css", "review.css", "staff.css", "adapters.css")
    )
    return f'<meta name="color-scheme" content="light dark">{icon}{sheets}{scripts}'


def static_url(name: str) -> str:
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/pages/static/{name}?v={digest}"
