"""Which files to ingest, and one file made ready: read, governed, converted, cut, scanned. Touches no database."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.errors import BadInput, DocumentError
from retrieval.chunk import Chunk, chunk
from retrieval.convert import SUFFIXES, Converted, convert, decode, may_open_front_matter, suffix_of, unsupported
from retrieval.dedup import Fingerprint, fingerprint
from retrieval.front_matter import is_unmistakable, read_front_matter, said_of_the_file
from retrieval.governance import (
    FILE_NAME,
    REQUIRED,
    SELF_GOVERNED,
    Entries,
    Governance,
    GovernanceFile,
    check,
    is_ours,
    read_governance_file,
)
from retrieval.language import detect_language

PIPELINE: Final = "1"
"""Raise it when conversion or chunking changes: every file is then ingested again."""
SCAN_CHARS: Final = 20_000
FRONT_MATTER_SUFFIXES: Final = (".md", ".markdown", ".txt", ".html", ".htm")
Scan = Callable[[str], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Source:
    """A file to ingest: `path` names it in the catalogue, `file` is where its bytes lie now, `root` what it was found under."""

    path: str
    file: Path
    root: Path
    missing: str = ""

    @property
    def is_upload(self) -> bool:
        return not self.path.startswith("/")


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells, without converting it, whether a file is as it was. `governance` is None where it has none."""

    sha256: str
    governance: Governance | None
    governance_sha256: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file's content, ready to be stored; `chunks` is empty where it holds no text."""

    source: Source
    identity: Identity
    title: str
    text: str
    chunks: Sequence[Chunk]
    fingerprint: Fingerprint
    language: str
    personal_data: Mapping[str, int]
    notes: Sequence[str]


def find_sources(paths: Iterable[Path]) -> tuple[list[Source], int]:
    """The files named and those in the folders named, in order, and how many in folders have a suffix we cannot read.

    Hidden files are left out, and so are links that lead out of their folder. Files that a governance.yaml lists and
    the folder lacks are returned with `missing` set.

    Raises:
        BadInput: a path does not exist.
    """
    found: dict[str, Source] = {}
    skipped = 0
    for path in paths:
        if not path.exists():
            raise BadInput(f"{path} does not exist. Name files or folders to ingest.")
        if path.is_file():
            file = path.resolve()
            found.setdefault(str(file), Source(str(file), file, file.parent))
            continue
        root = path.resolve()
        for file in sorted(root.rglob("*")):
            hidden = any(part.startswith(".") for part in file.relative_to(root).parts)
            if hidden or not file.is_file() or file.name == FILE_NAME or not file.resolve().is_relative_to(root):
                continue
            if suffix_of(file.name) not in SUFFIXES:
                skipped += 1
                continue
            found.setdefault(str(file), Source(str(file), file, root))
        for listing in sorted(root.rglob(FILE_NAME)):
            for source in _listed_but_missing(listing, root):
                found.setdefault(source.path, source)
    return list(found.values()), skipped


def _listed_but_missing(listing: Path, root: Path) -> list[Source]:
    parsed = read_governance_file(listing)
    missing = []
    for name, entries in parsed.documents.items():
        file = listing.parent / name
        if not file.exists():
            where = next(iter(entries.values())).where if entries else str(listing)
            missing.append(
                Source(str(file), file, root, missing=f"{where}: lists {name!r}, which is not in the folder")
            )
    return missing


