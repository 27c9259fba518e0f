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

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Lesson:
    lesson_id: str
    document: str
    asked_by: list[str]
    marked: str
    ask: list[str]
    held_out: list[str]


FILE = yaml.safe_load((FOLDER / "loop.yaml").read_text(encoding="utf-8"))
LESSONS = [
    Lesson(one["id"], one["document"], one["asked_by"], one["marked"], one["ask"], one["held_out"])
    for one in FILE["questions"]
]
EVERYDAY = FILE["everyday"]
UNANSWERABLE = FILE["unanswerable"]


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


@pytest.mark.parametrize("name", sorted({one["document"] for one in EVERYDAY}))
def test_what_an_everyday_answer_must_say_stands_in_the_document(name: str) -> None:
    text = squeezed(convert((DOCUMENTS / name).read_bytes(), name).text)
    for one in (one for one in EVERYDAY if one["document"] == name):
        assert all(squeezed(words) in text for words in one["must_include"]), one["question"]


def test_the_people_who_ask_are_of_the_demo() -> None:
    _, everybody = read_people_file(FOLDER / "people.yaml")
    known = {who.person_id for who in everybody}
    assert {who for one in LESSONS for who in one.asked_by} <= known
    assert {one["asked_by"] for one in (*EVERYDAY, *UNANSWERABLE)} <= known


def test_no_wording_stands_twice() -> None:
    said = Counter(text.casefold() for one in LESSONS for text in wordings(one))
    said.update(one["question"].casefold() for one in (*EVERYDAY, *UNANSWERABLE))
    assert [text for text, count in said.items() if count > 1] == []


def test_no_wording_is_near_to_an_evaluation_case(embedder: Embedder) -> None:
    cases = [case.question for case in load_suite(FOLDER.parent / "eval" / "suites" / "demo").cases]
    kept_away = EvaluationQuestions.of(cases, embedder.encode)
    said = [text for one in LESSONS for text in wordings(one)]
    said += [one["question"] for one in (*EVERYDAY, *UNANSWERABLE)]
    near = {text: why for text in said if (why := kept_away.why(text, embedder.encode))}
    assert near == {}


def wordings(lesson: Lesson) -> tuple[str, ...]:
    return (*lesson.ask, *lesson.held_out)
