"""A process for `test_ingest_crash.py` to kill: ingests a folder slowly and prints each document that it reports as indexed.

python -m tests.retrieval.killed_ingest HOME FOLDER
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from retrieval.embed import HashEmbedder, Vectors
from tests.retrieval.shelf import Shelf


class SlowEmbedder(HashEmbedder):
    def encode(self, texts: Sequence[str]) -> Vectors:
        time.sleep(0.05)
        return super().encode(texts)


def main() -> None:
    shelf = Shelf(Path(sys.argv[1]), embedder=SlowEmbedder())
    for result in shelf.ingest.run([Path(sys.argv[2])], actor="test"):
        print(result.document_id, result.status, flush=True)


if __name__ == "__main__":
    main()
