"""NeMo Guardrails around our checks, behind the same seam: a NemoRail is a guard that runs guards through NeMo's flows.

    NemoRail("output", [Markup(...)])                 one check, under its own name
    NemoRail("input", [Injection(...), Topics(...)])  a stage in one call, under the name `nemo_input`

The configuration is guardrails/rails/. What NeMo adds and what it costs: docs/design/nemo.md. Which stages it runs is in the policy.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import warnings
from collections.abc import Coroutine, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from core.own_loop import with_own_loop
from core.records import Passage, Verdict
from guardrails.guard import Guard

NemoStage = Literal["input", "passage", "output"]

FOLDER = Path(__file__).with_name("rails")
STOP_S = 5.0
_FLOWS: Mapping[NemoStage, str] = {"input": "input", "passage": "retrieval", "output": "output"}
"""Our stage to the list of flows in config.yml."""


@dataclass(slots=True)
class _Run:
    """One text on its way through the flows: the verdicts so far, and the error of a check that failed."""

    guards: Mapping[str, Guard]
    passages: Sequence[Passage]
    verdicts: list[Verdict] = field(default_factory=list)
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class _Checked:
    """What a flow sees of a verdict."""

    allowed: bool
    text: str


_run: ContextVar[_Run] = ContextVar("_run")


async def _check_rail(rail: str, text: str) -> _Checked:
    """The action that every flow calls: the named check on the text as the flow before left it.

    Its error is kept for the caller, because NeMo would answer for a failing action with a text of its own.
    """
    run = _run.get()
    try:
        verdict = run.guards[rail].check(text, run.passages)
    except Exception as error:  # noqa: BLE001 - raised again by NemoRail.check, in the caller's thread
        run.error = error
        return _Checked(False, "")
    run.verdicts.append(verdict)
    return _Checked(verdict.allowed, verdict.text)


class NemoRail:
    """A guard that runs one or several guards of a stage as NeMo flows. Building one takes about a third of a second.

    Args:
        stage: whose flows.
        guards: each named as a flow of that stage in guardrails/rails/config.yml, with spaces for underscores.

    Raises:
        ValueError: no flow of that stage has a guard's name.
    """

    def __init__(self, stage: NemoStage, guards: Sequence[Guard]) -> None:
        self.name = guards[0].name if len(guards) == 1 else f"nemo_{stage}"
        self._stage = stage
        self._guards = {guard.name: guard for guard in guards}
        self._rails = build(stage, tuple(self._guards))

    def check(self, text: str, passages: Sequence[Passage] = ()) -> Verdict:
        """The verdict of the check that stopped the text; otherwise the surest mask, or that of one check alone.

        Raises:
            RuntimeError: NeMo did not run every check and stopped for no reason of ours. And whatever a check raises.
        """
        run = _Run(self._guards, passages)
        loop().run(self._generate(text, run))
        if run.error is not None:
            raise run.error
        stopped = next((v for v in run.verdicts if not v.allowed), None)
        if stopped is not None:
            return stopped
        if len(run.verdicts) != len(self._guards):
            raise RuntimeError("NeMo Guardrails did not run every check")
        if len(run.verdicts) == 1:
            return run.verdicts[0]
        masks = [v for v in run.verdicts if v.action == "mask"]
        if not masks:
            return Verdict(self.name, "allow", text)
        surest = max(masks, key=lambda v: v.score)
        return Verdict(self.name, "mask", run.verdicts[-1].text, rule=surest.rule, score=surest.score)

    async def _generate(self, text: str, run: _Run) -> None:
        _run.set(run)
        on = "output" if self._stage == "output" else "input"
        said = [{"role": "user", "content": "" if on == "output" else text}]
        said += [{"role": "assistant", "content": text}] if on == "output" else []
        chosen = {"input": on == "input", "output": on == "output", "retrieval": False, "dialog": False}
        await generate(self._rails, said, chosen)


async def generate(rails: Any, said: Sequence[Mapping[str, str]], chosen: Mapping[str, bool]) -> None:
    """Run the chosen kinds of rails on a conversation."""
    # With a state of the caller's, even an empty one, NeMo does not keep every conversation it has seen for the next one.
    await rails.generate_async(messages=list(said), options={"rails": dict(chosen)}, state={})


def build(stage: NemoStage, names: Sequence[str], *, model: Any = None) -> Any:
    """LLMRails with the flows of these checks alone, in the order of config.yml; `model` answers those that ask one."""
    # NeMo logs every event with its text at INFO, and people's text is never logged.
    logging.getLogger("nemoguardrails").setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # NeMo's own configuration reads fields that it deprecates
        from nemoguardrails import LLMRails, RailsConfig

        config = RailsConfig.from_path(str(FOLDER))
    listed = getattr(config.rails, _FLOWS[stage]).flows
    flows = [flow for flow in listed if _check_of(flow) in names]
    if missing := {name.replace("_", " ") for name in names} - {_check_of(flow).replace("_", " ") for flow in flows}:
        raise ValueError(f"guardrails/rails/config.yml has no {_FLOWS[stage]} flow for: {', '.join(sorted(missing))}")
    config.rails.input.flows = flows if stage != "output" else []
    config.rails.output.flows = flows if stage == "output" else []
    config.rails.retrieval.flows = []
    rails = with_own_loop(lambda: LLMRails(config, llm=model))
    rails.register_action(_check_rail, "check_rail")
    return rails


def _check_of(flow: str) -> str:
    """The check that a flow runs, `self_check_topic` for `self check input $variant=topic`."""
    name, _, variant = flow.partition(" $variant=")
    return f"self_check_{variant}" if variant else name.replace(" ", "_")


class _Loop:
    """One event loop in a thread of its own, for NeMo is asynchronous and our guards are called from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="nemo-guardrails", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_S)
        if not self._thread.is_alive():
            self._loop.close()


@lru_cache(maxsize=1)
def loop() -> _Loop:
    """The process's one."""
    return _Loop()


def stop_nemo() -> None:
    """End the thread that NeMo runs in, where there is one. For a process that ends: a check under way never returns."""
    if loop.cache_info().currsize:
        loop().stop()
        loop.cache_clear()
