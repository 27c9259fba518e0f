"""Where an answer counts as correct: the token F1 that agrees best with pairs labelled by hand.

    python -m eval calibrate
    python -m eval calibrate --pairs mine.yaml --json
    python -m eval calibrate --judge               how often the served model as a judge agrees with the labels

The threshold is the middle of the best range by balanced accuracy (mean of the shares of right and of wrong answers that
it tells); the leave-one-out figure says how it would do on a pair that it has not seen. It changes nothing: the constant
CORRECT in eval/scorers.py is set by hand and held to this by a test.

The judge is asked as `run --judge` asks it, with the pair's question; a pair that has none is put to it without, which is another
prompt than the run's, and `questions` says how many have one.

JSON fields: pairs, questions, correct, threshold, balanced_accuracy, leave_one_out, in_use, judge (its name, or ""), judge_agrees, judge_kappa, judge_silent.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from assistant.console import add_json, say
from core.errors import BadInput
from core.settings import load_settings
from eval.judge import Judge, open_judge
from eval.scorers import CORRECT, answer_f1

PAIRS = Path(__file__).parent / "calibration.yaml"
STEPS = [step / 100 for step in range(1, 100)]


@dataclass(frozen=True, slots=True)
class Labelled:
    """A pair, its score, and what a person said of it."""

    value: float
    correct: bool
    acceptable: tuple[str, ...] = ()
    answer: str = ""
    question: str = ""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "calibrate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=Path, default=PAIRS, metavar="FILE")
    parser.add_argument("--judge", action="store_true", help="ask the model of MODEL_URL and MODEL, too")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    pairs = read_pairs(args.pairs)
    chosen = threshold(pairs)
    fields = {
        "pairs": len(pairs),
        "questions": sum(bool(pair.question) for pair in pairs),
        "correct": sum(pair.correct for pair in pairs),
        "threshold": chosen,
        "balanced_accuracy": round(balanced_accuracy(pairs, chosen), 4),
        "leave_one_out": round(leave_one_out(pairs), 4),
        "in_use": CORRECT,
        **judged(pairs, open_judge(load_settings()) if args.judge else None),
    }
    say(args, ", ".join(f"{name} {value}" for name, value in fields.items()), fields)
    return 0


def read_pairs(path: Path) -> list[Labelled]:
    """Raises BadInput where the file is no list of pairs, or has fewer than two right or two wrong ones: each is left out once."""
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
        pairs = [
            _labelled(
                tuple(map(str, entry["acceptable"])),
                str(entry["answer"]),
                bool(entry["correct"]),
                str(entry.get("question", "")),
            )
            for entry in entries
        ]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError):
        raise BadInput(
            f"{path}: needs a list of correct (true or false), acceptable (a list), answer and, for a judge, question."
        ) from None
    if min(sum(pair.correct == right for pair in pairs) for right in (True, False)) < 2:
        raise BadInput(f"{path}: needs at least two right and two wrong answers to find a threshold between them.")
    return pairs


def judged(pairs: Sequence[Labelled], judge: Judge | None) -> dict[str, object]:
    """How often a judge says what the labels say, and Cohen's kappa, which takes chance agreement away; its silence counts apart."""
    if judge is None:
        return {"judge": "", "judge_agrees": None, "judge_kappa": None, "judge_silent": None}
    said = [(judge.says(pair.question, pair.acceptable, pair.answer), pair.correct) for pair in pairs]
    told = [(one, two) for one, two in said if one is not None]
    agrees = sum(one == two for one, two in told) / len(told) if told else 0.0
    yes, right = (sum(column) / len(told) if told else 0.0 for column in list(zip(*told, strict=True)) or ((), ()))
    chance = yes * right + (1 - yes) * (1 - right)
    kappa = (agrees - chance) / (1 - chance) if chance < 1 else 0.0
    return {
        "judge": judge.name,
        "judge_agrees": round(agrees, 4),
        "judge_kappa": round(kappa, 4),
        "judge_silent": len(said) - len(told),
    }


def _labelled(acceptable: tuple[str, ...], answer: str, correct: bool, question: str) -> Labelled:
    return Labelled(max(answer_f1(answer, good) for good in acceptable), correct, acceptable, answer, question)


def threshold(pairs: Sequence[Labelled]) -> float:
    """The middle of the first unbroken range of thresholds with the best balanced accuracy."""
    rated = [round(balanced_accuracy(pairs, step), 9) for step in STEPS]
    first = rated.index(max(rated))
    last = first
    while last + 1 < len(rated) and rated[last + 1] == rated[first]:
        last += 1
    return round((STEPS[first] + STEPS[last]) / 2, 2)


def balanced_accuracy(pairs: Sequence[Labelled], at: float) -> float:
    right = [pair.value >= at for pair in pairs if pair.correct]
    wrong = [pair.value < at for pair in pairs if not pair.correct]
    return (sum(right) / len(right) + sum(wrong) / len(wrong)) / 2


def leave_one_out(pairs: Sequence[Labelled]) -> float:
    """The share of pairs that the threshold of all the others judges as the person did."""
    told = [
        (pair.value >= threshold([*pairs[:place], *pairs[place + 1 :]])) == pair.correct
        for place, pair in enumerate(pairs)
    ]
    return sum(told) / len(told)
