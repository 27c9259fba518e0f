"""Documents and retrieval on the command line.

    python -m retrieval ingest PATH...
    python -m retrieval search QUERY --as PERSON
    python -m retrieval evaluate --corpus F.jsonl --queries F.jsonl --qrels F.tsv

Exit codes: 0 done, 1 some files failed, 2 wrong input or settings, 4 the database, the Qdrant server or something else that we
need is down (the message says what to do), 130 interrupted.

This is a composition root of its own (docs/design/entry-points.md): it may know `guardrails.documents`.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from core.command import exit_code
from core.offline import go_quiet

if TYPE_CHECKING:
    from core.audit import Audit
    from core.settings import Settings
    from retrieval.sources import Scan


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Errors of ours are one line on stderr, or a JSON object with --json."""
    go_quiet()
    from retrieval import calibrate, evaluate, ingest_command, search_command

    parser = argparse.ArgumentParser(
        prog="python -m retrieval", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (ingest_command, search_command, evaluate, calibrate):
        command.add_parser(subparsers)
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    runs: dict[str, Callable[[argparse.Namespace], int]] = {
        "ingest": partial(ingest_command.run, open_scan=open_scan),
        "search": search_command.run,
        "evaluate": evaluate.run,
        "calibrate": calibrate.run,
    }
    interrupted = "Interrupted. What was reported is stored; run the command again for the rest.\n"
    as_json = getattr(args, "json", False)
    return exit_code(lambda: runs[args.command](args), as_json=as_json, interrupted=interrupted)


def open_scan(settings: Settings, audit: Audit) -> Scan:
    """What counts the personal data of a text, by the policy in force; opened where this process ingests."""
    from guardrails.documents import open_scan

    return open_scan(settings, audit)


if __name__ == "__main__":
    sys.exit(main())
