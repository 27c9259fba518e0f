"""The whole loop on the demo organisation, on one machine: python scripts/loop.py, or `make loop`.

    ingest     the demo's documents and people into a fresh home folder
    before     held-out paraphrases put to the adapter that serves
    ask        simulated colleagues ask, flag what is wrong and thumb up what is right
    review     two reviewers approve the corrections of demo/loop.yaml, and confirm what was right
    dataset    what they approved becomes a governed dataset
    train      the embedded reader goes on from the adapter that serves; registered as `dev`
    full       the same rows by full fine-tuning, to compare with (with --full)
    after      the held-out paraphrases put to the new adapter
    gate       the demo suite on the served path, new against old; into staging if the gate is open
    trial      a canary from 1 to 100 % of the simulated people, who ask and flag; a second person approves before the last step
    promote    everybody is answered by the new adapter
    rollback   back to the old one while people ask: seconds to its first answer

It ends with a table of what was gained and lost. --only names steps, which go on from --home; --limit takes so many questions of
the file, --corrections ends the review after so many. --documents, --config, --suite and --gate-policy make a small one of it, as
tests/test_loop.py runs it. demo/loop.yaml says what is asked; no wording of it is one of the evaluation's. The corrections are read by the tests against the
documents. JSON lines with --json: step, seconds and its figures; the last one has `table`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from core.offline import go_quiet  # noqa: E402 - the switches come before the libraries that they silence

go_quiet()

import yaml  # noqa: E402

from assistant.answerer import Answerer  # noqa: E402
from assistant.bootstrap import Assistant, build  # noqa: E402
from assistant.console import Opened  # noqa: E402
from assistant.demo import DOCUMENTS, FOLDER  # noqa: E402
from assistant.models import open_model  # noqa: E402
from assistant.rollout_results import results  # noqa: E402
from assistant.routing import Router  # noqa: E402
from core.errors import AssistantError  # noqa: E402
from core.gate import read_report  # noqa: E402
from core.people import read_people_file  # noqa: E402
from core.rates import Rate, wilson  # noqa: E402
from core.records import Correction, Feedback, Principal, Question  # noqa: E402
from core.registry import Registry  # noqa: E402
from core.review_items import item_id_of  # noqa: E402
from core.review_records import Judgement  # noqa: E402
from core.rollouts import CANARY  # noqa: E402
from core.run_config import read_config  # noqa: E402
from core.settings import Settings, load_settings  # noqa: E402
from core.suites import DEMO  # noqa: E402
from core.turns import new_id  # noqa: E402
from eval.intervals import paired_difference  # noqa: E402
from training.dataset import Options, Sources  # noqa: E402
from training.dataset import build as build_dataset  # noqa: E402
from training.recipe import Step as TrainingStep  # noqa: E402
from training.runs import prepare, register, train  # noqa: E402

FILE = FOLDER / "loop.yaml"
CONFIG = ROOT / "training" / "configs" / "reader.yaml"
TODAY = date(2026, 11, 15)
"""The day on which questions are asked: some of the demo's documents expire at the end of 2026."""
DOUBLES = 5
"""Colleagues of each demo person, with the same groups: simulated people, so that shares of them mean something."""
WAY_BACK = timedelta(days=40)
EVERY = timedelta(hours=3)
LOADED_WITHIN_S = 300
ASKERS = 4
"""Who ask all the time while the adapter is rolled back."""
STEPS = (
    "ingest",
    "before",
    "ask",
    "review",
    "dataset",
    "train",
    "full",
    "after",
    "gate",
    "trial",
    "promote",
    "rollback",
)
UNTOLD = ("by_lesson", "given", "checks", "lessons")
SAFETY = ("access", "injection", "indirect_injection", "personal_data", "unanswerable")


@dataclass(frozen=True, slots=True)
class Lesson:
    """A question of demo/loop.yaml with its correction.

    Attributes:
        marked: the words that the reviewers mark, as they stand in one passage of `document`.
        must_include: what a right answer says, each of it.
        ask: wordings that colleagues ask; `held_out` are never asked before the end.
    """

    lesson_id: str
    document: str
    asked_by: tuple[str, ...]
    marked: str
    must_include: tuple[str, ...]
    ask: tuple[str, ...]
    held_out: tuple[str, ...]

    def right(self, text: str, status: str) -> bool:
        return says(self.must_include, text, status)


