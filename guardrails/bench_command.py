"""The bench command: how long the rails take on ordinary text, called directly and through NeMo Guardrails.

    python -m guardrails bench [--json] [--rounds N]

A question of 60 words through all input rails, eight passages of about 150 words through all passage rails (none of them
judged before), and one sentence of an answer, with the two passages that it cites, through all output rails.

JSON fields: stage, through, n, ms_p50, ms_p95, cpu_ms_p50, rails, aim_ms.

through is direct or nemo; cpu_ms_p50 the processor time of all threads, which a busy machine hardly changes; rails each rail's own
ms_p50; aim_ms what ms_p50 is to stay under.

Exit codes: 0 done, 2 wrong policy.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from secrets import token_bytes
from typing import Any

from core.records import Passage
from core.settings import load_settings
from guardrails.check_command import NO_TEMPLATE
from guardrails.guard import PASSAGES_AT_ONCE, Guard, GuardRun, run_beside, run_guard
from guardrails.measures import percentile
from guardrails.nemo import NemoStage
from guardrails.policy import NemoPolicy, load_policy
from guardrails.pseudonyms import Naming
from guardrails.rails import build_guards

ROUNDS = 40
AIMS_MS = {"input": 15, "passage": 40, "output": 12}
"""What the middle of each stage is to stay under."""
_SENTENCES = (
    "Full-time employees at every site have 27 days of paid annual leave in a calendar year, and public holidays come on top of that.",
    "A trip is approved by the line manager before anything is booked, and trips above £2,000 also need the approval of the finance controller.",
    "Receipts are uploaded to the expense tool within 30 days of the end of the trip; later claims are paid only with a written reason.",
    "| City | Hotel limit per night |\n|---|---|\n| London | £180 |\n| Hamburg | €150 |\n| Denver | $190 |",
    "Whoever loses a badge tells reception at once, who blocks it and hands out a visitor's badge for the rest of the day.",
    "Overtime on Sundays is paid with a supplement of 50 percent, unless the works agreement of the site says otherwise.",
    "Questions about this policy go to people@kestrelbay.example or to extension 4410, between nine and five on working days.",
    "Laptops are encrypted, locked when nobody sits in front of them, and never left in a car overnight, not even in the boot.",
    "The probation period is six months; during it either side may give notice of two weeks to the end of any day.",
    "New starters complete the courses on information security and on safety at work within their first month with us.",
)
_QUESTION = (
    "I joined the Hamburg team in March and my manager told me that part of the leave from my last year at the Leeds office could be carried "
    "over, but the form in the portal does not let me enter more than five days. Who decides about that, and until when do I have to take the rest of it?"
)
_ANSWER = "Full-time employees at every site have 27 days of paid annual leave in a calendar year, and public holidays come on top [1]."


@dataclass(frozen=True, slots=True)
class _Text:
    text: str
    passages: tuple[Passage, ...] = ()


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "bench",
        help="how long the rails take",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="measured runs of each stage")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="instead of the packaged policy")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    policy = load_policy(args.policy)
    judge, namer = args.open_judge(), Naming(token_bytes(32))
    for through in ("direct", "nemo"):
        nemo = NemoPolicy(**dict.fromkeys(AIMS_MS, through == "nemo"))
        chosen = policy.model_copy(update={"nemo": nemo})
        guards = build_guards(load_settings(), NO_TEMPLATE, policy=chosen, judge=judge, namer=namer)
        stages: tuple[tuple[NemoStage, Sequence[Guard]], ...] = (
            ("input", guards.input),
            ("passage", guards.passage),
            ("output", guards.output),
        )
        for stage, rails in stages:
            line = _measured(stage, through, rails, args.rounds)
            sys.stdout.write(json.dumps(line) + "\n" if args.json else f"{line}\n")
            sys.stdout.flush()
    return 0


def _measured(stage: NemoStage, through: str, rails: Sequence[Guard], rounds: int) -> dict[str, Any]:
    """The times of a stage over so many rounds, after two that warm up. No text is judged twice: a guard may remember.

    Passages go side by side, as in the chat: the milliseconds of one of their rails are its share of them.
    """
    spent: list[float] = []
    worked: list[float] = []
    by_rail: dict[str, list[float]] = defaultdict(list)
    beside = ThreadPoolExecutor(PASSAGES_AT_ONCE)
    for turn, texts in enumerate(_rounds(stage, rounds + 2)):
        in_round: dict[str, float] = defaultdict(float)
        began, cpu = time.perf_counter(), time.process_time()
        if stage == "passage":
            all_runs = run_beside(rails, [passage for one in texts for passage in one.passages], beside)
        else:
            all_runs = [_through(rails, one) for one in texts]
        for runs in all_runs:
            for rail, ran in zip(rails, runs, strict=False):  # a rail that says no is the last
                in_round[rail.name] += ran.ms
        if turn >= 2:
            spent.append((time.perf_counter() - began) * 1000)
            worked.append((time.process_time() - cpu) * 1000)
            for name, ms in in_round.items():
                by_rail[name].append(ms)
    return {
        "stage": stage,
        "through": through,
        "n": len(spent),
        "ms_p50": round(percentile(spent, 0.5), 2),
        "ms_p95": round(percentile(spent, 0.95), 2),
        "cpu_ms_p50": round(percentile(worked, 0.5), 2),
        "rails": {name: round(percentile(ms, 0.5), 2) for name, ms in by_rail.items()},
        "aim_ms": AIMS_MS[stage],
    }


def _through(rails: Sequence[Guard], one: _Text) -> list[GuardRun]:
    """A text through the rails, as far as they let it."""
    text, runs = one.text, list[GuardRun]()
    for guard in rails:
        ran = run_guard(guard, text, one.passages)
        runs.append(ran)
        if not ran.verdict.allowed:
            break
        text = ran.verdict.text
    return runs


def _rounds(stage: NemoStage, count: int) -> Iterator[Sequence[_Text]]:
    for n in range(count):
        if stage == "input":
            yield [_Text(f"{_QUESTION} It is case {n + 100}.")]
        elif stage == "passage":
            yield [_Text(p.text, (p,)) for p in (_passage(8 * n + k) for k in range(8))]
        else:
            yield [_Text(_ANSWER.replace("27", str(n % 9 + 20)), (_passage(n, n % 9 + 20), _passage(n + 1)))]


def _passage(n: int, days: int = 27) -> Passage:
    sentences = [_SENTENCES[(n + k) % len(_SENTENCES)] for k in range(7)]
    text = " ".join([_SENTENCES[0], *sentences, f"This is part {n}."]).replace("27", str(days))
    return Passage(f"{n:032x}", "bench", 1, n, "Handbook", "Rules", None, text, "internal", "", "en", date(2026, 1, 1))
