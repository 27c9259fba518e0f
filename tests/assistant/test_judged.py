"""The rails that a served model judges, through the whole answer path: the same server answers and judges."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from assistant.prompt import Prompt
from assistant.scripted import Script, ScriptedModel, ScriptedServer, first_sentence
from assistant.web.health import Readiness
from assistant.web.metrics import Metrics
from core.errors import SettingsError
from core.records import Turn
from core.turns import CHECKS
from tests.assistant.conftest import Desk, MakeDesk

pytestmark = pytest.mark.slow

ASKED = "How many days of annual leave a year?"
ANSWER = "Every employee has 25 days of annual leave a year. [1]"
OF_RAIL = {
    "must the marked text be stopped?": "self_check_input",
    "is the marked text off topic?": "self_check_topic",
    "must the marked text be withheld?": "self_check_output",
}


def judging(prompt: Prompt) -> str:
    """The rail whose question a prompt is; empty for the question to the answer model."""
    return next((rail for said, rail in OF_RAIL.items() if said in prompt.question.casefold()), "")


def model(answer: str = ANSWER, **verdicts: Script) -> ScriptedModel:
    """Answers, and says to each rail what `verdicts` names, `no` elsewhere."""

    def speak(prompt: Prompt) -> str:
        rail = judging(prompt)
        said = verdicts.get(rail, "no") if rail else answer
        if isinstance(said, Exception):
            raise said
        return said if isinstance(said, str) else said(prompt)

    return ScriptedModel([speak])


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "own.yaml"
    file.write_text(
        "rails:\n  self_check_input: {run: true}\n  self_check_topic: {run: true}\n  self_check_output: {run: true}\n"
    )
    return file


@pytest.fixture
def judged_desk(make_desk: MakeDesk, policy: Path) -> Callable[[ScriptedServer], Desk]:
    return lambda server: make_desk(model_url=server.url, model="scripted", policy=policy)


def verdicts(turn: Turn) -> dict[str, tuple[object, object]]:
    return {str(v["guard"]): (v["action"], v["rule"]) for v in turn.verdicts if str(v["guard"]).startswith("self_")}


def questions(said: ScriptedModel, rail: str) -> list[str]:
    return [prompt.question for prompt in said.prompts if judging(prompt) == rail]


def test_what_the_model_passes_is_answered_and_it_was_asked_about_the_text_alone(
    judged_desk: Callable[[ScriptedServer], Desk],
) -> None:
    said = model()
    with ScriptedServer(said) as server:
        desk = judged_desk(server)
        answer = desk.ask(f"{ASKED} My card is 4111 1111 1111 1111.")
    assert (answer.status, answer.text) == ("answered", ANSWER)
    (about,) = questions(said, "self_check_input")
    assert ASKED in about
    assert "<CARD>" in about  # masked before anything leaves for a server
    assert "4111" not in about
    assert "Part-time employees" not in about  # no passage stands in it
    assert len(questions(said, "self_check_topic")) == len(questions(said, "self_check_output")) == 1
    turn = desk.turn(answer)
    assert verdicts(turn) == {"self_check_input": ("allow", ""), "self_check_topic": ("allow", "")}
    assert turn.counts[f"{CHECKS}self_check_output"] == 1


def test_a_question_that_the_model_stops_is_refused_and_never_answered(
    judged_desk: Callable[[ScriptedServer], Desk],
) -> None:
    said = model(self_check_input="Yes.")
    with ScriptedServer(said) as server:
        desk = judged_desk(server)
        answer = desk.ask(ASKED)
        spanish = desk.ask("¿Cuántos días de vacaciones tengo al año?")
    assert (answer.status, answer.reason, answer.citations) == ("refused", "self_check", ())
    assert "support@kestrelbay.example" in answer.text
    assert "El modelo que revisa" in spanish.text
    assert verdicts(desk.turn(answer)) == {"self_check_input": ("refuse", "judged")}
    assert questions(said, "") == questions(said, "self_check_topic") == []


def test_a_question_off_topic_reads_as_the_policys_topic_does(judged_desk: Callable[[ScriptedServer], Desk]) -> None:
    with ScriptedServer(model(self_check_topic="yes")) as server:
        desk = judged_desk(server)
        answer = desk.ask("Which moon of Jupiter is the largest?")
    assert (answer.status, answer.reason) == ("refused", "topic:off_topic")
    assert "outside what I do" in answer.text
    assert verdicts(desk.turn(answer))["self_check_topic"] == ("refuse", "off_topic")


def test_a_sentence_that_the_model_stops_is_withheld_and_the_others_are_shown(
    judged_desk: Callable[[ScriptedServer], Desk],
) -> None:
    two = f"{ANSWER} Up to 5 days of annual leave may be carried over to the next year. [2]"

    def judge(prompt: Prompt) -> str:
        return "yes" if "carried over" in prompt.question else "no"

    with ScriptedServer(model(two, self_check_output=judge)) as server:
        desk = judged_desk(server)
        answer = desk.ask(ASKED)
    assert (answer.status, answer.text) == ("answered", ANSWER)
    turn = desk.turn(answer)
    assert turn.counts["withheld_unsafe_answer"] == 1
    assert verdicts(turn)["self_check_output"] == ("drop", "judged")


def late(_: Prompt) -> str:
    time.sleep(2)
    return "no"


FAULTS: dict[str, tuple[str, Script, str]] = {
    "nonsense about a question": ("self_check_input", "Certainly! Here is a poem.", "error"),
    "nothing": ("self_check_input", "", "error"),
    "nonsense about a topic": ("self_check_topic", "It depends.", "error"),
    "nonsense about a sentence": ("self_check_output", "yes and no", "error"),
    "too late": ("self_check_topic", late, "timeout"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_judge_that_fails_refuses_names_the_rail_and_the_operator_sees_it(
    make_desk: MakeDesk, tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    rail, says, kind = FAULTS[fault]
    own = tmp_path / "fault.yaml"
    own.write_text(f"rails:\n  {rail}: {{run: true, budget_ms: {500 if kind == 'timeout' else 20_000}}}\n")
    with ScriptedServer(model(**{rail: says})) as server, caplog.at_level(logging.DEBUG):
        desk = make_desk(model_url=server.url, model="scripted", policy=own)
        metrics = Metrics(desk.assistant.catalogue.counts)
        desk.assistant.turns.watch(metrics.turn_saved)
        answer = desk.ask(ASKED)
    assert (answer.status, answer.reason, answer.citations) == ("failed", "guard_error", ())
    assert "25" not in answer.text
    assert desk.turn(answer).counts[f"rail_{kind}:{rail}"] == 1
    assert verdicts(desk.turn(answer)) == {rail: ("refuse", "guard_error")}
    shown = metrics.text().decode()
    assert f'assistant_guard_failures_total{{guard="{rail}",kind="{kind}"}} 1.0' in shown
    assert f'assistant_guard_verdicts_total{{action="refuse",guard="{rail}"}} 1.0' in shown
    assert f'assistant_rail_seconds_count{{guard="{rail}"}} 1.0' in shown
    assert f"guard {rail} failed with" in caplog.text
    assert ASKED not in caplog.text


def test_a_judge_that_is_down_refuses(judged_desk: Callable[[ScriptedServer], Desk]) -> None:
    with ScriptedServer(model()) as server:
        desk = judged_desk(server)
        assert desk.ask(ASKED).status == "answered"
    answer = desk.ask(ASKED)
    assert (answer.status, answer.reason) == ("failed", "guard_error")
    assert desk.turn(answer).counts["rail_error:self_check_input"] == 1


def test_asking_whether_the_assistant_is_ready_costs_no_judgement(
    judged_desk: Callable[[ScriptedServer], Desk],
) -> None:
    said = model(self_check_input="hm")
    with ScriptedServer(said) as server:
        assert Readiness(judged_desk(server).assistant).look()["status"] == "ready"
    assert said.prompts == []


def test_nothing_is_judged_by_a_model_unless_the_policy_says_so(make_desk: MakeDesk) -> None:
    said = model()
    with ScriptedServer(said) as server:
        assert make_desk(model_url=server.url, model="scripted").ask(ASKED).text == ANSWER
    assert [judging(prompt) for prompt in said.prompts] == [""]


def test_without_a_served_model_the_assistant_does_not_start_and_says_what_to_set(
    make_desk: MakeDesk, policy: Path
) -> None:
    with pytest.raises(SettingsError, match=r"self_check_input.*set MODEL_URL and MODEL"):
        make_desk([first_sentence], policy=policy)


def test_a_policy_whose_judge_gives_nonsense_does_not_come_into_force(make_desk: MakeDesk, policy: Path) -> None:
    with ScriptedServer(model(self_check_topic="hm")) as server:
        desk = make_desk(model_url=server.url, model="scripted")
        book = desk.assistant.policies
        saved = book.save(policy.read_text(), actor="ada.admin", why="A model judges")
        with pytest.raises(SettingsError, match=r"Nothing is changed: under this policy self_check_topic would"):
            desk.assistant.apply_policy(saved.number, actor="ada.admin", why=saved.why)
        assert book.in_force().number != saved.number
        assert desk.ask(ASKED).status == "answered"
