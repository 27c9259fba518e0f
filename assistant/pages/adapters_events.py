"""What happens on the adapters page. Every handler asks for the role itself: hiding a button protects nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from assistant.adapters_command import report_for
from assistant.pages import adapters_views, rollout_views
from assistant.pages.parts import word_of
from assistant.pages.person import account_html, signed_in, told
from assistant.rollout_results import results
from assistant.web.sessions import require
from core.adapter_card import card, diff
from core.canary import Judgements, steps_of
from core.datasets import Datasets
from core.errors import AdapterRefused, BadInput, Conflict, NotFound
from core.gate import newest_report
from core.records import Principal, Rollout, TrialArm

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant

SHOWN_CHANGES = 100
SHOWN_JUDGEMENTS = 8


class AdaptersEvents:
    """The page's handlers, one object for everybody."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._registry, self._rollouts = assistant.registry, assistant.rollouts
        self._judgements = Judgements(assistant.store, assistant.audit)

    @told
    def load(self, request: gr.Request) -> tuple[Any, ...]:
        who = signed_in(self._assistant, request)
        if not who.has_role("admin"):
            return (account_html(self._assistant, who), "", "", "", "", "")
        return (account_html(self._assistant, who), *self._views())

    @told
    def live(self, request: gr.Request) -> tuple[Any, Any]:
        """What changes by itself: who serves, and the results. The form keeps what somebody has typed."""
        if not signed_in(self._assistant, request).has_role("admin"):
            return gr.skip(), gr.skip()
        return self._live()

    @told
    def rollout_act(self, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """Promote, roll back, switch off, advance, stop; the reason is kept with it."""
        who, do = self._admin(request).person_id, word_of(event, "do")
        why, rollouts = word_of(event, "reason"), self._rollouts
        acts: dict[str, Callable[[], Rollout]] = {
            "rollback": lambda: rollouts.rollback(actor=who, reason=why, to=_number(event, "to")),
            "kill": lambda: rollouts.kill(actor=who, reason=why),
            "advance": lambda: rollouts.advance(actor=who, reason=why),
            "stop": lambda: rollouts.stop(actor=who, reason=why),
            "promote": lambda: rollouts.promote(word_of(event, "adapter"), actor=who, reason=why),
        }
        if do not in acts:
            raise BadInput("The page sent an unknown act: reload it.")
        row = acts[do]()
        self._wake()
        gr.Info(f"{row.production} {'serves everybody' if row.mode == 'none' else 'is in production'}.", duration=4)
        return (*self._views(), gr.update(visible=False))

    @told
    def rollout_start(self, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """Begin a canary, an A/B test of one adapter or several, or a shadow."""
        who, mode, why = self._admin(request).person_id, word_of(event, "mode"), word_of(event, "reason")
        groups, departments = (tuple(filter(None, word_of(event, n).split("\n"))) for n in ("groups", "departments"))
        arms = [replace(arm, groups=groups, departments=departments) for arm in _arms(word_of(event, "arms"))]
        names = ", ".join(arm.adapter for arm in arms)
        if mode != "ab" and len(arms) != 1:
            raise BadInput("Several adapters at once take part in an A/B test: choose it, or name one adapter.")
        if mode == "canary":
            self._rollouts.canary(names, actor=who, reason=why, groups=groups, departments=departments)
        elif mode == "ab":
            self._rollouts.trial(arms, actor=who, reason=why)
        elif mode == "shadow":
            self._rollouts.shadow(names, actor=who, reason=why, share=arms[0].weight)
        else:
            raise BadInput("Choose how it is to be tried.")
        self._wake()
        gr.Info(f"{names} {'is' if len(arms) == 1 else 'are'} on trial.", duration=4)
        return (*self._views(), gr.update(visible=False))

    @told
    def adapter_open(self, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        return self._panel(self._admin(request), word_of(event, "adapter"))

    @told
    def adapter_act(self, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """One step in the registry; the reason is kept with it."""
        who, do, name = self._admin(request), word_of(event, "do"), word_of(event, "adapter")
        why = {"actor": who.person_id, "reason": word_of(event, "reason")}
        registry = self._registry
        acts: dict[str, Callable[[], object]] = {
            "stage": lambda: registry.stage(name, report_for(registry, name, registry.home), **why),
            "request": lambda: registry.request(name, **why),
            "approve": lambda: registry.approve(name, **why),
            "decline": lambda: registry.decline(name, **why),
            "archive": lambda: registry.archive(name, **why),
            "block": lambda: registry.block(name, **why),
            "unblock": lambda: registry.unblock(name, **why),
        }
        if do not in acts:
            raise BadInput("The page sent an unknown act: reload it.")
        acts[do]()
        self._wake()
        gr.Info("Kept.", duration=3)
        return (*self._views(), *self._panel(who, name))

    @told
    def adapter_diff(self, event: gr.EventData, request: gr.Request) -> str:
        self._admin(request)
        before, after = word_of(event, "other"), word_of(event, "adapter")
        return adapters_views.diff_html(before, after, diff(self._registry, before, after))

    def close(self) -> Any:
        return gr.update(visible=False)

    def _admin(self, request: gr.Request) -> Principal:
        return require(signed_in(self._assistant, request), "admin")

    def _views(self) -> tuple[str, ...]:
        """Who serves, the results, the form, the list, and every change."""
        standing, registry = self._rollouts.standing(), self._registry
        every = registry.all()
        row = standing.rollout
        may_try = [
            one
            for one in every
            if one.stage in ("staging", "production") and not one.blocked and one.kind != "reranker" and one.adapter_id != row.production
        ]  # fmt: skip
        reports = {one.adapter_id: registry.report(one.adapter_id) for one in every}
        changes = self._rollouts.history(SHOWN_CHANGES)
        served = {one.adapter_id for one in every if one.stage == "production" and not one.blocked} | {row.base}
        back = frozenset(one.rollout_id for one in changes[1:] if one.production in served and one.mode == "none")
        groups = sorted(self._assistant.people.groups())
        departments = sorted({document.department for document in self._assistant.catalogue.documents()} - {""})
        return (
            *self._live(),
            rollout_views.start_html(list(reversed(may_try)), row, groups=groups, departments=departments),
            adapters_views.listing_html(every, reports, standing),
            rollout_views.history_html(changes, row, back),
        )

    def _live(self) -> tuple[str, str]:
        standing = self._rollouts.standing()
        steps = [row.rollout_id for row in steps_of(self._rollouts.history(1000))]
        judged = self._judgements.all(steps, limit=SHOWN_JUDGEMENTS) if steps else []
        found = results(self._assistant.store, self._assistant.people.all(), self._rollouts)
        return rollout_views.serving_html(standing, self._back()), rollout_views.live_html(standing, found, judged)

    def _back(self) -> Rollout | None:
        try:
            return self._rollouts.before()
        except Conflict:
            return None

    def _panel(self, who: Principal, name: str) -> tuple[Any, ...]:
        """The adapter's panel: shown, its head, its card, and no difference yet."""
        registry, record, problem = self._registry, self._registry.get(name), ""
        demand = registry.demand(name)
        try:
            registry.verified(name)
        except AdapterRefused as error:
            problem = str(error)
        head = adapters_views.detail_html(
            record,
            registry.history(name),
            person_id=who.person_id,
            others=[one.adapter_id for one in registry.all() if one.adapter_id != name],
            waiting=adapters_views.Waiting(newest_report(registry.home, record.sha256, demand), demand),
            problem=problem,
            standing=self._rollouts.standing(),
        )
        text = card(registry, Datasets(self._assistant.store, self._assistant.audit), name)
        return gr.update(visible=True), head, adapters_views.card_html(text), ""

    def _wake(self) -> None:
        """What is to be held has changed: the model servers are looked at now."""
        if self._assistant.reconciler:
            self._assistant.reconciler.wake()


def _number(event: gr.EventData, name: str) -> int | None:
    text = word_of(event, name)
    if not text:
        return None
    if not text.isdecimal():
        raise NotFound("There is no such row: reload the page.")
    return int(text)


def _arms(text: str) -> list[TrialArm]:
    """The lines "adapter=per cent" of the form."""
    arms = []
    for line in text.splitlines():
        name, _, share = line.rpartition("=")
        try:
            weight = float(share) / 100
        except ValueError:
            weight = math.nan
        if not 0 < weight <= 1:
            raise BadInput("A share is a number of per cent above 0, and at most 100.")
        arms.append(TrialArm(name, weight))
    return arms
