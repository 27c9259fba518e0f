"""Markdown, as far as several packages read it: `cells("| a | b |")` is `["a", "b"]`."""

from __future__ import annotations

import re


def cells(row: str) -> list[str]:
    """The cells of a table row in markdown."""
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row.strip().strip("|"))]
