"""The audit log: whether it is whole, and what it says.

python -m assistant audit verify        exit code 1 where a row was changed, removed or moved; names the rows
python -m assistant audit list --limit 50

JSON fields of list: seq, at, actor, action, subject, details.
JSON fields of verify: seq, problem.
JSON fields of verify's last line: summary, rows, findings.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from assistant.console import add_json, opened, say


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("audit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    verify = acts.add_parser("verify", help="check every row's hash, the chain and its end")
    listed = acts.add_parser("list", help="the newest rows, newest first")
    listed.add_argument("--limit", type=int, default=50)
    for one in (verify, listed):
        add_json(one)


def run(args: argparse.Namespace) -> int:
    with opened() as here:
        if args.act == "list":
            for row in here.audit.rows(limit=max(1, args.limit)):
                fields = {k: v for k, v in asdict(row).items() if k not in ("previous", "hash")}
                details = json.loads(row.details)
                told = " ".join(f"{k}={v}" for k, v in details.items())
                text = f"{row.seq:>6}  {row.at[:19]}Z  {row.actor:<20} {row.action:<20} {row.subject}  {told}"
                say(args, text.rstrip(), fields | {"details": details})
            return 0
        findings = here.audit.verify()
        for finding in findings:
            say(args, f"row {finding.seq}: {finding.problem}", asdict(finding))
        count = here.audit.count()
        whole = f"The audit log is whole: {count} rows."
        broken = (
            f"{len(findings)} findings in {count} rows: the log was tampered with, or the home folder is another one's."
        )
        say(args, broken if findings else whole, {"summary": True, "rows": count, "findings": len(findings)})
        return 1 if findings else 0
