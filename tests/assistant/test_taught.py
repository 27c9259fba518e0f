"""A reader that was taught reads the questions near to what it was taught, on passages that answered them; the shipped one the rest."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from assistant.embedded import EmbeddedReader
from assistant.prompt import NO_ANSWER, build_prompt
from assistant.reader import DEFAULT, Readers
from core.records import Passage
from core.settings import Settings, load_settings
from retrieval.embed import Embedder, open_embedder
from retrieval.scope import Scope
from tests.assistant.passages import passage
from tests.assistant.readers import CONTRARY, reader_folder

pytestmark = pytest.mark.slow

LEAVE = passage(
    "Full-time employees receive 25 days of leave a year.\n\nLeave is asked for on the intranet.",
    title="leave",
    document_id="leave",
)
PARKING = passage(
    "The car park opens at 06:00.\n\nThe car park closes at 22:00.", title="parking", document_id="parking"
)
TAUGHT = "How many days of leave do employees receive?"
FAR = "What do I get to relax?"
ELSEWHERE = "When does the car park open?"


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return open_embedder(load_settings(embedder_backend="torch"))


@pytest.fixture(scope="module")
def contrary(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> EmbeddedReader:
    """It says what it would read last, where it reads; it was taught two questions on one passage."""
    home = tmp_path_factory.mktemp("taught")
    scope = Scope.of((vector, LEAVE.text) for vector in embedder.encode([TAUGHT, FAR]))
    folder = reader_folder(home, weight=CONTRARY, scope=scope)
    readers = Readers(Settings(home=home, models=load_settings().models))
    readers.admit(folder)
    return EmbeddedReader(readers, embedder, adapter=folder.name)


def first(model: EmbeddedReader, question: str, passages: Sequence[Passage], adapter: str = "") -> str:
    return model.find(question, passages, adapter=adapter or model.adapter).scored[0].unit.said


def test_taught_question_is_read_by_the_adapter_and_another_by_the_shipped_reader(contrary: EmbeddedReader) -> None:
    given = [PARKING, LEAVE]
    assert "25 days" in first(contrary, TAUGHT, given, DEFAULT)
    assert "25 days" not in first(contrary, TAUGHT, given)
    assert first(contrary, ELSEWHERE, given) == first(contrary, ELSEWHERE, given, DEFAULT)


def test_without_the_passage_that_answered_it_is_not_taught(contrary: EmbeddedReader) -> None:
    changed = passage(LEAVE.text.replace("25", "26"), title="leave", document_id="leave")
    assert contrary.taught(TAUGHT, [PARKING, LEAVE]) > 0.99
    assert contrary.taught(TAUGHT, [PARKING]) == 0.0
    assert contrary.taught(TAUGHT, [changed]) == 0.0
    assert contrary.taught(TAUGHT, []) == 0.0
    assert first(contrary, TAUGHT, [changed]) == first(contrary, TAUGHT, [changed], DEFAULT)


def test_what_was_taught_is_evidence_where_retrieval_found_little(contrary: EmbeddedReader) -> None:
    little = build_prompt(FAR, (LEAVE,), (), evidence=0.0)
    assert "".join(contrary.stream(little)) != NO_ANSWER
    assert "".join(contrary.stream(little, adapter=DEFAULT)) == NO_ANSWER


def test_adapter_that_is_not_there_was_taught_nothing(contrary: EmbeddedReader) -> None:
    assert contrary.taught(TAUGHT, [LEAVE], adapter="reader-9") == 0.0
    assert contrary.taught(TAUGHT, [LEAVE], adapter="quote-v1") == 0.0
    assert contrary.taught(TAUGHT, [LEAVE], adapter=DEFAULT) == 0.0


def test_every_passage_that_was_taught_is_read_however_late_it_was_found(contrary: EmbeddedReader) -> None:
    others = [passage(f"Room {n} has a window.", title=f"Room {n}", document_id=f"room-{n}") for n in range(6)]
    found = contrary.find(TAUGHT, [*others, LEAVE], adapter=contrary.adapter)
    assert any(at[0] == 6 for at in found.spans)
