"""An adapter's folder is refused for each thing that can be wrong with it, and the message names the file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from core.errors import AdapterRefused
from retrieval.adapters import FILES, SHIPPED, open_adapter, write_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED / "reader-1", tmp_path / "reader-1"))


def seal(folder: Path) -> None:
    write_manifest(folder, "reader-1", "reader", {})


def refusal(folder: Path) -> str:
    with pytest.raises(AdapterRefused) as refused:
        open_adapter(folder, "reader")
    return str(refused.value)


@pytest.mark.parametrize(("name", "kind"), [("reader-1", "reader"), ("reranker-1", "reranker")])
def test_shipped_adapters_are_intact(name: str, kind: str) -> None:
    adapter = open_adapter(SHIPPED / name, kind)  # type: ignore[arg-type]
    assert adapter.adapter_id == name
    assert len(adapter.sha256) == 64
    assert sum((SHIPPED / name / file).stat().st_size for file in FILES) < 8_000_000


@pytest.mark.parametrize("file", FILES)
def test_changed_file_is_named(folder: Path, file: str) -> None:
    data = bytearray((folder / file).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / file).write_bytes(data)
    assert file in refusal(folder)


@pytest.mark.parametrize("file", FILES)
def test_truncated_and_missing_files_are_named(folder: Path, file: str) -> None:
    (folder / file).write_bytes((folder / file).read_bytes()[:-9])
    assert f"{file} was changed or cut short" in refusal(folder)
    (folder / file).unlink()
    assert f"{file} is missing" in refusal(folder)


def test_anything_but_safetensors_is_refused(folder: Path) -> None:
    (folder / "adapter_model.bin").write_bytes(b"\x80\x04]\x94.")
    assert "adapter_model.bin does not belong there" in refusal(folder)
    (folder / "adapter_model.bin").unlink()
    (folder / "heads.safetensors").write_bytes(b"\x80\x04]\x94.")  # a pickle under the right name
    seal(folder)
    assert "heads.safetensors is no safetensors file" in refusal(folder)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(folder: Path, value: float) -> None:
    weights = load_file(folder / "adapter_model.safetensors")
    name = sorted(weights)[0]
    weights[name] = weights[name].copy()
    weights[name][0, 0] = value
    save_file(weights, folder / "adapter_model.safetensors")
    seal(folder)
    assert f"not finite, in {name}" in refusal(folder)


def test_adapter_of_another_base_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["base"] = {"name": "another-encoder", "sha256": "0" * 64}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert "another base (another-encoder)" in refusal(folder)


def test_adapter_of_the_other_kind_is_refused(folder: Path) -> None:
    with pytest.raises(AdapterRefused, match="is a reader, and a reranker is needed"):
        open_adapter(folder, "reranker")


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_damaged_manifest_is_named(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    assert "manifest.json" in refusal(folder)
