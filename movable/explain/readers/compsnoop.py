"""Compactions one a line: the table of compsnoop, and lines of the kernel's tracepoints, which are kept for the trace summary."""

from __future__ import annotations

import re

from movable.explain.material import CompactionRun, Material
from movable.explain.paste import Line

_HEADER = {"COMM", "PID", "ORDER", "STATUS"}
_EVENT = re.compile(
    r"\b(?:mm_compaction_\w+|mm_migrate_pages(?:_start)?|mm_page_alloc_extfrag|set_migration_pte|remove_migration_pte|"
    r"cma_(?:alloc|release)\w*|mm_vmscan_\w+|mm_page_alloc|mm_khugepaged_\w+):\s"
)
_TRACE_HEADER = re.compile(r"^\s*#(?:\s*$|.*(?:tracer:|TASK-PID|entries|\||=>|irqs-off|need-resched|hardirq|preempt|delay))")


class Compsnoop:
    """Reads the table of a compaction tracing tool; the header says which columns there are."""

    def __init__(self) -> None:
        self._columns: list[str] = []

    def read(self, line: Line, material: Material) -> bool:
        """Whether the line is a row or the header of such a table, or a tracepoint of compaction."""
        if _EVENT.search(line.text):
            material.events.append(line.raw)
            return True
        words = line.text.split()
        if set(words) >= _HEADER:
            self._columns = words
            return True
        if _TRACE_HEADER.match(line.text):
            return True
        return bool(self._columns) and self._row(line, words, material)

    def _row(self, line: Line, words: list[str], material: Material) -> bool:
        extra = len(words) - len(self._columns)  # a task's name may hold blanks
        if extra < 0 or extra > 8:
            return False
        comm = self._columns.index("COMM")
        words = [*words[:comm], " ".join(words[comm : comm + extra + 1]), *words[comm + extra + 1 :]]
        row = dict(zip(self._columns, words, strict=True))
        try:
            run = CompactionRun(
                line, row["COMM"], int(row["PID"]), int(row.get("NODE", "0")), row.get("ZONE", "").removeprefix("ZONE_"),
                int(row["ORDER"]), row.get("MODE", ""), row["STATUS"], float(row["LAT(ms)"]) if "LAT(ms)" in row else None,
                _index(row.get("FRAGIDX")),
            )  # fmt: skip
        except ValueError:
            return False
        material.runs.append(run)
        return True


def _index(word: str | None) -> int | None:
    return None if word is None else round(float(word) * 1000)
