"""Brings the model servers of MODEL_URL to hold the adapters that should serve, and says what each of them holds.

    python -m assistant reconcile --once      one round; exit code 1 where an adapter is not verified somewhere
    python -m assistant reconcile             again and again, printing what changes, until Ctrl-C

Where an assistant serves this home folder it does so in the background already, and the round is its own.

JSON fields: replica, adapter, state (verified, loading, missing, failed or down), detail, since, load_ms, first_answer_ms.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from assistant.console import add_json, opened, say
from core.errors import BadInput
from core.serving import serving
from core.settings import Settings, load_settings

Row = Mapping[str, Any]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "reconcile", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--once", action="store_true", help="one round, and its outcome as the exit code")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    settings = load_settings()
    if not settings.model_url:
        raise BadInput("There is no model server to look at: set MODEL_URL and MODEL.")
    seen: dict[tuple[str, str], str] = {}
    with _rounds(settings) as look:
        while True:
            rows = look()
            for row in rows:
                key = (str(row["replica"]), str(row["adapter"]))
                if seen.get(key) != row["state"]:
                    say(args, told(row), row)
                    seen[key] = str(row["state"])
            if args.once:
                return 0 if all(row["state"] == "verified" for row in rows) else 1
            time.sleep(settings.reconcile_s)


def told(row: Row) -> str:
    took = f", first answer after {row['first_answer_ms']:.0f} ms" if row["first_answer_ms"] else ""
    return f"{row['replica']}  {row['adapter']}  {row['state']}{took}" + (f"  {row['detail']}" if row["detail"] else "")


@contextmanager
def _rounds(settings: Settings) -> Iterator[Callable[[], list[Row]]]:
    """A round by the process that serves this home folder, else by this one."""
    if running := serving(settings.home):
        yield lambda: list(running.post("/model-servers/reconcile", {}))
        return
    from assistant.fleet import Fleet
    from assistant.holding import keeper

    with opened() as here:
        fleet = Fleet(settings)
        keeping = keeper(settings, here.store, fleet)

        def look() -> list[Row]:
            keeping.round()
            return [standing.row() for standing in fleet.standings()]

        yield look
