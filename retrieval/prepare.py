"""Prepare an embedding model for this processor: python -m retrieval.prepare MODEL FOLDER

Converts a sentence-transformers model to OpenVINO with its pooling inside, quantises a copy to int8 with NNCF on
`calibration.yaml`, measures torch, bf16 and int8 on this machine, and writes FOLDER: `tokenizer.json`, `bf16.xml`,
`int8.xml` and, last, `prepared.json` with the figures. `retrieval/backends.py` runs it once, as a process of its own:
torch, the converter's warnings and NNCF's progress bars stay out of the assistant.
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

from core.offline import go_quiet
from retrieval.embed import Vectors

Backend = Literal["torch", "openvino-bf16", "openvino-int8"]

LEAST_COSINE = 0.99
"""A backend whose vectors are further than this from torch's, for any measured text, is rejected."""
MAX_TOKENS = 256
SMOOTHING = 0.7
"""SmoothQuant's alpha: least cosine to torch on 60 unseen questions and 64 unseen abstracts was 0.992 and 0.997 here,
0.982 and 0.983 at NNCF's default of 0.95, and 0.970 and 0.988 at 0.5."""
QUERY_ROUNDS = 5
TURNS = 3

Encode = Callable[[list[str]], Vectors]


@dataclass(frozen=True, slots=True)
class Measured:
    """One backend on this processor: passages a second, milliseconds for a question, least cosine to torch."""

    passages_per_second: float
    query_ms: float
    least_cosine: float


@dataclass(frozen=True, slots=True)
class Prepared:
    """What `prepared.json` holds."""

    model: str
    dimension: int
    max_tokens: int
    processor: str
    measured: dict[Backend, Measured]

    def fastest(self) -> Backend:
        """The backend with the most passages a second among those near enough to torch."""
        fit = {name: m for name, m in self.measured.items() if m.least_cosine >= LEAST_COSINE}
        return max(fit, key=lambda name: fit[name].passages_per_second)


def read_prepared(folder: Path) -> Prepared | None:
    """The figures of an earlier preparation, or None where there is none, or of another processor."""
    try:
        held = json.loads((folder / "prepared.json").read_text(encoding="utf-8"))
        measured = {name: Measured(**figures) for name, figures in held.pop("measured").items()}
        prepared = Prepared(measured=measured, **held)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return prepared if prepared.processor == processor() else None


def processor() -> str:
    """What decides which backend is fastest: the processor's name and its vector extensions."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    info = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    wanted = (
        "avx2",
        "avx512f",
        "avx512_vnni",
        "avx_vnni",
        "avx512_bf16",
        "amx_int8",
        "amx_bf16",
        "asimddp",
        "bf16",
        "i8mm",
    )
    flags = info.get("flags", info.get("Features", "")).split()
    return " ".join([info.get("model name", platform.machine()), *(flag for flag in wanted if flag in flags)])


def calibration_texts() -> list[str]:
    texts: list[str] = yaml.safe_load((Path(__file__).parent / "calibration.yaml").read_text(encoding="utf-8"))
    return texts


def prepare(model: str, folder: Path) -> Prepared:
    """Write the folder's files; torch first, so that it is there to compare with."""
    from retrieval.backends import OpenVinoEmbedder, TorchEmbedder

    folder.mkdir(parents=True, exist_ok=True)
    torch_embedder = TorchEmbedder(model)
    encoder = torch_embedder.model
    max_tokens = min(MAX_TOKENS, encoder.max_seq_length or MAX_TOKENS)
    encoder.tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    _convert(encoder, folder, max_tokens)
    texts = calibration_texts()
    expected = torch_embedder.encode(texts)
    measured: dict[Backend, Measured] = {"torch": _measure(torch_embedder.encode, texts, expected)}
    converted: tuple[Backend, ...] = ("openvino-bf16", "openvino-int8")
    runs = {
        name: OpenVinoEmbedder(folder, name, model, torch_embedder.dimension, max_tokens).encode for name in converted
    }
    # In turns, and the best of each: whatever else the machine does for a moment must not choose the slower one for good.
    turns = [{name: _measure(encode, texts, expected) for name, encode in runs.items()} for _ in range(TURNS)]
    measured |= {name: best([turn[name] for turn in turns]) for name in converted}
    prepared = Prepared(model, torch_embedder.dimension, max_tokens, processor(), measured)
    fresh = folder / "prepared.new"
    fresh.write_text(json.dumps(asdict(prepared), indent=1), encoding="utf-8")
    fresh.replace(folder / "prepared.json")
    return prepared


def _convert(encoder: Any, folder: Path, max_tokens: int) -> None:
    import nncf
    import openvino

    sentence = {"input_ids": np.ones((2, 8), np.int64), "attention_mask": np.ones((2, 8), np.int64)}
    shape = openvino.PartialShape([-1, -1])
    converted = openvino.convert_model(
        _with_pooling(encoder),
        example_input=_as_tensors(sentence),
        input=[(name, shape, openvino.Type.i64) for name in sentence],
    )
    openvino.save_model(converted, folder / "bf16.xml", compress_to_fp16=True)

    def tokens(text: str) -> dict[str, Any]:
        encoded = encoder.tokenizer([text], truncation=True, max_length=max_tokens, return_tensors="np")
        return {name: encoded[name].astype(np.int64) for name in sentence}

    texts = calibration_texts()
    nncf.set_log_level(logging.ERROR)
    small = nncf.quantize(
        converted,
        nncf.Dataset(texts, tokens),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(texts),
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=SMOOTHING)
        ),
    )
    openvino.save_model(small, folder / "int8.xml", compress_to_fp16=True)


def _with_pooling(encoder: Any) -> Any:
    """The whole sentence-transformers pipeline as one module: token ids in, unit vectors out."""
    import torch

    class SentenceEncoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            features = {"input_ids": input_ids, "attention_mask": attention_mask}
            return torch.nn.functional.normalize(self.encoder(features)["sentence_embedding"], dim=-1)

    return SentenceEncoder().eval()


def _as_tensors(arrays: dict[str, Any]) -> dict[str, Any]:
    import torch

    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _measure(encode: Encode, texts: list[str], expected: Vectors) -> Measured:
    found = encode(texts)  # the first round also warms up
    started = time.perf_counter()
    encode(texts)
    seconds = time.perf_counter() - started
    question = texts[:1]
    rounds = []
    for _ in range(QUERY_ROUNDS):
        begun = time.perf_counter()
        encode(question)
        rounds.append(time.perf_counter() - begun)
    least = float((found * expected).sum(axis=1).min())
    return Measured(round(len(texts) / seconds, 1), round(statistics.median(rounds) * 1000, 2), round(least, 4))


def best(turns: Sequence[Measured]) -> Measured:
    """The speeds of the quickest turn; how near the vectors come is the same in each."""
    return Measured(
        max(turn.passages_per_second for turn in turns), min(turn.query_ms for turn in turns), turns[0].least_cosine
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    go_quiet()
    warnings.simplefilter("ignore")  # the tracer warns about every branch of the model
    prepare(arguments.model, arguments.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
