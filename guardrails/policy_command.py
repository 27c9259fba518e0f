"""The policy command: checks a policy file and says what it does.

    python -m guardrails policy                     the packaged policy
    python -m guardrails policy --file own.yaml     a company's own; every mistake is named with its line

JSON fields: kind, name, value.

Exit codes: 0 the policy is sound, 2 it is not.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from guardrails.policy import Policy, load_policy


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "policy",
        help="check a policy file, and say what it does",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--file", type=Path, metavar="FILE", help="instead of the packaged policy")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    for kind, name, value in lines(load_policy(args.file)):
        row = {"kind": kind, "name": name, "value": value}
        sys.stdout.write(json.dumps(row) + "\n" if args.json else f"{kind:<8} {name:<24} {value}\n")
    return 0


def lines(policy: Policy) -> Iterator[tuple[str, str, str]]:
    """What the policy says, a line at a time."""
    for name, topic in policy.topics.items():
        yield "topic", name, f"{topic.action}{f', contact {topic.contact}' if topic.contact else ''}"
    for rail, r in policy.rails.items():
        yield "rail", rail, f"{'runs' if r.run else 'OFF'}, at most {r.budget_ms} ms"
    for name, e in policy.personal_data.entities.items():
        yield "entity", name, f"from {e.threshold}: question {e.question}, answer {e.answer}, documents {e.documents}"
    for stage, on in policy.nemo.model_dump().items():
        yield "nemo", stage, "NeMo runs it" if on else "called directly"
    yield "judged", "scope", policy.judged.scope
