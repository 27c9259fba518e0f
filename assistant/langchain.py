"""The answerer as a LangChain Runnable, bound to a person, for a team that builds a chain of its own.

    from assistant.langchain import GovernedAnswerer
    chain = GovernedAnswerer(assistant.answerer, person) | (lambda answer: answer.text)

Access rules, guards and the stored Turn stay on: it is `Answerer`, in LangChain's shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig

from assistant.answerer import Answerer, Sentence
from core.records import Answer, Principal, Question


class GovernedAnswerer(Runnable[str, Answer]):
    """`invoke(question)` gives an Answer; `text()` is the Runnable whose `stream(question)` gives the released pieces.

    Args:
        conversation_id: a conversation of this person to go on with; None starts a new one each time.
    """

    def __init__(self, answerer: Answerer, person: Principal, conversation_id: str | None = None) -> None:
        self._answerer = answerer
        self._person = person
        self._conversation_id = conversation_id

    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> Answer:
        """The whole answer; raises what `Answerer.stream` raises."""
        return self._call_with_config(self._answer, input, config, **kwargs)

    def text(self) -> AnswerText:
        """The same as text, streaming."""
        return AnswerText(self._answerer, self._person, self._conversation_id)

    def _answer(self, question: str) -> Answer:
        return self._answerer.answer(Question(question, self._person, conversation_id=self._conversation_id))


class AnswerText(Runnable[str, str]):
    """The answer's text, piece by piece as the guards release it."""

    def __init__(self, answerer: Answerer, person: Principal, conversation_id: str | None) -> None:
        self._answerer = answerer
        self._person = person
        self._conversation_id = conversation_id

    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        return self._call_with_config(lambda question: "".join(self._pieces(question)), input, config, **kwargs)

    def stream(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[str]:
        """The released pieces. Closing the iterator stops the answer; its Turn says so."""
        yield from self._transform_stream_with_config(iter([input]), self._stream_questions, config, **kwargs)

    def _stream_questions(self, questions: Iterator[str]) -> Iterator[str]:
        for question in questions:
            yield from self._pieces(question)

    def _pieces(self, question: str) -> Iterator[str]:
        asked = Question(question, self._person, conversation_id=self._conversation_id)
        with closing(self._answerer.stream(asked)) as events:
            for event in events:
                if isinstance(event, Sentence):
                    yield event.text
