"""One question becomes one Turn. The page, the API, the commands and the evaluation all come through here.

    answerer.answer(question)           the whole answer
    answerer.stream(question)           Started, then Sentence by Sentence, then Finished

Every path stores a Turn, and `Finished` comes after its commit: what the person was shown as finished is kept.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from assistant.checked_ahead import UnderWay
from assistant.ending import ended
from assistant.followup import standalone
from assistant.form import matter
from assistant.models import AnswerModel
from assistant.passage_check import PassageCheck, Rails
from assistant.prompt import Prompt, build_prompt
from assistant.refusals import refusal
from assistant.release import GUARD_ERROR, TOPIC, Release, reason_of, run_guards
from assistant.routing import Route, Router, fixed
from assistant.sentences import pieces
from assistant.share import Share
from assistant.tokens import Usage
from assistant.trace import Trace
from assistant.words import language_of
from core.errors import AssistantError, BadInput, NotFound
from core.notices import LEFT_OUT, without_notice
from core.records import Answer, Message, Question, TurnStatus
from core.settings import Settings
from core.turns import Turns
from guardrails.rails import Guards
from guardrails.topics import topic_refusal
from guardrails.turns import judged_together
from retrieval.retriever import Retrieval, Retriever

log = logging.getLogger(__name__)

HISTORY_EXCHANGES = 6
AT_ONCE = 1 + (os.cpu_count() or 1)
"""Questions that are guarded and looked up at once; the others wait their turn. More at once are not answered sooner, and each guard's
work, slowed by all the others', would run out of its budget."""
NEAR_ENOUGH = 0.2
"""Evidence below which the documents that were found are about something else: a refusal does not name them as the nearest."""