class Reader:
    """Reads files for one run: keeps each folder's governance.yaml, and what every file gets by default.

    Args:
        max_bytes: larger files are refused unread.
        known_groups: access groups that metadata may name.
        scan: counts personal data by kind; None records none.
        defaults: the caller's metadata for files, over which the file's own wins; None where the caller gives none.
        final: the caller's metadata win over the file's own.
    """

    def __init__(
        self,
        *,
        max_bytes: int,
        known_groups: Collection[str],
        scan: Scan | None,
        defaults: Entries | None = None,
        final: bool = False,
    ) -> None:
        self._max_bytes = max_bytes
        self._known_groups = known_groups
        self._scan = scan
        self._defaults = defaults
        self.final = final
        self._folders: dict[Path, GovernanceFile | None] = {}
        if defaults is not None:
            check(defaults, known_groups=known_groups, required=REQUIRED, place="the defaults")

    def read(self, source: Source) -> bytes:
        """Raises DocumentError: of a format that we cannot read, too large, missing or unreadable."""
        if source.missing:
            raise DocumentError(source.missing)
        if suffix_of(source.path) not in SUFFIXES:
            raise unsupported(source.path)
        try:
            size = source.file.stat().st_size
            if size > self._max_bytes:
                raise DocumentError(
                    f"Is {size / 2**20:,.0f} MB; the limit is {self._max_bytes / 2**20:,.0f} MB. "
                    "Split it, or raise ASSISTANT_MAX_UPLOAD_MB."
                )
            return source.file.read_bytes()
        except OSError as error:
            raise DocumentError(f"Cannot be read ({error.strerror or type(error).__name__}).") from None

    def identify(self, source: Source, data: bytes) -> Identity:
        """Raises Unclear, GovernanceError, DocumentError."""
        governance = self._governance(source, data)
        said = f"{PIPELINE} {governance.sha256}" if governance else ""
        return Identity(
            hashlib.sha256(data).hexdigest(), governance, hashlib.sha256(said.encode()).hexdigest() if said else ""
        )

    def prepare(self, source: Source, data: bytes, identity: Identity) -> Prepared:
        """Raises DocumentError, GovernanceError."""
        converted = convert(data, source.path)
        governance = identity.governance
        title = (governance.title if governance else None) or converted.title or _title_of(source.path)
        text = converted.text
        chunks = chunk(converted.pages, title)
        if not chunks and suffix_of(source.path) not in (".md", ".markdown", ".txt", ".html", ".htm", ".csv", ".eml"):
            raise DocumentError("; ".join(["Holds no text", *converted.notes]))
        language = (governance.language if governance else None) or detect_language(_prose(converted))
        return Prepared(
            source=source,
            identity=identity,
            title=title,
            text=text,
            chunks=chunks,
            fingerprint=fingerprint(text),
            language=language,
            personal_data=self._personal_data(text),
            notes=converted.notes,
        )

    def _governance(self, source: Source, data: bytes) -> Governance | None:
        front = self._front_matter(source, data)
        listed = self._listed(source)
        entries = {**(self._defaults or {}), **(listed or {})}
        if front and is_ours(front):
            if not entries and not is_unmistakable(front):
                return None  # an owner or a status alone says too little, and another tool may have written it
            by_hand = self._defaults or {} if self.final else {}
            entries |= said_of_the_file(front, but=by_hand)
        elif front and "title" in front and isinstance(front["title"].value, str) and entries:
            entries = {"title": front["title"], **entries}
        if not entries:
            return None
        if self.final:
            entries |= self._defaults or {}
        required = REQUIRED if self._defaults is not None else SELF_GOVERNED
        return check(entries, known_groups=self._known_groups, required=required, place=source.path)

    @staticmethod
    def _front_matter(source: Source, data: bytes) -> Entries | None:
        if suffix_of(source.path) not in FRONT_MATTER_SUFFIXES or not may_open_front_matter(data):
            return None
        try:
            text = decode(data)
        except DocumentError:
            return None  # it is told when the file is converted
        return read_front_matter(text, source.path)

    def _listed(self, source: Source) -> Entries | None:
        """The file's entry in the governance.yaml beside it, None where it has none."""
        if source.is_upload:
            return None
        folder = source.file.parent
        if folder not in self._folders:
            listing = folder / FILE_NAME
            self._folders[folder] = read_governance_file(listing) if listing.is_file() else None
        parsed = self._folders[folder]
        if parsed is None:
            return None
        if parsed.problem:
            raise DocumentError(parsed.problem)  # of the folder, not of this file: what it was given before holds on
        return parsed.documents.get(source.file.name)

    def _personal_data(self, text: str) -> dict[str, int]:
        counts: dict[str, int] = {}
        for piece in _pieces(text, SCAN_CHARS) if self._scan else ():
            for kind, count in self._scan(piece).items() if self._scan else ():
                counts[kind] = counts.get(kind, 0) + count
        return counts


def derived_id(source: Source) -> str:
    """A document id from where a file lies: `handbook-travel-per-diem` for handbook/travel/per-diem.md."""
    place = Path(source.path).relative_to("uploads") if source.is_upload else Path(source.path)
    if not source.is_upload and place.is_relative_to(source.root):
        place = Path(source.root.name) / place.relative_to(source.root)
    plain = unicodedata.normalize("NFKD", str(place.with_suffix(""))).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    return slug if 0 < len(slug) <= 180 else f"{slug[:160]}-{path_hash(source.path)}".strip("-")


def quarantine_id(source: Source) -> str:
    return f"unidentified-{path_hash(source.path)}"


def path_hash(path: str) -> str:
    return hashlib.sha256(path.encode()).hexdigest()[:12]


def check_name(name: str) -> str:
    """An uploaded file's name, refused where it is a path or cannot be a name.

    Raises:
        BadInput
    """
    if not name or len(name) > 255 or not name.isprintable() or name.startswith("."):
        raise BadInput("The file needs a plain name of 1 to 255 printable characters that does not start with a dot.")
    if "/" in name or "\\" in name:
        raise BadInput("The file's name is a path. Upload it under a plain name, without '/', '\\' or '..'.")
    return name


def _title_of(path: str) -> str:
    words = re.sub(r"[-_]+", " ", Path(path).stem).strip()
    return words[:1].upper() + words[1:]


def _prose(converted: Converted) -> str:
    """The text without tables and headings where there is any, to tell the language by."""
    lines = [line for line in converted.text.split("\n") if not line.startswith(("#", "|", "From:", "To:", "Date:"))]
    prose = "\n".join(lines).strip()
    return prose if len(prose) > 200 else converted.text


def _pieces(text: str, size: int) -> list[str]:
    """The text in pieces of about `size` characters, cut at empty lines where possible."""
    pieces, start = [], 0
    while len(text) - start > size:
        cut = text.rfind("\n\n", start + size // 2, start + size)
        cut = cut if cut > 0 else start + size
        pieces.append(text[start:cut])
        start = cut
    return [*pieces, text[start:]]
