"""The embedded reader: finds the answer to a question in passages, and says how likely they hold it.

    readers = Readers(settings)
    readers.read("How many days of leave?", ["Full-time employees receive 25 days of leave."])

Several adapters stay resident, and each call names the one that it wants. An adapter that does not pass the checks is
refused and changes nothing: those that are resident go on.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.errors import AdapterRefused, AssistantError, BadInput, TooLarge
from core.sealed import Sealed, open_sealed
from core.settings import Settings
from retrieval.adapters import Adapter, adapter_folder, open_adapter
from retrieval.network import Network, open_network
from retrieval.rerank import probability
from retrieval.windows import Logits, Reading, Window, build_windows, decode

log = logging.getLogger(__name__)

AGAIN_S = 60.0
"""A load that failed, or takes longer than this, is tried again after so many seconds."""
MAX_QUESTION_CHARS = 4_000
MAX_PASSAGE_CHARS = 120_000
"""About 20,000 words: some 90 windows."""
MAX_PASSAGES = 100
DEFAULT = "reader-5"
"""The shipped adapter that answers: it finds the sentence, item or row that says it."""
SPANS = "reader-6"
"""The shipped adapter that finds the few words that answer: what the read command gives."""
_HALF = re.compile("[\ud800-\udfff]")
"""What a JSON text may hold and no UTF-8 text can."""
THRESHOLD = 0.5
"""A passage answers a question from this calibrated probability on."""


@dataclass(frozen=True, slots=True)
class PassageReading:
    """What one passage says to a question.

    Attributes:
        probability: calibrated, that the passage answers it.
        start, end: its best span, in characters.
        margin: logit of that span above the null span's.
        best_within: margin of the best span inside each asked range, and where it stands; None where no token lies in it.
    """

    passage: int
    probability: float
    start: int
    end: int
    margin: float
    best_within: tuple[tuple[float, int, int] | None, ...] = ()


class Readers:
    """The resident reader adapters. Safe to use from several threads.

    Args:
        adapter_ids: resident from the start; the first is the one that reads where none is named. Where none is given,
            that is the settings' (the shipped one, where they quote), and it is loaded when it is first asked for.
        verified: gives an adapter's folder, just verified; that of the home folder or a shipped one when None.
    """

    def __init__(self, settings: Settings, *adapter_ids: str, verified: Callable[[str], Sealed] | None = None) -> None:
        self._settings = settings
        self._verified = verified or (lambda name: open_sealed(adapter_folder(settings.home, name)))
        self._resident: dict[str, Network] = {}
        self._loading: dict[str, threading.Lock] = {}
        self._failed: dict[str, float] = {}
        self._lock = threading.Lock()
        for adapter_id in adapter_ids:
            self.network(adapter_id)
        self.production = (*adapter_ids, DEFAULT if settings.reader == "quote" else settings.reader)[0]

    def admit(self, folder: Path) -> Adapter:
        """Verify, compile and keep the adapter of a folder; one of the same id is replaced when the new one is ready.

        Raises:
            AdapterRefused: the folder's files are damaged, unsafe or of another base. Nothing has changed.
        """
        adapter = open_adapter(folder, "reader")
        network = open_network(adapter, self._settings)
        with self._lock:
            self._resident[adapter.adapter_id] = network
        return adapter

    def network(self, adapter_id: str = "") -> Network:
        """The network of an adapter, which is loaded where it is not resident yet.

        Raises:
            NotFound: there is no such adapter.
            AdapterRefused: its files do not verify. Those that are resident go on.
        """
        name = adapter_id or self.production
        with self._lock:
            found = self._resident.get(name)
            loading = self._loading.setdefault(name, threading.Lock())
        if found is not None:
            return found
        with loading:  # several who ask at once wait for one load
            if name not in self._resident:
                began = time.perf_counter()
                sealed = self._verified(name)
                if self.admit(sealed.folder).sha256 != sealed.sha256:
                    raise AdapterRefused(f"Adapter {name}: {sealed.folder} was changed while it was loaded.")
                log.info("adapter %s is resident after %.1f s", name, time.perf_counter() - began)
            return self._resident[name]

    def wanted(self, adapter_id: str) -> bool:
        """Whether it is resident; where not, it is loaded in the background, and tried again a while after a failure."""
        with self._lock:
            if adapter_id in self._resident:
                return True
            if time.monotonic() < self._failed.get(adapter_id, 0.0):
                return False
            self._failed[adapter_id] = time.monotonic() + AGAIN_S
        threading.Thread(target=self._load, args=(adapter_id,), name=f"load-{adapter_id}", daemon=True).start()
        return False

    def _load(self, adapter_id: str) -> None:
        try:
            self.network(adapter_id)
        except AssistantError as error:
            log.error("adapter %s is not loaded, who serves goes on: %s", adapter_id, error)

    def read(
        self,
        question: str,
        passages: Sequence[str],
        *,
        adapter_id: str = "",
        ranges: Sequence[Sequence[tuple[int, int]]] = (),
    ) -> list[PassageReading]:
        """What every passage says, the most likely one first.

        Args:
            ranges: for each passage, character ranges whose own best spans are wanted too, such as its sentences.

        Raises:
            BadInput: no question, no passage, or more text than a person would ask with.
            NotFound, AdapterRefused: the adapter is not resident and cannot be loaded.
        """
        check_input(question, passages)
        network = self.network(adapter_id)
        windows = build_windows(network.tokenizer, question, passages)
        outputs = network.run(windows)
        found = []
        for reading in decode(windows, outputs):
            mine = [(w, o) for w, o in zip(windows, outputs, strict=True) if w.passage == reading.passage]
            within = tuple(_best_within(mine, span) for span in ranges[reading.passage]) if ranges else ()
            chance = _calibrated(network.adapter, reading)
            found.append(PassageReading(reading.passage, chance, reading.start, reading.end, reading.margin, within))
        return sorted(found, key=lambda r: -r.probability)


def check_input(question: str, passages: Sequence[str]) -> None:
    """Raises BadInput or TooLarge with what to change."""
    if not any(c.isalnum() for c in question):
        raise BadInput("The question is empty: write one.")
    if len(question) > MAX_QUESTION_CHARS:
        raise TooLarge(f"The question has {len(question):,} characters; at most {MAX_QUESTION_CHARS:,} are read.")
    if not any(any(c.isalnum() for c in passage) for passage in passages):
        raise BadInput("There is no passage to read: give at least one with words in it.")
    if any(_HALF.search(text) for text in (question, *passages)):
        raise BadInput("The text holds half of a character (a lone surrogate such as \\ud800): write it in UTF-8.")
    if len(passages) > MAX_PASSAGES:
        raise TooLarge(f"{len(passages)} passages are too many to read at once; give at most {MAX_PASSAGES}.")
    for number, passage in enumerate(passages):
        if len(passage) > MAX_PASSAGE_CHARS:
            raise TooLarge(
                f"Passage {number} has {len(passage):,} characters; at most {MAX_PASSAGE_CHARS:,} are read: cut it first."
            )


def _calibrated(adapter: Adapter, reading: Reading) -> float:
    """Platt's scaling of the two logits, with the weights fitted on held-out questions."""
    weights = adapter.settings
    logit = (
        weights.get("margin", 0.0) * reading.margin
        + weights.get("answerable", 1.0) * reading.answerable
        + weights.get("offset", 0.0)
    )
    return probability(logit)


def _best_within(
    windows: Sequence[tuple[Window, tuple[Logits, ...]]], span: tuple[int, int]
) -> tuple[float, int, int] | None:
    """Margin and characters of the best span whose tokens all lie in a range; None where no token does."""
    best: tuple[float, int, int] | None = None
    for window, (start, end, _) in windows:
        inside = [i for i, (a, b) in enumerate(window.offsets) if span[0] <= a and b <= span[1] and a < b]
        if not inside:
            continue
        low, high = window.first + inside[0], window.first + inside[-1] + 1
        scores = np.triu(start[low:high, None] + end[None, low:high]) + np.tril(
            np.full((high - low, high - low), -1e9, np.float32), -1
        )
        i, j = divmod(int(scores.argmax()), high - low)
        margin = float(scores[i, j] - start[0] - end[0])
        if best is None or margin > best[0]:
            best = (margin, window.offsets[inside[0] + i][0], window.offsets[inside[0] + j][1])
    return best
