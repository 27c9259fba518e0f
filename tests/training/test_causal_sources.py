"""Where causal recipes learn from but rows: the home's documents, and a larger model's answers as far as they hold."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pytest

from assistant.bases import open_registry
from assistant.console import opened
from assistant.prompt import Prompt
from assistant.scripted import ScriptedModel, ScriptedServer
from core.errors import BadInput, ModelUnavailable
from core.provenance import Code
from core.run_config import CausalConfig, DistilConfig, Method, PretrainConfig
from core.sealed import open_sealed
from tests.core.adapters import sealed_folder
from tests.retrieval.shelf import Shelf, governed
from tests.training.tiny_causal import DESK, GIVEN, LEAVE, ROWS, config, losses, nothing_told, span
from training import distil, dpo, kto, pretrain, sft
from training.causal import open_base
from training.causal_documents import read_library
from training.causal_rows import Example, lengths
from training.estimate import Estimate, estimate
from training.recipe import Step, read_documents, read_scores, write_documents
from training.rows import Row, Rows, Target
from training.runs import Done, Run, prepare, register

DAY = date(2026, 11, 22)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def library(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home with documents that may be read, and one of each sort that may not."""
    monkeypatch.setenv("ASSISTANT_HOME", str(home))
    docs = tmp_path / "docs"
    docs.mkdir()
    for name, text in {
        "a": governed("a", f"{LEAVE.text}\n\nAsk Jo: jo.smith@gmail.com, card 4111 1111 1111 1111."),
        "a2": governed("b", "Old words.", version=1, effective="2026-01-01"),
        "b2": governed("b", DESK.text, version=2, effective="2026-02-01"),
        "c": governed("c", "Secret words.", classification="restricted"),
        "d": governed("d", "Draft words.", status="draft"),
        "e": governed("e", "Words for hr.", allowed="hr"),
        "f": governed("f", "Words for all but contractors.", denied="contractors"),
    }.items():
        (docs / f"{name}.md").write_text(text)
    shelf = Shelf(home)
    shelf.run(docs)
    shelf.close()


# --- documents ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("library")
def test_only_what_those_named_may_read_is_read_and_nothing_personal() -> None:
    with opened() as here:
        found = read_library(PretrainConfig(method="pretrain", name="r", base=Path("base")), here, DAY)
        wider = PretrainConfig(method="pretrain", name="r", base=Path("base"), groups=("hr",), clearance="restricted")
        more = read_library(wider, here, DAY)
    assert [(text.document_id, text.version) for text in found.texts] == [("a", 1), ("b", 2)]
    assert LEAVE.text in found.texts[0].text
    assert "4111" not in found.texts[0].text
    assert (found.personal, found.shut) == (1, 1)
    assert [text.document_id for text in more.texts] == ["a", "b", "c", "e"]
    assert found.sha256 != more.sha256


@pytest.mark.slow
@pytest.mark.usefixtures("library")
def test_it_reads_documents_in_pieces_and_is_measured_on_others(base: Path, tmp_path: Path) -> None:
    wanted = config("pretrain", base, max_length=16, held_out=0.5, epochs=6, clearance="restricted")
    steps: list[Step] = []
    folder = pretrain.train(wanted, Rows(()), tmp_path / "run", steps.append)  # type: ignore[arg-type]
    scores = read_scores(tmp_path / "run")
    assert (scores["documents"], scores["validation_documents"]) == (1, 2)
    assert losses(steps)[-1] < losses(steps)[0]
    assert scores["validation_loss"] != scores["validation_loss_before"]
    assert open_sealed(folder).kind == "causal"
    assert [(one.document_id, one.version, len(one.sha256)) for one in read_documents(tmp_path / "run")] == [
        ("a", 1, 64), ("b", 2, 64), ("c", 1, 64)
    ], "an erasure of one of them is seen when the adapter is registered, and blocks it afterwards"  # fmt: skip


