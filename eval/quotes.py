"""Whether what the cases quote as their evidence stands in their documents: a case that does not rest on one measures nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, partial

from core.errors import BadInput, MissingExtra
from eval.cases import Suite
from retrieval.convert import convert

_GAP = re.compile(r"[\s|]+")


def unfounded(suite: Suite, read: Callable[[str], str] | None = None) -> dict[str, tuple[str, ...]]:
    """Case ids, each with the documents in which one of its evidence quotes does not stand.

    Args:
        read: gives a document's text by its name; by default `plain_text`, once for each document.

    Raises:
        DocumentError: a document of the cases cannot be converted.
    """
    text = read or cache(partial(plain_text, suite))
    found: dict[str, tuple[str, ...]] = {}
    for case in suite.cases:
        for document in dict.fromkeys(one.document for one in case.evidence):
            if any(not holds(text(document), e.quote) for e in case.evidence if e.document == document):
                found[case.case_id] = (*found.get(case.case_id, ()), document)
    return found


def plain_text(suite: Suite, document: str) -> str:
    """The document as the assistant reads it; raises BadInput where it is gone."""
    file = suite.file(document)
    if file is None:
        raise BadInput(f"{document} is gone from the documents folder.")
    return convert(file.read_bytes(), file.name).text


def holds(text: str, quote: str) -> bool:
    """Whether the quote stands in the text word for word; white space and the bars between table cells do not count."""
    return _GAP.sub(" ", quote).strip() in _GAP.sub(" ", text)


def lost_quotes(suite: Suite) -> dict[str, tuple[str, ...]]:
    """As `unfounded`; in a document that is gone or cannot be converted here, nothing stands."""

    def read(document: str) -> str:
        try:
            return plain_text(suite, document)
        except (BadInput, MissingExtra):
            return ""

    return unfounded(suite, cache(read))
