"""The empty chat: what the assistant is, and four questions that this person's own documents can answer."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from assistant.pages.icons import icon
from assistant.pages.render import esc
from core.records import Document, Principal

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant
    from core.settings import Settings

SUGGESTIONS = 4


def suggestions(assistant: Assistant, person: Principal | None) -> list[tuple[str, str]]:
    """(department, question) pairs from documents that the person may read, another choice each day."""
    if person is None:
        return []
    today = datetime.now(UTC).date()
    readable = [d for d in assistant.catalogue.documents(person=person) if d.in_force(today) and d.language == "en"]
    seed = f"{person.person_id}{today}"
    readable.sort(key=lambda d: hashlib.sha256(f"{seed}{d.document_id}".encode()).digest())
    chosen: dict[str, Document] = {}
    for document in readable:
        chosen.setdefault(document.department, document)
    return [(d.department, _ask(assistant, d)) for d in list(chosen.values())[:SUGGESTIONS]]


def _ask(assistant: Assistant, document: Document) -> str:
    sections = [
        p.section.split(" > ")[-1] for p in assistant.catalogue.passages(document.document_id, document.version)
    ]
    named = [s for s in dict.fromkeys(sections) if 4 < len(s) < 60 and s != document.title]
    if not named:
        return f"What does “{document.title}” say?"
    return f"{document.title}: what applies to “{named[len(named) // 2]}”?"


def welcome(person: Principal, settings: Settings, asks: list[tuple[str, str]], *, temporary: bool) -> str:
    first = person.name.split()[0] if person.name.split() else person.person_id
    title = "Temporary chat" if temporary else f"Hello, {first}"
    text = (
        "Nothing that you ask here is kept in your history."
        if temporary
        else f"Ask about {settings.organisation}. Answers come from approved documents that you may read, with their sources."
    )
    cards = "".join(
        f'<li><button type="button" class="ea-suggestion" data-act="suggest" data-text="{esc(question)}">'
        f"<span>{esc(department)}</span>{esc(question)}</button></li>"
        for department, question in asks
    )
    listing = f'<ul class="ea-suggestions" aria-label="Suggested questions">{cards}</ul>' if cards else ""
    ghost = icon("ghost") if temporary else ""
    return f'<div class="ea-welcome">{ghost}<h1>{esc(title)}</h1><p>{esc(text)}</p>{listing}</div>'
