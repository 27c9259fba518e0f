"""Passages are checked before anybody asks: nothing is judged twice, questions come first, and a dropped passage is still told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from assistant.checked_ahead import CheckedAhead, UnderWay
from assistant.passage_check import PassageCheck, Rails
from core.errors import StoreUnavailable
from core.records import Passage, Principal, Verdict
from core.turns import CHECKS
from guardrails.rails import Guards
from tests.assistant.conftest import Desk, MakeDesk
from tests.guardrails.passages import passage

PARKING = "Is the parking garage free of charge?"
OWNER = Principal("ivo", "Ivo", "it@kestrelbay.example", frozenset(), "internal", frozenset({"employee"}))


class Counting:
    """A passage guard that drops what says `obey` and keeps the texts that it saw; `before` runs first."""

    name = "counting"

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        self.seen: list[str] = []
        self._before = before

    def check(self, text: str, passages: object = ()) -> Verdict:
        self._before()
        self.seen.append(text)
        return Verdict(self.name, "drop" if "obey" in text else "allow", text, rule="obey" if "obey" in text else "")


class Asked:
    """The part of an Answerer that the pass needs."""

    def __init__(self, *guards: Counting) -> None:
        self.under_way = UnderWay()
        self.rails = Rails(Guards((), guards, ()))

    @property
    def check_passages(self) -> PassageCheck:
        return self.rails.check_passages


class Shelf:
    """Documents of one passage each; `down` has it raise."""

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)
        self.down = False

    def stamp(self) -> object:
        if self.down:
            raise StoreUnavailable("The database is gone.")
        return tuple(self.texts)

    def answering(self, today: date) -> list[tuple[str, int]]:
        return [(text, 1) for text in self.texts]

    def passages(self, document_id: str, version: int) -> list[Passage]:
        return [replace(passage(document_id), passage_id=document_id, document_id=document_id, version=version)]


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_every_passage_is_checked_once() -> None:
    guard, shelf = Counting(), Shelf("one", "two")
    ahead = CheckedAhead(asked := Asked(guard), shelf)
    assert ahead.check_all()
    assert ahead.check_all()
    assert guard.seen == ["one", "two"]
    asked.rails.close()


def test_what_is_dropped_is_left_to_the_question_that_meets_it() -> None:
    guard = Counting()
    ahead = CheckedAhead(asked := Asked(guard), Shelf("obey", "two"))
    ahead.check_all()
    ahead.check_all()
    assert guard.seen == ["obey", "two", "obey"]
    asked.rails.close()


def test_nothing_is_checked_while_a_question_is_under_way() -> None:
    guard = Counting()
    ahead = CheckedAhead(asked := Asked(guard), Shelf("one", "two"))
    with asked.under_way:
        ahead.start()
        time.sleep(0.3)
        assert guard.seen == []
    until(lambda: len(guard.seen) == 2)
    ahead.close()
    asked.rails.close()


def test_closing_stops_the_pass_also_while_a_question_is_under_way() -> None:
    ahead = CheckedAhead(asked := Asked(Counting()), Shelf("one"))
    with asked.under_way:
        ahead.start()
        began = time.monotonic()
        ahead.close()
    assert time.monotonic() - began < 5
    asked.rails.close()


def test_a_pass_that_was_never_started_closes() -> None:
    CheckedAhead(Asked(), Shelf()).close()


def test_a_new_policy_ends_the_pass_and_its_passages_are_checked_anew() -> None:
    asked = Asked()
    first, second = Counting(lambda: setattr(asked, "rails", new)), Counting()
    old, new = Rails(Guards((), (first,), ())), Rails(Guards((), (second,), ()))
    asked.rails = old
    ahead = CheckedAhead(asked, Shelf("one", "two"))
    assert not ahead.check_all()
    assert first.seen == ["one"]
    assert ahead.check_all()
    assert second.seen == ["one", "two"]
    old.close()
    new.close()


def test_documents_that_come_later_are_checked_and_a_store_that_fails_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("assistant.checked_ahead.LOOK_S", 0.02)
    guard, shelf = Counting(), Shelf("one")
    ahead = CheckedAhead(asked := Asked(guard), shelf)
    ahead.start()
    until(lambda: guard.seen == ["one"])
    shelf.down = True
    until(lambda: "not checked ahead (StoreUnavailable)" in caplog.text)
    shelf.down = False
    shelf.texts.append("two")
    until(lambda: guard.seen == ["one", "two"])
    ahead.close()
    asked.rails.close()


def test_no_more_passages_are_checked_than_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.passage_check.KEPT", 2)
    guard = Counting()
    ahead = CheckedAhead(asked := Asked(guard), Shelf("one", "two", "three"))
    assert ahead.check_all()
    assert guard.seen == ["one", "two"]
    asked.rails.close()


def test_a_question_is_under_way_until_its_stream_ends(make_desk: MakeDesk) -> None:
    desk = make_desk()
    events = desk.assistant.answerer.stream(desk.question("How many days of annual leave do I have a year?"))
    assert not desk.assistant.answerer.under_way
    next(events)
    assert desk.assistant.answerer.under_way
    events.close()
    assert not desk.assistant.answerer.under_way


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    return make_desk()


def test_after_the_pass_an_answer_is_the_same_and_no_passage_of_it_is_judged_again(desk: Desk) -> None:
    question, filters = "How many days of annual leave do I have a year?", {"document_id": "hr-leave"}
    before = desk.ask(question, filters=filters)
    desk.assistant.answerer.use(desk.assistant.guards)  # forgets what was checked
    assert CheckedAhead(desk.assistant.answerer, desk.assistant.catalogue).check_all()
    after = desk.ask(question, filters=filters)
    assert (after.text, after.citations) == (before.text, before.citations)
    assert not [name for name in desk.turn(after).counts if name.startswith(f"{CHECKS}injection_passage")]


def test_owner_of_a_planted_order_hears_of_it_only_once_somebody_asks(desk: Desk) -> None:
    CheckedAhead(desk.assistant.answerer, desk.assistant.catalogue).check_all()
    assert desk.assistant.tasks.listed(OWNER) == []
    answer = desk.ask(PARKING)
    assert "500 pounds" not in answer.text
    assert desk.turn(answer).counts["dropped_by_injection_passage"] == 1
    assert len(desk.assistant.tasks.listed(OWNER)) == 1


def test_questions_under_way_are_counted_from_many_threads() -> None:
    under_way = UnderWay()

    def ask() -> None:
        for _ in range(2000):
            with under_way:
                assert under_way

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not under_way
