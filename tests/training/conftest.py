"""A small reading set in SQuAD's form: eight invented articles, each with paragraphs that answer three questions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from core.settings import Settings
from retrieval.embed import Embedder, Vectors, open_embedder
from training.dataset_near import Encoder

if TYPE_CHECKING:
    from tests.training.office import Office

PLACES = ("Arbor", "Birken", "Calder", "Dunmore", "Elswick", "Farrow", "Gorran", "Hexley")
FOUNDERS = (
    "Mary Ashdown",
    "Peter Brandt",
    "Ines Correa",
    "David Dale",
    "Ruth Egan",
    "Karl Faber",
    "Lena Grant",
    "Omar Haddad",
)


def paragraph(number: int, turn: int) -> dict[str, object]:
    place, founder = PLACES[number], FOUNDERS[(number + turn) % 8]
    year, height = 1700 + 13 * number + 7 * turn, 110 + 21 * turn + number
    kind = ("bridge", "harbour", "library")[turn]
    text = (
        f"The first {kind} of {place} was opened by {founder} in {year}. It stands in the northern part of the town and has been "
        f"repaired twice since then. Its tower is {height} metres high, and about 400 visitors climb it every summer. "
        f"The council of {place} pays for the repairs, which the people of the town have always supported."
    )
    asked = {
        f"Who opened the first {kind} of {place}?": founder,
        f"In what year was the first {kind} of {place} opened in {year}?": str(year),
        f"How high is the tower of the {kind} in {place}?": f"{height} metres",
    }
    qas = [
        {"id": f"{place}-{turn}-{n}", "question": q, "answers": [{"text": a, "answer_start": text.index(a)}]}
        for n, (q, a) in enumerate(asked.items())
    ]
    return {"context": text, "qas": qas}


@pytest.fixture
def reading_folder(tmp_path: Path) -> Path:
    articles = [{"title": p, "paragraphs": [paragraph(n, t) for t in range(3)]} for n, p in enumerate(PLACES)]
    folder = tmp_path / "reading"
    (folder / "squadshifts").mkdir(parents=True)
    (folder / "squadshifts" / "new_wiki_v1.0.json").write_text(json.dumps({"data": articles}))
    return folder


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny causal model's folder."""
    from tests.training.tiny_causal import write_tiny_causal

    return write_tiny_causal(tmp_path_factory.mktemp("tiny") / "base")


@pytest.fixture
def one_thread() -> Iterator[None]:
    """A model as small as the tests' causal ones is slower on two threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Remembering:
    """An embedder that encodes each text once: every dataset is compared with the same 700 evaluation questions."""

    def __init__(self, embedder: Embedder) -> None:
        self.dimension, self.name = embedder.dimension, embedder.name
        self._encode = Encoder(embedder)

    def encode(self, texts: Sequence[str]) -> Vectors:
        return self._encode(texts)


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    """The packaged model itself: how near two questions are is what is tested."""
    return Remembering(open_embedder(Settings(embedder_backend="torch")))


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Path:
    from tests.training.office import furnish  # the whole assistant: only where it is asked

    folder = tmp_path_factory.mktemp("hr") / "home"
    folder.mkdir()
    furnish(folder, embedder)
    return folder


@pytest.fixture
def office(furnished: Path, tmp_path: Path, embedder: Embedder) -> Iterator[Office]:
    from tests.training.office import Office

    opened = Office.moved_in(furnished, tmp_path / "office", embedder)
    yield opened
    opened.store.close()
