"""The gate command: may this adapter be promoted? A whole suite on the served path, against production, with a signed report.

    python -m eval gate --adapter ID
    python -m eval gate --adapter ID --suite my-suite --policy my-gate.yaml --json
    python -m eval gate --check --suite my-suite --policy my-gate.yaml        whether the two can decide; asks nothing

It compares with the adapter that serves, as the rollout in force says when it begins, and measures what is forgotten against the one
that the training started from. python -m eval run --adapter ID --against ID compares with any other.

What it asks for stands in the file of ASSISTANT_RETRAIN_GATE, or eval/gate.yaml, and it asks the suite of ASSISTANT_RETRAIN_SUITE, or
the demo's. By others (--policy, --suite) it decides as well, and the registry promotes nothing on that report. The report lies in the home folder under evaluation/gate/, is bound to the adapter's
sha256 and signed with a key derived from the audit log's; `core.gate.verify_report` checks it, and the audit log names it.

JSON fields: check, passed, detail.
JSON fields of the last line: summary, passed, adapter, adapter_sha256, against (what served, or "" for itself), base (what it was trained from, or "" for itself), n, rate, low, high, run_id, report, html, unmet (why the registry takes no such report here, or ""), seconds.
JSON fields of --check: suite, suite_sha256, n, policy_sha256.

Exit codes: 0 the gate is open (with --check: it can decide), 1 it is closed, 2 it could not run (too small a suite, stale cases, quotes
that are not in their document, an unknown adapter, a store that is locked, a model that does not answer).
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.console import Opened, actor, add_json, opened, say
from eval.run_command import add_asking, evaluator, finish

if TYPE_CHECKING:
    from core.audit import Audit
    from core.gate import GateReport
    from eval.evaluation import Evaluator
    from eval.gate import GatePolicy
    from eval.report import Run


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "gate",
        help="decide whether an adapter may be promoted",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--adapter", metavar="ID")
    asked.add_argument(
        "--check", action="store_true", help="say whether suite and thresholds can decide, and ask nothing"
    )
    parser.add_argument("--policy", type=Path, metavar="FILE", help="thresholds; the settings' unless given")
    add_asking(parser, suite="")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    from assistant.bases import demanded
    from core.suites import DEMO
    from eval.evaluation import Chosen, find_suite
    from eval.gate import POLICY, read_policy, require_decidable

    began = time.perf_counter()
    with opened() as here:
        policy = read_policy(args.policy or here.settings.retrain_gate or POLICY)
        args.suite = args.suite or here.settings.retrain_suite or DEMO
        suite = find_suite(args.suite, here.settings.home)
        require_decidable(policy, suite)
        if args.check:
            fields = {
                "suite": suite.name,
                "suite_sha256": suite.sha256,
                "n": len(suite.cases),
                "policy_sha256": policy.sha256,
            }
            say(args, f"The {len(suite.cases)} cases of {suite.name} can decide under these thresholds.", fields)
            return 0
        with evaluator(args, here, Chosen()) as asking:
            report, path, html = _decided(args, here, asking, policy)
        unmet = demanded(here.settings, here.store, here.audit, report.adapter).unmet(report)
    for check in report.checks:
        mark = "held  " if check.passed else "BROKEN"
        say(
            args,
            f"{mark}  {check.name}: {check.detail}",
            {"check": check.name, "passed": check.passed, "detail": check.detail},
        )
    last = {
        "summary": True,
        "passed": report.passed,
        "adapter": report.adapter,
        "adapter_sha256": report.adapter_sha256,
    }
    last |= {
        "against": _another(report, report.against),
        "base": _another(report, report.base),
        "n": report.n,
        "rate": report.pass_rate,
        "low": report.low,
        "high": report.high,
    }
    last |= {
        "run_id": report.run_id,
        "report": str(path),
        "html": str(html),
        "unmet": unmet,
        "seconds": round(time.perf_counter() - began, 1),
    }
    told = f"The gate is {'open' if report.passed else 'closed'} for {report.adapter}. Report: {path}"
    say(args, f"{told}\nNothing is promoted on it: {unmet}" if unmet else told, last)
    return 0 if report.passed else 1


def _another(report: GateReport, adapter: str) -> str:
    return "" if adapter == report.adapter else adapter


def _decided(
    args: argparse.Namespace, here: Opened, asking: Evaluator, policy: GatePolicy
) -> tuple[GateReport, Path, Path]:
    """Ask what is needed, decide, sign, keep and record it; the report, its file and its page.

    Whom it is compared with the registry and the rollout in force say: by an option, a report could speak of a comparison that was not made.
    """
    from assistant.bases import serving_now, trained_from
    from core.registry import Registry

    registry = Registry(here.store, here.audit, home=here.settings.home)
    serving = serving_now(here.settings, here.store, here.audit, registry)
    ours = asking.run("assistant", args.adapter)
    production = _other(asking, ours, serving)
    base = _other(asking, ours, trained_from(here.settings, registry, ours.lineage.adapter))
    decided = _report(asking, policy, ours, production, base)
    html, _ = finish(args, here, asking, ours, production, gate=decided)
    report, path = keep(decided, here.settings.home, here.audit, actor=actor())
    return report, path, html


def keep(decided: GateReport, home: Path, audit: Audit, *, actor: str) -> tuple[GateReport, Path]:
    """Sign, record and write a decision: there is no report of which the audit log does not know.

    Raises:
        StoreUnavailable: the database or the disk does not take it; no report stands.
    """
    from core.gate import report_path, sign_report, write_report

    report = sign_report(decided, audit)
    path = report_path(home, report)
    of = {"sha256": report.adapter_sha256, "passed": report.passed, "run_id": report.run_id}
    audit.append(actor, "gate.decide", report.adapter, **of, against=report.against, base=report.base)
    write_report(report, path)
    return report, path


def _other(asking: Evaluator, ours: Run, adapter: str) -> Run | None:
    """The run of another adapter on the same cases; None where that is ours."""
    return None if adapter == ours.lineage.adapter else asking.run("assistant", adapter)


def _report(asking: Evaluator, policy: GatePolicy, ours: Run, production: Run | None, base: Run | None) -> GateReport:
    from core.gate import GateReport
    from core.rates import wilson
    from core.suites import suite_files_sha256
    from eval.gate import decide

    checks = decide(
        policy,
        ours.results,
        production=production.results if production else None,
        base=base.results if base else None,
        base_adapter=base.lineage.adapter if base else "",
        seed=asking.seed,
    )
    rate = wilson(sum(r.passed for r in ours.results), len(ours.results), policy.confidence)
    return GateReport(
        adapter=ours.lineage.adapter,
        adapter_sha256=ours.lineage.adapter_sha256,
        suite=ours.lineage.suite,
        suite_sha256=ours.lineage.suite_sha256,
        run_id=ours.lineage.run_id,
        against=(production or ours).lineage.adapter,
        policy_sha256=policy.sha256,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        n=rate.n,
        pass_rate=round(rate.rate, 6),
        low=round(rate.low, 6),
        high=round(rate.high, 6),
        passed=all(check.passed for check in checks),
        checks=checks,
        suite_files_sha256=suite_files_sha256(asking.suite.folder),
        guard_policy_sha256=asking.world.assistant.guards.policy_sha256,
        against_sha256=(production or ours).lineage.adapter_sha256,
        base=(base or ours).lineage.adapter,
    )
