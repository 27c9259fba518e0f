"""The failure policy of docs/design: what breaks is said, nothing is answered from it, and the Turn is stored."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from assistant.answerer import AT_ONCE, Event, Finished, Started
from assistant.bootstrap import build
from assistant.scripted import ScriptedModel, first_sentence
from core.errors import ModelUnavailable, StoreUnavailable
from core.records import Question, Verdict
from core.settings import Settings
from core.tables import turn as turn_table
from guardrails.rails import Guards
from retrieval.copying import copy_data
from retrieval.embed import HashEmbedder
from tests.assistant.conftest import BrokenGuard, MakeDesk, finished, shown

ASKED = "How many days of annual leave a year?"


@pytest.mark.parametrize("stage", ["input", "passage", "output"])
def test_a_guard_that_errors_refuses(make_desk: MakeDesk, stage: str, caplog: pytest.LogCaptureFixture) -> None:
    desk = make_desk()
    guards = desk.assistant.guards
    broken: Guards = replace(guards, **{stage: (*getattr(guards, stage), BrokenGuard())})  # type: ignore[arg-type]
    with caplog.at_level(logging.DEBUG):
        answer = desk.answerer(guards=broken).answer(desk.question(ASKED))
    assert (answer.status, answer.reason, answer.citations) == ("failed", "guard_error", ())
    assert "25" not in answer.text
    assert "safety check" in answer.text
    assert desk.turn(answer).reason == "guard_error"
    assert ASKED not in caplog.text


def test_a_guard_that_errors_once_is_asked_again_next_time(make_desk: MakeDesk) -> None:
    desk = make_desk()

    left = [1]

    class Hiccup(BrokenGuard):
        def check(self, text, passages=()):  # type: ignore[no-untyped-def]
            if left:
                left.pop()
                raise RuntimeError
            return desk.assistant.guards.passage[0].check(text, passages)

    answerer = desk.answerer(guards=replace(desk.assistant.guards, passage=(Hiccup(),)))
    assert answerer.answer(desk.question(ASKED)).reason == "guard_error"
    assert answerer.answer(desk.question(ASKED)).status == "answered"


def test_more_askers_than_there_is_room_for_wait_their_turn_and_none_fails(make_desk: MakeDesk) -> None:
    """What everybody together takes is not counted against one guard's budget: it runs while few others do."""
    desk = make_desk([first_sentence])
    lock, within, most = threading.Lock(), [0], [0]

    class Counting(BrokenGuard):
        def check(self, text, passages=()):  # type: ignore[no-untyped-def]
            with lock:
                within[0] += 1
                most[0] = max(most[0], within[0])
            time.sleep(0.02)
            with lock:
                within[0] -= 1
            return Verdict(self.name, "allow", text)

    answerer = desk.answerer(guards=replace(desk.assistant.guards, input=(Counting(),)))
    with ThreadPoolExecutor(6 * AT_ONCE) as pool:
        answers = list(pool.map(lambda _: answerer.answer(desk.question(ASKED)), range(6 * AT_ONCE)))
    assert {answer.status for answer in answers} == {"answered"}
    assert most[0] == AT_ONCE
    assert max(answer.timings_ms["wait"] for answer in answers) > 50
    assert answerer.answer(desk.question(ASKED)).timings_ms["wait"] < 50


def test_a_guard_that_errors_mid_answer_ends_it_there(make_desk: MakeDesk) -> None:
    desk = make_desk([lambda p: f"{first_sentence(p)} {first_sentence(p)} Trips to the moon break the guard. [1]"])

    class AfraidOfTheMoon(BrokenGuard):
        def check(self, text, passages=()):  # type: ignore[no-untyped-def]
            if "moon" in text:
                raise RuntimeError
            return desk.assistant.guards.output[1].check(text, passages)

    answer = desk.answerer(guards=replace(desk.assistant.guards, output=(AfraidOfTheMoon(),))).answer(
        desk.question(ASKED)
    )
    assert (answer.status, answer.reason) == ("failed", "guard_error")
    assert "The answer stops here" in answer.text
    assert "moon" not in answer.text
    assert answer.citations


def test_a_retriever_that_errors_says_so_and_nothing_is_answered(make_desk: MakeDesk) -> None:
    desk = make_desk()
    desk.assistant.index.close()
    answer = desk.ask(ASKED)
    assert (answer.status, answer.reason) == ("failed", "retriever_error")
    assert "cannot search" in answer.text
    assert desk.model.prompts == []  # type: ignore[attr-defined]
    assert desk.turn(answer).status == "failed"


