"""Counters and histograms for Prometheus, in a registry of this application's own. No label names a person or a text."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from core.records import Turn

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """What the assistant has done since it started."""

    def __init__(self) -> None:
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
        self._evidence = Histogram(
            "assistant_evidence",
            "Evidence score of questions that reached retrieval.",
            buckets=[i / 10 for i in range(1, 11)],
            registry=self.registry,
        )
        self._ingested = Counter(
            "assistant_ingested_files", "Files taken in, by result.", ["status"], registry=self.registry
        )

    def turn_saved(self, turn: Turn) -> None:
        """Called with every stored turn (`Turns.watch`)."""
        self._turns.labels(turn.status, turn.reason).inc()
        for verdict in turn.verdicts:
            self._verdicts.labels(*_labels(verdict)).inc()
        for step, milliseconds in turn.timings_ms.items():
            self._steps.labels(step).observe(milliseconds / 1000)
        if turn.passages:
            self._evidence.observe(turn.evidence)

    def file_ingested(self, status: str) -> None:
        self._ingested.labels(status).inc()

    def text(self) -> bytes:
        """The exposition format that Prometheus reads."""
        return generate_latest(self.registry)


def _labels(verdict: Mapping[str, object]) -> tuple[str, str]:
    return str(verdict.get("guard", "")), str(verdict.get("action", ""))
