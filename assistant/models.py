"""The seam of answer models, and the one that the settings name.

embedded reader    assistant/embedded.py  the default: trained adapters on the shared encoder, no server, no download
quoting model      assistant/quote.py     ASSISTANT_READER=quote: quotations chosen without a trained reader
served model       assistant/served.py    MODEL_URL and MODEL: any OpenAI-compatible server, such as vLLM
scripted model     assistant/scripted.py  for tests and timings
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from assistant.prompt import Prompt
from core.settings import Settings
from retrieval.embed import Embedder
from retrieval.glossary import open_glossary


class AnswerModel(Protocol):
    """Writes an answer to a prompt. Safe to use from several threads."""

    @property
    def name(self) -> str:
        """The base model, as the Turn's `model` keeps it."""
        ...

    @property
    def adapter(self) -> str:
        """What answered, as the person sees it and the Turn keeps it."""
        ...

    def stream(self, prompt: Prompt) -> Iterator[str]:
        """The answer in pieces of any length, with markers `[n]` for `prompt.passages[n - 1]`, or `NO_ANSWER` alone.

        Closing the iterator ends the writing.

        Raises:
            ModelUnavailable: the model does not answer; the message is for the operator.
        """
        ...

    def ready(self) -> None:
        """Raise ModelUnavailable where the model would not answer now."""


def open_model(settings: Settings, embedder: Embedder) -> AnswerModel:
    """The answer model of the settings: the served one where MODEL_URL is set, else the embedded one."""
    if settings.model_url:
        from assistant.served import ServedModel

        return ServedModel(settings)
    glossary = open_glossary(settings.glossary)
    if settings.reader == "quote":
        from assistant.quote import QuotingModel

        return QuotingModel(embedder, glossary)
    from assistant.embedded import EmbeddedReader
    from assistant.reader import Readers

    return EmbeddedReader(Readers(settings), embedder, glossary)
