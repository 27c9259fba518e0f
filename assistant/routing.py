"""Who answers whom: `Router.route(person)`, from the rollout in force (core/rollouts.py) and from what the model can serve now.

A person stays in their arm, by the hash of who they are. An adapter that is blocked, above the person's clearance or not ready
answers nobody: production does, or who was in production before, or what the settings name. An evaluation names its adapter
itself (`fixed`).
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assistant.models import AnswerModel
from assistant.prompt import TEMPLATE, Template
from core.assignment import assign
from core.errors import AssistantError
from core.records import Arm, Principal, Rollout
from core.rollouts import Defaults, Rollouts
from core.settings import Settings
from core.standing import Standing

if TYPE_CHECKING:
    from assistant.shadow import Shadows

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Route:
    """Who answers a question, and what goes with it.

    Attributes:
        fallback: who answers, once, where `adapter` fails before its first sentence; "" for nobody.
        shadow: who answers beside, unseen; "" for nobody.
    """

    adapter: str
    evidence_threshold: float
    low_evidence: float
    template: Template = TEMPLATE
    arm: Arm = "production"
    rollout_id: int | None = None
    fallback: str = ""
    shadow: str = ""

    def fallen_back(self) -> Route:
        """The route after its adapter has failed."""
        return replace(self, adapter=self.fallback, arm="fallback", fallback="", shadow="")


def fixed(settings: Settings, model: AnswerModel) -> Route:
    """The model's own adapter for everybody, with the settings' thresholds: what an evaluation asks."""
    return Route(model.adapter, settings.evidence_threshold, settings.low_evidence)


def defaults(settings: Settings, base: str) -> Defaults:
    """What the settings and the program say, as the rollouts keep it; `base` is who answers by the settings alone."""
    texts = {name: getattr(TEMPLATE, name) for name in Template.__slots__}
    return Defaults(base, TEMPLATE.sha256, texts, settings.evidence_threshold, settings.low_evidence)


class Router:
    """Routes by the rollout in force at each question. Safe to use from several threads."""

    def __init__(self, rollouts: Rollouts, model: AnswerModel, shadows: Shadows | None = None) -> None:
        self.rollouts = rollouts
        self.shadows = shadows
        self._model = model
        self._seen = 0
        self._templates: dict[str, Template] = {}
        self._lock = threading.Lock()

    def route(self, person: Principal) -> Route:
        """Raises StoreUnavailable."""
        standing = self.rollouts.standing()
        self._look_at(standing)
        row = standing.rollout
        adapter, arm = self._serving(standing, person)
        route = Route(
            adapter, row.evidence_threshold, row.low_evidence, self._template(row), arm, rollout_id=row.rollout_id
        )
        trial = standing.arm(person)
        if trial is not None and self._model.serves(trial.adapter):
            return replace(route, adapter=trial.adapter, arm="trial", fallback=adapter)
        if trial is not None:
            return replace(route, arm="fallback")
        return replace(route, shadow=self._beside(standing, person)) if row.mode == "shadow" else route

    def warm(self) -> None:
        """Have who is in production resident before the first question; one that is refused is logged, and others serve."""
        load = getattr(self._model, "load", None)
        production = self.rollouts.current().production
        if load is None or production == self._model.adapter:
            return
        try:
            load(production)
        except AssistantError as error:
            log.error("adapter %s is in production and is not loaded: %s", production, error)

    def _serving(self, standing: Standing, person: Principal) -> tuple[str, Arm]:
        """Who serves this person outside a trial; `fallback` where production should, and is not ready."""
        row = standing.rollout
        cleared = standing.may_serve(row.production, person)
        for name in (row.production, *standing.earlier, row.base) if cleared else (row.base,):
            if standing.may_serve(name, person) and self._model.serves(name):
                return name, "production" if name == row.production or not cleared else "fallback"
        return self._model.plain, "fallback"

    def _beside(self, standing: Standing, person: Principal) -> str:
        """The adapter that shadows this person's questions, "" for none."""
        arms = standing.eligible(person)
        if not arms:
            return ""
        weights = {"shadow": arms[0].weight, "none": 1.0 - arms[0].weight}
        chosen = assign(standing.rollout.experiment_id, person.person_id, weights)
        return arms[0].adapter if chosen == "shadow" and self._model.serves(arms[0].adapter) else ""

    def _look_at(self, standing: Standing) -> None:
        """A rollout seen for the first time: what it names is got ready, who served before among them."""
        row = standing.rollout
        with self._lock:
            if row.rollout_id <= self._seen:
                return
            self._seen = row.rollout_id
        log.info("rollout %d: %s in production, %s", row.rollout_id, row.production, row.mode)
        registered = (name for name, record in standing.adapters.items() if not record.blocked)
        for name in registered:
            self._model.serves(name)

    def _template(self, row: Rollout) -> Template:
        """The rollout's prompt texts; one made before they were kept goes with the program's own."""
        if not row.template or row.template_sha256 == TEMPLATE.sha256:
            return TEMPLATE
        with self._lock:
            return self._templates.setdefault(row.template_sha256, Template(**row.template))
