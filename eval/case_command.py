"""The cases command: is a suite sound, what is in it, and which of its cases no longer match their documents.

    python -m eval cases eval/suites/demo
    python -m eval cases eval/suites/demo --accept
    python -m eval cases --false-alarms > eval/suites/ours/false-alarms.yaml

Reads every case, looks for each evidence quote in its document as the assistant converts it, and compares the documents'
hashes with documents.yaml. A case is stale when a document that it rests on is not the file that the case was last
checked against: read the document's change, correct the cases, then --accept writes the present hashes. It refuses where
a quote is not in its document.

--false-alarms writes the questions that a guard stopped and an administrator found harmless (the page Guards) as cases:
add what a right answer says (`acceptable`) and where it stands (`evidence`), and who asks where the suite has other people.

JSON fields of false alarms: id, kind, group, person, question, acceptable, evidence, tags.
JSON fields: case_id, kind, where, stale, not_found.
JSON fields of the last line: summary, suite, sha256, cases, kinds, languages, stale, not_found.

Exit codes: 0 sound, 1 stale cases or quotes that are not in their document, 2 wrong input.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import yaml

from core.errors import BadInput
from core.suites import PINS_FILE
from eval.cases import Case, Suite, load_suite
from eval.quotes import unfounded


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "cases",
        help="check a suite's cases against their documents",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "suite", type=Path, nargs="?", metavar="FOLDER", help="a suite folder, such as eval/suites/demo"
    )
    parser.add_argument("--false-alarms", action="store_true", help="write the guards' false alarms as cases")
    parser.add_argument(
        "--accept", action="store_true", help="the cases match the documents as they are: keep the hashes"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a case that needs a look, and a summary")


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    if args.false_alarms:
        return _false_alarms(as_json=args.json)
    if args.suite is None:
        raise BadInput("Name a suite folder, such as eval/suites/demo, or give --false-alarms.")
    suite = load_suite(args.suite)
    lost = unfounded(suite)
    if args.accept and not lost:
        write_pins(suite)
        suite = load_suite(args.suite)
    stale = suite.stale()
    for case in suite.cases:
        if case.case_id in stale or case.case_id in lost:
            _say(case, stale.get(case.case_id, ()), lost.get(case.case_id, ()), as_json=args.json)
    kinds, languages = Counter(c.kind for c in suite.cases), Counter(c.language for c in suite.cases)
    if args.json:
        counts = {"cases": len(suite.cases), "kinds": dict(kinds), "languages": dict(languages)}
        head = {"summary": True, "suite": suite.name, "sha256": suite.sha256}
        sys.stdout.write(json.dumps({**head, **counts, "stale": len(stale), "not_found": len(lost)}) + "\n")
    else:
        said = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in kinds.most_common())
        sys.stdout.write(f"{suite.name}: {len(suite.cases)} cases ({said})\n")
        sys.stdout.write(f"{len(stale)} stale, {len(lost)} with a quote that is not in its document\n")
    return 1 if stale or lost else 0


def _false_alarms(*, as_json: bool) -> int:
    from assistant.console import opened
    from core.guard_reports import GuardReports

    with opened() as here:
        cases = GuardReports(here.store, here.audit).cases()
    if as_json:
        sys.stdout.writelines(json.dumps(case, ensure_ascii=False) + "\n" for case in cases)
    elif cases:
        sys.stdout.write(yaml.safe_dump({"cases": cases}, allow_unicode=True, sort_keys=False))
    else:
        sys.stderr.write("No report of a false alarm is decided as one: see the page Guards.\n")
    return 0


def write_pins(suite: Suite) -> Path:
    """Keep the hashes that the cases' documents have now."""
    path = suite.folder / PINS_FILE
    head = "# The documents that the cases were last checked against: `python -m eval cases FOLDER --accept` writes this file.\n"
    path.write_text(head + yaml.safe_dump(dict(suite.current_sha256), allow_unicode=True), encoding="utf-8")
    return path


def _say(case: Case, stale: tuple[str, ...], lost: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        line: Mapping[str, object] = {
            "case_id": case.case_id,
            "kind": case.kind,
            "where": case.where,
            "stale": list(stale),
            "not_found": list(lost),
        }
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
        return
    reasons = [f"{name} has changed since" for name in stale] + [f"a quote is not in {name}" for name in lost]
    sys.stdout.write(f"{case.where}: {case.case_id}: {'; '.join(reasons)}\n")
