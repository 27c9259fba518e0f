"""The newest check for drift at /metrics: read from the store at each scrape, without words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry, generate_latest

from assistant.web.drift_metrics import DriftMetrics
from core.drift_checks import DriftCheck, DriftChecks
from core.store import Store

DUE = datetime(2026, 11, 28, 6, 15, tzinfo=UTC)
SIGNAL = {"signal": "latency_ms", "size": 0.4, "limit": 0.1, "drifted": True}


def test_the_newest_check_is_told_and_too_little_use_is_no_drift(store: Store) -> None:
    checks, registry = DriftChecks(store), CollectorRegistry()
    registry.register(DriftMetrics(checks))
    assert generate_latest(registry) == b""
    checks.claim(DUE, "w")
    assert generate_latest(registry) == b"", "a check under way is none yet"
    checks.finish(DriftCheck(DUE, DUE, "drift", 30, 7, 900, 210, (SIGNAL,)), "w")
    text = generate_latest(registry).decode()
    assert (
        'assistant_drift{signal="latency_ms"} 1.0' in text and 'assistant_drift_size{signal="latency_ms"} 4.0' in text
    )
    assert "assistant_drift_judged 1.0" in text
    later = DUE + timedelta(days=1)
    checks.claim(later, "w")
    checks.finish(DriftCheck(later, later, "too_few", 30, 7, 900, 3, ()), "w")
    text = generate_latest(registry).decode()
    assert "assistant_drift_judged 0.0" in text and "latency_ms" not in text
