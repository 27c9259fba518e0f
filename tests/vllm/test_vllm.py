"""The assistant on a real vLLM server, on the CPU. `make vllm` builds its environment; the model is made here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from assistant.answerer import Sentence, Started
from assistant.served import ServedModel
from core.errors import ModelUnavailable, SettingsError
from core.notices import LEFT_OUT
from core.settings import Settings
from guardrails.rails import failing_rails
from tests.assistant.conftest import MakeDesk, finished
from tests.vllm.server import NEEDS_VLLM, Vllm, serving
from tests.vllm.tiny_llama import FALSE, TRUE, write_tiny_llama
from tests.web.conftest import running_site

ASKED = "How many days of annual leave do I have a year?"

pytestmark = NEEDS_VLLM


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = write_tiny_llama(tmp_path_factory.mktemp("tiny"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def vllm(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vllm]:
    with serving(model, tmp_path_factory.mktemp("vllm") / "vllm.log") as server:
        yield server


def test_a_real_server_answers_and_what_nothing_bears_out_is_withheld(vllm: Vllm, make_desk: MakeDesk) -> None:
    desk = make_desk(model_url=vllm.url, model="tiny", retrieve_limit=3)
    desk.assistant.answerer.ready()
    answer = desk.ask(ASKED)
    assert answer.text == f"{TRUE} [1]\n\n{LEFT_OUT['en']}"
    assert FALSE.strip() not in answer.text
    assert answer.citations[0].document_id == "hr-leave"
    stored = desk.turn(answer)
    assert (stored.adapter, stored.model, stored.status) == ("tiny", "tiny", "answered")
    assert (stored.counts["withheld_ungrounded"], stored.counts["attached_markers"]) == (1, 1)


def test_a_model_too_small_to_judge_says_nonsense_and_the_question_is_refused(
    vllm: Vllm, make_desk: MakeDesk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = tmp_path / "judged.yaml"
    own.write_text("rails:\n  self_check_input: {run: true, budget_ms: 60000}\n")
    desk = make_desk(model_url=vllm.url, model="tiny", retrieve_limit=3, policy=own)
    answer = desk.ask(ASKED)
    assert (answer.status, answer.reason) == ("failed", "guard_error")
    assert (
        "guard self_check_input failed with NoVerdict" in caplog.text
    )  # the server took the question, and answered it
    assert desk.turn(answer).counts["rail_error:self_check_input"] == 1
    topic = "rails:\n  self_check_topic: {run: true, budget_ms: 60000}\n"
    saved = desk.assistant.policies.save(topic, actor="ada.admin", why="A model judges")
    with pytest.raises(SettingsError, match="self_check_topic would refuse everything"):
        desk.assistant.apply_policy(saved.number, actor="ada.admin", why=saved.why)


def test_the_openai_client_gets_vllms_answer_through_our_api(vllm: Vllm, home: Path) -> None:
    served_by_vllm = ServedModel(Settings(model_url=vllm.url, model="tiny", max_tokens=64))
    with running_site(home, served_by_vllm) as site:  # type: ignore[arg-type]
        with openai.OpenAI(base_url=f"{site.url}/v1", api_key=site.key("emma.employee", "chat")) as client:
            stream = client.chat.completions.create(
                model="assistant", messages=[{"role": "user", "content": ASKED}], stream=True
            )
            chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == f"{TRUE} [1]\n\n{LEFT_OUT['en']}"
    last = chunks[-1].choices[0].model_extra
    assert last is not None
    assert last["assistant"]["adapter"] == "tiny"
    assert last["assistant"]["citations"][0]["document_id"] == "hr-leave"


def test_an_answer_of_which_nothing_is_grounded_is_refused(vllm: Vllm, make_desk: MakeDesk) -> None:
    answer = make_desk(model_url=vllm.url, model="tiny", retrieve_limit=1).ask(
        "hotel", filters={"document_id": "fin-hotels"}
    )
    assert (answer.status, answer.reason, answer.adapter) == ("no_answer", "ungrounded", "tiny")


def test_a_prompt_beyond_the_servers_context_is_said_with_advice(
    vllm: Vllm, make_desk: MakeDesk, caplog: pytest.LogCaptureFixture
) -> None:
    desk = make_desk(model_url=vllm.url, model="tiny", max_tokens=4096, max_question_chars=20_000)
    answer = desk.ask("annual leave " + "qzxj " * 2500)
    assert (answer.status, answer.reason) == ("failed", "model_error")
    assert "ASSISTANT_RETRIEVE_LIMIT" in caplog.text


def test_a_model_that_the_server_does_not_have_is_said(
    vllm: Vllm, make_desk: MakeDesk, caplog: pytest.LogCaptureFixture
) -> None:
    desk = make_desk(model_url=vllm.url, model="other")
    with pytest.raises(ModelUnavailable, match="no model 'other'"):
        desk.assistant.answerer.ready()
    assert desk.ask(ASKED).reason == "model_error"
    assert "correct MODEL" in caplog.text


@pytest.mark.timed  # the model ends by itself after 4,096 tokens, which a busy machine lets it reach first
def test_a_server_killed_mid_answer_is_said_and_the_turn_stored(
    tmp_path: Path, make_desk: MakeDesk, caplog: pytest.LogCaptureFixture
) -> None:
    model = write_tiny_llama(tmp_path / "endless", endless=True)
    with serving(model, tmp_path / "vllm.log") as server:
        desk = make_desk(model_url=server.url, model="tiny", retrieve_limit=3, max_tokens=4096)
        assert failing_rails(desk.assistant.guards) == []  # as `serve` does first: what the rails load takes seconds
        events = desk.assistant.answerer.stream(desk.question(ASKED))
        assert isinstance(next(events), Started)
        first = next(events)
        assert isinstance(first, Sentence)
        assert first.text.startswith(TRUE)
        server.kill()
        rest = list(events)
        again = desk.ask(ASKED)
    cut = finished(rest)
    assert (cut.status, cut.reason) == ("failed", "model_error")
    assert cut.text.startswith(f"{TRUE} [1]")
    assert "The answer stops here" in cut.text
    assert desk.turn(cut).answer == cut.text
    assert (again.status, again.reason) == ("failed", "model_error")
    assert "Annual leave policy" in again.text
    assert "Try again" in again.text
    assert "vllm serve" in caplog.text
    assert desk.turn(again).adapter == "tiny"
