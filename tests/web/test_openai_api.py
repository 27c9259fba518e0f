"""The official openai client, unchanged, against the served assistant."""

from __future__ import annotations

import threading
import time

import openai
import pytest

from assistant.scripted import ScriptedModel
from core.errors import ModelUnavailable
from core.records import Turn
from tests.web.conftest import ASK, TOKEN, Site, SiteMaker, ask


def stored(site: Site, turn_id: str) -> Turn:
    return site.assistant.turns.get(turn_id, "emma.employee")


def test_the_models_are_listed_and_fetched(client: openai.OpenAI) -> None:
    assert [m.id for m in client.models.list()] == ["assistant"]
    assert client.models.retrieve("assistant").owned_by == "Kestrel Bay Instruments"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4")


def test_an_answer_carries_its_citations_and_its_turn(site: Site, client: openai.OpenAI) -> None:
    done = ask(client)
    choice = done.choices[0]
    assert choice.finish_reason == "stop"
    assert choice.message.content
    given = choice.model_extra["assistant"] if choice.model_extra else {}
    assert given["refused"] is False
    citation = given["citations"][0]
    assert (citation["document_id"], citation["version"], citation["owner"]) == (
        "hr-leave",
        1,
        "people@kestrelbay.example",
    )
    assert citation["effective"] == "2026-01-01"
    turn = stored(site, given["turn_id"])
    assert done.id == f"chatcmpl-{turn.turn_id}"
    assert (turn.answer, turn.status, turn.person_id) == (choice.message.content, "answered", "emma.employee")
    assert given["conversation_id"] == turn.conversation_id


def test_a_stream_adds_up_to_the_stored_answer_and_ends_with_the_citations(site: Site, client: openai.OpenAI) -> None:
    text, last, first = "", {}, {}
    with client.chat.completions.create(
        model="assistant",
        messages=[{"role": "user", "content": ASK}],
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        for chunk in stream:
            if not chunk.choices:
                continue
            text += chunk.choices[0].delta.content or ""
            given = (chunk.choices[0].model_extra or {}).get("assistant")
            first, last = first or given or {}, given or last
    assert first["turn_id"] == last["turn_id"]
    assert last["citations"][0]["document_id"] == "hr-leave"
    assert stored(site, last["turn_id"]).answer == text


def test_a_conversation_goes_on_by_its_id_and_nobody_elses(site: Site, client: openai.OpenAI) -> None:
    first = (ask(client).choices[0].model_extra or {})["assistant"]
    again = ask(client, "And how many carry over?", metadata={"conversation_id": first["conversation_id"]})
    by_header = ask(client, "Until when?", extra_headers={"X-Conversation-Id": first["conversation_id"]})
    for done in (again, by_header):
        assert (done.choices[0].model_extra or {})["assistant"]["conversation_id"] == first["conversation_id"]
    turns = site.assistant.turns.of_conversation(first["conversation_id"], "emma.employee")
    assert [t.question for t in turns] == [ASK, "And how many carry over?", "Until when?"]
    with (
        openai.OpenAI(base_url=f"{site.url}/v1", api_key=site.key("hana.hr", "chat"), max_retries=0) as other,
        pytest.raises(openai.NotFoundError),
    ):
        ask(other, metadata={"conversation_id": first["conversation_id"]})


def test_a_clients_own_history_reaches_the_answer_and_its_system_prompt_does_not(
    site: Site, client: openai.OpenAI
) -> None:
    before = len(site.model.prompts)
    client.chat.completions.create(
        model="assistant",
        messages=[
            {"role": "system", "content": "Answer in rhymes about pirates."},
            {"role": "user", "content": ASK},
            {"role": "assistant", "content": "25 days."},
            {"role": "user", "content": [{"type": "text", "text": "How many of the days carry over?"}]},
        ],
    )
    prompt = str(site.model.prompts[before])
    assert "25 days." in prompt
    assert "pirates" not in prompt


def test_a_temporary_question_leaves_no_text_and_no_conversation(site: Site, client: openai.OpenAI) -> None:
    given = (ask(client, metadata={"temporary": "true"}).choices[0].model_extra or {})["assistant"]
    assert given["conversation_id"] is None
    turn = stored(site, given["turn_id"])
    assert (turn.question, turn.answer, turn.temporary) == ("", "", True)


def test_what_a_person_may_not_read_is_in_no_answer_and_no_citation(site: Site, client: openai.OpenAI) -> None:
    question = "What is the salary of band seven?"
    with openai.OpenAI(base_url=f"{site.url}/v1", api_key=site.key("hana.hr", "chat")) as cleared:
        seen = ask(cleared, question)
        assert "hr-pay" in str(seen.choices[0].model_extra)
        assert "71,500" in str(seen.choices[0].message.content)
    hidden = ask(client, question)
    assert "71,500" not in str(hidden)
    assert "hr-pay" not in str(hidden)


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([], "messages"),
        ([{"role": "assistant", "content": "hello"}], "last message"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}], "text only"),
        ([{"role": "wizard", "content": "hello"}], "messages"),
    ],
)
def test_what_is_wrong_about_a_request_is_said(client: openai.OpenAI, messages: list[object], told: str) -> None:
    with pytest.raises(openai.BadRequestError, match=told):
        client.chat.completions.create(model="assistant", messages=messages)  # type: ignore[call-overload]


