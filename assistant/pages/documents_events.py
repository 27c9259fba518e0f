"""What happens on the documents page. Every handler asks for the role itself: hiding a button protects nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from assistant.pages import fields, library
from assistant.pages.parts import sent
from assistant.pages.person import account_html, signed_in, told
from assistant.pages.render import language_choices
from assistant.web.sessions import require
from core.errors import BadInput, NotFound
from core.records import Document, Principal

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant


class DocumentsEvents:
    """The documents page's handlers, one object for everybody."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant

    @told
    def load(self, request: gr.Request) -> tuple[Any, ...]:
        """The account, the filters' choices, the lists, and the tabs that this person's roles open."""
        person = signed_in(self._assistant, request)
        rows = library.listed(self._assistant, person)
        departments = sorted({one.document.department for one in rows} - {""})
        staff = gr.update(visible=library.reviews(person))
        return (
            account_html(self._assistant, person),
            gr.update(choices=[("All departments", ""), *departments]),
            gr.update(choices=language_choices(one.document.language for one in rows)),
            *self._lists(person, ("", "", "", "")),
            staff,
            staff,
        )

    @told
    def filter(self, words: str, department: str, standing: str, language: str, request: gr.Request) -> tuple[Any, ...]:
        return self._lists(signed_in(self._assistant, request), (words, department, standing, language))

    @told
    def manage(self, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        person = self._reviewer(request)
        return self._panel(person, *_key(event))

    @told
    def approve(
        self, words: str, department: str, standing: str, language: str, event: gr.EventData, request: gr.Request
    ) -> tuple[Any, ...]:
        """Let a draft or retired version answer from its effective date on."""
        filters = (words, department, standing, language)
        return self._changed(self._assistant.ingest.approve, filters, event, request)

    @told
    def retire(
        self, words: str, department: str, standing: str, language: str, event: gr.EventData, request: gr.Request
    ) -> tuple[Any, ...]:
        """Stop a version from answering; its vectors are gone when this returns."""
        filters = (words, department, standing, language)
        return self._changed(self._assistant.ingest.retire, filters, event, request)

    @told
    def erase(
        self, words: str, department: str, standing: str, language: str, event: gr.EventData, request: gr.Request
    ) -> tuple[Any, ...]:
        """Erase a version for good: vectors, text and file. Only admins may."""
        person = require(signed_in(self._assistant, request), "admin")
        document = library.managed(self._assistant, person, *_key(event))
        blocked = self._assistant.ingest.delete(document.document_id, document.version, person.person_id)
        trained = f" Blocked, since they were trained on it: {', '.join(blocked)}." if blocked else ""
        gr.Info(f"The document is deleted.{trained}", duration=8 if blocked else 4)
        return self._after(person, (words, department, standing, language), None)

    @told
    def save(self, request: gr.Request, key: str, *rest: Any) -> tuple[Any, ...]:
        """Ingest the stored original again under new metadata."""
        *values, words, department, standing, language = rest
        person = self._reviewer(request)
        document_id, _, version = key.rpartition(" ")
        document = library.managed(self._assistant, person, document_id, int(version))
        given = fields.metadata(values)
        result = self._assistant.ingest.govern(document.document_id, document.version, given, person)
        if result.status == "failed":
            raise BadInput(result.reason)
        gr.Info("The metadata are saved.", duration=4)
        saved = self._assistant.catalogue.get(result.document_id, result.version)
        return self._after(person, (words, department, standing, language), saved)

    def close(self) -> Any:
        return gr.update(visible=False)

    def _reviewer(self, request: gr.Request) -> Principal:
        return require(signed_in(self._assistant, request), "support", "admin")

    def _lists(self, person: Principal, filters: tuple[str, str, str, str]) -> tuple[Any, ...]:
        rows = library.listed(self._assistant, person)
        waiting = [one for one in rows if one.standing in ("quarantined", "draft")]
        title = f"Needs attention ({len(waiting)})" if waiting else "Needs attention"
        return (
            library.listing_html(library.chosen(rows, *filters), total=len(rows), person=person),
            library.attention_html(waiting, person),
            gr.update(visible=library.reviews(person), label=title),
        )

    def _changed(
        self,
        change: Callable[[str, int, str], Document],
        filters: tuple[str, str, str, str],
        event: gr.EventData,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        person = self._reviewer(request)
        document = library.managed(self._assistant, person, *_key(event))
        changed = change(document.document_id, document.version, person.person_id)
        gr.Info(f"Version {changed.version} is {changed.status} now.", duration=4)
        return self._after(person, filters, changed)

    def _after(
        self, person: Principal, filters: tuple[str, str, str, str], document: Document | None
    ) -> tuple[Any, ...]:
        lists = self._lists(person, filters)
        if document is None:
            return (*lists, gr.update(visible=False), *[gr.skip()] * (3 + len(fields.NAMES)))
        return (*lists, *self._panel(person, document.document_id, document.version))

    def _panel(self, person: Principal, document_id: str, version: int) -> tuple[Any, ...]:
        """The manage panel. Texts are shown to those who may read the document, not to everybody who manages it."""
        document = library.managed(self._assistant, person, document_id, version)
        one = next(
            row
            for row in library.listed(self._assistant, person)
            if (row.document.document_id, row.document.version) == (document_id, version)
        )
        preview = '<p class="ea-none">You manage this document, but you may not read its text.</p>'
        if document.readable_by(person):
            preview = library.preview_html(self._assistant.catalogue.passages(document_id, version))
        departments = sorted({d.document.department for d in library.listed(self._assistant, person)} - {""})
        groups = sorted(self._assistant.people.groups())
        return (
            gr.update(visible=True),
            f"{document_id} {version}",
            library.manage_html(
                replace(one, document=document),
                original=self._has_original(document),
                may_delete=person.has_role("admin"),
            ),
            preview,
            *fields.updates(fields.of_document(document), groups, departments),
        )

    def _has_original(self, document: Document) -> bool:
        try:
            return self._assistant.ingest.file_of(document).exists()
        except NotFound:
            return False


def _key(event: gr.EventData) -> tuple[str, int]:
    data = sent(event)
    document_id, version = str(data.get("id", "")), str(data.get("version", ""))
    if not document_id or not version.isdecimal():
        raise BadInput("Choose a document from the list.")
    return document_id, int(version)
