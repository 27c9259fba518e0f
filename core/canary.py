"""What a canary's judge decided: kept with its figures, and acted on only while the rollout that was judged is in force.

    judgements = Judgements(store, audit)
    made = judgements.keep(rollout_id, "advance", reason, figures, actor="eval:canary")
    judgements.act(made, rollouts)

`eval/canary.py` decides; the admin's page and `python -m assistant rollout status` show it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

import sqlalchemy as sa

from core.audit import Audit
from core.errors import BadInput
from core.records import Rollout
from core.rollouts import Rollouts
from core.store import Store
from core.tables import canary_judgement
from core.turns import now

Decision = Literal["hold", "advance", "stop"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """One look at a canary.

    Attributes:
        rollout_id: the step that was judged.
        figures: `measures`, a row each, and the counts of persons and turns.
        became: the rollout that followed from it; None where nothing was done.
    """

    judgement_id: int
    rollout_id: int
    at: datetime
    actor: str
    decision: Decision
    reason: str
    figures: Mapping[str, Any]
    became: int | None = None


class Judgements:
    """Keeps and reads them. Safe to use from several threads and processes."""

    def __init__(self, store: Store, audit: Audit) -> None:
        self._store = store
        self._audit = audit

    def keep(
        self, rollout_id: int, decision: Decision, reason: str, figures: Mapping[str, Any], *, actor: str
    ) -> Judgement:
        """Store one, with its audit row."""
        values = {"rollout_id": rollout_id, "decision": decision, "reason": reason[:1000], "actor": actor[:80]}
        details = {"rollout": rollout_id, "decision": decision, "reason": reason[:1000]}
        with self._audit.recorded(actor, "rollout.judge", f"rollout {rollout_id}", **details) as connection:
            made = connection.execute(
                canary_judgement.insert().values(values | {"at": now(), "figures": dict(figures)})
            )
            row = connection.execute(_one(made.inserted_primary_key))
            return _judgement(row.one())

    def act(self, made: Judgement, rollouts: Rollouts) -> Rollout | None:
        """Advance or stop as it says; None where it says hold.

        Raises:
            Conflict: another rollout than the one that was judged is in force by now.
        """
        changes = {"advance": rollouts.advance, "stop": rollouts.stop}
        if made.decision not in changes:
            return None
        row = changes[made.decision](actor=made.actor, reason=made.reason, seen=made.rollout_id)
        with self._store.begin() as connection:
            mine = canary_judgement.c.judgement_id == made.judgement_id
            connection.execute(canary_judgement.update().where(mine).values(became=row.rollout_id))
        return row

    def all(self, rollouts: Sequence[int], *, limit: int = 100) -> list[Judgement]:
        """The judgements of these rollouts, newest first."""
        if limit < 1:
            raise BadInput("The limit is a number of judgements, at least 1.")
        query = sa.select(canary_judgement).where(canary_judgement.c.rollout_id.in_(rollouts))
        with self._store.read() as connection:
            rows = connection.execute(query.order_by(canary_judgement.c.judgement_id.desc()).limit(limit))
            return [_judgement(row) for row in rows]

    def times(self, rollouts: Sequence[int]) -> list[datetime]:
        """When these rollouts were judged."""
        query = sa.select(canary_judgement.c.at).where(canary_judgement.c.rollout_id.in_(rollouts))
        with self._store.read() as connection:
            return list(connection.scalars(query))

    def last(self, rollouts: Sequence[int]) -> Judgement | None:
        """The newest judgement of these rollouts."""
        return next(iter(self.all(rollouts, limit=1)), None)


def steps_of(history: Sequence[Rollout]) -> list[Rollout]:
    """The rows of the trial in force, newest first; none where no trial is under way."""
    name = history[0].experiment_id if history and history[0].mode != "none" else ""
    return [row for row in history if name and row.experiment_id == name and row.mode != "none"]


def _one(key: Any) -> sa.Select[Any]:
    return sa.select(canary_judgement).where(canary_judgement.c.judgement_id == key[0])


def _judgement(row: Any) -> Judgement:
    return Judgement(
        judgement_id=row.judgement_id,
        rollout_id=row.rollout_id,
        at=row.at,
        actor=row.actor,
        decision=cast(Decision, row.decision),
        reason=row.reason,
        figures=dict(row.figures),
        became=row.became,
    )
