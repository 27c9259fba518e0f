"""Whom the rollout in force lets each adapter answer: read by routing, and by evaluations that must know who took part.

standing = rollouts.standing()
standing.arm(person)            the arm that a person is in, None for production
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.assignment import assign
from core.records import EVERYONE, AdapterRecord, Principal, Rollout, TrialArm, clearance_rank


@dataclass(frozen=True, slots=True)
class Standing:
    """The rollout in force with what the registry says of the adapters that it names.

    Attributes:
        adapters: the registered ones among them, by name.
        earlier: who was in production before, newest first.
    """

    rollout: Rollout
    adapters: Mapping[str, AdapterRecord] = field(default_factory=dict)
    earlier: tuple[str, ...] = ()

    @property
    def serving(self) -> str:
        """Who is in production; while that one is blocked or archived, who stands in for it: one before it, or the base."""
        for name in (self.rollout.production, *self.earlier):
            record = self.adapters.get(name)
            if name == self.rollout.base if record is None else not record.blocked and record.stage != "archived":
                return name
        return self.rollout.base

    @property
    def stands_in(self) -> str:
        """Who answers in production's place while that one is blocked or archived; "" where production answers itself."""
        return "" if self.serving == self.rollout.production else self.serving

    @property
    def shut_out(self) -> tuple[str, ...]:
        """The adapters on trial that are blocked or archived, and so meet nobody."""
        known = (self.adapters.get(arm.adapter) for arm in self.rollout.arms)
        return tuple(one.adapter_id for one in known if one and (one.blocked or one.stage == "archived"))

    def may_serve(self, name: str, person: Principal) -> bool:
        """Whether that adapter may answer this person: known, not blocked or archived, and the person cleared for it."""
        record = self.adapters.get(name)
        if record is None:
            return name == self.rollout.base
        cleared = clearance_rank(record.ceiling) <= clearance_rank(person.clearance)
        return cleared and not record.blocked and record.stage != "archived"

    def eligible(self, person: Principal) -> tuple[TrialArm, ...]:
        """The arms that this person may meet: in their groups, and by an adapter that may answer them."""
        arms = self.rollout.arms
        return tuple(arm for arm in arms if reach(arm) & person.access_groups and self.may_serve(arm.adapter, person))

    def arm(self, person: Principal) -> TrialArm | None:
        """The arm of an A/B test or a canary that this person is in, the same at every question; None for production.

        A person without an eligible arm takes no part: `eligible` tells them from production's own people.
        """
        if self.rollout.mode not in ("ab", "canary"):
            return None
        arms = self.eligible(person)
        if not arms:
            return None
        weights = {str(place): arm.weight for place, arm in enumerate(arms)}
        weights["production"] = max(0.0, 1.0 - sum(weights.values()))
        chosen = assign(self.rollout.experiment_id, person.person_id, weights)
        return None if chosen == "production" else arms[int(chosen)]


def department_group(department: str) -> str:
    """The access group that a department's people are in: its name in small letters, with dashes for spaces."""
    return "-".join(department.lower().split())


def reach(arm: TrialArm) -> frozenset[str]:
    """The access groups whose people may meet the arm; of one that names none, the group that everybody is in."""
    return frozenset((*arm.groups, *map(department_group, arm.departments))) or frozenset({EVERYONE})
