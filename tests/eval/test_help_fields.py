"""What `--help` documents of --json is what calibrate, cases and import print; the other commands' own tests hold theirs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from assistant.scripted import ScriptedModel, ScriptedServer
from eval.__main__ import main
from tests.eval.conftest import write_suite
from tests.test_json_fields import GIVEN

Row = dict[str, Any]
Printed = Callable[..., list[Row]]


@pytest.fixture
def printed(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Printed:
    """Types a command with --json; gives its lines."""
    monkeypatch.setenv("ASSISTANT_HOME", str(home))

    def typed(*words: object, code: int = 0) -> list[Row]:
        capsys.readouterr()
        assert main([*map(str, words), "--json"]) == code
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return typed


def documented(command: str, capsys: pytest.CaptureFixture[str]) -> dict[str, list[str]]:
    """The fields that the command's help names, by what they are of ("" for its lines)."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    found = GIVEN.findall(capsys.readouterr().out)
    return {what: re.sub(r" \([^)]*\)", "", fields).split(", ") for what, fields in found}


def test_calibrate_prints_the_fields_that_help_documents_with_a_judge_and_without(
    printed: Printed, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = documented("calibrate", capsys)[""]
    (shipped,) = printed("calibrate")
    assert list(shipped) == fields
    assert shipped["questions"] == shipped["pairs"]
    assert (shipped["judge"], shipped["judge_agrees"], shipped["judge_silent"]) == ("", None, None)
    pairs = [{"correct": right, "acceptable": ["25 days"], "answer": said} for right, said in ((True, "25 days"), (True, "the 25 days"), (False, "9"), (False, "26"))]  # fmt: skip
    (tmp_path / "pairs.yaml").write_text(yaml.safe_dump(pairs))
    with ScriptedServer(ScriptedModel(["yes", "yes", "no", "no"])) as server:
        monkeypatch.setenv("MODEL_URL", server.url)
        monkeypatch.setenv("MODEL", "scripted")
        (asked,) = printed("calibrate", "--judge", "--pairs", tmp_path / "pairs.yaml")
    assert list(asked) == fields
    assert (asked["pairs"], asked["judge"], asked["judge_agrees"], asked["judge_kappa"], asked["judge_silent"]) == (
        4, "scripted", 1.0, 1.0, 0,
    )  # fmt: skip
    (refused,) = printed("calibrate", "--judge", code=4)
    assert "MODEL_URL" in refused["message"]


def test_cases_prints_the_fields_that_help_documents(
    printed: Printed, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    said = documented("cases", capsys)
    folder = write_suite(tmp_path / "suite")
    *lines, last = printed("cases", folder, code=1)
    assert lines and {tuple(line) for line in lines} == {tuple(said[""])}
    assert list(last) == said["the last line"]
    assert (last["suite"], last["cases"], last["not_found"]) == ("suite", 6, 0)
    (accepted,) = printed("cases", folder, "--accept")
    assert list(accepted) == said["the last line"]


def test_import_prints_the_fields_that_help_documents(
    printed: Printed, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    said = documented("import", capsys)
    answers = [{"text": "in tall trees", "answer_start": 12}]
    asked = [{"id": "a1", "question": "Where do herons nest?", "answers": answers}]
    paragraph = {"context": "Herons nest in tall trees.", "qas": asked}
    (tmp_path / "squad.json").write_text(
        json.dumps({"version": "1.1", "data": [{"title": "Heron", "paragraphs": [paragraph]}]})
    )
    words = ("squad", tmp_path / "squad.json", "--into", tmp_path / "made", "--owner", "me@x.example")
    (made,) = printed("import", *words)
    assert list(made) == said[""]
    assert (made["cases"], made["documents"]) == (1, 1)
