"""What every `python -m PACKAGE` has in common: one command imported at a time, errors of ours in one line, exit codes."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType

from core.errors import AssistantError
from core.offline import go_quiet


@dataclass(frozen=True, slots=True)
class Command:
    """A command's module (`add_parser(subparsers)`, `run(args) -> int`), imported only when it is the one asked for."""

    module: str
    help: str


def dispatch(
    package: str,
    description: str | None,
    commands: Mapping[str, Command],
    argv: Sequence[str] | None,
    *,
    interrupted: str = "Interrupted.\n",
    error_codes: Mapping[str, int] | None = None,
) -> int:
    """Run one command of a package; returns its exit code.

    Args:
        argv: the arguments; None for the process's.
        interrupted: what a person reads after Ctrl-C.
        error_codes: by command, the exit code of any error of ours, in place of the error's own.
    """
    go_quiet()
    given = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog=f"python -m {package}", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    modules: dict[str, ModuleType] = {}
    for name, command in commands.items():
        if given and given[0] == name:
            modules[name] = importlib.import_module(command.module)
            modules[name].add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=command.help)
    args = parser.parse_args(given)
    return exit_code(
        lambda: int(modules[args.command].run(args)),
        as_json=getattr(args, "json", False),
        interrupted=interrupted,
        error_code=(error_codes or {}).get(args.command),
    )


def exit_code(
    run: Callable[[], int], *, as_json: bool = False, interrupted: str = "Interrupted.\n", error_code: int | None = None
) -> int:
    """What `run` returns, or the exit code of how it ended: an error of ours is told in one line, without a traceback."""
    try:
        return run()
    except AssistantError as error:
        if as_json:
            told = {"error": error.code, "message": str(error)}
            sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
        else:
            sys.stderr.write(f"{error}\n")
        return error.exit_code if error_code is None else error_code
    except KeyboardInterrupt:
        sys.stderr.write(interrupted)
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone: nothing left to say
        return 0
