"""The served answer model: LangChain's ChatOpenAI against OpenAI-compatible servers, such as vLLM.

    MODEL_URL=http://127.0.0.1:8000/v1 MODEL=name-on-that-server python -m assistant serve

MODEL_URL may name several replicas, with commas between. An adapter is a model name on them; the reconciler
(assistant/reconciler.py) keeps it there, and a request goes to a replica that was seen to answer by it.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import Any

from assistant.fleet import Fleet, Replica
from assistant.prompt import UNFINISHED, Prompt
from assistant.tokens import Usage
from core.errors import ModelUnavailable
from core.settings import Settings, setting_name

OTHERS_MAY_ANSWER = frozenset([404, 429, 500, 502, 503, 504])
"""Statuses that speak of one server, or of what it holds, and not of the request."""


class ServedModel:
    """Streams from the servers of the settings. Safe to use from several threads.

    Args:
        settings: model_url, model, model_api_key, model_timeout_s and max_tokens are used.
    """

    def __init__(self, settings: Settings) -> None:
        self.name = settings.model
        self.adapter = self.plain = settings.model
        self.fleet = Fleet(settings)
        self._timeout_s = settings.model_timeout_s
        self._max_tokens = settings.max_tokens
        self._chats = {replica.name: _chat(replica.url, settings) for replica in self.fleet.replicas}

    def ready(self) -> None:
        """Ask the servers for their models: a cheap request that shows address, key and model name to be right.

        One server that has the base is enough.
        """
        first: ModelUnavailable | None = None
        for replica in self.fleet.route(self.name):
            try:
                if self.name in replica.listed():
                    return
                raise ModelUnavailable(self._refused(replica, 404, self.name))
            except ModelUnavailable as error:
                first = first or error
        assert first is not None
        raise first

    def serves(self, adapter: str) -> bool:
        """Whether a replica was seen to answer by that adapter; the base is always worth a try."""
        return adapter == self.name or self.fleet.serves(adapter)

    def taught(self, *_: object, **__: object) -> float:
        """A server keeps no questions: nothing."""
        return 0.0

    def stream(self, prompt: Prompt, *, adapter: str = "") -> Generator[str, None, Usage | None]:
        """As `AnswerModel.stream`, by the named adapter; the base where none is named.

        A replica that fails before its first word is passed over for the next that holds the adapter.
        """
        wanted = adapter or self.name
        replicas = self.fleet.route(wanted)
        if not replicas:
            raise ModelUnavailable(
                f"No model server was seen to answer by {wanted}: python -m assistant reconcile --once says why."
            )
        for place, replica in enumerate(replicas, 1):
            begun, told = False, list[Usage]()
            try:
                with closing(self._from(replica, prompt, wanted, told)) as texts:
                    for text in texts:
                        begun = True
                        yield text
                return told[-1] if told else None
            except _Elsewhere as error:
                if begun or place == len(replicas):
                    raise ModelUnavailable(str(error)) from None
        return None

    def _from(self, replica: Replica, prompt: Prompt, wanted: str, told: list[Usage]) -> Generator[str]:
        """One replica's words, and what it tells of its tokens. Raises _Elsewhere where another may do better, else ModelUnavailable."""
        import httpx
        import openai

        messages = [(m.role, m.content) for m in prompt.messages]
        most = min(self._max_tokens, prompt.max_tokens or self._max_tokens)
        finish = ""
        try:
            with self.fleet.asking(replica):
                for chunk in self._chats[replica.name].stream(messages, model=wanted, max_tokens=most):
                    if isinstance(chunk.content, str) and chunk.content:
                        yield chunk.content
                    if used := chunk.usage_metadata:
                        told.append(Usage(used["input_tokens"], used["output_tokens"]))
                    finish = chunk.response_metadata.get("finish_reason") or finish
        except (openai.APITimeoutError, httpx.TimeoutException):
            late = f"The model server {replica.url} sent nothing for {self._timeout_s:g} s: see whether it is overloaded, or raise {setting_name('model_timeout_s')}."
            self.fleet.silent(replica, late)  # the person has waited long enough: no second try
            raise ModelUnavailable(late) from None
        except openai.APIStatusError as error:
            if error.status_code == 404 and wanted != self.name:
                self.fleet.missed(replica, wanted)
            kind = _Elsewhere if error.status_code in OTHERS_MAY_ANSWER else ModelUnavailable
            raise kind(self._refused(replica, error.status_code, wanted)) from None
        except (
            openai.APIConnectionError,
            httpx.TransportError,
            ValueError,
        ):  # langchain's, of a stream without a chunk
            self.fleet.silent(replica, self._unreachable(replica))
            raise _Elsewhere(self._unreachable(replica)) from None
        except openai.OpenAIError as error:
            raise ModelUnavailable(f"The model server {replica.url} failed: {type(error).__name__}.") from None
        if not finish:  # a connection that closes early looks like an end: only the server's own word tells them apart
            self.fleet.silent(replica, self._unreachable(replica))
            raise _Elsewhere(self._unreachable(replica))
        if finish == "length":
            yield UNFINISHED

    def _unreachable(self, replica: Replica) -> str:
        return f"The model server {replica.url} cannot be reached, or broke off: start it (vllm serve {self.name}), or correct MODEL_URL."

    def _refused(self, replica: Replica, status: int, wanted: str) -> str:
        """What to do about an HTTP status; the server's own message is left out, because it may quote the prompt."""
        advice = {
            400: f"it cannot take the prompt: lower {setting_name('retrieve_limit')} or {setting_name('max_tokens')}, serve with a longer context, or a server that knows stream_options",
            401: "correct MODEL_API_KEY",
            403: "correct MODEL_API_KEY",
            404: f"it has no model {wanted!r}: correct MODEL, or load it there; MODEL_URL usually ends in /v1",
            429: "it is overloaded or out of quota: wait, or raise its limits",
        }.get(status, "see its log")
        return f"The model server {replica.url} answered with status {status}: {advice}."


class _Elsewhere(Exception):
    """This server failed; another that holds the adapter may answer."""


def _chat(url: str, settings: Settings) -> Any:
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    return ChatOpenAI(
        model=settings.model,
        base_url=url,
        # ChatOpenAI takes OPENAI_API_KEY from the environment where it gets none: a key of another service would leave.
        api_key=SecretStr(settings.model_api_key or "none"),
        temperature=0,
        timeout=settings.model_timeout_s,
        stream_chunk_timeout=settings.model_timeout_s,
        max_retries=0,  # a person waits: they hear of it at once, and may ask again
        stream_usage=True,
        use_responses_api=False,
    )
