"""Governed documents over HTTP: list, upload, approve, retire, delete; and, for this machine's commands, ingest and search.

Everybody lists what they may read. Support reviewers also see drafts and retired versions that they may read, upload,
approve and retire; administrators see and change all, and delete. Texts of passages are shown to nobody who may not read
them.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import anyio.to_thread
import yaml
from anyio import CancelScope
from fastapi import APIRouter, Form, UploadFile
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from assistant.web.errors import error_body, report
from assistant.web.sessions import current_person, identity, require
from core.errors import AssistantError, BadInput, NotFound, NotSignedIn, TooLarge
from core.records import Document, DocumentStatus, IndexState, Principal
from core.settings import Settings
from core.turns import now
from core.yaml_text import load
from retrieval.catalogue import UNKNOWN, Catalogue
from retrieval.retriever import Mode
from retrieval.search_command import result_row

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

MEGABYTE = 2**20
READERS_FIELDS = (
    "document_id",
    "version",
    "title",
    "owner",
    "department",
    "classification",
    "effective",
    "expires",
    "review",
    "legal_hold",
    "language",
    "status",
    "state",
)


class IngestRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")
    paths: list[Path] = Field(min_length=1)
    actor: str = Field("cli", max_length=80)
    defaults: dict[str, object] | None = None
    missing: Literal["count", "retire"] | None = None
    """What to do with documents whose files are gone from the folders; told in a last line where it is given."""


class SearchRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")
    query: str
    limit: int = Field(10, ge=1, le=100)
    mode: Mode = "hybrid"
    filters: dict[str, str] = Field(default_factory=dict)


def document_routes(assistant: Assistant) -> APIRouter:
    router = APIRouter(prefix="/documents", tags=["documents"])
    _reading(router, assistant)
    _taking_in(router, assistant)
    _managing(router, assistant)
    return router


def _reading(router: APIRouter, assistant: Assistant) -> None:
    catalogue = assistant.catalogue

    @router.get("")
    def listed(
        request: Request,
        state: IndexState | None = None,
        status: DocumentStatus | None = None,
        department: str | None = None,
        manage: bool = False,
    ) -> list[dict[str, object]]:
        person = current_person(request, "documents")
        reader = None if manage else person
        found = catalogue.documents(person=reader, state=state, status=status, department=department)
        if manage:
            require(person, "support", "admin")
            found = [document for document in found if document.managed_by(person)]
        return [shown(catalogue, document, person) for document in found]

    @router.post("/search")
    def search(request: Request, asked: SearchRequest) -> Response:
        person = current_person(request, "documents")
        if not asked.query.strip():
            raise BadInput("Type what to search for.")
        found = assistant.retriever.retrieve(
            asked.query,
            person,
            limit=asked.limit,
            mode=asked.mode,
            filters=asked.filters,
        )
        rows = [result_row(n, p) for n, p in enumerate(found.passages, 1)]
        text = "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
        return Response(text, media_type="application/jsonl")

    @router.get("/{document_id}/{version}")
    def one(request: Request, document_id: str, version: int) -> dict[str, object]:
        person = current_person(request, "documents")
        found = catalogue.get(document_id, version)
        if not found.managed_by(person) and not (found.readable_by(person) and found.in_force(now().date())):
            raise NotFound(UNKNOWN)
        return shown(catalogue, found, person)


def _taking_in(router: APIRouter, assistant: Assistant) -> None:
    ingest = assistant.ingest

    @router.post("", status_code=201)
    def upload(
        request: Request, file: UploadFile, metadata: Annotated[str, Form(max_length=20_000)]
    ) -> dict[str, object]:
        person = require(current_person(request, "documents"), "support", "admin")
        given = read_metadata(metadata)
        with tempfile.TemporaryDirectory(dir=assistant.settings.home) as folder:
            stored = Path(folder) / "upload"
            with stored.open("wb") as out:
                shutil.copyfileobj(file.file, out)
            if stored.stat().st_size > assistant.settings.max_upload_mb * MEGABYTE:
                raise TooLarge(
                    f"The file is larger than {assistant.settings.max_upload_mb} MB; ASSISTANT_MAX_UPLOAD_MB sets the limit."
                )
            return asdict(ingest.add_upload(file.filename or "", stored, given, person))

    @router.post("/ingest")
    def local_ingest(request: Request, asked: IngestRequest) -> Response:
        if not identity(request).is_local(request):
            raise NotSignedIn(
                "Only this machine's command line may ingest paths: use POST /documents to upload a file."
            )
        cancel = threading.Event()

        def lines() -> Iterator[Mapping[str, object]]:
            for result in ingest.run(asked.paths, actor=asked.actor, cancel=cancel, defaults=asked.defaults):
                yield asdict(result)
            if asked.missing and not cancel.is_set():
                yield asdict(ingest.missing(asked.paths, actor=asked.actor, retire=asked.missing == "retire"))

        return StreamingResponse(
            json_lines(lines(), request, assistant.settings, cancel), media_type="application/jsonl"
        )


def _managing(router: APIRouter, assistant: Assistant) -> None:
    catalogue, ingest = assistant.catalogue, assistant.ingest

    def manager(request: Request, document_id: str, version: int) -> Principal:
        person = require(current_person(request, "documents"), "support", "admin")
        if not catalogue.get(document_id, version).managed_by(person):
            raise NotFound(UNKNOWN)
        return person

    @router.post("/{document_id}/{version}/approve")
    def approve(request: Request, document_id: str, version: int) -> dict[str, object]:
        person = manager(request, document_id, version)
        return shown(catalogue, ingest.approve(document_id, version, person.person_id), person)

    @router.post("/{document_id}/{version}/retire")
    def retire(request: Request, document_id: str, version: int) -> dict[str, object]:
        person = manager(request, document_id, version)
        return shown(catalogue, ingest.retire(document_id, version, person.person_id), person)

    @router.delete("/{document_id}/{version}", status_code=204)
    def delete(request: Request, document_id: str, version: int) -> None:
        person = require(current_person(request, "documents"), "admin")
        ingest.delete(document_id, version, person.person_id)


def read_metadata(text: str) -> dict[str, object]:
    """The governance keys of an upload, as JSON or YAML; `retrieval/governance.py` checks them."""
    try:
        data = load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or "the text"
        raise BadInput(f"metadata cannot be read as JSON or YAML{where}: {what}") from None
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise BadInput('metadata must be an object, as {"owner": "me@x.example", "classification": "internal", ...}')
    return data


def shown(catalogue: Catalogue, document: Document, person: Principal) -> dict[str, object]:
    """A document's governance as JSON, personal data as counts by kind: all of it for who manages the document, what its
    source page says for who may just read it."""
    if document.managed_by(person):
        document = catalogue.for_manager(document, person)
        return {name: _value(value) for name, value in asdict(document).items()}
    return {name: _value(getattr(document, name)) for name in READERS_FIELDS}


async def json_lines(
    rows: Iterator[Mapping[str, object]], request: Request, settings: Settings, cancel: threading.Event
) -> AsyncIterator[bytes]:
    """One JSON object a line; an error is the last line. A caller that goes away cancels the rest."""
    try:
        while (row := await anyio.to_thread.run_sync(next, rows, None)) is not None:
            yield _line(row)
    except AssistantError as error:
        yield _line({"error": error_body(error.code, str(error))})
    except Exception as error:  # noqa: BLE001 - the request boundary: the response has begun
        report(request, settings, error)
        yield _line({"error": error_body("assistant_error", "Ingestion broke off; what was reported is stored.")})
    finally:
        cancel.set()
        with CancelScope(shield=True):
            await anyio.to_thread.run_sync(getattr(rows, "close", lambda: None))


def _line(row: Mapping[str, object]) -> bytes:
    return (json.dumps(row, ensure_ascii=False, default=str) + "\n").encode("utf-8", "replace")


def _value(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    return sorted(value) if isinstance(value, frozenset) else value
