"""demo/loop.yaml: its corrections stand in the documents, and none of its wordings is, or is near to, an evaluation's."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
import yaml

from assistant.demo import DOCUMENTS, FOLDER
from core.people import read_people_file
from eval.cases import load_suite
from retrieval.convert import convert
from retrieval.embed import Embedder
from training.dataset_near import EvaluationQuestions


@dataclass(frozen=True)
class Lesson:
    lesson_id: str
    document: str
    asked_by: list[str]
    marked: str
    ask: list[str]
    held_out: list[str]


LISTED = yaml.safe_load((FOLDER / "loop.yaml").read_text(encoding="utf-8"))["questions"]
LESSONS = [
    Lesson(one["id"], one["document"], one["asked_by"], one["marked"], one["ask"], one["held_out"]) for one in LISTED
]


def squeezed(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


def test_there_are_sixty_with_names_of_their_own() -> None:
    assert len(LESSONS) == 60
    assert len({one.lesson_id for one in LESSONS}) == 60
    assert all(len(one.ask) == 2 and len(one.held_out) == 3 for one in LESSONS)


@pytest.mark.parametrize("name", sorted({one.document for one in LESSONS}))
def test_what_reviewers_mark_stands_in_the_document_and_holds_the_answer(name: str) -> None:
    text = squeezed(convert((DOCUMENTS / name).read_bytes(), name).text)
    for lesson in (one for one in LESSONS if one.document == name):
        assert squeezed(lesson.marked) in text, lesson.lesson_id


def test_the_people_who_ask_are_of_the_demo() -> None:
    _, everybody = read_people_file(FOLDER / "people.yaml")
    assert {who for one in LESSONS for who in one.asked_by} <= {who.person_id for who in everybody}


def test_no_wording_stands_twice() -> None:
    said = Counter(text.casefold() for one in LESSONS for text in wordings(one))
    assert [text for text, count in said.items() if count > 1] == []


def test_no_wording_is_near_to_an_evaluation_case(embedder: Embedder) -> None:
    cases = [case.question for case in load_suite(FOLDER.parent / "eval" / "suites" / "demo").cases]
    kept_away = EvaluationQuestions.of(cases, embedder.encode)
    near = {text: why for one in LESSONS for text in wordings(one) if (why := kept_away.why(text, embedder.encode))}
    assert near == {}


def wordings(lesson: Lesson) -> tuple[str, ...]:
    return (*lesson.ask, *lesson.held_out)
