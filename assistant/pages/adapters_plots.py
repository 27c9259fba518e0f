"""Small plots of live results as inline SVG: each arm's rates with their intervals, and its answers day by day.

Arms differ by shape as well as by colour, so that they can be told apart in black and white.
"""

from __future__ import annotations

from collections.abc import Sequence

from assistant.pages.render import esc
from assistant.rollout_results import ArmResult, Day
from core.rates import Rate

WIDTH, LABEL, NUMBERS, LINE = 920, 116, 150, 17
"""Units of the drawing: its width, the columns of labels and figures, the height of one arm's line."""
SHOWN = ("flagged", "failed", "unanswered", "refused", "personal data")
DAYS_WIDTH, DAYS_HEIGHT = 420, 52
MOST_ARMS = 4
"""Arms that have a shape of their own; more share the last one."""


def shape(arm: int, x: float, y: float) -> str:
    """The mark of an arm: circle, square, triangle, diamond."""
    kind = f"ad-arm-{min(arm, MOST_ARMS - 1)}"
    if arm == 0:
        return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
    if arm == 1:
        return f'<rect class="{kind}" x="{x - 4.2:.1f}" y="{y - 4.2:.1f}" width="8.4" height="8.4"/>'
    points = [(0, -5), (5, 4), (-5, 4)] if arm == 2 else [(0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0)]
    return f'<polygon class="{kind}" points="{" ".join(f"{x + a:.1f},{y + b:.1f}" for a, b in points)}"/>'


def legend_mark(arm: int) -> str:
    """The arm's mark for a table or a heading."""
    return f'<svg class="ad-mark" viewBox="0 0 14 14" aria-hidden="true">{shape(arm, 7, 7)}</svg>'


def rates(arms: Sequence[ArmResult]) -> str:
    """Shares of the answers with their 95 % intervals, one group a measure, one line an arm."""
    top = _top([arm.rates[name] for arm in arms for name in SHOWN])
    left, wide = LABEL, WIDTH - LABEL - NUMBERS
    group = LINE * len(arms) + 12
    height = group * len(SHOWN) + 22
    parts = [_grid(left + wide * at, height, f"{top * at:.0%}") for at in (0, 0.25, 0.5, 0.75, 1)]
    for number, name in enumerate(SHOWN):
        first = group * number + 6
        middle = first + LINE * len(arms) / 2
        parts.append(f'<text class="ad-label" x="{left - 12}" y="{middle + 4:.1f}" text-anchor="end">{name}</text>')
        for place, arm in enumerate(arms):
            y = first + LINE * (place + 0.5)
            parts.append(_whisker(arm.rates[name], place, (left, wide / top), y))
            told = f"{arm.rates[name].rate:.1%} of {arm.turns:,}" if arm.turns else "no answers yet"
            parts.append(f'<text class="ad-number" x="{left + wide + 14}" y="{y + 4:.1f}">{told}</text>')
    said = "; ".join(f"{arm.adapter}: " + ", ".join(f"{n} {arm.rates[n].rate:.1%}" for n in SHOWN) for arm in arms)
    return _svg(WIDTH, height, parts, f"Shares of the answers. {said}")


def days(arm: ArmResult, place: int, most: int) -> str:
    """The arm's answers of each day, the flagged ones dark; `most` is what the highest bar of all arms stands for."""
    step = DAYS_WIDTH / max(len(arm.days), 1)
    parts = [f'<line class="ad-grid" x1="0" x2="{DAYS_WIDTH}" y1="{DAYS_HEIGHT}" y2="{DAYS_HEIGHT}"/>']
    for number, day in enumerate(arm.days):
        parts += _bars(day, number * step, min(step - 1.5, 18), (place, max(most, 1)))
    first, last = (f"{day.day:%d %b}" for day in (arm.days[0], arm.days[-1]))
    parts.append(f'<text class="ad-tick" x="0" y="{DAYS_HEIGHT + 14}">{first}</text>')
    if last != first:
        parts.append(f'<text class="ad-tick" x="{DAYS_WIDTH}" y="{DAYS_HEIGHT + 14}" text-anchor="end">{last}</text>')
    flagged = sum(day.flagged for day in arm.days)
    return _svg(DAYS_WIDTH, DAYS_HEIGHT + 18, parts, f"Answers by day: {arm.turns} in all, {flagged} flagged")


def _bars(day: Day, x: float, wide: float, scale: tuple[int, int]) -> list[str]:
    place, most = scale
    tall, flagged = (DAYS_HEIGHT * count / most for count in (day.turns, day.flagged))
    title = f"<title>{day.day:%d %b}: {day.turns} answers, {day.flagged} flagged</title>"
    return [
        f'<rect class="ad-bar ad-arm-{min(place, MOST_ARMS - 1)}" x="{x:.1f}" y="{DAYS_HEIGHT - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}">{title}</rect>',
        f'<rect class="ad-flagged" x="{x:.1f}" y="{DAYS_HEIGHT - flagged:.1f}" width="{wide:.1f}" height="{flagged:.1f}"/>',
    ]


def _top(found: Sequence[Rate]) -> float:
    """The share at the right edge: the smallest of a few round ones that holds every rate, and most intervals."""
    highest = max([rate.rate for rate in found if rate.n], default=0.0)
    intervals = sorted(rate.high for rate in found if rate.n)
    wanted = max(highest, intervals[int(0.8 * (len(intervals) - 1))] if intervals else 0.0)
    return next(top for top in (0.04, 0.08, 0.12, 0.2, 0.4, 0.6, 1.0) if wanted <= top)


def _grid(x: float, height: float, said: str) -> str:
    return (
        f'<line class="ad-grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height - 18:.1f}"/>'
        f'<text class="ad-tick" x="{x:.1f}" y="{height - 4:.1f}" text-anchor="middle">{said}</text>'
    )


def _whisker(rate: Rate, arm: int, scale: tuple[float, float], y: float) -> str:
    if not rate.n:
        return ""
    left, per = scale
    edge = WIDTH - NUMBERS
    low, high, at = (min(left + per * value, edge) for value in (rate.low, rate.high, rate.rate))
    kind = f"ad-arm-{min(arm, MOST_ARMS - 1)}"
    return (
        f'<line class="ad-whisker {kind}" x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>{shape(arm, at, y)}'
    )


def _svg(width: float, height: float, parts: Sequence[str], told: str) -> str:
    return f'<svg class="ad-plot" viewBox="0 0 {width} {height:.0f}" role="img" aria-label="{esc(told)}">{"".join(parts)}</svg>'
