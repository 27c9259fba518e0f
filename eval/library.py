"""The documents that cases name: which files there are, who owns them, and which file a document id means."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from core.errors import GovernanceError
from eval.cases import find_document
from retrieval.convert import SUFFIXES, decode
from retrieval.governance import FILE_NAME, Entries, GovernanceFile, read_governance_file, split_front_matter


class Library:
    """Documents folders, read on first need. A document's name is its path under its folder."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._listings: dict[Path, GovernanceFile] = {}
        self._read: dict[Path, Entries] = {}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every document, the first folder's before the second's."""
        found = {
            file.relative_to(folder).as_posix(): None
            for folder in self._folders
            for file in sorted(folder.rglob("*"))
            if file.is_file() and file.suffix.lower() in SUFFIXES and file.name != FILE_NAME
        }
        return tuple(found)

    def file(self, name: str) -> Path | None:
        """None where there is no such document."""
        return find_document(self._folders, name)

    def department(self, name: str) -> str:
        return str(self._said(name, "department") or "General")

    def owner(self, name: str) -> str:
        return str(self._said(name, "owner") or "")

    def by_id(self, document_id: str) -> str | None:
        """The file of a document id: where there are several versions, the newest that is approved."""
        return self._by_id.get(document_id)

    @cached_property
    def _by_id(self) -> dict[str, str]:
        def rank(name: str) -> tuple[bool, int]:
            return self._said(name, "status") in (None, "approved"), int(self._said(name, "version") or 0)

        return {str(self._said(name, "document_id")): name for name in sorted(self.names, key=rank)}

    def _said(self, name: str, key: str) -> Any:
        file = self.file(name) if name else None
        if file and file not in self._read:
            self._read[file] = self._entries(file)
        entry = self._read[file].get(key) if file else None
        return entry.value if entry else None

    def _entries(self, file: Path) -> Entries:
        """What governs the file; a file whose metadata cannot be read counts as governed by nothing, as when ingested."""
        listing = file.parent / FILE_NAME
        if listing not in self._listings and listing.is_file():
            self._listings[listing] = read_governance_file(listing)
        listed = self._listings[listing].documents.get(file.name, {}) if listing in self._listings else {}
        try:
            front = split_front_matter(decode(file.read_bytes()), file.name)[0] if file.suffix == ".md" else None
        except (GovernanceError, OSError):
            front = None
        return {**listed, **(front or {})}
