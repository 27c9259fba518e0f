"""Rollouts: which adapter serves whom. The newest row of the table `rollout` says it; a change is one more row.

    rollouts = Rollouts(store, audit, registry)
    rollouts.current()                                          what is in force, seen by every process at once
    rollouts.canary("reader-v2-1a2b3c4d", actor="ana", reason="5 points better on leave")
    rollouts.advance(actor="ana", reason="no guardrail worse")   1, 5, 10, 25, 50, 100 % of the people
    rollouts.promote("reader-v2-1a2b3c4d", actor="ana", reason="...")
    rollouts.rollback(actor="ana", reason="...")                 adapter, template and thresholds of before, in one row

Rows are ordered by their number and never by their time: a clock that jumps changes nothing. What may be named in a row the
registry says: trials take adapters in staging or production, `promote` and a trial of more than half of everybody those in
production, which a second person approved, and nobody a blocked one or one whose files do not verify. docs/design/rollout.md
says why it is so.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

from core.audit import Audit
from core.errors import AdapterRefused, BadInput, Conflict, NotFound
from core.records import EVERYONE, AdapterRecord, Rollout, Stage, TrialArm
from core.registry import SYSTEM, Registry
from core.standing import Standing, department_group, reach
from core.store import Store
from core.tables import access_group, adapter, adapter_event, rollout
from core.turns import now

CANARY: Final = (0.01, 0.05, 0.10, 0.25, 0.50, 1.0)
"""Shares of the people that a canary's steps give the trial adapter."""
MOST_UNAPPROVED: Final = 0.5
"""The largest share of everybody whom adapters that no second person has approved may answer on trial."""
EARLIER: Final = 2
"""Productions before this one that stay ready, so that a rollback finds them warm."""
LOOK_BACK: Final = 100
STATUS = "python -m assistant rollout status"
TRIAL_STAGES: tuple[Stage, ...] = ("staging", "production")


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the settings and the program say: what serves until somebody decides otherwise, and what goes with an adapter.

    Attributes:
        base: the answer model that the settings name: an adapter, the quoting model, or the served base model.
        template: the prompt's texts by name, of which `template_sha256` is the version.
    """

    base: str
    template_sha256: str
    template: Mapping[str, str]
    evidence_threshold: float
    low_evidence: float


class Rollouts:
    """Reads and changes what serves whom. Safe to use from several threads and processes."""

    def __init__(self, store: Store, audit: Audit, registry: Registry) -> None:
        self._store = store
        self._audit = audit
        self._registry = registry
        self._seen: tuple[tuple[int, int], Standing] | None = None
        self._lock = threading.Lock()

    # --- reading -------------------------------------------------------------------------------------------------

    def current(self) -> Rollout:
        """What is in force at this moment, whoever changed it; raises Conflict where nothing has served yet."""
        return self.standing().rollout

    def standing(self) -> Standing:
        """As `current`, with the adapters' records: one small read, and more only where something has changed."""
        newest = sa.select(sa.func.max(rollout.c.rollout_id)).scalar_subquery()
        # Counted: on PostgreSQL an event may be committed after one of a higher number. None is ever deleted.
        events = sa.select(sa.func.count()).select_from(adapter_event).scalar_subquery()
        with self._store.read() as connection:
            number, acts = connection.execute(sa.select(newest, events)).one()
            if number is None:
                raise Conflict("Nothing has served here yet: start the assistant once: python -m assistant serve")
            key = (int(number), int(acts))
            with self._lock:
                if self._seen and self._seen[0] == key:
                    return self._seen[1]
            standing = _standing(connection)
        with self._lock:
            # A slower thread may come with an older reading: the newest one stays.
            if not self._seen or self._seen[0] < key:
                self._seen = (key, standing)
        return standing

    def history(self, limit: int = LOOK_BACK) -> list[Rollout]:
        """Every change, newest first."""
        with self._store.read() as connection:
            return _rows(connection, limit)

    def get(self, rollout_id: int) -> Rollout:
        """Raises NotFound."""
        with self._store.read() as connection:
            row = connection.execute(sa.select(rollout).where(rollout.c.rollout_id == rollout_id)).first()
        if row is None:
            raise NotFound(f"There is no rollout {rollout_id}. List them with: python -m assistant rollout history")
        return _rollout(row)

    # --- what serves ---------------------------------------------------------------------------------------------

    def begin(self, defaults: Defaults) -> Rollout:
        """What is in force once these settings hold; a row is written only where they changed since the last start.

        Changed settings count from then on: another `base` goes into production, other thresholds and another template
        replace those in force. A start under the same settings leaves everything, a rollback too, as it stands.
        """
        with self._store.read() as connection:
            found = _rows(connection, 1)
            before = _last_start(connection)
        said = _said(defaults)
        if found and before and said == {name: getattr(before, name) for name in said}:
            return found[0]
        changed = [name for name in said if before and getattr(before, name) != said[name] and name != "template"]
        reason = f"the settings changed: {', '.join(changed)}" if before else "the first start"

        def change(row: Rollout | None) -> Rollout:
            if row is None or before is None:
                return replace(_EMPTY, **said, production=defaults.base)
            named = {name: said[name] for name in changed}
            if "template_sha256" in changed:
                named["template"] = said["template"]
            if "base" in changed:
                named |= {"production": defaults.base, **_ALONE}
            return replace(row, **named)

        return self._write(
            "settings" if before else "start", change, actor=SYSTEM, reason=reason, subject=defaults.base
        )

    def promote(self, adapter_id: str, *, actor: str, reason: str, defaults: Defaults | None = None) -> Rollout:
        """Let an adapter in production serve everybody; a trial under way ends.

        Args:
            defaults: the template and the thresholds that go with it; those of the settings at the last start when None.

        Raises:
            Conflict: it is not in production, is blocked, or serves everybody already; or what its approval rested on does not
                hold any longer (`Registry.require_promotable`).
            AdapterRefused: its files do not verify. NotFound: it is not registered.
        """
        self._require(adapter_id, ("production",))

        def change(row: Rollout | None) -> Rollout:
            assert row is not None
            self._require(adapter_id, ("production",), verify=False)
            served = any(one.production == adapter_id for one in self.history())
            self._registry.require_promotable(adapter_id, served=served)
            with self._store.read() as connection:
                said = _said(defaults) if defaults else _values(_last_start(connection) or row)
            new = replace(row, **(said | {"base": row.base}), production=adapter_id, **_ALONE)
            if _served(new) == _served(row) and row.mode == "none":
                raise Conflict(f"{adapter_id} serves everybody already.")
            return new

        return self._write("promote", change, actor=actor, reason=reason, subject=adapter_id)

    def rollback(self, *, actor: str, reason: str, to: int | None = None) -> Rollout:
        """Back to what served before: adapter, template and thresholds together, in one row. A trial under way ends.

        Without `to`, it is the newest earlier row that served otherwise and still may: during a trial, production alone;
        after a rollback, what served before that. An adapter that was blocked, archived or damaged since is passed over.

        Raises:
            Conflict: there is nothing to go back to, or the adapter of row `to` may not serve any longer.
            AdapterRefused: the adapter of row `to` does not verify. NotFound: there is no row `to`.
        """
        target = self.get(to) if to is not None else self.before()
        self._require_serves(target)

        def change(row: Rollout | None) -> Rollout:
            assert row is not None
            self._require_serves(target, verify=False)
            old = {name: getattr(target, name) for name in _SERVED}
            return replace(row, **old, **_ALONE, restores=target.rollout_id)

        return self._write("rollback", change, actor=actor, reason=reason, subject=target.production)

    def kill(self, *, actor: str, reason: str) -> Rollout:
        """Every trained adapter off at once: what the settings name answers everybody until a promotion or a rollback."""

        def change(row: Rollout | None) -> Rollout:
            assert row is not None
            return replace(row, production=row.base, **_ALONE)

        return self._write("kill", change, actor=actor, reason=reason)

    # --- trials --------------------------------------------------------------------------------------------------

    def trial(self, arms: Sequence[TrialArm], *, actor: str, reason: str) -> Rollout:
        """An A/B test with fixed weights; who is in no arm stays with production. Arms that name groups reach those only.

        Raises:
            BadInput: no arm, an adapter twice, weights outside (0, 1] or above 1 together for the same people, an unknown group.
            Conflict: a trial is under way, or an adapter may not be on trial, or not with as many.
            AdapterRefused: an adapter's files do not verify. NotFound: one is not registered.
        """
        self._check_arms(arms)
        return self._start("ab", "trial", arms, actor=actor, reason=reason)

    def canary(
        self, adapter_id: str, *, actor: str, reason: str, groups: Sequence[str] = (), departments: Sequence[str] = ()
    ) -> Rollout:
        """A trial whose share grows by `advance`, from 1 % of the people (in these groups) on. Raises as `trial`."""
        arm = TrialArm(adapter_id, CANARY[0], tuple(groups), tuple(departments))
        self._check_arms([arm])
        return self._start("canary", "canary", [arm], actor=actor, reason=reason)

    def advance(self, *, actor: str, reason: str, seen: int | None = None) -> Rollout:
        """The canary's next step; nobody who met the trial adapter leaves it.

        Args:
            seen: the rollout that was judged, for who decides by figures: another one in force refuses.

        Raises:
            Conflict: no canary is under way, a person has to act first (`waits_for`), its adapter was blocked, or `seen` is not in
                force.
        """

        def change(row: Rollout | None) -> Rollout:
            assert row is not None
            self._expect(row, seen)
            if row.mode != "canary":
                raise Conflict("No canary is under way: python -m assistant rollout canary ADAPTER")
            self._require(row.arms[0].adapter, TRIAL_STAGES, verify=False)
            if waits_for := self.waits_for(row):
                raise Conflict(waits_for)
            return replace(row, arms=_next_step(row), step=row.step + 1)

        return self._write("advance", change, actor=actor, reason=reason)

    def waits_for(self, row: Rollout) -> str:
        """What a person has to do before a canary may take its next step; "" where nothing."""
        if row.step + 1 >= len(CANARY):
            return f"The canary is at 100 %: python -m assistant rollout promote {row.arms[0].adapter}, or stop"
        return self._needs_approval(_next_step(row))

    def shadow(self, adapter_id: str, *, actor: str, reason: str, share: float = 1.0) -> Rollout:
        """Let an adapter answer beside production, unseen, for that share of the people. Raises as `trial`."""
        arm = TrialArm(adapter_id, share)
        self._check_arms([arm])
        return self._start("shadow", "shadow", [arm], actor=actor, reason=reason)

    def stop(self, *, actor: str, reason: str, seen: int | None = None) -> Rollout:
        """End the trial, canary or shadow: production alone serves. `seen` as in `advance`.

        Raises:
            Conflict: none is under way, or `seen` is not in force.
        """

        def change(row: Rollout | None) -> Rollout:
            assert row is not None
            self._expect(row, seen)
            if row.mode == "none":
                raise Conflict("No trial is under way.")
            return replace(row, **_ALONE)

        return self._write("stop", change, actor=actor, reason=reason)

    # --- how it is done ------------------------------------------------------------------------------------------

    def _start(self, mode: str, action: str, arms: Sequence[TrialArm], *, actor: str, reason: str) -> Rollout:
        def change(row: Rollout | None) -> Rollout:
            assert row is not None
            for arm in arms:
                self._require(arm.adapter, TRIAL_STAGES, verify=False)
            if row.mode != "none":
                raise Conflict(f"A trial is under way ({row.mode}): python -m assistant rollout stop")
            if any(arm.adapter == row.production for arm in arms):
                raise Conflict(f"{row.production} is in production: there is nothing to try.")
            if mode != "shadow" and (refused := self._needs_approval(arms)):
                raise Conflict(refused)
            name = f"{mode}-{uuid.uuid4().hex[:8]}"
            started: dict[str, Any] = {"mode": mode, "arms": tuple(arms), "step": 0, "experiment_id": name}
            return replace(row, **started)

        subject = ", ".join(arm.adapter for arm in arms)
        return self._write(action, change, actor=actor, reason=reason, subject=subject)

    def _write(
        self,
        action: str,
        change: Callable[[Rollout | None], Rollout],
        *,
        actor: str,
        reason: str,
        subject: str = "the trial",
    ) -> Rollout:
        """One more row, made from the one in force inside the same transaction: nobody blocks or moves an adapter meanwhile."""
        if not reason.strip():
            raise BadInput("Say why: the reason is kept with the change.")
        with self._changing(actor, action, subject, reason.strip()) as connection:
            found = _rows(connection, 1)
            if not found and action != "start":
                raise Conflict("Nothing has served here yet: start the assistant once: python -m assistant serve")
            new = change(found[0] if found else None)
            values = {
                "at": now(),
                "actor": actor[:80],
                "action": action,
                "reason": reason.strip()[:1000],
                "experiment_id": new.experiment_id,
                "configuration": _values(new, _CONFIGURED),
                "restores": new.restores if action == "rollback" else None,
            }
            number = connection.execute(rollout.insert().values(values)).inserted_primary_key
            assert number is not None
        return self.get(int(number[0]))

    @contextmanager
    def _changing(self, actor: str, action: str, subject: str, reason: str) -> Iterator[sa.Connection]:
        with self._audit.recorded(actor, f"rollout.{action}", subject, reason=reason) as connection:
            if connection.dialect.name == "postgresql":  # SQLite's transactions are one at a time
                connection.execute(sa.text("lock table rollout in exclusive mode"))
                connection.execute(sa.text("lock table adapter in share mode"))
            yield connection

    def _check_arms(self, arms: Sequence[TrialArm]) -> None:
        if not arms:
            raise BadInput("Name at least one adapter to try.")
        if len({arm.adapter for arm in arms}) < len(arms):
            raise BadInput("An adapter is named twice.")
        if any(not 0 < arm.weight <= 1 for arm in arms):
            raise BadInput("A weight is a share of the people: above 0, and at most 1 (100 %).")
        named = frozenset[str]().union(*map(reach, arms))
        for group in named:
            if sum(arm.weight for arm in arms if reach(arm) & {group, EVERYONE}) > 1 + 1e-9:
                whom = f" for {group}" if group != EVERYONE else ""
                raise BadInput(f"The shares are more than 100 % together{whom}.")
        with self._store.read() as connection:
            known = set(connection.scalars(sa.select(access_group.c.name))) | {EVERYONE}
        if unknown := named - known:
            raise BadInput(_unknown(unknown, known, arms))
        for arm in arms:
            self._require(arm.adapter, TRIAL_STAGES)

    def _needs_approval(self, arms: Sequence[TrialArm]) -> str:
        """Why these arms may not answer so many before a second person's approval; "" where they may."""
        everybody = [arm for arm in arms if EVERYONE in reach(arm)]
        unapproved = [arm for arm in everybody if self._registry.get(arm.adapter).stage != "production"]
        if sum(arm.weight for arm in unapproved) <= MOST_UNAPPROVED:
            return ""
        name = unapproved[0].adapter
        return (
            f"More than {MOST_UNAPPROVED:.0%} of everybody may not be answered by an adapter in staging. A second person has to approve "
            f"{name} first: python -m assistant adapters request {name}, then approve"
        )

    def _require(self, adapter_id: str, stages: Sequence[Stage], *, verify: bool = True) -> None:
        record = self._registry.get(adapter_id)
        if record.blocked:
            raise Conflict(f"{adapter_id} is blocked: {record.blocked}")
        if record.kind == "reranker":
            raise Conflict(f"{adapter_id} is a reranker: it answers nobody. Set ASSISTANT_RERANKER.")
        if record.stage not in stages:
            step = {"dev": "stage", "staging": "request"}.get(record.stage, "show")
            raise Conflict(
                f"{adapter_id} is in {record.stage}, and this takes one in {' or '.join(stages)}: "
                f"python -m assistant adapters {step} {adapter_id}"
            )
        if verify:
            self._registry.verified(adapter_id)

    def _require_serves(self, target: Rollout, *, verify: bool = True) -> None:
        """Refuse a row whose production adapter may not serve now; what the settings name needs no registration."""
        if self._registry.find(target.production) is None and target.production == self.current().base:
            return
        self._require(target.production, ("production",), verify=verify)

    def before(self) -> Rollout:
        """The row that a rollback goes back to; raises Conflict where there is none."""
        rows = self.history()
        here = rows[0] if rows else self.current()
        anchor = here.restores or here.rollout_id
        for row in rows:
            changes = here.mode != "none" or _served(row) != _served(here)
            if row.rollout_id < anchor and row.mode == "none" and changes:
                try:
                    self._require_serves(row)
                except (Conflict, NotFound, AdapterRefused):
                    continue
                return row
        raise Conflict(
            "Nothing served before that still may. Switch to what the settings name: python -m assistant rollout kill"
        )

    @staticmethod
    def _expect(row: Rollout, seen: int | None) -> None:
        if seen is not None and row.rollout_id != seen:
            raise Conflict(f"Rollout {row.rollout_id} is in force, not {seen}: {STATUS}")


