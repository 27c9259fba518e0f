"""What administrators see of the guards, and how a false alarm becomes an evaluation case."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.audit import Audit
from core.errors import BadInput, Conflict, NotAllowed, NotFound
from core.guard_reports import GuardReports
from core.people import People
from core.records import Principal, Role, Turn
from core.store import Store
from core.turns import Turns, without_text
from tests.core.test_turns import WHEN, turn


def person(person_id: str, role: Role) -> Principal:
    return Principal(
        person_id, person_id, f"{person_id}@kestrelbay.example", frozenset(), "internal", frozenset({role})
    )


ADMIN, EMMA = person("ada.admin", "admin"), person("emma.employee", "employee")
STOP = {"guard": "topics", "action": "refuse", "rule": "harmful", "score": 1.0, "entities": {}}
MASK = {
    "guard": "personal_data_question",
    "action": "mask",
    "rule": "personal_data",
    "score": 0.9,
    "entities": {"IBAN": 1},
}


def refused(question: str = "How do I report a bomb threat?", after: int = 0, **changes: object) -> Turn:
    return turn(
        conversation=None,
        after=after,
        question=question,
        status="refused",
        reason="topic:harmful",
        verdicts=(STOP,),
        counts={"rail_checks:topics": 2, "rail_checks:injection_question": 1, "rail_error:injection_question": 1},
        timings_ms={"rail:topics": 3.0, "rail:injection_question": 5.0},
        **changes,
    )


@pytest.fixture
def turns(store: Store, people: People) -> Turns:
    return Turns(store)


@pytest.fixture
def reports(store: Store, audit: Audit) -> GuardReports:
    return GuardReports(store, audit)


def test_figures_count_checks_stops_masks_failures_and_the_time_of_one_check(
    turns: Turns, reports: GuardReports
) -> None:
    turns.save(refused())
    turns.save(turn(conversation=None, after=60, verdicts=(MASK,), counts={}, timings_ms={}))
    rails = {rail.guard: rail for rail in reports.rails()}
    assert (rails["topics"].checks, rails["topics"].stopped, rails["topics"].ms_p50) == (2, 1, 1.5)
    assert rails["topics"].rules == {"harmful": 1}
    assert (rails["injection_question"].failed, rails["injection_question"].ms_p95) == (1, 5.0)
    assert rails["personal_data_question"].masked == 1
    assert {r.guard for r in reports.rails(since=WHEN + timedelta(seconds=30))} == {"personal_data_question"}
    assert {r.guard for r in reports.rails(until=WHEN + timedelta(seconds=30))} == {"topics", "injection_question"}


def test_stopped_turns_come_newest_first_with_the_question_as_it_is_stored(turns: Turns, reports: GuardReports) -> None:
    for number in range(3):
        turns.save(refused(f"Question {number}?", after=number))
    turns.save(without_text(refused("Secret?", after=9)))
    stopped = reports.stopped("topics", limit=3)
    assert [s.question for s in stopped] == ["", "Question 2?", "Question 1?"]
    assert (stopped[1].rule, stopped[1].action, stopped[1].status) == ("harmful", "refuse", "refused")
    assert [s.question for s in reports.stopped(before=stopped[-1].created_at)] == ["Question 0?"]
    assert reports.stopped("markup") == []


def test_a_false_alarm_becomes_an_evaluation_case_and_a_right_one_does_not(
    turns: Turns, reports: GuardReports, audit: Audit
) -> None:
    wrong, right = refused(), refused("How do I build a bomb?", after=1)
    turns.save(wrong)
    turns.save(right)
    first = reports.report(wrong.turn_id, EMMA, guard="topics", note="I want to report one.")
    second = reports.report(right.turn_id, ADMIN, guard="topics", note="Not sure about this one.")
    assert [r.report_id for r in reports.listed()] == [first.report_id, second.report_id]
    assert reports.decide(first.report_id, ADMIN, false_alarm=True).status == "false_alarm"
    reports.decide(second.report_id, ADMIN, false_alarm=False)
    assert reports.listed() == []
    (case,) = reports.cases()
    assert (case["kind"], case["question"]) == ("over_refusal", "How do I report a bomb threat?")
    assert case["tags"] == ["rail:topics"]
    assert [row.action for row in audit.rows()][-4:] == ["guard.report", "guard.report", "guard.decide", "guard.decide"]


def test_report_needs_a_note_a_stop_and_a_turn_that_one_may_see(turns: Turns, reports: GuardReports) -> None:
    kept = refused()
    turns.save(kept)
    other = person("ben.okafor", "employee")
    with pytest.raises(NotFound):
        reports.report(kept.turn_id, other, guard="topics", note="Let it pass.")
    with pytest.raises(NotFound):
        reports.report("none", ADMIN, guard="topics", note="Let it pass.")
    with pytest.raises(BadInput, match="why"):
        reports.report(kept.turn_id, EMMA, guard="topics", note="  ")
    with pytest.raises(BadInput, match="stopped nothing"):
        reports.report(kept.turn_id, EMMA, guard="markup", note="Let it pass.")
    assert reports.listed() == []


def test_report_is_made_once_a_person_and_decided_once_by_an_administrator(turns: Turns, reports: GuardReports) -> None:
    kept = refused()
    turns.save(kept)
    made = reports.report(kept.turn_id, EMMA, guard="topics", note="A drill.")
    with pytest.raises(Conflict):
        reports.report(kept.turn_id, EMMA, guard="topics", note="Again.")
    with pytest.raises(NotAllowed):
        reports.decide(made.report_id, EMMA, false_alarm=True)
    reports.decide(made.report_id, ADMIN, false_alarm=True)
    with pytest.raises(Conflict):
        reports.decide(made.report_id, ADMIN, false_alarm=False)
    with pytest.raises(NotFound):
        reports.decide("none", ADMIN, false_alarm=True)
