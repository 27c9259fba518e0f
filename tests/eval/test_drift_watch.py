"""The scheduled checks over weeks of use: an alert where a drift begins and one where it ends, whoever makes the checks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from core.alert_targets import Targets
from core.drift_checks import DriftChecks
from core.store import Store
from eval.drift_watch import Made, Windows, make_check
from retrieval.embed import HashEmbedder
from tests.eval.months import CURRENT, REFERENCE, UNTIL, Drifted, as_turns, weeks
from tests.eval.receivers import Received, webhook
from tests.eval.traffic import put

EMBEDDER = HashEmbedder(16)
WINDOWS = Windows(CURRENT, REFERENCE, 0.01)
DAY = timedelta(days=1)


@pytest.fixture
def hook() -> Iterator[Received]:
    with webhook() as received:
        yield received


def check(store: Store, at: datetime, *urls: str) -> Made:
    made = make_check(store, EMBEDDER, WINDOWS, at, targets=Targets(urls))
    assert made is not None
    return made


def test_a_drift_is_told_when_it_begins_and_when_it_ends_and_not_in_between(store: Store, hook: Received) -> None:
    put(store, as_turns(weeks(1, Drifted(slower=1.6))))
    later = 100 * DAY
    put(store, [row | {"created_at": row["created_at"] + later} for row in as_turns(weeks(2))])
    begins = check(store, UNTIL, hook.url)
    assert (begins.check.verdict, dict(begins.changes)) == ("drift", {"latency_ms": "begins"})
    goes_on = check(store, UNTIL + DAY, hook.url)
    assert (goes_on.check.verdict, dict(goes_on.changes), goes_on.alerted) == ("drift", {"latency_ms": "goes on"}, ())
    unknown = check(store, UNTIL + 20 * DAY, hook.url)
    assert (unknown.check.verdict, dict(unknown.changes)) == ("too_few", {})
    ends = check(store, UNTIL + later, hook.url)
    assert (ends.check.verdict, dict(ends.changes)) == ("none", {"latency_ms": "ends"})
    assert dict(check(store, UNTIL + later + DAY, hook.url).changes) == {}
    first, second = hook.bodies
    assert "Drift begins: latency_ms (" in first["text"] and [one["change"] for one in first["figures"]] == ["begins"]
    assert "Drift ends: latency_ms (" in second["text"] and "those weeks have become like it" in second["text"]
    sent = json.dumps(hook.bodies) + repr(DriftChecks(store).history())
    assert not any(word in sent for word in ("person-", "leave", "expenses", "rule"))


@pytest.mark.slow
def test_a_signal_that_swings_around_its_limit_is_told_once_and_its_end_after_a_quiet_week(
    store: Store, hook: Received
) -> None:
    put(store, as_turns(weeks(0, Drifted(evidence=0.04), days=52)))
    made = {n: check(store, UNTIL + n * DAY, hook.url) for n in (1, 3, 4, 8, 9, 14, 15)}
    swings = ["evidence" in one.check.drifted for one in made.values()]
    assert swings == [True, False, True, True, False, False, False]
    assert [n for n, one in made.items() if one.alerted] == [1, 15], "the last that drifted is the eighth day's"
    assert [made[n].changes.get("evidence") for n in (1, 3, 4, 15)] == ["begins", None, "goes on", "ends"]
    assert "at every check of 7 days" in hook.bodies[-1]["text"]


def test_what_nobody_took_is_told_by_the_next_check_and_what_somebody_took_is_not(store: Store, hook: Received) -> None:
    put(store, as_turns(weeks(1, Drifted(slower=1.6))))
    dead = "http://127.0.0.1:9/x"
    assert not check(store, UNTIL - DAY).alerted, "nobody is to be told yet"
    lost = check(store, UNTIL, dead)
    assert "does not answer" in lost.problem and lost.check.verdict == "drift"
    partly = check(store, UNTIL + DAY, dead, hook.url)
    assert dict(partly.changes) == {"latency_ms": "begins"} and partly.problem
    assert dict(check(store, UNTIL + 2 * DAY, dead, hook.url).changes) == {"latency_ms": "goes on"}
    assert len(hook.bodies) == 1


def test_two_processes_check_once_and_alert_once(store: Store, home: Path, hook: Received) -> None:
    put(store, as_turns(weeks(1, Drifted(slower=1.6))))

    def process(_: int) -> Made | None:
        with Store(f"sqlite:///{home / 'assistant.db'}") as other:
            return make_check(other, EMBEDDER, WINDOWS, UNTIL, targets=Targets((hook.url,)))

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(process, range(2)))
    assert sum(one is not None for one in made) == 1
    assert len(hook.bodies) == len(DriftChecks(store).history()) == 1
