"""The rails on the command line.

    python -m guardrails check --stage input < questions.jsonl
    python -m guardrails evaluate pii FILE
    python -m guardrails evaluate injection FILE
    python -m guardrails policy --file own.yaml
    python -m guardrails bench

check and evaluate injection judge as the assistant does, by rules and by the adapter of ASSISTANT_GUARD_MODEL. Opening that is a
composition root's work, which this file is: docs/design/entry-points.md.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from core.command import exit_code
from core.offline import go_quiet
from core.settings import load_settings
from guardrails.classifier import Judge

JUDGE: Final = "retrieval.judge"
"""Named, as commands are, and opened only by the commands that judge: the package itself knows nothing of retrieval."""
PROMPT: Final = "assistant.prompt"
"""Holds the prompt template, which answers must not repeat; `check --stage output` judges by it as the assistant does."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Errors of ours are one line on stderr, without a traceback."""
    go_quiet()
    from guardrails import bench_command, check_command, evaluate_command, policy_command

    parser = argparse.ArgumentParser(
        prog="python -m guardrails", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands = {"check": check_command, "evaluate": evaluate_command, "policy": policy_command, "bench": bench_command}
    for command in commands.values():
        command.add_parser(subparsers)
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    args.open_judge, args.template_text = _open_judge, _template_text
    return exit_code(lambda: commands[args.command].run(args), interrupted="")


def _open_judge() -> Judge | None:
    opened: Judge | None = import_module(JUDGE).open_judge(load_settings())
    return opened


def _template_text() -> str:
    text: str = import_module(PROMPT).TEMPLATE_TEXT
    return text


if __name__ == "__main__":
    sys.exit(main())
