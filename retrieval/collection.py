"""A test collection in BEIR's files: corpus and queries as JSON lines, judgements as tab-separated values with a header."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import BadInput


@dataclass(frozen=True, slots=True)
class CorpusDocument:
    document_id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Collection:
    """`judged` maps a query to its documents' grades; only queries with a relevant document are kept."""

    documents: tuple[CorpusDocument, ...]
    queries: dict[str, str]
    judged: dict[str, dict[str, int]]


def read_collection(corpus: Path, queries: Path, qrels: Path) -> Collection:
    """Read the three files.

    Raises:
        BadInput: a file is missing or a line cannot be read; names file and line.
    """
    documents = tuple(
        CorpusDocument(str(line["_id"]), str(line.get("title", "")), str(line["text"]))
        for line in _objects(corpus, ("_id", "text"))
    )
    texts = {str(line["_id"]): str(line["text"]) for line in _objects(queries, ("_id", "text"))}
    judged: dict[str, dict[str, int]] = {}
    for query, document, grade in _judgements(qrels):
        judged.setdefault(query, {})[document] = grade
    kept = {query: grades for query, grades in judged.items() if query in texts and max(grades.values()) > 0}
    if not documents or not kept:
        raise BadInput(f"{corpus} and {qrels} hold no document with a judged query: are they of one collection?")
    return Collection(documents, {query: texts[query] for query in kept}, kept)


def _objects(path: Path, needed: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for number, line in _lines(path):
        try:
            found = json.loads(line)
        except ValueError:
            raise BadInput(f"{path}, line {number}: not a JSON object.") from None
        if not isinstance(found, dict) or any(name not in found for name in needed):
            raise BadInput(f"{path}, line {number}: needs {' and '.join(needed)}.")
        yield found


def _judgements(path: Path) -> Iterator[tuple[str, str, int]]:
    for number, line in _lines(path):
        fields = line.split("\t")
        if number == 1 and not fields[-1].lstrip("-").isdigit():
            continue
        try:
            query, document, grade = fields
            yield query, document, int(grade)
        except ValueError:
            raise BadInput(f"{path}, line {number}: needs query, document and a whole grade, tab-separated.") from None


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from ((number, line.rstrip("\n")) for number, line in enumerate(file, 1) if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}."
        ) from None
