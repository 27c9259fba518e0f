"""What an answer is worth, and whether an adapter may serve.

    python -m eval run --suite demo
    python -m eval gate --adapter ID
    python -m eval experiment simulate

Exit codes: 0 done, 1 the gate is closed or something was found, 2 wrong input or could not run, 4 something that we need does not
answer (2 from the gate), 130 interrupted: the same command goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from core.command import Command, dispatch

COMMANDS = {
    "run": Command("eval.run_command", "put a suite to an adapter"),
    "gate": Command("eval.gate_command", "decide whether an adapter may be promoted"),
    "cases": Command("eval.case_command", "check a suite's cases against their documents"),
    "calibrate": Command("eval.calibrate", "where an answer counts as correct"),
    "import": Command("eval.importing", "a suite from SQuAD, BEIR or CSV files"),
    "experiment": Command("eval.experiments", "plan and judge an experiment between two adapters"),
    "canary": Command("eval.canary", "judge the canary that is running: hold, advance or stop"),
    "ratings": Command("eval.ratings_command", "let people rate answers, blind"),
    "drift": Command("eval.drift_command", "compare a window of use with an earlier one"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Errors of ours are one line, without a traceback."""
    interrupted = "Interrupted. What is finished is kept: the same command goes on from there.\n"
    return dispatch("eval", __doc__, COMMANDS, argv, interrupted=interrupted, error_codes={"gate": 2})


if __name__ == "__main__":
    sys.exit(main())
