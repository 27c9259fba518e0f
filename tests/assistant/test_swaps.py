"""Hundreds of swaps while sixteen people ask: nobody is answered by a wrong adapter or by half of one, and no request fails.

`python -m assistant bench-adapters` makes a thousand.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import pytest
import sqlalchemy as sa

from assistant.askers import PERSON, Asked, Askers, office
from assistant.bootstrap import Assistant, build
from assistant.drill import drill
from assistant.prompt import Prompt
from assistant.scripted import ScriptedModel
from core.errors import AdapterRefused, BadInput
from core.gate import Demand
from core.records import Question, Rollout
from core.registry import Training
from core.settings import Settings, load_settings
from core.tables import turn
from guardrails.policy import PACKAGED
from retrieval.embed import HashEmbedder
from tests.assistant.readers import CONTRARY, RIGHT, reader_folder
from tests.core.adapters import gate_report, sealed_folder

SWAPS, ASKERS = 300, 16
SCRIPTED_SWAPS = 200


@contextmanager
def opened(tmp_path: Path, model: ScriptedModel | None = None) -> Iterator[tuple[Assistant, list[str]]]:
    """An assistant with a few documents, and questions that they answer."""
    (tmp_path / "home").mkdir()
    settings = Settings(
        home=tmp_path / "home",
        policy=patient_policy(tmp_path),
        models=load_settings().models_folder,
        reader="quote",
        reranker="",
        evidence_threshold=0.0,
        low_evidence=0.0,
    )
    with build(settings, answer_model=model, embedder=HashEmbedder()) as assistant:
        # Each is promoted in place of another than its report compares with: what it is to compare with is asked elsewhere.
        assistant.registry.demand = lambda _name: Demand()
        yield assistant, office(assistant, tmp_path / "documents")


def patient_policy(folder: Path) -> Path:
    """The shipped policy with half a minute for each rail: on a busy machine, sixteen people use up the rails' own budgets."""
    path = folder / "policy.yaml"
    path.write_text(re.sub(r"budget_ms: \d+", "budget_ms: 30000", PACKAGED.read_text(encoding="utf-8")))
    return path


@dataclass
class Swaps:
    """What was in force when: rows with the moments before and after each was committed."""

    rows: list[Rollout]
    called: list[float] = field(default_factory=lambda: [0.0])
    committed: list[float] = field(default_factory=lambda: [0.0])

    def make(self, change: Callable[[], Rollout]) -> None:
        called = time.perf_counter()
        self.rows.append(change())
        self.called.append(called)
        self.committed.append(time.perf_counter())

    def in_force(self, one: Asked) -> set[int]:
        """The rollouts that may have answered: from the last one committed before it began to the last one called before it ended."""
        first, last = bisect_right(self.committed, one.began) - 1, bisect_right(self.called, one.ended)
        return {row.rollout_id for row in self.rows[max(first, 0) : last]}


