"""The assistant on the command line.

    python -m assistant serve --demo       the assistant with the demo organisation
    python -m assistant ask QUESTION --as PERSON
    python -m assistant users list

Exit codes: 0 done, 1 something was found or failed, 2 wrong input or settings, 3 not allowed, 4 something that we need
does not answer, 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

from core.errors import AssistantError
from core.offline import go_quiet


@dataclass(frozen=True, slots=True)
class Command:
    """A command's module (`add_parser(subparsers)`, `run(args) -> int`), imported only when it is the one asked for."""

    module: str
    help: str


COMMANDS = {
    "serve": Command("assistant.serve_command", "start the assistant: pages and API"),
    "ask": Command("assistant.ask_command", "put one question as a person"),
    "read": Command("assistant.read_command", "read passages for questions, as JSON lines"),
    "users": Command("assistant.users_command", "people, groups and passwords"),
    "keys": Command("assistant.keys_command", "API keys"),
    "audit": Command("assistant.audit_command", "verify and read the audit log"),
    "backup": Command("assistant.backup", "write everything into one file, while serving too"),
    "restore": Command("assistant.restore", "bring a backup into an empty home folder"),
    "settings": Command("assistant.settings_command", "every setting, its value and its meaning"),
    "demo": Command("assistant.demo", "make the demo organisation's people"),
    "bench": Command("assistant.bench", "measure the answer path"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Errors of ours are one line, without a traceback."""
    go_quiet()
    given = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="python -m assistant", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    modules: dict[str, ModuleType] = {}
    for name, command in COMMANDS.items():
        if given and given[0] == name:
            modules[name] = importlib.import_module(command.module)
            modules[name].add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=command.help)
    args = parser.parse_args(given)
    try:
        return int(modules[args.command].run(args))
    except AssistantError as error:
        _tell(error, as_json=getattr(args, "json", False))
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
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
