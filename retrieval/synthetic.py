"""A large index to measure on, made from a few real documents: python -m retrieval.synthetic FOLDER PASSAGES DOCUMENTS...

Every passage is a real one with some words of another mixed in, its vector the real one turned a little towards the
other's: texts and vectors stay believable, no two are equal, and 100,000 passages need the embedder only for the real
ones. The same arguments give the same passages. FOLDER becomes a home folder (store, catalogue, index) that
`assistant` and `Retriever` open like any other; access rules vary over the documents as in a company.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.errors import BadInput, DocumentError
from core.records import Classification, Document, Passage, clearance_rank
from retrieval.access import OPEN_END
from retrieval.chunk import searched_text
from retrieval.embed import Embedder, Vectors
from retrieval.index import Index, Payload, Point

if TYPE_CHECKING:
    from retrieval.catalogue import Catalogue

PASSAGES_A_DOCUMENT = 20
SWAPPED_WORDS = 0.25
"""Share of a passage's words that come from another passage."""
TURN = 0.35
"""How far a vector is turned towards the other passage's: cosine to the real one about 0.95."""
DOCUMENTS_A_BATCH = 100
EFFECTIVE = date(2025, 1, 1)
RULES: tuple[tuple[Classification, frozenset[str], frozenset[str]], ...] = (
    ("internal", frozenset({"everyone"}), frozenset()),
    ("internal", frozenset({"employees"}), frozenset({"contractors"})),
    ("public", frozenset({"everyone"}), frozenset()),
    ("confidential", frozenset({"finance", "hr"}), frozenset()),
    ("restricted", frozenset({"legal"}), frozenset({"sales"})),
    ("internal", frozenset({"support", "engineering"}), frozenset()),
)
"""Classification, allowed and denied groups, given to the documents in turn."""


@dataclass(frozen=True, slots=True)
class Real:
    """The passages that the others are made from, with their vectors, shape (passages, dimension)."""

    titles: tuple[str, ...]
    texts: tuple[str, ...]
    vectors: Vectors


def read_real(paths: Sequence[Path], embedder: Embedder) -> Real:
    """Convert, cut and embed the documents. Raises BadInput where none of them has text."""
    from retrieval.chunk import chunk
    from retrieval.convert import convert
    from retrieval.sources import find_sources

    titles, texts = [], []
    for source in find_sources(paths)[0]:
        try:
            converted = convert(source.file.read_bytes(), source.path)
        except DocumentError:
            continue  # the demo's damaged files are there on purpose
        for one in chunk(converted.pages, converted.title):
            titles.append(converted.title or source.file.stem)
            texts.append(one.text)
    if not texts:
        raise BadInput("None of these documents has text to make passages from.")
    searched = [searched_text(title, "", text) for title, text in zip(titles, texts, strict=True)]
    return Real(tuple(titles), tuple(texts), embedder.encode(searched))


def build(real: Real, passages: int, catalogue: Catalogue, index: Index) -> None:
    """Fill the catalogue and the index with `passages` passages and build the engine's search structures."""
    from retrieval.catalogue import Entry
    from retrieval.dedup import fingerprint

    rng = np.random.default_rng(20261122)
    entries: list[Entry] = []
    points: list[Point] = []
    for number in range(-(-passages // PASSAGES_A_DOCUMENT)):
        count = min(PASSAGES_A_DOCUMENT, passages - number * PASSAGES_A_DOCUMENT)
        document, made = _document(real, number, count, rng)
        text = "\n\n".join(passage.text for passage, _ in made)
        entries.append(Entry(document, text, fingerprint(document.document_id), "", [passage for passage, _ in made]))
        points += (_point(document, passage, vector) for passage, vector in made)
        if len(entries) == DOCUMENTS_A_BATCH:
            catalogue.put(entries, actor="synthetic")
            index.upsert(points)
            entries, points = [], []
    catalogue.put(entries, actor="synthetic")
    index.upsert(points)
    index.optimize()


def _document(
    real: Real, number: int, count: int, rng: np.random.Generator
) -> tuple[Document, list[tuple[Passage, Vectors]]]:
    classification, allowed, denied = RULES[number % len(RULES)]
    name = f"synthetic-{number:06}"
    first = int(rng.integers(len(real.texts)))
    document = Document(
        document_id=name,
        version=1,
        title=f"{real.titles[first]} ({number})",
        owner="owner@example.com",
        department=("HR", "Finance", "IT", "Legal")[number % 4],
        classification=classification,
        allowed_groups=allowed,
        denied_groups=denied,
        effective=EFFECTIVE,
        status="approved",
        sha256=hashlib.sha256(name.encode()).hexdigest(),
        path=f"{name}.md",
        language="en",
        state="indexed",
        chunks=count,
    )
    return document, list(_mixed(real, document, first, rng))


def _mixed(real: Real, document: Document, first: int, rng: np.random.Generator) -> Iterator[tuple[Passage, Vectors]]:
    from retrieval.catalogue import passage_of

    for ordinal in range(document.chunks):
        own, other = (first + ordinal) % len(real.texts), int(rng.integers(len(real.texts)))
        words, others = real.texts[own].split(), real.texts[other].split() or [""]
        for place in rng.integers(len(words), size=int(SWAPPED_WORDS * len(words))):
            words[place] = others[int(place) % len(others)]
        text = " ".join(words)
        key = hashlib.sha256(f"{document.document_id}\n{ordinal}\n{text}".encode()).hexdigest()[:32]
        vector = real.vectors[own] + TURN * real.vectors[other]
        yield passage_of(document, ordinal, "", None, text, key), vector / np.linalg.norm(vector)


def _point(document: Document, passage: Passage, vector: Vectors) -> Point:
    payload = Payload(
        document_id=document.document_id,
        version=1,
        department=document.department,
        classification_rank=clearance_rank(document.classification),
        allowed_groups=tuple(sorted(document.allowed_groups)),
        denied_groups=tuple(sorted(document.denied_groups)),
        answers_from=EFFECTIVE.toordinal(),
        answers_until=OPEN_END,
        language="en",
        owner=document.owner,
    )
    return Point(passage.passage_id, vector, searched_text(document.title, "", passage.text), payload)


def build_home(home: Path, passages: int, documents: Sequence[Path], embedder: Embedder) -> None:
    """Make `home` a home folder with that many passages on the embedded index; a finished one is left as it is."""
    from core.audit import Audit
    from core.store import Store
    from retrieval.catalogue import Catalogue
    from retrieval.edge import EdgeIndex

    done = home / "synthetic.txt"
    said = f"{passages} passages, {embedder.name}\n"
    if done.exists() and done.read_text(encoding="utf-8") == said:
        return
    if home.exists() and any(home.iterdir()):
        raise BadInput(f"{home} holds something else: name a new folder.")
    home.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        store = stack.enter_context(Store(f"sqlite:///{home / 'assistant.db'}"))
        index = EdgeIndex(home / "index", embedder.dimension, model=embedder.name)
        stack.callback(index.close)
        build(read_real(documents, embedder), passages, Catalogue(store, Audit(store, home)), index)
    done.write_text(said, encoding="utf-8")


def main() -> int:
    from core.errors import AssistantError
    from core.offline import go_quiet

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("passages", type=int)
    parser.add_argument("documents", nargs="+", type=Path)
    args = parser.parse_args()
    go_quiet()
    from core.settings import load_settings
    from retrieval.embed import open_embedder

    try:
        build_home(args.folder, args.passages, args.documents, open_embedder(load_settings()))
    except AssistantError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
