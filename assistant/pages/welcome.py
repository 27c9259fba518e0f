"""The empty chat: what the assistant is, and four questions that this person's own documents can answer."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from assistant.pages.icons import icon
from assistant.pages.render import esc
from core.records import Document, Principal

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant
    from core.settings import Settings

SUGGESTIONS = 4
_NO_SUBJECT = re.compile(r"how to( \w+)?$|(?:step by step|if|before|after|during|until|while)\b", re.IGNORECASE)
"""Headings that do not say of what, or that are no object of "tell me about"."""


def suggestions(assistant: Assistant, person: Principal | None) -> list[tuple[str, str]]:
    """(department, question) pairs from documents that the person may read, another choice each day."""
    if person is None:
        return []
    today = datetime.now(UTC).date()
    readable = [d for d in assistant.catalogue.documents(person=person) if d.language == "en" and d.state == "indexed"]
    seed = f"{person.person_id}{today}"
    readable.sort(key=lambda d: (_clumsy(d.title), hashlib.sha256(f"{seed}{d.document_id}".encode()).digest()))
    chosen: dict[str, Document] = {}
    for document in readable:
        if not _clumsy(document.title):
            chosen.setdefault(document.department, document)
    first = list(chosen.values())[:SUGGESTIONS]
    rest = [d for d in readable if d not in first][: SUGGESTIONS - len(first)]
    return [(d.department, _ask(assistant, d)) for d in first + rest]


def _ask(assistant: Assistant, document: Document) -> str:
    """A question that a section of the document answers, in the words of its heading."""
    passages = assistant.catalogue.passages(document.document_id, document.version)
    headings = dict.fromkeys(p.section.split(" > ")[-1].strip() for p in passages)
    plain = [h for h in headings if h != document.title and not _clumsy(h)]
    heading = max(plain, key=lambda h: len(h.split()), default=document.title)  # the longest says most alone
    text = " ".join(p.text for p in passages)
    return f"Tell me about {_inside_sentence(heading, text)}"


def _inside_sentence(heading: str, text: str) -> str:
    """The heading with a small first letter, unless its first word is written with a capital inside sentences too."""
    first = heading.split()[0]
    named = re.search(rf"[a-z,] {re.escape(first)}\b", text) is not None
    return heading if named or first[1:2].isupper() else heading[0].lower() + heading[1:]


def _clumsy(words: str) -> bool:
    """Whether a title or heading reads badly inside a sentence."""
    return (
        not 2 <= len(words.split()) <= 7
        or words.isupper()
        or _NO_SUBJECT.match(words) is not None
        or any(c in ":;?!()“”<>[]{}/=" or c.isdigit() for c in words)
    )


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
