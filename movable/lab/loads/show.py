"""What a sweep came to: a table, CSV, JSON, and a picture over time."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from movable.lab.loads.samples import Sample
from movable.lab.loads.sweep import SCHEMA, Job, Outcome
from movable.mm.memparse import size_text
from movable.shown import in_html
from movable.trace.show.pictures import WIDTH, frame
from movable.trace.show.svg import COLOURS as SIX_COLOURS

PLOTTED = ("free", "huge_blocks", "unusable_index", "migrated")
TITLES = {
    "free": "free pages", "huge_blocks": "blocks of order 9 that could be had", "unusable_index": "unusable index of order 9",
    "migrated": "pages migrated",
}  # fmt: skip
PANEL, LEFT, RIGHT, TOP, GAP = 150, 90, 20, 20, 40
COLOURS = (*SIX_COLOURS, "#0a9396", "#e36209", "#bf3989", "#7d8b00", "#4a3aff", "#8b4513")
IN_A_ROW = 4


def table(outcomes: list[Outcome]) -> Iterator[str]:
    """A line for each run: where it ended."""
    yield (
        f"{'workload':<18}{'memory':>8}{'seed':>6}{'free':>9}{'order 9':>9}{'fragm.':>8}{'unusable':>10}{'got':>11}{'migrated':>10}"
        f"{'scanned':>9}"
    )
    for one in outcomes:
        job = one.job
        line = f"{job.workload:<18}{size_text(job.memory):>8}{job.seed:>6}"
        if one.samples:
            end = one.samples[-1]
            line += (
                f"{end.free:>9}{end.huge_blocks:>9}{end.fragmentation_index / 1000:>8.3f}{end.unusable_index / 1000:>10.3f}"
                f"{f'{end.got}/{end.asked}':>11}{end.migrated:>10}{end.scanned:>9}"
            )
        yield line + (f"  failed: {one.error}" if one.error else "")


def csv_text(outcomes: list[Outcome]) -> str:
    """A row for each step of each run, with a header."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["workload", "seed", "memory", "nodes", "era", *Sample._fields])
    for one in outcomes:
        job = one.job
        writer.writerows([job.workload, job.seed, job.memory, job.nodes, job.era, *step] for step in one.samples)
    return stream.getvalue()


def record(outcomes: list[Outcome]) -> dict[str, Any]:
    """The same for programs, schema movable.lab/1."""
    return {
        "schema": SCHEMA,
        "runs": [
            {
                "workload": one.job.workload, "seed": one.job.seed, "memory": one.job.memory, "nodes": one.job.nodes,
                "era": one.job.era, "steps": one.job.steps, "ok": not one.error, "error": one.error,
                "samples": [step._asdict() for step in one.samples],
            }
            for one in outcomes
        ],
    }  # fmt: skip


def svg(outcomes: list[Outcome]) -> str:
    """One picture: a panel for each of a few numbers, a line for each run, steps from left to right."""
    groups = list(dict.fromkeys(_group(one.job) for one in outcomes))
    top = TOP + 20 * -(-len(groups) // IN_A_ROW)
    height = top + len(PLOTTED) * (PANEL + GAP)
    parts = frame(height, "Workloads over time")
    for place, name in enumerate(groups):
        x, y = LEFT + place % IN_A_ROW * (WIDTH - LEFT - RIGHT) // IN_A_ROW, 12 + place // IN_A_ROW * 20
        parts.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{COLOURS[place % len(COLOURS)]}"/>')
        parts.append(f'<text x="{x + 17}" y="{y + 10}">{in_html(name)}</text>')
    for number, field in enumerate(PLOTTED):
        parts += _panel(outcomes, groups, field, top + number * (PANEL + GAP))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _group(job: Job) -> str:
    return f"{job.workload} {size_text(job.memory)}"


def _panel(outcomes: list[Outcome], groups: list[str], field: str, top: int) -> Iterator[str]:
    values = [[getattr(step, field) for step in one.samples] for one in outcomes]
    most = max((value for row in values for value in row), default=0) or 1
    steps = max((len(row) for row in values), default=1)
    yield f'<text x="{LEFT}" y="{top + 12}" font-weight="bold">{TITLES[field]}</text>'
    for y, label in ((top + 30, most), (top + PANEL, 0)):
        yield f'<line x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" stroke="#d0d7de"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{label}</text>'
    for x, side, label in ((LEFT, "start", "filled"), (WIDTH - RIGHT, "end", f"step {steps - 1}")):
        yield f'<text x="{x}" y="{top + PANEL + 15}" text-anchor="{side}">{label}</text>'
    for one, row in zip(outcomes, values, strict=True):
        colour = COLOURS[groups.index(_group(one.job)) % len(COLOURS)]
        wide, tall = (WIDTH - LEFT - RIGHT) / max(steps - 1, 1), (PANEL - 30) / most
        points = " ".join(f"{LEFT + wide * step:.1f},{top + PANEL - tall * value:.1f}" for step, value in enumerate(row))
        yield f'<polyline fill="none" stroke="{colour}" stroke-opacity="0.7" stroke-width="1.5" points="{points}"/>'
