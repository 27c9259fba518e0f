"""The gate's report: whether one adapter, known by its sha256, may be promoted; signed, so that nobody writes one by hand.

`eval/gate.py` makes it. The registry reads it with `verify_report` and promotes nothing without one.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from core.audit import Audit
from core.errors import BadInput, Conflict
from core.files import write_whole

THRESHOLDS = Path(__file__).parents[1] / "eval" / "gate.yaml"
"""The packaged thresholds, which hold where ASSISTANT_RETRAIN_GATE names no others."""
PURPOSE = "gate report"
FOLDER = Path("evaluation", "gate")
"""Where reports lie in the home folder."""
AGAIN = "it goes on from the answers that it has"


@dataclass(frozen=True, slots=True)
class GateCheck:
    """One condition of the gate. `detail` says in words what was measured and what was asked."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class GateReport:
    """What was measured on which adapter, and the decision.

    Attributes:
        adapter_sha256: the report speaks of this content and no other.
        run_id: the evaluation run whose lineage names everything else (code, guards, template, index, packages).
        pass_rate, low, high: of `n` cases, with the Wilson interval at the policy's confidence.
        against: the adapter that was in production when it was made, which it was compared with; itself where it is that one.
        policy_sha256: of the file with the thresholds.
        created_at: ISO 8601, UTC.
        suite_files_sha256: of the suite's files (`core.suites.suite_files_sha256`); "" in reports of an older program.
        guard_policy_sha256: of the guards' policy under which it was asked; "" in reports of an older program.
        against_sha256: the content of `against`; "" in reports of an older program.
        base: the adapter that forgetting was measured against, itself where it is a base; "" in reports of an older program.
    """

    adapter: str
    adapter_sha256: str
    suite: str
    suite_sha256: str
    run_id: str
    against: str
    policy_sha256: str
    created_at: str
    n: int
    pass_rate: float
    low: float
    high: float
    passed: bool
    checks: tuple[GateCheck, ...]
    signature: str = ""
    suite_files_sha256: str = ""
    guard_policy_sha256: str = ""
    against_sha256: str = ""
    base: str = ""

    def body(self) -> bytes:
        """What is signed: everything but the signature, in one spelling. What an older program did not say is left out."""
        later = ("suite_files_sha256", "guard_policy_sha256", "against_sha256", "base")
        said = asdict(self).items()
        fields = {name: value for name, value in said if name != "signature" and (value or name not in later)}
        return json.dumps(fields, sort_keys=True, ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Demand:
    """What an installation asks of the report that a promotion rests on; "" is not asked for.

    Attributes:
        policy_sha256: of the file with the thresholds, ASSISTANT_RETRAIN_GATE.
        suite_files_sha256: of the suite, ASSISTANT_RETRAIN_SUITE.
        guard_policy_sha256: of the guards' policy in force.
        against: the adapter that serves now, which the report has to have compared with.
        against_sha256: its content, as it is registered.
        base: where the adapter's training started, which forgetting has to be measured against.
    """

    policy_sha256: str = ""
    suite_files_sha256: str = ""
    guard_policy_sha256: str = ""
    against: str = ""
    against_sha256: str = ""
    base: str = ""

    def unmet(self, report: GateReport) -> str:
        """Why nothing is promoted on that report, and the command that makes another; "" where it is what is asked for."""
        compared = (
            ("other thresholds (ASSISTANT_RETRAIN_GATE)", self.policy_sha256, report.policy_sha256),
            ("another suite (ASSISTANT_RETRAIN_SUITE)", self.suite_files_sha256, report.suite_files_sha256),
            ("another guard policy", self.guard_policy_sha256, report.guard_policy_sha256),
        )
        other = [what for what, asked, given in compared if asked and asked != given]
        reasons = [f"is of {' and '.join(other)} than counts here now"] if other else []
        reasons += self._beside(report)
        if not reasons:
            return ""
        return (
            f"The gate report of {report.adapter} (run {report.run_id}) {', and '.join(reasons)}. "
            f"Run: python -m eval gate --adapter {report.adapter}"
        )

    def _beside(self, report: GateReport) -> list[str]:
        """Why it was not measured beside what serves now and beside what the adapter was trained from."""
        if (self.against or self.base) and not (report.against_sha256 and report.base):
            return ["was made by an older program, which did not sign what it compared with"]
        reasons = []
        if self.against and report.against != self.against:
            reasons.append(f"compares with {report.against}, while {self.against} serves now")
        elif self.against_sha256 and report.against_sha256 != self.against_sha256:
            reasons.append(f"compares with another content of {report.against} than serves now")
        if self.base and report.base != self.base:
            reasons.append(f"measures forgetting against {report.base}, while the training started from {self.base}")
        return reasons


def sign_report(report: GateReport, audit: Audit) -> GateReport:
    """The report with its signature, by a key derived from the audit log's."""
    return replace(report, signature=audit.sign(PURPOSE, report.body()))


def verify_report(report: GateReport, audit: Audit, *, adapter_sha256: str, demand: Demand = Demand()) -> None:
    """Return where this report lets that adapter be promoted.

    Raises:
        Conflict: it was not signed here or was changed since, speaks of another adapter, says no, is of other thresholds,
            another suite or another guard policy than are asked for, or compares with another adapter than serves.
    """
    if not audit.signed(PURPOSE, report.body(), report.signature):
        raise Conflict(
            f"The gate report of {report.adapter} was not signed by this installation, or was changed since."
        )
    if report.adapter_sha256 != adapter_sha256:
        raise Conflict(
            f"The gate report speaks of another content of {report.adapter} ({report.adapter_sha256[:12]}, not "
            f"{adapter_sha256[:12]}). Run: python -m eval gate --adapter {report.adapter}"
        )
    if not report.passed or not all(check.passed for check in report.checks):
        closed = ", ".join(check.name for check in report.checks if not check.passed)
        raise Conflict(f"The gate is closed for {report.adapter}: {closed}.")
    if why := demand.unmet(report):
        raise Conflict(why)


def write_report(report: GateReport, path: Path) -> None:
    """Write it whole or not at all; raises StoreUnavailable where the disk is full."""
    write_whole(path, json.dumps(asdict(report), indent=1, ensure_ascii=False) + "\n", AGAIN)


def report_path(home: Path, report: GateReport) -> Path:
    """Where that report is kept: the name says whose it is."""
    return home / FOLDER / f"{report.adapter.replace('/', '_')}-{report.adapter_sha256[:12]}-{report.run_id}.json"


def newest_report(home: Path, adapter_sha256: str, demand: Demand = Demand()) -> GateReport | None:
    """The latest report in the home folder that speaks of this content, whatever it says; None where there is none.

    One that is what the demand asks for comes before those that are not: trying out other thresholds hides nothing.
    """
    found: list[GateReport] = []
    for path in sorted((home / FOLDER).glob(f"*-{adapter_sha256[:12]}-*.json")):
        try:
            found.append(read_report(path))
        except BadInput:  # half a file of another program: the others count
            continue
    of_it = (report for report in found if report.adapter_sha256 == adapter_sha256)
    return max(of_it, key=lambda report: (not demand.unmet(report), report.created_at), default=None)


def read_report(path: Path) -> GateReport:
    """Raises BadInput where the file is no gate report; whether it is true is `verify_report`'s to say."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        checks = tuple(GateCheck(**check) for check in fields.pop("checks"))
        return GateReport(**fields, checks=checks)
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror or type(error).__name__}).") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise BadInput(f"{path} is no gate report. Make one with: python -m eval gate --adapter ID") from None
