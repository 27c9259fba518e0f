"""How often the answer's "Yes." or "No." is right: python scripts/yes_no.py DATA/reading/conditionalqa/train.json

Judges assistant/yes_no.py on questions that people answered with yes or no from the same sentences. "Under conditions."
counts as right where the judged answer carries conditions.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from assistant.units import Unit
from assistant.yes_no import lead_of

TAG = re.compile(r"<[^>]+>")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    args = parser.parse_args()
    counts: Counter[tuple[str, str]] = Counter()
    for record in json.loads(args.file.read_text(encoding="utf-8")):
        answers = {answer[0].lower() for answer in record["answers"]}
        if len(answers) != 1 or not answers <= {"yes", "no"}:
            continue
        judged = "under conditions" if any(answer[1] for answer in record["answers"]) else next(iter(answers))
        leads = [
            lead
            for piece in record["evidences"]
            if (lead := lead_of(record["question"], Unit("sentence", TAG.sub("", piece), "", 0), "en"))
        ]
        counts[judged, leads[0].rstrip(".").lower() if leads else "none"] += 1
    for (judged, said), n in sorted(counts.items()):
        print(f"judged {judged:<18} said {said:<18} {n}")
    said = {k: n for k, n in counts.items() if k[1] != "none"}
    right = sum(n for (judged, lead), n in said.items() if judged == lead)
    wrong = sum(n for (judged, lead), n in said.items() if {judged, lead} == {"yes", "no"})
    print(f"{sum(counts.values())} questions, a lead for {sum(said.values())}: {right} right, {wrong} the opposite")


if __name__ == "__main__":
    main()
