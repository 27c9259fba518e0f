"""Small plots as inline SVG: rates with their intervals, and a histogram. No script, no request, readable in black and white."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from markupsafe import Markup

from core.rates import Rate

WIDTH, LABEL, NUMBERS, ROW = 720, 190, 130, 26
"""Pixels: the whole plot, the column of labels, the column of figures, the height of a row."""
HISTOGRAM_HEIGHT = 120
BINS = 24


def rates(rows: Sequence[tuple[str, Rate, Rate | None]], *, mark: float | None = None) -> Markup:
    """Dots with whiskers, one row a slice; where there is a second rate, it is the hollow dot below.

    Args:
        mark: a share at which a dashed line stands, such as the pass rate asked for.
    """
    height = ROW * len(rows) + 24
    left, wide = LABEL, WIDTH - LABEL - NUMBERS
    parts = [
        f'<line class="grid" x1="{left + wide * at:.1f}" x2="{left + wide * at:.1f}" y1="0" y2="{height - 20}"/>'
        f'<text class="tick" x="{left + wide * at:.1f}" y="{height - 6}" text-anchor="middle">{at:.0%}</text>'
        for at in (0, 0.25, 0.5, 0.75, 1)
    ]
    if mark is not None:
        parts.append(f'<line class="mark" x1="{left + wide * mark:.1f}" x2="{left + wide * mark:.1f}" y1="0" y2="{height - 20}"/>')  # fmt: skip
    for number, (label, ours, other) in enumerate(rows):
        y = ROW * number + ROW / 2
        parts.append(f'<text class="label" x="{left - 10}" y="{y + 4}" text-anchor="end">{escape(label)}</text>')
        parts.append(_whisker(ours, left, wide, y - (4 if other else 0), "ours"))
        if other:
            parts.append(_whisker(other, left, wide, y + 6, "other"))
        told = f"{ours.rate:.1%} of {ours.n}" if ours.n else "none"
        parts.append(f'<text class="label" x="{left + wide + 14}" y="{y + 4}">{told}</text>')
    return _svg(height, parts, "Pass rates with their intervals")


def histogram(values: Sequence[float], unit: str) -> Markup:
    """How often each value occurs; the last bar holds what is above the 99th percentile."""
    if not values:
        return Markup("")
    ordered = sorted(values)
    top = max(ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], 1e-9)
    counts = [0] * BINS
    for value in values:
        counts[min(BINS - 1, int(BINS * value / top))] += 1
    step, most = WIDTH / BINS, max(counts)
    parts = [
        f'<rect class="bar" x="{i * step + 1:.1f}" y="{HISTOGRAM_HEIGHT * (1 - c / most):.1f}" width="{step - 2:.1f}" height="{HISTOGRAM_HEIGHT * c / most:.1f}"/>'
        for i, c in enumerate(counts)
    ]
    marks = [(0.0, "0", "start"), (0.5, f"{top / 2:.0f}", "middle"), (1.0, f"{top:.0f} {unit}", "end")]
    parts += [
        f'<text class="tick" x="{WIDTH * at:.0f}" y="{HISTOGRAM_HEIGHT + 16}" text-anchor="{anchor}">{escape(said)}</text>'
        for at, said, anchor in marks
    ]
    return _svg(HISTOGRAM_HEIGHT + 22, parts, f"Distribution in {unit}")


def _whisker(rate: Rate, left: float, wide: float, y: float, kind: str) -> str:
    low, high, at = (left + wide * value for value in (rate.low, rate.high, rate.rate))
    return (
        f'<line class="whisker {kind}" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>'
        f'<circle class="dot {kind}" cx="{at:.1f}" cy="{y}" r="4"/>'
    )


def _svg(height: float, parts: Sequence[str], title: str) -> Markup:
    return Markup(  # noqa: S704 - every text in it went through escape
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )
