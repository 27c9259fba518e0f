"""What a model writes reaches the person piece by piece, each after the output guards have passed it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from assistant.citing import Cited, attach_marker, best_passage, resolve_markers
from assistant.prompt import ASK_BACK, NO_ANSWER, UNFINISHED, says_no_answer
from assistant.sentences import Piece
from assistant.trace import UNFINISHED_SENTENCE, Trace
from assistant.words import content_words, numbers
from core.records import Citation, Passage, Verdict
from guardrails.guard import Guard, run_guard
from guardrails.injection import NOT_TEXT

GUARD_ERROR = "guard_error"
UNGROUNDED = "ungrounded"
TOPIC = "topic:"
"""How the reason of a question refused by its topic begins; the policy's name of the topic follows."""
LONGEST_QUESTION = 300
"""Characters of a question that is asked back."""
_OUTRANKED_BY = {"heading": ("heading", "intro", "table_head"), "intro": ("intro", "table_head")}


def reason_of(verdict: Verdict) -> str:
    """The stable code that a Turn carries for a guard's no."""
    if verdict.rule == GUARD_ERROR:
        return GUARD_ERROR
    if verdict.guard in ("topics", "self_check_topic"):
        return f"{TOPIC}{verdict.rule}"
    if verdict.rule == NOT_TEXT:
        return NOT_TEXT
    if verdict.guard == "self_check_input":
        return "self_check"
    for stem, reason in (("injection", "injection"), ("personal_data", "personal_data"), ("grounding", UNGROUNDED)):
        if verdict.guard.startswith(stem):
            return reason
    return "unsafe_answer"


def run_guards(guards: Sequence[Guard], text: str, passages: Sequence[Passage], trace: Trace | None) -> tuple[str, str]:
    """Run the guards one after the other, each on the text that the one before left.

    The trace notes every verdict on a question, and those on an answer that are not `allow`.

    Returns:
        The text to go on with and "", or what is left of it and the reason of the first guard that said no.
    """
    for guard in guards:
        run = run_guard(guard, text, passages)
        verdict = run.verdict
        if trace:
            trace.ran(guard.name, run)
        if trace and (verdict.action != "allow" or not passages):
            trace.note(verdict)
        if not verdict.allowed:
            return text, reason_of(verdict)
        text = verdict.text
    return text, ""


def names_source(text: str, passages: Sequence[Passage]) -> bool:
    """Whether a line says no more than which cited document, or section of it, follows."""
    rest = text.casefold()
    for passage in passages:
        for name in (passage.title, passage.section, *passage.section.split(" > ")):
            rest = rest.replace(name.casefold(), " ") if len(name) > 2 else rest
    return rest != text.casefold() and len(content_words(rest)) <= 1 and not numbers(rest)


