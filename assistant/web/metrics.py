"""Counters and histograms for Prometheus, in a registry of this application's own. No label names a person or a text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from core.errors import StoreUnavailable
from core.records import DocumentStatus, IndexState, Turn
from core.turns import RAIL, RAIL_FAILED
from retrieval.ingest import IngestResult

DocumentCounts = Mapping[tuple[IndexState, DocumentStatus], int]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """What the assistant has done since it started, and what it holds.

    Args:
        count_documents: document versions by state and status, asked at each scrape.
    """

    def __init__(self, count_documents: Callable[[], DocumentCounts]) -> None:
        self.registry = CollectorRegistry()
        self._turns = Counter("assistant_turns", "Questions by outcome.", ["status", "reason"], registry=self.registry)
        self._verdicts = Counter(
            "assistant_guard_verdicts", "Guard decisions.", ["guard", "action"], registry=self.registry
        )
        self._steps = Histogram(
            "assistant_step_seconds",
            "Time of one step of an answer.",
            ["step"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._rails = Histogram(
            "assistant_rail_seconds",
            "Time of all checks of one guard in an answer.",
            ["guard"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._failed = Counter(
            "assistant_guard_failures",
            "Checks that gave no verdict, and so refused: errors and spent budgets.",
            ["guard", "kind"],
            registry=self.registry,
        )
        self._evidence = Histogram(
            "assistant_evidence",
            "Evidence score of questions that reached retrieval.",
            buckets=[i / 10 for i in range(1, 11)],
            registry=self.registry,
        )
        self._ingested = Counter(
            "assistant_ingested_files", "Files taken in, by result.", ["status"], registry=self.registry
        )
        self.registry.register(_Documents(count_documents))

    def turn_saved(self, turn: Turn) -> None:
        """Called with every stored turn (`Turns.watch`)."""
        self._turns.labels(turn.status, turn.reason).inc()
        for verdict in turn.verdicts:
            self._verdicts.labels(*_labels(verdict)).inc()
        for step, milliseconds in turn.timings_ms.items():
            if step.startswith(RAIL):
                self._rails.labels(step.removeprefix(RAIL)).observe(milliseconds / 1000)
            else:
                self._steps.labels(step).observe(milliseconds / 1000)
        for name, count in turn.counts.items():
            if name.startswith(RAIL_FAILED):
                kind, _, guard = name.partition(":")
                self._failed.labels(guard, kind.removeprefix("rail_")).inc(count)
        if turn.passages:
            self._evidence.observe(turn.evidence)

    def file_ingested(self, result: IngestResult) -> None:
        """Called with the result of every file (`Ingest.watch`)."""
        self._ingested.labels(result.status).inc()

    def text(self) -> bytes:
        """The exposition format that Prometheus reads."""
        return generate_latest(self.registry)


class _Documents(Collector):
    """A gauge that is right at each scrape, whichever process changed the documents."""

    def __init__(self, count: Callable[[], DocumentCounts]) -> None:
        self._count = count

    def collect(self) -> Iterator[GaugeMetricFamily]:
        gauge = GaugeMetricFamily(
            "assistant_documents", "Document versions, by index state and status.", labels=["state", "status"]
        )
        try:
            counts = self._count()
        except StoreUnavailable:
            return  # the other metrics say more than an error page, just then
        for (state, status), count in counts.items():
            gauge.add_metric([state, status], count)
        yield gauge


def _labels(verdict: Mapping[str, object]) -> tuple[str, str]:
    return str(verdict.get("guard", "")), str(verdict.get("action", ""))
