"""Puts a suite's cases to a system, in parallel and resumably: one sealed JSON line a finished case.

    results = run_cases(suite.cases, system, lineage, options)

The run's folder is named by its lineage. A rerun of the same lineage takes over the lines that are there and asks only the
rest; a line that was cut off goes from the file, one that was changed by hand does not carry its seal, and both are asked again.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from core.audit import Audit
from core.errors import Conflict, StoreUnavailable
from core.files import write_whole, writing
from core.gate import AGAIN
from eval.cases import Case
from eval.judge import Judge
from eval.lineage import Lineage
from eval.metering import Meter
from eval.scorers import Outcome, judge
from eval.systems import System
from eval.worlds import World

PURPOSE = "evaluation result"
RESULTS = "results.jsonl"


@dataclass(frozen=True, slots=True)
class Result:
    """One finished case.

    Attributes:
        failures: why it did not pass, `scorer: reason`; none where it did.
        scores: value of each scorer that had something to say.
        passed_scores: whether each of them was passed.
        slices: what the case belongs to: department, language, document type, person's groups, tags, kind.
        expect: what was right to do (`eval.cases.Expect`); "" in results of an older program.
        used: `requests`, `cpu_s`, and where a model server counted them `prompt_tokens` and `completion_tokens` (eval/metering.py).
    """

    case_id: str
    case_sha256: str
    kind: str
    group: str | None
    passed: bool
    failures: tuple[str, ...]
    scores: Mapping[str, float]
    passed_scores: Mapping[str, bool]
    status: str
    reason: str
    answer: str
    citations: tuple[Mapping[str, Any], ...]
    found: tuple[str, ...]
    evidence: float
    slices: Mapping[str, tuple[str, ...]]
    expect: str = ""
    used: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Where results are kept (`folder` gets a subfolder a run), who seals them, how many cases at once, a progress bar or none.

    `fresh` asks again what there are results of; `judge` gives an opinion that decides nothing.
    """

    folder: Path
    audit: Audit
    workers: int = 2
    progress: bool = False
    fresh: bool = False
    judge: Judge | None = None


def run_cases(
    cases: Sequence[Case], system: System, world: World, lineage: Lineage, options: RunOptions
) -> list[Result]:
    """Ask every case that this lineage has no result of; all results, in the cases' order.

    Raises:
        Conflict: the same run is going on in another process.
        StoreUnavailable: the results cannot be written.
        KeyboardInterrupt: after the results so far are safe.
    """
    folder = run_folder(options.folder, lineage)
    with _alone(folder):
        if options.fresh:
            (folder / RESULTS).unlink(missing_ok=True)
        with writing(folder / RESULTS, AGAIN):
            _cut_half_line(folder / RESULTS)
        done = {result.case_id: result for result in read_results(folder, lineage, options.audit)}
        left = [case for case in cases if case.case_id not in done]
        write_whole(folder / "lineage.json", json.dumps(lineage.as_dict(), indent=1) + "\n", AGAIN)
        lock, meter = threading.Lock(), Meter()

        def ask(case: Case) -> None:
            with meter.case(requests=len(case.turns) + 1) as used:
                outcome = system.ask(case)
            result = replace(result_of(case, outcome, world, options.judge), used=used)
            with lock, writing(folder / RESULTS, AGAIN):  # by its own thread: no interruption loses it
                _append(folder / RESULTS, _sealed(result, lineage, options.audit))
            done[case.case_id] = result

        _each(left, ask, system.adapter or system.name, options)
    return [done[case.case_id] for case in cases]


def run_folder(folder: Path, lineage: Lineage) -> Path:
    """The folder of this run; raises StoreUnavailable where it cannot be made."""
    found = folder / "-".join(
        filter(None, (lineage.suite, lineage.system, lineage.adapter.replace("/", "_"), lineage.run_id))
    )
    try:
        found.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreUnavailable(f"{found} cannot be made ({error.strerror}): name another folder with --out.") from None
    return found


