"""Attempts to steer the assistant: a question that makes one is refused, a passage that carries one is dropped.

    question  decoded views and structural rules -> refuse; then cleaned of invisible and control characters, and template
              tokens neutralised -> mask
    passage   the same views and its own rules, hidden HTML, title and section -> drop; template tokens neutralised -> mask

A classifier joins here as one more judgement on the same views (its own issue); what it would see is `decode.views`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from core.errors import BadInput
from core.records import Passage, Verdict
from guardrails.decode import hidden_html, views
from guardrails.injection_rules import ENCODED_RULES, first_match, glued, one_word
from guardrails.normalise import clean_question, fold, neutralise, remove_invisible, tagged_text
from guardrails.signs import SPELT

NOT_TEXT = "not_text"
"""The rule of a question that is no text."""
REWRITTEN = "rewritten"
"""The rule, without a score, where only line ends, blank lines or composed letters were put in one form."""
_GAPLESS = SPELT | {"spaced_letters"}


class Injection:
    """The guard of questions (`stage="question"`, refuses) and of passages (`stage="passage"`, drops)."""

    in_turn = True

    def __init__(self, stage: Literal["question", "passage"]) -> None:
        self.name = f"injection_{stage}"
        self._stage = stage

    def check(self, text: str, passages: Sequence[Passage] = ()) -> Verdict:
        """Judge one text; a passage's title and section are judged with it, because they reach the prompt too.

        The rule of a verdict is the rule's name, with `encoded:` or `hidden:` before it where it was found in what
        the text hides.
        """
        rule = self._plain_or_encoded(text) or self._hidden(text) or self._metadata(passages)
        if rule:
            return Verdict(self.name, "refuse" if self._stage == "question" else "drop", text, rule=rule, score=1.0)
        try:
            shown = clean_question(text, len(text)) if self._stage == "question" else text
        except BadInput:
            return Verdict(self.name, "refuse", "", rule=NOT_TEXT, score=1.0)
        literal = neutralise(shown)
        if literal in (text, text.strip()):  # spaces around a question are no finding
            return Verdict(self.name, "allow", text)
        if literal == shown and remove_invisible(text) == text:
            return Verdict(self.name, "mask", literal, rule=REWRITTEN)
        rule = "template_tokens" if literal != shown else "invisible_characters"
        return Verdict(self.name, "mask", literal, rule=rule, score=0.5)

    def _plain_or_encoded(self, text: str) -> str:
        for view in views(text):
            if view.via == "plain":
                if rule := first_match(view.text, self._stage) or one_word(view.text):
                    return rule
            elif view.via in _GAPLESS and glued(view.text.replace(" ", "")):
                return "encoded:override_instructions"
            elif rule := first_match(view.text, self._stage, among=ENCODED_RULES):
                return f"encoded:{rule}"
        return ""

    def _hidden(self, text: str) -> str:
        """Text in tag characters is never an accident; hidden HTML counts where a question's rule, the sterner set, finds it."""
        if tagged_text(text):
            return "hidden:tag_characters"
        hidden = fold(hidden_html(text))
        rule = first_match(hidden, "question") or first_match(hidden, "passage") if hidden else ""
        return f"hidden:{rule}" if rule else ""

    def _metadata(self, passages: Sequence[Passage]) -> str:
        for passage in passages if self._stage == "passage" else ():
            for view in views(f"{passage.title}\n{passage.section}"):
                if rule := first_match(view.text, "passage"):
                    return f"metadata:{rule}"
        return ""
