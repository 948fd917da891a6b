"""Compaction over time, as pictures: how much was scanned and taken, and who compacted when."""

from __future__ import annotations

from movable.shown import in_html
from movable.trace.judge.compaction import DAEMONS, Compaction

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 900, 130, 20, 40, 45
PLOT, LANE = 220, 26
MAX_LANES = 8
COLOURS = {"scanned": "#d1242f", "taken": "#1f6feb"}
WAITED, DAEMON = "#9a6700", "#57606a"
STYLE = (
    ".ground { fill: #fff } text { fill: #1f2328 } "
    "@media (prefers-color-scheme: dark) { .ground { fill: #14171a } text { fill: #e8eaed } line { stroke: #57606a } }"
)


def work_svg(found: Compaction, name: str) -> str:
    """Frames that the migrate scanner went over and took, added up from the beginning: far apart means in vain."""
    seconds, height = max(found.last - found.first, 1e-6), TOP + PLOT + BOTTOM
    top = max(found.migrate_scanned, found.migrate_taken, 1)
    parts = frame(height, f"Frames scanned and taken over time: {name}")
    for place, (what, colour) in enumerate(COLOURS.items()):
        points = [(LEFT, TOP + PLOT)]
        for time, *sums in [*found.work, (found.last, found.migrate_scanned, found.migrate_taken)]:
            y = round(TOP + PLOT - PLOT * sums[place] / top)
            points.append((_x(time - found.first, seconds), points[-1][1]))
            points.append((points[-1][0], y))
        line = " ".join(f"{x},{y}" for x, y in points)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{line}"/>')
        parts.append(f'<rect x="{LEFT + place * 160}" y="14" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{LEFT + place * 160 + 18}" y="24">{what}</text>')
    parts.append(f'<text x="{LEFT - 8}" y="{TOP + 10}" text-anchor="end">{top}</text>')
    parts.append(f'<text x="{LEFT - 8}" y="{TOP + PLOT}" text-anchor="end">0</text>')
    return "\n".join([*parts, *_times(height, seconds), "</svg>"]) + "\n"


def tasks_svg(found: Compaction, name: str) -> str:
    """A lane for each task that compacted, those that did so for the longest time first; a daemon is grey, who waits is not."""
    tasks = sorted(found.waits, key=lambda task: -found.waits[task])[:MAX_LANES]
    seconds, height = max(found.last - found.first, 1e-6), LANE // 2 + max(len(tasks), 1) * LANE + BOTTOM
    parts = frame(height, f"Who compacted when: {name}")
    for place, task in enumerate(tasks):
        y = LANE // 2 + place * LANE
        parts.append(f'<text x="{LEFT - 8}" y="{y + 16}" text-anchor="end">{in_html(task[:16] or "unknown")}</text>')
        colour = DAEMON if task.startswith(DAEMONS) else WAITED
        for begin, end, who in found.spans:
            if who == task:
                x = _x(begin - found.first, seconds)
                wide = max(_x(end - found.first, seconds) - x, 1)
                parts.append(f'<rect x="{x}" y="{y + 4}" width="{wide}" height="{LANE - 8}" fill="{colour}"/>')
    return "\n".join([*parts, *_times(height, seconds), "</svg>"]) + "\n"


def frame(height: int, title: str) -> list[str]:
    """The beginning of a picture: its size, its title, its ground, which is dark where the reader's pages are."""
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
        f"<title>{in_html(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{height}"/>',
    ]


def _x(at: float, seconds: float) -> int:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * min(max(at / seconds, 0.0), 1.0))


def _times(height: int, seconds: float) -> list[str]:
    return [
        f'<line x1="{LEFT}" y1="{height - BOTTOM}" x2="{WIDTH - RIGHT}" y2="{height - BOTTOM}" stroke="#8c959f"/>',
        f'<text x="{LEFT}" y="{height - 15}">0 s</text>',
        f'<text x="{WIDTH - RIGHT}" y="{height - 15}" text-anchor="end">{seconds:.6f} s</text>',
    ]
