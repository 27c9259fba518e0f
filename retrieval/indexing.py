"""What the catalogue says becomes what the index answers: publish, withdraw, versions, duplicates, and recovery.

The order makes a crash harmless: a version is `pending` in the catalogue before its first vector is written, and answers
only once the catalogue says `indexed`, after the last one. Removal runs the other way round: the catalogue first says
that the version does not answer, then the vectors go. `recover()` finishes whichever was cut off.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from core.records import Document, clearance_rank
from retrieval.access import OPEN_END
from retrieval.catalogue import ANSWERING_STATES, Catalogue, Key, key_from, key_of, name
from retrieval.chunk import searched_text
from retrieval.embed import Embedder
from retrieval.index import Index, Payload, Point

log = logging.getLogger(__name__)
SYSTEM = "system"
"""The actor of what nobody asked for by hand: recovery, and duplicates that take their original's place."""


class Indexing:
    """Keeps the index in step with the catalogue. Not locked: `Ingest` holds its lock around every call."""

    def __init__(self, catalogue: Catalogue, index: Index, embedder: Embedder) -> None:
        self._catalogue = catalogue
        self._index = index
        self._embedder = embedder

    def publish(self, documents: Sequence[Document], *, actor: str, action: str = "document.index") -> None:
        """Make pending versions answer: encode all their passages at once, write the vectors, then say `indexed`."""
        if not documents:
            return
        held = {key_of(d): self._catalogue.passages(*key_of(d)) for d in documents}
        texts = [searched_text(p.title, p.section, p.text) for passages in held.values() for p in passages]
        vectors = iter(self._embedder.encode(texts)) if texts else iter(())
        for document in documents:
            key = key_of(document)
            payload = self._payload(document, self._versions(document.document_id, about_to_answer=held.keys()))
            points = [
                Point(p.passage_id, next(vectors), searched_text(p.title, p.section, p.text), payload)
                for p in held[key]
            ]
            if self._index.passage_ids(*key) - {p.passage_id for p in points}:
                self._index.delete_document(*key)
            self._index.upsert(points)
            self._catalogue.set_state(key, "indexed", actor=actor, action=action, reason=document.reason)
        self.follow_up({d.document_id for d in documents}, right=held.keys())

    def apply(self, documents: Sequence[Document], *, actor: str) -> None:
        """After versions were stored: index the pending ones, and remove what the others may have had in the index."""
        for document in documents:
            if document.state != "pending" and self._index.passage_ids(*key_of(document)):
                self._index.delete_document(*key_of(document))
        self.publish([d for d in documents if d.state == "pending"], actor=actor)
        self.follow_up({d.document_id for d in documents if d.state != "pending"})

    def withdraw(self, key: Key) -> None:
        """Remove the vectors of a version that the catalogue already says does not answer."""
        self._index.delete_document(*key)
        self.follow_up({key[0]})

    def settle(self) -> None:
        """After a run of files: put the writes on the disk, and build the search structures that a large run asks for.

        Questions are answered meanwhile. A few files cost some 30 ms; tens of thousands of new passages, minutes.
        """
        self._index.optimize()

    def follow_up(self, document_ids: Iterable[str], *, right: Collection[Key] = ()) -> None:
        """After a change: the intervals in which the other versions answer, and duplicates that lost their original.

        Args:
            right: versions whose payload was written just now (each rewrite costs a flush of the index).
        """
        for document_id in sorted(set(document_ids)):
            versions = self._versions(document_id)
            for document in versions:
                if document.state == "indexed" and key_of(document) not in right:
                    self._index.set_payload(*key_of(document), self._payload(document, versions))
        self._release(self._catalogue.documents(state="duplicate"))

    def recover(self) -> int:
        """Finish what a crash cut off; returns how many versions were finished. Call before anything is answered."""
        pending = self.fill()
        removed = [d for d in self._catalogue.documents(state="removed") if self._index.passage_ids(*key_of(d))]
        for document in removed:
            self._index.delete_document(*key_of(document))
        self.follow_up({d.document_id for d in [*pending, *removed]})
        if pending or removed:
            log.warning("recovered %d unfinished and %d half-removed documents", len(pending), len(removed))
        return len(pending) + len(removed)

    def fill(self) -> list[Document]:
        """Index what the catalogue holds and the index lacks; returns the versions that were unfinished."""
        indexed = self._catalogue.documents(state="indexed")
        if self._index.count() < sum(d.chunks for d in indexed):
            # Another index than last time, a folder lost, or a power cut: the catalogue holds all that it needs.
            lost = [d for d in indexed if len(self._index.passage_ids(*key_of(d))) < d.chunks]
            log.warning("the index lacks passages of %d documents: taking them from the catalogue", len(lost))
            self._publish_in_batches(lost)
        pending = self._catalogue.documents(state="pending")
        self._publish_in_batches(pending)
        return pending

    def covers(self, original: Document, copy: Document) -> bool:
        """Whether the original answers everybody whom the copy would answer, on every day, and nobody else."""
        same_access = (original.classification, original.allowed_groups, original.denied_groups) == (
            copy.classification,
            copy.allowed_groups,
            copy.denied_groups,
        )
        first, last = self.answers(original)
        copy_first, copy_last = self.answers(copy)
        return same_access and original.document_id != copy.document_id and first <= copy_first and copy_last <= last

    def answers(self, document: Document, versions: Sequence[Document] | None = None) -> tuple[int, int]:
        """First and last day on which a version answers, as ordinals; last before first where it never does.

        From its effective date until it expires, or until the day before the next approved version is effective.
        """
        if document.status != "approved":
            return OPEN_END, 0
        last = document.expires.toordinal() if document.expires else OPEN_END
        for other in versions or self._catalogue.documents(document_id=document.document_id):
            if other.version > document.version and other.status == "approved" and other.state in ANSWERING_STATES:
                last = min(last, other.effective.toordinal() - 1)
        return document.effective.toordinal(), last

    def _versions(self, document_id: str, about_to_answer: Collection[Key] = ()) -> list[Document]:
        versions = self._catalogue.documents(document_id=document_id)
        return [replace(d, state="indexed") if key_of(d) in about_to_answer else d for d in versions]

    def _payload(self, document: Document, versions: Sequence[Document] | None = None) -> Payload:
        first, last = self.answers(document, versions)
        return Payload(
            document_id=document.document_id,
            version=document.version,
            department=document.department,
            classification_rank=clearance_rank(document.classification),
            allowed_groups=tuple(sorted(document.allowed_groups)),
            denied_groups=tuple(sorted(document.denied_groups)),
            answers_from=first,
            answers_until=last,
            language=document.language,
            owner=document.owner,
            legal_hold=document.legal_hold,
            source=document.source,
        )

    def _release(self, copies: Sequence[Document]) -> None:
        """Index the duplicates whose original no longer answers in their place; equal copies follow the first."""
        released: list[Document] = []
        for copy in copies:
            original = self._catalogue.find(*key_from(copy.duplicate_of))
            if original and original.state == "indexed" and self.covers(original, copy):
                continue
            stand_in = next((r for r in released if r.duplicate_of == copy.duplicate_of and self.covers(r, copy)), None)
            change = {"duplicate_of": name(key_of(stand_in)) if stand_in else ""}
            state, action = ("duplicate", "document.follow") if stand_in else ("pending", "document.release")
            reason = f"says the same as {change['duplicate_of']}" if stand_in else ""
            self._catalogue.set_state(key_of(copy), state, actor=SYSTEM, action=action, reason=reason, **change)  # type: ignore[arg-type]
            if not stand_in:
                released.append(copy)
        if released:
            self._publish_in_batches([self._catalogue.get(*key_of(copy)) for copy in released])

    def _publish_in_batches(self, documents: Sequence[Document], size: int = 32) -> None:
        for start in range(0, len(documents), size):
            self.publish(documents[start : start + size], actor=SYSTEM)
