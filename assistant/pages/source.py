"""The source behind a citation: the document with the passage highlighted, and who vouches for it.

`GET /source/{document_id}/{version}?passage=...&quote=...`: a whole page, or the panel's content with `X-Fragment: 1`.
Access is decided again for every request: a link that somebody was sent opens nothing that they may not read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from assistant.pages.icons import icon
from assistant.pages.render import day, esc, language_name, rich
from assistant.pages.theme import static_url
from assistant.web.sessions import current_person
from core.errors import NotFound
from core.records import QUOTE_GAP, Document, Passage, Principal

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

_MISSING = "There is no such document, or you may not read it."


def source_router(assistant: Assistant) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/source/{document_id}/{version}")
    def source(request: Request, document_id: str, version: int, passage: str = "", quote: str = "") -> HTMLResponse:
        person = current_person(request)
        fragment = request.headers.get("x-fragment") == "1"
        try:
            body = source_html(assistant, person, document_id, version, passage_id=passage, quote=quote)
            status = 200
        except NotFound as error:
            way_out = "" if fragment else ' <a href="/">Back to the assistant</a>'
            body, status = f'<p class="ea-source-wait">{esc(error)}{way_out}</p>', 404
        headers = {"cache-control": "private, no-store", "vary": "X-Fragment, Cookie"}
        return HTMLResponse(body if fragment else _page(body), status, headers=headers)

    return router


def source_html(
    assistant: Assistant, person: Principal, document_id: str, version: int, *, passage_id: str = "", quote: str = ""
) -> str:
    """The document as HTML, with the cited passage marked.

    Raises:
        NotFound: unknown, erased, or not for this person; the message is the same, so that nobody learns which.
    """
    document = readable(assistant, person, document_id, version)
    passages = assistant.catalogue.passages(document_id, version)
    shown = passages_html(passages, passage_id, quote)
    today = datetime.now(UTC).date()
    return (
        f'<article class="ea-source" data-title="{esc(document.title)}">{facts(document, today)}'
        f'<div class="ea-source-text ea-text" dir="auto">{shown or "<p>No text is kept of this document.</p>"}</div></article>'
    )


def readable(assistant: Assistant, person: Principal, document_id: str, version: int) -> Document:
    """The document where the person may read it: by the access rule, and only approved text unless they review texts."""
    try:
        document = assistant.catalogue.get(document_id, version)
    except NotFound:
        raise NotFound(_MISSING) from None
    reviews = person.has_role("support") or person.has_role("admin")
    if not document.readable_by(person) or not (reviews or document.status == "approved"):
        raise NotFound(_MISSING)
    return document


def facts(document: Document, today: date) -> str:
    """Title, state and the governed facts of a document version."""
    rows = [
        ("Owner", f'<a href="mailto:{esc(document.owner)}">{esc(document.owner)}</a>'),
        ("Department", esc(document.department)),
        ("Version", str(document.version)),
        ("Effective", day(document.effective)),
        ("Expires", day(document.expires) if document.expires else "no end date"),
        ("Review by", day(document.review) if document.review else ""),
        ("Language", esc(language_name(document.language))),
        ("Legal hold", "yes" if document.legal_hold else ""),
    ]
    listed = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in rows if value)
    return (
        f'<header class="ea-facts"><h2>{esc(document.title)} {label(document.classification)}</h2>'
        f"{_standing(document, today)}<dl>{listed}</dl></header>"
    )


def label(classification: str) -> str:
    return f'<span class="ea-badge ea-class-{esc(classification)}">{esc(classification)}</span>'


def _standing(document: Document, today: date) -> str:
    """A warning where this version answers no questions today."""
    if document.in_force(today) and document.state == "indexed":
        return ""
    if document.status != "approved":
        text = f"This version is {document.status}: it answers no questions."
    elif document.effective > today:
        text = f"This version takes effect on {day(document.effective)}."
    elif document.expires and document.expires < today:
        text = f"This version expired on {day(document.expires)}: it answers no questions any more."
    else:
        text = f"This version is {esc(document.state)}: it answers no questions."
    return f'<p class="ea-low">{icon("alert")}<span>{text}</span></p>'


def passages_html(passages: Sequence[Passage], passage_id: str, quote: str) -> str:
    """The document's text, passage by passage, with its sections and pages, and the cited passage boxed."""
    parts: list[str] = []
    section, page = "", None
    for passage in passages:
        if passage.page is not None and passage.page != page:
            parts.append(f'<p class="ea-page">Page {passage.page}</p>')
        if passage.section != section:
            parts.append(f"<h3>{esc(passage.section)}</h3>")
        section, page = passage.section, passage.page
        body = rich(_without_heading(passage))
        if passage.passage_id == passage_id:
            body = (
                f'<div class="ea-cited" id="cited" aria-label="Cited passage" role="note">{quoted(body, quote)}</div>'
            )
        parts.append(body)
    return "".join(parts)


def _without_heading(passage: Passage) -> str:
    """The text without a first line that repeats the section's heading."""
    first, _, rest = passage.text.partition("\n")
    last = passage.section.split(" > ")[-1].strip().casefold()
    return rest if last and first.lstrip("# ").strip().casefold() == last else passage.text


def quoted(body: str, quote: str) -> str:
    """Mark the quoted words in rendered HTML; tags may lie between them, and where they are not found nothing is marked.

    A quote may be masked, as `<IBAN>`: what stands in the mask's place is marked too, since whoever may open the source may read it.
    """
    for part in quote.split(QUOTE_GAP):
        body = _marked(body, part)
    return body


def _marked(body: str, quote: str) -> str:
    """With the words of one part of a quote marked."""
    parts = [words for part in _MASK.split(quote) if (words := re.findall(r"[^\s*_`|#]+", part))]
    if not parts:
        return body
    between = r"(?:\s|</?(?:strong|em|code|td|th|tr|li|p|br)[^>]*>|[*_`|])+"
    patterns = [re.compile(between.join(re.escape(esc(word)) for word in words)) for words in parts]
    place = _place(body, patterns)
    if place is None:
        return body
    found = body[slice(*place)]
    marked = re.sub(r"([^<>]+)(?=<|$)", r"<mark>\1</mark>", found) if "<" in found else f"<mark>{found}</mark>"
    return body[: place[0]] + marked + body[place[1] :]


_MASK = re.compile(r"<[A-Z][A-Z _]{1,20}(?:-[A-Z]{10})?(?:>|$)")
_LONGEST_DATUM = 2000
"""Characters of rendered text that a mask may stand for: a key is long."""
_TRIED = 20
"""Places of the quote's first words from which its other parts are looked for."""


def _place(body: str, patterns: Sequence[re.Pattern[str]]) -> tuple[int, int] | None:
    """From the first part to the last, each the next one after the one before; None where a part is not there."""
    for first, _ in zip(patterns[0].finditer(body), range(_TRIED), strict=False):
        end = first.end()
        for pattern in patterns[1:]:
            following = pattern.search(body, end, end + _LONGEST_DATUM)
            if following is None:
                break
            end = following.end()
        else:
            return first.start(), end
    return None


def _page(body: str) -> str:
    sheets = "".join(
        f'<link rel="stylesheet" href="{static_url(n)}">' for n in ("base.css", "chat.css", "documents.css")
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Source</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f'<link rel="icon" type="image/svg+xml" href="{static_url("mark.svg")}">{sheets}'
        f'<script src="{static_url("alone.js")}" defer></script></head><body class="ea-alone"><main>{body}</main></body></html>'
    )
