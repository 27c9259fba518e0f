"""A place to ingest into, made of the real parts: SQLite, Qdrant Edge, files on disk; the embedder is the one for tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np

from core.audit import Audit
from core.records import Principal
from core.store import Store
from retrieval.access import access_filter
from retrieval.catalogue import Catalogue
from retrieval.edge import EdgeIndex
from retrieval.embed import HashEmbedder, Vectors
from retrieval.ingest import Ingest, IngestResult
from retrieval.originals import Originals

TODAY = date(2026, 11, 22)
GROUPS = ("employees", "contractors", "hr", "finance")
GOVERNED = """---
document_id: {id}
title: {title}
version: {version}
owner: people@kestrelbay.example
department: HR
classification: {classification}
allowed_groups: [{allowed}]
denied_groups: [{denied}]
effective: {effective}
{more}status: {status}
---
{body}
"""


class Power(Exception):
    """The power goes, as a test has it."""


class FailingEmbedder(HashEmbedder):
    """Fails on the call after `calls` good ones, as a process that dies there would."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self._calls = calls

    def encode(self, texts: object) -> Vectors:
        if self._calls == 0:
            raise Power
        self._calls -= 1
        return np.asarray(super().encode(texts), dtype=np.float32)  # type: ignore[arg-type]


class Shelf:
    """Opens everything in `home`; `close()` and open again is a restart."""

    def __init__(self, home: Path, *, embedder: HashEmbedder | None = None, min_free_bytes: int = 0) -> None:
        self.home = home
        self.store = Store(f"sqlite:///{home / 'assistant.db'}")
        self.audit = Audit(self.store, home)
        self.catalogue = Catalogue(self.store, self.audit)
        self.index = EdgeIndex(home / "index", 384)
        self.ingest = Ingest(
            self.catalogue,
            self.index,
            embedder or HashEmbedder(),
            files=Originals(home / "files", min_free_bytes=min_free_bytes),
            scan=lambda text: {"EMAIL_ADDRESS": text.count("@")} if "@" in text else {},
            known_groups=lambda: GROUPS,
        )

    def close(self) -> None:
        self.index.close()
        self.store.close()

    def run(self, *paths: Path, defaults: Mapping[str, object] | None = None) -> list[IngestResult]:
        return list(self.ingest.run(paths, actor="test", defaults=defaults))

    def answers(self, person: Principal, words: str, today: date = TODAY) -> dict[str, str]:
        """`document_id vN` to text of what a search by words finds and the catalogue lets through."""
        hits = self.index.search(
            dense=None, text=words, access=access_filter(person, today=today), limit=50, mode="sparse"
        )
        allowed = self.catalogue.answerable([hit.passage_id for hit in hits], person, today)
        return {f"{p.document_id} v{p.version}": p.text for p in allowed.values()}


def governed(
    document_id: str = "hr-leave",
    body: str = "# Leave\n\nEmployees have 25 days of annual leave.",
    *,
    version: int = 1,
    title: str = "Annual leave",
    classification: str = "internal",
    allowed: str = "everyone",
    denied: str = "",
    effective: str = "2026-01-01",
    expires: str = "",
    status: str = "approved",
    legal_hold: bool = False,
) -> str:
    """A markdown file with complete front matter."""
    more = (f"expires: {expires}\n" if expires else "") + ("legal_hold: true\n" if legal_hold else "")
    return GOVERNED.format(
        id=document_id,
        title=title,
        version=version,
        classification=classification,
        allowed=allowed,
        denied=denied,
        effective=effective,
        more=more,
        status=status,
        body=body,
    )
