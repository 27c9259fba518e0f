"""The assistant on the command line.

    python -m assistant serve --demo       the assistant with the demo organisation
    python -m assistant ask QUESTION --as PERSON
    python -m assistant users list

Exit codes: 0 done, 1 something was found or failed, 2 wrong input or settings, 3 not allowed, 4 the database, the Qdrant
server, the model server or something else that we need is down (the message says what to do), 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from core.command import Command, dispatch

COMMANDS = {
    "serve": Command("assistant.serve_command", "start the assistant: pages and API"),
    "ask": Command("assistant.ask_command", "put one question as a person"),
    "read": Command("assistant.read_command", "read passages for questions, as JSON lines"),
    "reviews": Command("assistant.reviews_command", "the review queue: list, decide, export, import"),
    "adapters": Command("assistant.adapters_command", "the registry: list, register, stage, approve, compare"),
    "rollout": Command("assistant.rollout_command", "what serves whom: try, promote, roll back, drill"),
    "reconcile": Command("assistant.reconcile_command", "bring the model servers to hold the adapters that serve"),
    "users": Command("assistant.users_command", "people, groups and passwords"),
    "person": Command("assistant.person_command", "what is kept of a person: export, erase"),
    "keys": Command("assistant.keys_command", "API keys"),
    "pseudonyms": Command("assistant.pseudonyms_command", "what stands for people's data, and its key"),
    "audit": Command("assistant.audit_command", "verify and read the audit log"),
    "backup": Command("assistant.backup", "write everything into one file, while serving too"),
    "restore": Command("assistant.restore", "bring a backup into an empty home folder"),
    "settings": Command("assistant.settings_command", "every setting, its value and its meaning"),
    "demo": Command("assistant.demo", "make the demo organisation's people"),
    "bench": Command("assistant.bench", "measure the answer path"),
    "bench-adapters": Command("assistant.bench_adapters", "measure adapters: load, several at once, swaps, rollback"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Errors of ours are one line, without a traceback."""
    return dispatch("assistant", __doc__, COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main())
