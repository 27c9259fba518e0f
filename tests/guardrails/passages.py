"""Passages for guard tests, with only what a test says."""

from __future__ import annotations

from datetime import date

from core.records import Classification, Passage


def passage(
    text: str, *, title: str = "Travel policy", section: str = "", classification: Classification = "internal"
) -> Passage:
    return Passage(
        passage_id="0" * 32,
        document_id="travel",
        version=1,
        ordinal=0,
        title=title,
        section=section,
        page=None,
        text=text,
        classification=classification,
        owner="finance@kestrelbay.example",
        language="en",
        effective=date(2026, 1, 1),
    )
