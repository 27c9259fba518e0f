"""A trained adapter at work: windows in, logits out, through OpenVINO or torch, whichever is fastest here.

Each adapter is compiled into a network of its own (`retrieval/compile.py`, once, into the models folder), so that several
stay resident and a request picks one without anything being loaded. What several people ask at the same time is read in
the same batches. Why compiled per adapter: docs/design/adapters.md
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.settings import Settings
from retrieval.adapters import Adapter
from retrieval.compile import Compiled, Precision, Run, read_compiled
from retrieval.preparing import prepare_once
from retrieval.windows import Logits, Tokens, Window, collate, length_batches, open_tokenizer, shape_batches

if TYPE_CHECKING:
    from retrieval.heads import RankerNet, ReaderNet

log = logging.getLogger(__name__)

TOKENS_A_BATCH = 1536
SHAPE_STEP = 32
"""Each new shape costs some 20 ms once, so lengths are rounded up to few."""
MOST_TOGETHER = 64
"""Windows of several waiting callers that are read together; the others' turn comes after."""


@dataclass
class _Job:
    windows: Sequence[Window]
    outputs: list[tuple[Logits, ...]] = field(default_factory=list)
    error: BaseException | None = None
    done: bool = False


class Network:
    """A compiled adapter. Safe to use from several threads."""

    def __init__(self, adapter: Adapter, run: Run, precision: Precision) -> None:
        self.adapter = adapter
        self.precision = precision
        self.tokenizer = open_tokenizer()
        self._run = run
        self._waiting: list[_Job] = []
        self._waiting_lock = threading.Lock()
        self._running = threading.Lock()

    def run(self, windows: Sequence[Window]) -> list[tuple[Logits, ...]]:
        """The network's outputs of each window, in their order; token outputs are cut to the window's length."""
        job = _Job(windows)
        with self._waiting_lock:
            self._waiting.append(job)
        while not job.done:
            with self._running:
                if not job.done:
                    self._take_turn()
        if job.error:
            raise job.error
        return job.outputs

    def _take_turn(self) -> None:
        """Read the windows of all who wait, oldest first, up to MOST_TOGETHER: their threads find the work done."""
        with self._waiting_lock:
            taken: list[_Job] = []
            count = 0
            while self._waiting and (not taken or count + len(self._waiting[0].windows) <= MOST_TOGETHER):
                taken.append(self._waiting.pop(0))
                count += len(taken[-1].windows)
        try:
            windows = [window for job in taken for window in job.windows]
            if self.adapter.kind == "guard":
                outputs = read_sentences(self._run, windows)
            else:
                outputs = read_windows(self._run, windows, most_tokens=TOKENS_A_BATCH, shape_step=SHAPE_STEP)
        except Exception as error:  # noqa: BLE001 - every waiting caller gets it, in its own thread
            for job in taken:
                job.error, job.done = error, True
            return
        at = 0
        for job in taken:
            job.outputs = outputs[at : at + len(job.windows)]
            job.done = True
            at += len(job.windows)


def read_windows(
    run: Run, windows: Sequence[Window], *, most_tokens: int, shape_step: int = 1
) -> list[tuple[Logits, ...]]:
    """The network's outputs of each window, in their order, read in batches of near-equal length.

    Args:
        most_tokens: padded tokens of a batch.
        shape_step: lengths are rounded up to multiples of it.
    """
    found: list[tuple[Logits, ...]] = [()] * len(windows)
    for places in length_batches([len(w.ids) for w in windows], most_tokens):
        _read_batch(run, windows, found, places=places, length=shape_step)
    return found


def read_sentences(run: Run, windows: Sequence[Window]) -> list[tuple[Logits, ...]]:
    """As `read_windows`, for texts most of which are a sentence: each is padded by little, to few shapes."""
    found: list[tuple[Logits, ...]] = [()] * len(windows)
    for places, length in shape_batches([len(w.ids) for w in windows], TOKENS_A_BATCH):
        _read_batch(run, windows, found, places=places, length=length)
    return found


def _read_batch(
    run: Run, windows: Sequence[Window], found: list[tuple[Logits, ...]], *, places: Sequence[int], length: int
) -> None:
    """Read the windows at these places together, padded to a multiple of `length`, and put their outputs in their places."""
    outputs = run(*collate([windows[place] for place in places], multiple_of=length))
    for row, place in enumerate(places):
        end = len(windows[place].ids)
        found[place] = tuple(out[row, :end] if out.ndim > 1 else out[row] for out in outputs)


def open_network(adapter: Adapter, settings: Settings) -> Network:
    """The adapter, compiled for this processor; torch where OpenVINO cannot be used. One network serves all who ask for it."""
    return _resident(adapter, settings.models_folder)


@lru_cache(maxsize=32)
def _resident(adapter: Adapter, models: Path) -> Network:
    compiled, networks = compile_once(adapter, models)
    precision = compiled.fastest() if compiled else "torch"
    if compiled is None:
        log.warning("%s: not compiled, torch is used instead; see %s", adapter.adapter_id, networks / "prepare.log")
    else:
        log.info("%s: %s, %s", adapter.adapter_id, precision, compiled.measured[precision])
    return Network(adapter, run_of(adapter, networks, precision), precision)


def compile_once(adapter: Adapter, models: Path) -> tuple[Compiled | None, Path]:
    """The adapter's compiled networks with their folder under `models`; None where they could not be made."""
    folder = models / compiled_name(adapter)
    command = ["retrieval.compile", str(adapter.folder), adapter.kind, str(folder)]
    return prepare_once(adapter.adapter_id, folder, command, read_compiled), folder


def run_of(adapter: Adapter, folder: Path, precision: Precision) -> Run:
    """The network in one precision, from its compiled folder or, for torch, from the adapter itself."""
    if precision != "torch":
        return open_run(folder, precision)
    from retrieval.heads import load_net

    return torch_run(load_net(adapter))


def open_run(folder: Path, precision: Precision) -> Run:
    """The compiled network of a folder, on OpenVINO. One caller at a time."""
    import openvino

    file = folder / ("int8.xml" if precision == "openvino-int8" else "float.xml")
    hint = "f32" if precision == "openvino-f32" else "bf16"
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint}
    request: Any = openvino.Core().compile_model(file, "CPU", options).create_infer_request()

    def run(ids: Tokens, mask: Tokens, types: Tokens) -> tuple[Logits, ...]:
        request.infer({"ids": ids, "mask": mask, "types": types})
        return tuple(np.array(tensor.data, np.float32) for tensor in request.output_tensors)

    return run


def torch_run(net: ReaderNet | RankerNet) -> Run:
    """The network as it was trained, on the GPU where torch has one."""
    import torch

    net.eval().to("cuda" if torch.cuda.is_available() else "cpu")
    device = next(net.parameters()).device

    def run(ids: Tokens, mask: Tokens, types: Tokens) -> tuple[Logits, ...]:
        with torch.inference_mode():
            outputs = net(*(torch.from_numpy(array).to(device) for array in (ids, mask, types)))
        return tuple(output.cpu().numpy() for output in outputs)

    return run


def compiled_name(adapter: Adapter) -> str:
    """Folder name of a compiled adapter: changes with its content and with the versions that compile it."""
    parts = [adapter.sha256, version("openvino"), version("nncf")]
    return f"{adapter.kind}-" + hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