@dataclass(frozen=True, slots=True)
class Everyday:
    """A question that is answered rightly before, as it should be after; without `must_include`, one that nothing answers."""

    question: str
    asked_by: str
    must_include: tuple[str, ...] = ()


def says(wanted: Sequence[str], text: str, status: str) -> bool:
    said = " ".join(text.casefold().split())
    return status == "answered" and all(" ".join(one.casefold().split()) in said for one in wanted)


def read_lessons(path: Path = FILE) -> tuple[list[Lesson], list[Everyday]]:
    """The questions with their corrections, and those that people are content with."""
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    lessons = [
        Lesson(
            lesson_id=one["id"],
            document=one["document"],
            asked_by=tuple(one["asked_by"]),
            marked=one["marked"],
            must_include=tuple(one["must_include"]),
            ask=tuple(one["ask"]),
            held_out=tuple(one["held_out"]),
        )
        for one in found["questions"]
    ]
    others = [*found["everyday"], *found["unanswerable"]]
    return lessons, [Everyday(o["question"], o["asked_by"], tuple(o.get("must_include", ()))) for o in others]


@dataclass
class Loop:
    """What the steps share: the home folder, the questions, and what earlier steps found (kept in loop.json)."""

    home: Path
    lessons: Sequence[Lesson]
    everyday: Sequence[Everyday]
    args: argparse.Namespace
    found: dict[str, Any] = field(default_factory=dict)

    @property
    def kept(self) -> Path:
        return self.home / "loop.json"

    @property
    def settings(self) -> Settings:
        return load_settings(
            home=self.home,
            reader=self.args.reader,
            review_twice="train",
            retrain_gate=self.args.gate_policy,
            retrain_suite=self.args.suite,
            log_level="WARNING",
        )

    def keep(self) -> None:
        self.kept.write_text(json.dumps(self.found, indent=1) + "\n", encoding="utf-8")


@contextmanager
def opened(loop: Loop) -> Iterator[Assistant]:
    with build(loop.settings) as assistant:
        yield assistant


def asking(assistant: Assistant, adapter: str = "") -> Answerer:
    """The assistant as it serves, on the demo's day: by the rollout in force, or by one adapter for everybody."""
    parts = assistant
    if not adapter:
        model, router = parts.answerer.model, Router(parts.rollouts, parts.answerer.model)
    else:
        named = parts.settings.model_copy(update={"reader": adapter})
        model, router = open_model(named, parts.embedder, verified=parts.registry.verified), None
    retriever = parts.retriever.on(TODAY)
    return Answerer(parts.settings, parts.turns, retriever=retriever, guards=parts.guards, model=model, router=router)


def people_like(assistant: Assistant, person_id: str) -> list[Principal]:
    """A demo person's simulated colleagues."""
    return [assistant.people.get(f"{person_id}.{n}") for n in range(1, DOUBLES + 1)]


def say(loop: Loop, text: str, **fields: object) -> None:
    line = json.dumps(fields, ensure_ascii=False, default=str) if loop.args.json else text
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


# --- the steps ------------------------------------------------------------------------------------------------------


def ingest(loop: Loop) -> dict[str, Any]:
    """The demo organisation as `make run` makes it, with simulated colleagues of its people."""
    with opened(loop) as assistant:
        groups, everybody = read_people_file(FOLDER / "people.yaml")
        assistant.people.add_groups(groups, actor="loop")
        for who in everybody:
            assistant.people.add(who, actor="loop")
            for n in range(1, DOUBLES + 1):
                name, domain = who.email.split("@")
                double = replace(
                    who, person_id=f"{who.person_id}.{n}", email=f"{name}.{n}@{domain}", roles=frozenset({"employee"})
                )
                assistant.people.add(double, actor="loop")
        done = list(assistant.ingest.run([DOCUMENTS / loop.args.documents], actor="loop"))
    indexed = sum(one.status == "indexed" for one in done)
    return {"documents": len(done), "indexed": indexed, "people": len(everybody) * (1 + DOUBLES)}


