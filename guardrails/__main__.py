"""The rails on the command line.

    python -m guardrails check --stage input < questions.jsonl
    python -m guardrails evaluate pii FILE
    python -m guardrails evaluate injection FILE
    python -m guardrails policy --file own.yaml

This is a composition root of its own (docs/design/entry-points.md): it may open the embedder of `retrieval`, whose
sentence vectors the trained heads judge by. `--rules-only` does without, and starts faster.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from core.errors import AssistantError
from core.offline import go_quiet


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Errors of ours are one line on stderr, without a traceback."""
    go_quiet()
    from guardrails import check_command, evaluate_command, policy_command

    parser = argparse.ArgumentParser(
        prog="python -m guardrails", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rules-only", action="store_true", help="without the trained heads and their encoder")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (check_command, evaluate_command, policy_command):
        command.add_parser(subparsers)
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        if args.command == "policy":
            return policy_command.run(args)
        if args.command == "check":
            return check_command.run(args, None)  # the trained heads need the embedder, which only the assistant opens
        return evaluate_command.run(args, None)
    except AssistantError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone: nothing left to say
        return 0


if __name__ == "__main__":
    sys.exit(main())