def _next_step(row: Rollout) -> tuple[TrialArm]:
    """The canary's arm with the share of its next step."""
    return (replace(row.arms[0], weight=CANARY[row.step + 1]),)


def _unknown(groups: Collection[str], known: Collection[str], arms: Sequence[TrialArm]) -> str:
    """What to say of groups that nobody made, and of departments whose people no group is named after."""
    asked = {one for arm in arms for one in arm.departments if department_group(one) in groups}
    meant = (
        f" A department's people are those in the group of its name, which {', '.join(sorted(asked))[:200]} has not: "
        "name the group that its people are in."
        if asked
        else ""
    )
    return (
        f"Unknown groups: {', '.join(sorted(groups))[:200]}.{meant} There are: {', '.join(sorted(known))[:600]}. "
        "Make one with: python -m assistant users add-group NAME"
    )


_SERVED = ("production", "template_sha256", "template", "evidence_threshold", "low_evidence")
_CONFIGURED = (*_SERVED, "base", "mode", "arms", "step")
_ALONE: Mapping[str, Any] = {"mode": "none", "arms": (), "step": 0, "experiment_id": ""}
_EMPTY = Rollout(0, datetime.min.replace(tzinfo=UTC), "", "", "", "", "", 0.0, 0.0)


def _served(row: Rollout) -> tuple[object, ...]:
    return (row.production, row.template_sha256, row.evidence_threshold, row.low_evidence)


