"""Uploading documents: several files at once, each with its own progress, result and reason, and a way to cancel."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import gradio as gr

from assistant.pages import fields
from assistant.pages.parts import PLAIN, QUIET
from assistant.pages.person import UNFORESEEN, noted, signed_in, told
from assistant.pages.render import esc
from assistant.pages.running import Running
from assistant.web.sessions import require
from core.errors import AssistantError
from core.records import Principal
from retrieval.planning import DRAFT

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

State = Literal[
    "waiting", "working", "indexed", "draft", "unchanged", "duplicate", "quarantined", "failed", "cancelled"
]
SAID: dict[State, str] = {
    "waiting": "waiting",
    "working": "reading and indexing …",
    "indexed": "added",
    "draft": "added as a draft, which answers once somebody approves it",
    "unchanged": "unchanged since last time",
    "duplicate": "says the same as a document that is already there",
    "quarantined": "waits under “Needs attention”",
    "failed": "failed",
    "cancelled": "cancelled",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One file of an upload. `size` in bytes."""

    name: str
    size: int
    state: State = "waiting"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """The upload section; `finished` connects what is to be refreshed once an upload is through."""

    finished: Callable[[Callable[..., Any], Sequence[gr.components.Component], Sequence[Any]], Any]


def build_upload(assistant: Assistant, page: gr.Blocks, bridge: gr.HTML) -> Upload:
    """Lay out the upload section and connect it."""
    events = UploadEvents(assistant)
    gr.HTML(
        '<p class="ea-lead">What you enter here wins over what a file says of itself. '
        "New documents are drafts: they answer once somebody approves them.</p>",
        **PLAIN,
    )
    files = gr.File(label="Files", file_count="multiple", elem_id="ea-files", height=150)
    replaces = gr.Textbox(
        label="New version of",
        info="The id of a document, as Manage shows it; left empty, each file is a new document, whatever its name",
        max_lines=1,
        elem_id="ea-upload-replaces",
    )
    with gr.Accordion("Metadata for these files", open=True, elem_id="ea-upload-fields"):
        form = fields.governance_fields("ea-upload", with_title=False)
    with gr.Row(elem_classes="ea-actions"):
        add = gr.Button("Add documents", variant="primary", elem_id="ea-upload-add")
        cancel = gr.Button("Cancel", elem_id="ea-upload-cancel")
    progress = gr.HTML(elem_id="ea-progress", **PLAIN)
    done = add.click(events.add, [files, replaces, *form], [files, replaces, progress], **QUIET)
    cancel.click(None, js="() => window.eaCancelUpload && window.eaCancelUpload()")
    bridge.cancel_upload(events.cancel, None, None, **QUIET)
    page.load(events.load, None, form, **QUIET)
    return Upload(lambda handler, inputs, outputs: done.then(handler, list(inputs), list(outputs), **QUIET))


class UploadEvents:
    """The upload section's handlers, one object for everybody."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._running = Running()

    @told
    def load(self, request: gr.Request) -> list[Any]:
        """The form as it opens: the person's own mailbox as owner, everyone as readers."""
        person = signed_in(self._assistant, request)
        departments = sorted({d.department for d in self._assistant.catalogue.documents(person=person)} - {""})
        first = {"owner": person.email, "classification": "internal", "allowed_groups": ["everyone"]}
        empty: dict[str, object] = {"denied_groups": [], "allowed_groups": [], "legal_hold": False}
        values = [first.get(name, empty.get(name, "")) for name in fields.NAMES]
        return fields.updates(values, sorted(self._assistant.people.groups()), departments)

    @told
    def cancel(self, event: gr.EventData, request: gr.Request) -> None:
        run = event._data.get("run", "") if isinstance(event._data, dict) else ""
        self._running.stop(signed_in(self._assistant, request).person_id, str(run))

    def add(
        self, request: gr.Request, files: list[str] | None, replaces: str, *values: Any
    ) -> Iterator[tuple[Any, ...]]:
        """Ingest the files one after the other; one bad file never stops the rest."""
        person, replaces = self._uploader(request), replaces.strip()
        problem = self._problem(person, files, replaces)
        if problem or not files:
            yield gr.skip(), gr.skip(), f'<p class="ea-none" role="alert">{problem}</p>'
            return
        run_id = uuid.uuid4().hex
        rows = [Row(Path(file).name, Path(file).stat().st_size) for file in files]
        metadata = fields.metadata(values) | ({"document_id": replaces} if replaces else {})
        with self._running.started(person.person_id, run_id) as stop:
            for place, file in enumerate(files):
                if stop.is_set():
                    rows[place] = replace(rows[place], state="cancelled")
                    Path(file).unlink(missing_ok=True)
                    continue
                rows[place] = replace(rows[place], state="working")
                yield gr.skip(), gr.skip(), _progress(rows, run_id)
                rows[place] = self._one(Path(file), rows[place], metadata, person)
                yield gr.skip(), gr.skip(), _progress(rows, run_id)
        yield None, "", _progress(rows, "")

    @told
    def _uploader(self, request: gr.Request) -> Any:
        return require(signed_in(self._assistant, request), "support", "admin")

    def _problem(self, person: Principal, files: list[str] | None, replaces: str) -> str:
        """Why nothing can be added yet; empty where it can."""
        if not files:
            return "Choose one or more files first."
        if replaces and len(files) > 1:
            return "A new version is one file: choose just that one, or leave “New version of” empty."
        versions = self._assistant.catalogue.documents(document_id=replaces) if replaces else []
        if replaces and not any(document.managed_by(person) for document in versions):
            return f"You look after no document {esc(replaces)}: Manage shows the ids of those that you do."
        return ""

    def _one(self, file: Path, row: Row, metadata: dict[str, object], person: Principal) -> Row:
        try:
            result = self._assistant.ingest.add_upload(row.name, file, metadata, person)
        except AssistantError as error:
            return replace(row, state="failed", note=str(error))
        except Exception as error:  # noqa: BLE001 - the request's boundary: one file never stops the rest
            noted(error, "upload")
            return replace(row, state="failed", note=UNFORESEEN)
        finally:
            file.unlink(missing_ok=True)
        if result.status == "quarantined" and result.reason.startswith(DRAFT):
            return replace(row, state="draft", note=result.reason.removeprefix(DRAFT).removeprefix("; "))
        note = result.reason or (f"{result.chunks} passages" if result.status == "indexed" else "")
        return replace(row, state=result.status, note=note)


def _progress(rows: Sequence[Row], run_id: str) -> str:
    over = sum(row.state not in ("waiting", "working") for row in rows)
    items = "".join(
        f'<li class="ea-file ea-file-{row.state}"><span class="ea-file-name">{esc(row.name)}</span>'
        f'<span class="ea-file-size">{_size(row.size)}</span><span class="ea-file-state">{SAID[row.state]}'
        f"{f': {esc(row.note)}' if row.note else ''}</span></li>"
        for row in rows
    )
    run = f' data-run="{run_id}"' if run_id else ""
    return (
        f'<div class="ea-upload"{run}><p role="status">{over} of {len(rows)} files done</p>'
        f'<progress max="{len(rows)}" value="{over}" aria-label="Files done"></progress><ul>{items}</ul></div>'
    )


def _size(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB" if count >= 1_000_000 else f"{-(-count // 1000)} kB"