class Release:
    """One answer on its way to the person.

    Attributes:
        stopped: the reason why nothing more may be released, or "".
        withheld: the reason of the last piece that was withheld, or "".
        left_out: whether a piece was withheld because no passage bears it out.
    """

    def __init__(self, passages: Sequence[Passage], guards: Sequence[Guard], trace: Trace) -> None:
        self._passages = passages
        self._guards = guards
        self._trace = trace
        self._cited = Cited(passages)
        self._held: list[Piece] = []
        self._quotes: dict[tuple[str, str], str] = {}
        self.stopped = ""
        self.withheld = ""
        self.left_out = False

    def take(self, piece: Piece) -> str:
        """What the person gets of this piece, with what introduces it; "" for nothing yet or nothing at all."""
        if piece.kind in ("heading", "intro", "table_head"):
            if not (piece.kind == "table_head" and self._held and self._held[-1].kind == "table_head"):
                self._drop_held(_OUTRANKED_BY.get(piece.kind, ("table_head",)))
            self._held.append(piece)
            return ""
        if piece.kind != "row":
            self._drop_held(("table_head",))
        if NO_ANSWER in piece.text:
            self.withheld = self.withheld or "not_in_passages"
            return ""
        if piece.text.endswith(UNFINISHED):
            self._trace.counts[UNFINISHED_SENTENCE] += 1
            return ""
        asks = piece.text.startswith(ASK_BACK)
        text, cited, reason = self._asked_back(piece.text) if asks else self._checked(piece.text)
        if reason == GUARD_ERROR:
            self.stopped = reason
            return ""
        if reason:
            self.withheld = reason
            self.left_out = self.left_out or reason == UNGROUNDED
            self._trace.counts[f"withheld_{reason}"] += 1
            return ""
        introduced = self._introduced(cited)
        lead = piece.lead if self._trace.released or introduced else ""
        return introduced + lead + self._cited.renumber(text)

    def citations(self) -> tuple[Citation, ...]:
        """The sources as the person and the store get them: a quote is masked as the answer is. The source itself opens by the right to read it."""
        return tuple(replace(c, quote=self._quote(c)) for c in self._cited.citations())

    def _quote(self, citation: Citation) -> str:
        key = (citation.passage_id, citation.quote)
        if key not in self._quotes:
            text, passages = citation.quote, [p for p in self._passages if p.passage_id == citation.passage_id]
            for guard in self._guards:
                if guard.name.startswith("personal_data"):
                    text = run_guard(guard, text, passages).verdict.text  # nothing, where it failed
            self._quotes[key] = text
        return self._quotes[key]

    def _checked(self, text: str) -> tuple[str, tuple[int, ...], str]:
        """The piece after the guards, the numbers of the passages that it cites, and the reason for withholding it."""
        text, cited, removed = resolve_markers(text, len(self._passages))
        self._trace.counts["removed_markers"] += removed
        if not cited and (found := best_passage(text, self._passages)):
            text, cited = attach_marker(text, found), (found,)
            self._trace.counts["attached_markers"] += 1
        passed, reason = self._guarded(text, cited)
        return self._cited_again(text, cited) if reason == UNGROUNDED else (passed, cited, reason)

    def _cited_again(self, text: str, cited: tuple[int, ...]) -> tuple[str, tuple[int, ...], str]:
        """As `_checked`, of what the cited passages do not bear out: a model that found the right words often names the wrong passage."""
        bare = resolve_markers(text, 0)[0].strip()
        if found := best_passage(bare, self._passages, but=cited):
            passed, reason = self._guarded(attach_marker(bare, found), (found,))
            if not reason:
                self._trace.counts["corrected_markers"] += 1
                return passed, (found,), ""
        return text, cited, "not_in_passages" if says_no_answer(bare) else UNGROUNDED

    def _guarded(self, text: str, cited: Sequence[int]) -> tuple[str, str]:
        return run_guards(self._guards, text, [self._passages[n - 1] for n in cited], self._trace)

    def _asked_back(self, text: str) -> tuple[str, tuple[int, ...], str]:
        """A question to the person, as `_checked` gives a piece. It cites nothing, so it may state nothing: short, no figure."""
        question, _, removed = resolve_markers(text.removeprefix(ASK_BACK).strip(), 0)
        self._trace.counts["removed_markers"] += removed
        plain = question
        for passage in self._passages:
            plain = plain.replace(passage.title, "")
        if not question.endswith("?") or numbers(plain) or len(question) > LONGEST_QUESTION:
            return "", (), UNGROUNDED
        guards = [guard for guard in self._guards if guard.name != "grounding"]
        passed, reason = run_guards(guards, question, self._passages, self._trace)
        self._trace.counts["asked_back"] += not reason
        return passed, (), reason

    def _introduced(self, cited: Sequence[int]) -> str:
        """The headings and intro lines above a piece that passed, as far as they pass too."""
        passages = [self._passages[n - 1] for n in cited]
        shown = ""
        for held in self._held:
            text, _, removed = resolve_markers(held.text, 0)
            self._trace.counts["removed_markers"] += removed
            guards = self._guards
            if names_source(text, passages):  # a title states nothing, whatever numbers and negations it holds
                guards = [guard for guard in guards if guard.name != "grounding"]
            passed, reason = run_guards(guards, text, passages, self._trace)
            if reason:
                self._trace.counts["withheld_introductions"] += 1
            else:
                shown += (held.lead if self._trace.released or shown else "") + passed
        self._held = []
        return shown

    def _drop_held(self, kinds: Sequence[str]) -> None:
        self._held = [held for held in self._held if held.kind not in kinds]
