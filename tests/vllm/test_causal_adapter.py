"""Adapters that the recipes of `python -m training` made, on real vLLM servers: what they say, and their way into service and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from assistant.reconciler import Desired, Reconciler, Wanted
from assistant.served import ServedModel
from core.records import Rollout
from core.registry import Training
from core.sealed import open_sealed
from core.settings import Settings
from tests.assistant.conftest import Desk, MakeDesk
from tests.core.adapters import approve, gate_report
from tests.vllm.desks import HELD, KINDS, about, held_out, learn, write_desk_llama
from tests.vllm.server import NEEDS_VLLM, WITH_ADAPTERS, Vllm, free_port, start, wait

pytestmark = NEEDS_VLLM

RECIPES = ("sft", "dpo", "kto")
OPTIONS = (*WITH_ADAPTERS, "--dtype", "float32")
OPENS, DESK = KINDS[0], HELD[0]


@dataclass(frozen=True)
class Made:
    """The base's folder, and the adapters' by recipe."""

    base: Path
    adapters: Mapping[str, Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = tmp_path_factory.mktemp("desks")
    base = write_desk_llama(root / "base")
    return Made(base, {recipe: learn(recipe, base, root / "adapters", root / recipe) for recipe in RECIPES})


@pytest.fixture(scope="module")
def pair(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Vllm]]:
    """Two replicas, started at the same time."""
    logs = [tmp_path_factory.mktemp("vllm") / "vllm.log" for _ in range(2)]
    servers = [start(made.base, log, free_port(), OPTIONS) for log in logs]
    try:
        for server, log in zip(servers, logs, strict=True):
            wait(server, log)
        yield servers
    finally:
        for server in servers:
            server.kill()


@pytest.mark.parametrize("recipe", RECIPES)
def test_answers_to_questions_that_no_adapter_met_change_in_the_trained_direction(
    made: Made, pair: list[Vllm], recipe: str
) -> None:
    folder = made.adapters[recipe]
    model = ServedModel(Settings(model_url=pair[0].url, model="tiny", max_tokens=32))
    wanted = Wanted(folder.name, folder, "", lambda: open_sealed(folder) and None)
    assert Reconciler(model.fleet, lambda: Desired((wanted,)), adapters=folder.parent).round(), model.fleet.standings()
    for kind, prompt in held_out():
        assert "".join(model.stream(prompt)).strip() == kind.flagged, "the base as it was"
        assert "".join(model.stream(prompt, adapter=folder.name)).strip() == f"{kind.reviewed} [1]"


def test_trial_on_two_replicas_outlives_the_loss_of_one_and_ends_in_promotion_and_rollback(
    made: Made, pair: list[Vllm], make_desk: MakeDesk, tmp_path: Path
) -> None:
    desk = make_desk(model_url=",".join(one.url for one in pair), model="tiny", retrieve_limit=1, max_tokens=32)
    write_document(desk, tmp_path / "desks")
    name = staged(desk, made.adapters["sft"])
    begin_trial(desk, name)
    reconciler = desk.assistant.reconciler
    assert reconciler is not None
    assert reconciler.round(), reconciler.fleet.standings()
    assert by(desk) == (name, "trial")
    assert asked(desk) == f"{OPENS.reviewed} [1]"

    pair[0].kill()
    assert [by(desk) for _ in range(4)] == [(name, "trial")] * 4, "the other replica holds it"
    reconciler.fleet.replicas[1].unload(name)  # and then loses it, behind our back
    assert by(desk) == ("tiny", "fallback")
    assert not desk.assistant.answerer.model.serves(name), "the next question is not tried on it"
    assert by(desk) == ("tiny", "fallback")

    log = tmp_path / "again.log"
    pair[0] = start(made.base, log, pair[0].port, OPTIONS)
    wait(pair[0], log)
    assert reconciler.round(), reconciler.fleet.standings()
    assert [name in one.listed() for one in reconciler.fleet.replicas] == [True, True]
    assert by(desk) == (name, "trial")

    registry, rollouts = desk.assistant.registry, desk.assistant.rollouts
    if registry.get(name).stage == "staging":  # a canary so large that it asked for this word has it already
        approve(registry, name)
    rollouts.promote(name, actor="ana", reason="better")
    assert by(desk) == (name, "production")
    rollouts.rollback(actor="ana", reason="a drill")
    assert by(desk) == ("tiny", "production")
    assert desk.assistant.audit.verify() == []


def write_document(desk: Desk, folder: Path) -> None:
    """What the held-out questions are about, for everybody to read."""
    (text,) = [one.text for one in about(DESK)]
    folder.mkdir()
    (folder / "desk.md").write_text(
        f"---\ndocument_id: desk\ntitle: The {DESK} desk\nversion: 1\nowner: hr@kestrelbay.example\ndepartment: HR\n"
        f"classification: internal\nallowed_groups: [everyone]\neffective: 2026-01-01\nstatus: approved\n---\n{text}\n"
    )
    assert [one.status for one in desk.assistant.ingest.run([folder], actor="test")] == ["indexed"]


def staged(desk: Desk, folder: Path) -> str:
    """Registered, with the report of an open gate on that very content; returns its name."""
    registry = desk.assistant.registry
    record = registry.register(folder, actor="tess", training=Training(ceiling="internal"), reason="a test")
    report = gate_report(record, desk.assistant.audit, demand=registry.demand(record.adapter_id))
    registry.stage(record.adapter_id, report, actor="tess", reason="open")
    return record.adapter_id


def begin_trial(desk: Desk, name: str) -> Rollout:
    """A canary, with so large a share that the person who asks is in it."""
    rollouts = desk.assistant.rollouts
    row = rollouts.canary(name, actor="ana", reason="a look")
    while rollouts.standing().arm(desk.person()) is None:
        if rollouts.waits_for(row):
            approve(desk.assistant.registry, name)
        row = rollouts.advance(actor="ana", reason="nothing is worse")
    return row


def asked(desk: Desk) -> str:
    return desk.ask(OPENS.asked(DESK), filters={"document_id": "desk"}).text


def by(desk: Desk) -> tuple[str, str]:
    """Who answers a question, as the stored turn says it, and in which arm; whatever was said, nothing failed."""
    turn = desk.turn(desk.ask(OPENS.asked(DESK), filters={"document_id": "desk"}))
    assert turn.status in ("answered", "no_answer"), turn
    return turn.adapter, turn.arm
