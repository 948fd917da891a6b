"""What ran at the same time, and how far its interleavings were explored: a small matrix, as plain values and as text.

A cell speaks of the scenarios in which just these two tasks run; where there are several, of the one that was explored least. Two
tasks that ran only with a third one count as sampled.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from movable.explore.coverage import Explored

ALL, SAMPLED, NOT_TRIED = "all", "sampled", "not tried"
CORE = {
    "migration": "mig", "put-back": "put", "rest of a migration": "fin", "late put-back": "late", "compaction": "comp",
    "contiguous allocation": "cont", "offlining": "off", "tear-down": "rem", "isolation": "iso",
}  # fmt: skip
"""What the core does, and the head of its column."""
_BOUND = re.compile(r"all interleavings with at most (\d+) pre-emption|all interleavings without")


def coverage(one: Explored) -> str:
    """ALL, "bounded by k", SAMPLED or NOT_TRIED; with parts of the driver not watched never more than SAMPLED."""
    if not one.executions:
        return NOT_TRIED
    if one.unwatched:
        return SAMPLED
    if one.complete:
        return ALL
    bound = _BOUND.search(one.covered)
    return SAMPLED if bound is None else f"bounded by {bound.group(1) or 0}"


def _strength(words: str) -> tuple[int, int]:
    kinds = (NOT_TRIED, SAMPLED, "bounded", ALL)
    kind = kinds.index("bounded" if words.startswith("bounded") else words)
    return kind, int(words.rpartition(" ")[2]) if kind == 2 else 0


def matrix(scenarios: Sequence[Explored]) -> list[dict[str, Any]]:
    """One entry for each pair of tasks: ``tasks``, ``coverage``, the ``rules`` that broke, ``scenarios`` and ``executions`` of just
    these two, and the ``variants`` in which they ran, where there are several."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in scenarios:
        parts = [part for task in one.tasks for part in task.split(" and ")]
        for pair in combinations(sorted(parts, key=_place), 2):
            key = (pair[0], pair[1])
            fresh = {"tasks": list(key), "coverage": NOT_TRIED, "rules": [], "scenarios": 0, "executions": 0, "variants": []}
            cell = found.setdefault(key, fresh)
            reached = coverage(one)
            alone = len(parts) == 2
            if not alone:
                reached = min(reached, SAMPLED, key=_strength)
            if reached != NOT_TRIED and (alone or not cell["scenarios"]):
                known = cell["coverage"]
                weakest = min(known, reached, key=_strength)
                cell["coverage"] = weakest if known != NOT_TRIED and (cell["scenarios"] or not alone) else reached
            if alone:
                cell["scenarios"] += bool(one.executions)
                cell["executions"] += one.executions
                cell["rules"] = sorted({*cell["rules"], *one.rules})
                if one.variant and one.executions and one.variant not in cell["variants"]:
                    cell["variants"].append(one.variant)
    return [found[key] for key in sorted(found, key=lambda pair: (_place(pair[0]), _place(pair[1])))]


def _place(task: str) -> tuple[int, str]:
    """Operations in order of name, then what the core does."""
    return (list(CORE).index(task) + 1, "") if task in CORE else (0, task)


def matrix_text(scenarios: Sequence[Explored]) -> list[str]:
    """The matrix for a terminal: operations are lettered, each has a row, and the core's doings have columns of their own."""
    cells = {tuple(cell["tasks"]): cell for cell in matrix(scenarios)}
    tasks = sorted({task for pair in cells for task in pair}, key=_place)
    operations = [task for task in tasks if task not in CORE]
    heads = [_letter(number) for number in range(len(operations))] + [CORE[task] for task in tasks if task in CORE]
    named = [f"{_letter(number)} {task}" for number, task in enumerate(operations)] + [task for task in tasks if task in CORE]
    width = max(map(len, named), default=0)
    lines = [f"explored {'':{width}} {' '.join(f'{head:>5}' for head in heads)}"]
    for row in range(len(tasks)):
        shown = [_cell(cells.get((tasks[min(row, column)], tasks[max(row, column)]))) for column in range(len(tasks))]
        if any(cell != "-" for cell in shown):
            lines.append(f"         {named[row]:{width}} {' '.join(f'{cell:>5}' for cell in shown)}")
    return [*(line.rstrip() for line in lines), LEGEND]


LEGEND = "         all: all interleavings; <=k: all with at most k pre-emptions; some: samples; -: not tried; !: a rule broke"


def _letter(number: int) -> str:
    return "abcdefghijklmnopqrstuvwxyz"[number] if number < 26 else str(number)


def _cell(cell: dict[str, Any] | None) -> str:
    if cell is None or cell["coverage"] == NOT_TRIED:
        return "-"
    reached = cell["coverage"]
    short = {ALL: "all", SAMPLED: "some"}.get(reached, f"<={reached.rpartition(' ')[2]}")
    return short + ("!" if cell["rules"] else "")
