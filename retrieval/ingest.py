"""Files become governed, searchable documents.

    python -m retrieval ingest PATH... [--json] [--govern owner=me@x,classification=internal,allowed_groups=everyone]

Each file is judged by itself: one bad file never stops the rest. A result is given only once what it says is stored, so
a kill at any moment loses nothing that was reported (order of writes: `retrieval/indexing.py`). Files are encoded in
batches, which is where the time goes; an unchanged file costs a hash.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from core.errors import BadInput, Conflict, GovernanceError
from core.records import Document, IndexState, Principal
from retrieval.catalogue import ANSWERING_STATES, Catalogue, Entry, Key, Known, key_of, name
from retrieval.dedup import fingerprint
from retrieval.embed import Embedder
from retrieval.front_matter import Unclear
from retrieval.governance import entries_of
from retrieval.index import Index
from retrieval.indexing import Indexing
from retrieval.originals import Originals
from retrieval.planning import DRAFT, GONE, MISREAD, REPLACED, STANDING, ByHand, Copy, Planner, Snapshot, today
from retrieval.sources import (
    Prepared,
    Reader,
    Scan,
    Source,
    check_name,
    find_sources,
    quarantine_id,
)

log = logging.getLogger(__name__)

IngestStatus = Literal["indexed", "unchanged", "duplicate", "quarantined", "failed"]
BATCH_PASSAGES: Final = 128
BATCH_FILES: Final = 32
NO_GOVERNANCE: Final = (
    "has no governance metadata: give it front matter or an entry in governance.yaml, fill it in on the page Documents, or ingest it "
    "with --govern owner=YOU,classification=internal,allowed_groups=everyone"
)


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What became of one file. `document_id` is empty and `version` 0 where the file has no identity."""

    path: str
    document_id: str
    version: int
    status: IngestStatus
    chunks: int
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Missing:
    """Documents whose files are gone from the folders that were ingested: `(name, path)` of each, and whether they were retired."""

    missing: Sequence[tuple[str, str]] = ()
    retired: bool = False


@dataclass(slots=True)
class _Job:
    """A prepared file on its way: once planned it has its `entry`, or the `failure` that stopped it."""

    prepared: Prepared
    seconds: float
    entry: Entry | None = None
    failure: tuple[IngestStatus, str] | None = None


