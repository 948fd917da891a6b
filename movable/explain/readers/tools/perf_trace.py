"""Lines of ``perf trace``, as the kernel itself would have printed the event."""

from __future__ import annotations

import re

from movable.mm.compaction_control import COMPACT_RESULT_NAMES

_LINE = re.compile(
    r"^\s*(\d{1,15}\.\d{1,6})\s+(?:\(\s*[\d. ms]*\):?\s+)?(\S.{0,30}?)/(\d{1,9})\s+"
    r"((?:compaction|migrate|kmem|cma|vmscan):(\w{1,60}))\((.{0,2000})\)\s*$"
)
_FIELD = re.compile(r"(\w{1,40}): (\"[^\"]*\"|[^,]*)(?:, |$)")


def event_line(text: str) -> str | None:
    """An event in the words of the kernel's own trace; None for another line.

    perf prints fields as they are recorded: a range as its two ends, the mode as a truth value, a status as a number.
    """
    found = _LINE.match(text)
    if found is None:
        return None
    fields = {name: value.strip('"') for name, value in _FIELD.findall(found[6])}
    start, end = fields.get("start_pfn", ""), fields.get("end_pfn", "")
    if start.isdecimal() and end.isdecimal():
        fields = {"range": f"({int(start[:18]):#x} ~ {int(end[:18]):#x})"} | fields
    if "sync" in fields:
        fields["mode"] = "sync" if fields["sync"] in ("true", "1") else "async"
    status = fields.get("status", "")
    if status.isdecimal() and int(status[:3]) < len(COMPACT_RESULT_NAMES):
        fields["status"] = COMPACT_RESULT_NAMES[int(status[:3])]  # as numbered since 4.8
    words = " ".join(f"{name}={value}" for name, value in fields.items())
    return f"{found[2]}-{found[3]} [000] {float(found[1]) / 1e3:.6f}: {found[5]}: {words}"
