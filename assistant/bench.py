"""Times the answer path with every guard on and generation left out: per step, by index size, by number of users.

    python -m assistant bench --json
    python -m assistant bench --models --json        the reader and the reranker alone, in every precision
    python -m assistant bench --passages 10000 --users 1 4 --seconds 5 --questions demo/questions-a.yaml

The answer model is a script that quotes three passages at once, so what is timed is everything else: guards on question,
passages and answer, follow-up, retrieval without the reranker, prompt, citations and the stored turn. The index is made by
`retrieval/synthetic.py` from the demo's documents, once, and kept in --work.

The answer path is measured twice, each time in an assistant just opened: on passages that nobody has asked for, each of which
the guards judge first (checked: first), and on the same questions once their passages are checked ahead, as the serving
assistant does while nobody asks (checked: ahead). Questions' vectors and word statistics are new both times.

JSON fields of warm start: measure, passages, n, ready_seconds, first_answer_seconds, page_seconds (until `assistant serve` sends its first page), date, machine.
JSON fields of answer path: measure, passages, checked, n, p50_ms, p95_ms, steps_p50_ms, date, machine.
JSON fields of throughput: measure, passages, users, n, failed, answers_per_second, p50_ms, p95_ms, date, machine.
JSON fields of --models: measure, precision, n, p50_ms, p95_ms, probability_gap (mean difference to torch), process_mb, models_mb, date, machine.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.form import matter
from core.records import Passage, Principal, Question

if TYPE_CHECKING:
    from assistant.bootstrap import Assistant
    from assistant.prompt import Prompt
    from core.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
PEOPLE = (
    Principal("bench.one", "One", "one@kestrelbay.example", frozenset({"employees"}), "internal", frozenset({"employee"})),
    Principal("bench.two", "Two", "two@kestrelbay.example", frozenset({"contractors"}), "internal", frozenset({"employee"})),
    Principal("bench.three", "Three", "three@kestrelbay.example", frozenset({"employees", "finance", "support"}), "confidential", frozenset({"employee"})),
)  # fmt: skip
WARM_UP = 20
START = """
import sys, time
began = time.perf_counter()
from core.offline import go_quiet
go_quiet()
from assistant.bench import opened, PEOPLE
from core.records import Question
with opened(sys.argv[1]) as assistant:
    ready = time.perf_counter()
    assistant.answerer.answer(Question("How many days of annual leave do I have?", PEOPLE[0], temporary=True))
    print(ready - began, time.perf_counter() - ready)
"""


@dataclass(frozen=True, slots=True)
class Timed:
    """One answer's milliseconds, by step; `rest` is everything but generation."""

    steps: dict[str, float]

    @property
    def rest(self) -> float:
        return self.steps["total"] - self.steps.get("generate", 0.0)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "bench",
        help="measure the answer path",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--passages", type=int, nargs="+", default=[10_000, 100_000], metavar="N")
    parser.add_argument(
        "--models", action="store_true", help="time the reader and the reranker alone, and nothing else"
    )
    parser.add_argument("--users", type=int, nargs="+", default=[1, 4, 16, 64], metavar="N")
    parser.add_argument("--count", type=int, default=200, help="questions timed one after the other")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each throughput run")
    parser.add_argument("--documents", type=Path, default=ROOT / "demo" / "documents")
    parser.add_argument(
        "--questions",
        type=Path,
        nargs="+",
        default=[ROOT / "demo" / "questions-a.yaml", ROOT / "demo" / "questions-b.yaml"],
    )
    parser.add_argument("--work", type=Path, default=ROOT / ".run" / "bench", help="folder that keeps the indexes made")
    parser.add_argument("--json", action="store_true", help="one JSON object a measurement")


