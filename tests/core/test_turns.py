"""Turns, conversations and feedback on both databases: stored whole, found again, and by nobody else."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from core.errors import NotFound
from core.people import People
from core.records import Citation, Feedback, Message, Turn
from core.store import Store
from core.tables import conversation
from core.turns import Turns, new_id, without_text

WHEN = datetime(2026, 11, 20, 9, 30, 0, 123456, UTC)


@pytest.fixture
def turns(store: Store, people: People) -> Turns:
    return Turns(store)


def turn(person: str = "emma.employee", conversation: str | None = "c1", after: int = 0, **changes: object) -> Turn:
    citation = Citation(
        n=1,
        passage_id="p",
        document_id="hr-leave",
        version=3,
        title="Leave",
        section="Days",
        page=None,
        quote="25 days",
        score=0.9,
        owner="people@kestrelbay.example",
        classification="internal",
        effective=date(2026, 1, 1),
    )
    made = Turn(
        turn_id=new_id(),
        person_id=person,
        conversation_id=conversation,
        created_at=WHEN + timedelta(seconds=after),
        question="How many days of leave?",
        standalone_question="How many days of leave?",
        answer="25 days [1].",
        status="answered",
        reason="",
        evidence=0.8,
        adapter="base",
        model="quote",
        template_sha256="0" * 64,
        passages=({"passage_id": "p", "version": 3},),
        verdicts=({"guard": "pii", "action": "allow"},),
        citations=(citation,),
        timings_ms={"retrieve": 3.5},
        counts={"dropped": 0},
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_turn_is_read_back_whole(turns: Turns) -> None:
    one = turn()
    turns.save(one)
    assert turns.get(one.turn_id, "emma.employee") == one
    assert turns.of_conversation("c1", "emma.employee") == [one]
    assert turns.history("c1", "emma.employee") == [
        Message("user", "How many days of leave?"),
        Message("assistant", "25 days [1]."),
    ]


def test_strange_text_is_kept_as_far_as_databases_go(turns: Turns) -> None:
    one = turn(question="nul\x00 half\ud83d مرحبا 👍", passages=({"text": "nul\x00 half\ud83d 👍"},))
    turns.save(one)
    assert turns.get(one.turn_id, "emma.employee").question == "nul\ufffd half\ufffd مرحبا 👍"
    assert turns.conversation("c1", "emma.employee").title.endswith("👍")


def test_nobody_reads_changes_or_deletes_what_is_another_persons(turns: Turns) -> None:
    one = turn()
    turns.save(one)
    flag = Feedback(new_id(), one.turn_id, "hana.hr", "flag", WHEN)
    for act in (
        lambda: turns.get(one.turn_id, "hana.hr"),
        lambda: turns.of_conversation("c1", "hana.hr"),
        lambda: turns.history("c1", "hana.hr"),
        lambda: turns.rename("c1", "hana.hr", "mine"),
        lambda: turns.delete("c1", "hana.hr"),
        lambda: turns.save(turn("hana.hr", "c1")),
        lambda: turns.add_feedback(flag),
    ):
        with pytest.raises(NotFound):
            act()
    assert turns.conversations("hana.hr") == []
    assert turns.of_conversation("c1", "emma.employee") == [one]


def test_search_looks_in_titles_questions_and_answers_and_takes_no_wildcards(turns: Turns) -> None:
    turns.save(turn(conversation="c1", question="Leave 100%?", answer="yes"))
    turns.save(turn(conversation="c2", after=1, question="Travel", answer="By train_ticket"))

    def hits(words: str) -> list[str]:
        return [c.conversation_id for c in turns.conversations("emma.employee", search=words)]

    assert hits("") == ["c2", "c1"]
    assert hits("TRAIN_") == ["c2"]
    assert hits("100%") == ["c1"]
    assert hits("%") == ["c1"]
    assert hits("_") == ["c2"]
    turns.rename("c2", "emma.employee", "  Going   away ")
    assert hits("going away") == ["c2"]


def test_a_replaced_answer_leaves_the_conversation_but_stays_stored(turns: Turns) -> None:
    first = turn()
    again = turn(after=1, replaces=first.turn_id)
    turns.save(first)
    turns.save(again)
    assert turns.of_conversation("c1", "emma.employee") == [again]
    assert turns.get(first.turn_id, "emma.employee") == first


def test_deleting_a_conversation_takes_its_turns_and_their_feedback(turns: Turns) -> None:
    one = turn()
    turns.save(one)
    turns.add_feedback(Feedback(new_id(), one.turn_id, "emma.employee", "down", WHEN, ("wrong",)))
    turns.delete("c1", "emma.employee")
    assert turns.conversations("emma.employee") == []
    assert turns.feedback_on([one.turn_id]) == []
    with pytest.raises(NotFound):
        turns.get(one.turn_id, "emma.employee")


@pytest.mark.parametrize("url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True)
def test_an_answer_whose_conversation_is_being_deleted_is_kept_without_text(turns: Turns, store: Store) -> None:
    """Another tab's deletion is under way when the answer is stored, and ends before it. SQLite has one writer."""
    turns.save(turn())
    late = turn(after=1)
    with ThreadPoolExecutor() as threads:
        with store.begin() as deletion:
            deletion.execute(conversation.delete())
            saving = threads.submit(turns.save, late, continues=True)
            until_one_waits(store)
        stored = saving.result()
    assert stored == turns.get(late.turn_id, "emma.employee") == without_text(late)
    assert turns.conversations("emma.employee") == []


def until_one_waits(store: Store) -> None:
    """Return once a transaction on PostgreSQL waits for another one."""
    end = time.monotonic() + 20
    with store.read() as connection:
        while not connection.scalar(sa.text("select count(*) from pg_locks where not granted")):
            assert time.monotonic() < end, "nobody waits"
            time.sleep(0.01)


def test_a_new_thumb_replaces_the_old_one_and_flags_stay(turns: Turns) -> None:
    one = turn()
    turns.save(one)
    for i, kind in enumerate(("up", "flag", "down")):
        given = Feedback(
            new_id(), one.turn_id, "emma.employee", kind, WHEN + timedelta(seconds=i), ("wrong",), "c", "e"
        )  # type: ignore[arg-type]
        turns.add_feedback(given)
    assert [f.kind for f in turns.feedback_on([one.turn_id])] == ["flag", "down"]
    assert turns.feedback_on([one.turn_id])[0].reasons == ("wrong",)


def test_watchers_see_a_turn_after_it_is_stored(turns: Turns) -> None:
    seen: list[str] = []
    turns.watch(lambda one: seen.append(turns.get(one.turn_id, one.person_id).turn_id))
    one = turn()
    turns.save(one)
    assert seen == [one.turn_id]
