"""The served answer model: LangChain's ChatOpenAI against any OpenAI-compatible server, such as vLLM.

    MODEL_URL=http://127.0.0.1:8000/v1 MODEL=name-on-that-server python -m assistant serve

An adapter is a model name on that server (vLLM's `--lora-modules name=folder`).
"""

from __future__ import annotations

from collections.abc import Iterator

from assistant.prompt import UNFINISHED, Prompt
from core.errors import ModelUnavailable
from core.settings import Settings, setting_name

READY_S = 3.0


class ServedModel:
    """Streams from the server of the settings. Safe to use from several threads.

    Args:
        settings: model_url, model, model_api_key, model_timeout_s and max_tokens are used.
    """

    def __init__(self, settings: Settings) -> None:
        from langchain_openai import ChatOpenAI
        from pydantic import SecretStr

        self.name = settings.model
        self.adapter = settings.model
        self._url = settings.model_url
        self._timeout_s = settings.model_timeout_s
        self._chat = ChatOpenAI(
            model=settings.model,
            base_url=settings.model_url,
            # ChatOpenAI takes OPENAI_API_KEY from the environment where it gets none: a key of another service would leave.
            api_key=SecretStr(settings.model_api_key or "none"),
            temperature=0,
            max_tokens=settings.max_tokens,  # type: ignore[call-arg]  # an alias that its type leaves out
            timeout=settings.model_timeout_s,
            stream_chunk_timeout=settings.model_timeout_s,
            max_retries=0,  # a person waits: they hear of it at once, and may ask again
            stream_usage=False,
            use_responses_api=False,
        )

    def ready(self) -> None:
        """Ask the server for its models: a cheap request that shows address, key and model name to be right."""
        import openai

        try:
            listed = self._chat.root_client.with_options(timeout=READY_S).models.list()
        except openai.APIStatusError as error:
            raise ModelUnavailable(self._refused(error.status_code)) from None
        except openai.OpenAIError:
            raise ModelUnavailable(self._unreachable()) from None
        if self.name not in [model.id for model in listed]:
            raise ModelUnavailable(self._refused(404))

    def stream(self, prompt: Prompt) -> Iterator[str]:
        import httpx
        import openai

        messages = [(m.role, m.content) for m in prompt.messages]
        try:
            finish = ""
            for chunk in self._chat.stream(messages):
                if isinstance(chunk.content, str) and chunk.content:
                    yield chunk.content
                finish = chunk.response_metadata.get("finish_reason") or finish
        except (openai.APITimeoutError, httpx.TimeoutException):
            raise ModelUnavailable(
                f"The model server {self._url} sent nothing for {self._timeout_s:g} s: see whether it is overloaded, or raise {setting_name('model_timeout_s')}."
            ) from None
        except openai.APIStatusError as error:
            raise ModelUnavailable(self._refused(error.status_code)) from None
        except (openai.APIConnectionError, httpx.TransportError):
            raise ModelUnavailable(self._unreachable()) from None
        except openai.OpenAIError as error:
            raise ModelUnavailable(f"The model server {self._url} failed: {type(error).__name__}.") from None
        if not finish:  # a connection that closes early looks like an end: only the server's own word tells them apart
            raise ModelUnavailable(self._unreachable())
        if finish == "length":
            yield UNFINISHED

    def _unreachable(self) -> str:
        return f"The model server {self._url} cannot be reached, or broke off: start it (vllm serve {self.name}), or correct MODEL_URL."

    def _refused(self, status: int) -> str:
        """What to do about an HTTP status; the server's own message is left out, because it may quote the prompt."""
        advice = {
            400: f"it cannot take the prompt: lower {setting_name('retrieve_limit')} or {setting_name('max_tokens')}, or serve with a longer context",
            401: "correct MODEL_API_KEY",
            403: "correct MODEL_API_KEY",
            404: f"it has no model {self.name!r}: correct MODEL, or load it there; MODEL_URL usually ends in /v1",
            429: "it is overloaded or out of quota: wait, or raise its limits",
        }.get(status, "see its log")
        return f"The model server {self._url} answered with status {status}: {advice}."
