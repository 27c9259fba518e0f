"""OpenAI's parameters by the official client: honoured, ignored or refused as docs/api.md says, and the usage told."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsBase

from assistant.prompt import Prompt
from assistant.scripted import ScriptedModel
from assistant.tokens import count_tokens
from assistant.web.chat_request import ChatRequest, Ignored, Refused
from core.records import Turn
from tests.web.conftest import ASK, Site, ask, running_site

TWO = (
    "Every employee has 25 days of annual leave a year. [1] Up to 5 days of annual leave carry over until 31 March. [1]"
)
FIRST = "Every employee has 25 days of annual leave a year. [1]"


def two_sentences(prompt: Prompt) -> str:
    return TWO


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("site") / "home"
    home.mkdir()
    with running_site(home, model=ScriptedModel([two_sentences])) as running:
        yield running


def turn_of(site: Site, done: openai.types.chat.ChatCompletion) -> Turn:
    return site.assistant.turns.get(done.id.removeprefix("chatcmpl-"), "emma.employee")


def refused(client: openai.OpenAI, **more: object) -> tuple[object, object, object, str]:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, **more)
    assert isinstance(caught.value.body, dict)
    assert set(caught.value.body) == {"message", "type", "code", "param"}
    return caught.value.type, caught.value.code, caught.value.param, caught.value.body["message"]


def test_the_usage_counts_the_question_its_history_what_was_read_and_the_answer(
    site: Site, client: openai.OpenAI
) -> None:
    first = ask(client)
    conversation = (first.choices[0].model_extra or {})["assistant"]["conversation_id"]
    further = ask(client, "Until when do they carry over?", metadata={"conversation_id": conversation})
    read = [[passage.text for passage in prompt.passages] for prompt in site.model.prompts[-2:]]
    history = [ASK, TWO]
    for done, texts in (
        (first, [ASK, *read[0]]),
        (further, ["Until when do they carry over?", *history, *read[1]]),
    ):
        assert done.usage is not None
        assert done.usage.prompt_tokens == count_tokens(texts) > 20
        assert done.usage.completion_tokens == count_tokens([TWO]) > 20
        assert done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens


def test_a_question_that_nothing_is_read_for_costs_only_its_refusal(client: openai.OpenAI) -> None:
    done = ask(client, "x" * 100_000)
    assert done.usage is not None
    assert done.usage.prompt_tokens == 0
    assert done.usage.completion_tokens == count_tokens([done.choices[0].message.content or ""])


def test_a_stream_tells_its_usage_in_a_last_chunk_only_where_it_is_asked_for(client: openai.OpenAI) -> None:
    asked = {"model": "assistant", "messages": [{"role": "user", "content": ASK}], "stream": True}
    plain = list(client.chat.completions.create(**asked))  # type: ignore[call-overload]
    assert not any("usage" in chunk.model_fields_set for chunk in plain)
    assert all(chunk.choices for chunk in plain)
    *chunks, last = client.chat.completions.create(**asked, stream_options={"include_usage": True})  # type: ignore[call-overload]
    assert all("usage" in chunk.model_fields_set and chunk.usage is None and chunk.choices for chunk in chunks)
    assert last.choices == []
    assert last.usage == ask(client).usage
    assert {chunk.id for chunk in (*chunks, last)} == {last.id}
    assert refused(client, stream_options={"include_usage": True})[2] == "stream_options"


@pytest.mark.parametrize(
    ("limits", "text", "reason"),
    [
        ({"max_tokens": 5}, "Every employee has 25 days", "length"),
        ({"max_completion_tokens": 15}, f"{FIRST} Up", "length"),
        ({"max_tokens": 16, "max_completion_tokens": 3}, "Every employee has", "length"),
        ({"max_tokens": 4000}, TWO, "stop"),
        ({"stop": "days of"}, "Every employee has 25", "stop"),
        ({"stop": ["none", "Up to"]}, FIRST, "stop"),
        ({"stop": "[1] Up to 9"}, TWO, "stop"),
        ({"stop": []}, TWO, "stop"),
        ({"stop": "Every"}, "", "stop"),
    ],
)
def test_an_answer_ends_where_the_caller_wants_it_streamed_or_not(
    site: Site, client: openai.OpenAI, limits: dict[str, object], text: str, reason: str
) -> None:
    done = ask(client, **limits)
    assert (done.choices[0].message.content, done.choices[0].finish_reason) == (text, reason)
    assert (turn_of(site, done).answer, turn_of(site, done).status) == (text, "answered")
    cited = (done.choices[0].model_extra or {})["assistant"]["citations"]
    assert len(cited) == len(turn_of(site, done).citations) == ("[1]" in text)
    assert done.usage is not None
    assert done.usage.completion_tokens == count_tokens([text])
    stream = client.chat.completions.create(
        model="assistant", messages=[{"role": "user", "content": ASK}], stream=True, **limits
    )  # type: ignore[call-overload]
    chunks = [chunk.choices[0] for chunk in stream]
    assert ("".join(chunk.delta.content or "" for chunk in chunks), chunks[-1].finish_reason) == (text, reason)


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("value", [0, -1, "x", "5", 1.5, True, [5]])
def test_a_bad_limit_is_said(client: openai.OpenAI, name: str, value: object) -> None:
    kind, code, param, message = refused(client, **{name: value})
    assert (kind, code, param) == ("invalid_request_error", "bad_input", name)
    assert message.startswith(f"{name}: Input should be")


@pytest.mark.parametrize("value", ["", [""], ["a"] * 5, 5, [5], {"a": 1}])
def test_a_bad_stop_is_said(client: openai.OpenAI, value: object) -> None:
    assert refused(client, stop=value)[1:] == (
        "bad_input", "stop", "stop: Give a text that is not empty, or a list of up to four."
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("n", 2, "One answer"),
        ("tools", [{"type": "function", "function": {"name": "f"}}], "no tools"),
        ("tool_choice", "auto", "no tools"),
        ("functions", [{"name": "f"}], "no tools"),
        ("response_format", {"type": "json_object"}, "Markdown"),
        ("response_format", {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}, "Markdown"),
        ("logprobs", True, "chances of tokens"),
        ("logit_bias", {"50": 1}, "chances of tokens"),
        ("modalities", ["text", "audio"], "in text"),
        ("web_search_options", {}, "its own documents"),
    ],
)
def test_what_is_not_done_is_refused_by_name(client: openai.OpenAI, name: str, value: object, told: str) -> None:
    kind, code, param, message = refused(client, **{name: value})
    assert (kind, code, param) == ("invalid_request_error", "unsupported_parameter", name)
    assert told in message
    assert "leave this out" in message


def test_a_parameter_that_nobody_knows_is_refused_by_name(client: openai.OpenAI) -> None:
    assert refused(client, extra_body={"max_token": 5})[1:] == (
        "unknown_parameter", "max_token", "max_token: There is no such parameter."
    )  # fmt: skip


def test_values_that_ask_for_nothing_and_sampling_are_taken(client: openai.OpenAI) -> None:
    done = ask(
        client,
        n=1,
        tools=[],
        tool_choice="none",
        logprobs=False,
        response_format={"type": "text"},
        modalities=["text"],
        temperature=0.2,
        top_p=0.5,
        seed=7,
        user="ana",
        stop=None,
        max_tokens=None,
        stream_options=None,
        presence_penalty=1,
        store=False,
    )
    assert done.choices[0].message.content == TWO


def test_every_parameter_of_the_client_is_decided_and_documented() -> None:
    ours = set(ChatRequest.model_fields)
    assert set(CompletionCreateParamsBase.__annotations__) | {"stream"} == ours
    page = (Path(__file__).parents[2] / "docs/api.md").read_text()
    honoured, ignored, not_done = (page.split(f"**{kind}.**")[1].split("\n\n")[0] for kind in KINDS)
    for text, names in (
        (honoured, ours - set(Ignored.model_fields) - set(Refused.model_fields)),
        (ignored, set(Ignored.model_fields)),
        (not_done, set(Refused.model_fields)),
    ):
        assert {name for name in ours if f"`{name}`" in text} == names


KINDS = ("Honoured", "Ignored", "Refused")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{", "no JSON object"),
        (b"", "no JSON object"),
        (b"[]", "no JSON object"),
        (b'{"messages": "\xe9"}', "no JSON object"),
        (b'{"messages": [{"role": "user", "content": 5}]}', r"messages\[0\].content: Give a text"),
        (b'{"messages": [{"content": "x"}]}', r"messages\[0\].role: Field required"),
        (b'{"messages": [{"role": "user", "content": "x"}], "max_tokens": NaN}', "max_tokens: Input should be"),
        (b'{"messages": [{"role": "user", "content": "x"}], "metadata": {"temporary": true}}', "metadata.temporary"),
    ],
)
def test_a_body_that_no_client_would_send_is_told_in_words(site: Site, body: bytes, told: str) -> None:
    with site.keyed("emma.employee", "chat") as client:
        done = client.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"})
    assert done.status_code == 400
    assert done.json()["error"]["code"] == "bad_input"
    assert re.search(told, done.json()["error"]["message"])


def test_the_key_is_judged_before_the_request(site: Site) -> None:
    with openai.OpenAI(base_url=f"{site.url}/v1", api_key="ea_wrong", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError, match="This API key is unknown"):
            ask(client, n=5)
        with pytest.raises(openai.AuthenticationError):
            client.models.list()


def test_the_request_id_is_the_turns(site: Site, client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="assistant", messages=[{"role": "user", "content": ASK}]
    )
    assert f"chatcmpl-{raw.headers['x-request-id']}" == raw.parse().id
    assert ask(client)._request_id
    with client.chat.completions.with_streaming_response.create(
        model="assistant", messages=[{"role": "user", "content": ASK}], stream=True
    ) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in stream.iter_lines() if line]
    assert stream.headers["x-request-id"] in lines[0]
    assert lines[-1] == "data: [DONE]"


def test_what_there_is_not_is_said_with_what_there_is(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="/v1/chat/completions"):
        client.embeddings.create(model="assistant", input="x")


def test_the_asynchronous_client_asks_several_at_once(site: Site) -> None:
    async def work() -> list[str | None]:
        key = site.key("emma.employee", "chat")
        async with openai.AsyncOpenAI(base_url=f"{site.url}/v1", api_key=key, max_retries=0) as client:
            asked = [
                client.chat.completions.create(model="assistant", messages=[{"role": "user", "content": ASK}])
                for _ in range(3)
            ]
            return [done.choices[0].message.content for done in await asyncio.gather(*asked)]

    assert asyncio.run(work()) == [TWO] * 3
