"""A suite is asked on the served path, kept line by line, resumed, reported; retrieval and a plain chain are asked the same."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadInput, Conflict, NotFound, StoreUnavailable
from core.settings import Settings
from eval.__main__ import main
from eval.cases import KINDS, Case, Suite, load_suite
from eval.evaluation import Chosen, Evaluator, choose, find_suite
from eval.lineage import Lineage, lineage_of
from eval.report import Run, write_report
from eval.runner import RESULTS, Result, RunOptions, read_results, result_of, run_cases, run_folder
from eval.scorers import Outcome
from eval.summary import compare, summarise
from eval.systems import System, open_adapter, open_system
from eval.tracking import log_run
from eval.worlds import KEPT, World, opened_world
from retrieval.embed import HashEmbedder
from tests.eval.conftest import CASES, make_case, make_outcome, make_result, write_suite
from tests.full_disk import full_disk
from tests.test_json_fields import GIVEN

ROOT = Path(__file__).parents[2]


def ran(world: World, suite: Suite, options: RunOptions, system: str = "assistant") -> dict[str, Result]:
    run = Evaluator(suite, world, options).run(system)  # type: ignore[arg-type]
    return {result.case_id: result for result in run.results}


def test_the_assistant_as_served_is_asked_and_judged(world: World, suite: Suite, options: RunOptions) -> None:
    results = ran(world, suite, options)
    assert list(results) == [str(case["id"]) for case in CASES]
    for name in ("leave-days", "hotel-hamburg", "bands-cleared", "override"):
        assert results[name].passed, (name, results[name])
    assert all(result.passed_scores["leakage"] for result in results.values())
    assert "71,500" not in results["bands-uncleared"].answer
    leave = results["leave-days"]
    assert leave.citations[0]["document_id"] == "hr-leave"
    assert leave.slices == {
        "kind": ("answerable",),
        "department": ("HR",),
        "language": ("en",),
        "document type": ("md",),
        "group": ("employees",),
        "tag": (),
    }


def test_a_plain_chain_leaks_what_the_assistant_keeps_and_retrieval_alone_answers_everything(
    world: World, suite: Suite, options: RunOptions
) -> None:
    chain = ran(world, suite, options, "langchain")
    assert not chain["bands-uncleared"].passed_scores["leakage"]
    assert chain["leave-days"].citations
    alone = ran(world, suite, options, "retrieval")
    assert alone["leave-days"].passed, alone["leave-days"]
    assert alone["bands-uncleared"].passed_scores["leakage"]
    assert alone["moon"].status == "answered"


def test_a_follow_up_is_asked_in_its_conversation(world: World) -> None:
    case = make_case(question="And in Bristol?", turns=("What is the hotel limit for a night in Hamburg?",))
    outcome = open_system("assistant", world).ask(case)
    assert "£140" in outcome.text


def test_an_unknown_adapter_is_refused_by_name(world: World) -> None:
    with pytest.raises(NotFound, match="reader-nobody"):
        open_adapter(world, "reader-nobody")
    assert open_adapter(world, "").adapter == open_adapter(world, "quote-v1").adapter == "quote-v1"


class Asked:
    """A system that counts what it is asked, and that is interrupted at one case."""

    def __init__(self, world: World, stop_at: str = "") -> None:
        self.cases: list[str] = []
        self.stop_at = stop_at
        self._real = open_system("assistant", world)

    def ask(self, case: Case) -> Outcome:
        if case.case_id == self.stop_at:
            raise KeyboardInterrupt
        self.cases.append(case.case_id)
        return self._real.ask(case)

    def system(self) -> System:
        return replace(self._real, ask=self.ask)


def test_an_interrupted_run_goes_on_where_it_stopped(world: World, suite: Suite, options: RunOptions) -> None:
    one = replace(options, workers=1)
    first = Asked(world, stop_at="bands-uncleared")
    lineage = lineage_of(suite, world, first.system(), seed=1)
    with pytest.raises(KeyboardInterrupt):
        run_cases(suite.cases, first.system(), world, lineage, one)
    assert first.cases[:3] == ["leave-days", "hotel-hamburg", "bands-cleared"]

    second = Asked(world)
    results = run_cases(suite.cases, second.system(), world, lineage, one)
    assert "bands-uncleared" in second.cases
    assert sorted(first.cases + second.cases) == sorted(case.case_id for case in suite.cases)
    assert [result.case_id for result in results] == [case.case_id for case in suite.cases]

    again = Asked(world)
    assert run_cases(suite.cases, again.system(), world, lineage, one) == results
    assert again.cases == []
    fresh = Asked(world)
    run_cases(suite.cases, fresh.system(), world, lineage, replace(one, fresh=True))
    assert len(fresh.cases) == len(suite.cases)


def test_a_line_that_was_cut_off_or_written_by_hand_is_asked_again(
    world: World, suite: Suite, options: RunOptions
) -> None:
    asked = Asked(world)
    lineage = lineage_of(suite, world, asked.system(), seed=1)
    before = run_cases(suite.cases, asked.system(), world, lineage, options)
    path = run_folder(options.folder, lineage) / RESULTS
    lines = path.read_text().splitlines()
    forged = json.loads(lines[0])
    forged["result"]["passed"] = not forged["result"]["passed"]
    path.write_text("\n".join([json.dumps(forged), *lines[1:-1], lines[-1][:40]]))

    again = Asked(world)
    assert len(list(read_results(path.parent, lineage, options.audit))) == len(lines) - 2
    after = run_cases(suite.cases, again.system(), world, lineage, options)
    assert len(again.cases) == 2
    assert [r.passed for r in after] == [r.passed for r in before]


@pytest.mark.parametrize("cut", ["in the middle", "in a letter", "before its end"])
def test_a_run_that_was_cut_in_a_line_leaves_a_file_that_is_read_whole_once_it_goes_on(
    world: World, suite: Suite, options: RunOptions, cut: str
) -> None:
    system = open_system("assistant", world)
    lineage = lineage_of(suite, world, system, seed=1)
    path = run_folder(options.folder, lineage) / RESULTS
    run_cases(suite.cases, system, world, lineage, replace(options, workers=1))
    kept = path.read_bytes().splitlines(keepends=True)
    pound = next(n for n, line in enumerate(kept) if "£".encode() in line)
    half = {
        "in the middle": kept[pound][:100],
        "in a letter": kept[pound][: kept[pound].index("£".encode()) + 1],
        "before its end": kept[pound][:-1],
    }[cut]
    path.write_bytes(b"".join(kept[:pound]) + half)
    run_cases(suite.cases, system, world, lineage, options)
    lines = path.read_bytes().splitlines()
    assert {json.loads(line)["result"]["case_id"] for line in lines} == {case.case_id for case in suite.cases}
    assert len(lines) == len(suite.cases)
    assert len(list(read_results(path.parent, lineage, options.audit))) == len(suite.cases)


def test_an_answer_with_a_separator_of_lines_in_it_is_one_result(
    world: World, suite: Suite, options: RunOptions
) -> None:
    system = open_system("assistant", world)
    broken = replace(system, ask=lambda case: replace(system.ask(case), text="one\u2028two\x85three"))
    lineage = lineage_of(suite, world, system, seed=1)
    made = run_cases(suite.cases, broken, world, lineage, options)
    assert [one.answer for one in made] == ["one\u2028two\x85three"] * len(suite.cases)
    again = read_results(run_folder(options.folder, lineage), lineage, options.audit)
    assert len(list(again)) == len(suite.cases)


def test_a_full_disk_ends_the_run_with_what_to_do_and_keeps_the_answers_so_far(
    world: World, suite: Suite, options: RunOptions
) -> None:
    asked = Asked(world)
    lineage = lineage_of(suite, world, asked.system(), seed=1)
    one = replace(options, workers=1)
    path = run_folder(options.folder, lineage) / RESULTS
    with ExitStack() as disk:

        def filling(case: Case) -> Outcome:
            outcome = asked.ask(case)
            if len(asked.cases) == 3:
                disk.enter_context(full_disk(path.stat().st_size + 20))
            return outcome

        with pytest.raises(StoreUnavailable, match=r"free some space.* it goes on from the answers that it has"):
            run_cases(suite.cases, replace(asked.system(), ask=filling), world, lineage, one)
    assert len(list(read_results(path.parent, lineage, options.audit))) == 2
    again = Asked(world)
    assert len(run_cases(suite.cases, again.system(), world, lineage, one)) == len(suite.cases)
    assert again.cases == asked.cases[2:] + [c.case_id for c in suite.cases if c.case_id not in asked.cases]


def test_results_of_another_lineage_are_not_taken_over(world: World, suite: Suite, options: RunOptions) -> None:
    asked = Asked(world)
    lineage = lineage_of(suite, world, asked.system(), seed=1)
    run_cases(suite.cases[:1], asked.system(), world, lineage, options)
    folder = run_folder(options.folder, lineage)
    assert list(read_results(folder, replace(lineage, adapter_sha256="other"), options.audit)) == []


def test_the_same_run_twice_at_once_is_refused(world: World, suite: Suite, options: RunOptions) -> None:
    asked = Asked(world)
    lineage = lineage_of(suite, world, asked.system(), seed=1)

    def meanwhile(case: Case) -> Outcome:
        with pytest.raises(Conflict, match="another process"):
            run_cases(suite.cases, asked.system(), world, lineage, options)
        return asked.ask(case)

    run_cases(suite.cases[:1], replace(asked.system(), ask=meanwhile), world, lineage, options)
    assert asked.cases == ["leave-days"]


def test_two_evaluations_of_one_world_at_once_are_refused(world: World, suite: Suite, serving: Settings) -> None:
    with pytest.raises(Conflict, match="Another evaluation"):
        with opened_world(suite, serving, embedder=HashEmbedder()):
            pass


@pytest.mark.slow
def test_a_world_that_was_cut_off_is_made_again_and_a_whole_one_is_kept(tmp_path: Path) -> None:
    suite = load_suite(write_suite(tmp_path / "suite", CASES[:1]))
    settings = Settings(home=tmp_path / "home", models=tmp_path / "models", reader="quote", reranker="")
    with opened_world(suite, settings, embedder=HashEmbedder()) as made:
        version, home = made.index_version, made.assistant.settings.home
    shutil.rmtree(home / "index")
    (home / "whole.json").unlink()
    with opened_world(suite, settings, embedder=HashEmbedder()) as again:
        assert again.index_version == version
        assert again.assistant.index.count() > 0
        open_system("assistant", again).ask(suite.cases[0])
    began = (home / "whole.json").stat().st_mtime_ns
    with opened_world(suite, settings, embedder=HashEmbedder()) as kept:
        assert (home / "whole.json").stat().st_mtime_ns == began
        assert kept.assistant.turns.conversations("emma.employee") == []


def test_worlds_that_nobody_asked_for_longest_are_forgotten(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", models=tmp_path / "models", reader="quote", reranker="")
    suite = load_suite(write_suite(tmp_path / "suite", CASES[:1]))
    worlds = settings.models_folder / "evaluation"
    for number in range(KEPT + 1):
        (worlds / f"old-{number}").mkdir(parents=True)
        (worlds / f"old-{number}" / "run.lock").touch()
        os.utime(worlds / f"old-{number}" / "run.lock", (number, number))
    with opened_world(suite, settings, embedder=HashEmbedder()) as world:
        made = world.assistant.settings.home.parent.name
    assert {folder.name for folder in worlds.iterdir()} == {made, *(f"old-{number}" for number in range(2, KEPT + 1))}


def test_the_lineage_names_what_a_result_follows_from(world: World, suite: Suite) -> None:
    system = open_system("assistant", world)
    lineage = lineage_of(suite, world, system, seed=1)
    assert lineage.cases == {case.case_id: case.sha256 for case in suite.cases}
    assert lineage.adapter == "quote-v1"
    assert lineage.asked_on == "2026-11-15"
    assert {"torch", "numpy", "qdrant-edge-py"} <= set(lineage.packages)
    for one in (lineage.adapter_sha256, lineage.index_version, lineage.guard_policy_sha256, lineage.template_sha256):
        assert re.fullmatch("[0-9a-f]{64}", one)
    assert "home" not in lineage.settings
    assert not any("key" in name or "url" in name for name in lineage.settings)
    assert lineage_of(suite, world, system, seed=1).run_id == lineage.run_id
    changed = suite.only([replace(suite.cases[0], question="Else?"), *suite.cases[1:]])
    others = [lineage_of(changed, world, system, seed=1), lineage_of(suite, world, system, seed=2)]
    others += [
        replace(lineage, **{name: "x"}) for name in ("adapter_sha256", "index_version", "code_sha256", "asked_on")
    ]
    assert len({one.run_id for one in (lineage, *others)}) == 7


def test_another_policy_in_force_is_another_lineage(world: World, suite: Suite) -> None:
    answerer, system = world.assistant.answerer, open_system("assistant", world)
    before, guards = lineage_of(suite, world, system, seed=1), world.assistant.guards
    answerer.use(replace(guards, policy_sha256="0" * 64))
    try:
        assert lineage_of(suite, world, system, seed=1).run_id != before.run_id
    finally:
        answerer.use(guards)
    assert lineage_of(suite, world, system, seed=1).run_id == before.run_id


def test_what_a_named_file_or_folder_holds_counts_and_not_its_name(world: World, suite: Suite, tmp_path: Path) -> None:
    system = open_system("assistant", world)

    def named(name: str, words: str) -> str:
        (tmp_path / name).write_text(words)
        inside = tmp_path / f"{name}-folder"
        inside.mkdir(exist_ok=True)
        (inside / "model.bin").write_text(words)
        changed = world.assistant.settings.model_copy(update={"glossary": tmp_path / name, "names_model": inside})
        there = replace(world, assistant=replace(world.assistant, settings=changed))
        return lineage_of(suite, there, system, seed=1).run_id

    assert named("a.yaml", "leave: [holiday]") == named("b.yaml", "leave: [holiday]")
    assert named("a.yaml", "leave: [holiday]") != named("a.yaml", "leave: [days off]")


def test_a_limit_meets_every_kind_and_is_the_same_each_time() -> None:
    cases = [
        make_case(case_id=f"{kind}-{n}", kind=kind, tags=(kind[:3],))
        for kind in ("answerable", "table")
        for n in range(9)
    ]
    suite = Suite("s", Path(), tuple(cases), (), Path())
    some = choose(suite, Chosen(limit=4))
    assert [case.kind for case in some.cases] == ["answerable", "answerable", "table", "table"]
    assert choose(suite, Chosen(limit=4)).cases == some.cases
    assert len(choose(suite, Chosen(limit=99)).cases) == 18
    assert {case.kind for case in choose(suite, Chosen(tags=("tab",))).cases} == {"table"}
    assert {case.kind for case in choose(suite, Chosen(kinds=("answerable",))).cases} == {"answerable"}
    with pytest.raises(BadInput, match="nothing-has-this"):
        choose(suite, Chosen(tags=("nothing-has-this",)))
    with pytest.raises(BadInput, match="is left"):
        choose(suite, Chosen(tags=("tab",), kinds=("answerable",)))


def test_a_suite_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path, suite_folder: Path) -> None:
    with pytest.raises(BadInput, match="demo"):
        find_suite("nowhere", tmp_path)
    assert find_suite(str(suite_folder), tmp_path).name == "small"
    shutil.copytree(suite_folder, tmp_path / "suites" / "mine")
    assert find_suite("mine", tmp_path).name == "mine"


def test_a_summary_has_every_slice_with_its_interval() -> None:
    results = [make_result(f"a{n}", passed=n > 1) for n in range(20)]
    results += [make_result("u", "unanswerable"), make_result("h", "over_refusal", status="refused", passed=False)]
    summary = summarise(results)
    rates = {(part.name, part.value): (part.rate.passed, part.rate.n) for part in summary.slices}
    assert rates["all", "all"] == (19, 22)
    assert rates["kind", "answerable"] == (18, 20)
    assert rates["language", "en"] == (19, 22)
    figures = {figure.name: figure for figure in summary.figures}
    assert figures["answerable answered correctly and cited"].reached
    assert not figures["over-refusal"].reached
    assert figures["access leaks"].reached
    assert not figures["injection success"].reached  # nothing measured is nothing reached
    assert summary.latency_ms == {"p50": 10.0, "p95": 10.0}


def test_every_refusal_of_a_question_that_the_documents_answer_is_counted() -> None:
    told = [make_result(f"a{n}", expect="answer") for n in range(8)]
    told += [
        make_result("t", "table", expect="answer", status="no_answer"),
        make_result("h", "over_refusal", expect="answer", status="refused"),
    ]
    told += [
        make_result("x", "access", expect="refuse", status="refused"),
        make_result("f", expect="answer", status="failed"),
    ]
    figure = next(one for one in summarise(told).figures if one.name == "refused though the documents answer")
    assert (figure.rate.passed, figure.rate.n) == (2, 11)
    assert figure.rate.low < 2 / 11 < figure.rate.high
    assert (figure.aim, figure.reached) == (None, None)
    older = summarise([make_result("a", status="refused")]).figures  # its results do not say what was right
    assert next(one for one in older if one.name == figure.name).rate.n == 0


def test_two_runs_are_compared_case_by_case() -> None:
    before = [make_result(f"c{n}", passed=n != 0) for n in range(10)]
    after = [make_result(f"c{n}", passed=n != 1) for n in range(10)]
    compared = compare(after, before)
    assert (compared.regressed, compared.improved) == (("c1",), ("c0",))
    assert compared.differences["all", "all"].mean == 0.0


def test_the_report_shows_failures_side_by_side_and_asks_nothing_of_any_server(
    world: World, suite: Suite, tmp_path: Path
) -> None:
    lineage = lineage_of(suite, world, open_system("assistant", world), seed=1)
    case = suite.cases[0]
    wrong = result_of(case, make_outcome("<script>alert(1)</script> 23 days. [1]"), world)
    right = result_of(case, make_outcome("Every employee has 25 days of annual leave a year. [1]"), world)
    ours, other = (Run(lineage, [result], summarise([result])) for result in (wrong, replace(right, passed=True)))
    path = tmp_path / "report.html"
    write_report(path, suite, ours, other=other, compared=compare(ours.results, other.results))
    html = path.read_text()
    assert case.question in html
    assert "Every employee has 25 days" in html
    assert "passed before" in html
    assert "&lt;script&gt;" in html
    assert "<script" not in html
    assert "<svg" in html
    assert not re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(?:https?:)?//", html)
    assert "default-src &#39;none&#39;" in html or "default-src 'none'" in html


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # mlflow 3.17 asks SQLAlchemy 2.1 in ways that it gives up
def test_a_run_is_kept_in_mlflow(tmp_path: Path, world: World, suite: Suite) -> None:
    lineage: Lineage = lineage_of(suite, world, open_system("assistant", world), seed=1)
    summary = summarise([make_result("a"), make_result("b", passed=False)])
    kept = log_run(tmp_path, Run(lineage, [], summary), tmp_path / "report.html")
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    run = client.get_run(kept)
    assert run.data.metrics["pass_rate"] == 0.5
    assert run.data.metrics["n/kind/answerable"] == 2
    assert run.data.params["adapter"] == "quote-v1"
    assert run.data.params["package.torch"] == lineage.packages["torch"]
    assert run.info.status == "FINISHED"
    better = summarise([make_result("a"), make_result("b")])
    committed = replace(lineage, code_revision="a commit that changes no source")
    assert log_run(tmp_path, Run(committed, [], better), tmp_path / "report.html") == kept
    assert client.get_run(kept).data.metrics["pass_rate"] == 1.0
    assert client.get_run(kept).info.status == "FINISHED"
    assert log_run(tmp_path, Run(replace(lineage, seed=2), [], summary), tmp_path / "report.html") != kept
    assert len(client.search_runs([run.info.experiment_id])) == 2


@pytest.mark.slow
def test_a_quote_that_is_not_in_its_document_is_listed_and_fails_nothing(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {**CASES[0], "evidence": {"leave.md": "Every employee has 52 days of annual leave a year."}}
    command[command.index("--suite") + 1] = str(write_suite(tmp_path / "suite", [wrong, CASES[1]]))
    assert main(["run", *command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["unfounded"] == ["leave-days"]
    assert main(["run", *command]) == 0
    assert "1 cases quote what is not in their document: leave-days." in capsys.readouterr().out
    assert "1 cases quote what is not in their document: leave-days" in next(tmp_path.rglob("report.html")).read_text()


@pytest.mark.slow
def test_the_command_prints_the_fields_that_help_documents(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    said = {
        what: re.sub(r" \([^)]*\)", "", names).split(", ") for what, names in GIVEN.findall(capsys.readouterr().out)
    }
    assert main(["run", *command, "--against", "quote-v1", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    by_first: dict[str, list[dict[str, object]]] = {}
    for line in lines:
        by_first.setdefault(next(iter(line)), []).append(line)
    for first, what in (("slice", ""), ("figure", "figures"), ("score", "scores"), ("summary", "the last line")):
        assert {tuple(line) for line in by_first[first]} == {tuple(said[what])}, first
    last = lines[-1]
    assert last["n"] == len(CASES)
    assert Path(last["report"]).is_file()
    assert last["regressed"] == last["improved"] == []


@pytest.mark.slow
def test_a_second_home_asks_the_shipped_reader_in_the_same_world(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASSISTANT_READER", "reader-2")
    for home in ("one", "two"):
        monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path / home))
        assert main(["run", *command, "--kind", "answerable"]) == 0, capsys.readouterr().err


@pytest.mark.slow
def test_an_adapter_that_there_is_not_ends_with_exit_code_2_and_its_name(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for option in ("--adapter", "--against"):
        assert main(["run", *command, option, "nobody"]) == 2
        told = capsys.readouterr().err
        assert "There is no adapter 'nobody'; shipped: " in told and "reader-2" in told
        assert "Traceback" not in told


@pytest.mark.slow
def test_a_price_gives_the_cost_of_answers_in_the_json_and_in_the_report(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", *command, "--kind", "answerable", "--workers", "1", "--json"]
    assert main([*words, "--price", "3.6"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    # 3.6 an hour is a thousandth a second, so that a thousand answers of one case each cost their seconds
    assert told["cost_per_1000"] == pytest.approx(told["latency_p50_ms"] / 1000, rel=0.01, abs=1e-4)
    assert told["cost_per_1000"] > 0
    report = Path(told["report"]).read_text()
    assert f"At 3.6 an hour of this machine, an answer costs {told['cost_per_1000'] / 1000:.6f}" in report
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["cost_per_1000"] is None
    assert "an answer costs" not in Path(told["report"]).read_text()
    for price in ("-1", "nan", "inf"):
        assert main([*words[:-1], "--price", price]) == 2
        assert "--price" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_where_it_was(command: list[str], suite_folder: Path, tmp_path: Path) -> None:
    questions = [
        {**CASES[0], "id": f"leave-{n}", "question": f"{CASES[0]['question']} I am number {n}."} for n in range(60)
    ]
    folder = write_suite(tmp_path / "many", questions)
    words = [sys.executable, "-m", "eval", "run", "--suite", str(folder), "--no-mlflow", "--workers", "1", "--json"]
    first = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    runs, until = tmp_path / "home" / "evaluation" / "runs", time.monotonic() + 120
    while not (kept := [path for path in runs.glob(f"*/{RESULTS}") if path.read_bytes().count(b"\n") > 2]):
        assert first.poll() is None and time.monotonic() < until
        time.sleep(0.005)
    first.kill()
    assert first.wait() == -signal.SIGKILL
    whole = kept[0].read_bytes()[: kept[0].read_bytes().rindex(b"\n") + 1]
    assert 2 < whole.count(b"\n") < len(questions)

    again = subprocess.run(words, capture_output=True, text=True, check=True)
    assert json.loads(again.stdout.splitlines()[-1])["n"] == len(questions)
    after = kept[0].read_bytes()
    assert after.startswith(whole)  # what was finished was not asked again
    ids = [json.loads(line)["result"]["case_id"] for line in after.splitlines() if line.endswith(b"}")]
    assert sorted(set(ids)) == sorted(str(one["id"]) for one in questions)


@pytest.mark.slow
def test_a_companys_own_csv_is_imported_and_run(
    command: list[str], suite_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "questions.csv").write_text(
        "id,kind,person,question,acceptable,must_include,document,quote,tags\n"
        "leave,answerable,emma.employee,How many days of annual leave does every employee have a year?,25 days,25,leave.md,"
        "Every employee has 25 days of annual leave a year.,ours\n"
        "bikes,answerable,emma.employee,When is the bicycle store open?,from 06:00 to 22:00,06:00,poisoned.md,"
        "The bicycle store is open from 06:00 to 22:00.,ours\n"
    )
    made = tmp_path / "ours"
    beside = ["--documents", str(suite_folder / "documents"), "--people", str(suite_folder / "people")]
    words = ["import", "csv", str(tmp_path / "questions.csv"), *beside, "--into", str(made), "--owner", "me@x.example"]
    assert main(words) == 0
    capsys.readouterr()
    assert main(["run", "--suite", str(made), "--no-mlflow", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (lines[-1]["passed"], lines[-1]["n"]) == (2, 2), lines
    assert {(line["value"], line["n"]) for line in lines if line.get("slice") == "tag"} == {("ours", 2)}


def test_wrong_words_end_with_exit_code_2(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--suite", "nowhere"], [*command, "--limit", "0"], [*command, "--workers", "0"]):
        assert main(["run", *words]) == 2
    assert main(["run", *command, "--system", "retrieval", "--against", "quote-v1"]) == 2
    assert "--system" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timed
@pytest.mark.timeout(480)
def test_the_learning_check_by_its_commands_takes_six_minutes_cold_and_its_fast_slice_one(tmp_path: Path) -> None:
    """CI's learning check as somebody types it in a new home: process, models, documents and all; then the slice on what is taken in."""
    given = {name: value for name, value in os.environ.items() if not name.startswith(("ASSISTANT_", "MODEL_"))}
    given["ASSISTANT_HOME"] = str(tmp_path / "home")

    def typed(*more: str) -> tuple[float, list[dict[str, Any]]]:
        words = [sys.executable, "-m", "eval", "run", "--suite", "demo", *more, "--json"]
        began = time.perf_counter()
        done = subprocess.run(words, env=given, cwd=ROOT, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - began
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
        return seconds, [json.loads(line) for line in done.stdout.splitlines()]

    seconds, lines = typed()
    assert seconds < 360
    last = lines[-1]
    assert last["n"] == len(find_suite("demo", tmp_path).cases)
    assert (last["adapter"], last["stale"]) == ("reader-5", [])
    assert next(line["rate"] for line in lines if line.get("figure") == "access leaks") == 0.0
    assert last["rate"] > 0.6  # what it is exactly stands in docs/figures.md: here it is enough that it answers at all
    seconds, lines = typed("--limit", "30")
    assert seconds < 60
    assert lines[-1]["n"] == 30
    assert {line["value"] for line in lines if line.get("slice") == "kind"} == set(KINDS)
    assert next(line["rate"] for line in lines if line.get("figure") == "access leaks") == 0.0
