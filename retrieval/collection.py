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
        CorpusDocument(str(line["_id"]), _text(line.get("title")), _text(line["text"])) for line in _objects(corpus)
    )
    texts = {str(line["_id"]): _text(line["text"]) for line in _objects(queries)}
    judged: dict[str, dict[str, int]] = {}
    for query, document, grade in _judgements(qrels):
        judged.setdefault(query, {})[document] = grade
    kept = {query: grades for query, grades in judged.items() if query in texts and max(grades.values()) > 0}
    known = {document.document_id for document in documents}
    if not any(document in known for grades in kept.values() for document, grade in grades.items() if grade > 0):
        raise BadInput(f"{corpus} and {qrels} hold no document with a judged query: are they of one collection?")
    return Collection(documents, {query: texts[query] for query in kept}, kept)


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    """Each line's object: with `_id`, which no other line has, and `text`."""
    seen: set[str] = set()
    for number, line in _lines(path):
        try:
            found = json.loads(line)
            json.dumps(found, ensure_ascii=False).encode()  # half of a character, as "\\ud800", is no text
        except (ValueError, RecursionError):
            raise BadInput(f"{path}, line {number}: not a JSON object.") from None
        if not isinstance(found, dict) or "_id" not in found or "text" not in found:
            raise BadInput(f"{path}, line {number}: needs _id and text.")
        if str(found["_id"]) in seen:
            raise BadInput(f"{path}, line {number}: an earlier line has the same _id.")
        seen.add(str(found["_id"]))
        yield found


def _text(said: object) -> str:
    return "" if said is None else str(said)


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
        with path.open(encoding="utf-8-sig") as file:
            yield from ((number, line.rstrip("\n")) for number, line in enumerate(file, 1) if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}."
        ) from None
