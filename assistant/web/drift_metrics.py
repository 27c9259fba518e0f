"""Gauges of the newest scheduled check for drift: when it was due, whether it could judge, and each signal's size against its limit."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from core.drift_checks import DriftChecks
from core.errors import StoreUnavailable


class DriftMetrics(Collector):
    """As the store has it at each scrape, whichever process made the check. Nothing before the first one."""

    def __init__(self, checks: DriftChecks) -> None:
        self._checks = checks

    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            last = self._checks.last()
        except StoreUnavailable:
            return  # the other metrics say more than an error page, just then
        if last is None:
            return
        due = "assistant_drift_check_timestamp_seconds", "When the newest check for drift was due."
        judged = "assistant_drift_judged", "1 where the newest check had enough use to judge."
        yield GaugeMetricFamily(*due, value=last.due_at.timestamp())
        yield GaugeMetricFamily(*judged, value=last.verdict != "too_few")
        drifts = GaugeMetricFamily("assistant_drift", "1 where the signal drifts.", labels=["signal"])
        size = GaugeMetricFamily("assistant_drift_size", "How much it has changed; its limit is 1.", labels=["signal"])
        for one in last.signals:
            drifts.add_metric([one["signal"]], int(one["drifted"]))
            size.add_metric([one["signal"]], one["size"] / one["limit"])
        yield from (drifts, size)
