"""Drift on the usage page: how the newest scheduled check found each signal, and every signal's change from check to check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from assistant.pages.parts import table_html
from assistant.pages.render import esc, moment
from core.drift_checks import FEWEST_TURNS, DriftCheck

SIGNALS: Mapping[str, str] = {
    "evidence": "evidence score",
    "top_score": "best retrieval score",
    "answer_chars": "length of answers",
    "latency_ms": "time to the whole answer",
    "refusal_rate": "refused by a guard",
    "no_answer_rate": "not in the documents",
    "error_rate": "failed",
    "flag_rate": "flagged",
    "questions": "meaning of the questions",
    "topics": "topics asked about",
}
RATES = frozenset({"refusal_rate", "no_answer_rate", "error_rate", "flag_rate", "topics"})
WIDTH, HEIGHT, HIGHEST = 720, 34, 2.0
"""Units of a signal's plot, and the change at its upper edge, where the limit is 1."""


def drift_html(checks: Sequence[DriftCheck], *, at: datetime, days: int, due_next: datetime | None) -> str:
    """The part of the page.

    Args:
        checks: those of the last `days` days, newest first.
        due_next: when the schedule names the next check, None where it names none.
    """
    following = f"The next check is due on {moment(due_next)}." if due_next else (
        "No check is scheduled: ASSISTANT_DRIFT_SCHEDULE is empty."
    )  # fmt: skip
    if not checks:
        return _part("", f'<p class="ea-none">Drift was not checked in this time. {following}</p>')
    last = checks[0]
    note = f"the {last.days} days before {moment(last.due_at)} against the {last.reference_days} before them, every adapter"
    plots = "".join(_row(name, checks, (at - timedelta(days=days), days)) for name in _names(checks))
    legend = (
        '<p class="ea-muted">A bar is how much a signal had changed at a check, the line its limit. It drifts, in red with a dot, where the '
        "change is larger than that and chance does not explain it. A grey dash: too little use to judge.</p>"
    )
    plotted = f'<ul class="us-signals">{plots}</ul>{legend}' if plots else ""
    return _part(note, f'<p role="status">{_verdict(last)} {following}</p>{plotted}{_newest(last)}{_all(checks)}')


def _part(note: str, body: str) -> str:
    return f'<section class="us-part"><h3>Drift <span class="ea-muted">{note}</span></h3>{body}</section>'


def _verdict(last: DriftCheck) -> str:
    if last.verdict == "too_few":
        return (
            f"<strong>Too little use to judge:</strong> {last.current_turns} questions against {last.reference_turns}. "
            f"It takes {FEWEST_TURNS} of each, on enough days: eight before, where there is use on seven now."
        )
    if not last.drifted:
        return f"<strong>Nothing drifts</strong> ({last.current_turns} questions against {last.reference_turns})."
    return f'<strong class="ea-danger">Drifting: {", ".join(_label(name) for name in last.drifted)}.</strong>'


def _names(checks: Sequence[DriftCheck]) -> list[str]:
    """Every signal that was judged, in the order of the newest check that judged it."""
    return list(dict.fromkeys(str(one["signal"]) for check in checks for one in check.signals))


def _row(name: str, checks: Sequence[DriftCheck], span: tuple[datetime, int]) -> str:
    begin, days = span
    step = WIDTH / days
    middle = HEIGHT * (1 - 1 / HIGHEST)
    parts = [f'<line class="us-grid" x1="0" x2="{WIDTH}" y1="{middle:.1f}" y2="{middle:.1f}"/>']
    for check in checks:
        x = (check.due_at - begin) / timedelta(days=1) * step
        found = next((one for one in check.signals if one["signal"] == name), None)
        parts.append(_bar(found, x, max(min(step * 0.7, 14), 2), f"{check.due_at:%d %b}"))
    drifted = sum(name in check.drifted for check in checks)
    told = f"{_label(name)}: drifted at {drifted} of {len(checks)} checks"
    svg = f'<svg class="us-plot" viewBox="0 -6 {WIDTH} {HEIGHT + 6}" role="img" aria-label="{told}">{"".join(parts)}</svg>'
    return f"<li><span>{_label(name)}</span>{svg}</li>"


def _bar(found: Mapping[str, Any] | None, x: float, wide: float, day: str) -> str:
    left = x - wide / 2
    if found is None:
        return f'<rect class="us-rest" x="{left:.1f}" y="{HEIGHT - 1.5}" width="{wide:.1f}" height="1.5"/>'
    share = found["size"] / found["limit"]
    tall = max(HEIGHT * min(share, HIGHEST) / HIGHEST, 1.5)
    kind = "us-drifted" if found["drifted"] else "us-bar"
    dot = f'<circle class="us-drifted" cx="{x:.1f}" cy="-3" r="2.5"/>' if found["drifted"] else ""
    title = f"<title>{day}: {share:.0%} of the limit{', drifts' if found['drifted'] else ''}</title>"
    return f'<rect class="{kind}" x="{left:.1f}" y="{HEIGHT - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}">{title}</rect>{dot}'


def _newest(last: DriftCheck) -> str:
    if not last.signals:
        return ""
    rows = "".join(
        f"<tr><td>{_label(one['signal'])}</td><td class='ea-num'>{_level(one, 'reference')}</td><td class='ea-num'>{_level(one, 'current')}</td>"
        f"<td class='ea-num'>{one['size']:.3f} of {one['limit']:g}</td><td class='ea-num'>{one['p']:.4f}</td>"
        f"<td>{'<strong class=ea-danger>drifts</strong>' if one['drifted'] else 'no'}</td></tr>"
        for one in last.signals
    )
    return table_html(("Signal", "Before", "Now", "Change, of its limit", "p", "Drifts"), rows)


def _all(checks: Sequence[DriftCheck]) -> str:
    words = {"drift": "drift", "none": "no drift", "too_few": "too little use"}
    rows = "".join(
        f"<tr><td>{moment(one.due_at)}</td><td>{words[one.verdict]}</td><td>{', '.join(map(_label, one.drifted))}</td>"
        f"<td class='ea-num'>{one.current_turns}</td><td class='ea-num'>{one.reference_turns}</td></tr>"
        for one in checks
    )
    shown = table_html(("Check", "Found", "Drifting", "Questions", "Before"), rows)
    return f'<details class="rv-guide"><summary>Every check</summary>{shown}</details>'


def _label(name: str) -> str:
    return esc(SIGNALS.get(name, name))


def _level(one: Mapping[str, Any], window: str) -> str:
    value = one[window]
    if value is None:
        return "–"
    if one["signal"] in RATES:
        return f"{value:.1%}"
    return f"{value / 1000:.2f} s" if one["signal"] == "latency_ms" else f"{value:.3g}"
