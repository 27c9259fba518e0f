"""What the product makes of two real handbooks: python -m scripts.bench_handbook FOLDER

FOLDER holds `handbook-18f` and `policies-github-site`. They are ingested as they are, and the questions of
training/employee_questions.py are asked on them, in words that are seldom the documents' own: those on the documents that are held
out, from which no adapter and no weight has learnt.

found: a passage with the answering part is among those retrieved. first: of all parts of the passages, that part comes first, where
one was found. answered: the answer quotes it. wrong: an answer that quotes another part. refused: of questions that nothing
answers.

JSON fields: measure, model, n, found, first_n, first, answered, wrong, unanswerable_n, refused, low, high (95 % interval of
answered), seconds, date, machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from assistant.bench import machine
from assistant.bootstrap import Assistant, build
from assistant.embedded import EmbeddedReader
from assistant.units import units
from core.errors import BadInput
from core.offline import go_quiet
from core.rates import wilson
from core.records import Question
from core.settings import load_settings
from training.employee_questions import WHO, employee_questions, plain, require_folders, right_units, take_in


def measure(assistant: Assistant, documents: dict[str, str]) -> Counter[str]:
    """Counts over the held-out questions whose document was taken in."""
    model = assistant.answerer.model
    assert isinstance(model, EmbeddedReader)
    counts: Counter[str] = Counter()
    for asked in employee_questions():
        if not asked.held_out or asked.document not in documents:
            continue
        answer = assistant.answerer.answer(Question(asked.question, WHO, temporary=True))
        if not asked.quote:
            counts["unanswerable"] += 1
            counts["refused"] += answer.status != "answered"
            continue
        found = assistant.retriever.retrieve(asked.question, WHO, limit=assistant.settings.retrieve_limit)
        right = right_units(asked, found.passages, documents[asked.document])
        said = plain(answer.text)
        wanted = [plain(one) for one in (asked.quote, *asked.also)]
        texts = [plain(units(found.passages[p].text)[u].text) for p, u in right]
        quoted = any(one and one in said for one in (*wanted, *texts))
        counts["answerable"] += 1
        counts["answered"] += quoted
        counts["wrong"] += answer.status == "answered" and not quoted
        if right:
            counts["found"] += 1
            best = model.find(asked.question, found.passages).scored[0]
            counts["first"] += (best.passage, best.place) in right
    return counts


def main() -> int:
    go_quiet()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    try:
        require_folders(args.folder)
    except BadInput as error:
        sys.stderr.write(f"{error}\n")
        return 2
    with build(load_settings()) as assistant:
        documents = take_in(assistant, args.folder)
        began = time.perf_counter()
        counts = measure(assistant, documents)
        line = {
            "measure": "questions on two real handbooks, held-out documents",
            "model": assistant.answerer.model.adapter,
        }
    asked, found, none = counts["answerable"], counts["found"], counts["unanswerable"]
    rate = wilson(counts["answered"], asked)
    line |= {"n": asked, "found": round(found / asked, 3), "first_n": found, "first": round(counts["first"] / found, 3)}
    line |= {"answered": round(rate.rate, 3), "low": round(rate.low, 3), "high": round(rate.high, 3)}
    line |= {
        "wrong": round(counts["wrong"] / asked, 3),
        "unanswerable_n": none,
        "refused": round(counts["refused"] / none, 3),
    }
    line |= {
        "seconds": round(time.perf_counter() - began, 1),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
