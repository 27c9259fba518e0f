"""What the guards did, for those who look after them: figures by rail, the turns that each stopped, and false alarms reported.

    reports = GuardReports(store, audit)
    reports.rails(since=...)                          checks, stops, masks, failures and milliseconds of each rail
    reports.stopped("injection_classifier")           the turns that it stopped, newest first, as they are stored: masked
    reports.report(turn_id, who, guard="topics", note="a drill is no threat")
    reports.cases()                                   evaluation cases of the alarms that were found false

Everything is read from the Turns; only reports are written, each with its row of the audit log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import sqlalchemy as sa

from core.audit import Audit
from core.errors import BadInput, Conflict, NotAllowed, NotFound
from core.records import Principal, Turn
from core.store import UNSTORABLE, Store
from core.tables import guard_report, turn
from core.turns import CHECKS, RAIL, RAIL_FAILED, new_id, turn_of

ReportStatus = Literal["open", "false_alarm", "right"]
"""Not looked at; the guard was wrong; the guard was right."""
LONGEST_NOTE = 2000
MOST_TURNS = 20_000
"""Turns that figures are counted over, the newest ones of the time asked for."""


@dataclass(frozen=True, slots=True)
class RailFigures:
    """One rail over the turns looked at.

    Attributes:
        checks: texts that it judged; a turn's passages and sentences count one by one.
        stopped, masked: verdicts; failed: checks that gave none (an error or a spent budget), which stop too.
        ms_p50, ms_p95: of one check, as the mean of each turn's checks.
    """

    guard: str
    checks: int
    stopped: int
    masked: int
    failed: int
    ms_p50: float
    ms_p95: float
    rules: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class StoppedTurn:
    """A verdict that stopped something, with its turn's question as it is stored: masked, or empty in a temporary chat."""

    turn_id: str
    created_at: datetime
    guard: str
    rule: str
    action: str
    score: float
    status: str
    question: str


@dataclass(frozen=True, slots=True)
class GuardReport:
    """Somebody's word that a guard was wrong about a turn."""

    report_id: str
    turn_id: str
    guard: str
    rule: str
    note: str
    status: ReportStatus
    reported_by: str
    created_at: datetime


@dataclass
class _Counted:
    checks: int = 0
    stopped: int = 0
    masked: int = 0
    failed: int = 0
    ms: list[float] = field(default_factory=list)
    rules: dict[str, int] = field(default_factory=dict)


