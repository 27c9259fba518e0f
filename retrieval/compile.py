"""Compile an adapter for this processor: python -m retrieval.compile ADAPTER KIND FOLDER

Adds the adapter's low-rank change to the encoder's weights, converts the network to OpenVINO, quantises a copy to int8
with NNCF on `calibration.yaml`, measures torch and each OpenVINO precision on this machine, and writes FOLDER:
`float.xml`, `int8.xml` and, last, `compiled.json` with the figures. `retrieval/network.py` runs it once for each adapter,
as a process of its own: torch and the converter stay out of the assistant.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from core.offline import go_quiet
from retrieval.adapters import AdapterKind, open_adapter
from retrieval.prepare import calibration_texts, processor
from retrieval.windows import Logits, Tokens, Window, build_windows, collate, open_tokenizer

Precision = Literal["torch", "openvino-f32", "openvino-bf16", "openvino-int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

MOST_GAP = 0.02
"""Largest mean difference of the probability to torch's that a precision may have."""
QUESTIONS = 8
"""Texts of calibration.yaml that stand in for questions; all of them stand in for passages."""

Run = Callable[[Tokens, Tokens, Tokens], tuple[Logits, ...]]


@dataclass(frozen=True, slots=True)
class Measured:
    """One precision on this processor: windows a second, and mean difference of its probability to torch's."""

    windows_per_second: float
    probability_gap: float


@dataclass(frozen=True, slots=True)
class Compiled:
    """What `compiled.json` holds."""

    adapter: str
    sha256: str
    processor: str
    measured: dict[Precision, Measured]

    def fastest(self) -> Precision:
        """The precision with the most windows a second among those near enough to torch."""
        fit = {name: m for name, m in self.measured.items() if m.probability_gap <= MOST_GAP}
        return max(fit, key=lambda name: fit[name].windows_per_second)


def read_compiled(folder: Path) -> Compiled | None:
    """The figures of an earlier compilation, or None where there is none, or of another processor."""
    try:
        held = json.loads((folder / "compiled.json").read_text(encoding="utf-8"))
        measured = {name: Measured(**figures) for name, figures in held.pop("measured").items()}
        compiled = Compiled(measured=measured, **held)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return compiled if compiled.processor == processor() else None


def compile_adapter(source: Path, kind: AdapterKind, folder: Path) -> Compiled:
    """Write the folder's files.

    Raises:
        AdapterRefused: the adapter is damaged, or does not fit the encoder.
    """
    from retrieval.heads import load_net
    from retrieval.network import open_run, torch_run

    adapter = open_adapter(source, kind)
    net = load_net(adapter)
    folder.mkdir(parents=True, exist_ok=True)
    windows = calibration_windows()
    _convert(net, windows, folder)
    batches = [windows[low : low + 8] for low in range(0, len(windows), 8)]
    expected = _probabilities(torch_run(net), batches)
    measured = {}
    for precision in PRECISIONS:
        run = torch_run(net) if precision == "torch" else open_run(folder, precision)
        found = _probabilities(run, batches)  # the first round also warms up
        began = time.perf_counter()
        _probabilities(run, batches)
        speed = len(windows) / (time.perf_counter() - began)
        measured[precision] = Measured(round(speed, 1), round(float(np.abs(found - expected).mean()), 4))
    compiled = Compiled(adapter.adapter_id, adapter.sha256, processor(), measured)
    fresh = folder / "compiled.new"
    fresh.write_text(json.dumps(asdict(compiled), indent=1), encoding="utf-8")
    fresh.replace(folder / "compiled.json")
    return compiled


def calibration_windows() -> list[Window]:
    """Every calibration text as a passage, under two of the questions in turn; shortest first."""
    texts = calibration_texts()
    tokenizer = open_tokenizer()
    windows = [
        window
        for number, text in enumerate(texts)
        for turn in range(2)
        for window in build_windows(tokenizer, texts[(number + 3 * turn) % QUESTIONS], [text])
    ]
    return sorted(windows, key=lambda w: len(w.ids))


def _convert(net: Any, windows: Sequence[Window], folder: Path) -> None:
    import nncf
    import openvino
    import torch

    names = ("ids", "mask", "types")
    example = {name: torch.from_numpy(array) for name, array in zip(names, collate(windows[:2]), strict=True)}
    shape = openvino.PartialShape([-1, -1])
    converted = openvino.convert_model(
        net, example_input=example, input=[(name, shape, openvino.Type.i64) for name in names]
    )
    openvino.save_model(converted, folder / "float.xml", compress_to_fp16=True)
    nncf.set_log_level(logging.ERROR)
    small = nncf.quantize(
        converted,
        nncf.Dataset(windows, lambda window: dict(zip(names, collate([window]), strict=True))),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(windows),
    )
    openvino.save_model(small, folder / "int8.xml", compress_to_fp16=True)


def _probabilities(run: Run, batches: Sequence[Sequence[Window]]) -> Logits:
    """Sigmoid of the network's last output, the one that says whether the passage answers, of every window."""
    logits = np.concatenate([run(*collate(batch))[-1] for batch in batches])
    probabilities: Logits = 1 / (1 + np.exp(-logits))
    return probabilities


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("adapter", type=Path)
    parser.add_argument("kind", choices=get_args(AdapterKind))
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    go_quiet()
    warnings.simplefilter("ignore")  # the tracer warns about every branch of the model
    compile_adapter(arguments.adapter, arguments.kind, arguments.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
