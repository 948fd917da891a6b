"""Tracepoints of the kernel that need no probes: compaction, migration, fallback between migratetypes, CMA.

Reads ftrace text, what ``trace-cmd report`` and ``perf script`` print, and the same lines inside a kernel log.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_LINE = re.compile(
    r"^\s*(?P<task>\S.*?)(?:\s*-\s*|\s+)(?:\d{1,10}/)?(?P<pid>\d{1,10})\s+(?:\(\s*[-\d]+\)\s+)?\[(?P<cpu>\d{1,6})\]\s+"
    r"(?:[^\s\[\]:]{4,8}\s+)?"
    r"(?P<time>\d{1,12}\.\d{1,9}):\s+(?:\w+:)?(?P<event>[a-z]\w+):\s*(?P<rest>.*)$"
)
_LOGGED = re.compile(r"^\s*\[\s*(?P<time>\d{1,12}\.\d{1,9})\]\s+(?:\w+:)?(?P<event>[a-z]\w+):\s+(?P<rest>\S.*)$")
_TIMED = re.compile(r"^\s*(?P<time>\d{1,12}\.\d{1,9}):\s+(?:\w+:)?(?P<event>[a-z]\w+):\s+(?P<rest>\S.*)$")
"""As perf script prints it that was asked for time, event and trace only."""
_DUMPED = re.compile(
    r"^\s*(?:<\d>)?(?:\[[^\]]{1,24}\]\s*){0,2}(?P<task>\S.{0,15}?)-(?P<pid>\d{1,10})\s+(?P<cpu>\d{1,3})[^\s\d]\S{2,5}\s+"
    r"(?P<us>\d{1,18})us[!+#*@$]?\s*:\s+(?P<event>[a-z]\w+):\s*(?P<rest>.*)$"
)
"""As a kernel that stops writes its buffer into its log (ftrace_dump_on_oops)."""
CUT = {"kcompact": "kcompactd", "khugepag": "khugepaged"}
"""Daemons whose names such a line cuts off after eight characters."""
_FIELD = re.compile(r"\b([A-Za-z_]\w*)=\s?(\([^)]*\)|[^\s,]+)")
KINDS = re.compile(
    r"mm_compaction_\w+|mm_migrate_pages(?:_start)?|mm_page_alloc_extfrag|(?:set|remove)_migration_pte|cma_(?:alloc|release)\w*"
)
MARKS = ("mm_compaction_", "mm_migrate_pages", "mm_page_alloc_extfrag", "migration_pte:", "cma_alloc_")
"""What stands in every line that could be one of these."""


@dataclass(frozen=True, slots=True)
class Tracepoint:
    """One event: ``time`` in seconds, ``fields`` as the kernel printed them."""

    number: int
    task: str
    pid: int
    time: float
    name: str
    fields: dict[str, str]

    def number_of(self, name: str) -> int | None:
        """A field as a number, decimal or 0x; None where it is missing or is none."""
        return whole_number(self.fields.get(name, ""))


def whole_number(text: str) -> int | None:
    """A number as the kernel prints one: decimal, with a minus sign, or 0x and hexadecimal digits; None for anything else."""
    if re.fullmatch(r"0x[0-9a-f]{1,16}", text):
        return int(text, 16)
    return int(text) if re.fullmatch(r"-?[0-9]{1,19}", text) else None


def tracepoints(lines: Iterable[str]) -> Iterator[Tracepoint]:
    """The tracepoints in lines; other lines are passed over."""
    for number, text in enumerate(lines, 1):
        if not any(mark in text for mark in MARKS) or len(text) > 4000:
            continue
        found = _LINE.match(text) or _DUMPED.match(text) or _LOGGED.match(text) or _TIMED.match(text)
        if found is None or not KINDS.fullmatch(found["event"]):
            continue
        named = found.groupdict()
        fields = dict(_FIELD.findall(named["rest"]))
        task, time = named.get("task") or "", float(named["time"]) if "time" in named else int(named["us"]) / 1e6
        task = CUT.get(task, task) if "us" in named else task
        yield Tracepoint(number, task, int(named.get("pid") or 0), time, named["event"], fields)
