"""The registry: which adapters there are, how far each may go, and who said so.

    dev -> staging -> production -> archived

    registry = Registry(store, audit, home=settings.home)
    registry.register(folder, actor="retrain:ana", dataset_id="ds-...", run_id="...", reason="60 corrections")
    registry.stage("reader-v2-1a2b3c4d", report, actor="ana", reason="the gate is open")
    registry.request("reader-v2-1a2b3c4d", actor="ana", reason="5 points better on leave")
    registry.approve("reader-v2-1a2b3c4d", actor="ben", reason="looked at the report")

An adapter never changes: its name ends in its version and the start of its content's hash, and is never used again. Its files
are verified when it is registered, at every step and at every load. `production` says that it may serve everybody; what serves
whom is core/rollouts.py's. Every act is one transaction with its audit row and its `adapter_event`.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from core.adapter_events import AdapterEvent, add_event, events_of, set_blocked
from core.audit import Audit
from core.datasets import Datasets
from core.errors import AdapterRefused, BadInput, Conflict, NotAllowed, NotFound
from core.files import writing
from core.gate import Demand, GateReport, newest_report, verify_report
from core.lineage import DocumentRead, require_kept
from core.records import CLASSIFICATIONS, AdapterRecord, Classification, Stage, clearance_rank
from core.sealed import MANIFEST, Sealed, open_sealed, require_base
from core.store import Store
from core.tables import adapter, adapter_document, adapter_event, rollout
from core.turns import now

NAME: Final = re.compile(r"(?P<stem>[a-z0-9][a-z0-9-]{0,60})-v(?P<version>[1-9]\d{0,5})-(?P<hash>[0-9a-f]{8})")
"""`reader-v2-1a2b3c4d`, as `core.sealed.named` makes it."""
LIST = "List them with: python -m assistant adapters list"
SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Training:
    """What an adapter was made from, as `Registry.register` is told of it.

    Attributes:
        dataset_id: of `core.datasets`; None where it was trained elsewhere.
        run_id: of the tracked training run.
        parent: the registered adapter that the training went on from, "" for none.
        ceiling: the highest classification of the rows, where no dataset says it; unknown rows count as restricted. The
            dataset's and the parent's count too: the highest of them holds.
        documents: what was read whole, in no dataset: an erasure of one of them blocks the adapter.
    """

    dataset_id: str | None = None
    run_id: str = ""
    parent: str = ""
    ceiling: Classification | None = None
    documents: tuple[DocumentRead, ...] = ()


class Registry:
    """Registers adapters and moves them from stage to stage. Safe to use from several threads and processes.

    Args:
        home: the home folder; adapters lie in its `adapters/`, each under its name.
        check: run inside every transaction that registers an adapter or moves one; raises where that is not to happen any
            more, as for a worker whose lease has run out.
        base_of: the sha256 of the base that adapters of a kind go on here; "" where it is not known, and is not compared.
        demand: what is asked of an adapter's gate report at that moment; nothing more than that it is ours, open and of that
            content unless given.
    """

    def __init__(
        self,
        store: Store,
        audit: Audit,
        *,
        home: Path,
        check: Callable[[sa.Connection], None] | None = None,
        base_of: Callable[[str], str] = lambda _kind: "",
        demand: Callable[[str], Demand] = lambda _adapter_id: Demand(),
    ) -> None:
        self._store = store
        self._audit = audit
        self.home = home
        self._check = check or (lambda _connection: None)
        self._base_of = base_of
        self.demand = demand

    # --- reading -------------------------------------------------------------------------------------------------

    def find(self, adapter_id: str) -> AdapterRecord | None:
        with self._store.read() as connection:
            row = connection.execute(sa.select(adapter).where(adapter.c.adapter_id == adapter_id)).first()
        return None if row is None else AdapterRecord(**row._mapping)

    def get(self, adapter_id: str) -> AdapterRecord:
        """Raises NotFound."""
        found = self.find(adapter_id)
        if found is None:
            raise NotFound(f"There is no registered adapter {adapter_id[:80]!r}. {LIST}")
        return found

    def all(self, stage: Stage | None = None) -> list[AdapterRecord]:
        """In the order in which they were registered."""
        first = sa.select(sa.func.min(adapter_event.c.event_id)).where(
            adapter_event.c.adapter_id == adapter.c.adapter_id
        )
        query = sa.select(adapter).order_by(first.scalar_subquery(), adapter.c.adapter_id)
        with self._store.read() as connection:
            rows = connection.execute(query if stage is None else query.where(adapter.c.stage == stage))
            return [AdapterRecord(**row._mapping) for row in rows]

    def history(self, adapter_id: str) -> list[AdapterEvent]:
        """Every act on the adapter, oldest first; raises NotFound."""
        self.get(adapter_id)
        with self._store.read() as connection:
            return events_of(connection, adapter_id)

    def report(self, adapter_id: str) -> GateReport | None:
        """The newest gate report that an act on it rested on."""
        return next((e.report for e in reversed(self.history(adapter_id)) if e.report), None)

    def documents_read(self, adapter_id: str) -> list[DocumentRead]:
        """What its training read whole, in no dataset."""
        columns = [adapter_document.c[name] for name in DocumentRead._fields]
        with self._store.read() as connection:
            rows = connection.execute(sa.select(*columns).where(adapter_document.c.adapter_id == adapter_id))
            return sorted(DocumentRead(*row) for row in rows)

    def open_request(self, adapter_id: str) -> AdapterEvent | None:
        """The request for production that waits for a second person."""
        with self._store.read() as connection:
            return _open_request(events_of(connection, adapter_id))

    def next_version(self, stem: str) -> int:
        """The version that the next adapter of that stem carries; two trainings at once may carry the same one."""
        found = [NAME.fullmatch(one.adapter_id) for one in self.all()]
        return 1 + max((int(m["version"]) for m in found if m and m["stem"] == stem), default=0)

    def folder(self, record: AdapterRecord) -> Path:
        return self.home / record.folder

    def verified(self, adapter_id: str) -> Sealed:
        """The adapter's folder, just verified: whole, and for the base that serves here.

        Raises:
            NotFound: it is not registered.
            AdapterRefused: the first thing that is wrong, with the file's name.
        """
        sealed = self.intact(adapter_id)
        require_base(sealed, self._base_of(sealed.kind))
        return sealed

    def intact(self, adapter_id: str) -> Sealed:
        """The adapter's folder: every hash, and that it is the content that was registered. Raises as `verified` does."""
        record = self.get(adapter_id)
        sealed = open_sealed(self.folder(record))
        if sealed.sha256 != record.sha256:
            raise AdapterRefused(
                f"Adapter {adapter_id}: {self.folder(record)} holds another adapter than the one registered; copy it again."
            )
        return sealed

    # --- the stages ----------------------------------------------------------------------------------------------

    def register(
        self, folder: Path, *, actor: str, training: Training | None = None, reason: str = ""
    ) -> AdapterRecord:
        """Take a sealed folder in, as `dev`. One that lies elsewhere is copied to the home's `adapters/` first.

        Args:
            actor: who is to be the registrar: the person who asked for the training where one did. They may not approve; behind the
                name of an account of the machine nobody is known who may not.

        Raises:
            AdapterRefused: the folder does not verify, its name does not say its content, or another base serves here.
            Conflict: the name or the content is registered already, the parent is blocked, or what went in may not be trained on
                any more: of somebody who was erased or has opted out since, or of a document that was erased.
            StoreUnavailable: the disk is full; nothing of it is registered.
            NotFound: the dataset or the parent is not known.
        """
        sealed = open_sealed(folder)
        match = NAME.fullmatch(sealed.adapter_id)
        if not match or match["hash"] != sealed.content_sha256[:8]:
            raise AdapterRefused(
                f"Adapter {sealed.adapter_id[:80]}: a name ends in its version and the start of its content's hash, here "
                f"-vN-{sealed.content_sha256[:8]} (core.sealed.named makes it)."
            )
        training = training or Training()
        with self._store.read() as connection:  # before anything of it is copied
            _require_kept(connection, training)
        return self._add(sealed, self._ceiling(training), training, stage="dev", actor=actor, reason=reason)

    def register_shipped(self, folder: Path, *, reason: str = "shipped") -> AdapterRecord:
        """The adapter that the settings name, in production from the first start on; one that is registered is left as it is.

        Where its files are gone from `adapters/`, as in an evaluation's world that another home asks in, they are put back.

        Raises:
            AdapterRefused: the folder does not verify.
        """
        known = self.find(folder.name)
        if known is not None:
            if not (self.folder(known) / MANIFEST).exists() and (sealed := open_sealed(folder)).sha256 == known.sha256:
                self._placed(sealed)
            return known
        training = Training(ceiling="public")
        try:
            return self._add(open_sealed(folder), "public", training, stage="production", actor=SYSTEM, reason=reason)
        except Conflict:  # another process was first
            return self.get(folder.name)

    def stage(self, adapter_id: str, report: GateReport, *, actor: str, reason: str) -> AdapterRecord:
        """dev to staging, with a passing gate report for this very sha256.

        An adapter in staging takes a newer report, where what is asked for has changed since; approval is asked for again then.
        One in production that serves nobody goes back to staging with it.

        Raises:
            Conflict: the report is not ours, not of this content, says no, or is not what is asked for here (`Demand`); the
                adapter is archived, is in production and serves somebody, or is blocked.
            AdapterRefused: its files do not verify.
        """
        record = self.get(adapter_id)
        self._require_holds(report, record)
        self.verified(adapter_id)
        move: tuple[Stage, Stage] = ("dev" if record.stage == "archived" else record.stage, "staging")
        return self._move(record, "stage", move, actor=actor, reason=_needed(reason), report=report)

    def request(self, adapter_id: str, *, actor: str, reason: str) -> AdapterEvent:
        """Ask for a second person's approval for production.

        Raises:
            Conflict: the adapter is not in staging, is blocked, a request is open already, or the report that it was staged with
                is not what is asked for any longer, as where another adapter serves since.
        """
        record = self.get(adapter_id)
        report = self.report(adapter_id)
        if report is not None and record.stage == "staging":
            self._require_holds(report, record)
        with self._act(record, "request", "staging", actor=actor, reason=_needed(reason)) as connection:
            if _open_request(events_of(connection, adapter_id)):
                raise Conflict(
                    f"{adapter_id} waits for approval already: python -m assistant adapters approve {adapter_id}"
                )
            add_event(connection, adapter_id, "request", ("staging", "staging"), actor=actor, reason=reason)
        found = self.open_request(adapter_id)
        assert found is not None
        return found

    def decline(self, adapter_id: str, *, actor: str, reason: str) -> None:
        """Close an open request without approving it; raises Conflict where none is open."""
        record = self.get(adapter_id)
        with self._act(record, "decline", "staging", actor=actor, reason=_needed(reason)) as connection:
            if not _open_request(events_of(connection, adapter_id)):
                raise Conflict(f"Nobody has asked for {adapter_id} to go into production.")
            add_event(connection, adapter_id, "decline", ("staging", "staging"), actor=actor, reason=reason)

    def approve(self, adapter_id: str, *, actor: str, reason: str) -> AdapterRecord:
        """staging to production: a second person's word on an open request, with the report that it was staged with.

        Raises:
            NotAllowed: the actor registered the adapter, or asked for the approval.
            Conflict: no request is open, the report does not hold any longer, the adapter is not in staging, or is blocked.
            AdapterRefused: its files do not verify.
        """
        record = self.get(adapter_id)
        self._require_another(record, actor)
        self.verified(adapter_id)
        report, asked = self.report(adapter_id), self.open_request(adapter_id)
        if report is None or asked is None:
            raise Conflict(
                f"Nobody has asked for {adapter_id} to go into production: python -m assistant adapters request {adapter_id}"
            )
        move: tuple[Stage, Stage] = ("staging", "production")
        with self._act(record, "approve", move[0], actor=actor, reason=_needed(reason), to=move[1]) as connection:
            if _open_request(events_of(connection, adapter_id)) != asked:
                raise Conflict(f"Somebody else has decided on {adapter_id} meanwhile: look at its history again.")
            self._require_holds(report, record)
            _moved(connection, record, "approve", move, actor=actor, reason=reason.strip(), report=report)
        return self.get(adapter_id)

    def require_promotable(self, adapter_id: str, *, served: bool) -> None:
        """Return where all that an approval rested on still holds at this moment: for the transaction that lets it serve everybody.

        What the settings named has no report: whoever runs the assistant has chosen it.

        Args:
            served: it has served everybody before. As for a rollback, its report need not compare with what serves now.

        Raises:
            Conflict: its report is not ours, not of this content, or not what is asked for any longer; or a report of this content
                that was made since, or its own file, says no or was changed.
        """
        record, events = self.get(adapter_id), self.history(adapter_id)
        rested_on = next((event.report for event in reversed(events) if event.action == "approve"), None)
        if rested_on is None and events and (events[0].from_stage, events[0].to_stage) == ("", "production"):
            return
        if rested_on is None:
            raise Conflict(f"Nobody has approved {adapter_id}: python -m assistant adapters request {adapter_id}")
        demand = self.demand(adapter_id)
        demand = replace(demand, against="", against_sha256="") if served else demand
        last = newest_report(self.home, record.sha256, demand)
        counts = last is not None and last.created_at >= rested_on.created_at and not demand.unmet(last)
        for report in (rested_on, *([last] if last and counts else [])):
            try:
                verify_report(report, self._audit, adapter_sha256=record.sha256, demand=demand)
            except Conflict as error:
                raise Conflict(
                    f"What the approval of {adapter_id} rested on does not hold any more: it takes a new report, by python -m assistant "
                    f"adapters stage {adapter_id}, and a new approval. {error}"
                ) from None

    def archive(self, adapter_id: str, *, actor: str, reason: str) -> AdapterRecord:
        """Any stage to archived, which is the end; its files stay.

        Raises:
            Conflict: it is archived already, or it serves somebody now.
        """
        record = self.get(adapter_id)
        if record.stage == "archived":
            raise Conflict(f"{adapter_id} is archived already.")
        return self._move(record, "archive", (record.stage, "archived"), actor=actor, reason=_needed(reason))

    # --- blocking ------------------------------------------------------------------------------------------------

    def block(self, adapter_id: str, *, actor: str, reason: str) -> AdapterRecord:
        """Let it serve nobody from the next question on, whatever the rollout says. Blocked already: nothing changes."""
        record = self.get(adapter_id)
        if record.blocked:
            return record
        return self._set_blocked(record, _needed(reason), actor=actor, reason=_needed(reason))

    def unblock(self, adapter_id: str, *, actor: str, reason: str) -> AdapterRecord:
        """Let it serve again; not blocked: nothing changes."""
        record = self.get(adapter_id)
        return self._set_blocked(record, "", actor=actor, reason=_needed(reason)) if record.blocked else record

    def block_trained_on(self, *, actor: str, reason: str, person_id: str = "", document_id: str = "") -> list[str]:
        """Block every adapter that was trained on a person's words or on a document, and those trained on from one of them.

        Returns:
            Their names, those that were blocked before included.

        Raises:
            BadInput: neither or both are named.
        """
        affected = Datasets(self._store, self._audit).affected(person_id=person_id, document_id=document_id)
        names = list(dict.fromkeys(name for one in affected for name in one.adapters))
        for name in names:
            self.block(name, actor=actor, reason=reason)
        return names

    # --- how it is done ------------------------------------------------------------------------------------------

    def _ceiling(self, training: Training) -> Classification:
        """The highest classification of all that went in; raises NotFound."""
        levels: list[Classification] = [training.ceiling] if training.ceiling else []
        if training.dataset_id is not None:
            levels.append(Datasets(self._store, self._audit).get(training.dataset_id).ceiling)
        if training.parent:
            levels.append(self.get(training.parent).ceiling)
        known = training.ceiling is not None or training.dataset_id is not None
        return max(levels, key=clearance_rank) if known else CLASSIFICATIONS[-1]

    def _add(
        self, sealed: Sealed, ceiling: Classification, training: Training, *, stage: Stage, actor: str, reason: str
    ) -> AdapterRecord:
        require_base(sealed, self._base_of(sealed.kind))
        sealed = self._placed(sealed)
        record = AdapterRecord(
            adapter_id=sealed.adapter_id,
            sha256=sealed.sha256,
            kind=sealed.kind,
            base=sealed.base,
            base_sha256=sealed.base_sha256,
            folder=f"adapters/{sealed.adapter_id}",
            stage=stage,
            ceiling=ceiling,
            created_by=actor,
            created_at=now(),
            dataset_id=training.dataset_id,
            run_id=training.run_id,
            parent=training.parent,
        )
        details = {"sha256": record.sha256, "stage": stage, "dataset": record.dataset_id, "ceiling": ceiling}
        try:
            with self._audit.recorded(actor, "adapter.register", record.adapter_id, **details) as connection:
                self._check(connection)
                _require_kept(connection, training)
                connection.execute(adapter.insert().values(asdict(record)))
                if training.documents:
                    read = [{"adapter_id": record.adapter_id, **one._asdict()} for one in training.documents]
                    connection.execute(adapter_document.insert(), read)
                add_event(connection, record.adapter_id, "register", ("", stage), actor=actor, reason=reason)
        except sa.exc.IntegrityError:
            raise Conflict(
                f"The name {record.adapter_id} or its content is registered already: a name is never used again. {LIST}"
            ) from None
        return record

    def _placed(self, sealed: Sealed) -> Sealed:
        """The same adapter under its name in `adapters/`: whole or not there, whenever the power fails."""
        place = (self.home / "adapters").resolve() / sealed.adapter_id
        if sealed.folder.resolve() != place and not (place / MANIFEST).exists():
            with writing(place, "nothing of it is registered"):
                _copy(sealed.folder, place)
        found = open_sealed(place)
        if found.sha256 != sealed.sha256:
            raise Conflict(f"{place} holds another adapter of this name: a name is never used again.")
        return found

    def _move(
        self,
        record: AdapterRecord,
        action: str,
        move: tuple[Stage, Stage],
        *,
        actor: str,
        reason: str,
        report: GateReport | None = None,
    ) -> AdapterRecord:
        with self._act(record, action, move[0], actor=actor, reason=reason, to=move[1]) as connection:
            _moved(connection, record, action, move, actor=actor, reason=reason, report=report)
        return self.get(record.adapter_id)

    @contextmanager
    def _act(
        self, record: AdapterRecord, action: str, stage: Stage, *, actor: str, reason: str, to: Stage | None = None
    ) -> Iterator[sa.Connection]:
        """A transaction in which the adapter is seen to be in that stage still, and not blocked unless it is archived."""
        details = {"sha256": record.sha256, "from": stage, "to": to or stage, "reason": reason}
        with self._audit.recorded(actor, f"adapter.{action}", record.adapter_id, **details) as connection:
            self._check(connection)
            row = connection.execute(
                sa.select(adapter.c.stage, adapter.c.blocked)
                .where(adapter.c.adapter_id == record.adapter_id)
                .with_for_update()
            ).one()
            if row.stage != stage:
                raise Conflict(f"{record.adapter_id} is in {row.stage}, and this takes one in {stage}. {LIST}")
            if row.blocked and action not in ("archive", "decline"):
                raise Conflict(f"{record.adapter_id} is blocked: {row.blocked}")
            leaves = action == "archive" or (action == "stage" and stage == "production")
            if leaves and record.adapter_id in _serving(connection):
                raise Conflict(
                    f"{record.adapter_id} serves people now: python -m assistant rollout status says whom; promote another "
                    "one, or stop its trial, first."
                )
            yield connection

    def _require_holds(self, report: GateReport, record: AdapterRecord) -> None:
        """Raises Conflict where that report does not let the adapter be promoted now."""
        demand = self.demand(record.adapter_id)
        verify_report(report, self._audit, adapter_sha256=record.sha256, demand=demand)

    def _require_another(self, record: AdapterRecord, actor: str) -> None:
        asked = self.open_request(record.adapter_id)
        acts = {person_of(record.created_by): "registered", person_of(asked.actor) if asked else "": "asked for"}
        own = acts.get(person_of(actor))
        if own:
            self._audit.append(actor, "adapter.approve_refused", record.adapter_id, because=f"the actor {own} it")
            raise NotAllowed(
                f"You {own} {record.adapter_id}{' in production' if own == 'asked for' else ''}: another person has to approve it."
            )

    def _set_blocked(self, record: AdapterRecord, blocked: str, *, actor: str, reason: str) -> AdapterRecord:
        action = "block" if blocked else "unblock"
        with self._audit.recorded(actor, f"adapter.{action}", record.adapter_id, reason=reason) as connection:
            set_blocked(connection, record.adapter_id, blocked, actor=actor, reason=reason)
        return self.get(record.adapter_id)


