"""The access filter, checked against the document's own rule and against bad filters."""

from __future__ import annotations

import random
from datetime import date

import pytest

from core.errors import BadInput
from core.records import CLASSIFICATIONS, Document
from retrieval.access import access_filter, admits
from tests.retrieval.points import TODAY, random_payload, random_person


def as_document(payload: dict[str, object]) -> Document:
    return Document(
        document_id=str(payload["document_id"]),
        version=1,
        title="",
        owner="",
        department="",
        classification=CLASSIFICATIONS[int(str(payload["classification_rank"]))],
        allowed_groups=frozenset(payload["allowed_groups"]),  # type: ignore[call-overload]
        denied_groups=frozenset(payload["denied_groups"]),  # type: ignore[call-overload]
        effective=date.fromordinal(int(str(payload["answers_from"]))),
        expires=date.fromordinal(int(str(payload["answers_until"]))),
        status="approved",
        sha256="",
        path="",
        language="",
    )


def test_filter_agrees_with_the_documents_own_rule_on_10000_pairs() -> None:
    rng = random.Random(7)
    payloads = [random_payload(rng, i).as_dict() for i in range(100)]
    documents = [as_document(payload) for payload in payloads]
    for number in range(100):
        person = random_person(rng, number)
        access = access_filter(person, today=TODAY)
        for payload, document in zip(payloads, documents, strict=True):
            expected = document.readable_by(person) and document.in_force(TODAY)
            assert admits(access, payload) == expected


def test_unknown_filter_key_is_refused_with_the_known_ones() -> None:
    person = random_person(random.Random(1), 1)
    with pytest.raises(BadInput, match="department, language, classification, owner, document_id"):
        access_filter(person, today=TODAY, filters={"allowed_groups": "hr"})


@pytest.mark.parametrize("value", ["", "x" * 400, "a\x00b", "line\nbreak"])
def test_filter_value_that_no_document_can_have_is_refused(value: str) -> None:
    with pytest.raises(BadInput, match="printable"):
        access_filter(random_person(random.Random(1), 1), today=TODAY, filters={"owner": value})


def test_unknown_classification_is_refused() -> None:
    with pytest.raises(BadInput, match="public, internal"):
        access_filter(random_person(random.Random(1), 1), today=TODAY, filters={"classification": "secret"})


def test_metadata_filter_narrows_and_never_widens() -> None:
    rng = random.Random(3)
    payloads = [random_payload(rng, i).as_dict() for i in range(200)]
    person = random_person(rng, 1)
    plain = access_filter(person, today=TODAY)
    narrow = access_filter(person, today=TODAY, filters={"department": "HR", "classification": "internal"})
    for payload in payloads:
        wanted = payload["department"] == "HR" and payload["classification_rank"] == 1
        assert admits(narrow, payload) == (admits(plain, payload) and wanted)
