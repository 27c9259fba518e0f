"""The registry of adapters: which there are, how far each may go, who said so and why.

    python -m assistant adapters list
    python -m assistant adapters register FOLDER --as ana.admin --dataset DATASET --reason "60 corrections"
    python -m eval gate --adapter ADAPTER
    python -m assistant adapters stage ADAPTER --as ana.admin --reason "the gate is open"
    python -m assistant adapters request ADAPTER --as ana.admin --reason "5 points better on leave"
    python -m assistant adapters approve ADAPTER --as ben.admin --reason "read the report"
    python -m assistant adapters diff OLD NEW
    python -m assistant adapters block --person ben.okafor --as ana.admin --reason "erasure"     (or --document, or ADAPTER)

`stage` takes the newest gate report of the adapter's content, or the one that --report names; it and `approve` refuse one by other
thresholds or on another suite than ASSISTANT_RETRAIN_GATE and ASSISTANT_RETRAIN_SUITE name, or under another guard policy than is in
force. In staging, `stage` takes a newer report. Whoever registered an adapter, or asked for its approval, cannot approve it. What serves whom is changed by `python -m assistant rollout`.

JSON fields of list: adapter, stage, kind, base, ceiling, created_by, created_at, blocked, passed (of the gate's cases, or null), serves.
JSON fields of show: adapter, stage, kind, base, ceiling, created_by, created_at, blocked, passed, serves, sha256, base_sha256, folder, dataset, run, parent, asked_by (who waits for an approval, or ""), verifies, problem.
JSON fields of history: event_id, at, actor, action, from_stage, to_stage, reason, gate_run (of the report that it rested on, or "").
JSON fields of diff: field, before, after.
JSON fields of card: adapter, card.
JSON fields of register, stage, request, decline, approve, archive, block, unblock: adapter, action, stage, blocked.

Exit codes: 0 done, 2 wrong input or a step that the registry refuses, 3 not allowed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from assistant.bases import open_registry, standing_now
from assistant.console import Opened, add_admin, add_json, administrator, opened, say, table
from core.adapter_card import card, diff
from core.datasets import Datasets
from core.errors import AdapterRefused, BadInput, Conflict
from core.gate import GateReport, newest_report, read_report
from core.records import CLASSIFICATIONS, AdapterRecord
from core.registry import Registry, Training
from core.standing import Standing

STEPS = ("stage", "request", "decline", "approve", "archive", "block", "unblock")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "adapters", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    reads = {
        "list": acts.add_parser("list", help="every adapter, in the order in which they were registered"),
        "show": acts.add_parser("show", help="one adapter, and whether its files verify"),
        "history": acts.add_parser("history", help="who did what to it, when and why"),
        "card": acts.add_parser("card", help="its model card, in Markdown"),
        "diff": acts.add_parser("diff", help="what two adapters do not share"),
    }
    register = acts.add_parser("register", help="take a sealed folder in, as dev")
    register.add_argument("folder", type=Path, metavar="FOLDER")
    register.add_argument("--dataset", metavar="DATASET", help="that it was trained on")
    register.add_argument("--run", default="", metavar="RUN", help="the tracked training run")
    register.add_argument("--parent", default="", metavar="ADAPTER", help="that its training went on from")
    register.add_argument(
        "--ceiling", choices=CLASSIFICATIONS, help="highest classification of its rows, if no --dataset"
    )
    steps = {
        "stage": acts.add_parser(
            "stage", help="dev to staging, with a passing gate report; in staging, with a newer one"
        ),
        "request": acts.add_parser("request", help="ask a second person to let it into production"),
        "decline": acts.add_parser("decline", help="close an open request without approving"),
        "approve": acts.add_parser("approve", help="staging to production, as the second person"),
        "archive": acts.add_parser("archive", help="the end: it serves nobody any longer, its files stay"),
        "block": acts.add_parser("block", help="let it serve nobody from the next question on"),
        "unblock": acts.add_parser("unblock", help="let a blocked one serve again"),
    }
    steps["stage"].add_argument("--report", type=Path, metavar="FILE", help="the newest of its content unless given")
    for name in ("show", "history", "card"):
        reads[name].add_argument("adapter", metavar="ADAPTER")
    for name in ("before", "after"):
        reads["diff"].add_argument(name, metavar=name.upper())
    for name, one in steps.items():
        one.add_argument("adapter", metavar="ADAPTER", nargs="?" if name == "block" else None)
    steps["block"].add_argument(
        "--person",
        dest="erased_person",
        default="",
        metavar="PERSON",
        help="all that were trained on this person's words",
    )
    steps["block"].add_argument(
        "--document",
        dest="erased_document",
        default="",
        metavar="DOCUMENT",
        help="all that were trained on this document",
    )
    for one in (register, *steps.values()):
        one.add_argument("--reason", required=True, metavar="WORDS", help="why; kept with the act")
        add_admin(one)
    for one in reads.values():
        add_admin(one, required=False)
    for one in (register, *reads.values(), *steps.values()):
        add_json(one)


def run(args: argparse.Namespace) -> int:
    acts: dict[str, Callable[[argparse.Namespace, Opened, Registry], None]] = {
        "list": _list,
        "show": _show,
        "history": _history,
        "card": _card,
        "diff": _diff,
        "register": _register,
        **dict.fromkeys(STEPS, _step),
    }
    with opened() as here:
        if args.person:
            args.person = administrator(here, args.person)
        acts[args.act](args, here, open_registry(here.settings, here.store, here.audit))
    return 0


def role_of(adapter_id: str, standing: Standing | None) -> str:
    """Whom it serves now, in a few words; "" for nobody."""
    if standing is None:
        return ""
    row = standing.rollout
    if adapter_id == row.production:
        return "everybody" if row.mode in ("none", "shadow") else "everybody else"
    if any(arm.adapter == adapter_id for arm in row.arms):
        weight = next(arm.weight for arm in row.arms if arm.adapter == adapter_id)
        return "nobody, it answers beside" if row.mode == "shadow" else f"{weight:.0%} of the people"
    return ""


def plain_adapter(record: AdapterRecord, report: GateReport | None, serves: str) -> dict[str, Any]:
    """An adapter as `list` tells of it."""
    return {
        "adapter": record.adapter_id,
        "stage": record.stage,
        "kind": record.kind,
        "base": record.base,
        "ceiling": record.ceiling,
        "created_by": record.created_by,
        "created_at": record.created_at.isoformat(timespec="seconds"),
        "blocked": record.blocked,
        "passed": report.pass_rate if report else None,
        "serves": serves,
    }


def _list(args: argparse.Namespace, here: Opened, registry: Registry) -> None:
    standing = standing_now(here.store, here.audit, registry)
    found = [
        plain_adapter(one, registry.report(one.adapter_id), role_of(one.adapter_id, standing)) for one in registry.all()
    ]
    if args.json:
        for row in found:
            say(args, "", row)
        return
    if not found:
        sys.stdout.write("No adapter is registered yet: python -m assistant adapters register FOLDER --as PERSON\n")
        return
    rows = [("ADAPTER", "STAGE", "GATE", "CEILING", "SERVES", "")]
    for row in found:
        passed = "-" if row["passed"] is None else f"{row['passed']:.1%}"
        blocked = f"blocked: {row['blocked']}" if row["blocked"] else ""
        rows.append((row["adapter"], row["stage"], passed, row["ceiling"], row["serves"] or "nobody", blocked))
    sys.stdout.write(table(rows) + "\n")


def _show(args: argparse.Namespace, here: Opened, registry: Registry) -> None:
    record = registry.get(args.adapter)
    asked, problem = registry.open_request(args.adapter), ""
    try:
        registry.verified(args.adapter)
    except AdapterRefused as error:
        problem = str(error)
    serves = role_of(args.adapter, standing_now(here.store, here.audit, registry))
    fields = plain_adapter(record, registry.report(args.adapter), serves) | {
        "sha256": record.sha256,
        "base_sha256": record.base_sha256,
        "folder": str(registry.folder(record)),
        "dataset": record.dataset_id,
        "run": record.run_id,
        "parent": record.parent,
        "asked_by": asked.actor if asked else "",
        "verifies": not problem,
        "problem": problem,
    }
    width = max(map(len, fields))
    lines = [f"{name.ljust(width)}  {'-' if value in (None, '') else value}" for name, value in fields.items()]
    if report := registry.report(args.adapter):
        lines += ["", *(f"gate  {check.name}: {check.detail}" for check in report.checks)]
    say(args, "\n".join(lines), fields)


def _history(args: argparse.Namespace, here: Opened, registry: Registry) -> None:  # noqa: ARG001
    for one in registry.history(args.adapter):
        told = f"{one.at:%Y-%m-%d %H:%M:%S}  {one.actor}  {one.action}  {one.from_stage or 'new'} to {one.to_stage}"
        fields = {
            "event_id": one.event_id,
            "at": one.at.isoformat(timespec="seconds"),
            "actor": one.actor,
            "action": one.action,
            "from_stage": one.from_stage,
            "to_stage": one.to_stage,
            "reason": one.reason,
            "gate_run": one.report.run_id if one.report else "",
        }
        say(args, f"{told}  {one.reason}", fields)


def _card(args: argparse.Namespace, here: Opened, registry: Registry) -> None:
    text = card(registry, Datasets(here.store, here.audit), args.adapter)
    say(args, text, {"adapter": args.adapter, "card": text})


def _diff(args: argparse.Namespace, here: Opened, registry: Registry) -> None:  # noqa: ARG001
    for one in diff(registry, args.before, args.after):
        fields = {"field": one.field, "before": one.before, "after": one.after}
        say(args, f"{one.field}\n  {one.before}\n  {one.after}", fields)


def _register(args: argparse.Namespace, here: Opened, registry: Registry) -> None:  # noqa: ARG001
    if not args.reason.strip():
        raise BadInput("Say why: the reason is kept with the act.")
    training = Training(args.dataset, args.run, args.parent, args.ceiling)
    record = registry.register(args.folder, actor=args.person, training=training, reason=args.reason)
    _said(args, record, f"{record.adapter_id} is registered, for people cleared for {record.ceiling}. {_next(record)}")


def _block_trained_on(args: argparse.Namespace, here: Opened, registry: Registry) -> None:
    """Block what an erasure reaches, and what was trained on from one of them."""
    if args.adapter:
        raise BadInput("Name an adapter, or what adapters were trained on, and not both.")
    names = registry.block_trained_on(
        actor=args.person, reason=args.reason, person_id=args.erased_person, document_id=args.erased_document
    )
    for name in names:
        _said(args, registry.get(name), f"{name} serves nobody from the next question on.")
    if not names:
        Datasets(here.store, here.audit).require_known(person_id=args.erased_person, document_id=args.erased_document)
    if not names and not args.json:
        sys.stdout.write("No adapter was trained on it.\n")


def _step(args: argparse.Namespace, here: Opened, registry: Registry) -> None:
    if args.act == "block" and (args.erased_person or args.erased_document or not args.adapter):
        _block_trained_on(args, here, registry)
        return
    name, given = args.adapter, {"actor": args.person, "reason": args.reason}
    if args.act == "stage":
        registry.stage(name, report_for(registry, name, here.settings.home, args.report), **given)
    else:
        steps: dict[str, Callable[..., object]] = {
            "request": registry.request,
            "decline": registry.decline,
            "approve": registry.approve,
            "archive": registry.archive,
            "block": registry.block,
            "unblock": registry.unblock,
        }
        steps[args.act](name, **given)
    record = registry.get(name)
    told = {
        "request": f"{name} waits for another administrator: python -m assistant adapters approve {name} --as PERSON",
        "decline": f"{name} stays in staging.",
        "archive": f"{name} is archived; its files stay at {registry.folder(record)}.",
        "block": f"{name} serves nobody from the next question on.",
        "unblock": f"{name} is not blocked any more; it is in {record.stage}.",
    }.get(args.act, f"{name} is in {record.stage}. {_next(record)}")
    _said(args, record, told)


def report_for(registry: Registry, adapter_id: str, home: Path, path: Path | None = None) -> GateReport:
    """The gate report to stage an adapter with: that file, or the newest of its content.

    Raises:
        NotFound: it is not registered. Conflict: its content was never gated here. BadInput: the file is no report.
    """
    record = registry.get(adapter_id)
    found = read_report(path) if path else newest_report(home, record.sha256, registry.demand(adapter_id))
    if found is None:
        raise Conflict(f"No gate report speaks of this content. Run: python -m eval gate --adapter {adapter_id}")
    return found


def _next(record: AdapterRecord) -> str:
    """The command that comes next."""
    name = record.adapter_id
    return {
        "dev": f"Next: python -m eval gate --adapter {name}",
        "staging": f"Try it: python -m assistant rollout canary {name}; or ask: python -m assistant adapters request {name}",
        "production": f"Bring it into service: python -m assistant rollout promote {name}",
    }.get(record.stage, "")


def _said(args: argparse.Namespace, record: AdapterRecord, told: str) -> None:
    fields = {"adapter": record.adapter_id, "action": args.act, "stage": record.stage, "blocked": record.blocked}
    say(args, told, fields)