@pytest.mark.usefixtures("library")
def test_too_little_to_read_is_refused_with_what_to_do(base: Path, tmp_path: Path) -> None:
    wanted = config("pretrain", base, least_rows=50)
    with pytest.raises(BadInput, match=r"may be read by everyone with clearance internal, and at least 50"):
        pretrain.train(wanted, Rows(()), tmp_path / "run", nothing_told)  # type: ignore[arg-type]


# --- a dry run -------------------------------------------------------------------------------------------------------


def dry(wanted: CausalConfig, rows: Rows, folder: Path) -> Estimate:
    return estimate(Run(wanted, wanted, None, rows, "", Code("", ""), "k", folder))


def sizes(base: Path, examples: Iterable[Example | None]) -> list[int]:
    """The tokens of each example, all its answers together."""
    tokenizer = open_base(config("sft", base)).tokenizer
    return [sum(lengths(tokenizer, one)) for one in examples if one]


@pytest.mark.slow
def test_a_dry_run_counts_pairs_judged_answers_and_rows_as_each_recipe_learns_from_them(
    base: Path, tmp_path: Path
) -> None:
    unpaired = span("Where is leave asked for?", "Leave is asked for in Daybook.")
    silent = Row("silent", "How?", (LEAVE,), Target("clarify"))
    rows = Rows((*ROWS, unpaired, silent), ROWS[:1])
    answers = sizes(base, map(sft.example_of, rows.training))
    pairs = sizes(base, map(dpo.pair_of, rows.training))
    judged = sizes(base, [one for row in rows.training for one in kto.judged_of(row)])
    assert (len(answers), len(pairs), len(judged)) == (5, 4, 9)
    expected: tuple[tuple[Method, list[int], int], ...] = (("sft", answers, 1), ("dpo", pairs, 1), ("kto", judged, 2))
    for method, wanted, held in expected:
        found = dry(config(method, base), rows, tmp_path)
        assert (found.rows, found.validation_rows, found.tokens) == (len(wanted), held, sum(wanted)), method
    short = dry(config("sft", base, max_length=max(answers) - 1), rows, tmp_path)
    assert short.rows < 5, "what is too long is not learnt from"


@pytest.mark.slow
@pytest.mark.usefixtures("library")
def test_a_dry_run_counts_the_pieces_of_documents_and_the_teachers_answers(base: Path, tmp_path: Path) -> None:
    wanted = config("pretrain", base, max_length=16, held_out=0.5, clearance="restricted")
    read = dry(wanted, Rows(()), tmp_path)
    assert read.rows >= 2
    assert read.validation_rows >= 1
    assert read.rows < read.tokens <= 16 * read.rows
    with ScriptedServer(ScriptedModel([by_question])) as server:
        held = dry(told(base, server), GIVEN, tmp_path)
    assert held.rows == 2, "of four answers two are borne out"
    assert 0 < held.tokens < sum(sizes(base, map(sft.example_of, ROWS))), "what does not hold is not learnt from"


# --- a teacher ------------------------------------------------------------------------------------------------------


def told(base: Path, server: ScriptedServer, **changes: object) -> DistilConfig:
    made = config("distil", base, teacher_url=server.url, teacher="scripted", **changes)
    assert isinstance(made, DistilConfig)
    return made


def by_question(prompt: Prompt) -> str:
    """A teacher that knows two answers, makes one up, and declines one."""
    asked = prompt.messages[-1].content
    if "How many days" in asked:
        return "Every employee has 25 days of annual leave a year. [1]"
    if "get a desk" in asked:
        return "Desks are booked in Seatfinder."
    return "Leave is asked for by 40 pigeons. [1]" if "ask for leave" in asked else "NOT_IN_PASSAGES"


@pytest.mark.slow
def test_only_the_answers_that_hold_are_learnt_and_nothing_is_asked_twice(base: Path, tmp_path: Path) -> None:
    steps: list[Step] = []
    with ScriptedServer(ScriptedModel([by_question])) as server:
        wanted = told(base, server, epochs=4)
        folder = distil.train(wanted, GIVEN, tmp_path, steps.append)
        questions = len(server.requests)
        distil.train(wanted, GIVEN, tmp_path, nothing_told)
        assert len(server.requests) == questions == 4
    scores = read_scores(tmp_path)
    assert (scores["rows"], scores["teacher_kept"]) == (2, 2)
    assert (scores["teacher_ungrounded"], scores["teacher_refused"]) == (1, 1)
    assert losses(steps)[-1] < losses(steps)[0]
    assert open_sealed(folder).kind == "causal"


