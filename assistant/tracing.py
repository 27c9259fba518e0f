"""Traces for an operator's collector: each stored turn becomes one OpenTelemetry trace, sent by OTLP over HTTP.

    pip install '.[otel]'
    OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318 python -m assistant serve

Off unless that variable is set. Spans carry ids of turns, statuses, reasons, counts and times: no text, no person. They
are made from the turn once it is stored and leave in a thread of their own, so no answer waits for a collector. The SDK
reads its other variables itself (OTEL_SERVICE_NAME, OTEL_EXPORTER_OTLP_HEADERS, OTEL_TRACES_SAMPLER, ...).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from core.errors import MissingExtra
from core.records import Turn
from core.turns import RAIL

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

SERVICE = "enterprise-assistant"
MOMENTS = ("first_sentence", "total")
"""Entries of `timings_ms` that count from the start of the turn; the others are the times of steps."""
TIMEOUT_S = 5.0
"""For one export, retries included: what a stop waits at most for a collector that is down."""


class Tracing:
    """Makes and sends the spans. Give it to `Turns.watch`; close it to send what is still waiting.

    Args:
        endpoint: the collector's address without `/v1/traces`.

    Raises:
        MissingExtra: OpenTelemetry's SDK or exporter is not installed.
    """

    def __init__(self, endpoint: str) -> None:
        self._provider = _provider(endpoint)
        self._tracer = self._provider.get_tracer(SERVICE)

    def turn_saved(self, turn: Turn) -> None:
        """Queue the turn's spans: the turn, and below it each step."""
        from opentelemetry.context import Context
        from opentelemetry.trace import Status, StatusCode, set_span_in_context

        start = round(turn.created_at.timestamp() * 1e6) * 1000
        # Contexts of its own: whatever else traces in this process is not this turn's parent.
        root = self._tracer.start_span("turn", Context(), attributes=_attributes(turn), start_time=start)
        if turn.status == "failed":
            root.set_status(Status(StatusCode.ERROR, turn.reason))
        if "first_sentence" in turn.timings_ms:
            root.add_event("first sentence", timestamp=start + _ns(turn.timings_ms["first_sentence"]))
        below = set_span_in_context(root, Context())
        end = start
        # A step's time is the sum of its parts: generation and the guards of its sentences take turns, and are drawn
        # here one after the other.
        for step, milliseconds in turn.timings_ms.items():
            if step not in MOMENTS and not step.startswith(RAIL):
                span = self._tracer.start_span(step, below, start_time=end)
                end += _ns(milliseconds)
                span.end(end)
        root.end(max(end, start + _ns(turn.timings_ms.get("total", 0.0))))

    def close(self) -> None:
        """Send what waits, and stop."""
        self._provider.shutdown()


def _provider(endpoint: str) -> TracerProvider:
    """A provider of this object's own: the process-wide one, to which libraries add spans with text, stays unset."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise MissingExtra(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry's exporter is not installed: pip install '.[otel]', "
            "or unset the variable."
        ) from None
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: SERVICE}
    provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=TIMEOUT_S)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _attributes(turn: Turn) -> Mapping[str, str | int | float | bool]:
    counted = {f"assistant.count.{name}": count for name, count in turn.counts.items()}
    return {
        "assistant.turn_id": turn.turn_id,
        "assistant.status": turn.status,
        "assistant.reason": turn.reason,
        "assistant.adapter": turn.adapter,
        "assistant.model": turn.model,
        "assistant.evidence": turn.evidence,
        "assistant.temporary": turn.temporary,
        "assistant.passages": len(turn.passages),
        "assistant.citations": len(turn.citations),
        **counted,
    }


def _ns(milliseconds: float) -> int:
    return round(milliseconds * 1e6)
