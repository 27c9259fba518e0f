"""The list of documents: which of them a person sees, whether each answers today, and how the list looks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Literal, get_args
from urllib.parse import quote

from assistant.pages.icons import icon
from assistant.pages.render import day, esc, language_name, rich
from assistant.pages.source import label
from core.errors import NotFound
from core.records import Document, Passage, Principal
from retrieval.catalogue import UNKNOWN

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

Standing = Literal[
    "answering", "upcoming", "expired", "superseded", "duplicate", "draft", "retired", "quarantined", "pending"
]
STANDINGS: tuple[Standing, ...] = get_args(Standing)
EXPLAINED: Mapping[Standing, str] = {
    "answering": "answers questions today",
    "upcoming": "approved, not effective yet",
    "expired": "its expiry date has passed",
    "superseded": "a newer version answers",
    "duplicate": "says the same as another document, which answers",
    "draft": "waits for approval",
    "retired": "was withdrawn",
    "quarantined": "needs metadata before it can be approved",
    "pending": "is being indexed",
}


@dataclass(frozen=True, slots=True)
class Listed:
    document: Document
    standing: Standing


def listed(assistant: Assistant, person: Principal) -> list[Listed]:
    """What this person's list holds: for an employee what may answer them, for reviewers what they look after."""
    today = datetime.now(UTC).date()
    every = [d for d in assistant.catalogue.documents() if not _erased(d)]
    newest = _newest(every, today)
    found = [Listed(d, _standing(d, newest, today)) for d in every if d.readable_by(person) or d.managed_by(person)]
    if not reviews(person):
        found = [one for one in found if one.standing in ("answering", "duplicate")]
    return sorted(found, key=lambda one: (one.document.title.casefold(), -one.document.version))


def reviews(person: Principal) -> bool:
    return person.has_role("support") or person.has_role("admin")


def managed(assistant: Assistant, person: Principal, document_id: str, version: int) -> Document:
    """Raises NotFound where the person does not look after that document, as if it were not there."""
    document: Document = assistant.catalogue.get(document_id, version)
    if not document.managed_by(person):
        raise NotFound(UNKNOWN)
    return assistant.catalogue.for_manager(document, person)


def _erased(document: Document) -> bool:
    """Deleted: its row without words stays for the record, and is no longer anybody's to manage."""
    return document.state == "removed" and not document.chunks


def _newest(documents: Iterable[Document], today: date) -> dict[str, int]:
    answering = [
        d for d in documents if d.status == "approved" and d.effective <= today and d.state in ("indexed", "duplicate")
    ]
    newest: dict[str, int] = {}
    for document in answering:
        newest[document.document_id] = max(document.version, newest.get(document.document_id, 0))
    return newest


def _standing(document: Document, newest: Mapping[str, int], today: date) -> Standing:
    if document.state == "quarantined" and not (document.status == "draft" and document.chunks):
        return "quarantined"
    if document.status == "draft":
        return "draft"
    if document.status == "retired":
        return "retired"
    if document.effective > today:
        return "upcoming"
    if newest.get(document.document_id, document.version) > document.version:
        return "superseded"
    if document.expires is not None and document.expires < today:
        return "expired"
    if document.state == "duplicate":
        return "duplicate"
    return "answering" if document.state == "indexed" else "pending"


def chosen(rows: Sequence[Listed], words: str, department: str, standing: str, language: str) -> list[Listed]:
    """The rows that match the filters; an empty filter matches all."""
    wanted = words.casefold().split()
    return [
        one
        for one in rows
        if all(w in f"{one.document.title} {one.document.document_id} {one.document.owner}".casefold() for w in wanted)
        and department in ("", one.document.department)
        and standing in ("", one.standing)
        and language in ("", one.document.language)
    ]


def listing_html(rows: Sequence[Listed], *, total: int, person: Principal) -> str:
    if not rows:
        text = "No document matches these filters." if total else "There are no documents here yet."
        return f'<p class="ea-none">{text}</p>'
    documents = "document" if total == 1 else "documents"
    count = f"{len(rows)} of {total} {documents}" if len(rows) != total else f"{total} {documents}"
    items = "".join(
        _row(one, manage=one.document.managed_by(person), reads=one.document.readable_by(person)) for one in rows
    )
    return f'<p class="ea-count" role="status">{count}</p><ul class="ea-docs">{items}</ul>'


def attention_html(rows: Sequence[Listed], person: Principal) -> str:
    """What waits for somebody, and what to do about it."""
    if not rows:
        return '<p class="ea-none">Nothing waits: every document has its metadata, and no draft is open.</p>'
    lead = "<strong>Manage</strong> opens a document: complete its metadata to take it out of quarantine, or approve a draft so that it answers."
    return f'<p class="ea-lead">{lead}</p>{listing_html(rows, total=len(rows), person=person)}'


