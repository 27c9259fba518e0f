"""The pages' icons: 20 px outline drawings of our own, inlined so that nothing is fetched for them."""

from __future__ import annotations

from typing import Literal

IconName = Literal[
    "alert",
    "bench",
    "chart",
    "check",
    "chevron",
    "close",
    "copy",
    "document",
    "download",
    "edit",
    "external",
    "flag",
    "ghost",
    "info",
    "key",
    "layers",
    "menu",
    "moon",
    "more",
    "pencil",
    "refresh",
    "scale",
    "search",
    "shield",
    "sign-out",
    "thumb-down",
    "thumb-up",
    "trash",
]

_PATHS: dict[IconName, str] = {
    "alert": "M12 9v4M12 17h.01M10.3 3.9 2.4 17.5A2 2 0 0 0 4.1 20.5h15.8a2 2 0 0 0 1.7-3L13.7 3.9a2 2 0 0 0-3.4 0Z",
    "bench": "M9 3v6.5L4.5 18A2 2 0 0 0 6.3 21h11.4a2 2 0 0 0 1.8-3L15 9.5V3M8 3h8M7 15h10",
    "chart": "M4 4v15a1 1 0 0 0 1 1h15M8.5 16v-4M13 16V7M17.5 16v-6.5",
    "check": "m5 12.5 4.5 4.5L19 7.5",
    "chevron": "m9 6 6 6-6 6",
    "close": "M6 6l12 12M18 6 6 18",
    "copy": "M9 9h10a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H9a1 1 0 0 1-1-1V10a1 1 0 0 1 1-1ZM5 15H4a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1h10a1 1 0 0 1 1 1v1",
    "document": "M14 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8l-5-5ZM14 3v5h5M9 13h6M9 17h4",
    "download": "M12 4v11M7.5 11 12 15.5 16.5 11M5 20h14",
    "edit": "M12 5H6a2 2 0 0 0-2 2v11a2 2 0 0 0 2 2h11a2 2 0 0 0 2-2v-6M18.4 3.6a1.9 1.9 0 0 1 2.7 2.7L13 14.4l-3.6.9.9-3.6 8.1-8.1Z",
    "external": "M14 4h6v6M20 4l-9 9M18 14v4a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2V8a2 2 0 0 1 2-2h4",
    "flag": "M5 21V4M5 4h12l-2.5 4.5L17 13H5",
    "ghost": "M5 20V11a7 7 0 0 1 14 0v9l-2.3-1.8L14.3 20 12 18.2 9.7 20l-2.4-1.8L5 20ZM9.5 10.5h.01M14.5 10.5h.01",
    "info": "M12 11v5M12 8h.01M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z",
    "key": "M11.3 13.2 20 4M17 7l2.5 2.5M14.5 9.5 16 11M12.5 16a4 4 0 1 1-8 0 4 4 0 0 1 8 0Z",
    "layers": "M12 4 3.500 8.500 12 13l8.500-4.500L12 4ZM4 12.500l8 4.200 8-4.200M4 16.500l8 4.200 8-4.200",
    "menu": "M4 7h16M4 12h16M4 17h16",
    "moon": "M20 14.5A8 8 0 0 1 9.5 4a8 8 0 1 0 10.5 10.5Z",
    "more": "M6 12h.01M12 12h.01M18 12h.01",
    "pencil": "M4 20l1-4.5L16 4.5a2 2 0 0 1 2.9 0l.6.6a2 2 0 0 1 0 2.9L8.5 19 4 20ZM14 6.5l3.5 3.5",
    "refresh": "M20 11a8 8 0 0 0-14.3-4L4 9M4 4v5h5M4 13a8 8 0 0 0 14.3 4l1.7-2M20 20v-5h-5",
    "scale": "M12 4v16M8 20h8M5 7h14M5 7l-2.500 6.500a3 3 0 0 0 5 0L5 7ZM19 7l-2.500 6.500a3 3 0 0 0 5 0L19 7Z",
    "search": "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14ZM20 20l-4-4",
    "shield": "M12 3l7 3v5c0 4.5-3 8.2-7 10-4-1.800-7-5.500-7-10V6l7-3Z",
    "sign-out": "M15 4h3a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2h-3M10 16l-4-4 4-4M6 12h10",
    "thumb-down": "M8 4v11M8 15 11.500 21a2 2 0 0 0 2-2v-4h4.700a2 2 0 0 0 2-2.300l-1.100-7A2 2 0 0 0 17.100 4H5a1 1 0 0 0-1 1v9a1 1 0 0 0 1 1h3Z",
    "thumb-up": "M8 20V9M8 9l3.500-6a2 2 0 0 1 2 2v4h4.700a2 2 0 0 1 2 2.300l-1.100 7a2 2 0 0 1-2 1.700H5a1 1 0 0 1-1-1v-9a1 1 0 0 1 1-1h3Z",
    "trash": "M4 7h16M10 11v6M14 11v6M6 7l1 12a2 2 0 0 0 2 2h6a2 2 0 0 0 2-2l1-12M9 7V5a1 1 0 0 1 1-1h4a1 1 0 0 1 1 1v2",
}


def icon(name: IconName) -> str:
    """An inline SVG in the colour of its text, hidden from screen readers: the control beside it carries the name."""
    return (
        '<svg class="ea-icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" '
        f'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="{_PATHS[name]}"/></svg>'
    )
