"""What a policy hands on: marked on the turn, and in the review queue where the policy says so."""

from __future__ import annotations

from pathlib import Path

from core.records import Principal
from core.review_records import QueueFilter
from tests.assistant.conftest import Desk, MakeDesk

ASKED = "When is the ballot about the strike? My card is 4111 1111 1111 1111."
REVIEWER = Principal(
    "rita", "Rita", "rita@kestrelbay.example", frozenset({"everyone"}), "internal", frozenset({"support"})
)


def desk_with(make_desk: MakeDesk, folder: Path, topic: str) -> Desk:
    own = folder / "own.yaml"
    own.write_text(
        f"topics:\n  unions: {{{topic}, contact: council@acme.example, phrases: ['\\bballot\\b'], "
        "texts: {en: 'Ask {contact}.', de: 'Fragen Sie {contact}.'}}\n"
    )
    return make_desk(policy=own)


def test_escalated_question_is_marked_and_nobody_else_is_told(make_desk: MakeDesk, tmp_path: Path) -> None:
    desk = desk_with(make_desk, tmp_path, "action: escalate")
    answer = desk.ask(ASKED)
    assert (answer.status, answer.reason, answer.text) == ("refused", "topic:unions", "Ask council@acme.example.")
    assert desk.turn(answer).counts["escalated"] == 1
    assert desk.assistant.reviews.queue.items(REVIEWER, QueueFilter()) == []


def test_refused_topic_is_not_marked(make_desk: MakeDesk, tmp_path: Path) -> None:
    desk = desk_with(make_desk, tmp_path, "action: refuse")
    assert "escalated" not in desk.turn(desk.ask(ASKED)).counts


def test_question_that_the_policy_sends_to_review_is_in_the_queue_masked_and_the_person_knows(
    make_desk: MakeDesk, tmp_path: Path
) -> None:
    desk = desk_with(make_desk, tmp_path, "action: escalate, review: true")
    answer = desk.ask(ASKED)
    assert answer.text.startswith("Ask council@acme.example. I have passed your question on")
    (item,) = desk.assistant.reviews.queue.items(REVIEWER, QueueFilter())
    assert (item.turn_id, item.source, item.priority, item.status) == (answer.turn_id, "escalated", 3, "open")
    desk.assistant.reviews.claim(item.item_id, REVIEWER)
    case = desk.assistant.reviews.queue.case(item.item_id, REVIEWER)
    assert case.turn.question == "When is the ballot about the strike? My card is <CARD>."


def test_temporary_chat_is_never_passed_on(make_desk: MakeDesk, tmp_path: Path) -> None:
    desk = desk_with(make_desk, tmp_path, "action: escalate, review: true")
    answer = desk.ask(ASKED, temporary=True)
    assert answer.text == "Ask council@acme.example."
    assert desk.turn(answer).counts["escalated"] == 1
    assert desk.assistant.reviews.queue.items(REVIEWER, QueueFilter()) == []