def run(args: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    from retrieval.synthetic import build_home

    questions = read_questions(args.questions)
    if args.models:
        from assistant.bench_models import figures
        from core.settings import load_settings

        for line in figures(load_settings(), [args.documents], questions):
            _say(args, line)
        return 0
    for passages in args.passages:
        home = args.work / f"passages-{passages}"
        embedder = _embedder(args.work)
        build_home(home, passages, [args.documents], embedder)
        _say(args, {"measure": "warm start", "passages": passages, **warm_start(home)})
        timed, found = first_seen(home, questions, args.count)
        _say(args, {"measure": "answer path", "passages": passages, "checked": "first", **summary(timed)})
        with opened(home) as assistant:
            for passage in found:
                assistant.answerer.check_passages.ahead(passage)
            one_by_one(assistant, asked(questions, 0, WARM_UP))
            timed = one_by_one(assistant, asked(questions, WARM_UP, args.count))
            _say(args, {"measure": "answer path", "passages": passages, "checked": "ahead", **summary(timed)})
            for users in args.users:
                _say(
                    args,
                    {
                        "measure": "throughput",
                        "passages": passages,
                        **at_once(assistant, questions, users, args.seconds),
                    },
                )
    return 0


def opened(home: Path | str) -> Assistant:
    """The assistant of a bench home, with the scripted model and its threshold off, so that every question is answered."""
    from assistant.bootstrap import build
    from assistant.scripted import ScriptedModel

    assistant = build(_settings(Path(home)), answer_model=ScriptedModel([three_quotes], chunk=40))
    assistant.people.add_groups(dict.fromkeys(sorted({g for who in PEOPLE for g in who.groups}), ""), actor="bench")
    known = {who.person_id for who in assistant.people.all()}
    for who in PEOPLE:
        if who.person_id not in known:
            assistant.people.add(who, actor="bench")
    return assistant


def three_quotes(prompt: Prompt) -> str:
    """The first sentence of the first three passages, cited."""
    sentences = [" ".join(p.text.split()).partition(". ")[0].rstrip(".") for p in prompt.passages[:3]]
    return "\n\n".join(f"{sentence}. [{n}]" for n, sentence in enumerate(sentences, 1))


def read_questions(paths: Sequence[Path]) -> list[str]:
    """The questions of the demo's files; raises BadInput where a file is missing."""
    import yaml

    from core.errors import BadInput

    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise BadInput(f"No such question file: {', '.join(missing)}. Name one with --questions.")
    return [str(entry["question"]) for path in paths for entry in yaml.safe_load(path.read_text(encoding="utf-8"))]


def first_seen(home: Path, questions: Sequence[str], count: int) -> tuple[list[Timed], list[Passage]]:
    """The times of questions whose passages nobody has asked for before, and the passages that they and the warm-up find."""
    with opened(home) as assistant:
        one_by_one(assistant, asked(questions, 0, WARM_UP))
        timed = one_by_one(assistant, asked(questions, WARM_UP, count))
        limit = assistant.settings.retrieve_limit
        found: dict[str, Passage] = {}
        for question, person in (*asked(questions, 0, WARM_UP), *asked(questions, WARM_UP, count)):
            for passage in assistant.retriever.retrieve(matter(question), person, limit=limit).passages:
                found.setdefault(passage.passage_id, passage)
    return timed, list(found.values())


def asked(questions: Sequence[str], start: int, count: int) -> Iterator[tuple[str, Principal]]:
    """So many questions, from one of them on, each with who asks it; after the last one the first."""
    return zip(
        itertools.islice(itertools.cycle(questions), start, start + count), itertools.cycle(PEOPLE), strict=False
    )


def one_by_one(assistant: Assistant, pairs: Iterable[tuple[str, Principal]]) -> list[Timed]:
    """One user, one question after the other."""
    return [Timed(dict(assistant.answerer.answer(Question(question, person)).timings_ms)) for question, person in pairs]


def summary(timed: Sequence[Timed]) -> dict[str, Any]:
    """Median and 95th percentile of everything but generation, and the median of each step, in milliseconds."""
    steps = sorted({name for one in timed for name in one.steps} - {"total", "generate", "first_sentence"})
    return {
        "n": len(timed),
        "p50_ms": quantile([one.rest for one in timed], 0.5),
        "p95_ms": quantile([one.rest for one in timed], 0.95),
        "steps_p50_ms": {name: quantile([one.steps.get(name, 0.0) for one in timed], 0.5) for name in steps},
    }


def at_once(assistant: Assistant, questions: Sequence[str], users: int, seconds: float) -> dict[str, Any]:
    """Users who each ask again as soon as they are answered."""
    end = time.perf_counter() + seconds
    timed: list[Timed] = []
    failed: list[str] = []

    def user(number: int) -> None:
        for question in itertools.islice(itertools.cycle(questions), number * 7, None):
            if time.perf_counter() >= end:
                return
            answer = assistant.answerer.answer(Question(question, PEOPLE[number % len(PEOPLE)]))
            (failed if answer.status == "failed" else timed).append(
                answer.reason if answer.status == "failed" else Timed(dict(answer.timings_ms))  # type: ignore[arg-type]
            )

    began = time.perf_counter()
    threads = [threading.Thread(target=user, args=(number,)) for number in range(users)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    rest = [one.rest for one in timed]
    return {
        "users": users,
        "n": len(timed),
        "failed": len(failed),
        "answers_per_second": round(len(timed) / took, 1),
        "p50_ms": quantile(rest, 0.5),
        "p95_ms": quantile(rest, 0.95),
    }


def warm_start(home: Path) -> dict[str, float]:
    """Seconds that a fresh process needs to open everything, then to its first answer, and to its first page; the better of two runs."""
    runs = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", START, str(home)], capture_output=True, text=True, cwd=ROOT, check=True
        )
        runs.append([float(part) for part in done.stdout.split()])
    ready, first = min(runs)
    page = min(_page_start(home) for _ in runs)
    return {
        "n": len(runs),
        "ready_seconds": round(ready, 2),
        "first_answer_seconds": round(first, 2),
        "page_seconds": round(page, 2),
    }


def _page_start(home: Path) -> float:
    """Seconds from the command to the first page that a browser gets of it, everything behind it being ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"ASSISTANT_HOME": str(home), "ASSISTANT_PORT": str(port)}
    began = time.perf_counter()
    serving = subprocess.Popen(
        [sys.executable, "-m", "assistant", "serve"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    try:
        while True:
            try:
                with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
                    connection.request("GET", "/sign-in")
                    page = connection.getresponse()
                    page.read()
                assert page.status == HTTPStatus.OK, page.status
                return time.perf_counter() - began
            except OSError:
                if serving.poll() is not None:
                    raise AssertionError(f"assistant serve ended with exit code {serving.returncode}") from None
                time.sleep(0.02)
    finally:
        serving.terminate()
        serving.wait()


def machine() -> dict[str, Any]:
    cpuinfo = Path("/proc/cpuinfo")
    names = (
        [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        if cpuinfo.exists()
        else []
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory),
    }


def quantile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed, by the nearest rank; 0 for none."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2) if ordered else 0.0


def _settings(home: Path) -> Settings:
    from core.settings import load_settings

    return load_settings(home=home, reranker="", evidence_threshold=0.0, low_evidence=0.0)


def _embedder(work: Path) -> Any:
    from retrieval.embed import open_embedder

    return open_embedder(_settings(work))


def _say(args: argparse.Namespace, line: dict[str, Any]) -> None:
    line |= {"date": datetime.now(UTC).date().isoformat(), "machine": machine()}
    if args.json:
        sys.stdout.write(json.dumps(line) + "\n")
    else:
        said = ", ".join(f"{name} {value}" for name, value in line.items() if name not in ("machine", "measure"))
        sys.stdout.write(f"{line['measure']}: {said}\n")
    sys.stdout.flush()