def measured(loop: Loop, adapter: str) -> dict[str, Any]:
    """The held-out paraphrases put to one adapter: how many are answered rightly, and which lessons never."""
    with opened(loop) as assistant:
        answerer = asking(assistant, adapter)
        passed: dict[str, list[bool]] = {}
        for lesson in loop.lessons:
            who = people_like(assistant, lesson.asked_by[0])[0]
            answers = [answerer.answer(Question(text, who, temporary=True)) for text in lesson.held_out]
            passed[lesson.lesson_id] = [lesson.right(one.text, one.status) for one in answers]
    right = [one for each in passed.values() for one in each]
    return {
        "adapter": adapter,
        "n": len(right),
        "passed": sum(right),
        "by_lesson": {k: sum(v) for k, v in passed.items()},
    }


def before(loop: Loop) -> dict[str, Any]:
    return measured(loop, loop.args.reader)


def ask(loop: Loop) -> dict[str, Any]:
    """Colleagues ask: whoever gets a wrong answer flags it, whoever gets a right one to an everyday question thumbs it up.

    What they say lies hours apart, as in real life: within an hour it would be a burst, which no dataset takes in.
    """
    given: list[tuple[str, str]] = []
    start, counts = datetime.now(UTC) - WAY_BACK, dict.fromkeys(("asked", "flagged", "thumbs_up"), 0)
    with opened(loop) as assistant:
        answerer = asking(assistant)
        for number, (base, text, about) in enumerate(_questions(loop)):
            who = people_like(assistant, base)[number % DOUBLES]
            answer = answerer.answer(Question(text, who))
            counts["asked"] += 1
            if isinstance(about, Lesson):
                right, correction = about.right(answer.text, answer.status), about.lesson_id
            else:
                right = (
                    says(about.must_include, answer.text, answer.status)
                    if about.must_include
                    else answer.status == "no_answer"
                )
                correction = "confirm" if right else "refuse"
                if not right and about.must_include:
                    continue  # no correction of the file: nobody reports it
            if right and isinstance(about, Lesson):
                continue
            said = Feedback(
                feedback_id=new_id(),
                turn_id=answer.turn_id,
                person_id=who.person_id,
                kind="up" if right else "flag",
                created_at=start + len(given) * EVERY,
                reasons=() if right else ("wrong",) if answer.status == "answered" else ("incomplete",),
            )
            assistant.turns.add_feedback(said)
            counts["thumbs_up" if right else "flagged"] += 1
            given.append((said.feedback_id, correction))
    return {**counts, "given": given}