@dataclass(frozen=True, slots=True)
class Started:
    """Sent first, and once more where another adapter stands in for one that failed."""

    turn_id: str
    conversation_id: str | None
    adapter: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """The next piece of the answer, with the white space before it: the pieces in a row are the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """Comes last.

    Attributes:
        read: the texts that were read for the answer: the question, its history, the passages that the model was given.
        told: what the model itself says of its tokens, where it says so.
        ran_out: whether a limit of tokens ended the answer, the caller's or the served model's.
    """

    answer: Answer
    read: tuple[str, ...]
    told: Usage | None
    ran_out: bool


Event = Started | Sentence | Finished


class Answerer:
    """Answers questions. Safe to use from several threads.

    Args:
        router: says which of the model's adapters answers whom; None lets its own answer everybody.
    """

    def __init__(
        self,
        settings: Settings,
        turns: Turns,
        *,
        retriever: Retriever,
        guards: Guards,
        model: AnswerModel,
        router: Router | None = None,
    ) -> None:
        self._settings = settings
        self._turns = turns
        self._retriever = retriever
        self._rails = Rails(guards)
        self._router = router
        self._room = threading.BoundedSemaphore(AT_ONCE)
        self._share = Share(settings.questions_at_once)
        self.model = model
        self.under_way = UnderWay()

    @property
    def guards(self) -> Guards:
        """The guards that the next question passes."""
        return self._rails.guards

    @property
    def check_passages(self) -> PassageCheck:
        """Their check of passages, with what it knows already."""
        return self._rails.check_passages

    def use(self, guards: Guards) -> None:
        """Let every question from now on pass these guards; one under way keeps those that it began with."""
        self._rails = Rails(guards)

    def ready(self) -> None:
        """Raise ModelUnavailable where the answer model would not answer now."""
        self.model.ready()

    def close(self) -> None:
        """Wait for the checks under way; nothing is answered afterwards."""
        self._rails.close()

    def answer(self, question: Question) -> Answer:
        """The whole answer; raises as `stream` does."""
        with closing(self.stream(question)) as events:
            return next(event.answer for event in events if isinstance(event, Finished))

    def stream(self, question: Question) -> Generator[Event]:
        """The answer as it is released. Closing the generator stops it and stores what was shown, as `stopped`.

        Raises:
            NotFound: the conversation or the replaced turn is not there, or is another person's.
            BadInput: an unknown filter.
            StoreUnavailable: the Turn could not be stored; nothing was acknowledged.
        """
        with self.under_way:
            yield from self._stream(question)

    def stream_of_share(self, question: Question) -> Generator[Event]:
        """As `stream`, for whoever asks on the page or by the API.

        Raises:
            TooManyAtOnce: as many of the person's questions as the settings allow are being answered; nothing is stored of this one.
        """
        with self._share.of(question.person.person_id):
            yield from self.stream(question)

    def _stream(self, question: Question) -> Generator[Event]:
        trace = Trace(question, self._route(question), self.model.name, self._rails)
        try:
            with trace.step("history"):
                history = self._history(question, trace)
            yield (told := Started(trace.turn_id, trace.conversation_id, trace.adapter))
            with closing(ended(self._steps(question, history, trace), trace)) as texts:
                for text in texts:
                    if told.adapter != trace.adapter:
                        yield (told := replace(told, adapter=trace.adapter))
                    yield Sentence(text)
        except BaseException as error:
            stopped = isinstance(error, GeneratorExit | KeyboardInterrupt)
            trace.end(*(("stopped", "stopped") if stopped else ("failed", _code(error))))
            self._store(trace)
            raise
        answer = self._store(trace)
        read = (trace.asked, *(message.content for message in history), *(passage.text for passage in trace.read))
        yield Finished(answer, read, trace.told, trace.ran_out)

    def _steps(self, question: Question, history: Sequence[Message], trace: Trace) -> Generator[str]:
        """The steps of one question, in order; yields what the person reads."""
        with trace.step("wait"):
            self._room.acquire()
        try:
            refused = self._prepare(question, history, trace)
        finally:
            self._room.release()
        if refused:
            yield self._refuse(trace, *refused)
            return
        # 5. the prompt, by the rollout's template; 6. `stream` asked the router which adapter serves this person
        with trace.step("prompt"):
            prompt = build_prompt(
                trace.standalone, trace.passages, history, template=trace.route.template, evidence=trace.evidence
            )
            prompt = replace(prompt, max_tokens=question.max_tokens)
        # 7. generate and release; an adapter on trial that fails at once is stood in for, once
        release, failed = yield from self._generate(prompt, trace)
        if failed and trace.falls_back():
            release, failed = yield from self._generate(prompt, trace)
        if failed or release.stopped:
            yield self._refuse(trace, "failed", failed or release.stopped)
        elif not trace.released and (release.withheld or not (question.max_tokens and trace.ran_out)):
            yield self._refuse(trace, "no_answer", release.withheld or "not_in_passages")
        elif release.left_out:
            yield f"\n\n{LEFT_OUT[language_of(question.text)]}"
        trace.prompt = prompt
        # 9. `stream` stores the Turn

    def _prepare(self, question: Question, history: Sequence[Message], trace: Trace) -> tuple[TurnStatus, str] | None:
        """Everything before the prompt; returns the status and reason of a refusal, or None where there is enough to answer from."""
        # 1. input guards; everything after them works on the text that they left
        with trace.step("guard_in"):
            trace.asked, refused = self._guard_question(question.text, history, trace)
        if refused:
            return "failed" if refused == GUARD_ERROR else "refused", refused
        # 2. retrieve for this person; a follow-up question is made standalone first
        trace.standalone = standalone(trace.asked, history)
        with trace.step("retrieve"):
            looked_up = matter(trace.standalone)
            found = self._retrieve(looked_up, question)
        if found is None:
            return "failed", "retriever_error"
        trace.evidence = round(found.evidence, 4)
        trace.counts["dropped_by_access"] += found.dropped
        # 3. passage guards: retrieved text is untrusted
        with trace.step("guard_passages"):
            trace.passages, refused = trace.rails.check_passages(found.passages, trace)
        if refused:
            return "failed", refused
        # 4. without passages, or with too little evidence, there is no answer; what the adapter was taught is evidence too
        taught = self.model.taught(looked_up, trace.passages, adapter=trace.adapter)
        trace.evidence = round(max(found.evidence, taught), 4)
        if not trace.passages:
            return "no_answer", "no_passage"
        return ("no_answer", "low_evidence") if trace.evidence < trace.route.evidence_threshold else None

    def _generate(self, prompt: Prompt, trace: Trace) -> Generator[str, None, tuple[Release, str]]:
        """Yield the pieces that pass; returns what was released, and the reason of a model's failure or ""."""
        release = Release(prompt.passages, trace.guards.for_roles(trace.question.person.roles).output, trace)
        try:
            with closing(trace.waiting("generate", self.model.stream(prompt, adapter=trace.adapter))) as tokens:
                for piece in pieces(tokens):
                    with trace.step("guard_out"):
                        text = release.take(piece)
                    if text:
                        yield text
                    if release.stopped:
                        break
        except Exception as error:  # noqa: BLE001 - a model is a server or a library: it fails in any way, and we say so
            advice = str(error) if isinstance(error, AssistantError) else ""
            who = f"{trace.adapter} on {trace.model}"
            log.error("turn %s: %s failed with %s. %s", trace.turn_id, who, type(error).__name__, advice)
            return release, "model_error"
        finally:  # 8. markers resolve to the passages given: at the end, and where the person stops it
            with trace.step("cite"):
                trace.citations = release.citations()
        return release, ""

    def _route(self, question: Question) -> Route:
        return self._router.route(question.person) if self._router else fixed(self._settings, self.model)

    def _guard_question(self, text: str, history: Sequence[Message], trace: Trace) -> tuple[str, str]:
        """The masked question and "", or what may be kept of it and the reason for refusing it."""
        trace.counts["question_chars"] = len(text)
        if len(text) > self._settings.max_question_chars:
            return "", "too_long"
        if not _has_words(text):
            return "", "empty_question"
        masked, refused = run_guards(trace.guards.input, text.strip(), (), trace)
        if refused:  # the guards after the one that refused have not masked it: what is kept, they must see too
            return _masked(text, trace.guards), refused
        earlier = [message.content for message in history if message.role == "user"]
        if run := judged_together(trace.guards.input, earlier, masked):
            trace.ran(run.verdict.guard, run)
            trace.note(run.verdict)
            return masked, reason_of(run.verdict)
        return masked, "" if _has_words(masked) else "empty_question"

    def _retrieve(self, text: str, question: Question) -> Retrieval | None:
        """None where retrieval failed: it is said so, and nothing is answered."""
        try:
            return self._retriever.retrieve(
                text,
                question.person,
                limit=self._settings.retrieve_limit,
                mode=self._retriever.best_mode,
                filters=question.filters,
            )
        except BadInput:
            raise  # the caller's filter
        except Exception as error:  # noqa: BLE001 - an index is a server or a native library: it fails in any way
            advice = str(error) if isinstance(error, AssistantError) else ""
            log.error("retrieval failed with %s. %s", type(error).__name__, advice)
            return None

    def _history(self, question: Question, trace: Trace) -> list[Message]:
        """Earlier exchanges, those stored or the caller's own; raises NotFound where they are not this person's."""
        try:
            return self._exchanges(question, trace)
        except NotFound:
            trace.outside()  # what is stored of it must touch nobody else's conversation
            raise

    def _exchanges(self, question: Question, trace: Trace) -> list[Message]:
        person_id, kept_in = question.person.person_id, None if question.temporary else question.conversation_id
        if question.replaces and self._turns.get(question.replaces, person_id).conversation_id != kept_in:
            raise NotFound("There is no such answer in this conversation.")
        stored = self._turns.history(kept_in, person_id, HISTORY_EXCHANGES, before=question.replaces) if kept_in else []
        given = self._checked_history(question.history, trace.guards) if question.history else stored
        return [replace(message, content=without_notice(message.content)) for message in given]

    def _checked_history(self, given: Sequence[Message], rails: Guards) -> list[Message]:
        """A caller's history as far as the guards pass it: its questions as questions, its answers as untrusted text."""
        guards = {"user": rails.input, "assistant": rails.passage}
        kept: list[Message] = []
        for message in [m for m in given if m.role != "system"][-2 * HISTORY_EXCHANGES :]:
            text = message.content[: self._settings.max_question_chars]
            passed, refused = run_guards(guards[message.role], text, (), None)
            if not refused:
                kept.append(Message(message.role, passed))
        return kept

    def _refuse(self, trace: Trace, status: TurnStatus, reason: str) -> str:
        """End the question with a reason; returns what the person reads."""
        trace.end(status, reason)
        language = language_of(trace.question.text)
        if reason.startswith(TOPIC):
            topic = trace.guards.topics[reason.removeprefix(TOPIC)]
            return topic_refusal(
                reason.removeprefix(TOPIC),
                language,
                trace.guards.topics,
                organisation=self._settings.organisation,
                support_contact=self._settings.support_contact,
                passed_on=topic.action == "escalate" and trace.escalate(review=topic.review),
            )
        text = refusal(
            reason,
            language,
            organisation=self._settings.organisation,
            support_contact=self._settings.support_contact,
            nearest=trace.passages if status != "refused" and trace.evidence >= NEAR_ENOUGH else (),
            limit=self._settings.max_question_chars,
            cut_short=bool(trace.released),
        )
        return f"\n\n{text}" if trace.released else text

    def _store(self, trace: Trace) -> Answer:
        """Commit the Turn, then say what was answered."""
        record = trace.turn()
        with trace.step("store"):
            stored = self._turns.save(record, continues=trace.question.conversation_id is not None)
        trace.conversation_id = stored.conversation_id
        if self._router and self._router.shadows:
            self._router.shadows.put(trace)
        log.info("turn %s %s %s %.0f ms", record.turn_id, record.status, record.reason, record.timings_ms["total"])
        return trace.answer()


def _masked(text: str, guards: Guards) -> str:
    """What a refused question leaves in the store: masked by every guard that can mask, or nothing."""
    masks = [guard for guard in guards.input if guard.name.startswith("personal_data")]
    kept, refused = run_guards(masks, text, (), None)
    return "" if refused or not masks else kept


def _has_words(text: str) -> bool:
    return any(c.isalnum() for c in text)


def _code(error: BaseException) -> str:
    return error.code if isinstance(error, AssistantError) else "internal_error"
