"""An A/B test of the rollout as `python -m eval experiment analyse` judges it: who took part, in which arm, and by which rollouts.

    assigned(rollouts, registry.all(), people.all())                        the one in force
    assigned(rollouts, registry.all(), people.all(), name="ab-1a2b3c4d")    an earlier one

Persons are in the arms that routing put them in (core/standing.py): by groups, clearance and the hash of person and experiment. Who may
not meet the treatment takes no part. An adapter that was blocked or archived since keeps its people: what they met, they met.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.errors import BadInput, NotFound
from core.records import AdapterRecord, Principal, Rollout
from core.rollouts import Rollouts
from core.standing import Standing

LOOK_BACK = 1000
LISTED = "List them with: python -m assistant rollout history"


@dataclass(frozen=True, slots=True)
class Assigned:
    """Who is in which arm of a trial.

    Attributes:
        arms: person to "control" or "treatment"; nobody else takes part.
        share: the treatment's share of them, as it was meant.
        rollouts: the rows under which they asked.
    """

    name: str
    control: str
    treatment: str
    arms: dict[str, str]
    share: float
    rollouts: tuple[int, ...]
    since: datetime


def assigned(
    rollouts: Rollouts,
    adapters: Sequence[AdapterRecord],
    people: Sequence[Principal],
    *,
    name: str = "",
    control: str = "",
    treatment: str = "",
) -> Assigned:
    """The A/B test of that name, or the one in force.

    Args:
        control, treatment: which of its adapters are compared; production, and its only other one, unless they are named.

    Raises:
        NotFound: there is no such trial. BadInput: it is no A/B test, or has several arms and none is named, or not the one named.
    """
    row, rows = _rows(rollouts, name)
    tried = {arm.adapter: arm for arm in row.arms}
    control = control or row.production
    treatment = treatment or _only(sorted(set(tried) - {control}))
    if unknown := sorted({control, treatment} - {row.production, *tried}):
        raise BadInput(
            f"{unknown[0][:120]!r} is in no arm of {row.experiment_id}: {', '.join((row.production, *tried))}."
        )
    standing = Standing(row, {one.adapter_id: replace(one, blocked="", stage="staging") for one in adapters})
    arms, shares = {}, []
    for who in people:
        weights = {arm.adapter: arm.weight for arm in standing.eligible(who)}
        weights[row.production] = max(0.0, 1.0 - sum(weights.values()))
        if not (weights.get(treatment, 0) > 0 and weights.get(control, 0) > 0):
            continue
        arm = standing.arm(who)
        met = arm.adapter if arm else row.production
        if met in (control, treatment):
            arms[who.person_id] = "treatment" if met == treatment else "control"
            shares.append(weights[treatment] / (weights[treatment] + weights[control]))
    if not arms:
        raise NotFound(
            f"Nobody is in the arms {control} and {treatment} of {row.experiment_id}: name two that share people."
        )
    numbers = tuple(one.rollout_id for one in rows)
    since = min(one.at for one in rows)
    return Assigned(row.experiment_id, control, treatment, arms, round(sum(shares) / len(shares), 6), numbers, since)


def _rows(rollouts: Rollouts, name: str) -> tuple[Rollout, list[Rollout]]:
    """The trial's newest row, and all of them."""
    history = rollouts.history(LOOK_BACK)
    wanted = name or (history[0].experiment_id if history and history[0].mode != "none" else "")
    rows = [row for row in history if wanted and row.experiment_id == wanted and row.mode != "none"]
    if not rows:
        told = (
            f"There is no trial {name[:80]!r}."
            if name
            else "No trial is in force: name an earlier one with --experiment."
        )
        raise NotFound(f"{told} {LISTED}")
    if rows[0].mode == "canary":
        raise BadInput(f"{rows[0].experiment_id} is a canary, whose share grows: python -m eval canary judges it.")
    if rows[0].mode != "ab":
        raise BadInput(f"{rows[0].experiment_id} is a shadow, which answers nobody: python -m assistant rollout status")
    return rows[0], rows


def _only(tried: Sequence[str]) -> str:
    if len(tried) != 1:
        raise BadInput(f"Several adapters are on trial: name one of them with --treatment: {', '.join(tried)}.")
    return tried[0]
