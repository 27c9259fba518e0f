"""A reader that is the mean of others."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core.errors import BadInput
from training.__main__ import main as command
from training.loop import save_whole
from training.retrain import load_reader, open_start
from training.soup import mean, member


def test_mean_lies_halfway_between_a_run_and_an_adapter(tmp_path: Path) -> None:
    shipped = load_reader(open_start("reader-1"))
    moved = {
        name: weight + 2 if weight.is_floating_point() else weight for name, weight in shipped.state_dict().items()
    }
    save_whole(tmp_path / "full.pt", moved)
    found = mean([member("reader-1").state_dict(), member(str(tmp_path / "full.pt")).state_dict()])
    for name, weight in shipped.state_dict().items():
        expected = weight + 1 if weight.is_floating_point() else weight
        torch.testing.assert_close(found[name], expected)


@pytest.mark.parametrize("held", [b"", b"no weights", None])
def test_file_without_a_readers_weights_is_refused_by_name(tmp_path: Path, held: bytes | None) -> None:
    path = tmp_path / "full.pt"
    if held is not None:
        path.write_bytes(held)
    with pytest.raises(BadInput, match=r"full\.pt does not hold the weights of a reader: name the full\.pt of a run"):
        member(str(path))


def test_weights_of_another_network_are_no_member(tmp_path: Path) -> None:
    save_whole(tmp_path / "full.pt", torch.nn.Linear(2, 2).state_dict())
    with pytest.raises(BadInput, match="does not hold the weights of a reader"):
        member(str(tmp_path / "full.pt"))


def test_one_reader_alone_is_no_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["soup", "--data", str(tmp_path), "--out", str(tmp_path / "out"), "--adapter", "x", "reader-1"]
    assert command(given) == 2
    assert "A mean takes two readers or more" in capsys.readouterr().err


def test_member_of_a_folder_that_no_run_made_is_told_before_anything_is_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_whole(tmp_path / "full.pt", torch.nn.Linear(2, 2).state_dict())
    given = ["soup", "--data", str(tmp_path), "--out", str(tmp_path / "out"), "--adapter", "x", "reader-1"]
    assert command([*given, str(tmp_path / "full.pt")]) == 2
    assert f"{tmp_path} is no folder of a run of python -m training reader" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
