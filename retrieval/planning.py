"""Which document a file is, whether its words are new, and whether they should be indexed: decided before anything is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Final

from core.errors import Conflict, NotFound
from core.records import Document, IndexState, Passage, Principal
from retrieval import ocr
from retrieval.catalogue import Catalogue, Compared, Entry, Key, Known, key_of, name, passage_of
from retrieval.chunk import Chunk, passage_id
from retrieval.dedup import SIMILAR, says_the_same, similarities
from retrieval.governance import Governance
from retrieval.indexing import Indexing
from retrieval.sources import Identity, Prepared, Source, derived_id, path_hash

MISREAD: Final = "withheld: nobody can tell any more who may read its file"
REPLACED: Final = "its file now holds another document or version"
GONE: Final = "its file is gone"
COMES_BACK: Final = (MISREAD, REPLACED, GONE)
"""Why a version was withdrawn for its file's sake: it answers again when its file is as it was."""
DRAFT: Final = "is a draft: it answers once it is approved"
LIFT: Final = "lift the hold on the page Documents, under Manage"


STANDING: Final[tuple[IndexState, ...]] = ("indexed", "duplicate", "pending")


class Copy(Conflict):
    """The very file that the catalogue holds from another path, under the same document id and version."""


class Snapshot:
    """The catalogue at the start of a run, to see at once that a file is as it was."""

    def __init__(self, known: Sequence[Known]) -> None:
        self._by_key = {k.key: k for k in known}
        self._by_path: dict[str, list[Known]] = {}
        for entry in known:
            self._by_path.setdefault(entry.path, []).append(entry)

    def at(self, source: Source) -> Sequence[Known]:
        """Every version that was read from this file."""
        return self._by_path.get(source.path, ())

    def unchanged(self, source: Source, identity: Identity) -> Known | None:
        governance = identity.governance
        candidates = list(self._by_path.get(source.path, ()))
        if governance and governance.document_id and governance.version:
            same = self._by_key.get((governance.document_id, governance.version))
            # The same document elsewhere is a move only where the old file is gone.
            candidates = [same] if same and (same.path == source.path or not Path(same.path).exists()) else []
        for known in candidates:
            if known.state == "removed" and known.reason in COMES_BACK:
                continue
            if known.sha256 != identity.sha256 or known.state == "pending":
                continue
            if governance is None:  # what it was given before, by --govern or a listing, holds on
                return known
            if ocr.INSTALL in known.reason and not ocr.missing():  # its scanned pages can be read now
                continue
            deleted = known.state == "removed" and not known.governance_sha256
            if deleted or known.governance_sha256 == identity.governance_sha256:
                return known
        return None


@dataclass(frozen=True, slots=True)
class ByHand:
    """A person adds a file, or changes the metadata of a version that they look after. The operator's folders have none."""

    person: Principal
    adds: bool = True