@pytest.mark.parametrize("error", [ModelUnavailable("The model server is down: start it."), RuntimeError("a bug")])
def test_a_model_that_errors_is_said_with_where_to_read_instead(make_desk: MakeDesk, error: Exception) -> None:
    desk = make_desk([error])
    answer = desk.ask(ASKED)
    assert (answer.status, answer.reason) == ("failed", "model_error")
    assert "Annual leave policy" in answer.text
    assert "Try again" in answer.text
    assert "server is down" not in answer.text  # that is for the operator, in the log
    assert desk.turn(answer).reason == "model_error"


def test_a_model_that_dies_mid_answer_leaves_what_was_shown(make_desk: MakeDesk) -> None:
    model = ScriptedModel([lambda p: f"{first_sentence(p)} {first_sentence(p)}"], chunk=70, fails_after=1)
    desk = make_desk(says=model)
    events = list(desk.assistant.answerer.stream(desk.question(ASKED)))
    answer = finished(events)
    assert (answer.status, answer.reason) == ("failed", "model_error")
    assert shown(events).strip() == answer.text == desk.turn(answer).answer
    assert answer.text.count("The answer stops here") == 1
    assert answer.citations


def test_a_turn_that_cannot_be_stored_is_an_error_and_not_an_answer(make_desk: MakeDesk) -> None:
    desk = make_desk()
    stream = desk.assistant.answerer.stream(desk.question(ASKED))
    assert isinstance(next(stream), Started)
    with desk.assistant.store.begin() as connection:
        connection.execute(sa.text("alter table turn rename to gone"))
    seen: list[Event] = []
    with pytest.raises(StoreUnavailable):
        seen.extend(stream)
    assert not any(isinstance(event, Finished) for event in seen)


def test_logs_hold_no_words_of_people_or_documents(make_desk: MakeDesk, caplog: pytest.LogCaptureFixture) -> None:
    desk = make_desk([first_sentence, RuntimeError("quoting zebras")])
    with caplog.at_level(logging.DEBUG, logger="assistant"):
        desk.ask("How many days of leave for zebras?")
        desk.ask("How many days of leave for zebras?")
    assert caplog.records
    assert "zebra" not in caplog.text
    assert "25 days" not in caplog.text


ASKING = """
import sys
from pathlib import Path
from assistant.bootstrap import build
from assistant.scripted import ScriptedModel
from core.records import Question, Verdict
from core.settings import Settings
from retrieval.embed import HashEmbedder

settings = Settings(home=Path(sys.argv[1]), evidence_threshold=0.0, low_evidence=0.0)
with build(settings, answer_model=ScriptedModel(pace_s=0.002), embedder=HashEmbedder()) as assistant:
    person = assistant.people.get("emma.employee")
    while True:
        answer = assistant.answerer.answer(Question("How many days of annual leave a year?", person))
        print(answer.turn_id, flush=True)
"""


@pytest.mark.slow
def test_no_acknowledged_turn_is_lost_by_kill_9_during_an_answer(furnished: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(furnished, home, copy_function=copy_data)
    root = Path(__file__).parents[2]
    acknowledged: list[str] = []
    for answers in (1, 3):
        process = subprocess.Popen(
            [sys.executable, "-c", ASKING, str(home)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
            env=os.environ | {"PYTHONPATH": str(root)},
        )
        assert process.stdout is not None
        acknowledged += [process.stdout.readline().strip() for _ in range(answers)]
        process.send_signal(signal.SIGKILL)
        acknowledged += process.stdout.read().split()
        process.wait()
        process.stdout.close()
    assert all(acknowledged)
    settings = Settings(home=home, evidence_threshold=0.0, low_evidence=0.0)
    with build(settings, answer_model=ScriptedModel(), embedder=HashEmbedder()) as assistant:
        stored = {turn_id: assistant.turns.get(turn_id, "emma.employee") for turn_id in acknowledged}
        assert all(turn.status == "answered" and turn.citations for turn in stored.values())
        with assistant.store.read() as connection:
            kept = connection.scalars(sa.select(turn_table.c.turn_id)).all()
        assert len(kept) <= len(acknowledged) + 2  # at most the one being acknowledged at each kill
        again = Question(ASKED, assistant.people.get("emma.employee"))
        assert assistant.answerer.answer(again).status == "answered"
