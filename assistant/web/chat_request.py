"""What POST /v1/chat/completions takes: each of OpenAI's parameters is honoured, ignored or refused (docs/api.md).

What asks for something that the assistant does not do is refused, and so is a parameter that nobody knows, such as a misspelt one.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from assistant.web.errors import UNSUPPORTED
from core.errors import NotFound
from core.records import Message, Principal, Question

MODEL = "assistant"
MAX_MESSAGES = 200
MOST_STOPS = 4
BAD = "bad_input"
TEXT_TYPES = ("text", "input_text", "refusal")
NO_TOOLS = "The assistant calls no tools: leave this out."
NO_CHANCES = "The assistant tells no chances of tokens, and changes none: leave this out."
TEXT_ONLY = "The assistant reads text only: leave images, audio and files out of the messages."


def _only(why: str, *harmless: object) -> AfterValidator:
    """Refuse every value of a parameter but those that ask for nothing."""

    def check(value: object) -> object:
        if value is not None and value not in harmless:
            raise PydanticCustomError(UNSUPPORTED, "{why}", {"why": why})
        return value

    return AfterValidator(check)


def _stops(given: object) -> object:
    found = [given] if isinstance(given, str) else [] if given is None else given
    if not isinstance(found, list) or len(found) > MOST_STOPS or not all(isinstance(s, str) and s for s in found):
        raise PydanticCustomError(BAD, "Give a text that is not empty, or a list of up to four.")
    return tuple(found)


def _plain(given: object) -> object:
    """A message's content, a text or a list of parts, as one text."""
    if given is None or isinstance(given, str):
        return given or ""
    if not isinstance(given, list) or not all(isinstance(part, dict) for part in given):
        raise PydanticCustomError(BAD, "Give a text, or a list of parts of the type text.")
    texts = [part.get("text", "") for part in given]
    if any(part.get("type") not in TEXT_TYPES for part in given) or not all(isinstance(text, str) for text in texts):
        raise PydanticCustomError(UNSUPPORTED, "{why}", {"why": TEXT_ONLY})
    return "\n".join(texts)


class ChatMessage(BaseModel):
    model_config = ConfigDict(extra="ignore")
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Annotated[str, BeforeValidator(_plain)] = ""


class StreamOptions(BaseModel):
    model_config = ConfigDict(extra="ignore")
    include_usage: bool = False


Tokens = Annotated[int, Field(ge=1, strict=True)]


class Ignored(BaseModel):
    """Parameters that are taken and not followed: an answer is right or wrong without them."""

    model_config = ConfigDict(extra="forbid")
    frequency_penalty: object = None
    parallel_tool_calls: object = None
    prediction: object = None
    presence_penalty: object = None
    prompt_cache_key: object = None
    prompt_cache_options: object = None
    prompt_cache_retention: object = None
    reasoning_effort: object = None
    safety_identifier: object = None
    seed: object = None
    service_tier: object = None
    store: object = None
    temperature: object = None
    top_p: object = None
    user: object = None
    verbosity: object = None


class Refused(BaseModel):
    """Parameters that would change the answer's form or number, which is not done: values that change nothing are taken."""

    audio: Annotated[object, _only("The assistant answers in text: leave this out.")] = None
    function_call: Annotated[object, _only(NO_TOOLS, "none")] = None
    functions: Annotated[object, _only(NO_TOOLS, [])] = None
    logit_bias: Annotated[object, _only(NO_CHANCES, {})] = None
    logprobs: Annotated[object, _only(NO_CHANCES, False)] = None
    modalities: Annotated[object, _only("The assistant answers in text: leave this out.", ["text"])] = None
    moderation: Annotated[object, _only("The assistant's own guards judge question and answer: leave this out.")] = None
    n: Annotated[object, _only("One answer is given to one question: leave this out.", 1)] = None
    response_format: Annotated[
        object, _only('The assistant answers in Markdown: leave this out, or give {"type": "text"}.', {"type": "text"})
    ] = None
    tool_choice: Annotated[object, _only(NO_TOOLS, "none")] = None
    tools: Annotated[object, _only(NO_TOOLS, [])] = None
    top_logprobs: Annotated[object, _only(NO_CHANCES, 0)] = None
    web_search_options: Annotated[object, _only("The assistant answers from its own documents: leave this out.")] = None


class ChatRequest(Ignored, Refused):
    """One request, with what is honoured of it."""

    model: str = MODEL
    messages: list[ChatMessage] = Field(min_length=1, max_length=MAX_MESSAGES)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    stop: Annotated[tuple[str, ...], BeforeValidator(_stops)] = ()
    metadata: dict[str, str] | None = None

    @field_validator("messages")
    @classmethod
    def _ends_with_the_question(cls, messages: list[ChatMessage]) -> list[ChatMessage]:
        if messages[-1].role != "user":
            raise PydanticCustomError(BAD, "The last message must be the user's: it is the question.")
        return messages

    @field_validator("stream_options")
    @classmethod
    def _of_a_stream(cls, options: StreamOptions | None, info: ValidationInfo) -> StreamOptions | None:
        if options is not None and not info.data.get("stream"):
            raise PydanticCustomError(BAD, "This is for streams: give stream as well, or leave it out.")
        return options

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage

    def question(self, person: Principal, conversation_id: str | None) -> Question:
        """The question with its history; raises NotFound for another model than ours."""
        known_model(self.model)
        given = self.metadata or {}
        temporary = given.get("temporary", "").lower() in ("true", "1")
        limits = [limit for limit in (self.max_tokens, self.max_completion_tokens) if limit is not None]
        return Question(
            text=self.messages[-1].content,
            person=person,
            conversation_id=None if temporary else given.get("conversation_id") or conversation_id,
            temporary=temporary,
            history=tuple(
                Message("user" if m.role == "user" else "assistant", m.content)
                for m in self.messages[:-1]
                if m.role in ("user", "assistant")
            ),
            max_tokens=min(limits, default=None),
            stop=self.stop,
        )


def known_model(name: str) -> None:
    """Raises NotFound for another name than MODEL."""
    if name != MODEL:
        raise NotFound(f"There is no model {name[:80]!r} here. The one to name is {MODEL!r}.")