class GuardReports:
    """Reads the turns' verdicts, and keeps reports of false alarms."""

    def __init__(self, store: Store, audit: Audit) -> None:
        self._store = store
        self._audit = audit

    def rails(self, *, since: datetime | None = None, until: datetime | None = None) -> list[RailFigures]:
        """Every rail that judged anything in that time, by name; over the newest MOST_TURNS turns of it."""
        query = sa.select(turn.c.verdicts, turn.c.timings_ms, turn.c.counts).order_by(turn.c.created_at.desc())
        query = query.where(turn.c.created_at >= since) if since else query
        query = query.where(turn.c.created_at < until) if until else query
        counted: dict[str, _Counted] = {}
        with self._store.read() as connection:
            for row in connection.execute(query.limit(MOST_TURNS)):
                _count(counted, row.verdicts, row.timings_ms, row.counts)
        return [_figures(name, counted[name]) for name in sorted(counted)]

    def stopped(
        self, guard: str | None = None, *, limit: int = 50, before: datetime | None = None
    ) -> list[StoppedTurn]:
        """The verdicts that stopped a question, a passage or a sentence, newest turn first; of one rail, or of all.

        `before` goes on from an earlier page's oldest turn.
        """
        query = sa.select(turn).order_by(turn.c.created_at.desc())
        query = query.where(turn.c.created_at < before) if before else query
        found: list[StoppedTurn] = []
        with self._store.read() as connection:
            for row in connection.execute(query.limit(MOST_TURNS)):
                found += [s for s in _stops(row) if guard in (None, s.guard)]
                if len(found) >= limit:
                    break
        return found[:limit]

    def newest(self, limit: int) -> list[Turn]:
        """The newest turns, for a dry run of another policy."""
        query = sa.select(turn).order_by(turn.c.created_at.desc()).limit(limit)
        with self._store.read() as connection:
            return [turn_of(row) for row in connection.execute(query)]

    def questions(self) -> dict[str, str]:
        """Turn to question, as it is stored, of every turn that was reported."""
        query = sa.select(turn.c.turn_id, turn.c.question).where(turn.c.turn_id.in_(sa.select(guard_report.c.turn_id)))
        with self._store.read() as connection:
            return {row.turn_id: row.question for row in connection.execute(query)}

    def report(self, turn_id: str, who: Principal, *, guard: str, note: str) -> GuardReport:
        """Keep the word of an administrator, or of the person who asked, that a guard was wrong.

        Raises:
            NotFound: no such turn, or another person's.
            BadInput: no note, one that is too long, or a guard that stopped nothing in that turn.
            Conflict: this person has reported that guard on that turn already.
        """
        note = " ".join(note.split())
        if not note or len(note) > LONGEST_NOTE or UNSTORABLE.search(note):
            raise BadInput(f"Say why the guard was wrong, in at most {LONGEST_NOTE:,} characters.")
        with self._audit.recorded(who.person_id, "guard.report", turn_id, guard=guard) as connection:
            row = connection.execute(sa.select(turn).where(turn.c.turn_id == turn_id)).first()
            if row is None or (row.person_id != who.person_id and not who.has_role("admin")):
                raise NotFound("There is no such answer.")
            stop = next((s for s in _stops(row) if s.guard == guard), None)
            if stop is None:
                raise BadInput(f"The rail {guard[:80]} stopped nothing in this answer.")
            same = sa.and_(guard_report.c.turn_id == turn_id, guard_report.c.guard == guard)
            mine = sa.select(guard_report.c.report_id).where(same, guard_report.c.reported_by == who.person_id)
            if connection.execute(mine).first():
                raise Conflict("You have reported this already.")
            made = GuardReport(
                report_id=new_id(),
                turn_id=turn_id,
                guard=guard,
                rule=stop.rule,
                note=note,
                status="open",
                reported_by=who.person_id,
                created_at=datetime.now(UTC),
            )
            values = {name: getattr(made, name) for name in GuardReport.__dataclass_fields__}
            connection.execute(guard_report.insert().values(values))
        return made

    def listed(self, status: ReportStatus = "open") -> list[GuardReport]:
        """The reports of a status, oldest first."""
        query = sa.select(guard_report).where(guard_report.c.status == status).order_by(guard_report.c.created_at)
        with self._store.read() as connection:
            return [GuardReport(**row._mapping) for row in connection.execute(query)]

    def decide(self, report_id: str, who: Principal, *, false_alarm: bool) -> GuardReport:
        """Say whether the guard was wrong; audited.

        Raises:
            NotAllowed: not an administrator.
            NotFound: no such report.
            Conflict: it is decided already.
        """
        if not who.has_role("admin"):
            raise NotAllowed("Reports on guards are decided by administrators.")
        status: ReportStatus = "false_alarm" if false_alarm else "right"
        with self._audit.recorded(who.person_id, "guard.decide", report_id, status=status) as connection:
            one = guard_report.c.report_id == report_id
            row = connection.execute(sa.select(guard_report).where(one).with_for_update()).first()
            if row is None:
                raise NotFound("There is no such report.")
            if row.status != "open":
                raise Conflict("This report is decided already.")
            connection.execute(guard_report.update().where(one).values(status=status))
            return GuardReport(**(dict(row._mapping) | {"status": status}))

    def cases(self) -> list[dict[str, Any]]:
        """Evaluation cases (docs/writing-cases.md) of the false alarms whose question is stored, oldest first.

        Whoever adds them to a suite fills in what a right answer says: `acceptable` and `evidence` are empty.
        """
        asked = sa.select(guard_report, turn.c.question, turn.c.person_id).join(
            turn, turn.c.turn_id == guard_report.c.turn_id
        )
        wrong = asked.where(guard_report.c.status == "false_alarm", turn.c.question != "")
        with self._store.read() as connection:
            rows: Sequence[Any] = connection.execute(wrong.order_by(guard_report.c.created_at)).all()
        seen: dict[str, dict[str, Any]] = {}
        for row in rows:
            seen.setdefault(row.question, _case(row))
        return list(seen.values())


def _case(row: Any) -> dict[str, Any]:
    return {
        "id": f"false-alarm-{row.report_id[:8]}",
        "kind": "over_refusal",
        "group": f"false-alarm-{row.report_id[:8]}",
        "person": row.person_id,
        "question": row.question,
        "acceptable": [],
        "evidence": {},
        "tags": [f"rail:{row.guard}"],
    }


def _stops(row: Any) -> list[StoppedTurn]:
    return [
        StoppedTurn(
            turn_id=row.turn_id,
            created_at=row.created_at,
            guard=str(v["guard"]),
            rule=str(v.get("rule", "")),
            action=str(v["action"]),
            score=float(v.get("score", 0.0)),
            status=row.status,
            question=row.question,
        )
        for v in row.verdicts
        if v.get("action") in ("refuse", "drop")
    ]


def _count(
    counted: dict[str, _Counted],
    verdicts: Sequence[Mapping[str, Any]],
    timings: Mapping[str, float],
    counts: Mapping[str, int],
) -> None:
    for name, number in counts.items():
        if name.startswith(CHECKS):
            rail = counted.setdefault(name.removeprefix(CHECKS), _Counted())
            rail.checks += number
            spent = timings.get(f"{RAIL}{name.removeprefix(CHECKS)}")
            if spent is not None and number:
                rail.ms.append(spent / number)
        for lead in RAIL_FAILED:
            if name.startswith(lead):
                counted.setdefault(name.removeprefix(lead), _Counted()).failed += number
    for verdict in verdicts:
        action = verdict.get("action")
        if action in ("refuse", "drop", "mask"):
            rail = counted.setdefault(str(verdict["guard"]), _Counted())
            rail.masked += action == "mask"
            rail.stopped += action != "mask"
            rule = str(verdict.get("rule", ""))
            rail.rules[rule] = rail.rules.get(rule, 0) + 1


def _figures(name: str, of: _Counted) -> RailFigures:
    ordered = sorted(of.ms)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3) if ordered else 0.0

    rules = dict(sorted(of.rules.items(), key=lambda item: (-item[1], item[0])))
    return RailFigures(name, of.checks, of.stopped, of.masked, of.failed, at(0.5), at(0.95), rules)
