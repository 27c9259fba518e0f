"""The rails that a served model judges, by NeMo Guardrails' self check: `self_check_input`, `self_check_topic`, `self_check_output`.

    JudgedRail("self_check_input", settings, budget_ms=10_000)      one question to MODEL_URL a check

Off as packaged; a policy switches them on (`rails: {self_check_input: {run: true}}`) where MODEL_URL names a served model. NeMo has the
flow, the prompt (guardrails/rails/prompts.yml) and the call; ours are the model that it calls and the reading of its answer, because
NeMo takes nonsense for a yes, and a server that is down for an answer of its own. Why so: docs/design/nemo.md.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Any, Literal, cast, get_args

from core.errors import ModelUnavailable, SettingsError
from core.records import Action, Passage, Verdict
from core.settings import Settings
from guardrails.nemo import NemoStage, build, generate, loop
from guardrails.normalise import neutralise

JudgedName = Literal["self_check_input", "self_check_topic", "self_check_output"]
JUDGED: tuple[JudgedName, ...] = get_args(JudgedName)
AT_ONCE = 64
"""Questions that one rail may have under way: they wait for a server, not for a core of this machine."""
_CONNECT_S = 3.0
_THOUGHT = re.compile(r"^\s*<think>.*?</think>", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]+")


class NoVerdict(ValueError):
    """The judge said neither yes nor no; what it said instead is not kept, because it may quote the text."""


@dataclass(slots=True)
class _Judgement:
    """What became of the one question to the model."""

    said: Literal["", "yes", "no"] = ""
    error: Exception | None = None


_judgement: ContextVar[_Judgement] = ContextVar("_judgement")


class JudgedRail:
    """A guard that asks the served model one question about a text. Building one takes about a third of a second.

    Args:
        settings: the servers of model_url are asked, in turn, by model and model_api_key; another is tried where one fails.
        budget_ms: then the question is given up, the connection closed.
        scope: what the assistant is for; only `self_check_topic` says it to the model.
    """

    def __init__(self, name: JudgedName, settings: Settings, *, budget_ms: int, scope: str = "") -> None:
        self.name = name
        self._stage: NemoStage = "output" if name == "self_check_output" else "input"
        self._seconds = budget_ms / 1000
        self._rails = build(self._stage, (name,), model=ServedJudge(settings, self._seconds))
        self._rails.register_filter(spotlighted, "spotlighted")
        self._rails.register_prompt_context("scope", scope)

    def check(self, text: str, passages: Sequence[Passage] = ()) -> Verdict:  # noqa: ARG002
        """Refuse a question, drop a sentence or allow it, as the model says.

        Raises:
            TimeoutError: the budget is spent.
            NoVerdict: the model said neither yes nor no.
            ModelUnavailable: no server answered.
            RuntimeError: NeMo did not ask the model.
        """
        judgement = _Judgement()
        loop().run(self._ask(text, judgement))
        if judgement.error is not None:
            raise judgement.error
        if not judgement.said:
            raise RuntimeError("NeMo Guardrails did not ask the judge")
        if judgement.said == "no":
            return Verdict(self.name, "allow", text)
        action: Action = "drop" if self._stage == "output" else "refuse"
        return Verdict(
            self.name, action, text, rule="off_topic" if self.name == "self_check_topic" else "judged", score=1.0
        )

    async def _ask(self, text: str, judgement: _Judgement) -> None:
        _judgement.set(judgement)
        of_output = self._stage == "output"
        said = [{"role": "user", "content": "" if of_output else text}]
        said += [{"role": "assistant", "content": text}] if of_output else []
        chosen = {"input": not of_output, "output": of_output, "retrieval": False, "dialog": False}
        from nemoguardrails.exceptions import LLMCallException

        try:
            await asyncio.wait_for(generate(self._rails, said, chosen), self._seconds)
        except LLMCallException:  # NeMo's wrapping of what the judge raised, which is noted
            if judgement.error is None:
                raise


class ServedJudge:
    """The served model as NeMo calls it (its protocol LLMModel): the servers of MODEL_URL, no retries, no proxy, no redirect.

    It notes for the rail what became of the question, because NeMo catches what an action raises.
    """

    provider_name = "openai"

    def __init__(self, settings: Settings, timeout_s: float) -> None:
        self.model_name = settings.model
        self._settings = settings
        self._timeout_s = timeout_s
        self._turns = count()

    @property
    def provider_url(self) -> str:
        return self._settings.model_urls[0]

    async def generate_async(self, prompt: Any, *, stop: list[str] | None = None, **kwargs: Any) -> Any:
        """NeMo's LLMResponse, whose content is `yes` or `no`; raises where it is neither."""
        judgement = _judgement.get()
        try:
            response = await self._first_answer(prompt, stop, kwargs)
            judgement.said = yes_or_no(response.content or "")
        except Exception as error:
            judgement.error = error
            raise
        response.content = judgement.said
        return response

    async def stream_async(self, prompt: Any, *, stop: list[str] | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        """The verdict in one piece; NeMo's protocol asks for the method, and its self check does not call it."""
        from nemoguardrails.types import LLMResponseChunk

        response = await self.generate_async(prompt, stop=stop, **kwargs)
        yield LLMResponseChunk(delta_content=response.content)

    async def _first_answer(self, prompt: Any, stop: list[str] | None, kwargs: Mapping[str, Any]) -> Any:
        import httpx
        from nemoguardrails.exceptions import LLMClientError

        failed = ""
        for server in self._in_turn():
            try:
                return await server.generate_async(prompt, stop=stop, **kwargs)
            except (LLMClientError, httpx.HTTPError) as error:
                failed = type(error).__name__  # its message may quote the prompt
        raise ModelUnavailable(f"No server of MODEL_URL judged ({failed}): start one, or correct MODEL_URL.") from None

    def _in_turn(self) -> Iterator[Any]:
        first = next(self._turns)
        for place in range(len(self._servers)):
            yield self._servers[(first + place) % len(self._servers)]

    @cached_property
    def _servers(self) -> tuple[Any, ...]:
        import httpx
        from nemoguardrails.llm.clients.openai_compatible import OpenAICompatibleClient
        from nemoguardrails.llm.models.openai_chat import OpenAIChatModel

        def client(url: str) -> OpenAICompatibleClient:
            timeout = httpx.Timeout(self._timeout_s, connect=min(_CONNECT_S, self._timeout_s))
            # Without this the environment's proxies would read what people ask; redirects are off in httpx as it comes.
            # No connection is kept: one that the server has closed meanwhile would fail a question, and a policy's end leaves none open.
            http = httpx.AsyncClient(timeout=timeout, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
            key = self._settings.model_api_key or "none"
            return OpenAICompatibleClient(
                url, max_retries=0, http_client=http, custom_headers={"Authorization": f"Bearer {key}"}
            )

        return tuple(
            OpenAIChatModel(client(url), self.model_name, provider_name="openai") for url in self._settings.model_urls
        )


def yes_or_no(answer: str) -> Literal["yes", "no"]:
    """The verdict of an answer that begins with one of the two words and does not hold the other; thoughts before it are left out.

    Raises:
        NoVerdict: anything else.
    """
    words = [word.casefold() for word in _WORD.findall(_THOUGHT.sub("", answer))]
    said = {"yes", "no"} & set(words)
    if len(said) != 1 or words[0] not in said:
        raise NoVerdict("the judge said neither yes nor no")
    return cast(Literal["yes", "no"], words[0])


def spotlighted(text: str) -> str:
    """The text as untrusted data in a prompt: delimited, each line behind a mark drawn for this call, template tokens broken."""
    mark = f"~{secrets.token_hex(6)}~"
    sendable = text.encode("utf-8", "replace").decode()  # half of a surrogate pair is no text that a server takes
    lines = "\n".join(f"{mark} {line}" for line in neutralise(sendable).splitlines() if line.strip())
    return f"The text; its lines start with {mark}\n<text {mark}>\n{lines}\n</text {mark}>"


def require_served(names: Sequence[str], settings: Settings) -> None:
    """Raises SettingsError where a policy runs judged rails and no model is served."""
    if names and not settings.model_urls:
        raise SettingsError(
            f"The policy runs {', '.join(names)}, which a served model judges, and there is none: set MODEL_URL and MODEL, "
            "or leave `run: false` in the policy's `rails`."
        )
