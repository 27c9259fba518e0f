"""The served model: LangChain's ChatOpenAI against a real OpenAI-compatible server on the loopback."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Generator
from dataclasses import replace

import pytest

from assistant.answerer import Finished
from assistant.prompt import build_prompt
from assistant.scripted import Script, ScriptedModel, ScriptedServer
from assistant.served import ServedModel
from assistant.tokens import Usage
from assistant.web.chat_api import usage
from core.errors import ModelUnavailable
from core.notices import LEFT_OUT
from core.settings import Settings
from tests.assistant.conftest import Desk, MakeDesk, finished
from tests.assistant.passages import passage

PROMPT = build_prompt("How many days?", [passage("Every employee has 25 days.")])


def served(url: str, **settings: object) -> ServedModel:
    return ServedModel(Settings(model_url=url, model="scripted", **settings))  # type: ignore[arg-type]


def said(url: str, **settings: object) -> str:
    return "".join(served(url, **settings).stream(PROMPT))


def test_the_answer_arrives_in_pieces_and_the_request_is_plain() -> None:
    with ScriptedServer(ScriptedModel(["25 days. [1] And more."])) as server:
        pieces = list(served(server.url, max_tokens=77).stream(PROMPT))
        (request,) = server.requests
    assert "".join(pieces) == "25 days. [1] And more."
    assert len(pieces) > 2
    assert (request["model"], request["temperature"], request["stream"]) == ("scripted", 0, True)
    assert 77 in (request.get("max_tokens"), request.get("max_completion_tokens"))
    messages = request["messages"]
    assert isinstance(messages, list)
    assert [m["role"] for m in messages] == ["system", "user"]


def test_the_key_is_sent_and_no_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "another-services-key")
    with ScriptedServer(ScriptedModel(["Yes."]), api_key="right") as server:
        assert said(server.url, model_api_key="right") == "Yes."
        with pytest.raises(ModelUnavailable, match="MODEL_API_KEY"):
            said(server.url)
    with ScriptedServer(ScriptedModel(["Yes."]), api_key="another-services-key") as server:
        with pytest.raises(ModelUnavailable, match="MODEL_API_KEY"):
            said(server.url)


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (400, "ASSISTANT_RETRIEVE_LIMIT"),
        (401, "MODEL_API_KEY"),
        (404, "ends in /v1"),
        (429, "overloaded"),
        (500, "its log"),
    ],
)
def test_a_refusing_server_is_said_with_advice(status: int, advice: str) -> None:
    with ScriptedServer(ScriptedModel(["Yes."]), status=status) as server:
        with pytest.raises(ModelUnavailable, match=advice) as caught:
            said(server.url)
    assert "25 days" not in str(caught.value)


def test_no_server_is_said_with_advice() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(ModelUnavailable, match="correct MODEL_URL"):
            said(url)
        with pytest.raises(ModelUnavailable, match="correct MODEL_URL"):
            served(url).ready()


@pytest.mark.timed
def test_a_server_that_falls_silent_is_given_up() -> None:
    with ScriptedServer(ScriptedModel(["One. Two."], pace_s=3.0)) as server:
        start = time.monotonic()
        with pytest.raises(ModelUnavailable, match="ASSISTANT_MODEL_TIMEOUT_S"):
            said(server.url, model_timeout_s=0.4)
        assert time.monotonic() - start < 2.5


def test_a_server_that_dies_mid_answer_is_said() -> None:
    with ScriptedServer(ScriptedModel(["One sentence. Another sentence."], fails_after=2)) as server:
        stream = served(server.url).stream(PROMPT)
        assert next(stream)
        with pytest.raises(ModelUnavailable, match="broke off"):
            list(stream)


def test_a_server_that_dies_before_its_first_word_is_said() -> None:
    with ScriptedServer(ScriptedModel([ModelUnavailable("It stops here, as it was told.")])) as server:
        with pytest.raises(ModelUnavailable, match="broke off"):
            said(server.url)


def test_a_sentence_that_the_token_limit_cut_is_not_released(make_desk: MakeDesk) -> None:
    script: Script = "Every employee has 25 days of annual leave a year. Every employee has 2"
    with ScriptedServer(ScriptedModel([script]), finish="length") as server:
        desk = make_desk(model_url=server.url, model="scripted")
        answer = desk.ask("How many days of annual leave a year?")
    assert answer.text == "Every employee has 25 days of annual leave a year. [1]"
    assert desk.turn(answer).counts["withheld_unfinished"] == 1


def test_the_callers_limit_goes_to_the_server_and_the_operators_stays_above_it() -> None:
    with ScriptedServer(ScriptedModel(["25 days. [1]"])) as server:
        for wanted in (20, 5000, None):
            list(served(server.url, max_tokens=77).stream(replace(PROMPT, max_tokens=wanted)))
    assert [r.get("max_completion_tokens", r.get("max_tokens")) for r in server.requests] == [20, 77, 77]


def test_what_the_server_tells_of_its_tokens_is_returned() -> None:
    def whole(texts: Generator[str, None, Usage | None]) -> Generator[str]:
        told.append((yield from texts))

    told: list[Usage | None] = []
    with ScriptedServer(ScriptedModel(["25 days. [1]"])) as server:
        assert "".join(whole(served(server.url).stream(PROMPT))) == "25 days. [1]"
        server.usage = {}
        assert "".join(whole(served(server.url).stream(PROMPT))) == "25 days. [1]"
    assert told == [Usage(1201, 34), None]
    assert server.requests[0]["stream_options"] == {"include_usage": True}


def test_the_usage_is_the_servers_and_counted_here_where_the_answer_was_cut(make_desk: MakeDesk) -> None:
    sentence = "Every employee has 25 days of annual leave a year. [1]"
    with ScriptedServer(ScriptedModel([f"{sentence} {sentence} {sentence}"])) as server:
        desk = make_desk(model_url=server.url, model="scripted")
        whole, cut = (last_of(desk, stop=stop) for stop in ((), ("Every employee has 25 days of annual leave a year",)))
    assert usage(whole) == {"prompt_tokens": 1201, "completion_tokens": 34, "total_tokens": 1235}
    assert (cut.answer.text, cut.ran_out) == ("", False)
    assert usage(cut)["completion_tokens"] == 0
    assert 20 < usage(cut)["prompt_tokens"] < 1201


def test_a_limit_that_leaves_no_whole_sentence_is_not_told_as_no_answer(make_desk: MakeDesk) -> None:
    with ScriptedServer(ScriptedModel(["Every employee has 2"]), finish="length") as server:
        desk = make_desk(model_url=server.url, model="scripted")
        last = last_of(desk, max_tokens=20)
    assert (last.answer.text, last.answer.status, last.ran_out) == ("", "answered", True)
    assert last.told == Usage(1201, 34)


def last_of(desk: Desk, **limits: object) -> Finished:
    question = desk.question("How many days of annual leave a year?", **limits)
    *_, last = desk.assistant.answerer.stream(question)
    assert isinstance(last, Finished)
    return last


def test_ready_finds_a_wrong_model_name() -> None:
    with ScriptedServer(ScriptedModel(["Yes."])) as server:
        served(server.url).ready()
        with pytest.raises(ModelUnavailable, match="no model 'other'"):
            ServedModel(Settings(model_url=server.url, model="other")).ready()


def test_the_whole_path_through_a_served_model(make_desk: MakeDesk) -> None:
    script: Script = "Every employee has 25 days of annual leave a year. Employees may fly to the moon. [1]"
    with ScriptedServer(ScriptedModel([script])) as server:
        desk = make_desk(model_url=server.url, model="scripted")
        answer = desk.ask("How many days of annual leave a year?")
        assert answer.text == f"Every employee has 25 days of annual leave a year. [1]\n\n{LEFT_OUT['en']}"
        assert answer.adapter == "scripted"
        assert desk.turn(answer).counts["withheld_ungrounded"] == 1


def test_a_server_killed_mid_answer_leaves_a_failed_turn_and_advice_in_the_log(
    make_desk: MakeDesk, caplog: pytest.LogCaptureFixture
) -> None:
    script: Script = "Every employee has 25 days of annual leave a year. " * 3
    with ScriptedServer(ScriptedModel([script], fails_after=9)) as server:
        desk = make_desk(model_url=server.url, model="scripted")
        with caplog.at_level(logging.ERROR):
            answer = desk.ask("How many days of annual leave a year?")
    assert (answer.status, answer.reason) == ("failed", "model_error")
    assert answer.text.startswith("Every employee has 25 days of annual leave a year. [1]")
    assert "vllm serve" in caplog.text
    assert "25 days" not in caplog.text
    assert desk.turn(answer).status == "failed"


def test_stopping_closes_the_connection_to_the_server(make_desk: MakeDesk) -> None:
    script: Script = "Every employee has 25 days of annual leave a year. " * 200
    model = ScriptedModel([script], pace_s=0.01)
    with ScriptedServer(model) as server:
        desk = make_desk(model_url=server.url, model="scripted")
        events = desk.assistant.answerer.stream(desk.question("How many days of annual leave a year?"))
        next(events)
        next(events)
        events.close()
        gone = threading.Event()
        for _ in range(100):
            if model.closed:
                break
            gone.wait(0.05)
        assert model.closed == 1
    assert finished(
        list(desk.answerer(model=ScriptedModel()).stream(desk.question("How many days of annual leave a year?")))
    )
