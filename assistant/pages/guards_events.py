"""What happens on the guards page. Every handler asks for the role itself: hiding a link protects nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import gradio as gr

from assistant.pages import guards_views
from assistant.pages.parts import word_of
from assistant.pages.person import signed_in, told
from assistant.web.sessions import require
from core.errors import BadInput, SettingsError
from core.guard_reports import GuardReports
from core.records import Passage, Principal, Turn
from core.turns import now
from guardrails.policy import read_policy
from guardrails.policy_dry_run import dry_run
from guardrails.rails import failing_rails

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

MOST_TURNS = 1000


class GuardsEvents:
    """The page's handlers, one object for everybody."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._book = assistant.policies
        self._reports = GuardReports(assistant.store, assistant.audit)

    @told
    def load(self, request: gr.Request, days: int) -> tuple[Any, ...]:
        """The rails' figures, the filter's rails, and the policy in force as a draft."""
        self._admin(request)
        figures = self._reports.rails(since=now() - timedelta(days=int(days)))
        names = [
            guard.name for stage in ("input", "passage", "output") for guard in getattr(self._assistant.guards, stage)
        ]
        known = dict.fromkeys([*names, *(rail.guard for rail in figures)])
        return (
            guards_views.rails_html(figures),
            gr.update(choices=[("Every rail", ""), *known]),
            *self._policy(),
            self._book.text(self._book.in_force().number),
        )

    @told
    def rails(self, request: gr.Request, days: int) -> str:
        self._admin(request)
        return guards_views.rails_html(self._reports.rails(since=now() - timedelta(days=int(days))))

    @told
    def stopped(self, request: gr.Request, rail: str) -> str:
        self._admin(request)
        return self._stopped(rail)

    @told
    def reports(self, request: gr.Request) -> str:
        self._admin(request)
        return self._listed()

    @told
    def guard_report(self, event: gr.EventData, request: gr.Request, rail: str) -> tuple[str, str]:
        """Keep the word that a rail was wrong about a turn."""
        who = self._admin(request)
        self._reports.report(word_of(event, "turn"), who, guard=word_of(event, "guard"), note=word_of(event, "note"))
        gr.Info("Reported: it waits on the tab Reports.", duration=4)
        return self._stopped(rail), self._listed()

    @told
    def guard_decide(self, event: gr.EventData, request: gr.Request) -> str:
        who = self._admin(request)
        self._reports.decide(word_of(event, "report"), who, false_alarm=word_of(event, "status") == "false_alarm")
        return self._listed()

    @told
    def check(self, request: gr.Request, text: str) -> str:
        """Whether the draft is sound: its mistakes with their lines, or that its rails work."""
        self._admin(request)
        try:
            failing = failing_rails(self._assistant.rails(read_policy(text, "This policy")))
        except SettingsError as error:
            return guards_views.mistakes_html(str(error))
        if failing:
            return guards_views.mistakes_html(f"Under this policy {', '.join(failing)} would refuse everything.")
        return guards_views.sound_html()

    @told
    def dry_run(self, request: gr.Request, text: str, last: int) -> str:
        """What the draft would have done to the last turns, beside the policy in force; nothing is changed."""
        self._admin(request)
        try:
            proposed = self._assistant.rails(read_policy(text, "This policy"))
        except SettingsError as error:
            return guards_views.mistakes_html(str(error))
        turns = self._reports.newest(min(int(last), MOST_TURNS))
        found = dry_run(turns, self._assistant.guards, proposed, passages_of=self._passages_of())
        return guards_views.dry_run_html(found, {turn.turn_id: turn.question for turn in turns})

    @told
    def save(self, request: gr.Request, text: str, why: str) -> tuple[Any, ...]:
        """Keep the draft as the next version; it is put in force from the list of versions."""
        who = self._admin(request)
        try:
            saved = self._book.save(text, actor=who.person_id, why=why)
        except SettingsError as error:
            return gr.skip(), guards_views.mistakes_html(str(error)), gr.skip()
        gr.Info(f"Saved as version {saved.number}. It is not in force yet.", duration=5)
        return self._policy()[1], "", ""

    @told
    def policy_load(self, event: gr.EventData, request: gr.Request) -> tuple[str, str]:
        """A version's text into the editor."""
        self._admin(request)
        return self._book.text(_number(event)), ""

    @told
    def policy_apply(self, event: gr.EventData, request: gr.Request) -> tuple[str, str, str]:
        """Put a version in force: a newer one, or an older one to go back."""
        who = self._admin(request)
        number, why = _number(event), " ".join(word_of(event, "why").split())
        if not why:
            raise BadInput("Say why, in a few words: the reason is kept with the change.")
        try:
            self._assistant.apply_policy(number, actor=who.person_id, why=why)
        except SettingsError as error:
            return (*self._policy(), guards_views.mistakes_html(str(error)))
        gr.Info(f"In force: {self._book.name(number)}.", duration=4)
        return (*self._policy(), "")

    def _admin(self, request: gr.Request) -> Principal:
        return require(signed_in(self._assistant, request), "admin")

    def _stopped(self, rail: str) -> str:
        return guards_views.stopped_html(self._reports.stopped(rail or None, limit=guards_views.SHOWN))

    def _listed(self) -> str:
        decided = [*self._reports.listed("false_alarm"), *self._reports.listed("right")]
        return guards_views.reports_html(self._reports.listed(), decided, self._reports.questions())

    def _policy(self) -> tuple[str, str]:
        in_force = self._book.in_force()
        return guards_views.in_force_html(in_force), guards_views.versions_html(self._book.versions(), in_force.number)

    def _passages_of(self) -> Callable[[Turn], Sequence[Passage]]:
        """The passages that a turn was answered from, as far as the catalogue still has them."""

        @lru_cache(maxsize=2000)
        def of(document_id: str, version: int) -> dict[str, Passage]:
            return {one.passage_id: one for one in self._assistant.catalogue.passages(document_id, version)}

        def passages(turn: Turn) -> list[Passage]:
            found = [of(str(p["document_id"]), int(str(p["version"]))).get(str(p["passage_id"])) for p in turn.passages]
            return [one for one in found if one is not None]

        return passages


def _number(event: gr.EventData) -> int:
    word = word_of(event, "number")
    if not word.isdecimal():
        raise BadInput("Choose a version from the list.")
    return int(word)
