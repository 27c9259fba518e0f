"""The read command: the embedded reader alone, on lines of standard input.

    echo '{"id": 1, "question": "How long?", "passages": ["It takes two days."]}' | python -m assistant read
    python -m assistant read --adapter reader-5 < questions.jsonl > answers.jsonl

Each line: {"id", "question", "passages": [text, ...]}, in UTF-8. It needs no documents, no people and no server.
JSON fields, one object a line, in order: id, answer, sentence, passage, score, answerable, ms.
answer is the best span, word for word, whether or not the passages answer the question: answerable says that (score, a
calibrated probability, of 0.5 or more). sentence is the sentence around it, passage its passage's index; null where
nothing could be read. A line that cannot be read gives {"id", "error", "message"} and the next one goes on.

Exit codes: 0 every line was read, 2 wrong input in a line or an adapter that is not there or refused.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

from assistant.reader import SPANS, THRESHOLD, Readers
from assistant.units import sentence_around
from core.errors import AssistantError, BadInput
from core.settings import load_settings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "read",
        help="read passages for questions, as JSON lines",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--adapter", default=SPANS, metavar="ID", help="a reader adapter (%(default)s); empty means the production one"
    )
    parser.add_argument("--json", action="store_true", help="the output is JSON lines with or without it")


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    readers = Readers(load_settings(), *([args.adapter] if args.adapter else []))
    readers.network()  # an adapter that is refused is said once, and not for each line
    failed = False
    for number, line in enumerate(_lines(), 1):
        if not line.strip():
            continue
        identity: object = number
        try:
            record = _record(line, number)
            identity = _identity(record, number)
            found = read_line(readers, record, number)
        except AssistantError as error:
            failed = True
            found = {"id": identity, "error": error.code, "message": str(error)}
        sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    return 2 if failed else 0


def read_line(readers: Readers, record: dict[str, Any], number: int) -> dict[str, Any]:
    """One line's answer. Raises BadInput with the line's number where a field is missing or of another type."""
    question, passages = record.get("question"), record.get("passages")
    if not isinstance(question, str):
        raise BadInput(f"Line {number}: question is missing, or is no text.")
    if not isinstance(passages, list) or not all(isinstance(text, str) for text in passages):
        raise BadInput(f"Line {number}: passages is missing, or is no list of texts.")
    began = time.perf_counter()
    found = readers.read(question, passages)
    best = found[0] if found else None
    milliseconds = round((time.perf_counter() - began) * 1000, 2)
    text = passages[best.passage] if best else ""
    return {
        "id": record.get("id", number),
        "answer": text[best.start : best.end] if best else "",
        "sentence": sentence_around(text, best.start) if best else "",
        "passage": best.passage if best else None,
        "score": round(best.probability, 4) if best else 0.0,
        "answerable": bool(best and best.probability >= THRESHOLD),
        "ms": milliseconds,
    }


def _lines() -> Iterator[bytes]:
    """Standard input as bytes: JSON is UTF-8, whatever the terminal's encoding is."""
    if sys.stdin is None:
        raise BadInput("There is no standard input: give one JSON object a line, as in < questions.jsonl")
    yield from sys.stdin.buffer


def _record(line: bytes, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise BadInput(f"Line {number} is no UTF-8 text: convert the file first.") from None
    except (ValueError, RecursionError):
        raise BadInput(f"Line {number} is no JSON: write one object a line.") from None
    if not isinstance(record, dict):
        raise BadInput(f'Line {number} is no object: write {{"id", "question", "passages"}}.')
    return record


def _identity(record: dict[str, Any], number: int) -> object:
    """The line's id as it was given, the line's number without one. Raises BadInput for one that JSON in UTF-8 cannot say."""
    identity = record.get("id", number)
    try:
        json.dumps(identity, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        raise BadInput(f"Line {number}: its id is no JSON value (NaN, Infinity, or half of a character).") from None
    return identity
