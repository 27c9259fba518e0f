"""The seam of answer models, and the one that the settings name.

embedded reader    assistant/embedded.py  the default: adapters on the shared encoder, no server, no download; without an
                                          adapter (ASSISTANT_READER=quote) it quotes by assistant/quote.py
served model       assistant/served.py    MODEL_URL and MODEL: any OpenAI-compatible server, such as vLLM
scripted model     assistant/scripted.py  for tests and timings
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from assistant.prompt import Prompt
from core.records import Passage
from core.sealed import Sealed
from core.settings import Settings
from retrieval.embed import Embedder
from retrieval.glossary import open_glossary

QUOTING: Final = "quote-v1"
"""The embedded model without trained weights, which every installation has."""


class AnswerModel(Protocol):
    """Writes an answer to a prompt, by one of its adapters. Safe to use from several threads."""

    @property
    def name(self) -> str:
        """The base model, as the Turn's `model` keeps it."""
        ...

    @property
    def adapter(self) -> str:
        """Who answers where no adapter is named: what the settings say."""
        ...

    @property
    def plain(self) -> str:
        """Who always answers, without trained weights of our own."""
        ...

    def serves(self, adapter: str) -> bool:
        """Whether it would answer by that adapter now. Where not, what it takes is begun, if anything can be; it returns at once."""
        ...

    def taught(self, question: str, passages: Sequence[Passage], *, adapter: str = "") -> float:
        """The chance that the passages answer, by questions like it that the adapter was taught; 0 where it knows of none."""
        ...

    def stream(self, prompt: Prompt, *, adapter: str = "") -> Iterator[str]:
        """The answer in pieces of any length, with markers `[n]` for `prompt.passages[n - 1]`, or `NO_ANSWER` alone.

        Closing the iterator ends the writing. A generator of a model that counts its tokens returns their Usage; of a model that
        writes, `prompt.max_tokens` is the longest answer.

        Args:
            adapter: who is to answer; `self.adapter` where none is named.

        Raises:
            ModelUnavailable: the model does not answer; the message is for the operator.
        """
        ...

    def ready(self) -> None:
        """Raise ModelUnavailable where the model would not answer now."""


def base_name(settings: Settings) -> str:
    """Who answers by the settings alone: the served model, the quoting one, or an adapter."""
    if settings.model_url:
        return settings.model
    return QUOTING if settings.reader == "quote" else settings.reader


def open_model(
    settings: Settings, embedder: Embedder, *, verified: Callable[[str], Sealed] | None = None
) -> AnswerModel:
    """The answer model of the settings: the served one where MODEL_URL is set, else the embedded one.

    Args:
        verified: gives an embedded adapter's folder, just verified; that of the home folder or a shipped one when None.

    Raises:
        AdapterRefused, NotFound: the embedded adapter that the settings name.
    """
    if settings.model_url:
        from assistant.served import ServedModel

        return ServedModel(settings)
    from assistant.embedded import EmbeddedReader
    from assistant.reader import Readers

    readers, glossary = Readers(settings, verified=verified), open_glossary(settings.glossary)
    model = EmbeddedReader(readers, embedder, glossary, adapter=base_name(settings))
    model.load(model.adapter)
    return model