class Ingest:
    """Takes files in and changes what answers. Safe to use from several threads; one writes at a time.

    Args:
        files: keeps the original files.
        scan: counts personal data by kind in a text; None records none.
        known_groups: the access groups that metadata may name, asked at each run.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        index: Index,
        embedder: Embedder,
        *,
        files: Originals,
        scan: Scan | None,
        known_groups: Callable[[], Collection[str]],
    ) -> None:
        self._catalogue = catalogue
        self._indexing = Indexing(catalogue, index, embedder)
        self._files = files
        self._scan = scan
        self._known_groups = known_groups
        self._lock = threading.RLock()
        self._watchers: list[Callable[[IngestResult], None]] = []

    def watch(self, watcher: Callable[[IngestResult], None]) -> None:
        """Call `watcher` with the result of every file taken in, whichever way it came; the metrics count this way."""
        self._watchers.append(watcher)

    # --- taking in -----------------------------------------------------------------------------------------------

    def run(
        self,
        paths: Sequence[Path],
        *,
        actor: str,
        cancel: threading.Event | None = None,
        defaults: Mapping[str, object] | None = None,
    ) -> Iterator[IngestResult]:
        """Ingest files and folders, one result a file, in the order in which they are done.

        Args:
            cancel: once set, no further file is begun; what was reported stays.
            defaults: metadata for files, over which each file's own wins; without it a file without any is quarantined.

        Raises:
            BadInput: a path does not exist. GovernanceError: the defaults.
            StoreUnavailable, IndexUnavailable: what was reported is kept; run it again.
        """
        sources, _ = find_sources(paths)
        yield from self.take(sources, actor=actor, cancel=cancel, defaults=defaults)

    def take(
        self,
        sources: Sequence[Source],
        *,
        actor: str,
        cancel: threading.Event | None = None,
        defaults: Mapping[str, object] | None = None,
    ) -> Iterator[IngestResult]:
        """`run` on files already found."""
        for result in self._take(sources, self._reader(defaults), actor, cancel):
            yield self._told(result)

    def missing(self, paths: Sequence[Path], *, actor: str, retire: bool = False) -> Missing:
        """What still stands in the catalogue though its file is gone from these folders; with `retire` it is retired.

        Nothing is retired unasked: a folder may be away for a moment. A file that comes back is indexed again.
        """
        roots = [path.resolve() for path in paths if path.is_dir()]
        with self._lock:
            gone = [k for k in self._catalogue.known() if k.state in STANDING and _is_gone(Path(k.path), roots)]
            for version in gone if retire else ():
                self._withdraw(version.key, actor, GONE)
        return Missing([(name(version.key), version.path) for version in gone], retire)

    def _take(
        self,
        sources: Sequence[Source],
        reader: Reader,
        actor: str,
        cancel: threading.Event | None = None,
        by_hand: ByHand | None = None,
    ) -> Iterator[IngestResult]:
        jobs: list[_Job] = []
        wrote = False
        for outcome in self._examined(sources, reader, actor, cancel, by_hand):
            if isinstance(outcome, IngestResult):
                yield outcome
                continue
            jobs.append(outcome)
            if len(jobs) >= BATCH_FILES or sum(len(job.prepared.chunks) for job in jobs) >= BATCH_PASSAGES:
                yield from self._commit(jobs, actor, by_hand)
                jobs, wrote = [], True
        yield from self._commit(jobs, actor, by_hand)
        if jobs or wrote:
            self._indexing.settle()

    def _examined(
        self,
        sources: Sequence[Source],
        reader: Reader,
        actor: str,
        cancel: threading.Event | None,
        by_hand: ByHand | None,
    ) -> Iterator[IngestResult | _Job]:
        """Read ahead in a thread of its own while the batch before is encoded, which leaves Python idle."""
        known = Snapshot(self._catalogue.known())
        waiting: deque[Future[IngestResult | _Job]] = deque()
        pool = ThreadPoolExecutor(1, thread_name_prefix="ingest-reader")
        try:
            for source in sources:
                if cancel is not None and cancel.is_set():
                    break
                waiting.append(pool.submit(self._examine, source, reader, known, actor, by_hand))
                if len(waiting) > BATCH_FILES:
                    yield waiting.popleft().result()
            while waiting and not (cancel is not None and cancel.is_set() and waiting[0].cancel()):
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def add_upload(
        self, name: str, data: bytes | Path, metadata: Mapping[str, object], uploader: Principal
    ) -> IngestResult:
        """Ingest one uploaded file; without a `status` in its metadata it is a draft until somebody approves it.

        What the person says of the file wins over what the file says of itself. Without a `document_id` it is a new document.

        Raises:
            BadInput: the name is a path. GovernanceError: the metadata. NotFound: the document_id is that of versions
            which the person does not look after.
        """
        name = check_name(name)
        with tempfile.TemporaryDirectory() as folder:
            file = data if isinstance(data, Path) else Path(folder) / "upload"
            if isinstance(data, bytes):
                file.write_bytes(data)
            source = Source(f"uploads/{name}", file, file.parent)
            reader = self._reader({"status": "draft", **metadata}, final=True)
            (result,) = self._take([source], reader, uploader.person_id, by_hand=ByHand(uploader))
            return _for_uploader(self._told(result), self._catalogue, uploader)

    def _told(self, result: IngestResult) -> IngestResult:
        for watcher in self._watchers:
            watcher(result)
        return result

    def govern(self, document_id: str, version: int, metadata: Mapping[str, object], person: Principal) -> IngestResult:
        """Ingest the stored original again under other metadata, which win over the file's own.

        Id and version stay, and so does the status unless it is given. This is how a document in quarantine gets its
        governance. A file that lies in a folder keeps what is said there: ingesting that folder again brings it back.

        Raises:
            NotFound: no such version, its original is not held, or a file in quarantine would become a version of a
            document that the person does not look after. GovernanceError: the metadata.
        """
        document = self._catalogue.get(document_id, version)
        stored = self.file_of(document)
        same = {"document_id": document_id, "version": version} if version else {}
        reader = self._reader({"status": document.status, **metadata, **same}, final=True)
        source = Source(document.path, stored, Path(document.path).parent)
        (result,) = self._take([source], reader, person.person_id, by_hand=ByHand(person, adds=not version))
        return result

    def _reader(self, defaults: Mapping[str, object] | None, *, final: bool = False) -> Reader:
        return Reader(
            max_bytes=self._files.max_bytes,
            known_groups=self._known_groups(),
            scan=self._scan,
            defaults=None if defaults is None else entries_of(defaults, "the metadata given"),
            final=final,
        )

    def _examine(
        self, source: Source, reader: Reader, known: Snapshot, actor: str, by_hand: ByHand | None
    ) -> IngestResult | _Job:
        started = time.perf_counter()

        def result(status: IngestStatus, key: Key = ("", 0), chunks: int = 0, reason: str = "") -> IngestResult:
            return IngestResult(source.path, *key, status, chunks, reason, round(time.perf_counter() - started, 4))

        try:
            data = reader.read(source)
            identity = reader.identify(source, data)
            same = known.unchanged(source, identity)
            if same is not None and (by_hand is None or self._catalogue.get(*same.key).managed_by(by_hand.person)):
                if same.path != source.path:
                    self._catalogue.moved(same.key, source.path, actor=actor)
                self._put_back(identity.sha256, data)
                status: IngestStatus = "quarantined" if same.state == "quarantined" else "unchanged"
                return result(status, same.key, same.chunks, same.reason)
            if identity.governance is None:
                reason = _ungoverned(known.at(source))
                key = self._quarantine(source, data, identity.sha256, reason=reason, actor=actor)
                return result("quarantined", key, 0, reason)
            prepared = reader.prepare(source, data, identity)
            self._files.keep(identity.sha256, data)
        except GovernanceError as error:
            if reader.final:  # somebody governs it by hand, and is told
                return result("failed", reason=str(error))
            self._withhold(source, known, actor)
            if not isinstance(error, Unclear):
                return result("failed", reason=str(error))
            return result("quarantined", self._set_apart(source, data, known, str(error), actor), 0, str(error))
        except BadInput as error:
            return result("failed", reason=str(error))
        return _Job(prepared, time.perf_counter() - started)

    def _withhold(self, source: Source, known: Snapshot, actor: str) -> None:
        """Take what a file answered out of the answers: whom its writer now means cannot be told."""
        for version in known.at(source):
            if version.state in STANDING:
                with self._lock:
                    self._withdraw(version.key, actor, MISREAD)

    def _set_apart(self, source: Source, data: bytes, known: Snapshot, reason: str, actor: str) -> Key:
        """Quarantine a file whose front matter is unclear; written once, however often it is met."""
        sha256, told = hashlib.sha256(data).hexdigest(), reason[:1000]
        for row in known.at(source):
            if not row.key[1] and row.sha256 == sha256 and row.reason == told:
                return row.key
        return self._quarantine(source, data, sha256, reason=reason, actor=actor)

    def _quarantine(self, source: Source, data: bytes, sha256: str, *, reason: str, actor: str) -> Key:
        """A row for the Documents page: nobody may read it, and it has no words. The file is kept for who governs it later."""
        document = Document(
            document_id=quarantine_id(source),
            version=0,
            title=Path(source.path).name[:500],
            owner="",
            department="",
            classification="restricted",
            allowed_groups=frozenset(),
            denied_groups=frozenset(),
            effective=today(),
            status="draft",
            sha256=sha256,
            path=source.path,
            language="",
            state="quarantined",
            reason=reason,
        )
        entry = Entry(document, "", fingerprint(""), "", ())
        with self._lock:
            self._files.keep(sha256, data)
            self._store([entry], [sha256], actor)
        return key_of(document)

    def _put_back(self, sha256: str, data: bytes) -> None:
        """An original that went missing is there again once its unchanged file is met; a deleted one is not."""
        if self._files.holds(sha256):
            return
        with self._lock:
            if self._catalogue.needed([sha256]):
                self._files.keep(sha256, data)
                self._settle([sha256])

    # --- the part that writes ------------------------------------------------------------------------------------

    def _commit(self, jobs: Sequence[_Job], actor: str, by_hand: ByHand | None) -> Iterator[IngestResult]:
        """Plan, store and index a batch; yields only after all of it is stored."""
        if not jobs:
            return
        started = time.perf_counter()
        with self._lock:
            planner = Planner(self._catalogue, self._indexing, by_hand)
            for job in jobs:
                try:
                    self._keep_again(job.prepared)
                    job.entry = planner.plan(job.prepared)
                except Copy as error:
                    job.failure = ("duplicate", str(error))
                except Conflict as error:
                    job.failure = ("failed", str(error))
            entries = [job.entry for job in jobs if job.entry is not None]
            self._store(entries, [job.prepared.identity.sha256 for job in jobs], actor)
            self._indexing.apply([entry.document for entry in entries], actor=actor)
            for key in planner.replaced:
                self._withdraw(key, actor, REPLACED)
        share = (time.perf_counter() - started) / len(jobs)
        for job in jobs:
            job.seconds += share
            yield _result(job)

    def _keep_again(self, prepared: Prepared) -> None:
        """The file was kept when it was read; what was deleted or replaced since may have been the last of its bytes.

        Raises:
            Conflict: the file has changed meanwhile.
        """
        sha256 = prepared.identity.sha256
        if self._files.holds(sha256):
            return
        try:
            data = prepared.source.file.read_bytes()
        except OSError:
            data = b""
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Conflict("was changed or deleted while it was taken in: ingest it again")
        self._files.keep(sha256, data)

    def _store(self, entries: Sequence[Entry], kept: Sequence[str], actor: str) -> None:
        """Put the entries in the catalogue; of the files kept and replaced, those stay that a document was made from."""
        hashes = {*kept, *self._catalogue.replaced_by(entries)}
        self._files.doubt(hashes)
        self._catalogue.put(entries, actor=actor)
        self._settle(hashes)

    def _settle(self, hashes: Collection[str]) -> None:
        self._files.settle(hashes, needed=self._catalogue.needed(hashes))

    # --- one document --------------------------------------------------------------------------------------------

    def file_of(self, document: Document) -> Path:
        """The stored original. Raises NotFound."""
        return self._files.path(document.sha256)

    def approve(self, document_id: str, version: int, actor: str) -> Document:
        """Let a draft or a retired version answer from its effective date on; its vectors are there on return.

        Raises:
            NotFound; Conflict: it is approved already, a duplicate, or quarantined for want of governance or text.
        """
        with self._lock:
            document = self._catalogue.get(document_id, version)
            if document.status == "approved":
                raise Conflict(f"{name((document_id, version))} is approved already.")
            if not self._catalogue.passages(document_id, version):
                raise Conflict(f"{name((document_id, version))} holds nothing to answer from: {document.reason}.")
            notes = document.reason.removeprefix(DRAFT).removeprefix("; ") if document.status == "draft" else ""
            key = (document_id, version)
            self._catalogue.set_state(
                key, "pending", actor=actor, action="document.approve", reason=notes, status="approved"
            )
            self._indexing.publish([self._catalogue.get(document_id, version)], actor=actor)
            return self._catalogue.get(document_id, version)

    def retire(self, document_id: str, version: int, actor: str) -> Document:
        """Stop a version from answering; its vectors are gone on return, its words stay for the record."""
        with self._lock:
            if not self._catalogue.get(document_id, version).version:
                raise Conflict("A quarantined file does not answer: give it governance metadata, or delete it.")
            self._withdraw((document_id, version), actor, "retired")
            return self._catalogue.get(document_id, version)

    def delete(self, document_id: str, version: int, actor: str) -> tuple[str, ...]:
        """Erase a version: vectors, words and file are gone on return; a row without words says that it was.

        Returns:
            The adapters that were trained on it: they are blocked, and serve nobody from the next question on.

        Raises:
            NotFound; Conflict: it is under legal hold.
        """
        key = (document_id, version)
        with self._lock:
            document = self._catalogue.get(document_id, version)
            if document.legal_hold:
                raise Conflict(f"{name(key)} is under legal hold and cannot be deleted. Retire it to stop its answers.")
            if document.version > 0:
                self._catalogue.set_state(
                    key, "removed", actor=actor, action="document.delete", reason=DELETED, status="retired"
                )
            self._indexing.withdraw(key)
            self._files.doubt([document.sha256])
            blocked = self._catalogue.erase(key, actor=actor, whole=document.version == 0)
            self._settle([document.sha256])
            return blocked

    def recover(self) -> int:
        """Finish what a crash cut off, before anything is answered; returns how many documents that were."""
        with self._lock:
            self._files.sweep()
            for known in self._catalogue.known():
                if known.state == "removed" and known.reason == DELETED and known.governance_sha256:
                    self.delete(*known.key, "system")
            self._settle(self._files.in_doubt())
            return self._indexing.recover()

    def _withdraw(self, key: Key, actor: str, reason: str) -> None:
        self._catalogue.set_state(
            key, "removed", actor=actor, action="document.retire", reason=reason, status="retired"
        )
        self._indexing.withdraw(key)


DELETED: Final = "deleted; it stays deleted when its file is ingested again unchanged"


def _is_gone(file: Path, roots: Sequence[Path]) -> bool:
    return any(file.is_relative_to(root) for root in roots) and not file.exists()


def _ungoverned(before: Sequence[Known]) -> str:
    """Why a file without metadata waits, and what of it was governed before and is answered from still."""
    answering = ", ".join(sorted(name(one.key) for one in before if one.state in ANSWERING_STATES))
    return NO_GOVERNANCE + (f". What it held before, {answering}, answers on until it is retired" if answering else "")


def _for_uploader(result: IngestResult, catalogue: Catalogue, uploader: Principal) -> IngestResult:
    """Of a file that its uploader may not read they are not told whether another, for the same readers, says the same."""
    document = catalogue.find(result.document_id, result.version)
    if document is None or document.state != "duplicate" or document.managed_by(uploader):
        return result
    return replace(result, status="indexed", reason="")


def _result(job: _Job) -> IngestResult:
    path, seconds = job.prepared.source.path, round(job.seconds, 4)
    if job.entry is None:
        status, reason = job.failure or ("failed", "")
        return IngestResult(path, "", 0, status, 0, reason, seconds)
    document = job.entry.document
    return IngestResult(
        path, document.document_id, document.version, _STATUS[document.state], document.chunks, document.reason, seconds
    )


_STATUS: Final[Mapping[IndexState, IngestStatus]] = {
    "pending": "indexed",
    "indexed": "indexed",
    "duplicate": "duplicate",
    "quarantined": "quarantined",
    "removed": "quarantined",
}
