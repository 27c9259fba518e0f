"""Gauges of the model servers: which of them are up, and by which adapters each was seen to answer."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from assistant.fleet import Fleet


class ModelServers(Collector):
    """As the fleet stands at each scrape. A server's label is its host, port and path."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def collect(self) -> Iterator[GaugeMetricFamily]:
        ready = GaugeMetricFamily(
            "assistant_model_adapter_ready",
            "1 where the model server was seen to answer by that adapter and not seen to fail since.",
            labels=["replica", "adapter"],
        )
        first = GaugeMetricFamily(
            "assistant_model_adapter_first_answer_seconds",
            "From the start of the last load or check of an adapter to its first answer.",
            labels=["replica", "adapter"],
        )
        up = GaugeMetricFamily(
            "assistant_model_replica_up", "1 where the model server answers by its base.", labels=["replica"]
        )
        for one in self._fleet.standings():
            verified = 1 if one.state == "verified" else 0
            if one.adapter == self._fleet.base:
                up.add_metric([one.replica], verified)
            ready.add_metric([one.replica, one.adapter], verified)
            if one.first_answer_ms is not None:
                first.add_metric([one.replica, one.adapter], one.first_answer_ms / 1000)
        yield from (up, ready, first)
