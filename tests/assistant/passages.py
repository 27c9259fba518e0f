"""Passages for tests, with only what a test says."""

from __future__ import annotations

import hashlib
from datetime import date

from core.records import Passage


def passage(
    text: str, *, title: str = "Travel policy", section: str = "", document_id: str = "travel", dense: float = 0.5
) -> Passage:
    return Passage(
        passage_id=hashlib.sha256(f"{title}{section}{text}".encode()).hexdigest()[:32],
        document_id=document_id,
        version=1,
        ordinal=0,
        title=title,
        section=section,
        page=None,
        text=text,
        classification="internal",
        owner="finance@kestrelbay.example",
        language="en",
        effective=date(2026, 1, 1),
        scores={"dense": dense},
    )