def read_results(folder: Path, lineage: Lineage, audit: Audit) -> Iterator[Result]:
    """The results of this lineage whose seal holds; a case that was changed since is of another lineage."""
    path = folder / RESULTS
    if not path.exists():
        return
    # Bytes, and by their line ends alone: a cut may go through a letter, and an answer may hold a separator of lines that is none here.
    for line in path.read_bytes().split(b"\n"):
        try:
            entry = json.loads(line)
            body, seal = entry["result"], str(entry["seal"])
        except (ValueError, KeyError, TypeError):
            continue  # cut off by a crash
        if audit.signed(PURPOSE, _body(body, lineage), seal):
            yield _read(body)


def _append(path: Path, line: str) -> None:
    _cut_half_line(path)  # where the disk was full a moment ago, the line before is half there
    with path.open("a", encoding="utf-8") as file:
        file.write(line)


def _cut_half_line(path: Path) -> None:
    """Take from the file what stands after its last line end: the next line would be glued to it, and neither could be read."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        if not file.seek(0, os.SEEK_END):
            return
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)


def result_of(case: Case, outcome: Outcome, world: World, second: Judge | None = None) -> Result:
    judged = judge(case, outcome)
    opinion = second.score(case, outcome) if second else None
    scores = {**judged.scores, **({"judge": opinion} if opinion else {})}
    names = [world.files.get((p.document_id, p.version), p.document_id) for p in outcome.passages]
    shown = ("n", "document_id", "version", "title", "section", "quote")
    return Result(
        case_id=case.case_id,
        case_sha256=case.sha256,
        kind=case.kind,
        group=case.group,
        passed=judged.passed,
        failures=judged.failures,
        scores={name: score.value for name, score in scores.items()},
        passed_scores={name: score.passed for name, score in scores.items()},
        status=outcome.status,
        reason=outcome.reason,
        answer=outcome.text,
        citations=tuple({name: getattr(c, name) for name in shown} for c in outcome.citations),
        found=tuple(dict.fromkeys(names)),
        evidence=outcome.evidence,
        slices=slices_of(case, world),
        expect=case.expect,
    )


def slices_of(case: Case, world: World) -> dict[str, tuple[str, ...]]:
    person = world.people.get(case.person)
    types = {PurePosixPath(name).suffix.lstrip(".").lower() or "other" for name in case.documents}
    return {
        "kind": (case.kind,),
        "department": (case.department,),
        "language": (case.language,),
        "document type": tuple(sorted(types)),
        "group": tuple(sorted(person.groups)) if person else (),
        "tag": tuple(sorted(case.tags)),
    }


def _each(cases: Sequence[Case], ask: Callable[[Case], None], name: str, options: RunOptions) -> None:
    """Ask them, some at once. Where one cannot be asked (an index that is gone), those not begun are given up, too."""
    from tqdm import tqdm

    pool = ThreadPoolExecutor(max_workers=options.workers, thread_name_prefix="case")
    try:
        futures = [pool.submit(ask, case) for case in cases]
        with tqdm(total=len(futures), desc=name, unit="case", disable=not options.progress, file=sys.stderr) as bar:
            for future in as_completed(futures):
                future.result()
                bar.update()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _sealed(result: Result, lineage: Lineage, audit: Audit) -> str:
    body = json.loads(json.dumps(asdict(result)))
    line = {"result": body, "seal": audit.sign(PURPOSE, _body(body, lineage))}
    return json.dumps(line, ensure_ascii=False) + "\n"


def _body(result: Mapping[str, Any], lineage: Lineage) -> bytes:
    return json.dumps([lineage.run_id, result], sort_keys=True).encode()


def _read(body: Mapping[str, Any]) -> Result:
    lists = {name: tuple(body[name]) for name in ("failures", "citations", "found")}
    slices = {name: tuple(values) for name, values in body["slices"].items()}
    return Result(**{**body, **lists, "slices": slices})


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the run's folder: two processes on one run would ask everything twice."""
    with (folder / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"This very run is going on in another process: wait for it, its results are in {folder}."
            ) from None
        yield
