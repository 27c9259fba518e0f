"""What an answer is worth, and whether an adapter may serve.

    python -m eval run --suite demo
    python -m eval gate --adapter ID
    python -m eval experiment simulate

Exit codes: 0 done, 1 the gate is closed or something was found, 2 wrong input or could not run, 4 something that we need does not
answer (2 from the gate), 130 interrupted: the same command goes on.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from types import ModuleType

from core.errors import AssistantError
from core.offline import go_quiet

COMMANDS = {
    "run": ("eval.run_command", "put a suite to an adapter"),
    "gate": ("eval.gate_command", "decide whether an adapter may be promoted"),
    "cases": ("eval.case_command", "check a suite's cases against their documents"),
    "calibrate": ("eval.calibrate", "where an answer counts as correct"),
    "import": ("eval.importing", "a suite from SQuAD, BEIR or CSV files"),
    "experiment": ("eval.experiments", "plan and judge an experiment between two adapters"),
    "drift": ("eval.drift", "compare a window of use with an earlier one"),
}
"""Name to module (`add_parser(subparsers)`, `run(args) -> int`), imported only when it is the one asked for, and help."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Errors of ours are one line, without a traceback."""
    go_quiet()
    given = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="python -m eval", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    modules: dict[str, ModuleType] = {}
    for name, (module, told) in COMMANDS.items():
        if given and given[0] == name:
            modules[name] = importlib.import_module(module)
            modules[name].add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=told)
    args = parser.parse_args(given)
    try:
        return int(modules[args.command].run(args))
    except AssistantError as error:
        _tell(error, as_json=getattr(args, "json", False))
        return 2 if args.command == "gate" else error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted. What is finished is kept: the same command goes on from there.\n")
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone: nothing left to say
        return 0


def _tell(error: AssistantError, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps({"error": error.code, "message": str(error)}, ensure_ascii=False) + "\n")
    else:
        sys.stderr.write(f"{error}\n")


if __name__ == "__main__":
    sys.exit(main())