class Planner:
    """Decides, for one file after another of a batch, which document it is and whether its words are new."""

    def __init__(self, catalogue: Catalogue, indexing: Indexing, by_hand: ByHand | None = None) -> None:
        self._catalogue = catalogue
        self._indexing = indexing
        self._adds = by_hand.person if by_hand and by_hand.adds else None
        self._governs = by_hand is not None and not by_hand.adds
        self._known = catalogue.known()
        self._compared = catalogue.compared()
        self._planned: dict[Key, Entry] = {}
        self.replaced: list[Key] = []
        """Versions that were read from a planned file and that it no longer stands for."""

    def plan(self, prepared: Prepared) -> Entry:
        """Raises Copy or Conflict: another file is that version already, or it is under legal hold; NotFound: the uploader
        does not look after that document."""
        governance = prepared.identity.governance
        assert governance is not None
        key = self._key(prepared, governance)
        before = self._catalogue.find(*key)
        if before is not None and before.legal_hold:
            self._respect_hold(before, prepared)
        document = self._document(prepared, governance, key, before)
        if document.status == "approved" and prepared.chunks:
            document = self._compare(document, prepared)
        entry = Entry(
            document,
            prepared.text,
            prepared.fingerprint,
            prepared.identity.governance_sha256,
            tuple(_passages(document, prepared.chunks)),
        )
        self._planned[key] = entry
        if document.state == "pending":
            self._compared.append(Compared(key, prepared.fingerprint.text_sha256, prepared.fingerprint.minhash))
        if not prepared.source.is_upload:
            at_path = (k for k in self._known if k.path == prepared.source.path and k.state in STANDING)
            self.replaced += [k.key for k in at_path if _no_longer_stands(k.key, document, governance)]
        return entry

    def _key(self, prepared: Prepared, governance: Governance) -> Key:
        source = prepared.source
        document_id = governance.document_id or self._derived_id(source)
        self._check_rights(document_id)
        version = governance.version or self._next_version(document_id, prepared.identity.sha256)
        key = (document_id, version)
        held = [(k.path, k.sha256) for k in self._known if k.key == key and k.state != "removed" and _is_there(k.path)]
        if key in self._planned:
            held = [(self._planned[key].document.path, self._planned[key].document.sha256)]
        for path, sha256 in held:
            if path != source.path and sha256 == prepared.identity.sha256:
                raise Copy(f"is the same file as {path}, which is {name(key)}")
            if path != source.path:
                raise Conflict(f"{name(key)} is {path} already: give this file another document_id or version.")
        return key

    def _check_rights(self, document_id: str) -> None:
        """A new version replaces the others for everybody: only who looks after them all may add one."""
        if self._adds is None:
            return
        if not all(d.managed_by(self._adds) for d in self._catalogue.documents(document_id=document_id)):
            raise NotFound(
                f"There is no document {document_id} that you may add a version to: give the file another document_id."
            )

    def _respect_hold(self, before: Document, prepared: Prepared) -> None:
        """What is held keeps its text. Its metadata may change, but not by another upload."""
        held = f"{name(key_of(before))} is under legal hold: "
        if self._adds is not None:
            raise Conflict(f"{held}give this file another version.")
        same_file = before.sha256 == prepared.identity.sha256
        if not same_file and self._catalogue.full_text(*key_of(before)) != prepared.text:
            raise Conflict(f"{held}its text stays as it is. Give the changed file another version, or {LIFT}.")

    def _derived_id(self, source: Source) -> str:
        """By the file's place; another file whose place gives the same id keeps it.

        An upload has but a name, which other people's files have too: it is always a new document.
        """
        derived = derived_id(source)
        if source.is_upload:
            ids = {k.key[0] for k in self._known}
            numbered = (derived if number == 1 else f"{derived}-{number}" for number in count(1))
            return next(one for one in numbered if one not in ids)
        paths = {k.path for k in self._known if k.key[0] == derived and k.key[1]}
        paths |= {e.document.path for k, e in self._planned.items() if k[0] == derived}
        taken = any(path != source.path and _is_there(path) for path in paths)
        return f"{derived}-{path_hash(source.path)}" if taken else derived

    def _next_version(self, document_id: str, sha256: str) -> int:
        """The version that already has this content, else one more than the highest."""
        versions = {k.key[1]: k.sha256 for k in self._known if k.key[0] == document_id and k.key[1]}
        newest = max(versions, default=0)
        return newest if versions.get(newest) == sha256 else newest + 1

    def _document(self, prepared: Prepared, governance: Governance, key: Key, before: Document | None) -> Document:
        notes = list(prepared.notes)
        kept_on_hold = before is not None and before.legal_hold and not governance.legal_hold and not self._governs
        if kept_on_hold:
            notes.append(f"stays under legal hold: {LIFT}")
        state: IndexState = "pending"
        reason = "; ".join(notes)
        if not prepared.chunks:
            state, reason = "quarantined", "holds no text to answer from"
        elif governance.status == "draft":
            state, reason = "quarantined", "; ".join([DRAFT, *notes])
        elif governance.status == "retired":
            state, reason = "removed", "is retired: kept for the record, never answers"
        return Document(
            document_id=key[0],
            version=key[1],
            title=prepared.title,
            owner=governance.owner,
            department=governance.department,
            classification=governance.classification,
            allowed_groups=governance.allowed_groups,
            denied_groups=governance.denied_groups,
            effective=governance.effective or (before.effective if before else today()),
            status=governance.status,
            sha256=prepared.identity.sha256,
            path=prepared.source.path,
            language=prepared.language,
            expires=governance.expires,
            review=governance.review,
            legal_hold=governance.legal_hold or kept_on_hold,
            source=governance.source,
            state=state,
            reason=reason,
            personal_data=prepared.personal_data,
            chunks=len(prepared.chunks),
        )

    def _compare(self, document: Document, prepared: Prepared) -> Document:
        """Link near duplicates; where one says the same to the same people at the same time, do not index it twice."""
        others = [c for c in self._compared if c.key[0] != document.document_id]
        shares = similarities(prepared.fingerprint.minhash, [c.minhash for c in others])
        near: list[str] = []
        for other, share in sorted(zip(others, shares, strict=True), key=lambda pair: -pair[1]):
            exact = other.text_sha256 == prepared.fingerprint.text_sha256
            if share < SIMILAR and not exact:
                break
            near.append(name(other.key))
            original = self._planned[other.key].document if other.key in self._planned else None
            original = original or self._catalogue.get(*other.key)
            same = exact or says_the_same(self._text(other.key), prepared.text)
            if same and self._indexing.covers(original, document):
                reason = f"says the same as {name(other.key)}, which answers in its place"
                return replace(
                    document,
                    state="duplicate",
                    duplicate_of=name(other.key),
                    near_duplicates=tuple(near),
                    reason=reason,
                )
        return replace(document, near_duplicates=tuple(near))

    def _text(self, key: Key) -> str:
        return self._planned[key].text if key in self._planned else self._catalogue.full_text(*key)


def _no_longer_stands(before: Key, document: Document, governance: Governance) -> bool:
    """Whether a version that was read from a document's file must stop answering.

    Of another id, or a higher version than the file now says: nothing would supersede it. An older version goes on until
    the new one is effective, unless we numbered them: then the file is all there is, and so is its draft or retired.
    """
    if before[0] != document.document_id or before[1] > document.version:
        return True
    return before[1] < document.version and governance.version is None and document.status != "approved"


def _passages(document: Document, chunks: Sequence[Chunk]) -> Iterator[Passage]:
    for ordinal, piece in enumerate(chunks):
        identity = passage_id(document.document_id, document.version, ordinal, piece.text)
        yield passage_of(document, ordinal, piece.section, piece.page, piece.text, identity)


def _is_there(path: str) -> bool:
    """Whether a catalogued path still means its file: uploads always do, files where they exist."""
    return path.startswith("uploads/") or Path(path).exists()


def today() -> date:
    return datetime.now(UTC).date()
