"""Isolated pages over time as an SVG, drawn without any library."""

from __future__ import annotations

import math

from movable.shown import in_html
from movable.trace.show.pictures import WIDTH, frame
from movable.trace.show.summary import SECONDS, Series, Summary

HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 320, 60, 20, 40, 45
COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#57606a")


def isolated_svg(summary: Summary) -> str:
    """The picture as text: a line for each driver, time from left to right, pages upwards."""
    seconds = max(summary.end - summary.begin, 1e-6 if summary.clock == SECONDS else 1.0)
    top = max([1, *(max(series.points, default=0) for series in summary.series.values())])
    parts = [*frame(HEIGHT, f"Isolated pages over time: {summary.name}"), *_axes(seconds, top, summary.clock)]
    for index, (driver, series) in enumerate(sorted(summary.series.items())):
        colour = COLOURS[index % len(COLOURS)]
        points = " ".join(_steps(series, seconds, top))
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{points}"/>')
        x = LEFT + index * 150
        parts.append(f'<rect x="{x}" y="16" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{x + 18}" y="26">{in_html(driver or "unknown driver")}</text>')
    if not summary.series:
        parts.append(f'<text x="{WIDTH // 2}" y="{HEIGHT // 2}" text-anchor="middle">no page was isolated</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _x(seconds: float, whole: float) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * min(seconds / whole, 1.0), 2)


def _y(pages: float, top: int) -> float:
    return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * pages / top, 2)


def _steps(series: Series, seconds: float, top: int) -> list[str]:
    """Corners of a step line; a stretch without a change adds none."""
    corners = [f"{_x(0, seconds)},{_y(0, top)}"]
    before = 0
    for index, value in enumerate(series.points):
        if value != before:
            x = _x(index * series.width, seconds)
            corners += [f"{x},{_y(before, top)}", f"{x},{_y(value, top)}"]
            before = value
    last = _x(len(series.points) * series.width, seconds)
    corners += [f"{last},{_y(before, top)}", f"{last},{_y(series.now, top)}", f"{_x(seconds, seconds)},{_y(series.now, top)}"]
    return corners


def _axes(seconds: float, top: int, clock: str) -> list[str]:
    parts = []
    for step in _ticks(top):
        y = _y(step, top)
        parts.append(f'<line x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" stroke="#d0d7de"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{step:g}</text>')
    for step in _ticks(seconds):
        x = _x(step, seconds)
        parts.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{step:g}</text>')
    parts.append(f'<text x="{WIDTH // 2}" y="{HEIGHT - 8}" text-anchor="middle">{clock}</text>')
    parts.append(f'<text x="{LEFT}" y="{TOP - 28}" text-anchor="end">pages</text>')
    return parts


def _ticks(top: float) -> list[float]:
    """Four to ten round numbers from 0 up to ``top``."""
    power = 10.0 ** math.floor(math.log10(top))
    step = next(power * part for part in (1.0, 0.5, 0.2, 0.1) if top / (power * part) >= 4)
    return [round(step * i, 9) for i in range(int(top / step + 1e-9) + 1)]