def swapped(assistant: Assistant, askers: Askers, names: Sequence[str], count: int) -> Swaps:
    """Promote one after the other, every third time roll back; as fast as somebody is answered in between."""
    rollouts, swaps = assistant.rollouts, Swaps([assistant.rollouts.current()])
    for number in range(count):
        name = names[(number - number // 3) % len(names)]
        if number % 3 == 2:
            swaps.make(lambda: rollouts.rollback(actor="ana", reason="worse"))
        elif rollouts.current().production != name:
            swaps.make(lambda name=name: rollouts.promote(name, actor="ana", reason="better"))  # type: ignore[misc]
        else:
            swaps.make(lambda: rollouts.kill(actor="ana", reason="off"))
        seen = len(askers.asked)
        assert askers.until(lambda seen=seen: len(askers.asked) > seen)  # type: ignore[misc]
    return swaps


def checked(assistant: Assistant, askers: Askers, swaps: Swaps, right: Callable[[Asked], bool]) -> int:
    """Every answer is by the adapter that its rollout names, or says that another stood in; returns how many stood in."""
    assert askers.errors == []
    with assistant.store.read() as connection:
        query = sa.select(turn.c.turn_id, turn.c.adapter, turn.c.arm, turn.c.rollout_id)
        turns = {row.turn_id: row for row in connection.execute(query)}
    rows = {row.rollout_id: row for row in swaps.rows}
    stood_in = 0
    for one in askers.asked:
        stored = turns[one.turn_id]
        assert one.status in ("answered", "no_answer"), one
        assert stored.adapter == one.adapter
        assert stored.rollout_id in swaps.in_force(one)
        assert stored.adapter == rows[stored.rollout_id].production or stored.arm == "fallback", (stored, one)
        assert right(one), one
        stood_in += stored.arm == "fallback"
    return stood_in


MARKS = ("opens at", "closes at", "stays closed", "is in room")
"""What each scripted adapter says, and no other."""


def sentence_with(mark: str) -> Callable[[Prompt], str]:
    """Says the first sentence of the passages that has these words."""

    def say(prompt: Prompt) -> str:
        for number, one in enumerate(prompt.passages, 1):
            for sentence in one.text.replace("\n", " ").split(". "):
                if mark in sentence:
                    return f"{sentence.strip().rstrip('.')}. [{number}]"
        return "NOT_IN_PASSAGES"

    return say


def found(assistant: Assistant, question: str) -> str:
    """The words of all passages that the question finds."""
    limit, mode = assistant.settings.retrieve_limit, assistant.retriever.best_mode
    return " ".join(one.text for one in assistant.retriever.retrieve(question, PERSON, limit=limit, mode=mode).passages)


@pytest.mark.slow
def test_swaps_of_scripted_adapters_give_everybody_the_words_of_one_of_them(tmp_path: Path) -> None:
    model = ScriptedModel(["NOT_IN_PASSAGES"])
    with opened(tmp_path, model) as (assistant, questions):
        marks = {"scripted-v1": ""}
        for number, mark in enumerate(MARKS, 1):
            name = in_production(assistant, sealed_folder(tmp_path / "out", value=float(number), version=number))
            model.adapters[name], marks[name] = ScriptedModel([sentence_with(mark)]), mark
        questions = [one for one in questions if all(mark in found(assistant, one) for mark in MARKS)]
        with Askers(assistant, questions, count=ASKERS) as askers:
            swaps = swapped(assistant, askers, list(marks)[1:], SCRIPTED_SWAPS)

        def right(one: Asked) -> bool:
            mark = marks[one.adapter]
            return mark in one.text and one.status == "answered" if mark else one.status == "no_answer"

        assert checked(assistant, askers, swaps, right) == 0
        assert {one.adapter for one in askers.asked} == set(marks)
        assert len(swaps.rows) == SCRIPTED_SWAPS + 1
        assert assistant.audit.verify() == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_swaps_of_embedded_readers_that_are_loaded_while_people_ask(tmp_path: Path) -> None:
    with opened(tmp_path) as (assistant, questions):
        names = [
            in_production(assistant, reader_folder(tmp_path / "out", weight=weight, version=number + 1))
            for number in range(3)
            for weight in (RIGHT, CONTRARY)
        ]
        contrary = set(names[1::2])
        questions = tell_apart(assistant, questions, *names[:2])
        assistant.rollouts.kill(actor="ana", reason="nothing serves yet")
        with Askers(assistant, questions, count=ASKERS) as askers:
            swaps = swapped(assistant, askers, names, SWAPS)

        def right(one: Asked) -> bool:
            return (right_sentence(one.question) in one.text) == (one.adapter not in contrary)

        stood_in = checked(assistant, askers, swaps, right)
        assert {one.adapter for one in askers.asked} == {*names, "quote-v1"}
        assert stood_in < len(askers.asked) / 2  # only while an adapter was loaded for the first time
        assert assistant.audit.verify() == []


def right_sentence(question: str) -> str:
    """How the sentence begins that answers a question about opening hours."""
    return question.replace("When does the", "The").replace("open?", "opens at")


def tell_apart(assistant: Assistant, questions: Sequence[str], right: str, contrary: str) -> list[str]:
    """The questions to which the one adapter says the right sentence, and the other does not."""
    said: dict[str, dict[str, bool]] = {}
    for name in (right, contrary):
        assistant.answerer.model.load(name)  # type: ignore[attr-defined]
        assistant.rollouts.promote(name, actor="ana", reason="a look")
        answers = {one: assistant.answerer.answer(Question(one, PERSON)).text for one in questions if "open?" in one}
        said[name] = {one: right_sentence(one) in text for one, text in answers.items()}
    found = [one for one, is_right in said[right].items() if is_right and not said[contrary][one]]
    assert len(found) >= 6, said
    return found


def in_production(assistant: Assistant, folder: Path) -> str:
    """Register an adapter and bring it to production; returns its name."""
    registry = assistant.registry
    record = registry.register(folder, actor="tess", training=Training(ceiling="internal"), reason="a test")
    report = gate_report(record, assistant.audit, demand=registry.demand(record.adapter_id))
    registry.stage(record.adapter_id, report, actor="tess", reason="open")
    registry.request(record.adapter_id, actor="tess", reason="better")
    registry.approve(record.adapter_id, actor="ada", reason="read it")
    return record.adapter_id


@pytest.mark.slow
def test_adapter_that_is_cut_short_answers_nobody_and_the_one_before_goes_on(tmp_path: Path) -> None:
    with opened(tmp_path) as (assistant, questions):
        good, cut, late = (
            in_production(assistant, reader_folder(tmp_path / "out", weight=weight, version=number))
            for number, weight in ((1, RIGHT), (2, CONTRARY), (3, CONTRARY))
        )
        rollouts = assistant.rollouts
        rollouts.promote(good, actor="ana", reason="better")
        shorten(assistant, cut)
        with pytest.raises(AdapterRefused, match="cut short"):
            rollouts.promote(cut, actor="ana", reason="better still")
        ask = Question(questions[0], PERSON)
        with Askers(assistant, questions, count=2) as askers:
            assert askers.until(lambda: askers.answered_by(good) > 0)
        rollouts.promote(late, actor="ana", reason="better still")
        shorten(assistant, late)  # after the promotion, before it is loaded
        answers = [assistant.answerer.answer(ask) for _ in range(3)]
        assert {(one.adapter, one.status) for one in answers} == {(good, "answered")}
        assert assistant.turns.get(answers[0].turn_id, PERSON.person_id).arm == "fallback"


def shorten(assistant: Assistant, name: str) -> None:
    weights = assistant.settings.home / "adapters" / name / "heads.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])


@pytest.mark.slow
@pytest.mark.timed
def test_rollback_under_load_is_answered_by_the_old_adapter_within_a_second(tmp_path: Path) -> None:
    home = tmp_path / "home"
    folder = reader_folder(home / "adapters", weight=RIGHT)
    settings = Settings(home=home, models=load_settings().models_folder, reranker="", evidence_threshold=0.0, low_evidence=0.0)  # fmt: skip
    seconds = []
    for _ in range(3):
        done = drill(settings, "reader-2", folder.name, askers=8, embedder=HashEmbedder())
        assert (done.failed, done.wrong) == (0, 0)
        assert done.n > 30
        assert done.rollback_ms / 1000 < done.seconds
        seconds.append(done.seconds)
    # The median: one pause of the machine decides nothing, and a way back that is slow every other time fails.
    assert median(seconds) < 1.0, seconds
    assert not list(Path(settings.home).glob("*.db"))  # the drill had a home of its own


@pytest.mark.parametrize(
    ("changes", "names", "askers", "said"),
    [
        ({}, ("reader-2", "reader-2"), 2, "two adapters"),
        ({}, ("reader-2", "quote-v1"), 2, "two adapters"),
        ({}, ("quote-v1", "reader-2"), 0, "at least 1"),
        ({"model_url": "http://127.0.0.1:9/v1", "model": "m"}, ("quote-v1", "reader-2"), 2, "MODEL_URL"),
    ],
)
def test_drill_that_makes_no_sense_is_refused(
    tmp_path: Path, changes: dict[str, str], names: tuple[str, str], askers: int, said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        drill(Settings(home=tmp_path, **changes), *names, askers=askers)  # type: ignore[arg-type]
