"""The usage page's HTML: rates with their intervals, plots by day as inline SVG, and the same figures as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from assistant.pages.render import esc
from core.rates import Rate
from core.usage import Usage, UsageDay

PERIODS = (("Last 7 days", 7), ("Last 30 days", 30), ("Last 90 days", 90))
WIDTH, HEIGHT, LEFT, FOOT = 900, 180, 56, 28
"""Units of a plot: its width, the height of the drawn part, the columns of the scale, the line of dates."""

Value = Callable[[UsageDay], float | None]


def usage_html(found: Usage) -> str:
    """Everything on the page below the filters."""
    if not found.questions:
        return '<div class="rv-empty"><strong>Nothing was asked in this time.</strong></div>'
    tiles = "".join(
        (
            _tile("Questions", f"{found.questions:,}", f"{found.people:,} people"),
            _rate_tile("Answered", found.answered),
            _rate_tile("Not in the documents", found.no_answer),
            _rate_tile("Refused by a guard", found.refused),
            _rate_tile("Failed", found.failed),
            _rate_tile("Flagged", found.flagged),
            _tile("Time to the whole answer", _seconds(found.ms_p50), f"95% within {_seconds(found.ms_p95)}"),
        )
    )
    return (
        f'<div class="us-tiles">{tiles}</div>'
        f"{_part('Questions by day', 'answered and not', stacked(found.days))}"
        f"{_part('Rates by day', 'share of the questions of the day', rates(found.days))}"
        f"{_part('Latency by day', 'seconds until the whole answer', latency(found.days))}"
        f"{_table(found.days)}"
    )


def _tile(name: str, value: str, note: str) -> str:
    return f'<div class="us-tile"><span>{name}</span><strong>{value}</strong><span class="ea-muted">{note}</span></div>'


def _rate_tile(name: str, rate: Rate) -> str:
    return _tile(name, f"{rate.rate:.1%}", f"{rate.passed:,} of {rate.n:,} ({rate.low:.1%} to {rate.high:.1%})")


def _part(title: str, note: str, plot: str) -> str:
    return f'<section class="us-part"><h3>{title} <span class="ea-muted">{note}</span></h3>{plot}</section>'


def stacked(days: Sequence[UsageDay]) -> str:
    """A bar a day: answered below, the rest above it."""
    top = _round_up(max(day.questions for day in days))
    step, parts = _step(days), _scale(top, f"{top:g}", f"{top / 2:g}" if top % 2 == 0 else "")
    for n, day in enumerate(days):
        x, wide = LEFT + n * step + step * 0.15, step * 0.7
        answered, asked = HEIGHT * day.answered / top, HEIGHT * day.questions / top
        title = f"<title>{day.day:%d %b}: {day.questions} questions, {day.answered} answered</title>"
        parts.append(
            f'<rect class="us-rest" x="{x:.1f}" y="{HEIGHT - asked:.1f}" width="{wide:.1f}" height="{asked:.1f}">{title}</rect>'
        )
        parts.append(
            f'<rect class="us-bar" x="{x:.1f}" y="{HEIGHT - answered:.1f}" width="{wide:.1f}" height="{answered:.1f}">{title}</rect>'
        )
    asked_in_all = sum(day.questions for day in days)
    legend = _legend((("us-bar", "answered"), ("us-rest", "not answered")))
    return _svg(days, parts, f"Questions by day, {asked_in_all} in all, at most {top:g} a day") + legend


def rates(days: Sequence[UsageDay]) -> str:
    """A line for each outcome that is not an answer, and one for flags."""
    shown: tuple[tuple[str, str, Value], ...] = (
        ("us-line-0", "not in the documents", lambda day: _share(day.no_answer, day)),
        ("us-line-1", "refused by a guard", lambda day: _share(day.refused, day)),
        ("us-line-2", "flagged", lambda day: _share(day.flagged, day)),
        ("us-line-3", "failed", lambda day: _share(day.failed, day)),
    )
    highest = max((value for _, _, of in shown for day in days if (value := of(day)) is not None), default=0.0)
    top = next(round_ for round_ in (0.05, 0.1, 0.2, 0.5, 1.0) if highest <= round_)
    parts = _scale(top, f"{top:.0%}", f"{top / 2:.1%}".replace(".0%", "%"))
    parts += [_line(days, of, top, kind) for kind, _, of in shown]
    return _svg(days, parts, "Rates by day") + _legend([(kind, name) for kind, name, _ in shown], line=True)


def latency(days: Sequence[UsageDay]) -> str:
    """The median and the 95th percentile of each day."""
    highest = max((day.ms_p95 for day in days if day.ms_p95 is not None), default=0.0) / 1000
    top = _round_up(highest)
    parts = _scale(top, f"{top:g} s", f"{top / 2:g} s")
    shown: tuple[tuple[str, str, Value], ...] = (
        ("us-line-0", "median", lambda day: None if day.ms_p50 is None else day.ms_p50 / 1000),
        ("us-line-1", "95th percentile", lambda day: None if day.ms_p95 is None else day.ms_p95 / 1000),
    )
    parts += [_line(days, of, top, kind) for kind, _, of in shown]
    return _svg(days, parts, "Latency by day") + _legend([(kind, name) for kind, name, _ in shown], line=True)


def _line(days: Sequence[UsageDay], of: Value, top: float, kind: str) -> str:
    """One line; a day without a value breaks it."""
    step = _step(days)
    runs: list[list[str]] = [[]]
    for n, day in enumerate(days):
        value = of(day)
        if value is None:
            runs.append([])
        else:
            runs[-1].append(f"{LEFT + (n + 0.5) * step:.1f},{HEIGHT * (1 - min(value, top) / top):.1f}")
    drawn = "".join(f'<polyline class="us-line {kind}" points="{" ".join(run)}"/>' for run in runs if len(run) > 1)
    dots = [at.split(",") for run in runs for at in run if len(days) <= 31 or len(run) == 1]
    return drawn + "".join(f'<circle class="us-dot {kind}" cx="{x}" cy="{y}" r="3"/>' for x, y in dots)


def _scale(top: float, highest: str, middle: str) -> list[str]:
    parts = []
    for at, said in ((0.0, "0"), (0.5, middle), (1.0, highest)):
        y = HEIGHT * (1 - at)
        parts.append(f'<line class="us-grid" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="us-tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{said if top else ""}</text>'
        )
    return parts


def _svg(days: Sequence[UsageDay], parts: Sequence[str], told: str) -> str:
    step, count = _step(days), len(days)
    marked = sorted({0, count // 2, count - 1})
    anchors = {0: "start", count - 1: "end"}
    dates = "".join(
        f'<text class="us-tick" x="{LEFT + (n + 0.5) * step:.1f}" y="{HEIGHT + FOOT - 4}" text-anchor="{anchors.get(n, "middle")}">{days[n].day:%d %b}</text>'
        for n in marked
    )
    return (
        f'<svg class="us-plot" viewBox="0 -8 {WIDTH} {HEIGHT + FOOT + 8}" role="img" aria-label="{esc(told)}">'
        f"{''.join(parts)}{dates}</svg>"
    )


def _legend(names: Sequence[tuple[str, str]], *, line: bool = False) -> str:
    def mark(kind: str) -> str:
        if line:
            return f'<line class="us-line {kind}" x1="0" x2="18" y1="6" y2="6"/><circle class="us-dot {kind}" cx="9" cy="6" r="3"/>'
        return f'<rect class="{kind}" x="3" y="0" width="12" height="12"/>'

    listed = "".join(
        f'<li><svg viewBox="0 0 18 12" aria-hidden="true">{mark(kind)}</svg>{name}</li>' for kind, name in names
    )
    return f'<ul class="us-legend">{listed}</ul>'


def _table(days: Sequence[UsageDay]) -> str:
    heads = (
        "Day",
        "Questions",
        "People",
        "Answered",
        "Not in the documents",
        "Refused",
        "Failed",
        "Flagged",
        "Up",
        "Down",
        "p50",
        "p95",
    )
    rows = "".join(
        f"<tr><td>{day.day}</td>"
        + "".join(
            f"<td class='ea-num'>{value}</td>"
            for value in (
                *(
                    getattr(day, name)
                    for name in (
                        "questions",
                        "people",
                        "answered",
                        "no_answer",
                        "refused",
                        "failed",
                        "flagged",
                        "up",
                        "down",
                    )
                ),
                _seconds(day.ms_p50),
                _seconds(day.ms_p95),
            )
        )
        + "</tr>"
        for day in reversed(days)
        if day.questions
    )
    head = "".join(f"<th>{one}</th>" for one in heads)
    return (
        '<details class="rv-guide"><summary>The same as a table</summary><div class="ea-table" tabindex="0"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


def _share(count: int, day: UsageDay) -> float | None:
    return count / day.questions if day.questions else None


def _step(days: Sequence[UsageDay]) -> float:
    return (WIDTH - LEFT) / max(len(days), 1)


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50 ..., or of their tenths."""
    steps = [base * 10**power for power in range(-2, 8) for base in (1, 2, 5)]
    return next((float(f"{step:.6g}") for step in steps if step >= value), value)


def _seconds(ms: float | None) -> str:
    if ms is None:
        return "–"
    return f"{ms / 1000:.2f} s" if ms < 10_000 else f"{ms / 1000:.0f} s"
