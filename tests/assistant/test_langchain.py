"""The answerer in a LangChain chain: same access rules, same Turn."""

from __future__ import annotations

from langchain_core.runnables import RunnableLambda

from assistant.langchain import GovernedAnswerer
from core.records import Answer
from tests.assistant.conftest import MakeDesk

ASKED = "How many days of annual leave a year?"


def test_it_stands_in_a_chain(make_desk: MakeDesk) -> None:
    desk = make_desk()
    chain = GovernedAnswerer(desk.assistant.answerer, desk.person()) | RunnableLambda(
        lambda answer: answer.text.upper()
    )
    assert "25 DAYS" in chain.invoke(ASKED)


def test_invoke_gives_the_answer_whose_turn_is_stored(make_desk: MakeDesk) -> None:
    desk = make_desk()
    answer = GovernedAnswerer(desk.assistant.answerer, desk.person()).invoke(ASKED)
    assert isinstance(answer, Answer)
    assert desk.turn(answer).answer == answer.text


def test_text_streams_the_released_pieces(make_desk: MakeDesk) -> None:
    desk = make_desk([lambda p: "Every employee has 25 days of annual leave a year. " * 2])
    text = GovernedAnswerer(desk.assistant.answerer, desk.person()).text()
    pieces = list(text.stream(ASKED))
    assert len(pieces) == 2
    assert "".join(pieces) == text.invoke(ASKED)


def test_a_conversation_goes_on(make_desk: MakeDesk) -> None:
    desk = make_desk()
    first = GovernedAnswerer(desk.assistant.answerer, desk.person()).invoke("What is the hotel limit in Bristol?")
    second = GovernedAnswerer(desk.assistant.answerer, desk.person(), first.conversation_id).invoke("And in Hamburg?")
    assert desk.turn(second).standalone_question == "What is the hotel limit in Hamburg?"


def test_batch_answers_each_person_bound_question(make_desk: MakeDesk) -> None:
    desk = make_desk()
    answers = GovernedAnswerer(desk.assistant.answerer, desk.person("hana.hr")).batch([ASKED, "salary of band seven"])
    assert [a.status for a in answers] == ["answered", "answered"]
