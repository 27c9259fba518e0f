"""The embedders: the deterministic one, and the packaged model through torch and through OpenVINO."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from core.errors import SettingsError
from core.settings import Settings, load_settings
from retrieval.backends import TorchEmbedder
from retrieval.embed import Embedder, HashEmbedder, RememberingEmbedder, open_embedder
from retrieval.prepare import Measured, Prepared, best, calibration_texts

TEXTS = (
    "Employees get 28 days of annual leave.",
    "How much holiday do I have?",
    "The probe is calibrated every twelve months with a two-point reference.",
    " ".join(calibration_texts()[15:25]),
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load_settings(home=tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def embedder(settings: Settings) -> Embedder:
    """The packaged model, prepared once for this module as a first start does it."""
    return open_embedder(settings)


def test_hash_embedder_is_deterministic_and_nearer_for_shared_words() -> None:
    first, second = HashEmbedder(128).encode(TEXTS), HashEmbedder(128).encode(TEXTS)
    assert np.array_equal(first, second)
    assert np.allclose(np.linalg.norm(first, axis=1), 1)
    leave, same, other = HashEmbedder(128).encode(["annual leave days", "leave days annual", "probe reference"])
    assert leave @ same > 0.99 > leave @ other


@pytest.mark.parametrize("text", ["", "\x00\u200b\u202e", "?!", "x" * 100_000])
def test_hash_embedder_takes_any_text(text: str) -> None:
    assert np.isclose(np.linalg.norm(HashEmbedder().encode([text])[0]), 1)


@pytest.mark.slow
def test_chosen_backend_is_near_torch_and_its_figures_are_kept(settings: Settings, embedder: Embedder) -> None:
    (place,) = settings.models_folder.glob("*/prepared.json")
    measured = json.loads(place.read_text(encoding="utf-8"))["measured"]
    assert set(measured) == {"torch", "openvino-bf16", "openvino-int8"}
    assert all(figures["least_cosine"] >= 0.99 for figures in measured.values())
    found = embedder.encode(TEXTS)
    expected = TorchEmbedder(str(json.loads(place.read_text(encoding="utf-8"))["model"])).encode(TEXTS)
    assert found.shape == (4, 384)
    assert ((found * expected).sum(axis=1) >= 0.99).all()


@pytest.mark.slow
def test_a_list_keeps_its_order_whatever_the_lengths(embedder: Embedder) -> None:
    texts = calibration_texts()
    together = embedder.encode(texts)
    alone = np.stack([embedder.encode([text])[0] for text in texts])
    assert ((together * alone).sum(axis=1) > 0.99).all()


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", "\x00\u200b\u202e", "x" * 100_000, "word " * 20_000])
def test_model_takes_any_text(embedder: Embedder, text: str) -> None:
    assert np.isclose(np.linalg.norm(embedder.encode([text])[0]), 1, atol=1e-2)
    assert embedder.encode([]).shape == (0, 384)


@pytest.mark.slow
def test_threads_get_their_own_vectors(embedder: Embedder) -> None:
    expected = {text: embedder.encode([text, text])[0] for text in TEXTS}
    wrong: list[str] = []

    def ask(text: str) -> None:
        for _ in range(10):
            if not np.allclose(embedder.encode([text, text])[0], expected[text], atol=1e-3):
                wrong.append(text)

    threads = [threading.Thread(target=ask, args=(text,)) for text in TEXTS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.slow
def test_later_start_needs_no_torch(settings: Settings, embedder: Embedder) -> None:
    code = (
        "import sys; from pathlib import Path; from core.offline import go_quiet; go_quiet()\n"
        "from core.settings import load_settings; from retrieval.embed import open_embedder\n"
        "e = open_embedder(load_settings(home=Path(sys.argv[1]), embedder_backend='openvino-int8'))\n"
        "assert e.encode(['hello']).shape == (1, 384)\n"
        "print(sorted({'torch', 'transformers', 'nncf'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(settings.home)],
        cwd=root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


def test_unknown_model_is_explained(home: Path) -> None:
    with pytest.raises(SettingsError, match="ASSISTANT_EMBEDDER="):
        open_embedder(load_settings(home=home, embedder=str(home / "no-model"), embedder_backend="torch"))


def test_fastest_backend_far_from_torch_is_not_chosen() -> None:
    measured = {
        "torch": Measured(10, 50, 1.0),
        "openvino-bf16": Measured(30, 9, 0.9999),
        "openvino-int8": Measured(90, 4, 0.95),
    }
    prepared = Prepared("model", 384, 256, "this one", measured)  # type: ignore[arg-type]
    assert prepared.fastest() == "openvino-bf16"


def test_the_same_question_is_embedded_once_and_old_ones_are_forgotten() -> None:
    class Counting(HashEmbedder):
        calls = 0

        def encode(self, texts):  # type: ignore[no-untyped-def]
            self.calls += 1
            return super().encode(texts)

    counting = Counting(32)
    remembering = RememberingEmbedder(counting, remembered=2)
    for text in ("a", "b", "a", "a", "c", "b"):
        assert np.array_equal(remembering.encode([text]), HashEmbedder(32).encode([text]))
    assert counting.calls == 4
    remembering.encode(["a", "b"])
    assert counting.calls == 5


def test_a_busy_moment_does_not_choose_the_slower_precision() -> None:
    busy, quiet = Measured(92.3, 7.98, 0.9967), Measured(454.5, 1.16, 0.9967)
    assert best([busy, quiet, busy]) == quiet
    assert best([Measured(450.0, 2.0, 1.0), Measured(400.0, 1.0, 1.0)]) == Measured(450.0, 1.0, 1.0)