def _row(one: Listed, *, manage: bool, reads: bool) -> str:
    d = one.document
    href = f"/source/{quote(d.document_id, safe='')}/{d.version}"
    reads = reads and bool(d.chunks)
    name = (
        f'<button type="button" class="ea-doc-title" data-act="source" data-href="{esc(href)}">{esc(d.title)}</button>'
    )
    if not reads:
        name = f'<span class="ea-doc-title">{esc(d.title)}</span>'
    dates = f"{day(d.effective)} to {day(d.expires)}" if d.expires else f"from {day(d.effective)}"
    if not d.version:
        dates = esc(f"{d.reason[:1].upper()}{d.reason[1:]}.")
    facts = " · ".join(
        part
        for part in (
            esc(d.department),
            f"version {d.version}" if d.version else "",
            esc(language_name(d.language)),
            dates,
        )
        if part
    )
    button = (
        f'<button type="button" class="ea-small" data-act="manage" data-id="{esc(d.document_id)}" '
        f'data-version="{d.version}" aria-label="Manage {esc(d.title)}, version {d.version}">Manage</button>'
        if manage
        else ""
    )
    return (
        f'<li class="ea-doc" data-document="{esc(d.document_id)}">{icon("document")}<div class="ea-doc-main">{name}'
        f'<span class="ea-doc-facts">{facts}</span></div>{standing_badge(one.standing)}{label(d.classification)}{button}</li>'
    )


def standing_badge(standing: Standing) -> str:
    return f'<span class="ea-badge ea-standing-{standing}" title="{EXPLAINED[standing]}">{standing}</span>'


def manage_html(one: Listed, *, original: bool, may_delete: bool) -> str:
    """The head of the manage panel: what the document is, what was found in it, and what can be done with it."""
    d = one.document
    personal = ", ".join(
        f"{count} × {esc(kind.lower().replace('_', ' '))}" for kind, count in sorted(d.personal_data.items())
    )
    rows = [
        ("Document", f"{esc(d.document_id)} · version {d.version}"),
        ("Standing", f"{standing_badge(one.standing)} {EXPLAINED[one.standing]}"),
        ("Reason", esc(d.reason) if d.reason else ""),
        ("Personal data", personal or "none found"),
        ("Duplicate of", esc(d.duplicate_of)),
        ("Near duplicates", ", ".join(esc(name) for name in d.near_duplicates) or "none found"),
        ("Passages", str(d.chunks)),
        ("File", f'<span title="{esc(d.path)}">{esc("/".join(d.path.split("/")[-3:]))}</span>'),
        ("sha256", f'<code title="{esc(d.sha256)}">{esc(d.sha256[:16])}…</code>'),
    ]
    listing = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in rows if value)
    gone = _hint("The original file is not held: upload it again to change its metadata.") if not original else ""
    if d.path.startswith("/"):
        gone += _hint(
            "This file is ingested from a folder: change its metadata there too, or the next ingest undoes it."
        )
    return (
        f'<div class="ea-manage-head"><h2>{esc(d.title)}</h2><dl class="ea-wide">{listing}</dl>{gone}'
        f'<div class="ea-buttons">{_actions(one, may_delete=may_delete)}</div></div>'
    )


def _hint(text: str) -> str:
    return f'<p class="ea-hint">{icon("info")}{text}</p>'


def _actions(one: Listed, *, may_delete: bool) -> str:
    d = one.document
    data = f'data-id="{esc(d.document_id)}" data-version="{d.version}" data-title="{esc(d.title)}"'
    buttons = []
    if d.status != "approved" and d.chunks:
        buttons.append(f'<button type="button" class="ea-primary" data-act="approve" {data}>Approve</button>')
    if d.status == "approved":
        buttons.append(f'<button type="button" data-act="retire" {data}>Retire</button>')
    if may_delete:
        held = ' disabled title="Under legal hold"' if d.legal_hold else ""
        buttons.append(f'<button type="button" class="ea-danger" data-act="erase" {data}{held}>Delete</button>')
    return "".join(buttons)


def preview_html(passages: Sequence[Passage]) -> str:
    """The passages as the index holds them: section, page, length and text."""
    if not passages:
        return '<p class="ea-none">This version holds no passages.</p>'
    items = "".join(
        f"<li><header><strong>{esc(p.section)}</strong><span>#{p.ordinal + 1}{f' · page {p.page}' if p.page else ''} · "
        f'{len(p.text.split())} words</span></header><div class="ea-text">{rich(p.text)}</div></li>'
        for p in passages
    )
    return f'<ol class="ea-passages">{items}</ol>'
