"""Training on the command line.

    python -m training reader --data DIR --out DIR
    python -m training reranker --data DIR --out DIR

Exit codes: 0 done, 2 wrong input, 130 interrupted (the same command goes on from the last checkpoint).
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from core.command import exit_code
from core.offline import go_quiet


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    go_quiet()
    from training import injection, reader, reranker

    parser = argparse.ArgumentParser(
        prog="python -m training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for recipe in (reader, reranker, injection):
        recipe.add_parser(subparsers)
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    interrupted = "Interrupted. The same command goes on from the last checkpoint.\n"
    return exit_code(lambda: int(arguments.run(arguments)), interrupted=interrupted)


if __name__ == "__main__":
    sys.exit(main())