def _said(defaults: Defaults) -> dict[str, Any]:
    return {name: getattr(defaults, name) for name in Defaults.__slots__} | {"template": dict(defaults.template)}


def _values(row: Rollout, names: Sequence[str] = Defaults.__slots__) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in names}
    return values | ({"arms": [asdict(arm) for arm in row.arms]} if "arms" in names else {})


def _rows(connection: sa.Connection, limit: int) -> list[Rollout]:
    query = sa.select(rollout).order_by(rollout.c.rollout_id.desc()).limit(limit)
    return [_rollout(row) for row in connection.execute(query)]


def _last_start(connection: sa.Connection) -> Rollout | None:
    """The newest row that the settings wrote."""
    where = rollout.c.action.in_(("start", "settings"))
    row = connection.execute(sa.select(rollout).where(where).order_by(rollout.c.rollout_id.desc()).limit(1)).first()
    return None if row is None else _rollout(row)


def _standing(connection: sa.Connection) -> Standing:
    rows = _rows(connection, LOOK_BACK)
    here = rows[0]
    before = dict.fromkeys(row.production for row in rows[1:] if row.production != here.production)
    earlier = tuple(before)[:EARLIER]
    names = {here.production, here.base, *earlier, *(arm.adapter for arm in here.arms)}
    found = connection.execute(sa.select(adapter).where(adapter.c.adapter_id.in_(names)))
    return Standing(here, {row.adapter_id: AdapterRecord(**row._mapping) for row in found}, earlier)


def _rollout(row: Any) -> Rollout:
    """The record in a row; a configuration of an older form lacks what it did not know."""
    said: Mapping[str, Any] = row.configuration
    arms = tuple(
        TrialArm(
            str(arm["adapter"]),
            float(arm["weight"]),
            tuple(arm.get("groups", ())),
            tuple(arm.get("departments", ())),
        )
        for arm in said.get("arms", ())
    )
    return Rollout(
        rollout_id=row.rollout_id,
        at=row.at,
        actor=row.actor,
        action=row.action,
        reason=row.reason,
        production=str(said.get("production", "")),
        template_sha256=str(said.get("template_sha256", "")),
        evidence_threshold=float(said.get("evidence_threshold", 0.0)),
        low_evidence=float(said.get("low_evidence", 0.0)),
        mode=said.get("mode", "none"),
        experiment_id=row.experiment_id,
        arms=arms,
        step=int(said.get("step", 0)),
        restores=row.restores,
        base=str(said.get("base", "")),
        template=dict(said.get("template", {})),
    )