def _require_kept(connection: sa.Connection, training: Training) -> None:
    """Return where all that went in may still be trained on, and the parent may serve. Raises Conflict."""
    require_kept(connection, training.dataset_id, documents=training.documents)
    if training.parent:
        mine = sa.select(adapter.c.blocked).where(adapter.c.adapter_id == training.parent).with_for_update(read=True)
        if blocked := connection.scalar(mine):
            raise Conflict(f"It was trained on from {training.parent}, which is blocked: {blocked}")


def _moved(
    connection: sa.Connection,
    record: AdapterRecord,
    action: str,
    move: tuple[Stage, Stage],
    *,
    actor: str,
    reason: str,
    report: GateReport | None,
) -> None:
    add_event(connection, record.adapter_id, action, move, actor=actor, reason=reason, report=report)
    connection.execute(adapter.update().where(adapter.c.adapter_id == record.adapter_id).values(stage=move[1]))


def _open_request(events: list[AdapterEvent]) -> AdapterEvent | None:
    """The last request, unless something was decided since."""
    last = next((e for e in reversed(events) if e.action not in ("block", "unblock")), None)
    return last if last and last.action == "request" else None


def _serving(connection: sa.Connection) -> set[str]:
    """The names that the rollout in force speaks of."""
    newest = sa.select(rollout.c.configuration).order_by(rollout.c.rollout_id.desc()).limit(1)
    configuration: Mapping[str, Any] = connection.scalar(newest) or {}
    arms = {str(arm.get("adapter")) for arm in configuration.get("arms", ())}
    return arms | {str(configuration.get("production")), str(configuration.get("base"))}


def person_of(actor: str) -> str:
    """The person behind an actor such as `retrain:ana`, in small letters: what was done for them they have done.

    Behind `cli:root`, whom a command without --as names, stands whoever has a person's id of that name: as a rule nobody.
    """
    return actor.rpartition(":")[2].casefold()


def _needed(reason: str) -> str:
    if not reason.strip():
        raise BadInput("Say why: the reason is kept with the act.")
    return reason.strip()


def _copy(folder: Path, place: Path) -> None:
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(folder, part)
        for path in [*part.iterdir(), part]:
            _to_disk(path)
        if place.exists():  # an older attempt that never got its manifest
            shutil.rmtree(place)
        part.rename(place)
        _to_disk(place.parent)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