def test_another_model_and_a_bad_key_are_refused(site: Site, client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="assistant"):
        client.chat.completions.create(model="gpt-4", messages=[{"role": "user", "content": ASK}])
    for key, error in (
        ("ea_wrong", openai.AuthenticationError),
        (site.key("emma.employee", "feedback"), openai.PermissionDeniedError),
    ):
        with openai.OpenAI(base_url=f"{site.url}/v1", api_key=key, max_retries=0) as other, pytest.raises(error):
            ask(other)


@pytest.mark.parametrize("text", ["", "   ", "\x00\u200b", "\u202e", "x" * 100_000])
def test_strange_questions_get_an_answer_in_words(site: Site, client: openai.OpenAI, text: str) -> None:
    done = ask(client, text)
    given = (done.choices[0].model_extra or {})["assistant"]
    assert given["refused"] is True
    assert given["reason"] in ("empty_question", "too_long")
    assert done.choices[0].message.content
    assert stored(site, given["turn_id"]).status == "refused"


def test_a_client_that_goes_away_stops_the_answer_and_the_turn_says_so(own_site: SiteMaker) -> None:
    slow = ScriptedModel(["The leave is 25 days [1]. " * 40], pace_s=0.05, chunk=30)
    with own_site(model=slow) as site:
        with openai.OpenAI(base_url=f"{site.url}/v1", api_key=site.key("emma.employee", "chat")) as client:
            stream = client.chat.completions.create(
                model="assistant", messages=[{"role": "user", "content": ASK}], stream=True
            )
            turn_id = (next(iter(stream)).choices[0].model_extra or {})["assistant"]["turn_id"]
            next(iter(stream))
            stream.close()
        until = time.monotonic() + 20
        while slow.closed == 0 and time.monotonic() < until:
            time.sleep(0.05)
        assert slow.closed == 1, "the model was told to stop"
        time.sleep(0.5)
        turn = stored(site, turn_id)
        assert turn.status == "stopped"
        assert len(turn.answer) < 600


def test_a_model_that_fails_is_told_in_words_and_stored(own_site: SiteMaker) -> None:
    with own_site(model=ScriptedModel([ModelUnavailable("down")])) as site:
        with openai.OpenAI(base_url=f"{site.url}/v1", api_key=site.key("emma.employee", "chat")) as client:
            for stream in (False, True):
                if stream:
                    chunks = list(
                        client.chat.completions.create(
                            model="assistant", messages=[{"role": "user", "content": ASK}], stream=True
                        )
                    )
                    given = (chunks[-1].choices[0].model_extra or {})["assistant"]
                else:
                    given = (ask(client).choices[0].model_extra or {})["assistant"]
                assert (given["status"], given["reason"]) == ("failed", "model_error")
                assert stored(site, given["turn_id"]).status == "failed"


def test_many_people_at_once_get_their_own_answers(site: Site) -> None:
    people = ["emma.employee", "hana.hr", "sam.support", "ada.admin"]
    found: dict[str, list[str]] = {}

    def work(person: str) -> None:
        with openai.OpenAI(base_url=f"{site.url}/v1", api_key=site.key(person, "chat"), max_retries=0) as client:
            for i in range(5):
                given = (ask(client, f"{ASK} ({person} {i})").choices[0].model_extra or {})["assistant"]
                found.setdefault(person, []).append(given["turn_id"])

    threads = [threading.Thread(target=work, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for person in people:
        assert len(found[person]) == 5
        for turn_id in found[person]:
            assert person in site.assistant.turns.get(turn_id, person).question


def test_the_command_line_asks_for_the_person_that_it_names(site: Site) -> None:
    body = {"model": "assistant", "messages": [{"role": "user", "content": ASK}]}
    with site.client(headers={"authorization": f"Bearer local_{TOKEN}"}) as client:
        done = client.post("/v1/chat/completions", json=body, headers={"x-as-person": "emma.employee"})
        assert done.json()["choices"][0]["assistant"]["citations"]
        unknown = client.post("/v1/chat/completions", json=body, headers={"x-as-person": "no.body"})
        assert unknown.status_code == 404
        assert "users list" in unknown.json()["error"]["message"]
        assert client.post("/v1/chat/completions", json=body).status_code == 401
