"""Training on the command line.

    python -m training dataset build
    python -m training run training/configs/reader.yaml --dataset ID
    python -m training retrain
    python -m training worker
    python -m training reader --data DIR --out DIR
    python -m training soup --data DIR --out DIR --adapter ID MEMBER MEMBER...
    python -m training practice --data DIR --out DIR
    python -m training reranker --data DIR --out DIR
    python -m training score --data DIR

Exit codes: 0 done, 1 a dataset does not verify, 2 wrong input, 130 interrupted (the same command goes on from the last checkpoint).
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence

from core.command import Command, dispatch

COMMANDS = {
    "dataset": Command("training.dataset_command", "build and check datasets of reviewed answers"),
    "run": Command("training.run_command", "train an adapter by a configuration file"),
    "retrain": Command("training.retrain_command", "ask for a retraining, or see them"),
    "worker": Command("training.worker_command", "work on retrainings"),
    "reader": Command("training.reader", "train the embedded reader"),
    "soup": Command("training.soup", "average readers into a better one"),
    "practice": Command("training.practice", "let the reader practise on employees' questions"),
    "reranker": Command("training.reranker", "train the reranker"),
    "score": Command("training.score_command", "score a reader on held-out questions"),
    "injection": Command("training.injection", "train the judge of injections"),
    "ner": Command("training.ner", "train the model that finds names and places"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Errors of ours are one line, without a traceback."""
    # peft asks transformers by a name that it will drop; nothing for whoever trains
    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", stream=sys.stderr)
    logging.getLogger("training").setLevel(logging.INFO)
    interrupted = "Interrupted. The same command goes on from the last checkpoint.\n"
    return dispatch("training", __doc__, COMMANDS, argv, interrupted=interrupted)


if __name__ == "__main__":
    sys.exit(main())
