"""Drift: weeks are replayed; what was injected is found, a quiet month and a bad day are not."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp

from core.errors import BadInput, Unavailable
from core.store import Store
from eval import drift_command, drift_watch
from eval.drift import find_drift
from eval.signals import Rate, Spread
from eval.use import read_use
from retrieval.embed import HashEmbedder
from tests.eval.months import CURRENT, NEW_TOPIC, QUIET, UNTIL, Drifted, as_turns, as_use, weeks
from tests.eval.receivers import mail_server, webhook
from tests.eval.traffic import BEGIN, put
from tests.test_json_fields import GIVEN

EMBEDDER = HashEmbedder(64)


def drifted(seed: int, change: Drifted = QUIET) -> set[str]:
    return {one.signal for one in find_drift(as_use(weeks(seed, change), EMBEDDER)) if one.drifted}


@pytest.mark.parametrize(
    ("change", "signals"),
    [
        (Drifted(new_topic=0.3), {"questions", "topics"}),
        (Drifted(refused=0.15), {"refusal_rate"}),
        (Drifted(unanswered=0.15), {"no_answer_rate"}),
        (Drifted(flagged=0.2), {"flag_rate"}),
        (Drifted(evidence=0.1), {"evidence", "top_score"}),
        (Drifted(slower=1.6), {"latency_ms"}),
        (Drifted(shorter=0.6), {"answer_chars"}),
    ],
    ids=lambda value: min(value) if isinstance(value, set) else "",
)
def test_an_injected_drift_is_found_and_nothing_else(change: Drifted, signals: set[str]) -> None:
    assert drifted(1, change) == signals


@pytest.mark.slow
def test_quiet_months_raise_no_alarm() -> None:
    alarms = [seed for seed in range(40) if drifted(seed)]
    # At most 1 in 100 is promised: three or more in 40 would happen once in 130 such tests.
    assert len(alarms) <= 2, alarms


def test_one_day_of_outage_is_no_drift() -> None:
    found = {one.signal: one for one in find_drift(as_use(weeks(5, Drifted(outage=True)), EMBEDDER))}
    assert found["error_rate"].current is not None and found["error_rate"].current > 0.1
    assert not found["error_rate"].drifted


def test_a_small_change_is_no_drift_however_sure_it_is() -> None:
    use = as_use(weeks(2), EMBEDDER)
    slightly = np.arange(len(use.day)) % 50 == 0
    found = {one.signal: one for one in find_drift(replace(use, failed=slightly & use.current[use.day]))}
    assert found["error_rate"].p <= 0.01 and not found["error_rate"].drifted


def test_the_ks_distance_is_scipys() -> None:
    random = np.random.default_rng(0)
    values, day = random.integers(0, 60, 400).astype(float), random.integers(0, 12, 400)
    split = np.arange(12) >= 8
    old, new = values[~split[day]], values[split[day]]
    weight = len(old) * len(new) / 400
    statistic = float(Spread("x", day, values, 12).statistic(split[None])[0])
    assert statistic == pytest.approx(ks_2samp(old, new).statistic * weight**0.5)


def test_psi_is_the_textbooks_for_two_bins() -> None:
    day = np.repeat([0, 1], 10_000)
    values = np.concatenate([np.arange(10_000) < 5_000, np.arange(10_000) < 7_000]).astype(float)
    size = Spread("x", day, values, 2).size(np.array([False, True]))
    assert size == pytest.approx((0.7 - 0.5) * np.log(0.7 / 0.5) + (0.3 - 0.5) * np.log(0.3 / 0.5), abs=1e-3)


def test_days_without_use_change_nothing() -> None:
    day = np.array([0, 0, 2, 2])
    happened = np.array([True, False, True, True])
    assert Rate("x", day, happened, 3).levels(np.array([False, True, True])) == (0.5, 1.0)
    assert Rate("x", day, happened, 3).levels(np.array([False, True, False]))[1] == 0.0


@pytest.mark.parametrize("kept", [lambda day: day >= 28, lambda day: (day < 30) | (day == 36), lambda day: day < 0])
def test_too_little_use_is_said_and_not_judged(kept: Callable[[int], bool]) -> None:
    asked = [one for one in weeks(3) if kept(one.day)]
    use = as_use(weeks(3), EMBEDDER)
    left = np.array([kept(int(day)) for day in use.day], bool)
    names = ("day", "evidence", "top_score", "answer_chars", "latency_ms", "refused", "unanswered", "failed", "flagged")
    use = replace(use, embedded=np.zeros(0, np.int64), **{name: getattr(use, name)[left] for name in names})
    assert len(use.day) == len(asked)
    with pytest.raises(BadInput, match="too few"):
        find_drift(use)


def test_the_store_is_read_as_it_was_filled(store: Store) -> None:
    asked = sorted(weeks(4, Drifted(refused=0.1)), key=lambda one: (one.day, one.minute))
    put(store, as_turns(asked))
    use = read_use(store, BEGIN, UNTIL, CURRENT, EMBEDDER)
    expected = as_use(asked, EMBEDDER)
    assert use.day.tolist() == expected.day.tolist()
    for name in ("refused", "unanswered", "flagged"):
        assert getattr(use, name).sum() == getattr(expected, name).sum() > 0
    for name in ("evidence", "top_score", "answer_chars", "latency_ms"):
        assert np.nansum(getattr(use, name)) == pytest.approx(np.nansum(getattr(expected, name)))
    assert use.vectors.sum(axis=0) == pytest.approx(expected.vectors.sum(axis=0), abs=1e-3)


# The command, on a real store and with the embedder that serves

FIELDS = {
    what: re.sub(r" \([^)]*\)", "", fields).split(", ") for what, fields in GIVEN.findall(drift_command.__doc__ or "")
}
"""What the help names of --json."""
Typed = Callable[..., tuple[int, list[dict[str, Any]]]]


@pytest.fixture
def typed(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    monkeypatch.setenv("ASSISTANT_HOME", str(home))
    monkeypatch.setenv("ASSISTANT_EMBEDDER_BACKEND", "torch")
    parser = argparse.ArgumentParser()
    drift_command.add_parser(parser.add_subparsers())

    def type_(*words: str) -> tuple[int, list[dict[str, Any]]]:
        until = [] if {"--scheduled", "--history"} & set(words) else ["--until", UNTIL.isoformat()]
        args = parser.parse_args(["drift", "--json", *until, *words])
        try:
            code = args.run(args)
        except Unavailable as error:
            code = error.exit_code
        return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return type_


@pytest.mark.slow
def test_a_drifted_week_is_reported_alerted_and_told_without_anybodys_words(store: Store, typed: Typed) -> None:
    put(store, as_turns(weeks(6, Drifted(new_topic=0.3))))
    with webhook() as hook, mail_server() as post:
        words = ("--webhook", hook.url, "--smtp", post.url, "--email", "ops@kestrelbay.example")
        code, (*rows, summary) = typed(*words)
    assert code == 1
    assert set(summary["drifted"]) == {"questions", "topics"}
    assert summary["alerted"] == ["webhook 127.0.0.1", "mail ops@kestrelbay.example"]
    topics = next(row for row in rows if row["signal"] == "topics")
    assert topics["detail"] == NEW_TOPIC.replace(" ", "-")
    sent = json.dumps(hook.bodies) + post.mails[0].as_string()
    assert "questions" in sent
    assert not any(word in sent.lower() for word in ("leeds", "office", "approve", "expenses", "person-"))
    assert [list(rows[0]), list(summary)] == [FIELDS[""], FIELDS["the last line"]]


@pytest.mark.slow
def test_a_quiet_week_sends_nothing_and_a_dead_webhook_keeps_the_findings(store: Store, typed: Typed) -> None:
    put(store, as_turns(weeks(7)))
    with webhook() as hook:
        code, (*_, summary) = typed("--webhook", hook.url)
    assert (code, hook.bodies, summary["drifted"], summary["alerted"]) == (0, [], [], [])
    code, (*rows, summary) = typed("--webhook", "http://127.0.0.1:9/x", "--days", "7", "--false-alarms", "0.999")
    assert code in (0, 4) and len(rows) == 10
    assert summary["alerted"] == []


def test_wrong_options_are_named(store: Store, typed: Typed) -> None:
    for words in (("--days", "0"), ("--false-alarms", "1"), ("--until", "today"), ("--email", "a@x.example")):
        with pytest.raises(BadInput):
            typed(*words)
    with pytest.raises(BadInput, match="too few"):
        typed()
    for words in (("--history", "0"), ("--scheduled", "--until", "2026-11-01")):
        with pytest.raises(BadInput, match=words[0]):
            typed(*words)


@pytest.mark.slow
def test_the_check_that_is_due_is_kept_and_told_once_however_often_it_is_asked_for(
    store: Store, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vars(drift_watch), "now", lambda: UNTIL)
    put(store, as_turns(weeks(6, Drifted(new_topic=0.3))))
    with webhook() as hook:
        monkeypatch.setenv("ASSISTANT_ALERT_WEBHOOKS", hook.url)
        code, (*rows, last) = typed("--scheduled")
        assert (code, last["verdict"], last["due_at"]) == (1, "drift", "2026-11-07T06:15:00+00:00")
        assert last["begins"] == last["drifted"] and set(last["drifted"]) == {"questions", "topics"}
        assert [list(rows[0]), list(last)] == [FIELDS[""], FIELDS["scheduled's last line"]]
        assert {row["detail"] for row in rows} == {""}
        code, (again,) = typed("--scheduled")
    assert (code, again["verdict"], again["alerted"]) == (0, "", [])
    (body,) = hook.bodies
    assert "topics" in body["text"] and "leeds" not in json.dumps(body).lower()
    code, (kept,) = typed("--history")
    assert (code, list(kept)) == (0, FIELDS["history"])
    assert set(kept["told"]) == set(kept["drifted"]) == {"questions", "topics"}
    assert "leeds" not in json.dumps(kept).lower()