@pytest.mark.parametrize(
    ("kind", "answer", "outcome", "text"),
    [
        ("span", "Desks are booked in Seatfinder.", "kept", "Desks are booked in Seatfinder. [2]"),
        ("span", "Desks are booked in Seatfinder. [9]", "kept", "Desks are booked in Seatfinder. [2]"),
        ("span", "Desks are booked in Seatfinder. [2] The moon is free. [1]", "ungrounded", ""),
        ("span", "Desks are booked in Seat…", "unfinished", ""),
        ("span", "NOT_IN_PASSAGES", "refused", ""),
        ("refuse", "NOT_IN_PASSAGES", "kept", "NOT_IN_PASSAGES"),
        ("span", "ASK_BACK: Which desk?", "asked_back", ""),
        ("clarify", "ASK_BACK: Which desk?", "kept", "ASK_BACK: Which desk?"),
        ("span", "", "empty", ""),
    ],
)
def test_an_answer_is_kept_where_the_chat_would_show_all_of_it(kind: str, answer: str, outcome: str, text: str) -> None:
    row = Row("r", "Where do I get a desk?", (LEAVE, DESK), Target(kind))  # type: ignore[arg-type]
    assert distil.judge(row, answer) == distil.Judged(outcome, text)  # type: ignore[arg-type]


def test_too_few_answers_that_hold_are_refused_and_a_silent_teacher_is_said(base: Path, tmp_path: Path) -> None:
    with ScriptedServer(ScriptedModel(["The moon is free. [1]"])) as server:
        wanted = told(base, server)
        with pytest.raises(BadInput, match="0 answers of the teacher that hold, and at least 2"):
            distil.train(wanted, Rows(ROWS), tmp_path / "one", nothing_told)
    with pytest.raises(ModelUnavailable, match="cannot be reached"):
        distil.train(wanted, Rows(ROWS), tmp_path / "two", nothing_told)


@pytest.mark.usefixtures("library")
def test_other_documents_are_another_run(tmp_path: Path) -> None:
    wanted = PretrainConfig(method="pretrain", name="r", base=Path("base"))
    with opened() as here:
        before = prepare(wanted, here, allow_dirty=True)
        shelf = Shelf(here.settings.home)
        (tmp_path / "docs" / "g.md").write_text(governed("g", "New words."))
        shelf.run(tmp_path / "docs")
        shelf.close()
        after = prepare(wanted, here, allow_dirty=True)
    assert before.key != after.key
    assert len(before.lineage()["dataset_sha256"]) == 64


@pytest.mark.usefixtures("library")
def test_a_document_that_is_deleted_after_the_training_blocks_the_adapter_that_read_it(tmp_path: Path) -> None:
    wanted = PretrainConfig(method="pretrain", name="reads", base=Path("base"))
    with opened() as here:
        run = prepare(wanted, here, allow_dirty=True)
        run.folder.mkdir(parents=True)
        write_documents(run.folder, pretrain.read_of(read_library(wanted, here, DAY)))
        sealed = sealed_folder(run.folder, value=1.0)
        registry = open_registry(here.settings, here.store, here.audit)
        name = register(run, Done(run.folder.name, sealed.name, "", {}, "run-1", 1.0), registry, actor="ana").adapter_id
        shelf = Shelf(here.settings.home)
        assert shelf.ingest.delete("b", 1, "ada.admin") == (), "it has read the newer version"
        assert not registry.get(name).blocked
        assert shelf.ingest.delete("b", 2, "ada.admin") == (name,)
        shelf.close()
        assert registry.get(name).blocked == "The document b v2 was erased, and this adapter was trained on it."
