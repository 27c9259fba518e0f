"""Two runs become a batch of blind pairs; what people say of it stands in the run's report."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.audit import Audit
from core.people import People
from core.rating_records import Given
from core.ratings import Ratings
from core.store import Store
from eval import ratings_command
from eval.__main__ import main
from eval.cases import Suite
from eval.evaluation import Evaluator
from eval.rated import rated_runs, read_run
from eval.runner import RunOptions
from eval.worlds import World
from tests.test_json_fields import GIVEN

Typed = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def typed(home: Path, suite_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Types a ratings command with --json in a home folder that knows the suite; gives its lines."""
    monkeypatch.setenv("ASSISTANT_HOME", str(home))
    shutil.copytree(suite_folder, home / "suites" / "small")

    def run(*words: object, code: int = 0) -> list[dict[str, Any]]:
        capsys.readouterr()
        assert main(["ratings", *map(str, words), "--json"]) == code
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


@pytest.fixture
def ran(home: Path, world: World, suite: Suite, people: People, audit: Audit) -> tuple[Path, Path]:
    """The folders of a run of the assistant and of one of a plain chain."""
    assert people.get("ada.admin")
    asking = Evaluator(suite, world, RunOptions(home / "runs", audit))
    ours, other = (asking.folder(asking.run(system)) for system in ("assistant", "langchain"))
    return ours, other


@pytest.mark.slow
def test_two_runs_become_pairs_that_are_rated_and_reported(
    typed: Typed, ran: tuple[Path, Path], tmp_path: Path, people: People, store: Store, audit: Audit
) -> None:
    gold = tmp_path / "gold.jsonl"
    gold.write_text(json.dumps({"question": "2+2?", "answers": ["4", "5"], "preferred": "a", "why": "Sum"}) + "\n")
    words = ("create", *ran, "--as", "ada.admin", "--name", "plain or ours", "--gold", gold)
    words += ("--raters", "Ada.Admin, emma.employee,ada.admin")
    (made,) = typed(*words)
    assert made["kind"] == "pair" and made["gold"] == 1
    assert made["items"] + made["left_out"].get("same answer", 0) == 6
    ratings, ada = Ratings(store, audit), people.get("ada.admin")
    rated = 0
    while item := ratings.next(made["batch_id"], ada):
        assert not {"quote-v1", "langchain"} & set(str(item).split())
        rated += 1
        ratings.rate(item.item_id, ada, Given("first"))
    assert rated == made["items"] + 1
    assert made["named"] == ["ada.admin", "emma.employee"] and made["readable"]["ada.admin"] == rated
    (more,) = typed("name", made["batch_id"], "--as", "ada.admin", "--raters", "emma.employee,hana.hr")
    assert more["named"] == [*made["named"], "hana.hr"] and list(more["readable"]) == ["emma.employee", "hana.hr"]
    (shown,) = typed("show", made["batch_id"])
    assert (shown["named"], shown["rated_nothing"]) == (more["named"], ["emma.employee", "hana.hr"])
    assert shown["items_rated"] == made["items"] and sum(shown["preferred"].values()) == made["items"]
    assert shown["first_wins"]["rate"] == 1.0
    rows = typed("export", made["batch_id"])
    assert {row["preferred"] for row in rows} <= {"quote-v1", "langchain", "a"}
    (listed,) = typed("show")
    (report,) = typed("report", ran[0], "--against", ran[1])
    assert report["batches"] == [made["batch_id"]]
    html = (ran[0] / "report.html").read_text(encoding="utf-8")
    assert "What people said" in html and "plain or ours" in html
    (removed,) = typed("remove", made["batch_id"], "--as", "ada.admin")
    (again,) = typed("report", ran[0])
    assert again["batches"] == [] and "What people said" not in (ran[0] / "report.html").read_text(encoding="utf-8")
    fields = dict(GIVEN.findall(ratings_command.__doc__ or ""))
    for act, row in (
        ("create", made),
        ("name", more),
        ("show", listed),
        ("show BATCH", shown),
        ("export", rows[0]),
        ("report", report),
    ):
        assert list(row) == fields[act].split(", "), act
    assert list(removed) == ["batch_id"]


def test_one_run_becomes_single_answers_and_bad_input_is_said(
    typed: Typed, ran: tuple[Path, Path], tmp_path: Path, audit: Audit
) -> None:
    (made,) = typed("create", ran[0], "--as", "ada.admin", "--name", "x", "--limit", 3)
    assert (made["kind"], made["items"], made["named"], made["readable"]) == ("single", 3, [], {})
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"question": "x", "answers": "y"}\n')
    base = ("--as", "ada.admin", "--name", "x")
    for words, said in (
        (("create", tmp_path, *base), "no run's folder"),
        (("create", *base), "one or two runs"),
        (("create", ran[0], "--turns", *base), "one or two runs"),
        (("create", ran[0], "--gold", bad, *base), f"{bad}:1"),
        (("create", ran[0], ran[0], *base), "Nothing is left to rate"),
        (("create", "--turns", *base), "Nothing is left to rate"),
        (("create", ran[0], "--limit", 0, *base), "--limit"),
        (("create", ran[0], "--as", "nobody", "--name", "x"), "nobody"),
        (("create", ran[0], "--raters", "hana.hr,zoe,emma.employee,max", *base), "'zoe', 'max'"),
        (("create", ran[0], "--raters", " , ", *base), "--raters takes"),
        (("show", "no-batch"), "no such batch"),
        (("name", "no-batch", "--as", "ada.admin", "--raters", "hana.hr"), "no such batch"),
        (("name", made["batch_id"], "--as", "ada.admin", "--raters", "zoe"), "'zoe'"),
    ):
        (error,) = typed(*words, code=2)
        assert said in error["message"], error
    lines = (ran[0] / "results.jsonl").read_text().splitlines()
    (ran[0] / "results.jsonl").write_text(lines[0].replace('"passed": true', '"passed": false') + "\n")
    (error,) = typed("create", ran[0], *base, code=2)
    assert "sealed" in error["message"]
    other = read_run(ran[1], audit)
    assert len(other.results) == 6
    assert [run.name for run in rated_runs([other])] == ["langchain"]
    before = replace(other, lineage=replace(other.lineage, code_sha256="0" * 64))
    first, second = rated_runs([other, before])  # two runs of one name are told apart
    assert first.name != second.name and first.run_id[:8] in first.name