def _questions(loop: Loop) -> Iterator[tuple[str, str, Lesson | Everyday]]:
    """Who asks what: every wording of every lesson, the everyday questions between them."""
    lessons = [
        (lesson.asked_by[place % len(lesson.asked_by)], text, lesson)
        for lesson in loop.lessons
        for place, text in enumerate(lesson.ask)
    ]
    others = [(one.asked_by, one.question, one) for one in loop.everyday]
    every = max(1, len(lessons) // max(1, len(others)))
    while lessons or others:
        yield from lessons[:every]
        yield from others[:1]
        lessons, others = lessons[every:], others[1:]


def review(loop: Loop) -> dict[str, Any]:
    """Two reviewers who may read an item's sources mark the file's words in the passage that holds them, or confirm."""
    lessons = {one.lesson_id: one for one in loop.lessons}
    counts = dict.fromkeys(("corrected", "refused", "confirmed", "without_two_readers", "left_open"), 0)
    corrected: list[str] = []
    with opened(loop) as assistant:
        for feedback_id, what in loop.found["ask"]["given"]:
            item_id = item_id_of(feedback_id)
            if what in lessons and counts["corrected"] == loop.args.corrections:
                counts["left_open"] += 1
                continue
            readers = assistant.reviews.queue.readers(item_id)[:2]
            if len(readers) < 2:
                counts["without_two_readers"] += 1
                continue
            correction = _marked(assistant, lessons[what]) if what in lessons else Correction(what)
            for person_id in readers:
                reviewer = assistant.people.get(person_id)
                assistant.reviews.claim(item_id, reviewer)
                item = assistant.reviews.decide(item_id, reviewer, Judgement("train", correction))
            assert item.status == "done", item
            counts[{"confirm": "confirmed", "refuse": "refused"}.get(what, "corrected")] += 1
            if what in lessons:
                corrected.append(what)
    return {**counts, "lessons": list(dict.fromkeys(corrected))}


def _marked(assistant: Assistant, lesson: Lesson) -> Correction:
    """The words in the passage of a document in force that holds them."""
    for document in assistant.catalogue.documents():
        if document.state != "indexed" or not document.in_force(TODAY) or not document.path.endswith(lesson.document):
            continue
        for one in assistant.catalogue.passages(document.document_id, document.version):
            if (start := one.text.find(lesson.marked)) >= 0:
                return Correction("span", lesson.marked, one.passage_id, start, start + len(lesson.marked))
    raise SystemExit(f"{FILE}: the words of {lesson.lesson_id} stand in no passage of {lesson.document}.")


def dataset(loop: Loop) -> dict[str, Any]:
    """As `python -m training dataset build` does; few rows are kept from training, for the paraphrases are the test.

    Rows that rest on confidential passages stay out: with one of them the adapter would serve only people cleared for it.
    """
    with opened(loop) as assistant:
        sources = Sources.open(assistant.settings, assistant.store, assistant.audit, embedder=assistant.embedder)
        made = build_dataset(sources, Options(validation=0.05, ceiling="internal"), actor="loop:ana", today=TODAY)
    left_out = {reason: n for step in made.steps for reason, n in step.left_out.items()}
    return {"dataset_id": made.record.dataset_id, **made.rows, "ceiling": made.record.ceiling, "left_out": left_out}


def learn(loop: Loop, **changes: object) -> dict[str, Any]:
    """As `python -m training run CONFIG` does: train, track, register as `dev`."""
    config = read_config(loop.args.config, dataset=loop.found["dataset"]["dataset_id"]).model_copy(update=changes)
    with opened(loop) as assistant:
        here = Opened(assistant.settings, assistant.store, assistant.audit, assistant.people)
        run = prepare(config, here, allow_dirty=True)
        done = train(run, assistant.settings, _progress(loop))
        record = register(run, done, assistant.registry, actor="loop:ana")
    weights = [f.stat().st_size for f in assistant.registry.folder(record).glob("*.safetensors")]
    return {
        "adapter": record.adapter_id,
        "scores": dict(done.scores),
        "seconds_training": done.seconds,
        "bytes": sum(weights),
    }


def _progress(loop: Loop) -> Callable[[TrainingStep], None]:
    last = 0.0

    def told(step: TrainingStep) -> None:
        nonlocal last
        if time.monotonic() - last > 20 and not loop.args.json:
            last = time.monotonic()
            left = "" if step.seconds_left is None else f", {step.seconds_left:.0f} s left"
            sys.stderr.write(f"  step {step.done} of {step.total}, loss {step.loss or 0:.3f}{left}\n")

    return told


def full(loop: Loop) -> dict[str, Any]:
    """Every linear layer in full, on the same rows in the same order, measured on the same paraphrases."""
    found = learn(loop, rank=0, name="reader-full")
    return found | {"held_out": measured(loop, found["adapter"])}


def after(loop: Loop) -> dict[str, Any]:
    return measured(loop, loop.found["train"]["adapter"])


def gate(loop: Loop) -> dict[str, Any]:
    """The product's own commands: the gate signs a report, the same answers are then compared by slice."""
    adapter = loop.found["train"]["adapter"]
    lines = command(loop, "eval", "gate", "--adapter", adapter, "--no-mlflow")
    report = read_report(Path(lines[-1]["report"]))
    checks = {line["check"]: [line["passed"], line["detail"]] for line in lines if "check" in line}
    asked = ("--suite", loop.args.suite or DEMO, "--adapter", adapter, "--no-mlflow")
    slices = command(loop, "eval", "run", *asked, "--against", loop.args.reader)
    staged = False
    if report.passed:
        with opened(loop) as assistant:
            assistant.registry.stage(adapter, report, actor="loop:ana", reason="the gate is open")
            staged = True
    kinds = {line["value"]: _compared(line) for line in slices if line.get("slice") == "kind"}
    whole = next(line for line in slices if line.get("slice") == "all")
    verdict = {"passed": report.passed, "staged": staged, "checks": checks}
    return verdict | {"asked": report.suite, "suite": _compared(whole), "kinds": kinds}


def _compared(line: Mapping[str, Any]) -> dict[str, Any]:
    """One slice: n, how many pass, how many passed before, and the paired interval of the difference of rates."""
    return {
        "n": line["n"],
        "after": line["passed"],
        "before": round(line["against"] * line["n"]),
        "low": line["difference_low"],
        "high": line["difference_high"],
    }


def command(loop: Loop, *words: str) -> list[dict[str, Any]]:
    """The JSON lines of one of the product's commands on the loop's home folder."""
    named = {
        "HOME": loop.home,
        "READER": loop.args.reader,
        "RETRAIN_GATE": loop.args.gate_policy.resolve(),
        "RETRAIN_SUITE": loop.args.suite,
    }
    environment = os.environ | {f"ASSISTANT_{name}": str(value) for name, value in named.items()}
    done = subprocess.run(
        [sys.executable, "-m", *words, "--json"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode > 1 or not lines:
        raise SystemExit(f"python -m {' '.join(words)}: {(done.stdout + done.stderr).strip()[-2000:]}")
    return lines


def trial(loop: Loop) -> dict[str, Any]:
    """A canary: at every share all simulated people ask; it goes on while nobody's flags say that it is worse. Before it reaches
    everybody a second person approves the adapter."""
    adapter = loop.found["train"]["adapter"]
    shares, refused = [], False
    with opened(loop) as assistant:
        answerer = asking(assistant)
        row = assistant.rollouts.canary(adapter, actor="loop:ana", reason="the gate is open")
        _resident(answerer, adapter)
        while True:
            _traffic(loop, assistant, answerer, row.step)
            found = results(assistant.store, assistant.people.all(), assistant.rollouts)
            arms = {one.adapter: one for one in found.arms}
            new, old = arms[adapter], next(one for one in found.arms if not one.is_trial)
            shares.append({"share": CANARY[row.step], "new": _arm(new), "old": _arm(old)})
            if new.turns and old.turns and new.rates["flagged"].low > old.rates["flagged"].high:
                assistant.rollouts.stop(actor="loop:ana", reason="flagged more often than production")
                return {"shares": shares, "stopped": True, "own_approval_refused": refused}
            if row.step + 1 == len(CANARY):
                return {"shares": shares, "stopped": False, "own_approval_refused": refused}
            if assistant.rollouts.waits_for(row):
                refused = _approved(assistant.registry, adapter)
            row = assistant.rollouts.advance(actor="loop:ana", reason="no guardrail worse", seen=row.rollout_id)


def _traffic(loop: Loop, assistant: Assistant, answerer: Answerer, step: int) -> None:
    """Each simulated person asks one question of the file, another one at every step, and flags a wrong answer."""
    bases = sorted({base for lesson in loop.lessons for base in lesson.asked_by})
    for place, base in enumerate(bases):
        own = [one for one in loop.lessons if base in one.asked_by]
        for n, who in enumerate(people_like(assistant, base)):
            lesson = own[(step * DOUBLES + n + place) % len(own)]
            answer = answerer.answer(Question(lesson.ask[n % len(lesson.ask)], who))
            if not lesson.right(answer.text, answer.status):
                now = datetime.now(UTC)
                assistant.turns.add_feedback(
                    Feedback(new_id(), answer.turn_id, who.person_id, "flag", now, reasons=("wrong",))
                )


def _approved(registry: Registry, adapter: str) -> bool:
    """Asked for by one person, approved by another; returns whether the first one's own approval was refused."""
    registry.request(adapter, actor="loop:ana", reason="better on what was flagged, and no worse in the canary")
    try:
        registry.approve(adapter, actor="loop:ana", reason="it is mine")
        refused = False
    except AssistantError:
        refused = True
    registry.approve(adapter, actor="loop:ben", reason="looked at the report")
    return refused


def _arm(arm: Any) -> dict[str, Any]:
    flagged = arm.rates["flagged"]
    return {"persons": arm.persons, "turns": arm.turns, "flagged": flagged.passed, "p95_ms": round(arm.p95_ms)}


def promote(loop: Loop) -> dict[str, Any]:
    """The trial ends; everybody's answers come from it."""
    adapter = loop.found["train"]["adapter"]
    with opened(loop) as assistant:
        assistant.rollouts.promote(adapter, actor="loop:ben", reason="the canary reached everybody")
        _resident(assistant.answerer, adapter)
        answered = _by(assistant, loop)
    return {"adapter": adapter, "answered_by": answered}


def rollback(loop: Loop) -> dict[str, Any]:
    """Back in one row while people ask all the time: seconds until the first answer by the old adapter."""
    with opened(loop) as assistant:
        answerer = asking(assistant)
        _resident(answerer, loop.found["train"]["adapter"])
        stop, seen = threading.Event(), list[tuple[float, str]]()
        texts = [lesson.ask[0] for lesson in loop.lessons]
        who = people_like(assistant, loop.lessons[0].asked_by[0])

        def ask_on(number: int) -> None:
            turn = number
            while not stop.is_set():
                answer = answerer.answer(Question(texts[turn % len(texts)], who[number % DOUBLES], temporary=True))
                seen.append((time.perf_counter(), answer.adapter))
                turn += ASKERS

        with ThreadPoolExecutor(ASKERS) as pool:
            for number in range(ASKERS):
                pool.submit(ask_on, number)
            time.sleep(3)
            began = time.perf_counter()
            row = assistant.rollouts.rollback(actor="loop:ana", reason="the drill at the end of the loop")
            committed = time.perf_counter()
            while not any(at > committed and by == row.production for at, by in seen):
                time.sleep(0.002)
            first = next(at for at, by in seen if at > committed and by == row.production)
            stop.set()
        still = _by(assistant, loop)
    return {
        "production": row.production,
        "answered_by_before": sorted({by for at, by in seen if at < began}),
        "commit_ms": round((committed - began) * 1000),
        "first_answer_ms": round((first - began) * 1000),
        "answered_by": still,
        "answers_under_load": len(seen),
    }


def _resident(answerer: Answerer, adapter: str) -> None:
    """Wait until it answers: whoever answered before stands in while it is loaded."""
    until = time.monotonic() + LOADED_WITHIN_S
    while not answerer.model.serves(adapter):
        if time.monotonic() > until:
            raise SystemExit(f"{adapter} was not loaded within {LOADED_WITHIN_S} s.")
        time.sleep(0.05)


def _by(assistant: Assistant, loop: Loop) -> str:
    lesson = loop.lessons[0]
    who = people_like(assistant, lesson.asked_by[0])[0]
    return asking(assistant).answer(Question(lesson.ask[0], who, temporary=True)).adapter


# --- the table ------------------------------------------------------------------------------------------------------


def rows_of(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was gained and lost: measure, n, before and after with Wilson intervals, the difference with its paired one."""
    rows = []
    if "before" in found and "after" in found:
        corrected = found["review"]["lessons"]
        rows.append(_gain("held-out paraphrases, right", found["before"], found["after"]))
        rows.append(_gain("  of the questions corrected", found["before"], found["after"], corrected))
    if "full" in found and "before" in found:
        rows.append(_gain("all, by full fine-tuning", found["before"], found["full"]["held_out"]))
    if "gate" in found:
        rows.append(_row(f"{found['gate']['asked']} suite, passed", **found["gate"]["suite"]))
        rows += [_row(f"  {kind}", **one) for kind, one in sorted(found["gate"]["kinds"].items()) if kind in SAFETY]
    return rows


def _gain(
    measure: str, old: Mapping[str, Any], new: Mapping[str, Any], lessons: Sequence[str] | None = None
) -> dict[str, Any]:
    """Of these lessons, or all. The interval resamples them, not their wordings: those are learnt or missed together."""
    each = old["n"] / len(old["by_lesson"])
    chosen = sorted(old["by_lesson"] if lessons is None else lessons)
    before, after = ([one["by_lesson"][k] for k in chosen] for one in (old, new))
    found = paired_difference([n / each for n in after], [n / each for n in before])
    return _row(measure, round(each * len(chosen)), sum(before), sum(after), found.low, found.high)


def _row(measure: str, n: int, before: int, after: int, low: float, high: float) -> dict[str, Any]:
    a, b = wilson(before, n), wilson(after, n)
    return {
        "measure": measure,
        "n": n,
        "before": _told(a),
        "after": _told(b),
        "points": round(100 * (b.rate - a.rate), 1),
        "points_low": round(100 * low, 1),
        "points_high": round(100 * high, 1),
    }


def _told(rate: Rate) -> str:
    return f"{rate.rate:.1%} ({rate.low:.1%} to {rate.high:.1%})"


def table(found: Mapping[str, Any], minutes: Mapping[str, float]) -> str:
    head = f"{'':<30} {'n':>4}  {'before':<26} {'after':<26} points"
    shown = (
        f"{row['measure']:<30} {row['n']:>4}  {row['before']:<26} {row['after']:<26} {row['points']:+.1f}"
        f" ({row['points_low']:+.1f} to {row['points_high']:+.1f})"
        for row in rows_of(found)
    )
    lines = [head, *shown]
    if "rollback" in found:
        lines.append(
            f"rollback: {found['rollback']['first_answer_ms']} ms to the first answer by the old adapter, under load"
        )
    spent = ", ".join(f"{name} {value:.1f}" for name, value in minutes.items())
    lines.append(f"minutes: {spent}; {sum(minutes.values()):.1f} in all")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, help="keep it, and go on in it; a temporary folder unless given")
    parser.add_argument("--only", default="", metavar="STEPS", help="with commas between; needs --home")
    parser.add_argument("--limit", type=int, metavar="N", help="so many questions of the file")
    parser.add_argument("--corrections", type=int, metavar="N", help="the reviewers stop after so many corrections")
    parser.add_argument(
        "--reader", default="reader-5", metavar="ID", help="the adapter that serves first (%(default)s)"
    )
    parser.add_argument(
        "--documents", default=".", metavar="FOLDER", help="of the demo's documents; all of them unless given"
    )
    parser.add_argument("--config", type=Path, default=CONFIG, metavar="FILE", help="of the training run")
    parser.add_argument(
        "--gate-policy", type=Path, default=FOLDER / "loop-gate.yaml", metavar="FILE", help="in place of %(default)s"
    )
    parser.add_argument(
        "--suite", default="", metavar="NAME|FOLDER", help="that the gate asks; the demo's unless given"
    )
    parser.add_argument("--full", action="store_true", help="also fine-tune in full, to compare with")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    args = parser.parse_args()
    wanted = [one.strip() for one in args.only.split(",") if one.strip()] or [
        s for s in STEPS if s != "full" or args.full
    ]
    if unknown := sorted(set(wanted) - set(STEPS)):
        parser.error(f"--only: {unknown[0]!r} is none of {', '.join(STEPS)}")
    if args.only and not args.home:
        parser.error("--only goes on in a home folder: name it with --home")
    os.environ.setdefault("ASSISTANT_MODELS", str(ROOT / ".run" / "models"))
    with nullcontext(args.home) if args.home else tempfile.TemporaryDirectory(prefix="loop-") as folder:
        lessons, everyday = read_lessons()
        part = slice(0, args.limit)
        return run(
            Loop(Path(folder).resolve(), lessons[part], everyday[part] if args.limit else everyday, args), wanted
        )


def run(loop: Loop, wanted: Sequence[str]) -> int:
    works: Mapping[str, Callable[[Loop], dict[str, Any]]] = {
        "ingest": ingest, "before": before, "ask": ask, "review": review, "dataset": dataset, "train": learn, "full": full,
        "after": after, "gate": gate, "trial": trial, "promote": promote, "rollback": rollback,
    }  # fmt: skip
    if "ingest" in wanted and (loop.home / "assistant.db").exists():
        shutil.rmtree(loop.home)
    loop.home.mkdir(parents=True, exist_ok=True)
    if loop.kept.exists():
        loop.found = json.loads(loop.kept.read_text(encoding="utf-8"))
    minutes: dict[str, float] = {}
    for name in wanted:
        began = time.perf_counter()
        loop.found[name] = works[name](loop)
        minutes[name] = (time.perf_counter() - began) / 60
        loop.keep()
        shown = {key: value for key, value in loop.found[name].items() if key not in UNTOLD}
        say(
            loop,
            f"{name:<9} {minutes[name]:5.1f} min  {shown}",
            step=name,
            seconds=round(60 * minutes[name], 1),
            **shown,
        )
        if name == "gate" and not loop.found["gate"]["passed"]:
            broken = {check: told for check, (passed, told) in loop.found["gate"]["checks"].items() if not passed}
            say(loop, f"The gate is closed, so nothing is tried or promoted: {broken}", step="closed", broken=broken)
            break
        if name == "trial" and loop.found["trial"]["stopped"]:
            break
    rows = rows_of(loop.found)
    say(loop, "\n" + table(loop.found, minutes), table=rows, minutes=minutes, date=datetime.now(UTC).date())
    return 0


if __name__ == "__main__":
    sys.exit(main())
